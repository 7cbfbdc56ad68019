"""``nodeguard run`` on a host whose agent runs: the same, through the API.

The agent makes the pods and keeps them going; this process only asks, shows and, at the end, deletes what it created.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nodeguard.agent.log import LogLine
from nodeguard.cli.run_object import class_object, config_object, event_of, exit_code
from nodeguard.cli.terminal import Terminal
from nodeguard.client.client import Client
from nodeguard.client.follow import LISTED, follow
from nodeguard.client.follow_log import LogFollower
from nodeguard.client.kind import EVENT, NAMESPACE, POD, Kind, find_object_kind
from nodeguard.client.wait import wait_for
from nodeguard.errors import Conflict, NodeguardError, NotFound
from nodeguard.model.decode import Manifests
from nodeguard.model.pod import Pod

PATIENCE_SECONDS = 30.0
"""How long an agent may be away, being started again, before its pods are given up."""
_ENDED = ("Succeeded", "Failed")

Object = dict[str, Any]


class AgentRun:
    """Pods created for one ``run``, followed until they are gone."""

    def __init__(self, client: Client, terminal: Terminal) -> None:
        self._client, self._terminal = client, terminal
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._made: list[tuple[Kind, str | None, str]] = []
        self._pods: dict[str, Pod] = {}
        self._objects: dict[str, Object] = {}
        self._ended: set[str] = set()
        self._gone: set[str] = set()
        self._logs: dict[tuple[str, str], LogFollower] = {}
        self._told: set[tuple[str, int]] = set()
        self._telling = threading.Lock()
        self._signals: list[int] = []
        self._error: NodeguardError | None = None
        self._when_started: Callable[[], None] | None = None

    def run(self, found: Manifests, when_started: Callable[[], None] | None) -> int:
        """The exit code, once nothing of the pods is left.

        Raises:
            NodeguardError: a pod was refused (then none is left), or the agent stayed away.
        """
        self._when_started = when_started
        self._terminal.when_reader_is_gone(lambda: self._queue.put(lambda: self._interrupted(signal.SIGPIPE)))
        before = {
            signum: signal.signal(signum, lambda number, _: self._queue.put(lambda: self._interrupted(number)))
            for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        try:
            self._create(found)
            self._watch(self._follow_pods)
            self._watch(self._follow_events)
            while len(self._gone) < len(self._pods):
                self._queue.get()()
                if self._error is not None:
                    raise self._error
            for follower in self._logs.values():
                follower.finish()
            self._tell_events(self._client.list(EVENT, None)["items"])
        finally:
            self._remove(self._made)
            for signum, handler in before.items():
                signal.signal(signum, handler)
        objects = list(self._objects.values())
        self._terminal.finish(objects)
        return 128 + self._signals[0] if self._signals else exit_code(objects)

    # --- the beginning ---

    def _create(self, found: Manifests) -> None:
        for namespace in sorted({pod.meta.namespace for pod in found.pods}):
            try:
                self._client.get(NAMESPACE, None, namespace)
            except NotFound:
                head = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
                self._make(NAMESPACE, None, head)
        for priority_class in found.priority_classes:
            self._make_class(class_object(priority_class))
        for (namespace, ref), data in found.config_objects.items():
            item = config_object(namespace, ref, data)
            self._make(self._client.kind_of(item), namespace, item)
        try:
            for pod in found.pods:
                made = self._make(POD, pod.meta.namespace, dict(pod.raw))
                uid, name = made["metadata"]["uid"], made["metadata"]["name"]
                self._pods[uid] = replace(pod, meta=replace(pod.meta, uid=uid, name=name))
                self._objects[uid] = made
        except NodeguardError:
            self._delete_all(grace_seconds=0)
            raise

    def _make(self, kind: Kind, namespace: str | None, item: Object) -> Object:
        made = self._client.create(kind, namespace, item)
        if kind is not POD:  # pods are deleted with grace, and waited for
            self._made.append((kind, namespace, made["metadata"]["name"]))
        return made

    def _make_class(self, item: Object) -> None:
        """One that is there and says the same will do, and stays."""
        kind = find_object_kind(item["apiVersion"], item["kind"])
        assert kind is not None
        try:
            self._make(kind, None, item)
        except Conflict:
            there = self._client.get(kind, None, item["metadata"]["name"])
            if there["value"] != item["value"]:
                raise

    # --- what happens ---

    def _watch(self, body: Callable[[], None]) -> None:
        def work() -> None:
            try:
                body()
            except NodeguardError as e:
                error = e
                self._queue.put(lambda: self._lost(error))

        threading.Thread(target=work, daemon=True, name=body.__name__).start()

    def _lost(self, error: NodeguardError) -> None:
        self._error = error

    def _follow_pods(self) -> None:
        for type_, found in follow(
            self._client.another(), POD, self._namespace(), {}, patience_seconds=PATIENCE_SECONDS
        ):
            self._queue.put(lambda type_=type_, found=found: self._pods_changed(type_, found))  # type: ignore[misc]

    def _follow_events(self) -> None:
        watched = follow(self._client.another(), EVENT, self._namespace(), {}, patience_seconds=PATIENCE_SECONDS)
        for type_, found in watched:
            if type_ != "DELETED":
                self._tell_events(found["items"] if type_ == LISTED else [found])

    def _namespace(self) -> str | None:
        """The namespace of all pods; None when they are in several."""
        found = {pod.meta.namespace for pod in self._pods.values()}
        return found.pop() if len(found) == 1 else None

    def _pods_changed(self, type_: str, found: Object) -> None:
        if type_ != LISTED:
            self._changed(found, is_gone=type_ == "DELETED")
            return
        listed = {item["metadata"]["uid"]: item for item in found["items"]}
        for uid, known in list(self._objects.items()):
            self._changed(listed.get(uid, known), is_gone=uid not in listed)

    def _changed(self, item: Object, *, is_gone: bool) -> None:
        uid = item["metadata"]["uid"]
        if uid not in self._pods:
            return
        self._objects[uid] = item
        self._follow_logs(uid, item)
        if is_gone:
            self._gone.add(uid)
        if is_gone or item.get("status", {}).get("phase") in _ENDED:
            self._ended.add(uid)
        if self._when_started is not None and all(map(_has_started, self._objects.values())):
            when_started, self._when_started = self._when_started, None
            when_started()
        if len(self._ended) == len(self._pods) and not self._signals:
            for follower in self._logs.values():
                follower.finish()
            self._logs.clear()  # what comes with the deletion is no news
            self._delete_all()

    def _follow_logs(self, uid: str, item: Object) -> None:
        status, metadata, pod = item.get("status") or {}, item["metadata"], self._pods[uid]
        if uid in self._ended:
            return
        for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
            name = one["name"]
            follower = self._logs.get((uid, name))
            if follower is None:
                follower = self._logs[uid, name] = LogFollower(
                    self._client.another(),
                    metadata["namespace"],
                    metadata["name"],
                    name,
                    lambda content, name=name: self._log(pod, name, content),  # type: ignore[misc]
                    patience_seconds=PATIENCE_SECONDS,
                )
            follower.look(one)

    def _log(self, pod: Pod, container: str, content: bytes) -> None:
        while not self._terminal.keeps_up():
            threading.Event().wait(0.05)
        self._terminal.log(pod, container, LogLine(stream="stdout", content=content))

    def _tell_events(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Each once, and again when it is repeated."""
        with self._telling:
            for item in items:
                involved = item.get("involvedObject") or {}
                key = (item["metadata"]["uid"], int(item.get("count") or 1))
                if involved.get("uid") in self._pods and key not in self._told:
                    self._told.add(key)
                    self._terminal.event(event_of(item))

    # --- the end ---

    def _interrupted(self, signum: int) -> None:
        self._signals.append(signum)
        if len(self._signals) == 1:
            self._terminal.note("stopping pods (once more to kill them at once)\n")
            self._delete_all()
        else:
            self._delete_all(grace_seconds=0)

    def _delete_all(self, *, grace_seconds: int | None = None) -> None:
        options = {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        for uid, item in self._objects.items():
            if uid not in self._gone:
                metadata = item["metadata"]
                try:
                    preconditions = {"preconditions": {"uid": uid}}
                    self._client.delete(POD, metadata["namespace"], metadata["name"], {**options, **preconditions})
                except (NotFound, Conflict):  # gone, or another pod of that name
                    continue

    def _remove(self, made: Sequence[tuple[Kind, str | None, str]]) -> None:
        for kind, namespace, name in reversed(made):
            try:
                self._client.delete(kind, namespace, name)
                wait_for(self._client, kind, namespace, name, lambda item: item is None, PATIENCE_SECONDS)
            except NodeguardError as e:
                self._terminal.note(f"Warning: {kind.title(name)} is left behind: {e}\n")


def _has_started(item: Mapping[str, Any]) -> bool:
    status = item.get("status") or {}
    states = [one.get("state") or {} for one in status.get("containerStatuses") or ()]
    return status.get("phase") in _ENDED or (bool(states) and all("waiting" not in state for state in states))

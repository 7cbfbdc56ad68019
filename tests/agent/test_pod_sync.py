"""What is wanted of pods, done; what comes of it, told. The node here is a fake that does what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from nodeguard.agent import pod_sync
from nodeguard.agent.clock import Clock
from nodeguard.agent.event import EventSource
from nodeguard.agent.gate import Refusal, RefusedUnderPressure
from nodeguard.agent.loop import Loop
from nodeguard.agent.pod_object import read_pod
from nodeguard.agent.pod_sync import PodSync
from nodeguard.errors import Conflict, InvalidInput, NotFound
from nodeguard.model.link import Gone, Message, PodMessage
from nodeguard.model.meta import Event
from nodeguard.model.pod import Pod

MIRROR = {"kubernetes.io/config.mirror": "x", "kubernetes.io/config.source": "file"}


def make(name: str, uid: str = "", **metadata: Any) -> Pod:
    return read_pod(
        {
            "metadata": {"name": name, "namespace": "default", "uid": uid or f"uid-{name}", **metadata},
            "spec": {"containers": [{"name": "main", "command": ["true"]}]},
        }
    )


def deleted(pod: Pod, seconds: int = 5) -> Pod:
    return replace(pod, meta=replace(pod.meta, deletion_timestamp=1.0, deletion_grace_period_seconds=seconds))


class Worker:
    def __init__(self, pod: Pod) -> None:
        self.pod, self.is_gone, self.phase = pod, False, "Running"
        self.updates: list[Pod] = []

    def object(self) -> dict[str, Any]:
        return {"metadata": {"uid": self.pod.meta.uid, "name": self.pod.meta.name}, "status": self.status()}

    def status(self) -> dict[str, Any]:
        return {"phase": self.phase}

    def update(self, pod: Pod) -> None:
        self.pod = pod
        self.updates.append(pod)


class Node:
    """Keeps what it starts until it is told that it has gone."""

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}
        self.calls: list[str] = []
        self.refusal: Exception | None = None

    def start(self, pod: Pod) -> Worker:
        if self.refusal is not None:
            raise self.refusal
        self.calls.append(f"start {pod.meta.uid}")
        self.workers[pod.meta.uid] = Worker(pod)
        return self.workers[pod.meta.uid]

    def stop(self, uid: str, grace_seconds: float) -> None:
        if uid not in self.workers:
            raise NotFound(uid)
        self.calls.append(f"stop {uid} {grace_seconds:g}")

    def settle(self, uid: str) -> None:
        self.calls.append(f"settle {uid}")
        del self.workers[uid]

    def forget(self, uid: str, then: Callable[[], None]) -> bool:
        self.calls.append(f"forget {uid}")
        if uid not in self.workers:
            then()
        return uid in self.workers


class Story:
    def __init__(self) -> None:
        self.loop = Loop(Clock())
        self.node = Node()
        self.told: list[str] = []
        self.objects: list[dict[str, Any]] = []
        self.events: list[Event] = []
        self.max_pods = 3
        source = EventSource(self.loop.clock, self.events.append)
        self.sync = PodSync(self.node, self.loop, lambda: source, self.tell, max_pods=lambda: self.max_pods)

    def tell(self, message: Message, key: object) -> None:
        if isinstance(message, PodMessage):
            status, uid = message.object["status"], message.object["metadata"]["uid"]
            self.told.append(f"pod {uid} {status['phase']} {status.get('reason', '')}".strip())
            self.objects.append(message.object)
        elif isinstance(message, Gone):
            self.told.append(f"gone {message.uid} {message.namespace}/{message.name}")

    def end(self, uid: str, phase: str) -> None:
        worker = self.node.workers[uid]
        worker.phase = phase
        self.sync.changed(worker)
        worker.is_gone = True
        self.sync.changed(worker)

    def go(self, uid: str) -> None:
        worker = self.node.workers.pop(uid)
        worker.is_gone = True
        self.sync.gone(worker)


@pytest.fixture
def story() -> Iterator[Story]:
    made = Story()
    yield made
    made.loop.close()


def test_a_pod_is_started_once_and_told(story: Story) -> None:
    story.sync.want(make("a"))
    story.sync.want(make("a"))
    assert story.node.calls == ["start uid-a"]
    assert story.told == ["pod uid-a Running"]


def test_a_pod_is_deleted_with_its_grace_and_told_when_nothing_is_left(story: Story) -> None:
    story.sync.want(make("a"))
    story.sync.want(deleted(make("a"), 7))
    assert story.node.calls[1:] == ["stop uid-a 7"]
    story.go("uid-a")
    assert story.told[-1] == "gone uid-a default/a"
    assert story.sync.uids == frozenset()


def test_a_pod_that_is_deleted_and_not_here_is_gone_with_its_logs(story: Story) -> None:
    story.sync.want(deleted(make("a")))
    assert story.node.calls == ["forget uid-a"]
    assert story.told == ["gone uid-a default/a"]


def test_one_whose_deletion_an_earlier_agent_began_is_gone_when_nothing_is_left(story: Story) -> None:
    story.node.workers["uid-a"] = Worker(make("a"))
    story.sync.want(deleted(make("a")))
    assert story.node.calls == ["stop uid-a 5"]
    assert story.told == []
    story.go("uid-a")
    assert story.told == ["gone uid-a default/a"]


def test_an_end_is_told_when_nothing_runs_any_more_and_let_go_when_it_is_settled(story: Story) -> None:
    story.sync.want(make("a"))
    worker = story.node.workers["uid-a"]
    worker.phase = "Failed"
    story.sync.changed(worker)
    story.sync.settled("uid-a")
    assert story.told == ["pod uid-a Running"], "it is not over yet"
    worker.is_gone = True
    story.sync.changed(worker)
    assert story.told[-1] == "pod uid-a Failed"
    story.sync.settled("uid-a")
    assert story.node.calls[-1] == "settle uid-a"
    assert story.sync.uids == frozenset()


def test_labels_and_annotations_are_kept_up_with(story: Story) -> None:
    story.sync.want(make("a"))
    worker = story.node.workers["uid-a"]
    story.sync.want(make("a", labels={"x": "1"}))
    story.sync.want(make("a", labels={"x": "1"}))
    assert [pod.meta.labels for pod in worker.updates] == [{"x": "1"}]


@pytest.mark.parametrize(
    ("refusal", "reason", "events"),
    [
        (RefusedUnderPressure([Refusal(pod=make("a"), reason="Evicted", message="short")]), "Evicted", 0),
        (InvalidInput(["no image"]), "UnexpectedAdmissionError", 1),
    ],
)
def test_a_refused_pod_has_failed_until_that_is_settled(
    story: Story, refusal: Exception, reason: str, events: int
) -> None:
    story.node.refusal = refusal
    story.sync.want(make("a"))
    story.sync.want(make("a"))
    assert story.told == [f"pod uid-a Failed {reason}"]
    assert story.objects[0]["status"]["message"].startswith("Pod was rejected: ")
    assert len(story.events) == events, "pressure is told by the guard itself"
    story.sync.tell_all()
    assert story.told == [f"pod uid-a Failed {reason}"] * 2
    story.sync.settled("uid-a")
    assert story.sync.uids == frozenset()


def test_a_node_takes_as_many_pods_as_it_may(story: Story) -> None:
    for name in "abcd":
        story.sync.want(make(name))
    assert story.told[-1] == "pod uid-d Failed OutOfpods"
    assert story.objects[-1]["status"]["message"] == (
        "Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3"
    )
    story.end("uid-a", "Succeeded")
    story.sync.want(make("e"))
    assert story.told[-1] == "pod uid-e Running"


def test_what_cannot_be_begun_now_is_tried_again(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_sync, "RETRY_SECONDS", 0.01)
    for refusal in (Conflict("another process has it"), OSError(28, "No space left on device")):
        story.node.refusal = refusal
        story.sync.want(make("a"))
    assert [event.reason for event in story.events] == ["FailedCreatePodSandBox"]
    story.node.refusal = None
    story.loop.run_until(lambda: bool(story.told))
    assert story.told == ["pod uid-a Running"]


def test_a_pod_waits_for_the_older_one_of_its_name(story: Story) -> None:
    story.sync.want(make("a", "old"))
    story.sync.want(deleted(make("a", "old")))
    story.sync.want(make("a", "new"))
    assert story.node.calls == ["start old", "stop old 5"]
    story.go("old")
    assert story.node.calls[-1] == "start new"
    assert story.told[-2:] == ["gone old default/a", "pod new Running"]


def test_a_pod_that_waits_may_be_deleted_or_forgotten(story: Story) -> None:
    story.sync.want(make("a", "old"))
    for number, uid in enumerate(("n1", "n2")):
        story.sync.want(make("a", uid))
        if number:
            story.sync.forget(uid, "default", "a")
        else:
            story.sync.want(deleted(make("a", uid)))
    story.go("old")
    assert "start n1" not in story.node.calls
    assert "start n2" not in story.node.calls


def test_a_forgotten_pod_goes_at_once(story: Story) -> None:
    story.sync.want(make("a"))
    story.sync.forget("uid-a", "default", "a")
    assert story.node.calls[-1] == "forget uid-a"
    story.go("uid-a")
    assert story.told[-1] == "gone uid-a default/a"


def test_a_forgotten_pod_of_which_only_logs_are_left_is_gone(story: Story) -> None:
    story.sync.forget("uid-z", "default", "z")
    assert story.told == ["gone uid-z default/z"]


def test_an_object_that_is_no_pod_comes_back_as_failed(story: Story) -> None:
    value = {"metadata": {"uid": "u", "namespace": "default", "name": "a"}, "spec": {}}
    story.sync.refuse(value, "u", "spec.containers: required")
    assert story.told == ["pod u Failed UnexpectedAdmissionError"]
    assert story.objects[0]["spec"] == {}


# static pods


def test_a_static_pod_comes_back_to_whoever_deletes_it(story: Story) -> None:
    pod = make("web-node", annotations=MIRROR)
    story.sync.want(pod, is_static=True)
    story.sync.want(deleted(pod))
    assert story.told[1:] == ["gone uid-web-node default/web-node", "pod uid-web-node Running"]
    story.sync.forget("uid-web-node", "default", "web-node")
    assert story.told[-1] == "pod uid-web-node Running"
    assert story.node.calls == ["start uid-web-node"]


def test_a_static_pod_that_has_ended_is_remembered_while_its_manifest_is_there(story: Story) -> None:
    story.sync.want(make("web-node", annotations=MIRROR), is_static=True)
    story.end("uid-web-node", "Failed")
    story.sync.settled("uid-web-node")
    assert story.node.calls == ["start uid-web-node"]
    story.sync.remove("uid-web-node")
    assert story.node.calls[-1] == "stop uid-web-node 30"


def test_the_image_of_a_static_pod_that_is_no_more_is_gone(story: Story) -> None:
    story.sync.want(make("web-node", annotations=MIRROR))
    assert story.node.calls == []
    assert story.told == ["gone uid-web-node default/web-node"]


def test_an_adopted_static_pod_is_one_still(story: Story) -> None:
    worker = Worker(make("web-node", annotations=MIRROR))
    story.node.workers["uid-web-node"] = worker
    story.sync.adopt([worker])
    assert story.sync.static_uids == {"uid-web-node"}
    story.sync.want(make("web-node", annotations={**MIRROR, "kubernetes.io/config.seen": "later"}), is_static=True)
    assert worker.updates == []
    story.sync.tell_all()
    assert story.told == ["pod uid-web-node Running"]


def test_what_an_api_server_is_told_first(story: Story) -> None:
    story.sync.want(make("a"))
    story.sync.want(make("b"))
    story.node.workers["uid-b"].phase = "Failed"
    story.told.clear()
    story.sync.tell_all()
    assert story.told == ["pod uid-a Running"], "an end is told when it is one"
    story.sync.synced({"uid-a"})
    assert story.node.calls == ["start uid-a", "start uid-b"]

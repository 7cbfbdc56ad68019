"""What is wanted of pods, by the API server or by static manifests, done to the node; and what comes of it, told.

A pod that the node refuses becomes one that has failed, as with a kubelet. One that cannot be begun at this moment (an
older pod of its name still goes, the disk is full) waits.

Source: kubelet, pkg/kubelet/kubelet.go (HandlePodAdditions, rejectPod), pkg/kubelet/pod_workers.go.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from nodeguard.agent.event import EventSource
from nodeguard.agent.gate import Refusal, RefusedUnderPressure, refused_object
from nodeguard.agent.loop import Loop, Timer
from nodeguard.agent.pod_host import Pods, Worker
from nodeguard.errors import Conflict, InvalidInput, NodeguardError, NotFound, Rejected
from nodeguard.model.link import Gone, Message, PodMessage
from nodeguard.model.pod import Pod
from nodeguard.model.status import Phase
from nodeguard.policy.admission import UNEXPECTED
from nodeguard.policy.priority import CONFIG_MIRROR, CONFIG_SEEN

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
"""When a pod that could not be begun is tried again."""

ENDED = (Phase.SUCCEEDED, Phase.FAILED)
Tell = Callable[[Message, object], None]


class PodSync:
    """All methods are called in the loop's thread."""

    def __init__(
        self, node: Pods, loop: Loop, events: Callable[[], EventSource], tell: Tell, *, max_pods: Callable[[], int]
    ) -> None:
        """``tell(message, key)`` tells the API server; ``max_pods()`` is how many may be at work."""
        self._node, self._loop, self._events, self._tell, self._max_pods = node, loop, events, tell, max_pods
        self._workers: dict[str, Worker] = {}
        self._stopping: set[str] = set()
        self._refused: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, Pod] = {}
        self._static: set[str] = set()
        self._retry: Timer | None = None

    # what there is

    def adopt(self, workers: Iterable[Worker]) -> None:
        """These were here before."""
        for worker in workers:
            self._workers[worker.pod.meta.uid] = worker
            if CONFIG_MIRROR in worker.pod.meta.annotations:
                self._static.add(worker.pod.meta.uid)

    @property
    def uids(self) -> frozenset[str]:
        """Every pod that was wanted and has not gone."""
        return frozenset((*self._workers, *self._refused, *self._waiting))

    @property
    def static_uids(self) -> frozenset[str]:
        """Those of them that come from manifests."""
        return frozenset(self._static)

    @property
    def pods(self) -> tuple[Pod, ...]:
        """The pods that are at work or wait for it."""
        return (*(worker.pod for worker in self._workers.values()), *self._waiting.values())

    def tell_all(self) -> None:
        """Tell of each pod, for an API server that knows nothing."""
        for worker in self._workers.values():
            self.changed(worker)
        for uid, value in self._refused.items():
            self._tell(PodMessage(object=value), ("pod", uid))
        for uid, pod in self._waiting.items():
            if uid in self._static:
                self._tell(PodMessage(object=_pending(pod)), ("pod", uid))

    # what is wanted

    def want(self, pod: Pod, *, is_static: bool = False) -> None:
        """Have this pod as it says: run it, end it when it is to be deleted, or keep up with its labels."""
        uid = pod.meta.uid
        if uid in self._static and not is_static:
            self._undo_change_of_static(pod)
        elif pod.meta.deletion_timestamp is not None:
            self._delete(pod)
        elif uid in self._workers:
            self._update(self._workers[uid], pod)
        elif uid in self._waiting:
            self._waiting[uid] = pod
        elif uid not in self._refused:
            if is_static:
                self._static.add(uid)
            elif CONFIG_MIRROR in pod.meta.annotations:  # what it was the image of is no more
                self._tell_gone(pod)
                return
            self._start(pod)

    def refuse(self, value: Mapping[str, Any], uid: str, why: str) -> None:
        """This object is no pod that can be run; ``value`` goes back as one that has failed."""
        if uid in self.uids:
            log.error("a change of a pod was not understood uid=%s error=%s", uid, why)
            return
        status = {"phase": Phase.FAILED.value, "reason": UNEXPECTED, "message": f"Pod was rejected: {why}"}
        self._refused[uid] = {**value, "status": status}
        self._tell(PodMessage(object=self._refused[uid]), ("pod", uid))

    def remove(self, uid: str, grace_seconds: float | None = None) -> None:
        """This pod is not wanted any more (its manifest is gone)."""
        self._static.discard(uid)
        waiting = self._waiting.pop(uid, None)
        if waiting is not None:
            self._tell_gone(waiting)
            return
        refused = self._refused.pop(uid, None)
        if refused is not None:
            metadata = refused["metadata"]
            self._tell(Gone(uid=uid, namespace=metadata["namespace"], name=metadata["name"]), None)
        elif uid in self._workers:
            pod = self._workers[uid].pod
            self._stop(pod, pod.termination_grace_period_seconds if grace_seconds is None else grace_seconds)

    def synced(self, uids: Collection[str]) -> None:
        """The API server has told of all its pods, which have these uids."""
        for uid, worker in self._workers.items():
            if uid not in uids and uid not in self._static and not self._is_over(worker):
                log.warning("the API server does not know this pod pod=%s uid=%s", worker.pod.meta.key, uid)

    def settled(self, uid: str) -> None:
        """The final status of this pod is kept by the API server."""
        if uid in self._static:
            return  # its manifest is still there: whoever forgets that it has ended runs it again
        self._refused.pop(uid, None)
        worker = self._workers.get(uid)
        if worker is not None and worker.is_gone and uid not in self._stopping:
            del self._workers[uid]
            self._node.settle(uid)
            self._try_again()

    def forget(self, uid: str, namespace: str, name: str) -> None:
        """The object was deleted without waiting: end the pod at once."""
        if uid in self._static:
            self._tell_again(uid)
            return
        self._waiting.pop(uid, None)
        self._refused.pop(uid, None)
        log.info("pod forgotten pod=%s/%s uid=%s", namespace, name, uid)
        if self._node.forget(uid, lambda: self._tell(Gone(uid=uid, namespace=namespace, name=name), None)):
            self._stopping.add(uid)
        else:
            self._workers.pop(uid, None)

    # what comes of it

    def changed(self, worker: Worker) -> None:
        """The status of this pod has changed. It has not ended to others before nothing of it runs."""
        uid = worker.pod.meta.uid
        if uid in self._workers and (worker.is_gone or not self._has_ended(worker)):
            self._tell_of(worker)

    def gone(self, worker: Worker) -> None:
        """Nothing of this pod is left."""
        uid = worker.pod.meta.uid
        self._workers.pop(uid, None)
        self._stopping.discard(uid)
        self._tell_gone(worker.pod)
        if self._waiting:
            self._try_again()

    # how

    def _start(self, pod: Pod) -> None:
        uid = pod.meta.uid
        used, most = sum(not worker.is_gone for worker in self._workers.values()), self._max_pods()
        if used >= most:
            message = f"Node didn't have enough resource: pods, requested: 1, used: {used}, capacity: {most}"
            self._refuse(pod, "OutOfpods", message, told=False)
            return
        if any(worker.pod.meta.key == pod.meta.key for worker in self._workers.values()):
            self._waiting[uid] = pod  # until the older one of this name has gone
            return
        try:
            worker = self._node.start(pod)
        except RefusedUnderPressure as e:
            self._refuse(pod, e.refusals[0].reason, e.refusals[0].message, told=True)
        except (Rejected, InvalidInput) as e:
            self._refuse(pod, UNEXPECTED, str(e), told=False)
        except (Conflict, OSError, NodeguardError) as e:
            if uid not in self._waiting:
                self._events().warning(pod.meta, "FailedCreatePodSandBox", f"not started yet: {e}")
            self._waiting[uid] = pod
            self._try_later()
        else:
            self._waiting.pop(uid, None)
            self._workers[uid] = worker
            self._tell_of(worker)

    def _refuse(self, pod: Pod, reason: str, message: str, *, told: bool) -> None:
        """Source: kubelet, pkg/kubelet/kubelet.go, rejectPod."""
        uid = pod.meta.uid
        self._waiting.pop(uid, None)
        if not told:
            self._events().warning(pod.meta, reason, message)
        refusal = Refusal(pod=pod, reason=reason, message=f"Pod was rejected: {message}")
        self._refused[uid] = refused_object(refusal, self._loop.clock.now())
        self._tell(PodMessage(object=self._refused[uid]), ("pod", uid))

    def _delete(self, pod: Pod) -> None:
        """Told when nothing is left: of one that has been settled there are logs, one may be going since before."""
        uid, meta = pod.meta.uid, pod.meta
        self._waiting.pop(uid, None)
        self._refused.pop(uid, None)
        grace = meta.deletion_grace_period_seconds
        self._stop(pod, pod.termination_grace_period_seconds if grace is None else grace)

    def _stop(self, pod: Pod, grace_seconds: float) -> None:
        uid = pod.meta.uid
        try:
            self._node.stop(uid, float(grace_seconds))
            self._stopping.add(uid)
        except NotFound:
            self._workers.pop(uid, None)
            self._node.forget(uid, lambda: self._tell_gone(pod))

    def _update(self, worker: Worker, pod: Pod) -> None:
        if _changeable(worker.pod) == _changeable(pod):
            return
        try:
            worker.update(pod)
        except OSError as e:  # it goes on by what it was told before
            log.error("change of a pod not written down pod=%s error=%s", pod.meta.key, e)

    def _undo_change_of_static(self, pod: Pod) -> None:
        """The object is the image of what runs here: who deletes it gets it back.

        Source: kubelet, pkg/kubelet/pod/mirror_client.go.
        """
        if pod.meta.deletion_timestamp is not None:
            self._tell_gone(pod)
            self._tell_again(pod.meta.uid)

    def _tell_again(self, uid: str) -> None:
        if uid in self._workers:
            self._tell_of(self._workers[uid])
        elif uid in self._refused:
            self._tell(PodMessage(object=self._refused[uid]), ("pod", uid))

    def _tell_of(self, worker: Worker) -> None:
        uid = worker.pod.meta.uid
        self._tell(PodMessage(object=worker.object()), ("pod", uid))

    def _tell_gone(self, pod: Pod) -> None:
        meta = pod.meta
        self._tell(Gone(uid=meta.uid, namespace=meta.namespace, name=meta.name), None)

    def _try_later(self) -> None:
        if self._retry is None:
            self._retry = self._loop.call_at(self._loop.clock.now() + RETRY_SECONDS, self._try_again)

    def _try_again(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        for pod in tuple(self._waiting.values()):
            self._start(pod)

    def _has_ended(self, worker: Worker) -> bool:
        return worker.status().get("phase") in ENDED

    def _is_over(self, worker: Worker) -> bool:
        return worker.is_gone or self._has_ended(worker)


def _changeable(pod: Pod) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What of a pod may change while it runs. When a manifest was seen first is no change."""
    annotations = {key: value for key, value in pod.meta.annotations.items() if key != CONFIG_SEEN}
    return pod.meta.labels, annotations


def _pending(pod: Pod) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", **pod.raw, "status": {"phase": Phase.PENDING.value}}

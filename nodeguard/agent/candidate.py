"""The pods that may have to go, with what is known of each at this moment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from nodeguard.agent.pod import PodWorker
from nodeguard.agent.pod_disk import DiskUsage
from nodeguard.model.eviction import Candidate, PodFacts
from nodeguard.model.signal import Resource
from nodeguard.model.stats import ContainerUsage, MemoryUsage, PodUsage
from nodeguard.model.threshold import Threshold
from nodeguard.policy.eviction_facts import facts_of


class Candidates:
    """Makes candidates of workers; a pod's facts are computed once."""

    def __init__(self, workers: Callable[[], Sequence[PodWorker]], disk: Callable[[str], DiskUsage | None]) -> None:
        """``disk(uid)`` is what was last measured of a pod's share of the disks."""
        self.workers = workers
        self._disk = disk
        self._facts: dict[str, PodFacts] = {}

    def add(self, worker: PodWorker) -> PodFacts:
        """A pod has been admitted; returns its facts."""
        facts = self._facts[worker.pod.meta.uid] = facts_of(worker.pod)
        return facts

    def remove(self, worker: PodWorker) -> None:
        """Nothing of the pod is left."""
        self._facts.pop(worker.pod.meta.uid, None)

    def measure(self, threshold: Threshold | None, *, without: Collection[str] = ()) -> tuple[Candidate, ...]:
        """Everybody who is there but these uids; processes are counted only where they are what is short."""
        counts = threshold is not None and threshold.signal.resource is Resource.PIDS
        return tuple(each for each in self._candidates(counts) if each.pod.meta.uid not in without)

    def _candidates(self, counts_processes: bool) -> Iterator[Candidate]:
        for order, worker in enumerate(self.workers()):
            facts = self._facts.get(worker.pod.meta.uid)
            if facts is None or worker.is_gone:
                continue
            stop = worker.stop_request
            yield Candidate(
                facts=facts,
                order=order,
                usage=self._usage(worker, counts_processes),
                running_grace_seconds=None if stop is None else int(stop.grace_seconds),
            )

    def _usage(self, worker: PodWorker, counts_processes: bool) -> PodUsage | None:
        memory = worker.memory()
        if memory is None:
            return None
        meta = worker.pod.meta
        disk = self._disk(meta.uid)
        containers = () if disk is None else disk.containers.items()
        return PodUsage(
            name=meta.name,
            namespace=meta.namespace,
            uid=meta.uid,
            memory=MemoryUsage(working_set_bytes=memory.working_set_bytes),
            containers=tuple(
                ContainerUsage(name=name, rootfs=rootfs, logs=logs) for name, (rootfs, logs) in containers
            ),
            volumes=() if disk is None else disk.volumes,
            ephemeral_storage=None if disk is None else disk.ephemeral_storage,
            process_count=worker.process_count() if counts_processes else None,
        )


def with_container_memory(candidate: Candidate, working_sets: Mapping[str, int]) -> Candidate:
    """The candidate with what each of its containers holds, in bytes by name."""
    usage = candidate.usage
    if usage is None:
        return candidate
    known = {container.name: container for container in usage.containers}
    containers = tuple(
        replace(known.get(name) or ContainerUsage(name=name), memory=MemoryUsage(working_set_bytes=working_set))
        for name, working_set in working_sets.items()
    )
    return replace(candidate, usage=replace(usage, containers=containers))

"""What is settled about a pod before anything of it is made: its identity, its priority, its images."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace

from nodeguard.errors import Rejected, RuntimeFailed
from nodeguard.model.pod import Pod, PriorityClass
from nodeguard.policy import priority
from nodeguard.runtime import image


def with_identity(pod: Pod) -> Pod:
    """The pod with a uid of its own and, for ``generateName``, a name. A uid in the manifest is not trusted."""
    uid = str(uuid.uuid4())
    name = pod.meta.name or f"{pod.meta.generate_name}{uid[:5]}"
    return replace(pod, meta=replace(pod.meta, uid=uid, name=name))


def with_priority(pods: Iterable[Pod], classes: tuple[PriorityClass, ...]) -> list[Pod]:
    """The pods with what their PriorityClass says.

    Raises:
        Rejected: a class is unknown, or contradicts what a pod says itself; all refusals at once.
    """
    resolved, refusals = [], []
    for pod in pods:
        result = priority.resolve(pod, classes)
        refusals += [f"pod {pod.meta.key}: {fault}" for fault in result.errors]
        resolved.append(result.pod)
    if refusals:
        raise Rejected("\n".join(refusals))
    return resolved


def image_faults(pods: Iterable[Pod]) -> list[str]:
    """Why images of these pods cannot be had; nothing is read but names."""
    faults = []
    for pod in pods:
        for container in pod.all_containers:
            try:
                image.classify(container.image)
            except RuntimeFailed as e:
                faults.append(f"pod {pod.meta.key}, container {container.name}: {e.reason}: {e}")
    return faults

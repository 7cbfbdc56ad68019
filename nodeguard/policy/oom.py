"""Who dies first when the kernel runs out of memory: ``oom_score_adj`` by QoS class and memory request.

Source: kubernetes, pkg/kubelet/qos/policy.go; KEP 2837 for the share of pod-level requests.
"""

from __future__ import annotations

from nodeguard.model.pod import Container, ContainerKind, Pod, QOSClass
from nodeguard.policy.effective import aggregate_requests, amount, pod_level_requests
from nodeguard.policy.priority import is_node_critical
from nodeguard.policy.qos import qos_class

GUARANTEED_SCORE = -997
BEST_EFFORT_SCORE = 1000
MIN_BURSTABLE_SCORE = 1000 + GUARANTEED_SCORE
MAX_BURSTABLE_SCORE = BEST_EFFORT_SCORE - 1


def oom_score_adj(pod: Pod, container: Container, node_memory_bytes: int) -> int:
    """The score of a container's processes: the larger the share of the node it requests, the safer it is.

    ``node_memory_bytes`` is the node's capacity, not what is allocatable.
    """
    if is_node_critical(pod):
        return GUARANTEED_SCORE
    qos = qos_class(pod).qos
    if qos is QOSClass.GUARANTEED:
        return GUARANTEED_SCORE
    if qos is QOSClass.BEST_EFFORT:
        return BEST_EFFORT_SCORE
    if node_memory_bytes <= 0:
        return MAX_BURSTABLE_SCORE
    share_bytes = safe_bytes(pod, container)
    score = 1000 - 1000 * share_bytes // node_memory_bytes
    return min(max(score, MIN_BURSTABLE_SCORE), MAX_BURSTABLE_SCORE)


def safe_bytes(pod: Pod, container: Container) -> int:
    """The memory a Burstable container may use before its score reaches 1000.

    Its request, and its part of what the pod requests beyond its containers. A sidecar is at least as safe as the
    least safe app container, which it may be serving.
    """
    own = _memory_request_bytes(container)
    if container.kind is ContainerKind.SIDECAR:
        own = max(own, min(map(_memory_request_bytes, pod.containers)))
    return own + spare_bytes(pod)


def spare_bytes(pod: Pod) -> int:
    """What the pod level requests beyond its containers, for each app and init container."""
    requested = amount(pod_level_requests(pod), "memory").value()
    if requested <= 0:
        return 0
    spare = requested - amount(aggregate_requests(pod), "memory").value()
    return max(spare, 0) // len(pod.all_containers)


def without_negative_scores(score: int) -> int:
    """The score for a host that may not lower scores (no CAP_SYS_RESOURCE): Guaranteed is 0, Burstable from 3 up."""
    return max(score, 0)


def _memory_request_bytes(container: Container) -> int:
    return amount(container.resources.requests, "memory").value()

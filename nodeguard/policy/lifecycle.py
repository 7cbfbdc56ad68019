"""What to do next with one pod: its spec and what is seen of it in, actions and the next look out.

Source: kubelet, pkg/kubelet/kuberuntime (computePodActions, killContainer, doBackOff, termination order),
pkg/kubelet/container/helpers.go (ShouldContainerBeRestarted).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodeguard.model.pod import Container, ContainerKind, Pod, RestartPolicy
from nodeguard.model.status import ContainerStage, ContainerView, PodView, SandboxStage, StopRequest, Termination
from nodeguard.policy.backoff import MAX_BACKOFF_SECONDS, restart_at

MINIMUM_GRACE_SECONDS = 2.0
"""A container whose turn comes late still gets this long after its stop signal."""


@dataclass(frozen=True, slots=True)
class PrepareSandbox:
    """Make the pod's cgroup, namespaces and volumes."""


@dataclass(frozen=True, slots=True)
class RemoveSandbox:
    """Remove all that is left of the pod."""


@dataclass(frozen=True, slots=True)
class CreateContainer:
    """Make the next instance of the container; it does not run yet."""

    name: str


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Let the created instance run."""

    name: str


@dataclass(frozen=True, slots=True)
class TerminateContainer:
    """Send the stop signal to the instance's first process."""

    name: str


@dataclass(frozen=True, slots=True)
class KillContainer:
    """SIGKILL everything in the instance's cgroup."""

    name: str


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """Clean up an instance that has ended."""

    name: str


Action = (
    PrepareSandbox
    | RemoveSandbox
    | CreateContainer
    | StartContainer
    | TerminateContainer
    | KillContainer
    | RemoveContainer
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do now, and when to look again if nothing happens before (None: only when something happens)."""

    actions: tuple[Action, ...] = ()
    wake_at: float | None = None


def plan(pod: Pod, view: PodView, now: float, *, max_backoff_seconds: float = MAX_BACKOFF_SECONDS) -> Plan:
    """The next actions for ``pod``; each is safe to repeat while it is under way (its stage says so)."""
    actions: list[Action] = [RemoveContainer(c.name) for c in _exited(view)]
    stop = effective_stop(pod, view, now)
    if stop is not None:
        return _plan_stop(pod, view, stop, now, actions)
    if view.sandbox is SandboxStage.ABSENT:
        actions.append(PrepareSandbox())
    wakes: list[float] = []
    if view.sandbox is SandboxStage.READY:
        _plan_start(pod, view, now, actions, wakes, max_backoff_seconds)
    if pod.active_deadline_seconds is not None:
        wakes.append(view.started_at + pod.active_deadline_seconds)
    return Plan(actions=tuple(actions), wake_at=min(wakes, default=None))


def effective_stop(pod: Pod, view: PodView, now: float) -> StopRequest | None:
    """Why the pod must end now, or None: it was asked to, it cannot go on, its deadline passed, or its work is done."""
    if view.stop is not None:
        return view.stop
    grace = float(pod.termination_grace_period_seconds)
    deadline = pod.active_deadline_seconds
    if deadline is not None and now >= view.started_at + deadline:
        return StopRequest(
            at=view.started_at + deadline,
            grace_seconds=grace,
            reason="DeadlineExceeded",
            message="Pod was active on the node longer than the specified deadline",
        )
    if view.failure is not None:
        return StopRequest(at=view.failure.finished_at or now, grace_seconds=0.0)
    ended_at = _work_ended_at(pod, view)
    return None if ended_at is None else StopRequest(at=ended_at, grace_seconds=grace)


def should_restart(pod: Pod, container: Container, ended: Termination) -> bool:
    """Whether an ended container runs again while its pod is not being stopped."""
    if container.kind is ContainerKind.SIDECAR:
        return True
    for rule in container.restart_rules:
        listed = ended.exit_code in rule.exit_codes
        if rule.action == "Restart" and listed == (rule.operator == "In"):
            return True
    policy = container.restart_policy or pod.restart_policy
    if container.kind is ContainerKind.INIT:
        return ended.exit_code != 0 and policy is not RestartPolicy.NEVER
    if policy is RestartPolicy.ALWAYS:
        return True
    return policy is RestartPolicy.ON_FAILURE and ended.exit_code != 0


def init_failed(pod: Pod, view: PodView) -> ContainerView | None:
    """The plain init container whose failure is final, if there is one."""
    for container in pod.init_containers:
        seen = view.containers[container.name]
        if container.kind is not ContainerKind.INIT or seen.ended is None or not seen.has_ended:
            continue
        if seen.ended.exit_code != 0 and not should_restart(pod, container, seen.ended):
            return seen
    return None


def is_initialized(pod: Pod, view: PodView) -> bool:
    """All plain init containers succeeded and all sidecars have started, or an app container already ran."""
    if view.ever_initialized:
        return True
    return all(_init_step_done(container, view.containers[container.name]) for container in pod.init_containers)


def _init_step_done(container: Container, seen: ContainerView) -> bool:
    if container.kind is ContainerKind.SIDECAR:
        return seen.is_running or seen.ended is not None
    return seen.ended is not None and seen.has_ended and seen.ended.exit_code == 0


def _exited(view: PodView) -> Iterator[ContainerView]:
    return (c for c in view.containers.values() if c.stage is ContainerStage.EXITED)


def _work_ended_at(pod: Pod, view: PodView) -> float | None:
    """When the last thing the pod was for ended: a fatal init failure, or the last app container's final exit."""
    fatal = init_failed(pod, view)
    if fatal is not None and fatal.ended is not None:
        return fatal.ended.finished_at
    latest = 0.0
    for container in pod.containers:
        seen = view.containers[container.name]
        if seen.ended is None or not seen.has_ended or should_restart(pod, container, seen.ended):
            return None
        latest = max(latest, seen.ended.finished_at or 0.0)
    return latest


def _plan_start(
    pod: Pod, view: PodView, now: float, actions: list[Action], wakes: list[float], max_backoff_seconds: float
) -> None:
    initialized = is_initialized(pod, view)
    for container in pod.init_containers:
        seen = view.containers[container.name]
        if initialized and container.kind is ContainerKind.INIT:
            continue
        if not _init_step_done(container, seen) or (container.kind is ContainerKind.SIDECAR and not seen.is_running):
            _advance(container, seen, now, actions, wakes, max_backoff_seconds)
        if not _init_step_done(container, seen):
            return
    for container in pod.containers:
        seen = view.containers[container.name]
        if seen.ended is not None and seen.has_ended and not should_restart(pod, container, seen.ended):
            continue
        if not seen.is_running:
            _advance(container, seen, now, actions, wakes, max_backoff_seconds)
        if seen.ended is None and not seen.is_running:
            return  # first starts come one after another, in the order of the list


def _advance(
    container: Container,
    seen: ContainerView,
    now: float,
    actions: list[Action],
    wakes: list[float],
    max_backoff_seconds: float,
) -> None:
    if seen.stage is ContainerStage.CREATED:
        actions.append(StartContainer(container.name))
    elif seen.stage is ContainerStage.ABSENT:
        due = restart_at(seen, max_backoff_seconds)
        if due <= now:
            actions.append(CreateContainer(container.name))
        else:
            wakes.append(due)


def _plan_stop(pod: Pod, view: PodView, stop: StopRequest, now: float, actions: list[Action]) -> Plan:
    wakes: list[float] = []
    for container in pod.all_containers:
        seen = view.containers[container.name]
        if seen.is_alive:
            _stop_container(pod, view, stop, container, seen, now, actions, wakes)
    all_absent = all(seen.stage is ContainerStage.ABSENT for seen in view.containers.values())
    if all_absent and view.sandbox is SandboxStage.READY:
        actions.append(RemoveSandbox())
    return Plan(actions=tuple(actions), wake_at=min(wakes, default=None))


def _stop_container(
    pod: Pod,
    view: PodView,
    stop: StopRequest,
    container: Container,
    seen: ContainerView,
    now: float,
    actions: list[Action],
    wakes: list[float],
) -> None:
    if seen.stage in (ContainerStage.CREATING, ContainerStage.STARTING) or seen.killed_at is not None:
        return
    if stop.grace_seconds <= 0 or seen.stage is ContainerStage.CREATED:
        actions.append(KillContainer(container.name))
        return
    deadline = stop.at + stop.grace_seconds
    if seen.terminated_at is None:
        if now < deadline and not _is_its_turn(pod, view, container):
            wakes.append(deadline)
            return
        actions.append(TerminateContainer(container.name))
        wakes.append(max(deadline, now + MINIMUM_GRACE_SECONDS))
        return
    kill_at = max(deadline, seen.terminated_at + MINIMUM_GRACE_SECONDS)
    if now >= kill_at:
        actions.append(KillContainer(container.name))
    else:
        wakes.append(kill_at)


def _is_its_turn(pod: Pod, view: PodView, container: Container) -> bool:
    """Sidecars wait for all other containers, then go in the reverse order of the list."""
    if container.kind is not ContainerKind.SIDECAR:
        return True
    later = pod.init_containers[pod.init_containers.index(container) + 1 :]
    return not any(view.containers[other.name].is_alive for other in (*pod.containers, *later))

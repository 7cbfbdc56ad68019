"""The columns of pods, with the words of STATUS.

Source: kubernetes, pkg/printers/internalversion/printers.go, printPod.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nodeguard.api.table.column import AGE, NAME, NONE, Cells, Column, Object, Printer, age

_COLUMNS = (
    NAME,
    Column("Ready", "How many containers are ready, of how many."),
    Column("Status", "What the containers do, or what keeps them from it."),
    Column("Restarts", "How often containers were restarted, and when that was last."),
    AGE,
    Column("IP", "Address of the pod.", priority=1),
    Column("Node", "Node the pod is bound to.", priority=1),
    Column("Nominated Node", "Node on which others make room for the pod.", priority=1),
    Column("Readiness Gates", "How many of the further conditions hold.", priority=1),
)
_ENDED = ("Succeeded", "Failed")


class _Seen(NamedTuple):
    """What some containers add up to; ``last_end`` is when one that was restarted ended last, as RFC 3339."""

    word: str
    ready: int = 0
    restarts: int = 0
    last_end: str = ""


def _cells(pod: Object, now: float) -> Cells:
    meta, spec, status = pod.get("metadata", {}), pod.get("spec", {}), pod.get("status", {})
    conditions = {one.get("type"): one for one in status.get("conditions", ())}
    sidecars = {one.get("name") for one in spec.get("initContainers", ()) if one.get("restartPolicy") == "Always"}
    seen = _look(status, spec, conditions, sidecars)
    restarts = str(seen.restarts)
    if seen.restarts and seen.last_end:
        restarts += f" ({age(seen.last_end, now)} ago)"
    return [
        meta.get("name", ""),
        f"{seen.ready}/{len(spec.get('containers', ())) + len(sidecars)}",
        _going(meta, status) or seen.word,
        restarts,
        age(meta.get("creationTimestamp"), now),
        next((one.get("ip") for one in status.get("podIPs", ())), "") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _gates(spec, conditions),
    ]


def _look(status: Object, spec: Object, conditions: dict[str, Object], sidecars: set[str]) -> _Seen:
    word = status.get("reason") or status.get("phase", "")
    if conditions.get("PodScheduled", {}).get("reason") == "SchedulingGated":
        word = "SchedulingGated"
    inits, of_sidecars, is_initializing = _look_at_inits(status, spec, sidecars, word)
    if is_initializing and conditions.get("Initialized", {}).get("status") != "True":
        return inits
    return _look_at_apps(status, conditions, _Seen(inits.word, inits.ready, of_sidecars.restarts, of_sidecars.last_end))


def _look_at_inits(status: Object, spec: Object, sidecars: set[str], word: str) -> tuple[_Seen, _Seen, bool]:
    """All init containers up to the first that is not done; of these the sidecars; whether there is such a first."""
    all_, of_sidecars = _Seen(word), _Seen(word)
    for number, container in enumerate(status.get("initContainerStatuses", ())):
        is_sidecar = container.get("name") in sidecars
        all_ = _count(all_, container)
        if is_sidecar:
            of_sidecars = _count(of_sidecars, container)
        state = container.get("state", {})
        terminated, waiting = state.get("terminated"), state.get("waiting", {}).get("reason", "")
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if is_sidecar and container.get("started"):
            all_ = all_._replace(ready=all_.ready + bool(container.get("ready")))
            continue
        if terminated is not None:
            reason = _end(terminated)
        elif waiting and waiting != "PodInitializing":
            reason = waiting
        else:
            reason = f"{number}/{len(spec.get('initContainers', ()))}"
        return all_._replace(word=f"Init:{reason}"), of_sidecars, True
    return all_, of_sidecars, False


def _look_at_apps(status: Object, conditions: dict[str, Object], seen: _Seen) -> _Seen:
    has_running = False
    for container in reversed(status.get("containerStatuses", ())):
        seen = _count(seen, container)
        state = container.get("state", {})
        if state.get("waiting", {}).get("reason"):
            seen = seen._replace(word=state["waiting"]["reason"])
        elif "terminated" in state:
            seen = seen._replace(word=_end(state["terminated"]))
        elif container.get("ready") and "running" in state:
            has_running = True
            seen = seen._replace(ready=seen.ready + 1)
    if seen.word == "Completed" and has_running:
        is_ready = conditions.get("Ready", {}).get("status") == "True"
        return seen._replace(word="Running" if is_ready else "NotReady")
    return seen


def _count(seen: _Seen, container: Object) -> _Seen:
    """With this container's restarts; RFC 3339 in UTC with whole seconds sorts as the instants do."""
    ended = container.get("lastState", {}).get("terminated", {}).get("finishedAt") or ""
    return seen._replace(restarts=seen.restarts + container.get("restartCount", 0), last_end=max(seen.last_end, ended))


def _end(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _going(meta: Object, status: Object) -> str:
    """What a pod that is being deleted shows instead; ``""`` for all others."""
    if not meta.get("deletionTimestamp"):
        return ""
    if status.get("reason") == "NodeLost":
        return "Unknown"
    return "" if status.get("phase") in _ENDED else "Terminating"


def _gates(spec: Object, conditions: dict[str, Object]) -> str:
    gates = spec.get("readinessGates", ())
    held = sum(conditions.get(one.get("conditionType"), {}).get("status") == "True" for one in gates)
    return f"{held}/{len(gates)}" if gates else NONE


def conditions(pod: Object) -> list[dict[str, Any]]:
    """The conditions of the pod's row: whether it has ended, and how."""
    phase = pod.get("status", {}).get("phase")
    if phase not in _ENDED:
        return []
    message = "The pod has completed successfully." if phase == "Succeeded" else "The pod failed."
    return [{"type": "Completed", "status": "True", "reason": phase, "message": message}]


POD = Printer(_COLUMNS, _cells, conditions)

"""CPUPressure, IOPressure and NetworkPressure: information about the node, never a reason to keep a pod out or to kill.

A pod that its own CPU quota holds back also counts as waiting for a CPU; that is why the CPUs must be busy as well.

Source: Linux, Documentation/accounting/psi.rst; kubernetes/enhancements, keps/sig-node/5394 (both averages at the
limit begin it, the longer one below the limit ends it). The limits are ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from nodeguard.model.contention import ContentionSample, CpuTime
from nodeguard.model.groupstat import Stall
from nodeguard.policy.node_condition import FALSE, TRUE, UNKNOWN, Verdict

CPU_SOME_PERCENT = 50.0
"""Some task waited for a CPU during this share of the time."""
CPU_BUSY_RATIO = 0.9
IO_FULL_PERCENT = 25.0
"""All tasks that were not idle waited for a disk during this share of the time."""
LOST_RATIO = 0.01
"""Of the packets of a link."""
LOST_PACKETS = 100
"""Fewer than this may be any link's daily bread."""


def contention_verdicts(
    now: ContentionSample, earlier: ContentionSample | None, before: Mapping[str, str]
) -> tuple[Verdict, ...]:
    """The three conditions; ``before`` maps their types to the statuses that were reported last."""
    return (
        _cpu(now, earlier, before.get("CPUPressure") == TRUE),
        _io(now, before.get("IOPressure") == TRUE),
        _network(now, earlier),
    )


def _cpu(now: ContentionSample, earlier: ContentionSample | None, was: bool) -> Verdict:
    if now.cpu is None:
        return _unknown("CPUPressure")
    stall = now.cpu.some
    busy = _busy_ratio(now.cpu_time, earlier.cpu_time if earlier is not None else None)
    waits = f"cpu some avg10 {stall.avg10:.2f} %, avg60 {stall.avg60:.2f} %"
    if busy is not None:
        waits += f", CPUs busy {busy * 100:.0f} %"
    is_stalled = _is_over(stall, CPU_SOME_PERCENT, was) and busy is not None and busy >= CPU_BUSY_RATIO
    limits = f"limits {CPU_SOME_PERCENT:g} % and {CPU_BUSY_RATIO * 100:g} %"
    if is_stalled:
        return _verdict("CPUPressure", TRUE, "CPUContended", f"tasks wait for CPUs: {waits}, {limits}")
    return _verdict("CPUPressure", FALSE, "CPUNotContended", f"tasks get CPUs: {waits}, {limits}")


def _io(now: ContentionSample, was: bool) -> Verdict:
    if now.io is None or now.io.full is None:
        return _unknown("IOPressure")
    stall = now.io.full
    waits = f"io full avg10 {stall.avg10:.2f} %, avg60 {stall.avg60:.2f} %, limit {IO_FULL_PERCENT:g} %"
    if _is_over(stall, IO_FULL_PERCENT, was):
        return _verdict("IOPressure", TRUE, "IOContended", f"tasks wait for disks: {waits}")
    return _verdict("IOPressure", FALSE, "IONotContended", f"tasks get at their disks: {waits}")


def _network(now: ContentionSample, earlier: ContentionSample | None) -> Verdict:
    """By what was lost between two looks; a link that is new, or made anew, tells nothing yet."""
    if now.links is None:
        message = "the counters of network links cannot be read"
        return Verdict(
            type="NetworkPressure", status=UNKNOWN, reason="LinkStatisticsUnknown", message=message, is_live=True
        )
    since = (earlier.links if earlier is not None else None) or {}
    bad = []
    for name, link in sorted(now.links.items()):
        old = since.get(name)
        if old is None or link.packets < old.packets or link.lost < old.lost:
            continue
        lost, packets = link.lost - old.lost, link.packets - old.packets
        if lost >= LOST_PACKETS and lost >= (packets + lost) * LOST_RATIO:
            bad.append(f"{name} lost {lost} of {packets + lost} packets")
    limit = f"limit {LOST_RATIO * 100:g} % and {LOST_PACKETS}"
    if bad:
        return _verdict("NetworkPressure", TRUE, "LinksLosePackets", f"{'; '.join(bad)}, {limit}")
    named = ", ".join(sorted(now.links)) or "there are none"
    return _verdict("NetworkPressure", FALSE, "LinksDeliver", f"network links lose no packets ({named}), {limit}")


def _is_over(stall: Stall, limit: float, was: bool) -> bool:
    return stall.avg60 >= limit and (was or stall.avg10 >= limit)


def _busy_ratio(now: CpuTime | None, earlier: CpuTime | None) -> float | None:
    if now is None or earlier is None or now.total <= earlier.total:
        return None
    return max(0, now.busy - earlier.busy) / (now.total - earlier.total)


def _verdict(type_: str, status: str, reason: str, message: str) -> Verdict:
    return Verdict(type=type_, status=status, reason=reason, message=message, is_live=True)


def _unknown(type_: str) -> Verdict:
    message = "this kernel measures no pressure (it may with psi=1 on its command line)"
    return Verdict(type=type_, status=UNKNOWN, reason="PressureUnknown", message=message, is_live=True)

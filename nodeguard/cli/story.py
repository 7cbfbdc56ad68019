"""A decision in words: what the node was short of, why this pod, by which numbers, and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from nodeguard.agent.text import format_table
from nodeguard.cli.past import amount, resource_of
from nodeguard.model.decision import Action, DecisionRecord, DecisionType, Observed, Outcome
from nodeguard.model.eviction import VictimPolicy
from nodeguard.model.instant import parse_rfc3339
from nodeguard.model.signal import Resource, Signal

_ORDER = {
    VictimPolicy.KUBELET: "who uses more than requested, then lower priority, then the larger excess",
    VictimPolicy.QOS: "BestEffort before Burstable before Guaranteed, then lower priority, then the larger use",
}
_PID_ORDER = "lower priority, then more processes"
_RECLAIMED = {"containers": "its dead containers", "images": "its unused images"}
_PLACES = {"nodefs": "on the file system of pods", "imagefs": "on the file system of images"}
_PLACES["containerfs"] = "on the file system of writable layers"


def story(record: DecisionRecord) -> str:
    """The whole text, of several paragraphs."""
    paragraphs = [headline(record), *_causes(record), _table(record), _time_line(record), "\n".join(_ends(record))]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def headline(record: DecisionRecord) -> str:
    """The one sentence."""
    pod, at = f"pod {record.pod.namespace}/{record.pod.name}", _at(record.at)
    done = {
        DecisionType.EVICTION: "was evicted",
        DecisionType.LIMIT_EXCEEDED: "was evicted" if record.action is not None else "hit a limit of its own",
        DecisionType.PREEMPTION: "had to make room for another pod",
        DecisionType.REJECTED: "was not let in",
        DecisionType.TAINT_EVICTION: "was evicted for a taint that it does not tolerate",
        DecisionType.OOM_KILL: "lost processes to the kernel's OOM killer",
    }[record.type]
    if record.action is Action.WOULD_EVICT:
        done = "would have been evicted, but was left alone (evictionMode observe)"
    return f"{pod}, {record.pod.qos_class}, {done} at {at} on node {record.node}."


def _causes(record: DecisionRecord) -> Iterator[str]:
    if record.type is DecisionType.EVICTION and record.observed is not None:
        yield _shortage(record, record.observed)
        yield _choice(record)
    elif record.type is DecisionType.LIMIT_EXCEEDED and record.action is not None:
        yield f"Why: {_sentence(record.why)} ({record.threshold}). The node itself may have had plenty."
    elif record.limit_hit is not None:
        place = f"cgroup {record.limit_hit.cgroup}"
        yield f"Why: {_sentence(record.message)}; {place}, limit {_limit(record)}{_used(record)}."
    elif record.reasons:
        yield "Why:\n" + "\n".join(f"  {reason.strip()}" for reason in record.reasons)
    if record.conditions:
        yield f"The node had {', '.join(record.conditions)}."


def _shortage(record: DecisionRecord, observed: Observed) -> str:
    signal, resource = record.signal or "", resource_of(record.signal)
    _, _, rest = (record.threshold or "").partition("<")
    value, _, kind = rest.rpartition("/")
    what = {Resource.INODES: "inodes", Resource.PIDS: "process ids", Resource.MEMORY: "memory"}.get(resource, "space")
    place = _PLACES.get(signal.partition(".")[0], "")
    rounded = amount(observed.available, resource)
    exact = rounded if observed.available is None else str(resource.quantity(observed.available))
    left = f"{exact if rounded == value else rounded} of {amount(observed.capacity, resource)}"
    text = f"Why a pod had to go: the node had {left} of {what} left{f' {place}' if place else ''}"
    text += f" ({signal}), less than the {kind} threshold {value}"
    text += f" ({amount(observed.limit, resource)})" if value.endswith("%") else ""
    grace = _soft_grace(record)
    text += f", and had been below it for {grace} or longer. " if grace else ". "
    text += f"The number was {_age(observed.sample_age_seconds)} old. " if observed.sample_age_seconds else ""
    if record.reclaim:
        given_up = " and ".join(_RECLAIMED.get(step, step) for step in record.reclaim)
        text += f"Giving up {given_up} did not help enough. "
    return text.strip()


def _soft_grace(record: DecisionRecord) -> str:
    """How long a soft threshold may be met; the scenario has it."""
    if record.scenario is None or not (record.threshold or "").endswith("/soft"):
        return ""
    settings = record.scenario.get("spec", {}).get("config", {}).get("evictionSoftGracePeriod", {})
    return str(settings.get(record.signal, ""))


def _choice(record: DecisionRecord) -> str:
    name = f"{record.pod.namespace}/{record.pod.name}"
    place = next((candidate.rank for candidate in record.candidates if candidate.pod == name), 0)
    is_pids = record.signal == Signal.PID_AVAILABLE and record.policy is VictimPolicy.KUBELET
    order = _PID_ORDER if is_pids else _ORDER[record.policy or VictimPolicy.KUBELET]
    text = f"Why this one: {record.why}. It is number {place} of {len(record.candidates)} by the policy "
    text += f"{record.policy} ({order})"
    if place > 1:
        before = "the one before it is" if place == 2 else "those before it are"
        text += f"; {before} critical, and never evicted"
    return f"{text}."


def _table(record: DecisionRecord) -> str:
    if not record.candidates:
        return ""
    resource, name = resource_of(record.signal), f"{record.pod.namespace}/{record.pod.name}"
    rows = []
    for candidate in record.candidates:
        over = {True: "yes", False: "no", None: "-"}[candidate.exceeds_request]
        mark = "critical" if candidate.critical else "this one" if candidate.pod == name else ""
        rows.append(
            (
                str(candidate.rank),
                candidate.pod,
                str(candidate.qos_class),
                str(candidate.priority),
                "no statistics" if candidate.usage is None else amount(candidate.usage, resource),
                "-" if resource is Resource.PIDS else amount(candidate.request, resource),
                over,
                mark,
            )
        )
    header = ("#", "POD", "QOS", "PRIORITY", "USAGE", "REQUEST", "OVER", "")
    return "\n".join(f"  {line}" for line in format_table(header, rows).splitlines())


def _time_line(record: DecisionRecord) -> str:
    timings = record.timings
    steps = [
        ("crossed the threshold", timings.crossed_at),
        ("decided", timings.decided_at),
        ("SIGTERM", timings.term_at),
        ("SIGKILL", timings.killed_at),
        ("gone", timings.gone_at),
    ]
    known = [(what, at) for what, text in steps if (at := parse_rfc3339(text or "")) is not None]
    if len(known) < 2:
        return ""
    start = known[0][1]
    rows = [(f"{at - start:+.6f} s", what) for what, at in known]
    first = next(text for _, text in steps if text is not None)
    return f"Time line, from {_at(first)}:\n" + "\n".join(f"  {at:>14}  {what}" for at, what in rows)


def _ends(record: DecisionRecord) -> Iterator[str]:
    grace = record.grace_period_seconds
    if record.action is Action.EVICT and grace is not None:
        yield "It was killed at once." if grace == 0 else f"It had {grace} s to stop."
    if record.outcome is Outcome.GONE:
        freed = record.freed_bytes
        yield "It is gone" + (f", and {amount(freed, resource_of(None))} came back." if freed is not None else ".")
    elif record.outcome is Outcome.PENDING:
        yield "It was still there when nodeguard looked last."
    elif record.outcome is Outcome.FAILED:
        yield "It could not be stopped."
    if record.note:
        yield f"Note: {_sentence(record.note)}."
    if record.type is not DecisionType.OOM_KILL and record.message.strip():
        yield f"Told to the pod: {record.reason}: {record.message.strip()}"


def _limit(record: DecisionRecord) -> str:
    observed = record.observed
    if observed is None or observed.limit is None:
        return "of the host"
    return amount(observed.limit, resource_of(record.signal))


def _used(record: DecisionRecord) -> str:
    observed = record.observed
    if observed is None or observed.usage is None:
        return ""
    return f", used {amount(observed.usage, resource_of(record.signal))}"


def _at(text: str) -> str:
    """``2026-11-21 07:31:02.123456 UTC``."""
    return text.replace("T", " ").replace("Z", " UTC")


def _age(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _sentence(text: str) -> str:
    return text.strip().rstrip(".")

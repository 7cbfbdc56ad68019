"""Short ways to make records out of real passes of the eviction manager, and a history that holds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evictionbuilder import config

from nodeguard.agent.history_file import FILE_NAME
from nodeguard.agent.history_writer import History
from nodeguard.model.decision import DecisionRecord, Pass
from nodeguard.model.decode import decode_items
from nodeguard.model.document import Document
from nodeguard.model.eviction import Candidate, EvictionMemory, Observation, Snapshot
from nodeguard.model.pod import Pod
from nodeguard.model.signal import Signal
from nodeguard.model.stats import ContainerUsage, FsUsage, MemoryUsage, PodUsage
from nodeguard.policy.decision import eviction_record
from nodeguard.policy.eviction import evaluate
from nodeguard.policy.eviction_facts import facts_of

GIB, MIB, S = 1 << 30, 1 << 20, 10**9
NOW_NS = 1000 * S
AT = 1_800_000_000.0
"""2027-01-15 08:00 UTC"""


def pods_of(manifests: Sequence[Mapping[str, Any]]) -> list[Pod]:
    """Pods as decoding makes them, manifest and all."""
    found = decode_items(Document(value={}, source="test", lines={}), (), list(manifests), "Pod")
    assert len(found.pods) == len(manifests), found.findings
    return list(found.pods)


def manifest(name: str, memory: str = "", priority: int = 0, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "app",
        "image": "host",
        "command": ["secret-command"],
        "env": [{"name": "A", "value": "s3cret"}],
    }
    container["resources"] = {"requests": {"memory": memory} if memory else {}, **spec.pop("resources", {})}
    meta = {"name": name, "uid": f"uid-{name}", "annotations": {"note": "s3cret"}}
    return {"metadata": meta, "spec": {"containers": [container], "priority": priority, **spec}}


def used(name: str, memory: int = 0, **fields: Any) -> PodUsage:
    usage = MemoryUsage(working_set_bytes=memory)
    return PodUsage(
        name=name,
        uid=f"uid-{name}",
        memory=usage,
        containers=(ContainerUsage(name="app", memory=usage),),
        **fields,
    )


def candidates_of(*pairs: tuple[Mapping[str, Any], PodUsage | None]) -> tuple[Candidate, ...]:
    pods = pods_of([one for one, _ in pairs])
    usages = [usage for _, usage in pairs]
    return tuple(
        Candidate(facts=facts_of(pod), order=order, usage=usage)
        for order, (pod, usage) in enumerate(zip(pods, usages, strict=True))
    )


HOUSE = (
    (manifest("web", "128Mi"), used("web", 100 * MIB)),
    (manifest("hog"), used("hog", 870 * MIB)),
    (manifest("db", "64Mi", 1000), used("db", 80 * MIB)),
    (manifest("sys", priority=2_000_000_000), used("sys", 10 * MIB)),
)
LOW = {Signal.MEMORY_AVAILABLE: Observation(available=94 * MIB, capacity=GIB, sampled_at_ns=NOW_NS - 400_000)}


def pass_of(
    settings: Any = None,
    pairs: Sequence[tuple[Mapping[str, Any], PodUsage | None]] = HOUSE,
    observations: Mapping[Signal, Observation] = LOW,
    memory: EvictionMemory | None = None,
) -> Pass:
    settings, memory = settings or config("memory.available<100Mi", hard_grace_seconds=0), memory or EvictionMemory()
    snapshot = Snapshot(observations=observations, candidates=candidates_of(*pairs))
    decision = evaluate(settings, memory, snapshot, NOW_NS)
    return Pass(config=settings, memory=memory, snapshot=snapshot, now_ns=NOW_NS, decision=decision)


def record_of(one: Pass | None = None, number: int = 0, id_: str = "1", **options: Any) -> DecisionRecord:
    one = one or pass_of()
    return eviction_record(one, one.decision.evictions[number], id_=id_, **{"node_name": "n1", "at": AT, **options})


def over_its_limit() -> Pass:
    """A pod whose logs are above its limit of local storage."""
    greedy = manifest("greedy", resources={"limits": {"ephemeral-storage": "10Mi"}})
    return pass_of(pairs=[(greedy, used("greedy", ephemeral_storage=FsUsage(used_bytes=12 * MIB)))], observations={})


def write_history(state_dir: Path, write: Callable[[History], Any]) -> None:
    reports: list[str] = []
    history = History(state_dir / FILE_NAME, report=reports.append)
    write(history)
    assert history.close(20)
    assert reports == []

"""Records of decisions: contracts' fields, and what they must never hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from evictionbuilder import config
from recordbuilder import AT, GIB, HOUSE, MIB, over_its_limit, pass_of, pods_of, record_of

from nodeguard.model.decision import Action, DecisionRecord, Level, Outcome, Progress
from nodeguard.model.eviction import VictimPolicy
from nodeguard.model.instant import rfc3339_micro
from nodeguard.model.pod import QOSClass
from nodeguard.model.wire import to_wire
from nodeguard.policy.decision import limit_record, oom_record, progressed, rejection_record
from nodeguard.policy.eviction_facts import facts_of

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "decision.json").read_text())
AGENT = {"id_": "1", "node_name": "n1", "at": AT}


def valid(record: DecisionRecord) -> dict[str, object]:
    item: dict[str, object] = json.loads(json.dumps(to_wire(record)))
    jsonschema.Draft202012Validator(SCHEMA).validate(item)
    return item


def test_an_eviction() -> None:
    record = progressed(
        record_of(crossed_at=AT - 0.0012),
        Progress(killed_at=AT + 0.0059, gone_at=AT + 0.12, freed_bytes=870 * MIB, outcome=Outcome.GONE),
    )
    item = valid(record)
    assert {key: item[key] for key in ("kind", "id", "type", "action", "signal", "threshold", "policy")} == {
        "kind": "Decision",
        "id": "1",
        "type": "Eviction",
        "action": "evict",
        "signal": "memory.available",
        "threshold": "memory.available<100Mi/hard",
        "policy": "kubelet",
    }
    assert item["at"] == "2027-01-15T08:00:00.000000Z"
    assert item["pod"] == {
        "namespace": "default",
        "name": "hog",
        "uid": "uid-hog",
        "qosClass": "BestEffort",
        "priority": 0,
    }
    observed = {"available": 98566144, "capacity": GIB, "sampleAgeSeconds": 0.0004}
    assert item["observed"] == {**observed, "usage": None, "limit": 100 * MIB}
    assert [candidate["pod"] for candidate in item["candidates"]] == [  # type: ignore[attr-defined]
        *("default/hog", "default/db", "default/sys", "default/web")
    ]
    assert item["candidates"][0] == {  # type: ignore[index]
        "pod": "default/hog",
        "rank": 1,
        "critical": False,
        "qosClass": "BestEffort",
        "exceedsRequest": True,
        "priority": 0,
        "usage": 912261120,
        "request": 0,
        "why": "uses 870Mi of memory, above its request 0; priority 0",
    }
    assert item["timings"] == {
        "crossedAt": rfc3339_micro(AT - 0.0012),
        "decidedAt": rfc3339_micro(AT),
        "termAt": None,
        "killedAt": rfc3339_micro(AT + 0.0059),
        "goneAt": rfc3339_micro(AT + 0.12),
        "crossingToKillMs": 7.1,
    }
    assert (item["gracePeriodSeconds"], item["freedBytes"], item["outcome"]) == (0, 912261120, "gone")
    assert (item["reason"], item["conditions"]) == ("Evicted", ["MemoryPressure"])


def test_what_is_only_observed_is_told_apart() -> None:
    item = valid(record_of(action=Action.WOULD_EVICT))
    assert (item["action"], item["outcome"]) == ("wouldEvict", None)


def test_a_record_holds_no_secrets() -> None:
    text = json.dumps(to_wire(record_of()))
    assert "s3cret" not in text
    assert "secret-command" not in text


def test_progress_comes_piece_by_piece_and_forgets_nothing() -> None:
    record = record_of(crossed_at=AT - 1)
    whole = Progress(term_at=AT, killed_at=AT + 1, gone_at=AT + 2, freed_bytes=0, outcome=Outcome.GONE, note="slow")
    pieces = record
    for piece in (
        Progress(term_at=AT, outcome=Outcome.PENDING),
        Progress(killed_at=AT + 1),
        Progress(),
        Progress(gone_at=AT + 2, freed_bytes=0, outcome=Outcome.GONE, note="slow"),
    ):
        pieces = progressed(pieces, piece)
    assert pieces == progressed(record, whole)
    assert pieces.timings.crossing_to_kill_ms == 2000.0
    assert pieces.freed_bytes == 0


def test_without_the_moment_of_crossing_there_is_no_reaction_time() -> None:
    assert progressed(record_of(), Progress(killed_at=AT + 1)).timings.crossing_to_kill_ms is None


def test_a_limit_of_local_storage() -> None:
    item = valid(record_of(over_its_limit()))
    assert (item["type"], item["action"]) == ("LimitExceeded", "evict")
    assert (item["signal"], item["threshold"]) == ("ephemeral-storage/pod", "ephemeral-storage/pod>10Mi")
    assert item["observed"] == {
        **dict.fromkeys(("available", "capacity", "sampleAgeSeconds")),
        "usage": 12 * MIB,
        "limit": 10 * MIB,
    }
    (candidate,) = item["candidates"]  # type: ignore[misc]
    assert candidate["why"] == "greedy uses 12Mi, its limit is 10Mi"


@pytest.mark.parametrize(
    ("level", "limit", "threshold", "message"),
    [
        (Level.CONTAINER, 128 * MIB, "memory.max=128Mi/container", "more memory than its own limit (128Mi)"),
        (Level.POD, 128 * MIB, "memory.max=128Mi/pod", "more memory than the pod's limit (128Mi)"),
        (Level.TIER, GIB, "memory.max=1Gi/tier", "more memory than the Burstable tier's limit (1Gi)"),
        (Level.ROOT, GIB, "memory.max=1Gi/root", "more memory than all pods' limit (1Gi)"),
        (Level.HOST, None, None, "more memory than the host's limit (of the host)"),
    ],
)
def test_the_kernels_own_killer(level: Level, limit: int | None, threshold: str | None, message: str) -> None:
    (pod,) = pods_of([HOUSE[0][0]])
    record = oom_record(facts_of(pod), level=level, cgroup="/x", limit_bytes=limit, container="app", kills=2, **AGENT)  # type: ignore[arg-type]
    item = valid(record)
    assert (item["type"], item["signal"], item["threshold"]) == ("OOMKill", "memory.max", threshold)
    assert message in record.message
    assert item["limitHit"] == {"level": level, "container": "app", "cgroup": "/x", "kills": 2}
    assert (item["reason"], item["outcome"], len(record.candidates)) == ("OOMKilled", "gone", 1)


def test_a_limit_of_processes_kills_nobody() -> None:
    (pod,) = pods_of([HOUSE[1][0]])
    record = limit_record(facts_of(pod), level=Level.POD, cgroup="/x", limit=64, usage=64, refused=3, **AGENT)  # type: ignore[arg-type]
    item = valid(record)
    assert (item["type"], item["signal"], item["threshold"]) == ("LimitExceeded", "pids.max", "pids.max=64/pod")
    assert (item["action"], item["outcome"]) == (None, None)
    assert record.message == "pod hog may have 64 processes and threads: the kernel refused 3 processes"


def test_a_pod_that_was_not_let_in() -> None:
    (pod,) = pods_of([HOUSE[2][0]])
    record = rejection_record(
        pod,
        qos_class=QOSClass.BURSTABLE,
        reason="Evicted",
        message="The node had condition: [DiskPressure]. ",
        conditions=("DiskPressure",),
        **AGENT,  # type: ignore[arg-type]
    )
    item = valid(record)
    assert (item["type"], item["reason"], item["conditions"]) == ("Rejected", "Evicted", ["DiskPressure"])
    assert item["reasons"] == ["The node had condition: [DiskPressure]."]
    assert item["pod"]["priority"] == 1000  # type: ignore[index]


def test_the_age_of_a_sample_without_a_time_is_nothing() -> None:
    one = pass_of(config("memory.available<100Mi", policy=VictimPolicy.QOS))
    fresh = {signal: replace(value, sampled_at_ns=None) for signal, value in one.snapshot.observations.items()}
    record = record_of(replace(one, snapshot=replace(one.snapshot, observations=fresh)))
    assert record.observed is not None
    assert record.observed.sample_age_seconds == 0.0

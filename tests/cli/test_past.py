"""``explain kill``, ``get decisions``, ``events``: what was decided and what happened, as long as it is kept."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from evictionbuilder import config, seen
from recordbuilder import AT, HOUSE, MIB, manifest, over_its_limit, pass_of, pods_of, record_of, used, write_history

from nodeguard.agent.history_file import FILE_NAME
from nodeguard.cli.main import run
from nodeguard.cli.story import story
from nodeguard.model.decision import Action, DecisionRecord, Level, Outcome, Progress
from nodeguard.model.eviction import VictimPolicy
from nodeguard.model.meta import Event
from nodeguard.model.pod import QOSClass
from nodeguard.policy.decision import limit_record, oom_record, progressed, rejection_record
from nodeguard.policy.eviction_facts import facts_of

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
Call = Callable[..., tuple[int, str, str]]
DONE = Progress(killed_at=AT + 0.0059, gone_at=AT + 0.12, freed_bytes=870 * MIB, outcome=Outcome.GONE)
AGENT: dict[str, Any] = {"node_name": "n1", "at": AT}
WEB, HOG, DB, _ = pods_of([one for one, _ in HOUSE])


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setenv("NODEGUARD_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("NODEGUARD_CONFIG", "/dev/null")

    def invoke(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return invoke


def stored(tmp_path: Path, *records: DecisionRecord) -> None:
    write_history(tmp_path, lambda history: [history.append(lambda one=one: one) for one in records])  # type: ignore[misc]


def hog_evicted(id_: str = "1", **options: Any) -> DecisionRecord:
    return progressed(record_of(id_=id_, crossed_at=AT - 0.0012, **options), DONE)


def valid(text: str, schema: str) -> Any:
    item = json.loads(text)
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / schema).read_text())).validate(item)
    return item


def test_a_kill_in_words(call: Call, tmp_path: Path) -> None:
    stored(tmp_path, hog_evicted())
    code, out, err = call("explain", "kill", "pod/hog")
    assert (code, err) == (0, "")
    assert out == (
        "pod default/hog, BestEffort, was evicted at 2027-01-15 08:00:00.000000 UTC on node n1.\n"
        "\n"
        "Why a pod had to go: the node had 94Mi of 1Gi of memory left (memory.available), less than the hard threshold "
        "100Mi. The number was 0.4 ms old.\n"
        "\n"
        "Why this one: uses 870Mi of memory, above its request 0; priority 0. It is number 1 of 4 by the policy "
        "kubelet (who uses more than requested, then lower priority, then the larger excess).\n"
        "\n"
        "The node had MemoryPressure.\n"
        "\n"
        "  #  POD          QOS         PRIORITY    USAGE  REQUEST  OVER\n"
        "  1  default/hog  BestEffort  0           870Mi  0        yes   this one\n"
        "  2  default/db   Burstable   1000        80Mi   64Mi     yes\n"
        "  3  default/sys  BestEffort  2000000000  10Mi   0        yes   critical\n"
        "  4  default/web  Burstable   0           100Mi  128Mi    no\n"
        "\n"
        "Time line, from 2027-01-15 07:59:59.998800 UTC:\n"
        "     +0.000000 s  crossed the threshold\n"
        "     +0.001200 s  decided\n"
        "     +0.007100 s  SIGKILL\n"
        "     +0.121200 s  gone\n"
        "\n"
        "It was killed at once.\n"
        "It is gone, and 870Mi came back.\n"
        "Told to the pod: Evicted: The node was low on resource: memory. Threshold quantity: 100Mi, available: 94Mi. "
        "Container app was using 870Mi, request is 0, has larger consumption of memory.\n"
        "The policy qos would have chosen the same pod.\n"
    )


def test_a_kill_as_its_record(call: Call, tmp_path: Path) -> None:
    stored(tmp_path, hog_evicted())
    code, out, err = call("explain", "kill", "pod/default/hog", "-o", "json")
    assert (code, err) == (0, "")
    item = valid(out, "decision.json")
    assert item["signal"]
    assert item["threshold"]
    assert item["observed"]
    assert item["candidates"]
    assert item["freedBytes"]
    assert item == yaml.safe_load(call("explain", "kill", "pod/hog", "-o", "yaml")[1])


def test_the_moment_can_be_played_again(call: Call, tmp_path: Path) -> None:
    stored(tmp_path, hog_evicted())
    file = tmp_path / "scenario.yaml"
    file.write_text(call("explain", "kill", "pod/hog", "--scenario")[1])
    code, out, err = call("simulate", str(file), "-o", "json")
    assert (code, err) == (0, "")
    ((eviction,),) = [step["evicted"] for step in json.loads(out)["steps"]]
    record = hog_evicted()
    assert (eviction["pod"], eviction["message"]) == ("default/hog", record.message)
    assert json.loads(call("explain", "kill", "pod/hog", "--scenario", "-o", "json")[1]) == yaml.safe_load(
        file.read_text()
    )


def test_the_last_kill_is_told_whatever_came_after(call: Call, tmp_path: Path) -> None:
    first, second = hog_evicted("1"), hog_evicted("2", at=AT + 5)
    refused = rejection_record(HOG, id_="3", qos_class=QOSClass.BEST_EFFORT, reason="Evicted", message="no", **AGENT)
    stored(tmp_path, first, second, refused)
    assert json.loads(call("explain", "kill", "pod/hog", "-o", "json")[1])["id"] == "2"


def test_what_was_never_killed_is_told_as_well(call: Call, tmp_path: Path) -> None:
    refused = rejection_record(DB, id_="3", qos_class=QOSClass.BURSTABLE, reason="Evicted", message="no", **AGENT)
    stored(tmp_path, refused)
    code, out, _ = call("explain", "kill", "pod/db")
    assert code == 0
    assert "pod default/db, Burstable, was not let in at" in out
    code, _, err = call("explain", "kill", "pod/db", "--scenario")
    assert (code, err) == (4, "Error: Rejected of pod default/db: such a decision has no scenario\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["explain", "kill", "pod/none"], 4, "no decision about pod default/none in the history, which keeps 7 days"),
        (["explain", "kill", "hog"], 2, "'hog' is not pod/NAME or pod/NAMESPACE/NAME"),
        (["explain", "kill"], 2, "Missing argument 'pod/[NAMESPACE/]NAME'"),
        (["explain", "kill", "pod/a/b/c"], 2, "is not pod/NAME"),
        (["explain", "./kill"], 4, "./kill: no such file or directory"),
        (["get", "decisions", "abc"], 4, "no decision abc in the history"),
        (["get", "decisions", "--since", "yesterday"], 2, "is not a duration"),
        (["get", "decisions", "--since", "0s"], 2, "0s is not above 0s"),
        (["get", "decisions", "--type", "Murder"], 2, "'Murder' is not one of"),
        (["events", "--for", "node/x"], 2, "'node/x' is not pod/NAME"),
    ],
)
def test_wrong_usage(call: Call, arguments: list[str], code: int, message: str) -> None:
    found, out, err = call(*arguments)
    assert (found, out) == (code, "")
    assert message in " ".join(err.split())


def test_damage_is_told_with_what_comes_next(call: Call, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"nonsense" * 1000)
    code, out, err = call("events")
    assert (code, out) == (1, "")
    assert "is damaged" in err
    assert "the next nodeguard that writes to it sets it aside" in err


def test_what_another_version_wrote_is_still_there_as_data(call: Call, tmp_path: Path) -> None:
    stored(tmp_path, hog_evicted())
    connection = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    connection.execute('UPDATE entry SET body = replace(body, \'"type":"Eviction"\', \'"type":"Exorcism"\')')
    connection.close()
    for arguments in (["explain", "kill", "pod/hog"], ["get", "decisions"]):
        code, out, err = call(*arguments)
        assert (code, out) == (1, "")
        assert err.startswith("Error: decision 1 is of another nodeguard ('Exorcism' is not a valid DecisionType")
        assert json.loads(call(*arguments, "-o", "json")[1])


# Words for every kind


def words(record: DecisionRecord) -> str:
    return story(record)


def test_an_observed_one() -> None:
    assert "would have been evicted, but was left alone (evictionMode observe) at" in words(
        record_of(action=Action.WOULD_EVICT)
    )


def test_a_soft_one_says_for_how_long() -> None:
    soft = config("", "memory.available<100Mi@0")
    one = pass_of(config("", "memory.available<100Mi@90", max_pod_grace_seconds=30))
    assert one.decision.evictions == ()
    record = record_of(pass_of(soft))
    assert "less than the hard threshold 100Mi" in words(record), "a soft one without grace period is hard"
    text = record.threshold or ""
    scenario = {"spec": {"config": {"evictionSoftGracePeriod": {"memory.available": "90s"}}}}
    soft_one = DecisionRecord(
        **{
            **{name: getattr(record, name) for name in record.__slots__},
            "threshold": text.replace("hard", "soft"),
            "scenario": scenario,
            "grace_period_seconds": 30,
        }
    )
    told = words(soft_one)
    assert "less than the soft threshold 100Mi, and had been below it for 90s or longer." in told
    assert "It had 30 s to stop." in told


def test_critical_pods_before_the_victim_are_told() -> None:
    static = manifest("static", priority=2_000_000_000)
    both = [(static, None), (manifest("late"), used("late", 5 * MIB))]
    assert "It is number 2 of 2" in words(record_of(pass_of(pairs=both)))
    assert "the one before it is critical, and never evicted." in words(record_of(pass_of(pairs=both)))
    three = [(manifest("other", priority=2_000_000_000), None), *both]
    assert "those before it are critical, and never evicted." in words(record_of(pass_of(pairs=three)))


@pytest.mark.parametrize(
    ("settings", "observations", "expected"),
    [
        ("pid.available<10", "pid.available=-5/100", "-5 of 100 of process ids left (pid.available)"),
        ("nodefs.inodesFree<5%", "nodefs.inodesFree=4/100", "4 of 100 of inodes left on the file system of pods"),
        (
            "imagefs.available<15%",
            "imagefs.available=1Gi/10Gi",
            "1Gi of 10Gi of space left on the file system of images",
        ),
    ],
)
def test_other_signals_have_their_own_units(settings: str, observations: str, expected: str) -> None:
    told = words(record_of(pass_of(config(settings), observations=seen(observations))))
    assert expected in told
    if settings.startswith("nodefs"):
        assert "less than the hard threshold 5% (5)" in told
        assert "Giving up its dead containers and its unused images did not help enough." in told
    if settings.startswith("pid"):
        assert "(lower priority, then more processes)" in told


def test_a_limit_of_the_pods_own() -> None:
    told = words(record_of(over_its_limit()))
    assert "Why: greedy uses 12Mi, its limit is 10Mi (ephemeral-storage/pod>10Mi)." in told


def test_the_kernels_own_killer_and_limits_of_processes() -> None:
    of_web: dict[str, Any] = {"level": Level.CONTAINER, "cgroup": "/x/web/app", "container": "app"}
    oom = oom_record(facts_of(WEB), id_="1", limit_bytes=128 * MIB, usage_bytes=127 * MIB, kills=2, **of_web, **AGENT)
    told = words(oom)
    assert "lost processes to the kernel's OOM killer at" in told
    assert "(128Mi): the kernel killed 2 processes; cgroup /x/web/app, limit 128Mi, used 127Mi." in told
    limit = limit_record(facts_of(WEB), id_="1", limit=64, refused=1, **of_web, **AGENT)
    assert "hit a limit of its own at" in words(limit)
    assert "may have 64 processes and threads: the kernel refused a process" in words(limit)


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (Progress(outcome=Outcome.PENDING), "It was still there when nodeguard looked last."),
        (Progress(outcome=Outcome.FAILED, note="in D state."), "It could not be stopped.\nNote: in D state.\n"),
        (Progress(outcome=Outcome.GONE), "It is gone.\n"),
        (Progress(outcome=Outcome.GONE, freed_bytes=0), "It is gone, and 0 came back.\n"),
    ],
)
def test_what_came_of_it(progress: Progress, expected: str) -> None:
    assert expected in words(progressed(record_of(), progress))


# Lists


def test_decisions_as_a_table(call: Call, tmp_path: Path) -> None:
    observed = record_of(id_="2", at=time.time() - 61, action=Action.WOULD_EVICT)
    stored(tmp_path, progressed(record_of(id_="1", at=time.time() - 90, crossed_at=None), DONE), observed)
    code, out, err = call("get", "decisions")
    assert (code, err) == (0, "")
    header, first, second = out.splitlines()
    assert header.split() == ["AGE", "TYPE", "POD", "SIGNAL", "OBSERVED", "THRESHOLD", "KILL", "FREED", "OUTCOME"]
    assert first.split()[1:5] == ["Eviction", "default/hog", "memory.available", "94Mi/1Gi"]
    assert first.split()[5:] == ["memory.available<100Mi/hard", "-", "870Mi", "gone"]
    assert second.split()[1:3] == ["Eviction", "(observed)"]
    wide = call("get", "decision", "-o", "wide", "1")[1].splitlines()
    assert wide[1].split()[9:12] == ["kubelet", "0s", "4"]
    assert wide[1].endswith("  1")
    assert len(wide) == 2


def test_decisions_as_data(call: Call, tmp_path: Path) -> None:
    stored(tmp_path, hog_evicted("1"), hog_evicted("2", at=AT + 1), record_of(over_its_limit(), id_="3", at=AT + 2))
    listed = valid(call("get", "decisions", "-o", "json")[1], "decision-list.json")
    assert [item["id"] for item in listed["items"]] == ["1", "2", "3"]
    assert max(item["timings"]["crossingToKillMs"] for item in listed["items"][:2]) < 10_000
    assert call("get", "decisions", "-o", "name", "--for", "pod/greedy")[1] == "decision/3\n"
    assert call("get", "decisions", "-o", "name", "--type", "Eviction", "--type", "OOMKill")[1].count("\n") == 2
    assert valid(call("get", "decisions/2", "-o", "json")[1], "decision.json")["id"] == "2"
    assert yaml.safe_load(call("get", "decisions", "-o", "yaml")[1]) == listed
    evictions = valid(call("get", "evictions", "-o", "json")[1], "decision-list.json")
    assert [item["id"] for item in evictions["items"]] == ["1", "2", "3"]


def test_evictions_are_decisions_that_made_a_pod_go(call: Call, tmp_path: Path) -> None:
    oom = oom_record(facts_of(WEB), id_="o", level=Level.HOST, cgroup="/", limit_bytes=None, **AGENT)
    stored(tmp_path, hog_evicted("1"), oom, record_of(id_="2", action=Action.WOULD_EVICT, at=AT + 1))
    assert call("get", "evictions", "-o", "name")[1] == "decision/1\ndecision/2\n"
    assert call("get", "evictions", "-o", "name", "--for", "pod/web") == (0, "", "")


def test_without_any_decision(call: Call) -> None:
    assert call("get", "decisions") == (0, "", "No decisions found.\n")
    assert json.loads(call("get", "decisions", "-o", "json")[1])["items"] == []
    code, out, err = call("events")
    assert (code, out) == (0, "# kept for 7 days or 64 MiB, whichever is less\n")
    assert err == "No events found.\n"


def event(at: float, reason: str, pod: str = "default/hog", **fields: Any) -> Event:
    type_ = "Warning" if reason == "Evicted" else "Normal"
    return Event(at=at, type=type_, reason=reason, message=f"{reason} \n it ", pod=pod, **fields)


def test_events_outlive_their_pods(call: Call, tmp_path: Path) -> None:
    now = time.time()
    told = (
        event(now - 3 * 86400, "Scheduled"),
        event(now - 3600, "Started", container="app"),
        event(now - 60, "Evicted", uid="u1", annotations={"starved_resource": "memory"}),
        event(now - 50, "Started", "shop/hog"),
        event(now - 40, "NodeHasMemoryPressure", "", node="n1"),
    )
    write_history(tmp_path, lambda history: [history.event(one) for one in told])
    code, out, err = call("events")
    assert (code, err) == (0, "")
    retention, header, *rows = out.splitlines()
    assert retention.startswith("# kept for 7 days or 64 MiB, whichever is less; the oldest here is of 20")
    assert header.split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert [row.split()[3] for row in rows] == ["pod/hog", "pod/hog", "pod/hog", "pod/shop/hog", "node/n1"]
    assert rows[0].endswith("Scheduled it")
    rows = call("events", "--since", "24h", "--for", "pod/hog")[1].splitlines()[2:]
    assert [row.split()[2] for row in rows] == ["Started", "Evicted"]
    (row,) = call("get", "events", "--reason", "Evicted", "--type", "Warning", "-o", "wide")[1].splitlines()[2:]
    assert "pod/hog" in row
    (name,) = call("events", "-o", "name", "--reason", "NodeHasMemoryPressure")[1].splitlines()
    assert name.startswith("event/n1.")


def test_events_are_kubernetes_objects(call: Call, tmp_path: Path) -> None:
    told = (event(AT, "Evicted", uid="u1", container="app", annotations={"starved_resource": "memory"}),)
    told += (event(AT + 1, "NodeReady", "", node="n1"),)
    write_history(tmp_path, lambda history: [history.event(one) for one in told])
    listed = json.loads(call("events", "-o", "json")[1])
    assert (listed["apiVersion"], listed["kind"]) == ("v1", "List")
    of_pod, of_node = listed["items"]
    assert of_pod["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "default",
        "name": "hog",
        "uid": "u1",
        "fieldPath": "spec.containers{app}",
    }
    assert of_pod["metadata"]["annotations"] == {"starved_resource": "memory"}
    assert (of_pod["eventTime"], of_pod["lastTimestamp"]) == ("2027-01-15T08:00:00.000000Z", "2027-01-15T08:00:00Z")
    assert of_node["involvedObject"] == {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "n1"}
    assert of_node["source"] == {"component": "nodeguard", "host": "n1"}
    assert yaml.safe_load(call("events", "-o", "yaml")[1]) == listed


def test_reading_does_not_wait_for_nor_hinder_a_writer(call: Call, tmp_path: Path) -> None:
    stored(tmp_path, hog_evicted())
    writer = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert call("get", "decisions", "-o", "name") == (0, "decision/1\n", "")
    writer.execute("ROLLBACK")
    writer.close()


def test_the_other_policy_is_asked(call: Call, tmp_path: Path) -> None:
    """Over its request first, or BestEffort first: two orders, two victims."""
    pairs = [(manifest("idle"), used("idle", 0)), (manifest("over", "10Mi"), used("over", 500 * MIB))]
    stored(tmp_path, record_of(pass_of(pairs=pairs)))
    out = call("explain", "kill", "pod/over")[1]
    assert out.endswith(f"The policy {VictimPolicy.QOS} would have chosen default/idle.\n")


def test_what_is_barely_less_is_told_exactly() -> None:
    told = words(record_of(pass_of(observations=seen("memory.available=104857599/1Gi"))))
    assert "the node had 104857599 of 1Gi of memory left (memory.available), less than the hard threshold 100Mi" in told

"""What command lines of the API's commands mean."""

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from nodeguard.cli.answering import first_argument
from nodeguard.cli.cp import Place, parse_place, safe_target
from nodeguard.cli.delete import _grace_seconds
from nodeguard.cli.drain import Rules, plan_drain
from nodeguard.cli.mark import split_arguments
from nodeguard.cli.taint import changed_taints, parse_arguments
from nodeguard.cli.wait import parse_condition
from nodeguard.errors import Conflict, NotFound, UsageError


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("pods", 0),
        ("-n a pods", 2),
        ("--namespace=a pods", 1),
        ("-A pods -n x", 1),
        ("-o json", None),
        ("-- -x", 1),
        ("-w - x", 1),
        ("", None),
    ],
)
def test_the_first_argument_is_no_option_and_no_value_of_one(line: str, place: int | None) -> None:
    assert first_argument(line.split(), frozenset({"-n", "--namespace", "-o"})) == place


def test_marks() -> None:
    assert split_arguments(["pod", "web", "a=b", "c-", "d=e=f"]) == (["pod", "web"], {"a": "b", "c": None, "d": "e=f"})
    for wrong in (["pod", "a=b", "web"], ["pod", "web", "a=b", "a-"]):
        with pytest.raises(UsageError):
            split_arguments(wrong)


def test_taints() -> None:
    names, changes = parse_arguments(["nodes", "n1", "n2", "k=v:NoSchedule", "e:NoExecute", "gone-", "x:NoSchedule-"])
    assert names == ("n1", "n2")
    assert changes.added == [
        {"key": "k", "value": "v", "effect": "NoSchedule"},
        {"key": "e", "effect": "NoExecute"},
    ]
    assert changes.removed == [("gone", ""), ("x", "NoSchedule")]
    assert parse_arguments(["node/n1", "k:NoSchedule"])[0] == ("n1",)
    for wrong in (["pods", "a", "k:NoSchedule"], ["node", "n", "k=v:Never"], ["node", "n"], ["no", "n", ":NoSchedule"]):
        with pytest.raises(UsageError):
            parse_arguments(wrong)


def test_changed_taints() -> None:
    before = [{"key": "k", "value": "old", "effect": "NoSchedule"}, {"key": "k", "effect": "NoExecute"}]
    _, changes = parse_arguments(["no", "n", "k=new:NoSchedule"])
    with pytest.raises(Conflict, match="already has k taint"):
        changed_taints("n", before, changes, overwrite=False)
    new = {"key": "k", "value": "new", "effect": "NoSchedule"}
    assert changed_taints("n", before, changes, overwrite=True) == [new, before[1]]
    assert changed_taints("n", before, parse_arguments(["no", "n", "k-"])[1], overwrite=False) == []
    assert changed_taints("n", before, parse_arguments(["no", "n", "k:NoExecute-"])[1], overwrite=False) == before[:1]
    with pytest.raises(NotFound, match="not found on node n"):
        changed_taints("n", before, parse_arguments(["no", "n", "other-"])[1], overwrite=False)


@pytest.mark.parametrize(
    ("given", "flags", "seconds"),
    [
        (-1, {}, None),
        (0, {}, 1),
        (5, {}, 5),
        (-1, {"now": True}, 1),
        (-1, {"force": True}, 0),
        (0, {"force": True}, 0),
    ],
)
def test_grace(given: int, flags: dict[str, bool], seconds: int | None) -> None:
    assert _grace_seconds(given, **{"now": False, "force": False, **flags}) == seconds


@pytest.mark.parametrize(("given", "flags"), [(3, {"now": True}), (3, {"force": True})])
def test_grace_that_contradicts_itself(given: int, flags: dict[str, bool]) -> None:
    with pytest.raises(UsageError):
        _grace_seconds(given, **{"now": False, "force": False, **flags})


POD: dict[str, Any] = {
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Old", "status": "False"}],
    }
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("condition=Ready", True),
        ("condition=ready=TRUE", True),
        ("condition=Ready=false", False),
        ("condition=Old=False", True),
        ("condition=Missing", False),
        ("jsonpath={.status.phase}=Running", True),
        ("jsonpath=.status.phase=Running", True),
        ("jsonpath={.status.phase}=Failed", False),
        ("jsonpath={.status.phase}", True),
        ("jsonpath={.status.nothing}", False),
        ('jsonpath={.status.conditions[?(@.type=="Ready")].status}=True', True),
    ],
)
def test_conditions(text: str, holds: bool) -> None:
    condition = parse_condition(text)
    assert condition(POD) is holds
    assert condition(None) is False


@pytest.mark.parametrize("text", ["Ready", "condition=", "jsonpath=", "jsonpath={.a", "phase=Running"])
def test_conditions_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        parse_condition(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("web:/tmp/x", Place("default", "web", "/tmp/x")),
        ("other/web:x", Place("other", "web", "x")),
        ("./a:b", Place("", "", "./a:b")),
        ("/a:b", Place("", "", "/a:b")),
        ("file", Place("", "", "file")),
        ("web:", Place("default", "web", "")),
    ],
)
def test_places_of_cp(text: str, place: Place) -> None:
    assert parse_place(text, "default") == place


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("srv/d", "out"),
        ("srv/d/e/f", "out/e/f"),
        ("srv/../../etc/passwd", None),
        ("/etc/passwd", None),
        ("srv/dd", None),
        ("srv/d/../../x", None),
    ],
)
def test_nothing_of_an_archive_leaves_its_place(name: str, target: str | None) -> None:
    assert safe_target(Path("out"), name, PurePosixPath("srv/d")) == (None if target is None else Path(target))


def pod(
    name: str, *, owner: str = "", volume: str = "", phase: str = "Running", mirror: bool = False
) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "default",
            "name": name,
            **({"ownerReferences": [{"kind": owner, "name": "o", "controller": True}]} if owner else {}),
            **({"annotations": {"kubernetes.io/config.mirror": "x"}} if mirror else {}),
        },
        "spec": {"volumes": [{"name": "v", volume: {}}] if volume else []},
        "status": {"phase": phase},
    }


def test_who_is_drained() -> None:
    pods = [
        pod("static", mirror=True),
        pod("ended", phase="Succeeded"),
        pod("daemon", owner="DaemonSet"),
        pod("bare"),
        pod("data", owner="ReplicaSet", volume="emptyDir"),
        pod("easy", owner="ReplicaSet"),
    ]
    plan = plan_drain(pods, Rules(force=False, ignore_daemonsets=False, delete_emptydir_data=False))
    assert [error.partition(":")[2].strip() for error in plan.errors] == [
        "default/daemon",
        "default/bare",
        "default/data",
    ]
    plan = plan_drain(pods, Rules(force=True, ignore_daemonsets=True, delete_emptydir_data=True))
    assert plan.errors == []
    assert [one["metadata"]["name"] for one in plan.pods] == ["ended", "bare", "data", "easy"]
    assert len(plan.warnings) == 3

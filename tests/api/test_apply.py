"""Server-side apply and who owns what: the stories of KEP 555, and laws that hold for any sequence of managers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.api.patch.apply import Manager, apply
from nodeguard.api.patch.fieldset import changed_fields, difference, fields_of, intersection, paths, union
from nodeguard.api.patch.managed import read_shares, track
from nodeguard.api.resource import find_kind
from nodeguard.api.status import ApiError

POD = find_kind("v1", "Pod")
CONFIG = find_kind("v1", "ConfigMap")
assert POD is not None
assert CONFIG is not None


def config(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "d"}, "data": data}


def pod(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": list(containers)}}


def who(name: str, *, force: bool = False) -> Manager:
    return Manager(name=name, force=force)


def owned(obj: dict[str, Any], manager: str) -> list[str]:
    return sorted(path for share in read_shares(obj) if share.manager == manager for path in paths(share.fields))


def test_who_applies_owns_what_it_says() -> None:
    made = apply(CONFIG, None, config(a="1"), who("one"), 0.0)
    assert owned(made, "one") == [".data.a"]
    both = apply(CONFIG, made, config(b="2"), who("two"), 1.0)
    assert both["data"] == {"a": "1", "b": "2"}
    assert (owned(both, "one"), owned(both, "two")) == ([".data.a"], [".data.b"])


def test_what_is_no_longer_said_goes_unless_another_owns_it() -> None:
    obj = apply(CONFIG, None, config(a="1", b="1", c="1"), who("one"), 0.0)
    obj = apply(CONFIG, obj, config(b="1"), who("two"), 1.0)
    obj = apply(CONFIG, obj, config(c="1"), who("one"), 2.0)
    assert obj["data"] == {"b": "1", "c": "1"}
    assert (owned(obj, "one"), owned(obj, "two")) == ([".data.c"], [".data.b"])


def test_a_conflict_names_manager_and_field_and_force_takes_it() -> None:
    obj = apply(CONFIG, None, config(a="1"), who("one"), 0.0)
    with pytest.raises(ApiError) as refused:
        apply(CONFIG, obj, config(a="2"), who("two"), 1.0)
    assert refused.value.code == 409
    assert 'Apply failed with 1 conflict: conflict with "one"' in refused.value.message
    assert refused.value.object()["details"]["causes"][0]["field"] == ".data.a"
    forced = apply(CONFIG, obj, config(a="2"), who("two", force=True), 1.0)
    assert forced["data"] == {"a": "2"}
    assert (owned(forced, "one"), owned(forced, "two")) == ([], [".data.a"])


def test_the_same_value_is_shared_without_a_conflict() -> None:
    obj = apply(CONFIG, None, config(a="1"), who("one"), 0.0)
    obj = apply(CONFIG, obj, config(a="1"), who("two"), 1.0)
    assert owned(obj, "one") == owned(obj, "two") == [".data.a"]


def test_what_was_updated_is_in_conflict_with_what_is_applied() -> None:
    old = apply(CONFIG, None, config(a="1", b="1"), who("one"), 0.0)
    new = {**old, "metadata": {**old["metadata"]}, "data": {"a": "9", "b": "1"}}
    track(CONFIG, old, new, "editor", 5.0, "")
    assert (owned(new, "one"), owned(new, "editor")) == ([".data.b"], [".data.a"])
    with pytest.raises(ApiError, match="editor"):
        apply(CONFIG, new, config(a="1", b="1"), who("one"), 6.0)


def test_containers_are_told_apart_by_name() -> None:
    obj = apply(POD, None, pod({"name": "a", "image": "x"}), who("one"), 0.0)
    obj = apply(POD, obj, pod({"name": "b", "image": "y"}), who("two"), 1.0)
    assert [one["name"] for one in obj["spec"]["containers"]] == ["a", "b"]
    assert '.spec.containers[name="a"].image' in owned(obj, "one")
    obj = apply(POD, obj, pod(), who("two"), 2.0)
    assert [one["name"] for one in obj["spec"]["containers"]] == ["a"]


def test_an_entry_stays_while_another_owns_part_of_it() -> None:
    obj = apply(POD, None, pod({"name": "a", "image": "x", "workingDir": "/"}), who("one"), 0.0)
    obj = apply(POD, obj, pod({"name": "a", "image": "x"}), who("two"), 1.0)
    obj = apply(POD, obj, pod(), who("one"), 2.0)
    assert obj["spec"]["containers"] == [{"name": "a", "image": "x"}]


def test_what_somebody_removes_nobody_owns() -> None:
    old = apply(CONFIG, None, config(a="1", b="1"), who("one"), 0.0)
    new = {**old, "metadata": {**old["metadata"]}, "data": {"b": "1"}}
    track(CONFIG, old, new, "editor", 5.0, "")
    assert (owned(new, "one"), owned(new, "editor")) == ([".data.b"], [])


def test_nonsense_in_managed_fields_is_left_out() -> None:
    obj = config(a="1")
    obj["metadata"]["managedFields"] = [
        {"manager": "x", "operation": "Spam", "fieldsV1": {}},
        {"manager": 7, "operation": "Apply", "fieldsV1": {}},
        {"manager": "y", "operation": "Apply", "fieldsV1": {"f:data": 1}},
        {"manager": "z", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:data": {"f:a": {}}}},
    ]
    assert [share.manager for share in read_shares(obj)] == ["z"]


NAMES = st.sampled_from(["a", "b", "c"])
DATA = st.dictionaries(NAMES, st.sampled_from(["1", "2"]))
ENV = st.lists(st.fixed_dictionaries({"name": NAMES}), max_size=2, unique_by=lambda one: one["name"])
PODS = st.lists(
    st.fixed_dictionaries({"name": NAMES}, optional={"image": NAMES, "env": ENV}),
    max_size=3,
    unique_by=lambda one: one["name"],
).map(lambda containers: pod(*containers))


@given(PODS, PODS)
def test_applying_twice_is_applying_once(first: dict[str, Any], second: dict[str, Any]) -> None:
    obj = apply(POD, None, first, who("one"), 0.0)
    once = apply(POD, obj, second, who("two", force=True), 1.0)
    assert apply(POD, once, second, who("two"), 2.0) == once


@given(PODS, PODS)
def test_who_applies_alone_gets_what_it_says(first: dict[str, Any], second: dict[str, Any]) -> None:
    obj = apply(POD, None, first, who("one"), 0.0)
    obj = apply(POD, obj, second, who("one"), 1.0)
    found = {one["name"]: one for one in obj["spec"].get("containers", ())}
    wanted = {one["name"]: one for one in second["spec"]["containers"]}
    assert found.keys() == wanted.keys()
    for name, one in wanted.items():
        assert found[name].get("image") == one.get("image")


@given(st.lists(st.tuples(st.sampled_from(["one", "two"]), DATA), min_size=1, max_size=6))
def test_every_field_has_an_owner(steps: list[tuple[str, dict[str, str]]]) -> None:
    obj = None
    for at, (name, data) in enumerate(steps):
        obj = apply(CONFIG, obj, config(**data), who(name, force=True), float(at))
    assert obj is not None
    of_all: dict[str, Any] = {}
    for share in read_shares(obj):
        of_all = union(of_all, share.fields)
    assert not difference(fields_of(CONFIG, {"data": obj["data"]}) if obj.get("data") else {}, of_all)


@given(PODS, PODS)
def test_laws_of_sets(one: dict[str, Any], other: dict[str, Any]) -> None:
    a, b = fields_of(POD, one), fields_of(POD, other)
    assert difference(a, a) == {}
    assert intersection(a, a) == a
    assert union(a, a) == a
    assert sorted(paths(union(a, b))) == sorted(set(paths(union(b, a))))
    assert changed_fields(POD, one, one) == {}

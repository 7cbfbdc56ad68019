"""Strategic merge patch: the behaviour that kubectl relies on, and that any patch leaves the original alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.api.patch.fault import PatchFault
from nodeguard.api.patch.strategic import strategic_merge
from nodeguard.api.resource import find_kind

POD = find_kind("v1", "Pod")
NODE = find_kind("v1", "Node")
assert POD is not None
assert NODE is not None


def container(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, **more}


def spec(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **more}}


@pytest.mark.parametrize(
    ("original", "patch", "expected"),
    [
        pytest.param(
            spec(container("a", image="x"), container("b", image="y")),
            spec(container("b", image="z")),
            spec(container("a", image="x"), container("b", image="z")),
            id="an entry is found by its name",
        ),
        pytest.param(
            spec(container("a")),
            spec(container("new")),
            spec(container("new"), container("a")),
            id="a new entry comes first, as upstream has it",
        ),
        pytest.param(
            spec(container("a"), container("b")),
            {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}},
            spec(container("b"), container("a")),
            id="only the order changes",
        ),
        pytest.param(
            spec(container("a"), container("b")),
            {
                "spec": {
                    "$setElementOrder/containers": [{"name": "a"}, {"name": "new"}, {"name": "b"}],
                    "containers": [container("new", image="i")],
                }
            },
            spec(container("a"), container("new", image="i"), container("b")),
            id="a new entry goes where the order says",
        ),
        pytest.param(
            spec(container("a"), container("b")),
            spec({"$patch": "delete", "name": "a"}),
            spec(container("b")),
            id="an entry is deleted",
        ),
        pytest.param(
            spec(container("a"), container("b")),
            spec(container("c"), {"$patch": "replace"}),
            spec(container("c")),
            id="a list is replaced",
        ),
        pytest.param(
            {"metadata": {"labels": {"a": "1", "b": "2"}}},
            {"metadata": {"labels": {"a": None, "c": "3"}}},
            {"metadata": {"labels": {"b": "2", "c": "3"}}},
            id="null removes a label",
        ),
        pytest.param(
            {"metadata": {"labels": {"a": "1"}}},
            {"metadata": {"labels": {"$patch": "replace", "c": "3"}}},
            {"metadata": {"labels": {"c": "3"}}},
            id="a map is replaced",
        ),
        pytest.param(
            {"metadata": {"labels": {"a": "1"}}},
            {"metadata": {"labels": {"$patch": "delete"}}},
            {"metadata": {"labels": {}}},
            id="a map is emptied",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a/1", "a/2"]}},
            {
                "metadata": {
                    "$deleteFromPrimitiveList/finalizers": ["a/1"],
                    "$setElementOrder/finalizers": ["a/2", "a/3"],
                    "finalizers": ["a/3"],
                }
            },
            {"metadata": {"finalizers": ["a/2", "a/3"]}},
            id="values come and go in a list of plain values",
        ),
        pytest.param(
            spec(container("a", command=["x", "y"])),
            spec(container("a", command=["z"])),
            spec(container("a", command=["z"])),
            id="a list without names is replaced",
        ),
        pytest.param(
            spec(container("a", env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}])),
            spec(container("a", env=[{"name": "A", "value": None, "valueFrom": {"fieldRef": {"fieldPath": "x"}}}])),
            spec(
                container(
                    "a",
                    env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}, {"name": "B", "value": "2"}],
                )
            ),
            id="lists in lists",
        ),
        pytest.param(
            spec(volumes=[{"name": "v", "emptyDir": {}}]),
            spec(volumes=[{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]),
            spec(volumes=[{"name": "v", "hostPath": {"path": "/x"}}]),
            id="a volume becomes another kind of volume",
        ),
        pytest.param({"spec": {}}, spec(container("a", x=None)), spec(container("a")), id="nulls of what is new go"),
    ],
)
def test_pod(original: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    before = copy.deepcopy(original)
    assert strategic_merge(POD, original, patch) == expected
    assert original == before


def test_taints_of_a_node_are_replaced_whole() -> None:
    """kubectl taint sends all of them: the list has no key in Kubernetes' types."""
    original = {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}
    patch = {"spec": {"taints": [{"key": "b", "effect": "NoExecute"}]}}
    assert strategic_merge(NODE, original, patch) == patch


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param([], id="no object"),
        pytest.param(spec({"image": "x"}), id="an entry without its name"),
        pytest.param(spec("a"), id="an entry that is no object"),  # type: ignore[arg-type]
        pytest.param({"spec": {"$patch": "spam"}}, id="unknown directive"),
        pytest.param({"spec": {"$retainKeys": "a"}}, id="keys to retain that are no list"),
        pytest.param({"spec": {"$retainKeys": ["a"], "b": 1}}, id="sets what it does not retain"),
        pytest.param({"metadata": {"$deleteFromPrimitiveList/finalizers": "x"}}, id="no list to delete"),
        pytest.param(spec({"name": {"a": 1}}), id="a name that is an object"),
    ],
)
def test_refuses(patch: Any) -> None:
    with pytest.raises(PatchFault):
        strategic_merge(POD, spec(container("a")), patch)


NAMES = st.sampled_from(["a", "b", "c"])
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": NAMES},
        optional={
            "image": st.sampled_from(["x", "y"]),
            "command": st.lists(NAMES, max_size=2),
            "env": st.lists(
                st.fixed_dictionaries({"name": NAMES, "value": NAMES}), max_size=2, unique_by=lambda e: e["name"]
            ),
        },
    ),
    max_size=3,
    unique_by=lambda one: one["name"],
)
PODS = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries({"labels": st.dictionaries(NAMES, NAMES)}),
        "spec": CONTAINERS.map(lambda c: {"containers": c}),
    },
)


@given(PODS, PODS)
def test_twice_is_once(original: dict[str, Any], patch: dict[str, Any]) -> None:
    once = strategic_merge(POD, original, patch)
    assert strategic_merge(POD, once, patch) == once


@given(PODS, PODS)
def test_everything_of_the_patch_is_there(original: dict[str, Any], patch: dict[str, Any]) -> None:
    merged = strategic_merge(POD, original, patch)
    of_patch = {one["name"]: one for one in patch.get("spec", {}).get("containers", ())}
    of_result = {one["name"]: one for one in merged.get("spec", {}).get("containers", ())}
    for name, one in of_patch.items():
        assert {key: of_result[name][key] for key in one if key != "env"} == {
            k: v for k, v in one.items() if k != "env"
        }
    before = {one["name"] for one in original.get("spec", {}).get("containers", ())}
    assert of_result.keys() == before | of_patch.keys()

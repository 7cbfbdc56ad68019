"""Which ConfigMaps and Secrets a pod refers to."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nodeguard.model.objectref import ObjectRef, object_refs

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["containers", "env", "envFrom", "valueFrom", "configMapKeyRef", "name", "volumes", "secret"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def test_every_place_that_may_name_one() -> None:
    spec = {
        "initContainers": [{"envFrom": [{"configMapRef": {"name": "m1"}}, {"secretRef": {"name": "s1"}}]}],
        "containers": [
            {
                "env": [
                    {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m2", "key": "k"}}},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s2", "key": "k", "optional": True}}},
                    {"name": "C", "value": "x"},
                    {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                ]
            },
            {"envFrom": [{"configMapRef": {"name": "m1"}}]},
        ],
        "volumes": [
            {"name": "a", "configMap": {"name": "m3"}},
            {"name": "b", "secret": {"secretName": "s3"}},
            {"name": "c", "projected": {"sources": [{"configMap": {"name": "m4"}}, {"secret": {"name": "s4"}}, {}]}},
            {"name": "d", "emptyDir": {}},
        ],
    }
    found = sorted((ref.kind, ref.name) for ref in object_refs(spec))
    assert found == [("ConfigMap", f"m{n}") for n in (1, 2, 3, 4)] + [("Secret", f"s{n}") for n in (1, 2, 3, 4)]


def test_a_pod_that_refers_to_none() -> None:
    assert object_refs({"containers": [{"name": "app"}]}) == frozenset()


@given(any_json)
def test_what_has_no_shape_is_passed_over(value: Any) -> None:
    spec = value if isinstance(value, dict) else {"containers": value, "volumes": value}
    assert all(isinstance(ref, ObjectRef) and ref.name for ref in object_refs(spec))

from __future__ import annotations

import pytest

from nodeguard.model.field import OBJECTS, element_type, find_field, walk_fields
from nodeguard.model.fieldtype import Support
from nodeguard.model.syntax import SYNTAX

PLAIN = {"string", "bool", "int32", "int64", "quantity", "intOrString", "time", "any"}
EVERY_FIELD = [(name, key, field) for name, fields in OBJECTS.items() for key, field in fields.items()]


@pytest.mark.parametrize(("name", "key", "field"), EVERY_FIELD, ids=[f"{name}.{key}" for name, key, _ in EVERY_FIELD])
def test_every_row_is_sound(name: str, key: str, field: object) -> None:
    row = OBJECTS[name][key]
    assert element_type(row.type) in PLAIN | OBJECTS.keys()
    assert row.doc.endswith(".")
    assert (row.reason == "") == (row.support is Support.HONOURED)
    assert row.syntax == "" or row.syntax in SYNTAX
    assert row.default is None or not row.words or row.default in row.words


def test_every_object_is_reached() -> None:
    reached = {
        element_type(field.type) for kind in ("Pod", "PriorityClass", "List") for _, field, _ in walk_fields(kind)
    }
    assert OBJECTS.keys() - reached == {"Pod", "PriorityClass", "List"}


@pytest.mark.parametrize(
    ("path", "type", "support"),
    [
        ("pod.spec.containers", "[]Container", Support.HONOURED),
        ("Pod.spec.containers.resources.limits", "map[string]quantity", Support.HONOURED),
        ("pod.spec.nodeName", "string", Support.WARNING),
        ("pod.spec.containers.volumeDevices", "[]VolumeDevice", Support.UNSUPPORTED),
        ("priorityclass.value", "int32", Support.HONOURED),
    ],
)
def test_find_field(path: str, type: str, support: Support) -> None:  # noqa: A002
    field = find_field(path)
    assert field is not None
    assert (field.type, field.support) == (type, support)


@pytest.mark.parametrize("path", ["pod", "pod.spec.nope", "pod.spec.nodeName.x", "deployment.spec", ""])
def test_there_is_no_such_field(path: str) -> None:
    assert find_field(path) is None


def test_what_is_around_a_field_decides_its_support() -> None:
    support = {path: level for path, _, level in walk_fields("Pod")}
    assert (
        support["spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[].topologyKey"] == "warning"
    )
    assert support["spec.volumes[].nfs.path"] == "unsupported"
    assert support["spec.volumes[].emptyDir.medium"] == "honoured"

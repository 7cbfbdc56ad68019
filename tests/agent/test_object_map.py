"""ConfigMaps and Secrets as the agent knows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nodeguard.agent import object_map
from nodeguard.agent.object_map import ObjectMap
from nodeguard.model.configdata import ConfigData
from nodeguard.model.objectref import ObjectRef

REF = ObjectRef(kind="ConfigMap", name="c")


def value(text: str) -> dict[str, Any]:
    return {"data": {"k": text}}


@pytest.fixture
def told() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def objects(told: list[tuple[str, str]]) -> ObjectMap:
    return ObjectMap(lambda namespace, ref: told.append((namespace, ref.name)))


def test_only_changes_are_told(objects: ObjectMap, told: list[tuple[str, str]]) -> None:
    with pytest.raises(KeyError):
        objects.get("default", REF)
    for text in ("1", "1", "2"):
        objects.put("default", REF, value(text))
    assert objects.get("default", REF) == ConfigData(data={"k": b"2"})
    objects.put("default", REF, None)
    assert objects.get("default", REF) is None
    assert told == [("default", "c")] * 3
    with pytest.raises(KeyError):
        objects.get("other", REF)


def test_all_there_is_may_be_known_from_the_start() -> None:
    known = ObjectMap(lambda *_: None, {("default", REF): ConfigData(data={"k": b"1"})})
    assert known.get("default", REF) == ConfigData(data={"k": b"1"})
    assert known.get("other", REF) is None


def test_what_no_pod_refers_to_is_let_go_but_not_at_once(objects: ObjectMap, monkeypatch: pytest.MonkeyPatch) -> None:
    objects.put("default", REF, value("1"))
    objects.keep_only([])
    assert objects.get("default", REF) is not None, "the pod comes next"
    monkeypatch.setattr(object_map, "AHEAD_SECONDS", 0.0)
    objects.keep_only([("default", REF)])
    assert objects.get("default", REF) is not None
    objects.keep_only([])
    with pytest.raises(KeyError):
        objects.get("default", REF)


def test_memory_is_bounded_and_given_back(
    objects: ObjectMap, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(object_map, "MAX_BYTES", 1000)
    refs = [ObjectRef(kind="Secret", name=str(number)) for number in range(3)]
    put: Callable[[ObjectRef], None] = lambda ref: objects.put("n", ref, {"stringData": {"k": "hunter2" * 60}})  # noqa: E731
    for ref in refs:
        put(ref)
    assert [objects.get("n", ref) is not None for ref in refs] == [True, True, False]
    assert "no room" in caplog.text
    assert "hunter2" not in caplog.text
    objects.put("n", refs[0], None)
    put(refs[2])
    assert objects.get("n", refs[2]) is not None

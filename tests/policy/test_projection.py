"""What ConfigMaps and Secrets become in a pod."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from podbuilder import container, pod

from nodeguard.errors import RuntimeFailed
from nodeguard.model.configdata import ConfigData, config_data
from nodeguard.model.objectref import CONFIG_MAP, SECRET, ObjectRef
from nodeguard.model.pod import (
    DownwardAPI,
    DownwardFile,
    EnvFrom,
    EnvVar,
    FieldRef,
    KeyFile,
    KeyRef,
    ObjectFiles,
    Projected,
    Volume,
)
from nodeguard.policy.env import NodeFacts
from nodeguard.policy.projection import Lookup, config_faults, container_env, volume_files

C, S, NONE = (ObjectRef(kind=kind, name=name) for kind, name in ((CONFIG_MAP, "c"), (SECRET, "s"), (SECRET, "none")))
UNTOLD = ObjectRef(kind=CONFIG_MAP, name="untold")
FACTS = NodeFacts(node_name="n")
OBJECTS: Mapping[ObjectRef, ConfigData | None] = {
    C: ConfigData(data={"color": b"red", "size": b"$(color)", "bin": b"\x80"}, binary=frozenset({"bin"})),
    S: ConfigData(data={"pw": b"hunter2", "raw": b"\x80", "nul": b"a\0b"}),
    NONE: None,
}


def lookup(ref: ObjectRef) -> ConfigData | None:
    return OBJECTS[ref]


def env(*entries: EnvVar, env_from: tuple[EnvFrom, ...] = (), find: Lookup = lookup) -> dict[str, str]:
    app = container(env=entries, env_from=env_from)
    return container_env(pod(app), app, FACTS, find)


def test_every_key_of_an_object_is_a_variable_and_bytes_are_none() -> None:
    assert env(env_from=(EnvFrom(ref=C, prefix="P_"),)) == {"P_color": "red", "P_size": "$(color)"}


def test_the_variables_of_a_container_come_over_those_of_objects_and_may_refer_to_them() -> None:
    found = env(
        EnvVar(name="size", value="small"),
        EnvVar(name="both", value="$(color) $(size)"),
        env_from=(EnvFrom(ref=C),),
    )
    assert found == {"color": "red", "size": "small", "both": "red small"}


def test_one_key_as_a_variable() -> None:
    assert env(EnvVar(name="A", key_ref=KeyRef(ref=S, key="pw"))) == {"A": "hunter2"}
    assert env(EnvVar(name="A", key_ref=KeyRef(ref=S, key="nope", optional=True))) == {}
    assert env(EnvVar(name="A", key_ref=KeyRef(ref=NONE, key="pw", optional=True))) == {}
    assert env(env_from=(EnvFrom(ref=NONE, optional=True),)) == {}


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (KeyRef(ref=NONE, key="k"), 'secret "none" not found'),
        (KeyRef(ref=S, key="nope"), "couldn't find key nope in Secret default/s"),
        (KeyRef(ref=C, key="bin"), "couldn't find key bin in ConfigMap default/c"),
        (KeyRef(ref=UNTOLD, key="k", optional=True), 'configmap "untold" is not known yet'),
        (KeyRef(ref=S, key="raw"), "not UTF-8"),
        (KeyRef(ref=S, key="nul"), "NUL"),
    ],
)
def test_what_keeps_a_container_waiting(entry: KeyRef, says: str) -> None:
    with pytest.raises(RuntimeFailed, match=says) as caught:
        env(EnvVar(name="A", key_ref=entry))
    assert caught.value.reason == "CreateContainerConfigError"


def test_no_message_repeats_a_secret() -> None:
    for key in ("raw", "nul"):
        with pytest.raises(RuntimeFailed) as caught:
            env(EnvVar(name="A", key_ref=KeyRef(ref=S, key=key)))
        assert "a\0b" not in str(caught.value)
    assert "hunter2" not in repr(OBJECTS[S])


def files(*sources: ObjectFiles | DownwardAPI, mode: int = 0o644) -> dict[str, tuple[bytes, int]]:
    found = volume_files(pod(), Projected(sources=sources, default_mode=mode), FACTS, lookup)
    return {file.path: (file.content, file.mode) for file in found}


def test_every_key_is_a_file_or_those_that_are_named() -> None:
    assert files(ObjectFiles(ref=C), mode=0o600) == {
        "color": (b"red", 0o600),
        "size": (b"$(color)", 0o600),
        "bin": (b"\x80", 0o600),
    }
    named = (KeyFile(key="pw", path="a/b", mode=0o400), KeyFile(key="raw", path="c"))
    assert files(ObjectFiles(ref=S, items=named)) == {"a/b": (b"hunter2", 0o400), "c": (b"\x80", 0o644)}


def test_several_sources_in_one_directory_the_later_one_counts() -> None:
    name = DownwardFile(path="color", field_ref=FieldRef(field_path="metadata.name"))
    found = files(ObjectFiles(ref=C), DownwardAPI(items=(name,), default_mode=0o444))
    assert found["color"] == (b"p", 0o444)
    assert set(found) == {"color", "size", "bin"}


def test_files_that_may_be_missing() -> None:
    missing = (KeyFile(key="nope", path="x"),)
    assert files(ObjectFiles(ref=NONE, optional=True), ObjectFiles(ref=C, items=missing, optional=True)) == {}
    with pytest.raises(RuntimeFailed, match="references non-existent secret key: nope"):
        files(ObjectFiles(ref=S, items=missing))


def test_no_key_leads_out_of_the_volume() -> None:
    data = {"../up": b"", "a/b": b"", "..": b"", ".": b"", "..data": b"", ".ok": b"x", "": b""}
    found = volume_files(pod(), Projected(sources=(ObjectFiles(ref=C),)), FACTS, lambda _: ConfigData(data=data))
    assert [file.path for file in found] == [".ok"]


def test_all_that_a_pod_lacks_at_once() -> None:
    app = container("app", env=(EnvVar(name="A", key_ref=KeyRef(ref=NONE, key="k")),), env_from=())
    volume = Volume(name="v", source=Projected(sources=(ObjectFiles(ref=NONE),)))
    assert config_faults(pod(app, volumes=(volume,)), lookup) == [
        'pod default/p, container app: secret "none" not found',
        'pod default/p, volume v: secret "none" not found',
    ]


def test_what_objects_hold() -> None:
    assert config_data(CONFIG_MAP, {"data": {"a": "é"}, "binaryData": {"b": "AAE=", "c": "!"}}) == ConfigData(
        data={"a": "é".encode(), "b": b"\0\1"}, binary=frozenset({"b"})
    )
    assert config_data(SECRET, {"data": {"a": "aHU=", "b": "é", "c": 1}, "stringData": {"d": "w"}}).data == {
        "a": b"hu",
        "d": b"w",
    }
    assert config_data(SECRET, {"data": ["a"]}).data == {}

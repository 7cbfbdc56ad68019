from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nodeguard.errors import HostLacks, RuntimeFailed
from nodeguard.runtime.capability import ALL, DEFAULT
from nodeguard.runtime.seccomp import DEFAULT_PROFILE, default_profile, localhost_profile, resolve

PROFILE: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}],
    "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [], "includes": {}, "excludes": {}},
        {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {
            "names": ["personality"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 8, "valueTwo": 0, "op": "SCMP_CMP_EQ"}],
        },
    ],
}


def allowed(capabilities: frozenset[str], machine: str = "x86_64", release: str = "6.1.0-18-amd64") -> set[str]:
    profile = resolve(PROFILE, capabilities, machine, release)
    return {name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}


@pytest.mark.parametrize(
    ("capabilities", "machine", "release", "expected"),
    [
        pytest.param(
            frozenset(), "x86_64", "6.1.0", {"read", "arch_prctl", "ptrace", "personality"}, id="no capabilities"
        ),
        pytest.param(
            frozenset({"CAP_SYS_ADMIN"}),
            "x86_64",
            "6.1.0",
            {"read", "bpf", "arch_prctl", "ptrace", "personality"},
            id="a capability opens more",
        ),
        pytest.param(frozenset(), "aarch64", "6.1.0", {"read", "ptrace", "personality"}, id="another architecture"),
        pytest.param(frozenset(), "x86_64", "4.4.0-generic", {"read", "arch_prctl", "personality"}, id="an old kernel"),
    ],
)
def test_conditions_are_decided(capabilities: frozenset[str], machine: str, release: str, expected: set[str]) -> None:
    assert allowed(capabilities, machine, release) == expected


def test_the_result_is_plain_oci() -> None:
    profile = resolve(PROFILE, frozenset(), "x86_64", "6.1")
    assert profile["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert profile["defaultErrnoRet"] == 38
    assert set(profile) <= {"defaultAction", "defaultErrnoRet", "architectures", "syscalls", "flags"}
    for rule in profile["syscalls"]:
        assert set(rule) <= {"names", "action", "errnoRet", "args"}
    assert profile["syscalls"][-1]["args"] == [{"index": 0, "value": 8, "valueTwo": 0, "op": "SCMP_CMP_EQ"}]


def test_the_installed_profile_is_resolved_once_for_each_set() -> None:
    assert DEFAULT_PROFILE.exists(), "Debian package golang-github-containers-common"
    first = default_profile(DEFAULT)
    assert default_profile(frozenset(DEFAULT)) is first
    assert default_profile(ALL) is not first
    names = {n for rule in first["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for n in rule["names"]}
    assert {"read", "execve", "chroot"} <= names
    assert "mount" in {
        n for r in default_profile(ALL)["syscalls"] if r["action"] == "SCMP_ACT_ALLOW" for n in r["names"]
    }


def test_a_missing_default_profile_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(HostLacks, match="golang-github-containers-common"):
        default_profile(DEFAULT, tmp_path / "none.json")


def test_localhost_profile(tmp_path: Path) -> None:
    (tmp_path / "my.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_LOG", "architectures": ["SCMP_ARCH_X86"]}))
    assert localhost_profile(DEFAULT, tmp_path, "my.json") == {
        "defaultAction": "SCMP_ACT_LOG",
        "architectures": ["SCMP_ARCH_X86"],
        "syscalls": [],
    }


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.json", "a/../../x.json"])
def test_a_localhost_profile_stays_below_its_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(RuntimeFailed, match="must stay below"):
        localhost_profile(DEFAULT, tmp_path, name)


@pytest.mark.parametrize("content", [None, "not json", "[]", "{}", '{"defaultAction": "x", "syscalls": [1]}'])
def test_a_bad_localhost_profile_is_said_clearly(tmp_path: Path, content: str | None) -> None:
    name = f"bad{content!r}".encode().hex()[:40] + ".json"
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(RuntimeFailed, match="cannot load seccomp profile"):
        localhost_profile(DEFAULT, tmp_path, name)

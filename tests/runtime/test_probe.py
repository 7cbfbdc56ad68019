from __future__ import annotations

from pathlib import Path

import pytest

from nodeguard.errors import HostLacks
from nodeguard.runtime import probe


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own PATH; ``calls`` beside it notes every start."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    return directory


def install(programs: Path, name: str, body: str = "exit 0") -> None:
    path = programs / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >> {programs.parent}/calls\n{body}\n')
    path.chmod(0o755)


def calls(programs: Path) -> list[str]:
    log = programs.parent / "calls"
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


@pytest.mark.parametrize(("mode", "first"), [("v2", "crun"), ("v1", "runc"), ("hybrid", "runc")])
def test_the_preferred_runtime_is_taken_when_it_works(programs: Path, tmp_path: Path, mode: str, first: str) -> None:
    for name in ("conmon", "runc", "crun"):
        install(programs, name)
    tools = probe.find(mode, tmp_path / "run")
    assert (tools.runtime.name, tools.conmon.name) == (first, "conmon")
    assert calls(programs) == [first]


def test_the_other_one_is_taken_when_it_does_not(programs: Path, tmp_path: Path) -> None:
    install(programs, "conmon")
    install(programs, "crun", "echo 'cannot' >&2; exit 1")
    install(programs, "runc")
    assert probe.find("v2", tmp_path / "run").runtime.name == "runc"


def test_the_answer_is_kept_until_the_binary_or_the_mode_changes(programs: Path, tmp_path: Path) -> None:
    install(programs, "conmon")
    install(programs, "runc")
    for _ in range(3):
        probe.find("v1", tmp_path / "run")
    assert calls(programs) == ["runc"]
    probe.find("v2", tmp_path / "run")
    assert calls(programs) == ["runc"] * 2
    install(programs, "runc", "exit 0 # another")
    probe.find("v1", tmp_path / "run")
    assert calls(programs) == ["runc"] * 3


def test_a_damaged_cache_is_written_anew(programs: Path, tmp_path: Path) -> None:
    install(programs, "conmon")
    install(programs, "runc")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "runtime.json").write_text("[1")
    assert probe.find("v1", tmp_path / "run").runtime.name == "runc"


def test_nothing_of_the_trial_stays(programs: Path, tmp_path: Path) -> None:
    install(programs, "conmon")
    install(programs, "runc")
    probe.find("v1", tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["runtime.json"]


@pytest.mark.parametrize(
    ("installed", "words"),
    [
        pytest.param(("runc",), "conmon is not installed .Debian package conmon.", id="no conmon"),
        pytest.param(
            ("conmon",), "neither runc nor crun is installed .Debian packages runc and crun.", id="no runtime"
        ),
    ],
)
def test_what_is_missing_is_named_with_its_package(
    programs: Path, tmp_path: Path, installed: tuple[str, ...], words: str
) -> None:
    for name in installed:
        install(programs, name)
    with pytest.raises(HostLacks, match=words):
        probe.find("v2", tmp_path / "run")


def test_no_runtime_that_works(programs: Path, tmp_path: Path) -> None:
    install(programs, "conmon")
    install(programs, "runc", "echo 'no cgroups' >&2; exit 1")
    install(programs, "crun", "echo 'cgroups in hybrid mode not supported' >&2; exit 1")
    with pytest.raises(HostLacks, match=r"hybrid cgroups.*runc: no cgroups; .*crun: cgroups in hybrid mode"):
        probe.find("hybrid", tmp_path / "run")


def test_versions(programs: Path) -> None:
    install(programs, "runc", "echo runc version 9; echo more")
    install(programs, "crun", "exit 3")
    assert probe.versions() == {
        "runc": "runc version 9",
        "crun": "exit code 3",
        "conmon": None,
        "skopeo": None,
        "umoci": None,
    }

"""`make install` and `make uninstall`: what is there runs by itself, what is removed leaves nothing."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nodeguard.agent.config_load import load_files
from nodeguard.errors import Conflict, HostLacks, InvalidInput, PermissionDenied, UsageError
from nodeguard.kernel import systemd

ROOT = Path(__file__).resolve().parent.parent
UNIT = ROOT / "install" / "nodeguard-pods.service"
AGENT_UNIT = ROOT / "install" / "nodeguard.service"
CONFIG = ROOT / "install" / "config.yaml"


def make(*arguments: str, fails: bool = False) -> str:
    # A make around this one must not hand its flags down.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    argv = ["make", "--no-print-directory", *arguments]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("install") / "wheels"
    make("wheels", f"WHEELHOUSE={directory}")
    return directory


@pytest.fixture
def place(tmp_path: Path, wheels: Path) -> Iterator[tuple[Path, list[str]]]:
    """Where to install, with a prefix that exists: the command then runs where it is."""
    yield tmp_path, [f"DESTDIR={tmp_path}/stage", f"PREFIX={tmp_path}/prefix", f"WHEELHOUSE={wheels}"]
    shutil.rmtree(tmp_path)  # pytest keeps three of these


def test_what_is_installed_runs_by_itself_and_goes_without_a_trace(place: tuple[Path, list[str]]) -> None:
    base, arguments = place
    stage, prefix = base / "stage", base / "prefix"
    make("install", *arguments)
    staged = stage / prefix.relative_to("/")
    for name in (
        "bin/nodeguard",
        "share/man/man1/nodeguard.1",
        "share/nodeguard/examples/01-hello-qos.yaml",
        "lib/systemd/system/nodeguard-pods.service",
        "lib/systemd/system/nodeguard.service",
    ):
        assert (staged / name).is_file(), name
    assert str(stage).encode() not in b"".join(
        path.read_bytes() for path in staged.rglob("*") if path.is_file() and not path.is_symlink()
    ), "a file names the directory it was staged in"

    staged.rename(prefix)  # what a package manager does
    command = str(prefix / "bin/nodeguard")
    elsewhere = {"PATH": "/usr/bin:/bin", "PYTHONPATH": "/nowhere"}
    version = subprocess.run([command, "--version"], cwd="/", env=elsewhere, capture_output=True, text=True, check=True)
    assert "nodeguard" in version.stdout
    argv = [command, "explain", str(prefix / "share/nodeguard/examples/01-hello-qos.yaml")]
    explained = subprocess.run(argv, cwd="/", env=elsewhere, capture_output=True, text=True, check=True)
    assert "Guaranteed" in explained.stdout
    pins = re.findall(r"^([\w-]+)==(.+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    installed = {
        path.name.lower().replace("-", "_") for path in prefix.glob("lib/nodeguard/lib/*/site-packages/*-info")
    }
    for package, wanted in pins:
        assert f"{package.lower().replace('-', '_')}_{wanted}.dist_info" in installed

    prefix.rename(staged)
    make("uninstall", *arguments)
    assert not files(stage)


def test_installing_again_replaces_all_but_a_changed_configuration(place: tuple[Path, list[str]]) -> None:
    base, arguments = place
    config = base / "stage/etc/nodeguard/config.yaml"
    make("install", *arguments)
    config.write_text(CONFIG.read_text() + "maxPods: 7\n")
    library = next((base / "stage").rglob("site-packages"))
    (library / "left_by_an_older_version.py").touch()

    assert "is kept" in make("install", *arguments)
    assert config.read_text().endswith("maxPods: 7\n")
    assert not (library / "left_by_an_older_version.py").exists()

    assert "is kept" in make("uninstall", *arguments)
    assert files(base / "stage") == {"etc/nodeguard/config.yaml"}


def test_a_configuration_nobody_changed_follows_the_new_version(place: tuple[Path, list[str]]) -> None:
    base, arguments = place
    make("install", *arguments)
    config = base / "stage/etc/nodeguard/config.yaml"
    pristine = next((base / "stage").rglob("share/nodeguard/config.yaml"))
    for path in (config, pristine):
        path.write_text("# as an older version shipped it\n")
    make("install", *arguments)
    assert config.read_bytes() == CONFIG.read_bytes()


def test_a_directory_that_is_not_nodeguards_is_left_alone(place: tuple[Path, list[str]]) -> None:
    base, arguments = place
    foreign = base / "stage" / (base / "prefix").relative_to("/") / "lib/nodeguard"
    foreign.mkdir(parents=True)
    (foreign / "precious").touch()
    assert "not nodeguard's" in make("install", *arguments, fails=True)
    make("uninstall", *arguments)
    assert (foreign / "precious").exists()


def test_wheels_that_are_missing_are_named(place: tuple[Path, list[str]]) -> None:
    base, arguments = place
    (base / "empty").mkdir()
    said = make("install", *arguments[:2], f"WHEELHOUSE={base}/empty", fails=True)
    assert "No matching distribution found for" in said
    assert not files(base / "stage"), "half an installation"


def test_the_example_configuration_changes_nothing() -> None:
    example = load_files([CONFIG], {})
    assert not example.warnings
    assert not example.origins.keys() ^ load_files([], {}).origins.keys()
    assert example == load_files([], {})


def test_what_the_example_configuration_comments_out_are_the_defaults(tmp_path: Path) -> None:
    lines = CONFIG.read_text().splitlines()
    switched_on = [re.sub(r"^# (?=\s*[\w.]+:(?: |$))", "", line) for line in lines]
    file = tmp_path / "config.yaml"
    file.write_text("\n".join(switched_on) + "\n")
    found, wanted = load_files([file], {}), load_files([], {})
    assert sum(origin.startswith("file") for origin in found.origins.values()) > 10
    assert replace(found, origins={}) == replace(wanted, origins={})


def unit_settings() -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))


def test_the_installed_unit_is_the_one_run_would_make() -> None:
    settings = unit_settings()
    for wanted in systemd.PROPERTIES:
        key, _, value = wanted.partition("=")
        assert settings[key] == value
    group = f"/sys/fs/cgroup/{settings['Slice']}/{systemd.UNIT}"
    command = shlex.split(settings["ExecStart"].replace("%n", systemd.UNIT))
    assert command == ["/bin/sh", "-c", systemd.holder_command(group)]
    assert UNIT.name == systemd.UNIT


def test_systemd_takes_the_unit() -> None:
    assert shutil.which("systemd-analyze"), "make setup installs it (Debian package systemd)"
    argv = ["systemd-analyze", "verify", "--man=no", UNIT]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert done.returncode == 0, done.stderr
    assert not complaints


def test_systemd_takes_the_unit_of_the_agent(tmp_path: Path) -> None:
    command = tmp_path / "bin" / "nodeguard"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    unit = tmp_path / AGENT_UNIT.name
    unit.write_text(AGENT_UNIT.read_text().replace("@PREFIX@", str(tmp_path)))
    shutil.copy(UNIT, tmp_path)
    argv = ["systemd-analyze", "verify", "--man=no", unit]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if unit.name in line]
    assert done.returncode == 0, done.stderr
    assert not complaints


def test_stopping_the_agent_touches_no_pod_and_killing_it_brings_it_back() -> None:
    settings = dict(re.findall(r"^(\w+)=(.*)$", AGENT_UNIT.read_text(), re.MULTILINE))
    assert settings["KillMode"] == "process"
    assert settings["Restart"] == "always"
    assert settings["Type"] == "notify"
    assert settings["OOMPolicy"] == "continue"
    assert settings["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert "WatchdogSec" in settings
    errors = {int(code) for code in settings["RestartPreventExitStatus"].split()}
    wrong = (UsageError, InvalidInput, Conflict, PermissionDenied, HostLacks)
    assert errors == {error.exit_code for error in wrong}

"""The unit of the pods, with fake systemctl and systemd-run that keep their state in files and log their arguments."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nodeguard.errors import HostLacks, TimedOut
from nodeguard.kernel import systemd

SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >> "$FAKE/log"
case "$1" in
show)
    if [ -e "$FAKE/up" ]; then echo ControlGroup=/system.slice/nodeguard-pods.service; else echo ControlGroup=; fi
    if [ -e "$FAKE/installed" ]; then echo LoadState=loaded; else echo LoadState=not-found; fi
    if [ -e "$FAKE/up" ]; then echo ActiveState=active; else echo ActiveState=inactive; fi;;
start) exec systemd-run;;
stop) [ -e "$FAKE/up" ] || { echo "Unit $2 not loaded." >&2; exit 5; }; rm -r "$FAKE/up" "$FAKE/cgroup";;
esac
"""
SYSTEMD_RUN = """#!/bin/sh
for word; do echo "systemd-run $word" >> "$FAKE/log"; done
[ ! -e "$FAKE/refuse" ] || { echo "Failed to connect to bus" >&2; exit 1; }
[ -e "$FAKE/stuck" ] || { mkdir -p "$FAKE/cgroup/system.slice/nodeguard-pods.service/holder"
  : > "$FAKE/cgroup/system.slice/nodeguard-pods.service/cgroup.procs"
  echo 7 > "$FAKE/cgroup/system.slice/nodeguard-pods.service/holder/cgroup.procs"; }
: > "$FAKE/up"
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    for name, script in (("systemctl", SYSTEMCTL), ("systemd-run", SYSTEMD_RUN)):
        (tmp_path / "bin" / name).write_text(script)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("FAKE", str(tmp_path))
    return tmp_path


def test_the_unit_is_started_once(fake: Path) -> None:
    for _ in range(2):
        path = systemd.ensure_pods_unit(mount_point=fake / "cgroup")
        assert path == "/system.slice/nodeguard-pods.service"
    log = (fake / "log").read_text()
    assert log.count("systemd-run --unit=nodeguard-pods.service") == 1
    for wanted in ("Delegate=yes", "OOMPolicy=continue", "TasksMax=infinity"):
        assert f"systemd-run --property={wanted}\n" in log
    assert "$" not in log, "systemd would expand it"
    assert log.count("systemctl show") == 3, "one look before the start, one after it, one that finds it running"


def test_a_refusal_is_passed_on(fake: Path) -> None:
    (fake / "refuse").touch()
    with pytest.raises(HostLacks, match="Failed to connect to bus"):
        systemd.ensure_pods_unit(mount_point=fake / "cgroup")


def test_a_holder_that_does_not_move_is_not_waited_for_forever(fake: Path) -> None:
    (fake / "stuck").touch()
    with pytest.raises(TimedOut):
        systemd.ensure_pods_unit(mount_point=fake / "cgroup", timeout_seconds=0.1)


def test_an_installed_unit_is_preferred(fake: Path) -> None:
    (fake / "installed").touch()
    systemd.ensure_pods_unit(mount_point=fake / "cgroup")
    log = (fake / "log").read_text()
    assert "systemctl start nodeguard-pods.service" in log
    assert "systemd-run" not in log


@pytest.mark.parametrize("installed", [True, False])
def test_a_unit_started_on_demand_is_stopped_and_that_may_be_repeated(fake: Path, installed: bool) -> None:
    if installed:
        (fake / "installed").touch()
    group = systemd.ensure_pods_unit(mount_point=fake / "cgroup")
    systemd.ensure_pods_unit(mount_point=fake / "cgroup")  # a second run, which finds it running
    for _ in range(2):
        systemd.release_pods_unit(group, mount_point=fake / "cgroup")
    assert not (fake / "up").exists()


def test_a_unit_that_ran_already_keeps_running(fake: Path) -> None:
    (fake / "installed").touch()
    subprocess.run(["systemctl", "start", systemd.UNIT], check=True)
    group = systemd.ensure_pods_unit(mount_point=fake / "cgroup")
    systemd.release_pods_unit(group, mount_point=fake / "cgroup")
    assert (fake / "up").exists()


def test_without_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostLacks, match="no program systemctl"):
        systemd.ensure_pods_unit()


@pytest.mark.parametrize(
    ("directory", "comm", "answer"),
    [("run/systemd/system", "systemd", True), ("run/systemd/system", "sh", False), ("run", "systemd", False)],
)
def test_is_systemd_host(tmp_path: Path, directory: str, comm: str, answer: bool) -> None:
    (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/comm").write_text(comm + "\n")
    assert systemd.is_systemd_host(tmp_path) is answer


def test_a_place_without_proc_is_no_systemd_host(tmp_path: Path) -> None:
    assert not systemd.is_systemd_host(tmp_path)

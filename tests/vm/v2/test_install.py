"""The unit that `make install` brings: `run` uses it without taking it over."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from root.lab import cgroup_of, container, finish, pod, processes_of, start_pods, wait_for, wait_for_up
from sandbox import REPOSITORY, Sandbox

pytestmark = pytest.mark.root

UNIT = REPOSITORY / "install" / "nodeguard-pods.service"


def systemctl(*words: str) -> str:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def show(unit: str, key: str) -> str:
    return systemctl("show", f"--property={key}", "--value", unit)


@pytest.fixture
def unit(sandbox: Sandbox) -> Iterator[str]:
    """The installed unit, under the name that belongs to this sandbox's tree."""
    name = str(sandbox.unit)
    file = Path("/run/systemd/system") / name
    file.write_bytes(UNIT.read_bytes())
    systemctl("daemon-reload")
    yield name
    systemctl("disable", "--runtime", "--now", name)
    file.unlink()
    systemctl("daemon-reload")


def test_run_starts_the_installed_unit_and_stops_it_again(sandbox: Sandbox, unit: str) -> None:
    with start_pods(sandbox, pod("p", container())) as running:
        wait_for_up(running)
        assert show(unit, "ActiveState") == "active"
        assert show(unit, "FragmentPath") == f"/run/systemd/system/{unit}"
        assert show(unit, "Delegate") == "yes"
        assert cgroup_of(sandbox).startswith(f"/system.slice/{unit}/")
        running.signal(signal.SIGTERM)
        assert finish(running).code == 143
    assert show(unit, "ActiveState") == "inactive"


def test_a_unit_that_ran_before_keeps_running_and_a_reload_changes_nothing(sandbox: Sandbox, unit: str) -> None:
    def look() -> list[str]:
        return [show(unit, key) for key in ("ActiveState", "InvocationID", "MainPID", "ControlGroup")]

    systemctl("enable", "--runtime", "--now", unit)
    before = look()
    assert before[0] == "active"
    with start_pods(sandbox, pod("p", container())) as running:
        wait_for_up(running)
        pids = processes_of(cgroup_of(sandbox, container="main"))
        systemctl("daemon-reload")
        assert processes_of(cgroup_of(sandbox, container="main")) == pids
        running.signal(signal.SIGTERM)
        assert finish(running).code == 143
    assert look() == before


def test_stopping_the_unit_ends_the_pods(sandbox: Sandbox, unit: str) -> None:
    with start_pods(sandbox, pod("p", container(), restartPolicy="Never")) as running:
        wait_for_up(running)
        group = Path("/sys/fs/cgroup") / show(unit, "ControlGroup").lstrip("/")
        systemctl("stop", unit)
        wait_for(lambda: not group.exists() or None, "the end of the unit's group")
        assert finish(running).code == 0, "its container ends with 0 once it gets SIGTERM"
    assert sandbox.left_behind() == []

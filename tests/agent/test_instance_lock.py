"""One agent per run directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nodeguard.agent.instance_lock import InstanceLock, RunningAgent, running_agent
from nodeguard.errors import Conflict


def test_a_second_one_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    first, second = InstanceLock(tmp_path / "run"), InstanceLock(tmp_path / "run")
    first.take()
    with pytest.raises(Conflict, match=f"process {os.getpid()}"):
        second.take()
    assert running_agent(tmp_path / "run") == RunningAgent(pid=os.getpid())
    first.tell("127.0.0.1:6443")
    assert running_agent(tmp_path / "run") == RunningAgent(pid=os.getpid(), address="127.0.0.1:6443")
    with pytest.raises(Conflict, match=rf"process {os.getpid()}\)"):
        second.take()
    first.release()
    assert running_agent(tmp_path / "run") is None
    second.take()
    second.release()


def test_what_a_dead_agent_left_locks_nobody_out(tmp_path: Path) -> None:
    (tmp_path / "agent.lock").write_text("4194304\nand more\n")
    assert running_agent(tmp_path) is None
    lock = InstanceLock(tmp_path)
    lock.take()
    assert (tmp_path / "agent.lock").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_symlink_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "agent.lock").symlink_to("precious")
    with pytest.raises(OSError):
        InstanceLock(tmp_path).take()
    assert (tmp_path / "precious").read_text() == "kept"


def test_the_directory_of_the_lock_is_roots_alone(tmp_path: Path) -> None:
    lock = InstanceLock(tmp_path / "run")
    lock.take()
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    lock.release()

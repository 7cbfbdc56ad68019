"""vagrant/test where it cannot work: it says what is missing, soon. `make vagrant-test` shows that it does work."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

VAGRANT = Path(__file__).resolve().parent.parent / "vagrant"
TOOLS = ("vagrant", "qemu-system-x86_64", "qemu-img", "rsync", "ssh", "setpriv", "python3", "libvirtd", "virtlogd")
BASE = ("bash", "cat", "chown", "cp", "dirname", "env", "git", "id", "mkdir", "mktemp", "rm", "seq", "sleep", "tar")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A PATH of its own with tools that do nothing, a box and a wheel."""
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).write_text("#!/bin/sh\nexit 0\n")
        (tmp_path / "bin" / tool).chmod(0o755)
    for tool in ("setpriv", "python3"):
        (tmp_path / "bin" / tool).unlink()
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    (tmp_path / "box").touch()
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "some.whl").touch()
    return tmp_path


def run(place: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": f"{place}/bin:/usr/bin:/bin",
        "TMPDIR": str(place),
        "NODEGUARD_BOX_FILE": str(place / "box"),
        "NODEGUARD_WHEELHOUSE": str(place / "wheels"),
        "VM_USER": "root" if os.geteuid() == 0 else "",
    }
    argv = [VAGRANT / "test", *arguments]
    done = subprocess.run(argv, env=env | environment, capture_output=True, text=True, check=False)
    assert not list(place.glob("ngv.*")), "its directory is left behind"
    return done


def test_a_missing_box_is_named(place: Path) -> None:
    (place / "box").unlink()
    done = run(place)
    assert done.returncode == 2
    assert f"no box {place}/box (sudo make vagrant-box builds it)" in done.stderr


def test_missing_wheels_are_named(place: Path) -> None:
    (place / "wheels" / "some.whl").unlink()
    done = run(place)
    assert done.returncode == 2
    assert "no wheels" in done.stderr


def test_a_machine_that_does_not_exist_is_refused(place: Path) -> None:
    done = run(place, "v3")
    assert done.returncode == 2
    assert "only default and v1" in done.stderr


def test_a_missing_tool_is_named(place: Path) -> None:
    only = place / "only"
    only.mkdir()
    for tool in BASE:
        (only / tool).symlink_to(str(shutil.which(tool)))
    script = (VAGRANT / "test").read_text().replace("PATH=$PATH:/usr/sbin", "")
    (place / "script").write_text(script)
    argv = ["bash", place / "script"]
    done = subprocess.run(argv, env={"PATH": str(only)}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "vagrant is not installed" in done.stderr


def test_a_port_that_is_taken_is_named(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(place, NODEGUARD_VM_PORT=port)
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1: Address already in use" in done.stderr


def test_a_libvirt_that_does_not_come_up_is_told_with_its_log(place: Path) -> None:
    (place / "bin" / "libvirtd").write_text("#!/bin/sh\necho no modules for qemu\n")
    done = run(place)
    assert done.returncode == 2
    assert "no modules for qemu" in done.stderr
    assert "libvirtd does not come up" in done.stderr


@pytest.mark.parametrize("script", ["test", "build-box", "provision.sh", "kernel-arguments.sh"])
def test_scripts_are_strict_and_can_be_run(script: str) -> None:
    assert (VAGRANT / script).stat().st_mode & 0o111
    assert "set -euo pipefail" in (VAGRANT / script).read_text()
    subprocess.run(["bash", "-n", VAGRANT / script], check=True)

"""On a systemd host with cgroup v2, pods live in a unit of their own, which outlives the agent.

Source: systemd, docs/CGROUP_DELEGATION.md: below a unit with ``Delegate=yes`` the tree is ours, elsewhere systemd's.
"""

from __future__ import annotations

import time
from pathlib import Path

from nodeguard.errors import HostLacks, TimedOut
from nodeguard.kernel import process

UNIT = "nodeguard-pods.service"
HOLDER = "holder"
"""The group of the process that keeps the unit running, beside the groups of pods."""

_SLICE = "system.slice"
_WAIT_SECONDS = 10.0


def is_systemd_host(root: Path = Path("/")) -> bool:
    """Whether systemd runs this machine, not merely is installed on it.

    Source: systemd, man 3 sd_booted.
    """
    try:
        return (root / "run/systemd/system").is_dir() and (root / "proc/1/comm").read_text().strip() == "systemd"
    except OSError:
        return False


def ensure_pods_unit(
    name: str = UNIT, *, mount_point: Path = Path("/sys/fs/cgroup"), timeout_seconds: float = _WAIT_SECONDS
) -> str:
    """The unit runs; returns its cgroup, below which groups with all of its controllers may be made.

    An OOM kill in a pod must not make systemd stop the unit (OOMPolicy), and tasks are bounded elsewhere.

    Raises:
        HostLacks: systemd refused, or is not here.
        TimedOut: the unit does not come up.
    """
    if _property(name, "ActiveState") not in ("active", "activating"):
        _start(name, mount_point)
    deadline = time.monotonic() + timeout_seconds
    while True:
        path = _property(name, "ControlGroup")
        if path and _holder_has_moved(mount_point, path):
            return path
        if time.monotonic() > deadline:
            raise TimedOut(f"systemd unit {name} did not come up in {timeout_seconds:g} s")
        time.sleep(0.05)


def find_pods_unit(name: str = UNIT) -> str | None:
    """The cgroup of the running unit; None when it does not run.

    Raises:
        HostLacks: systemd does not answer.
    """
    return _property(name, "ControlGroup") or None


def stop_pods_unit(name: str = UNIT) -> None:
    """The unit is gone, with everything that still runs in it. May be repeated.

    Raises:
        HostLacks: systemd refused, or is not here.
    """
    exit_code, _, stderr = process.capture(["systemctl", "stop", name])
    if exit_code and "not loaded" not in stderr:
        raise HostLacks(f"systemd does not stop {name}: {stderr.strip()}")


def _start(name: str, mount_point: Path) -> None:
    # The holder moves out of the way first: a group that holds processes cannot hand controllers down. 0 is the writer
    # itself, and with the slice given the path is known: systemd would expand any dollar in the command.
    group = mount_point / _SLICE / name / HOLDER
    argv = [
        *("systemd-run", "--quiet", "--collect", f"--unit={name}", f"--slice={_SLICE}"),
        *("--description=Pods of nodeguard", "--property=Delegate=yes"),
        *("--property=OOMPolicy=continue", "--property=TasksMax=infinity"),
        *("/bin/sh", "-c", f"mkdir -p {group} && echo 0 > {group}/cgroup.procs && exec sleep infinity"),
    ]
    exit_code, _, stderr = process.capture(argv)
    if exit_code and "already" not in stderr:  # somebody else was faster
        raise HostLacks(f"systemd does not start {name}: {stderr.strip()}")


def _property(name: str, key: str) -> str:
    exit_code, stdout, stderr = process.capture(["systemctl", "show", f"--property={key}", "--value", name])
    if exit_code:
        raise HostLacks(f"systemd does not tell {key} of {name}: {stderr.strip()}")
    return stdout.strip()


def _holder_has_moved(mount_point: Path, path: str) -> bool:
    group = mount_point / path.lstrip("/")
    try:
        return not (group / "cgroup.procs").read_text().strip() and bool(
            (group / HOLDER / "cgroup.procs").read_text().strip()
        )
    except OSError:
        return False

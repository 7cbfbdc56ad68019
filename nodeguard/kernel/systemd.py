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

PROPERTIES = (
    "Slice=system.slice",
    "Delegate=yes",  # everything below is ours: systemd leaves it alone
    "OOMPolicy=continue",  # an OOM kill in a pod must not make systemd stop the unit, and with it all pods
    "OOMScoreAdjust=-998",  # nor may it hit the holder; the score of Kubernetes' pause process
    "TasksMax=infinity",  # tasks are bounded by our own groups
    "TimeoutStopSec=30s",  # as long as a pod gets by default
)
"""What makes a unit fit for pods; install/nodeguard-pods.service says the same."""

_WAIT_SECONDS = 30.0
_ON_DEMAND = "on-demand"
"""An empty group beside the holder's, in a unit that was started from here. It goes with the unit's group, so a unit
that is started anew does not have it."""


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

    The unit that is installed under that name is started; where none is, one is made for the time being.

    Raises:
        HostLacks: systemd refused, or is not here.
        TimedOut: the unit does not come up.
    """
    seen = _properties(name)
    is_started_here = seen["ActiveState"] not in ("active", "activating")
    if is_started_here:
        _start(name, mount_point, is_installed=seen["LoadState"] != "not-found")
        seen = _properties(name)
    deadline = time.monotonic() + timeout_seconds
    while True:
        path = seen["ControlGroup"]
        if path and _holder_has_moved(mount_point, path):
            if is_started_here:
                (mount_point / path.lstrip("/") / _ON_DEMAND).mkdir(exist_ok=True)
            return path
        if time.monotonic() > deadline:
            raise TimedOut(f"systemd unit {name} did not come up in {timeout_seconds:g} s (systemctl status {name})")
        time.sleep(0.02)
        if not path:
            seen = _properties(name)


def find_pods_unit(name: str = UNIT) -> str | None:
    """The cgroup of the running unit; None when it does not run.

    Raises:
        HostLacks: systemd does not answer.
    """
    return _properties(name)["ControlGroup"] or None


def release_pods_unit(group: str, name: str = UNIT, *, mount_point: Path = Path("/sys/fs/cgroup")) -> None:
    """Nobody's pods are in the unit any more: it is gone if `ensure_pods_unit`, which returned ``group``, started it.

    A unit that somebody else started, at boot or by hand, keeps running. May be repeated.

    Raises:
        HostLacks: systemd refused, or is not here.
    """
    if (mount_point / group.lstrip("/") / _ON_DEMAND).is_dir():
        exit_code, _, stderr = process.capture(["systemctl", "stop", name])
        if exit_code and "not loaded" not in stderr:
            raise HostLacks(f"systemd does not stop {name}: {stderr.strip()}")


def holder_command(group: str) -> str:
    """The shell line a unit with this cgroup directory runs: a process that moves out of the way and does nothing.

    A group that holds processes cannot hand controllers down. 0 is the writer itself, and the path is known because
    the slice is given: there is no dollar in it, which systemd would expand.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst, "No Internal Process Constraint".
    """
    holder = f"{group}/{HOLDER}"
    return f"mkdir -p {holder} && echo 0 > {holder}/cgroup.procs && exec sleep infinity"


def _start(name: str, mount_point: Path, *, is_installed: bool) -> None:
    if is_installed:
        argv = ["systemctl", "start", name]
    else:
        argv = ["systemd-run", "--quiet", "--collect", f"--unit={name}", "--description=Pods of nodeguard"]
        argv += [f"--property={each}" for each in PROPERTIES]
        argv += ["/bin/sh", "-c", holder_command(f"{mount_point}/system.slice/{name}")]
    exit_code, _, stderr = process.capture(argv)
    if exit_code and "already" not in stderr:  # somebody else was faster
        raise HostLacks(f"systemd does not start {name}: {stderr.strip()}")


def _properties(name: str) -> dict[str, str]:
    """All that is asked of a unit, by one process: each costs as much as a container's own start."""
    exit_code, stdout, stderr = process.capture(
        ["systemctl", "show", "--property=ActiveState,LoadState,ControlGroup", name]
    )
    told = dict.fromkeys(("ActiveState", "LoadState", "ControlGroup"), "")
    told |= {key: value for key, is_one, value in (line.partition("=") for line in stdout.splitlines()) if is_one}
    if exit_code:
        raise HostLacks(f"systemd does not tell about {name}: {stderr.strip()}")
    return told


def _holder_has_moved(mount_point: Path, path: str) -> bool:
    group = mount_point / path.lstrip("/")
    try:
        return not (group / "cgroup.procs").read_text().strip() and bool(
            (group / HOLDER / "cgroup.procs").read_text().strip()
        )
    except OSError:
        return False

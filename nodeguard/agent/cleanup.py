"""What a killed nodeguard left behind goes: at every start, and with ``nodeguard cleanup``.

Ours is what a record names *and* what carries the mark: a pod's cgroup with the pod's uid on it, processes of conmon
and the runtime that work on the pod's own bundle directory, mounts and files below the pod's own directories. The
record of a living owner protects its pod.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nodeguard.agent.host import Paths
from nodeguard.agent.record import POD_FILE, Record, pod_dirs, read_record, remove_words_of_dead, shares
from nodeguard.agent.root import Root
from nodeguard.agent.tree import OWNER_MARK, locked, remove_root
from nodeguard.errors import NodeguardError
from nodeguard.kernel import process
from nodeguard.kernel.cgroup.driver import Driver
from nodeguard.model.pod import QOSClass
from nodeguard.runtime import rootfs
from nodeguard.runtime.conmon import runtime_argv
from nodeguard.runtime.tree import remove_tree

log = logging.getLogger(__name__)

Told = Callable[[str], None]

ENDS_WITHIN_SECONDS = 2.0
"""A process that got SIGKILL is given this long, so that nothing of it is left when we say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removals:
    """How many things went, and how many would not."""

    removed: int
    failed: int


def remove_crashed(root: Root, paths: Paths, boot_id: str, tell: Told = log.info) -> Removals:
    """Remove every pod whose owner is gone, and the root when nobody is left.

    Each removal is told as a line of text. What cannot be removed now is told and left for the next time.
    """
    removed = failed = 0
    with locked(paths.run_dir):
        for directory in pod_dirs(paths.run_dir):
            record = read_record(directory)
            if record is not None and is_left_to_an_agent(directory, record, boot_id):
                tell(f"left for the agent: pod {record.namespace}/{record.name} ({record.uid})")
        for step in _steps(root.driver, root.path, paths, boot_id):
            try:
                tell(step())
                removed += 1
            except (NodeguardError, OSError) as e:
                tell(f"not removed: {e}")
                failed += 1
    for name in ("nodes", "live"):
        remove_words_of_dead(paths.run_dir / name, boot_id)
    return Removals(removed=removed, failed=failed)


def release_unused(root: Root, paths: Paths, boot_id: str) -> None:
    """The unit that a crashed process started for its pods is gone, if nobody is left who needs it.

    Not part of `remove_crashed`, which also runs where the unit has just been started.

    Raises:
        HostLacks: systemd refused.
    """
    with locked(paths.run_dir):
        if not shares(paths.run_dir, boot_id) and not any(pod_dirs(paths.run_dir)):
            root.release()


def remove_pod(driver: Driver, paths: Paths, record: Record) -> None:
    """Remove all of one pod; its record goes last, so that a second try knows what to do.

    Raises:
        NodeguardError, OSError: something could not be removed.
    """
    run_dir = paths.pod_run_dir(record.uid)
    kill_supervisors(run_dir / "bundles")
    if _is_ours(driver, record.cgroup, record.uid):
        driver.kill(record.cgroup)
    for bundle in bundles(run_dir):
        delete_container(record.runtime, paths, bundle.name)
    clear_cgroup(driver, record.cgroup, record.uid)
    remove_tree(Path(record.log_dir))
    remove_tree(record.layers)
    remove_tree(Path(record.state_dir))
    remove_tree(run_dir)


def clear_cgroup(driver: Driver, cgroup: str, uid: str) -> None:
    """The group is gone with all that ran in it, if it is this pod's."""
    if _is_ours(driver, cgroup, uid):
        driver.remove(cgroup)


def remove_logs(log_dir: Path, uid: str) -> None:
    """No logs are left of the pod; for pods of which nothing else is known."""
    with suppress(FileNotFoundError):
        for entry in sorted(log_dir.iterdir()):
            if uid and entry.name.endswith(f"_{uid}"):
                remove_tree(entry)


def is_left_to_an_agent(directory: Path, record: Record, boot_id: str) -> bool:
    """Its owner has ended, and another one can go on with it: nothing of it is to be removed."""
    same_boot = record.owner.boot_id == boot_id
    return record.adoptable and same_boot and not record.owner.is_alive(boot_id) and (directory / POD_FILE).is_file()


def _is_ours(driver: Driver, cgroup: str, uid: str) -> bool:
    """It has our mark, or a crash came between making and marking it."""
    owner = driver.owner(cgroup)
    return owner == uid or (owner is None and not driver.processes(cgroup))


def _steps(driver: Driver, root: str, paths: Paths, boot_id: str) -> Iterator[Callable[[], str]]:
    """Everything there is to remove; made one by one, because each step changes what the next one finds."""
    for directory in list(pod_dirs(paths.run_dir)):
        record = read_record(directory) or read_record(paths.pod_state_dir(directory.name))
        if record is None:
            yield partial(_remove_unrecorded, directory)
        elif not record.owner.is_alive(boot_id) and not is_left_to_an_agent(directory, record, boot_id):
            yield partial(_remove_recorded, driver, paths, record)
    for directory in list(pod_dirs(paths.nodefs_dir)):
        if not paths.pod_run_dir(directory.name).exists():
            yield partial(_remove_state, directory)
    for path in _unrecorded_cgroups(driver, root, paths):
        yield partial(_remove_cgroup, driver, path)
    if not shares(paths.run_dir, boot_id) and not any(pod_dirs(paths.run_dir)):
        if driver.owner(root) == OWNER_MARK:
            yield partial(_remove_root, driver, root)
        if (paths.run_dir / "host").is_dir():
            yield partial(_remove_host_root, paths)


def _remove_recorded(driver: Driver, paths: Paths, record: Record) -> str:
    remove_pod(driver, paths, record)
    return f"pod {record.namespace}/{record.name} ({record.uid}), left by process {record.owner.pid}"


def _remove_unrecorded(directory: Path) -> str:
    """The record is written before anything else is made: without one there is only the directory."""
    remove_tree(directory)
    return f"directory {directory} without a record"


def _remove_state(directory: Path) -> str:
    """Volumes and logs of a pod whose record went with /run: the host was restarted."""
    record = read_record(directory)
    if record is not None:
        remove_tree(Path(record.log_dir))
        remove_tree(record.layers)
    remove_tree(directory)
    return f"volumes {directory}"


def _remove_cgroup(driver: Driver, path: str) -> str:
    driver.remove(path)
    return f"cgroup {path}"


def _remove_root(driver: Driver, root: str) -> str:
    remove_root(driver, root)
    return f"cgroup {root}"


def _remove_host_root(paths: Paths) -> str:
    rootfs.unmount_host(paths.run_dir)
    return f"view of the host's root file system below {paths.run_dir}"


def _unrecorded_cgroups(driver: Driver, root: str, paths: Paths) -> list[str]:
    found = []
    for qos in QOSClass:
        for name in driver.children(f"{root}/{qos.tier}"):
            path, uid = f"{root}/{qos.tier}/{name}", name.removeprefix("pod")
            if name.startswith("pod") and driver.owner(path) == uid and not paths.pod_run_dir(uid).exists():
                found.append(path)
    return found


def bundles(run_dir: Path) -> list[Path]:
    """The bundles of a pod's containers."""
    with suppress(FileNotFoundError):
        return sorted((run_dir / "bundles").iterdir())
    return []


def delete_container(runtime: str | Path, paths: Paths, container_id: str) -> None:
    """Let the runtime forget a container whose processes are gone; it may never have known it."""
    exit_code, stderr = process.run(runtime_argv(runtime, paths.runtime_root, "delete", container_id))
    if exit_code and "does not exist" not in stderr:
        log.warning("container not deleted container=%s error=%s", container_id, stderr.strip())
        remove_tree(paths.runtime_root / container_id)
    (paths.exit_dir / container_id).unlink(missing_ok=True)


def kill_supervisors(directory: Path) -> None:
    """No conmon, and no runtime in the middle of its work, holds the directory or anything below it."""
    deadline = time.monotonic() + ENDS_WITHIN_SECONDS
    while _kill_those_who_name(str(directory)) and time.monotonic() < deadline:
        time.sleep(0.002)  # and again, until there is none: they take their time, and may just have forked


def _kill_those_who_name(path: str) -> int:
    """How many there are."""
    found = 0
    for pid, argv in process.list_commands():
        if Path(argv[0]).name not in ("conmon", "runc", "crun"):
            continue
        if any(word.endswith(path) or f"{path}/" in word for word in argv[1:]):
            found += process.kill(pid, argv, signal.SIGKILL)
    return found

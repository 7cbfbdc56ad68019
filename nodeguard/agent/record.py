"""What is written down before anything is made, so that whoever comes after a crash knows what is ours.

``<run_dir>/pods/<uid>/record.json`` is the first thing a pod gets and the last it loses. ``<run_dir>/owners/PID.json``
says which process looks after pods, and how much CPU its pods request in each tier (tiers are shared by all
nodeguard processes of the host, so their weights are sums over owners).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from nodeguard.kernel import proc, process

RECORD_FILE, POD_FILE, STATE_FILE = "record.json", "pod.json", "state.json"
"""In a pod's directory below the run directory; the last two, of `checkpoint`, for pods that outlive their owner."""

_WRITING_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The process that looks after a pod: a pid alone may be anybody's."""

    pid: int
    start_time_ticks: int
    boot_id: str

    @classmethod
    def current(cls) -> Owner:
        """This process."""
        me = process.identify(os.getpid())
        return cls(pid=me.pid, start_time_ticks=me.start_time_ticks, boot_id=proc.boot_id())

    def is_alive(self, boot_id: str) -> bool:
        """Whether that very process still exists."""
        identity = process.ProcessId(pid=self.pid, start_time_ticks=self.start_time_ticks)
        return self.boot_id == boot_id and process.alive(identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One pod that has, or may have, things on this host."""

    uid: str
    namespace: str
    name: str
    owner: Owner
    cgroup: str
    log_dir: str
    state_dir: str
    runtime: str
    layers_dir: str = ""
    """Where the writable layers are; empty: in the state directory."""
    adoptable: bool = False
    """When its owner has ended, the next agent goes on with it (see `checkpoint`); nobody else removes it."""

    @property
    def layers(self) -> Path:
        """The directory of the pod's writable layers."""
        return Path(self.layers_dir) if self.layers_dir else Path(self.state_dir) / "containers"

    def write(self, pod_dir: Path) -> None:
        """Write the record; the directory is made and must not have existed."""
        pod_dir.mkdir(parents=True, mode=0o700)
        self.write_into(pod_dir)

    def write_into(self, pod_dir: Path) -> None:
        """Write the record into a directory that is there, in the place of another one if there is one."""
        write_json(pod_dir / RECORD_FILE, asdict(self))


def read_record(pod_dir: Path) -> Record | None:
    """The record of a pod's directory; None when there is none, or none that can be read."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        data = json.loads((pod_dir / RECORD_FILE).read_bytes())
        return Record(**{**data, "owner": Owner(**data["owner"])})
    return None


def pod_dirs(run_dir: Path) -> Iterator[Path]:
    """The directory of every pod, those of other processes too."""
    with suppress(FileNotFoundError):
        yield from sorted((run_dir / "pods").iterdir())


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one process has in the tree."""

    owner: Owner
    capacity: dict[str, int]
    tier_millicpu: dict[str, int]
    pods: int

    def write(self, run_dir: Path) -> None:
        """Make this known to the other processes."""
        write_json(run_dir / "owners" / f"{self.owner.pid}.json", asdict(self))


def shares(run_dir: Path, boot_id: str) -> list[Share]:
    """Shares of all living owners; those of dead ones are removed. The tree's lock must be held."""
    for path in (run_dir / "owners").glob(".*"):  # half of one: its writer, who had the lock, died of it
        path.unlink(missing_ok=True)
    found = []
    for path in _share_files(run_dir):
        share = _read_share(path)
        if share is not None and share.owner.is_alive(boot_id):
            found.append(share)
        else:
            path.unlink(missing_ok=True)
    return found


def read_shares(run_dir: Path, boot_id: str) -> list[Share]:
    """Shares of all living owners; nothing is touched, so no lock is needed."""
    found = map(_read_share, _share_files(run_dir))
    return [share for share in found if share is not None and share.owner.is_alive(boot_id)]


def _share_files(run_dir: Path) -> list[Path]:
    return sorted((run_dir / "owners").glob("*.json"))


def _read_share(path: Path) -> Share | None:
    with suppress(OSError, ValueError, TypeError, KeyError):
        data = json.loads(path.read_bytes())
        return Share(**{**data, "owner": Owner(**data["owner"])})
    return None


def remove_words_of_dead(directory: Path, boot_id: str) -> None:
    """Remove the files of this directory whose ``owner`` has ended, and those that are damaged."""
    with suppress(FileNotFoundError):
        for path in sorted(directory.iterdir()):
            with suppress(OSError):
                if not _is_of_the_living(path, boot_id):
                    path.unlink()


def _is_of_the_living(path: Path, boot_id: str) -> bool:
    if path.name.startswith("."):  # being written, unless the writer died of it: .PID.json and .PID.json.PID
        pid = path.name.split(".")[1]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            return False
        return path.stat().st_mtime > time.time() - _WRITING_SECONDS
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)  # whatever somebody put there
        with os.fdopen(fd, "rb") as file:
            return Owner(**json.load(file)["owner"]).is_alive(boot_id)
    return False


def write_json(path: Path, value: object) -> None:
    """Replace ``path`` in one step: a reader sees the old or the new text, never half of one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "w") as file:
            file.write(json.dumps(value))  # several times as fast as dump
        beside.replace(path)
    except BaseException:  # the disk is full
        beside.unlink(missing_ok=True)
        raise

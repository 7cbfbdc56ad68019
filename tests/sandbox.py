"""A place of its own for every test that starts the real command, and the check that nothing stays behind."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from forkedcommand import instead_of_exec

REPOSITORY = Path(__file__).resolve().parent.parent
CGROUP_MOUNT = Path("/sys/fs/cgroup")

_TIMEOUT_FACTOR = float(os.environ.get("NODEGUARD_TEST_TIMEOUT_FACTOR", "1"))
_FORKS = os.environ.get("NODEGUARD_TEST_FORK") == "1"


def patient(seconds: float) -> float:
    """A time limit as this machine needs it: an emulated one is fifteen to twenty times slower."""
    return seconds * _TIMEOUT_FACTOR


# What may be left on purpose: locks, the history, the API's objects, which runtime works here, unpacked images.
KEPT_NAMES = frozenset(
    {
        "images",
        "lock",
        "runtime.json",
        "eviction.lock",
        "history.db",
        "history.db-wal",
        "history.db-shm",
        "history.db-journal",
        "history.lock",
        "agent.lock",
        "objects.db",
        "objects.db-wal",
        "objects.db-shm",
        "objects.db.reserve",
        "pki",
    }
)


def mount_points(below: str) -> list[str]:
    """Return the mount points at and below a path, deepest last.

    Source: Linux, Documentation/filesystems/proc.rst, section 3.5 (field 5, blanks written as octal escapes).
    """
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if point == below or point.startswith(below + "/"):
            points.append(point)
    return sorted(points)


def hierarchies() -> list[Path]:
    """Return the mount point of every cgroup hierarchy, v1 and v2."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] in ("cgroup", "cgroup2"):
            found.append(Path(fields[4]))
    return found


def processes_naming(words: tuple[str, ...]) -> dict[int, str]:
    """Return the processes whose cgroup path or command line holds one of the words, as pid to command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            state = (entry / "stat").read_text().rpartition(") ")[2][:1]
            command_line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            text = command_line + "\n" + (entry / "cgroup").read_text()
        except OSError:
            continue  # gone meanwhile
        if state != "Z" and any(word in text for word in words):
            found[int(entry.name)] = command_line or f"[{(entry / 'comm').read_text().strip()}]"
    return found


def pods_have_a_unit() -> bool:
    """Whether nodeguard hangs its tree below a systemd unit here: on a systemd host with cgroup v2 alone."""
    return Path("/run/systemd/system").is_dir() and (CGROUP_MOUNT / "cgroup.controllers").exists()


class Sandbox:
    """Directories and a cgroup root that belong to one test alone.

    ``nodeguard`` runs the command to its end, ``start`` in the background; both see these directories through the
    environment. ``left_behind`` lists what is still there and should not be.
    """

    def __init__(self, base: Path, name: str, *, known_runtimes: Path) -> None:
        self.base = base
        self.run_dir = base / "run"
        self.state_dir = base / "state"
        self.log_dir = base / "log"
        self.cgroup_root = f"/{name}"
        self._name = name
        self._known_runtimes = known_runtimes
        for directory in (self.run_dir, self.state_dir, self.log_dir):
            directory.mkdir(parents=True, exist_ok=True)

    @property
    def unit(self) -> str | None:
        """The systemd unit that holds the tree, where there is to be one."""
        return f"{self._name}-pods.service" if pods_have_a_unit() else None

    @property
    def tree_root(self) -> str:
        """The cgroup at the root of the tree while pods run."""
        return f"/system.slice/{self.unit}{self.cgroup_root}" if self.unit else self.cgroup_root

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point nodeguard here, on top of a plain environment without colour."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("NODEGUARD_")}
        return kept | {
            "NODEGUARD_RUN_DIR": str(self.run_dir),
            "NODEGUARD_STATE_DIR": str(self.state_dir),
            "NODEGUARD_LOG_DIR": str(self.log_dir),
            "NODEGUARD_CGROUP_ROOT": self.cgroup_root,
            "NO_COLOR": "1",
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUNBUFFERED": "1",
        }

    def spare_the_trial(self) -> None:
        """Let nodeguard know which runtime works here, which it would otherwise try out before its first pod."""
        shutil.copy(self._known_runtimes, self.run_dir)

    def nodeguard(
        self,
        *args: str | Path,
        stdin: str | None = None,
        timeout: float = 60.0,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run ``nodeguard ARGS`` to its end; stdout and stderr come back as text."""
        environment = self.environment | dict(env or {})
        return subprocess.run(
            self._argv(args),
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=patient(timeout),
            env=environment,
            check=False,
            preexec_fn=self._fork(args, environment),
        )

    @contextlib.contextmanager
    def start(self, *args: str | Path, env: Mapping[str, str] | None = None) -> Iterator[Running]:
        """Start ``nodeguard ARGS`` in the background; whatever still runs at the end of the block is killed."""
        environment = self.environment | dict(env or {})
        process = subprocess.Popen(
            self._argv(args),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # a signal meant for it must not reach the test
            preexec_fn=self._fork(args, environment),
        )
        running = Running(process)
        try:
            yield running
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def left_behind(self) -> list[str]:
        """Return what is left of this sandbox's pods, one line each; empty is as it should be."""
        left = [f"process {pid}: {text}" for pid, text in sorted(processes_naming(self._words).items())]
        left += [f"mount {point}" for point in mount_points(str(self.base))]
        left += [f"cgroup {path}" for path in self.cgroup_paths()]
        for directory in (self.run_dir, self.state_dir, self.log_dir):
            left += [f"file {path}" for path in self._files(directory)]
        return left

    def wipe(self) -> None:
        """Remove everything by force: what a failed test left must not disturb the next one."""
        if self.unit is not None and self.cgroup_paths():
            subprocess.run(["systemctl", "stop", self.unit], check=False, capture_output=True)
        for _ in range(20):
            pids = processes_naming(self._words)
            if not pids:
                break
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        for point in reversed(mount_points(str(self.base))):
            subprocess.run(["umount", "--lazy", point], check=False, stderr=subprocess.DEVNULL)
        for path in self.cgroup_paths():
            with contextlib.suppress(OSError):
                path.rmdir()
        shutil.rmtree(self.base, ignore_errors=True)

    @property
    def _words(self) -> tuple[str, ...]:
        # The slashes keep sandbox 1 apart from sandbox 10.
        return (f"{self.base}/", f":{self.cgroup_root}/", f"/{self._name}/", f"/{self._name}-pods.service/")

    def _argv(self, args: tuple[str | Path, ...]) -> list[str]:
        return [sys.executable, "-m", "nodeguard", *map(str, args)]

    @staticmethod
    def _fork(args: tuple[str | Path, ...], environment: Mapping[str, str]) -> Callable[[], None] | None:
        return instead_of_exec([*map(str, args)], environment) if _FORKS else None

    def cgroup_paths(self) -> list[Path]:
        """Every cgroup of this sandbox in every hierarchy, deepest first."""
        found = set()
        for hierarchy in hierarchies():
            for root in (hierarchy / self._name, hierarchy / "system.slice" / f"{self._name}-pods.service"):
                found |= {Path(path).resolve() for path, _, _ in os.walk(root, topdown=False)}
        return sorted(found, key=lambda path: (-len(path.parts), path))

    def _files(self, directory: Path) -> list[Path]:
        """All files and directories; what is inside a mount is told by the mount itself."""
        found = []
        for here, directories, files in os.walk(directory):
            found += [Path(here, name) for name in (*directories, *files)]
            directories[:] = [name for name in directories if not os.path.ismount(Path(here, name))]
        return [
            path
            for path in sorted(found)
            if not KEPT_NAMES & set(path.relative_to(directory).parts) and not self._is_empty_top(directory, path)
        ]

    @staticmethod
    def _is_empty_top(directory: Path, path: Path) -> bool:
        """The fixed directories right below (bundles, volumes, …) may stay, as long as nothing is in them."""
        return path.parent == directory and path.is_dir() and not path.is_symlink() and not any(path.iterdir())


class Running:
    """A nodeguard in the background; ``output`` grows as it is read (stdout and stderr together)."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.output = ""

    @property
    def pid(self) -> int:
        """The process id of nodeguard itself."""
        return self.process.pid

    def read_until(self, text: str, *, count: int = 1, timeout: float = 30.0) -> str:
        """Read until the output holds the text that often; AssertionError with all the output when it never does."""
        deadline = time.monotonic() + patient(timeout)
        while self.output.count(text) < count:
            if not self._read_some(deadline):
                raise AssertionError(f"{text!r} did not appear in:\n{self.output}")
        return self.output

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to nodeguard alone, not to its group."""
        self.process.send_signal(number)

    def wait(self, *, timeout: float = 30.0) -> int:
        """Read the rest and return the exit code, negative for a signal."""
        deadline = time.monotonic() + patient(timeout)
        while self._read_some(deadline):
            pass
        return self.process.wait(timeout=max(0.1, deadline - time.monotonic()))

    def _read_some(self, deadline: float) -> bool:
        """Add what is there to the output; False at its end or when the time is up."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        chunk = os.read(self.process.stdout.fileno(), 65536)
        self.output += chunk.decode(errors="replace")
        return bool(chunk)

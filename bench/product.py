"""nodeguard itself: the whole command, its inside, its end, and many pods at once."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from bench.bare import COMMAND, cgroups_of
from bench.observer import Observer
from bench.process import CommandFailed, check, run, wait_gone


def pod(name: str, fifo_directory: Path) -> dict[str, object]:
    """A Burstable pod with one container that reports to the observer and obeys SIGTERM."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 5,
            "containers": [
                {
                    "name": "app",
                    "command": COMMAND,
                    "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}, "limits": {"memory": "64Mi"}},
                    "volumeMounts": [{"name": "bench", "mountPath": "/bench"}],
                }
            ],
            "volumes": [{"name": "bench", "hostPath": {"path": str(fifo_directory), "type": "Directory"}}],
        },
    }


def wall_clock(text: str) -> float:
    """UNIX seconds of an RFC 3339 time."""
    return datetime.datetime.fromisoformat(text).timestamp()


class Product:
    """nodeguard with directories and a cgroup root of this measurement's own."""

    def __init__(self, base: Path, *, cgroup: str) -> None:
        self._base, self._cgroup = base, cgroup
        base.mkdir(parents=True)
        script = Path(sys.executable).with_name("nodeguard")
        self._argv = [str(script)] if script.exists() else [sys.executable, "-m", "nodeguard"]
        # byte code is cached wherever users are: compiling at every start is not what they feel
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._env = inherited | {
            "NODEGUARD_RUN_DIR": str(base / "run"),
            "NODEGUARD_STATE_DIR": str(base / "state"),
            "NODEGUARD_LOG_DIR": str(base / "log"),
            "NODEGUARD_CGROUP_ROOT": f"/{cgroup}",
        }

    def close(self) -> None:
        """Take away the directories, unless something is still mounted there: then they are worth a look."""
        if str(self._base) not in Path("/proc/self/mountinfo").read_text():
            shutil.rmtree(self._base, ignore_errors=True)

    def command(self, *args: str) -> float:
        """Seconds for a command that only prints."""
        return run([*self._argv, *args], env=self._env)

    def output(self, *args: str) -> bytes:
        """What a command prints on stdout."""
        process = subprocess.run(
            [*self._argv, *args], env=self._env, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        check(process)
        return process.stdout

    def start(self, *args: str, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a command that goes on by itself and is told apart from this process by signals."""
        return subprocess.Popen(
            [*self._argv, *args],
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )

    def write_manifest(self, observer: Observer, count: int) -> Path:
        """A manifest of that many pods."""
        path = self._base / f"pods-{count}.json"
        pods = [pod(f"pod-{number}", observer.directory) for number in range(count)]
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))
        return path

    def sample(self, observer: Observer, count: int = 1) -> dict[str, float]:
        """Run that many pods to the last one's first output, then stop them.

        ``whole``: typed to (last) first output. ``inside``: first pod admitted to (last) first output. ``stop``:
        SIGTERM to nodeguard's own end, after which no cgroup of it may exist.
        """
        manifest = self.write_manifest(observer, count)
        events = self._base / "events"
        with open(events, "wb") as stderr:
            started = time.monotonic()
            process = self.start("run", "--events", "json", str(manifest), stderr=stderr)
            try:
                first_output = observer.wait(count)
            except TimeoutError as e:
                raise CommandFailed(f"{e}: {events.read_text()[-2000:]}") from e
            finally:
                offset = time.time() - time.monotonic()
                stopping = time.monotonic()
                process.send_signal(signal.SIGTERM)
                gone = wait_gone(process.pid, timeout_seconds=120)
                code = process.wait()
        if code != 128 + signal.SIGTERM:
            raise CommandFailed(f"nodeguard run: exit {code}: {events.read_text()[-2000:]}")
        if cgroups_of(self._cgroup):
            raise CommandFailed("nodeguard run ended and left cgroups behind")
        admitted = offset_of_first(events, "Scheduled") - offset
        return {"whole": first_output - started, "inside": first_output - admitted, "stop": gone - stopping}


def offset_of_first(events: Path, reason: str) -> float:
    """UNIX time of the first event with this reason."""
    for line in events.read_text().splitlines():
        if line.startswith("{"):
            event = json.loads(line)
            if event["reason"] == reason:
                return wall_clock(event["at"])
    raise CommandFailed(f"no event {reason} in: {events.read_text()[-2000:]}")

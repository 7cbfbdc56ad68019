"""The race: a hog takes memory at 1 GiB/s in an arena of 1 GiB; how long until it can take no more?

Every subject runs against the same hog, seen by the same observer (watch.py): nodeguard, simple pollers, earlyoom, and
a bare SIGKILL, which nobody can be faster than.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import earlyoom, hog
from bench.arena import Arena, Gauge, find_cgroup
from bench.bare import cgroups_of
from bench.process import CommandFailed, wait_gone
from bench.product import Product
from bench.watch import NotDecided, Race, until_back, wait_quiet, watch

MIB = 1 << 20
GIB = 1 << 30
ARENA_BYTES = GIB
HELD_BYTES = 960 * MIB
"""Where the hog stops, so that slow subjects can be timed before the kernel's OOM killer comes."""
ENDLESS_BYTES = 2 * GIB
REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a race is run."""

    threshold_bytes: int = 512 * MIB
    most_bytes: int = HELD_BYTES
    rate: float = float(GIB)
    bystanders: int = 0
    options: tuple[str, ...] = ()
    """more options for nodeguard"""


@dataclass(slots=True)
class Place:
    """Directory, hog and starting signal that all races of a run share."""

    base: Path
    name: str
    quiet_seconds: float = 3.0
    """how long a race waits for a quiet machine"""
    hog: list[str] = field(default_factory=list)
    fd: int = -1

    def __post_init__(self) -> None:
        self.base.mkdir(parents=True)
        self.hog = hog.build(self.base)
        os.mkfifo(self.base / "go")
        self.fd = os.open(self.base / "go", os.O_RDWR | os.O_NONBLOCK)

    def close(self) -> None:
        """Close the starting signal."""
        os.close(self.fd)

    def hog_command(self, kind: str, rate: float, most: int, directory: str = "") -> list[str]:
        """The hog's command, to be run in the base directory, wherever that is mounted."""
        return [*self.hog, "go", kind, str(rate), str(most), *([directory] if directory else [])]

    def settle(self) -> None:
        """Wait until the machine is quiet, and a little longer, so that no two races hit the same phase of a poll."""
        wait_quiet(timeout_seconds=self.quiet_seconds)
        time.sleep(random.uniform(0.05, 0.3))

    def go(self) -> None:
        """Let the hog go."""
        os.write(self.fd, b"x")

    def clear(self) -> None:
        """Take back a signal that nobody has taken."""
        while select.select([self.fd], [], [], 0)[0]:
            os.read(self.fd, 16)


def name_of(pid: int) -> str:
    """What a process is called; empty once it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def find_hog(
    cgroup: str, process: subprocess.Popen[bytes], stderr: Path, *, timeout_seconds: float = 30.0
) -> tuple[Path, int]:
    """The cgroup and the process of the hog that nodeguard has started."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline and process.poll() is None:
        root = find_cgroup(cgroup)
        for path in root.glob("*/pod*/*/cgroup.procs") if root else ():
            with contextlib.suppress(OSError):
                for pid in map(int, path.read_text().split()):
                    if name_of(pid) == hog.NAME:
                        return path.parent, pid
        time.sleep(0.01)
    raise CommandFailed(f"no hog was started: {stderr.read_text()[-2000:]}")


def pod(name: str, command: list[str], directory: Path, *, cpu: str) -> dict[str, Any]:
    """A Burstable pod that runs the command in the base directory.

    Not BestEffort, whose CPU weight is the smallest there is: beside anything else it would not get to 1 GiB/s.
    """
    container = {
        "name": "main",
        "command": command,
        "workingDir": "/bench",
        "resources": {"requests": {"cpu": cpu}},
        "volumeMounts": [{"name": "bench", "mountPath": "/bench"}, {"name": "data", "mountPath": "/data"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
            "volumes": [
                {"name": "bench", "hostPath": {"path": str(directory), "type": "Directory"}},
                {"name": "data", "emptyDir": {}},
            ],
        },
    }


def bystanders(count: int, directory: Path) -> list[dict[str, Any]]:
    """Pods that sleep."""
    return [pod(f"bystander-{number}", ["sleep", "infinity"], directory, cpu="1m") for number in range(count)]


@contextlib.contextmanager
def running(
    product: Product, cgroup: str, place: Place, pods: list[dict[str, Any]], options: list[str]
) -> Iterator[tuple[Path, int, Path]]:
    """``nodeguard run`` with these pods: yields the hog's cgroup and process, and where events go; ended afterwards."""
    manifest, events = place.base / "pods.json", place.base / "events"
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))
    with open(events, "wb") as stderr:
        process = product.start("run", "--events", "json", *options, str(manifest), stderr=stderr)
        try:
            victim, pid = find_hog(cgroup, process, events)
            yield victim, pid, events
        finally:
            place.clear()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0 if len(pods) > 1 else 5)
            for number in (signal.SIGTERM, signal.SIGTERM):
                if process.poll() is None:
                    process.send_signal(number)
                    time.sleep(0.05)
            wait_gone(process.pid, timeout_seconds=60)
            process.wait()
    if cgroups_of(cgroup):
        raise CommandFailed(f"nodeguard run ended and left cgroups behind: {events.read_text()[-2000:]}")


def evicted(events: Path) -> bool:
    """Whether nodeguard says that it has evicted somebody."""
    lines = (line for line in events.read_text().splitlines() if line.startswith("{"))
    return any(json.loads(line)["reason"] == "Evicted" for line in lines)


def with_nodeguard(product: Product, cgroup: str, place: Place, settings: Settings) -> Race:
    """One race against ``nodeguard run``."""
    pods = [
        pod("hog", place.hog_command("memory", settings.rate, settings.most_bytes), place.base, cpu="1"),
        *bystanders(settings.bystanders, place.base),
    ]
    options = ["--capacity", f"memory={ARENA_BYTES}", "--eviction-hard", f"memory.available<{settings.threshold_bytes}"]
    with running(product, cgroup, place, pods, [*options, *settings.options]) as (victim, pid, events):
        root = find_cgroup(cgroup)
        assert root is not None
        with contextlib.closing(Gauge(root, victim)) as gauge:
            place.settle()
            race = watch(
                pid,
                available=lambda: left_of(gauge),
                threshold=settings.threshold_bytes,
                go=place.go,
                taken=gauge.usage,
                oom_kills=gauge.oom_kills,
                timeout_seconds=8,
            )
    if not race.oom_killed and not evicted(events):
        raise NotDecided(f"killed, but not by an eviction: {events.read_text()[-2000:]}")
    return race


def left_of(gauge: Gauge) -> int | None:
    """What is left of the arena."""
    used = gauge.working_set()
    return None if used is None else ARENA_BYTES - used


@contextlib.contextmanager
def hog_in_arena(place: Place, settings: Settings) -> Iterator[tuple[Arena, Gauge, int]]:
    """A hog in an arena of our own, ready to go."""
    arena = Arena(f"{place.name}-arena", ARENA_BYTES)
    try:
        command = arena.command(place.hog_command("memory", settings.rate, settings.most_bytes))
        process = subprocess.Popen(command, cwd=place.base, stdin=subprocess.DEVNULL)
        try:
            with contextlib.closing(Gauge(arena.path, arena.path / "victim")) as gauge:
                while name_of(process.pid) != hog.NAME:
                    time.sleep(0.01)
                yield arena, gauge, process.pid
        finally:
            place.clear()
            process.kill()
            process.wait()
    finally:
        arena.close()


def with_poller(place: Place, settings: Settings, interval_seconds: float) -> Race:
    """One race against a poller whose looks fall anywhere in its interval."""
    with hog_in_arena(place, settings) as (arena, gauge, pid):
        place.settle()
        argv = [
            *(sys.executable, "-m", "bench.poller", "--arena", str(arena.path)),
            *("--interval", str(interval_seconds), "--first", str(random.uniform(0, interval_seconds))),
            *("--threshold", str(settings.threshold_bytes), "--capacity", str(ARENA_BYTES)),
        ]
        poller = subprocess.Popen(argv, cwd=REPOSITORY, stdin=subprocess.DEVNULL)
        try:
            time.sleep(0.2)  # it starts
            return watch(
                pid,
                available=lambda: left_of(gauge),
                threshold=settings.threshold_bytes,
                go=place.go,
                taken=gauge.usage,
                oom_kills=gauge.oom_kills,
                timeout_seconds=3 * interval_seconds + 5,
            )
        finally:
            poller.kill()
            poller.wait()


def with_earlyoom(place: Place, settings: Settings, program: Path) -> Race:
    """One race against earlyoom, which looks at the whole machine: its threshold lies below what is there now."""
    arena = Arena(f"{place.name}-arena", ARENA_BYTES)
    try:
        with contextlib.closing(earlyoom.MemAvailable()) as meminfo, contextlib.ExitStack() as stack:
            place.settle()
            threshold = meminfo.read() - (ARENA_BYTES - settings.threshold_bytes)
            command = arena.command(place.hog_command("memory", settings.rate, settings.most_bytes))
            pid = stack.enter_context(earlyoom.alone(program, threshold, command, place.base, hog.NAME))
            stack.callback(place.clear)
            gauge = stack.enter_context(contextlib.closing(Gauge(arena.path, arena.path / "victim")))
            return watch(
                pid,
                available=meminfo.read,
                threshold=threshold,
                go=place.go,
                taken=gauge.usage,
                oom_kills=gauge.oom_kills,
                timeout_seconds=8,
            )
    finally:
        arena.close()


def bare_kill(place: Place, settings: Settings) -> float:
    """Seconds from a bare SIGKILL of a hog that holds as much as it does at the threshold, until all is back."""
    taken = ARENA_BYTES - settings.threshold_bytes
    holding = Settings(threshold_bytes=settings.threshold_bytes, most_bytes=taken, rate=4.0 * GIB)
    with hog_in_arena(place, holding) as (_, gauge, pid):
        place.go()
        deadline = time.monotonic() + 10
        while (gauge.usage() or 0) < taken:
            if time.monotonic() > deadline:
                raise NotDecided(f"the hog has not taken {taken} bytes after 10 s")
            time.sleep(0.01)
        place.settle()
        return until_back(pid, taken=gauge.usage)

"""What nodeguard takes while nothing happens: CPU time and memory, and how both grow with the number of pods."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.bare import cgroups_of
from bench.process import CommandFailed, wait_gone
from bench.product import Product

MIB = 1 << 20
CPU_TARGET = 0.6
"""CPU seconds a minute with 100 pods"""
PSS_TARGET = 48 * MIB
TARGET_PODS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """One number of pods."""

    pods: int
    start_seconds: float
    cpu_seconds_a_minute: float
    wakeups_a_minute: float
    pss_bytes: int
    conmon_pss_bytes: int


def add_options(group: argparse._ArgumentGroup) -> None:
    """What can be chosen on the command line."""
    group.add_argument(
        "--pods", type=int, action="append", metavar="N", help="how many; may be repeated (default 10, 100)"
    )
    group.add_argument("--settle", type=float, default=8.0, help="seconds between the last start and the window")
    group.add_argument("--window", type=float, default=25.0, help="seconds in which CPU time is counted (default 25)")


def measure(
    stack: contextlib.ExitStack, base: Path, options: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, str]]:
    """Measure every number of pods, print the table; return the figures, and what could not be measured."""
    cgroup = f"ngidle-{os.getpid()}"
    product = Product(base / "nodeguard", cgroup=cgroup)
    stack.callback(product.close)
    found: list[Idle] = []
    failures: dict[str, str] = {}
    for count in sorted(set(options.pods or (10, 100))):
        if sys.stderr.isatty():
            print(f"\r\033[Kidle with {count} pods ", end="", file=sys.stderr, flush=True)
        try:
            found.append(with_pods(product, cgroup, base, count, options))
        except (CommandFailed, OSError, TimeoutError) as e:
            failures[f"idle with {count} pods"] = str(e)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    print(table(found))
    print("\n" + "\n".join(verdicts(found)) + "\n")
    return {"idle": [asdict(each) for each in found]}, failures


def with_pods(product: Product, cgroup: str, base: Path, count: int, options: argparse.Namespace) -> Idle:
    """Start that many pods, wait, count, stop them."""
    manifest, events = base / "pods.json", base / "events"
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod(n) for n in range(count)]}))
    with open(events, "wb") as stderr:
        started = time.monotonic()
        process = product.start("run", "--events", "json", "--max-pods", str(count + 1), str(manifest), stderr=stderr)
        try:
            wait_started(process, events, count)
            took = time.monotonic() - started
            time.sleep(options.settle)
            cpu, switches, at = cpu_seconds(process.pid), wakeups(process.pid), time.monotonic()
            time.sleep(options.window)
            minutes = (time.monotonic() - at) / 60
            if process.poll() is not None:
                raise CommandFailed(f"nodeguard run ended: {events.read_text()[-2000:]}")
            return Idle(
                pods=count,
                start_seconds=took,
                cpu_seconds_a_minute=(cpu_seconds(process.pid) - cpu) / minutes,
                wakeups_a_minute=(wakeups(process.pid) - switches) / minutes,
                pss_bytes=pss(process.pid),
                conmon_pss_bytes=sum(map(pss, conmons(base))),
            )
        finally:
            for _ in range(2):
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    time.sleep(0.5)
            wait_gone(process.pid, timeout_seconds=60 + count)
            process.wait()
            if cgroups_of(cgroup):
                raise CommandFailed("nodeguard run ended and left cgroups behind")


def pod(number: int) -> dict[str, Any]:
    container = {"name": "main", "command": ["sleep", "infinity"]}
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{number}"}, "spec": spec}


def wait_started(process: subprocess.Popen[bytes], events: Path, count: int) -> None:
    """Wait until that many containers have started."""
    deadline = time.monotonic() + 60 + count
    while events.read_bytes().count(b'"Started"') < count:
        if process.poll() is not None or time.monotonic() > deadline:
            raise CommandFailed(f"not all of {count} containers have started: {events.read_text()[-2000:]}")
        time.sleep(0.1)


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wakeups(pid: int) -> int:
    """How often a thread of it has gone to sleep by itself."""
    total = 0
    for path in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            for line in (path / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    total += int(line.split()[1])
    return total


def pss(pid: int) -> int:
    """The memory that is its own, and its share of what it has in common with others; 0 once it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def conmons(base: Path) -> Iterable[int]:
    """The processes that hold the containers of this measurement."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (path / "comm").read_text() == "conmon\n" and str(base).encode() in (path / "cmdline").read_bytes():
                yield int(path.name)


def table(found: list[Idle]) -> str:
    """One line a number of pods, with the growth since the line above."""
    lines = [
        f"{'idle with':>9} {'CPU s/min':>10} {'wakeups/min':>12} {'PSS MiB':>8} {'growth/pod':>11} "
        f"{'conmon/pod':>11} {'all up after':>13}"
    ]
    for before, each in zip([None, *found], found, strict=False):
        growth = ""
        if before:
            growth = f"{(each.pss_bytes - before.pss_bytes) / (each.pods - before.pods) / 1024:.0f} KiB"
        lines.append(
            f"{each.pods:4} pods {each.cpu_seconds_a_minute:10.2f} {each.wakeups_a_minute:12.0f} "
            f"{each.pss_bytes / MIB:8.1f} {growth:>11} {each.conmon_pss_bytes / each.pods / 1024:7.0f} KiB "
            f"{each.start_seconds:11.1f} s"
        )
    return "\n".join(lines)


def verdicts(found: list[Idle]) -> list[str]:
    """Held against what is wanted with so many pods."""
    lines = []
    for each in found:
        if each.pods == TARGET_PODS:
            for value, bound, what in (
                (each.cpu_seconds_a_minute, CPU_TARGET, "CPU seconds a minute"),
                (each.pss_bytes / MIB, PSS_TARGET / MIB, "MiB PSS"),
            ):
                word = "pass" if value <= bound else "MISS"
                lines.append(f"{word}  idle with {each.pods} pods: {value:.2f} {what}, wanted ≤ {bound:g}")
    return lines

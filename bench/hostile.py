"""The race again, under an agent: with a quiet API, and with one that a hostile client keeps busy.

The pressure loop and the API are two processes; this shows what the second costs the first.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import race
from bench.api import wait_ready
from bench.arena import Gauge, find_cgroup
from bench.process import CommandFailed, wait_gone
from bench.product import Product
from bench.race import ARENA_BYTES, HELD_BYTES, MIB, REPOSITORY, Place, find_hog, left_of
from bench.report import table
from bench.stats import summarize
from bench.watch import NotDecided, Race, watch
from nodeguard.client.client import Client
from nodeguard.client.kind import POD
from nodeguard.errors import NodeguardError

THRESHOLD_BYTES = 512 * MIB


def add_options(group: argparse._ArgumentGroup) -> None:
    """What can be chosen on the command line."""
    group.add_argument("--hostile-rounds", type=int, default=10, help="races of each kind (default 10)")


def measure(
    stack: contextlib.ExitStack, base: Path, options: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, str]]:
    """Measure, print the table; return the figures, and what could not be measured."""
    name = f"nghostile-{os.getpid()}"
    product = Product(base / "nodeguard", cgroup=name)
    stack.callback(product.close)
    place = Place(base / "race", name, quiet_seconds=0.0)  # under attack it never is
    stack.callback(place.close)
    sock = base / "nodeguard" / "run" / "nodeguard.sock"
    samples: dict[str, list[float]] = {}
    failures: dict[str, str] = {}
    try:
        with agent(product, base) as running:
            for number in range(options.hostile_rounds):
                for metric, attacked in (("API quiet", False), ("API attacked", True)):
                    try:
                        with attack(sock) if attacked else contextlib.nullcontext():
                            decided = one_race(running, place, name, f"hog-{number}-{int(attacked)}")
                    except NotDecided as e:
                        failures[f"{metric} {number}"] = str(e)
                        continue
                    samples.setdefault(metric, []).append(decided.killed_at - decided.crossed_at)
                    samples.setdefault(f"{metric}, OOM", []).append(float(decided.oom_killed))
    except (CommandFailed, NodeguardError, OSError, TimeoutError) as e:
        return {}, {**failures, "hostile": str(e)}
    lost = {metric: int(sum(samples.pop(f"{metric}, OOM"))) for metric in list(samples) if "OOM" not in metric}
    figures = {f"crossing → SIGKILL, {metric}": summarize(values) for metric, values in samples.items()}
    print(table(figures))
    print("OOM killer first: " + ", ".join(f"{metric} {count}" for metric, count in lost.items()) + "\n")
    answer = {"seconds": samples, "figures": {metric: asdict(figure) for metric, figure in figures.items()}}
    return {**answer, "oomKillerFirst": lost}, failures


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent that runs."""

    process: subprocess.Popen[bytes]
    client: Client
    log: Path


@contextlib.contextmanager
def agent(product: Product, base: Path) -> Iterator[Agent]:
    """An agent with an arena."""
    log = base / "agent.log"
    manifests = base / "manifests"
    manifests.mkdir()
    options = ["--capacity", f"memory={ARENA_BYTES}", "--eviction-hard", f"memory.available<{THRESHOLD_BYTES}"]
    with open(log, "wb") as stderr:
        process = product.start("agent", "--pod-manifest-path", str(manifests), *options, stderr=stderr)
        client = Client(base / "nodeguard" / "run" / "nodeguard.sock")
        try:
            wait_ready(process, client, log)
            yield Agent(process, client, log)
        finally:
            client.close()
            process.send_signal(signal.SIGTERM)
            wait_gone(process.pid)
            process.wait()
            product.command("cleanup")


@contextlib.contextmanager
def attack(socket: Path) -> Iterator[None]:
    """Somebody who keeps the API server busy; at work when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.attack", str(socket)],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(2)
        yield
    finally:
        process.kill()
        process.wait()


def one_race(running: Agent, place: Place, cgroup: str, name: str) -> Race:
    """A pod that takes memory until it is killed."""
    command = place.hog_command("memory", race.Settings().rate, HELD_BYTES)
    started = race.pod(name, command, place.base, cpu="1")
    started["spec"]["tolerations"] = [{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}]
    client = running.client.another()
    until_taken(lambda: client.create(POD, "default", started))
    victim, pid = find_hog(cgroup, running.process, running.log)
    try:
        root = find_cgroup(cgroup)
        assert root is not None
        with contextlib.closing(Gauge(root, victim)) as gauge:
            place.settle()
            return watch(
                pid,
                available=lambda: left_of(gauge),
                threshold=THRESHOLD_BYTES,
                go=place.go,
                taken=gauge.usage,
                oom_kills=gauge.oom_kills,
                timeout_seconds=30,
            )
    finally:
        place.clear()
        until_taken(lambda: client.delete(POD, "default", name))
        client.close()
        time.sleep(1)  # its rest is removed


def until_taken(work: Callable[[], object], timeout_seconds: float = 20.0) -> None:
    """Do it; an API under attack may have to be asked again."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            work()
            return
        except NodeguardError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)

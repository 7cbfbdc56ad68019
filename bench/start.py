"""How long a pod takes to start and to stop, in interleaved rounds."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import podman
from bench.bare import Bare
from bench.observer import Observer
from bench.process import CommandFailed
from bench.product import Product

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "01-hello-qos.yaml"
POD_COUNTS = (10, 25, 50)
CASES = ("bare", "nodeguard", "pods", "help", "explain", "podman")

Case = Callable[[], dict[str, float]]


def prepare(
    stack: contextlib.ExitStack, base: Path, wanted: set[str], options: argparse.Namespace
) -> list[tuple[str, int, Case]]:
    """Return name, number of rounds and function of every case that can be measured here."""
    observer = stack.enter_context(Observer(base / "observer"))
    name = f"ngbench-{os.getpid()}"
    cases: list[tuple[str, int, Case]] = []
    if "bare" in wanted:
        bare = Bare(base / "bare", observer, cgroup=f"{name}-bare")
        stack.callback(bare.close)
        cases.append(("bare", options.rounds, lambda: bare.sample(observer)))
    product = Product(base / "nodeguard", cgroup=name)
    stack.callback(product.close)
    if "nodeguard" in wanted:
        cases.append(("nodeguard", options.rounds, lambda: one_pod(product, observer)))
    if "help" in wanted:
        cases.append(("--help", options.rounds, lambda: {"nodeguard --help": product.command("--help")}))
    if "explain" in wanted:
        cases.append(
            ("explain", options.rounds, lambda: {"nodeguard explain": product.command("explain", str(EXAMPLE))})
        )
    if "podman" in wanted and podman.is_installed():
        peer = podman.Podman(base / "podman", observer)
        stack.callback(peer.close)
        cases.append(("podman run", options.rounds, lambda: peer.sample_run(observer)))
        cases.append(("podman kube play", options.rounds, lambda: peer.sample_kube_play(observer)))
    if "pods" in wanted:
        for count in POD_COUNTS:
            cases.append((f"{count} pods", options.pod_rounds, partial(many_pods, product, observer, count)))
    return cases


def one_pod(product: Product, observer: Observer) -> dict[str, float]:
    return {f"nodeguard {metric}": value for metric, value in product.sample(observer).items()}


def many_pods(product: Product, observer: Observer, count: int) -> dict[str, float]:
    sample = product.sample(observer, count)
    return {
        f"nodeguard {count} pods, per pod": sample["inside"] / count,
        f"nodeguard {count} pods, all": sample["whole"],
        f"nodeguard {count} pods stop": sample["stop"],
    }


def measure(cases: list[tuple[str, int, Case]]) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Run the cases in turn, round by round, so that a noisy minute hits all of them; the first round is a warm-up."""
    samples: dict[str, list[float]] = {}
    failures: dict[str, str] = {}
    for number in range(max((rounds for _, rounds, _ in cases), default=0) + 1):
        for name, rounds, case in cases:
            if number > rounds or name in failures:
                continue
            if sys.stderr.isatty():
                print(f"\r\033[Kround {number}: {name} ", end="", file=sys.stderr, flush=True)
            try:
                sample = case()
            except (CommandFailed, OSError, TimeoutError, ValueError) as e:
                failures[name] = str(e)
                continue
            if number > 0:
                for metric, value in sample.items():
                    samples.setdefault(metric, []).append(value)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return samples, failures

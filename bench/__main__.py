"""``python -m bench``: measure everything in interleaved rounds, print a table, keep the samples in bench/out."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from bench import podman
from bench.bare import Bare
from bench.observer import Observer
from bench.process import CommandFailed
from bench.product import Product
from bench.report import table, verdicts
from bench.stats import Summary, summarize

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "examples" / "01-hello-qos.yaml"
POD_COUNTS = (10, 25, 50)
CASES = ("bare", "nodeguard", "pods", "help", "explain", "podman")

Case = Callable[[], dict[str, float]]


def main() -> int:
    """Measure and print; the exit code is 1 when a case could not be measured at all, never for being slow."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="how often each case is measured (default 20)")
    parser.add_argument("--pod-rounds", type=int, default=3, help="how often many pods are started (default 3)")
    parser.add_argument("--only", choices=CASES, action="append", help="measure only this; may be repeated")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("needs root")
    with contextlib.ExitStack() as stack:
        cases = prepare(stack, set(options.only or CASES), options)
        samples, failures = measure(cases)
    figures = {metric: summarize(values) for metric, values in samples.items()}
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, load {load}, Python {platform.python_version()}\n")
    print(table(figures))
    print("\n" + "\n".join(verdicts(figures)))
    for name, message in failures.items():
        print(f"not measured: {name}: {message}", file=sys.stderr)
    keep(samples, figures, failures)
    return 1 if failures else 0


def prepare(stack: contextlib.ExitStack, wanted: set[str], options: argparse.Namespace) -> list[tuple[str, int, Case]]:
    """Return name, number of rounds and function of every case that can be measured here."""
    # Not below /tmp, which may be a tmpfs where overlays and pages would be cheaper than in real life.
    base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ngbench-", dir="/var/tmp")))
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


def keep(samples: dict[str, list[float]], figures: dict[str, Summary], failures: dict[str, str]) -> None:
    """Write every sample to bench/out, for whoever wants another statistic."""
    out = HERE / "out"
    out.mkdir(exist_ok=True)
    path = out / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    answer = {
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "loadAverage": os.getloadavg(),
        "seconds": samples,
        "figures": {metric: asdict(figure) for metric, figure in figures.items()},
        "failures": failures,
    }
    path.write_text(json.dumps(answer, indent=1) + "\n")
    print(f"\nsamples: {path.relative_to(HERE.parent)}")


if __name__ == "__main__":
    sys.exit(main())

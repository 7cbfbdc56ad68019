"""``python -m bench [start] [race] [idle] [api] [hostile]``: measure, print tables and verdicts, keep samples.

The samples lie in bench/out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import api, contest, hostile, idle, start
from bench.report import table, verdicts
from bench.stats import summarize

HERE = Path(__file__).resolve().parent
PARTS = ("start", "race", "idle", "api", "hostile")


def main() -> int:
    """Measure and print; the exit code is 1 when something could not be measured at all, never for being slow."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them if none is named")
    group = parser.add_argument_group("start: from the command to the first output, and to the end")
    group.add_argument("--rounds", type=int, default=10, help="how often each case is measured (default 10)")
    group.add_argument("--pod-rounds", type=int, default=2, help="how often many pods are started (default 2)")
    group.add_argument("--only", choices=start.CASES, action="append", help="measure only this; may be repeated")
    contest.add_options(parser.add_argument_group("race: from a crossed threshold to the end of whoever crossed it"))
    idle.add_options(parser.add_argument_group("idle: what nodeguard itself takes"))
    api.add_options(parser.add_argument_group("api: lists beside kubectl's, and how soon a watch tells"))
    hostile.add_options(parser.add_argument_group("hostile: the race while a client keeps the API as busy as it can"))
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
    if os.geteuid() != 0:
        parser.error("needs root")
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, load {load}, Python {platform.python_version()}\n")
    answer: dict[str, Any] = {"platform": platform.platform(), "cpus": os.cpu_count(), "loadAverage": os.getloadavg()}
    failures: dict[str, str] = {}
    # Not below /tmp, which may be a tmpfs where overlays and pages would be cheaper than in real life.
    with tempfile.TemporaryDirectory(prefix="ngbench-", dir="/var/tmp") as directory:
        for part in options.parts or PARTS:
            base = Path(directory) / part
            base.mkdir()
            with contextlib.ExitStack() as stack:
                if part == "start":
                    cases = start.prepare(stack, base, set(options.only or start.CASES), options)
                    answer[part], missing = measure_start(cases)
                elif part == "race":
                    answer[part], missing = contest.measure(stack, base, options)
                elif part == "api":
                    answer[part], missing = api.measure(stack, base, options)
                elif part == "hostile":
                    answer[part], missing = hostile.measure(stack, base, options)
                else:
                    answer[part], missing = idle.measure(stack, base, options)
            failures |= missing
    for name, message in failures.items():
        print(f"not measured: {name}: {message}", file=sys.stderr)
    keep(answer | {"failures": failures})
    return 1 if failures else 0


def measure_start(cases: list[tuple[str, int, start.Case]]) -> tuple[dict[str, Any], dict[str, str]]:
    """Print the table and the verdicts; return samples and figures, and what could not be measured."""
    samples, failures = start.measure(cases)
    figures = {metric: summarize(values) for metric, values in samples.items()}
    print(table(figures))
    print("\n" + "\n".join(verdicts(figures)) + "\n")
    return {"seconds": samples, "figures": {metric: asdict(figure) for metric, figure in figures.items()}}, failures


def keep(answer: dict[str, Any]) -> None:
    """Write every sample to bench/out, for whoever wants another statistic."""
    out = HERE / "out"
    out.mkdir(exist_ok=True)
    path = out / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(json.dumps(answer, indent=1) + "\n")
    print(f"samples: {path.relative_to(HERE.parent)}")


if __name__ == "__main__":
    sys.exit(main())

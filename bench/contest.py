"""All races of a run: interleaved, so that a noisy minute hits every subject, and put side by side."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench import disk_race, earlyoom, race
from bench.process import CommandFailed
from bench.product import Product
from bench.race import ENDLESS_BYTES, MIB, Place, Settings
from bench.stats import Summary, summarize
from bench.watch import NotDecided, Race

SUBJECTS = ("nodeguard", "1 s poller", "10 s poller", "earlyoom", "bare SIGKILL")
KINDS = ("memory", "last 100 Mi", "bytes", "inodes")
RATE_TOLERANCE = 0.2
"""A race is not one if the hog got that much less than its rate until the crossing: somebody else had the CPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One subject's race of one kind; ``run`` gives a race, or for a bare kill the seconds it took."""

    kind: str
    subject: str
    count: int
    run: Callable[[], Race | float]
    rate: float | None = None


@dataclass(slots=True)
class Result:
    """What came of a case."""

    case: Case
    races: list[Race] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    busy: int = 0
    undecided: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        """How many count."""
        return len(self.races) + len(self.seconds)

    def is_complete(self) -> bool:
        return self.done >= self.case.count

    def may_go_on(self) -> bool:
        """Whether another try makes sense."""
        return not self.is_complete() and self.busy < max(5, self.case.count) and len(self.undecided) < 3 + self.done

    def faults(self) -> str:
        """What did not count, in words."""
        words = [f"{self.undecided.count(each)} x {each}" for each in dict.fromkeys(self.undecided)]
        if self.busy:
            words.append(f"{self.busy} x the hog did not get to its rate, the machine was busy")
        return "; ".join(words)


def add_options(group: argparse._ArgumentGroup) -> None:
    """What can be chosen on the command line."""
    group.add_argument("--races", type=int, default=20, help="races of nodeguard and of the quick ones (default 20)")
    group.add_argument("--slow-races", type=int, default=5, help="races of the 10 s poller (default 5)")
    group.add_argument("--minutes", type=float, default=6.0, help="when to stop, however many are done (default 6)")
    group.add_argument("--kind", choices=KINDS, action="append", help="only this kind; may be repeated")
    group.add_argument("--subject", choices=SUBJECTS, action="append", help="only this subject; may be repeated")
    group.add_argument(
        "--quiet",
        type=float,
        default=2.0,
        metavar="SECONDS",
        help="how long a race waits for a quiet machine (default 2)",
    )
    group.add_argument("--bystanders", type=int, default=0, metavar="N", help="pods that sleep beside the hog")
    group.add_argument("--run-option", action="append", default=[], metavar="OPTION", help="one more for nodeguard run")


def measure(
    stack: contextlib.ExitStack, base: Path, options: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, str]]:
    """Run the races, print tables and verdicts; return every race, and what could not be measured."""
    name = f"ngrace-{os.getpid()}"
    place = Place(base / "race", name, quiet_seconds=options.quiet)
    stack.callback(place.close)
    product = Product(base / "nodeguard", cgroup=name)
    stack.callback(product.close)
    found = cases(stack, base, product, place, options)
    results, failures = run(found, minutes=options.minutes)
    print(report(results))
    print("\n" + "\n".join(verdicts(results)) + "\n")
    for result in results:
        if faults := result.faults():
            print(f"not counted: {label(result.case)}: {faults}", file=sys.stderr)
    kept = [
        {
            "kind": result.case.kind,
            "subject": result.case.subject,
            "races": [asdict(each) for each in result.races],
            "seconds": result.seconds,
            "notCounted": {"busy": result.busy, "undecided": result.undecided},
        }
        for result in results
    ]
    return {"cases": kept}, failures


def cases(
    stack: contextlib.ExitStack, base: Path, product: Product, place: Place, options: argparse.Namespace
) -> list[Case]:
    """Every case that was asked for and can be measured here."""
    cgroup, races, slow = place.name, options.races, options.slow_races
    extra = tuple(options.run_option)
    middle = Settings(bystanders=options.bystanders, options=extra)
    last = Settings(threshold_bytes=100 * MIB, most_bytes=ENDLESS_BYTES, bystanders=options.bystanders, options=extra)
    found = [
        Case(
            kind="memory",
            subject="bare SIGKILL",
            count=races,
            run=lambda: race.bare_kill(place, middle),
        )
    ]
    for kind, settings in (("memory", middle), ("last 100 Mi", last)):
        found.append(
            Case(
                kind=kind,
                subject="nodeguard",
                count=races,
                run=partial(race.with_nodeguard, product, cgroup, place, settings),
                rate=settings.rate,
            )
        )
        for interval, count in ((1.0, races if settings is middle else slow), (10.0, slow)):
            poll = partial(race.with_poller, place, settings, interval)
            found.append(Case(kind=kind, subject=f"{interval:.0f} s poller", count=count, run=poll, rate=settings.rate))
    program = earlyoom.find()
    if program is not None:
        oom = partial(race.with_earlyoom, place, middle, program)
        found.append(Case(kind="memory", subject="earlyoom", count=races, run=oom, rate=middle.rate))
    else:
        print("without earlyoom: it is neither installed nor to be had from apt", file=sys.stderr)
    filesystem = None
    for disk in (disk_race.BYTES, disk_race.FILES):
        if options.kind and disk.name not in options.kind:
            continue
        if filesystem is None:
            filesystem = disk_race.FileSystem(base)
            stack.callback(filesystem.close)
        ours = partial(disk_race.with_nodeguard, product, cgroup, place, filesystem, disk, extra)
        found.append(Case(kind=disk.name, subject="nodeguard", count=max(1, races // 3), run=ours, rate=disk.rate))
        for interval, count in ((1.0, max(1, races // 6)), (10.0, max(1, slow // 3))):
            poll = partial(disk_race.with_poller, place, filesystem, disk, interval)
            found.append(
                Case(kind=disk.name, subject=f"{interval:.0f} s poller", count=count, run=poll, rate=disk.rate)
            )
    return [
        case
        for case in found
        if (not options.kind or case.kind in options.kind) and (not options.subject or case.subject in options.subject)
    ]


def run(found: list[Case], *, minutes: float = 60.0) -> tuple[list[Result], dict[str, str]]:
    """Run one race of every case in turn until each has its number.

    The end of the time, and Ctrl-C, are heard after the race under way: what there is by then counts.
    """
    results: list[Result] = [Result(case) for case in found]
    stopped: list[int] = []
    deadline = time.monotonic() + minutes * 60
    before = signal.signal(signal.SIGINT, lambda number, _: stopped.append(number))
    try:
        _run(results, lambda: bool(stopped) or time.monotonic() > deadline)
    finally:
        signal.signal(signal.SIGINT, before)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return results, {label(r.case): r.faults() or "no time was left" for r in results if not r.done}


def _run(results: list[Result], is_over: Callable[[], bool]) -> None:
    while open_results := [r for r in results if r.may_go_on()]:
        for result in open_results:
            if is_over():
                return
            case = result.case
            if sys.stderr.isatty():
                number = f"race {result.done + 1} of {case.count}"
                print(f"\r\033[K{number}: {label(case)} ", end="", file=sys.stderr, flush=True)
            try:
                outcome = case.run()
            except (NotDecided, CommandFailed, OSError, TimeoutError, ValueError) as e:
                result.undecided.append(str(e)[-1000:])
                continue
            if isinstance(outcome, float):
                result.seconds.append(outcome)
            elif case.rate is not None and abs(outcome.rate / case.rate - 1) > RATE_TOLERANCE:
                result.busy += 1
            else:
                result.races.append(outcome)


def label(case: Case) -> str:
    return f"{case.subject}, {case.kind}"


def milliseconds(races: Sequence[Race], start: str, end: str) -> Summary:
    return summarize([getattr(each, end) - getattr(each, start) for each in races])


def middle_of(values: Sequence[float]) -> float:
    return summarize(values).median_ms / 1000


def report(results: list[Result]) -> str:
    """One line a case, by kind."""
    lines = [
        f"{'':14} {'':13} {'n':>4} | {'crossing to SIGKILL, ms':^31} | {'taken past it':^17} | {'SIGKILL':>8} "
        f"{'crossing':>8} | {'rate':>7} {'OOM':>4}",
        f"{'':14} {'':13} {'':>4} | {'median':>9} {'p99':>10} {'max':>10} | {'median':>8} {'max':>8} | {'to back':>8} "
        f"{'to back':>8} | {'':>7} {'kill':>4}",
    ]
    for result in results:
        kind, subject = result.case.kind, result.case.subject
        if result.seconds:
            bare = summarize(result.seconds)
            lines.append(f"{kind:14} {subject:13} {bare.count:4} | {'':31} | {'':17} | {bare.median_ms:8.1f} {'':8} |")
        if result.races:
            unit = 1 if kind == "inodes" else MIB
            reaction = milliseconds(result.races, "crossed_at", "killed_at")
            past = sorted(each.past / unit for each in result.races)
            gives_back = kind not in ("bytes", "inodes") or subject == "nodeguard"
            back, whole = (
                f"{milliseconds(result.races, start, 'back_at').median_ms:8.1f}" if gives_back else " " * 8
                for start in ("killed_at", "crossed_at")
            )
            rate = middle_of([each.rate / unit for each in result.races])
            killed = sum(each.oom_killed for each in result.races)
            lines.append(
                f"{kind:14} {subject:13} {reaction.count:4} | {reaction.median_ms:9.1f} {reaction.p99_ms:10.1f} "
                f"{reaction.max_ms:10.1f} | {middle_of(past):8.1f} {past[-1]:8.1f} | {back} {whole} | {rate:7.0f} "
                f"{killed:4}"
            )
    gap = max((each.longest_gap for result in results for each in result.races), default=0.0)
    lines.append(
        "taken in MiB or inodes, rate in MiB/s or inodes/s; back = 95 % of what was taken is free again; "
        f"the observer looked at least every {gap * 1000:.1f} ms"
    )
    return "\n".join(lines)


def verdicts(results: list[Result]) -> list[str]:
    """nodeguard held against what is wanted of it, where both were measured."""
    by_label = {(r.case.kind, r.case.subject): r for r in results}
    lines = []

    def say(kind: str, what: str, value: float, bound: float, unit: str) -> None:
        word = "pass" if value <= bound else "MISS"
        lines.append(f"{word}  nodeguard, {kind}: {what} {value:.1f} {unit}, wanted ≤ {bound:.1f}")

    ours = by_label.get(("memory", "nodeguard"))
    if ours and ours.races:
        reaction = milliseconds(ours.races, "crossed_at", "killed_at")
        say("memory", "crossing to SIGKILL, median", reaction.median_ms, 10, "ms")
        say("memory", "crossing to SIGKILL, p99", reaction.p99_ms, 40, "ms")
        say("memory", "taken past the threshold, median", middle_of([r.past / MIB for r in ours.races]), 20, "MiB")
        bare = by_label.get(("memory", "bare SIGKILL"))
        if bare and bare.seconds:
            back = milliseconds(ours.races, "killed_at", "back_at").median_ms
            say("memory", "SIGKILL to memory back, median", back, 1.3 * summarize(bare.seconds).median_ms, "ms")
    last = by_label.get(("last 100 Mi", "nodeguard"))
    if last and last.races:
        killed = sum(each.oom_killed for each in last.races)
        say("last 100 Mi", f"of {len(last.races)} races lost to the kernel's OOM killer", killed, 0, "")
    return lines

#!/usr/bin/env python3
"""Break limits on purpose, one at a time, and see that the tests turn red each time: they are not green by themselves.

    vm/mutation.py      (what `make vm-mutation` calls, after `make vm-image`)

It all happens in a virtual machine, whose copy of the tree is thrown away with it; the tree here is never touched. The
exit code is 0 when the tests are green as they are and notice every mutation, and 1 when they do not.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
CONTROL = "nodeguard/policy/control.py"
OOM = "nodeguard/policy/oom.py"
LIMITS = "tests/root/test_run_limits.py"
SYSTEMD = "tests/vm/v2/test_systemd.py"
MACHINE = "tests/vm/test_machine.py"

TESTS_FAILED = 1
"""The exit code of pytest that is wanted; the others mean that it did not get as far as to judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """Something that is broken by one replacement in one file, and the tests that have to notice."""

    about: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = (LIMITS,)


MUTATIONS = (
    Mutation(
        about="memory limits are twice as large",
        file=CONTROL,
        old='"memory.max", _text(limits.memory_max)',
        new='"memory.max", _text(limits.memory_max and max(UNLIMITED, 2 * limits.memory_max))',
        tests=(SYSTEMD, LIMITS),
    ),
    Mutation(
        about="memory limits are not written",
        file=CONTROL,
        old='"memory.max", _text(limits.memory_max)',
        new='"memory.max", None',
    ),
    Mutation(
        about="CPU limits are not written", file=CONTROL, old='"cpu.max", _cpu_max(limits)', new='"cpu.max", None'
    ),
    Mutation(
        about="everybody has the same CPU weight",
        file=CONTROL,
        old='"cpu.weight", _text(limits.cpu_weight)',
        new='"cpu.weight", "100"',
    ),
    Mutation(
        about="limits of processes are not written",
        file=CONTROL,
        old='"memory.oom.group", group\n    yield Subject.PIDS, "pids", "pids.max", _text(limits.pids_max)',
        new='"memory.oom.group", group\n    yield Subject.PIDS, "pids", "pids.max", None',
    ),
    Mutation(
        about="an OOM kill takes one process alone",
        file=CONTROL,
        old='"memory.oom.group", group',
        new='"memory.oom.group", None',
        tests=(SYSTEMD,),
    ),
    Mutation(
        about="pods may swap",
        file=CONTROL,
        old='"memory.swap.max", _text(limits.swap_max)',
        new='"memory.swap.max", "max"',
        tests=(MACHINE,),
    ),
    Mutation(
        about="Guaranteed pods are killed first",
        file=OOM,
        old="GUARANTEED_SCORE = -997",
        new="GUARANTEED_SCORE = 1000",
        tests=(MACHINE,),
    ),
)


def main() -> int:
    """On the host, start the machine with this script in it; there, do the work."""
    if os.environ.get("NODEGUARD_IN_VM") == "1":
        return judge()
    argv = [str(TOP / "vm" / "run_in_vm.py"), "--results", str(TOP / "out" / "vm" / "results" / "mutation")]
    argv += ["--env", "NODEGUARD_TEST_TIMEOUT_FACTOR=10", "--env", "NODEGUARD_TEST_FORK=1"]
    return subprocess.run([*argv, "python vm/mutation.py"], check=False).returncode


def judge() -> int:
    """Run the tests on the tree as it is, then on each mutation."""
    every = dict.fromkeys(test for mutation in MUTATIONS for test in mutation.tests)
    if run_tests(tuple(every)):
        print("mutation: the tests fail on the tree as it is")
        return 1
    missed = [mutation.about for mutation in MUTATIONS if not is_noticed(mutation)]
    for about in missed:
        print(f"mutation: MISSED: {about}")
    print(f"mutation: {len(MUTATIONS) - len(missed)} of {len(MUTATIONS)} noticed")
    return 1 if missed else 0


def is_noticed(mutation: Mutation) -> bool:
    """Whether the tests fail with it; the file is as before afterwards."""
    path = TOP / mutation.file
    text = path.read_text()
    if text.count(mutation.old) != 1:
        print(f"mutation: {mutation.about}: {mutation.file} has changed; vm/mutation.py is to follow")
        return False
    path.write_text(text.replace(mutation.old, mutation.new))
    try:
        code = run_tests(mutation.tests)
    finally:
        path.write_text(text)
    print(
        f"mutation: {mutation.about}: {'noticed' if code == TESTS_FAILED else f'pytest ended with {code}'}", flush=True
    )
    return code == TESTS_FAILED


def run_tests(tests: tuple[str, ...]) -> int:
    """The exit code of pytest, which stops at the first failure."""
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-x", "--tb=line", *tests]
    return subprocess.run(argv, cwd=TOP, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

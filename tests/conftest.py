"""What all tests share: the rungs (unit, root), strict mode, and the sandbox for tests with real containers."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from sandbox import Sandbox, hierarchies, mount_points, processes_naming

STRICT = os.environ.get("NODEGUARD_TEST_STRICT") == "1"
IN_VM = os.environ.get("NODEGUARD_IN_VM") == "1"
IS_ROOT = os.geteuid() == 0
# "2/3": of three machines that share the tests this is the second.
SHARD, SHARDS = map(int, os.environ.get("NODEGUARD_TEST_SHARD", "1/1").split("/"))
SESSION = f"ngtest-{os.getpid()}-{os.urandom(3).hex()}"

settings.register_profile("nodeguard", deadline=None)  # a busy machine proves nothing about the code
settings.load_profile("nodeguard")

_numbers = itertools.count(1)
_not_run: list[str] = []


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave root tests out for ordinary users: they are another rung (``make test-root``), not skipped ones.

    Of what is left, take this machine's share.
    """
    if SHARDS > 1:
        config.hook.pytest_deselected(items=[item for i, item in enumerate(items) if i % SHARDS != SHARD - 1])
        items[:] = items[SHARD - 1 :: SHARDS]
    if IS_ROOT:
        return
    for_root = [item for item in items if item.get_closest_marker("root")]
    if for_root:
        config.hook.pytest_deselected(items=for_root)
        items[:] = [item for item in items if not item.get_closest_marker("root")]
        if STRICT:
            _not_run.append(f"{len(for_root)} tests that need root")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember tests that were skipped, or marked as expected to fail (whether they then did or not).

    In a virtual machine, failures are told at once: it may not live until the summary.
    """
    if IN_VM and report.failed:
        print(f"\n{report.longreprtext}\n", flush=True)  # noqa: T201 - nothing is captured between tests
    if STRICT and (report.skipped or hasattr(report, "wasxfail")):
        _not_run.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Remember whole files that were skipped while being collected."""
    if STRICT and report.skipped:
        _not_run.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when NODEGUARD_TEST_STRICT=1 and something was not run."""
    if _not_run and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests broke strict mode."""
    if _not_run:
        terminalreporter.section("NODEGUARD_TEST_STRICT=1: these were not run, which counts as failed", red=True)
        for name in _not_run:
            terminalreporter.line(name)


def root_session_leftovers(base: Path) -> list[str]:
    """Return what is left of any sandbox of this session."""
    left = [f"process {pid}: {text}" for pid, text in processes_naming((SESSION,)).items()]
    left += [f"mount {point}" for point in mount_points(str(base))]
    for hierarchy in hierarchies():
        left += [f"cgroup {path}" for place in ("", "system.slice/") for path in hierarchy.glob(f"{place}{SESSION}*")]
    return left


@pytest.fixture(scope="session")
def root_session() -> Iterator[Path]:
    """A directory for this session's sandboxes, and the proof at the end that none of them left anything."""
    # Not pytest's tmp_path: long names do not fit into the 108 bytes of a socket address, and /tmp may be a tmpfs.
    base = Path(tempfile.mkdtemp(prefix=f"{SESSION}-", dir="/var/tmp"))
    yield base
    left = root_session_leftovers(base)
    shutil.rmtree(base, ignore_errors=True)
    assert not left, "left behind by the tests of this session:\n" + "\n".join(left)


@pytest.fixture(scope="session")
def working_runtime(root_session: Path) -> Path:
    """What nodeguard has found out about this host's runtimes: otherwise the first pod of every test would try anew."""
    from nodeguard.kernel.cgroup.detect import detect
    from nodeguard.runtime.probe import find

    find(detect().mode, root_session)
    return root_session / "runtime.json"


@contextmanager
def _own_sandbox(root_session: Path, working_runtime: Path) -> Iterator[Sandbox]:
    number = next(_numbers)
    box = Sandbox(root_session / str(number), f"{SESSION}-{number}", known_runtimes=working_runtime)
    try:
        yield box
        left = box.left_behind()
    finally:
        box.wipe()
    assert not left, "left behind:\n" + "\n".join(left)


@pytest.fixture
def sandbox(root_session: Path, working_runtime: Path) -> Iterator[Sandbox]:
    """Directories and a cgroup root of this test's own; afterwards nothing of its pods may be left."""
    with _own_sandbox(root_session, working_runtime) as box:
        yield box


@pytest.fixture(scope="module")
def module_sandbox(root_session: Path, working_runtime: Path) -> Iterator[Sandbox]:
    """The same for the tests of a file that look at one run together."""
    with _own_sandbox(root_session, working_runtime) as box:
        yield box

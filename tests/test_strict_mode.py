"""NODEGUARD_TEST_STRICT=1, tried on a small suite of its own: a test that did not run is a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

SUITE = """
import pytest

def test_that_runs():
    pass

{body}
"""


def run_suite(directory: Path, body: str, *, strict: bool) -> subprocess.CompletedProcess[str]:
    for name in ("conftest.py", "forkedcommand.py", "sandbox.py"):
        shutil.copy(HERE / name, directory / name)
    (directory / "pytest.ini").write_text(
        "[pytest]\npythonpath = .\naddopts = --import-mode=importlib\nmarkers = root\n"
    )
    (directory / "test_suite.py").write_text(SUITE.format(body=body))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=directory,
        env=os.environ | {"NODEGUARD_TEST_STRICT": "1" if strict else "0"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("@pytest.mark.skip\ndef test_it(): pass", id="skipped by a mark"),
        pytest.param("def test_it(): pytest.skip('no')", id="skipped while running"),
        pytest.param("@pytest.mark.xfail\ndef test_it(): assert False", id="expected to fail and failing"),
        pytest.param("@pytest.mark.xfail\ndef test_it(): pass", id="expected to fail and passing"),
        pytest.param("pytest.skip('no', allow_module_level=True)", id="a whole file skipped"),
    ],
)
def test_what_did_not_run_fails_in_strict_mode_only(tmp_path: Path, body: str) -> None:
    assert run_suite(tmp_path, body, strict=False).returncode in (0, 5)
    strict = run_suite(tmp_path, body, strict=True)
    assert strict.returncode != 0
    assert "counts as failed" in strict.stdout


def test_a_suite_without_skips_passes_in_strict_mode(tmp_path: Path) -> None:
    result = run_suite(tmp_path, "", strict=True)
    assert result.returncode == 0, result.stdout

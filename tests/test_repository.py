"""The repository around the code: pins that agree, commands that exist, links that lead somewhere, nothing that tells
where it was written."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from nodeguard import errors
from nodeguard.cli.main import COMMANDS, run

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("*/**/*.md"))]
PAGES = [page for page in PAGES if not {".venv", ".git"} & set(page.relative_to(ROOT).parts)]

SCRIPTS = [*sorted((ROOT / ".ci").iterdir()), *(ROOT / "vm" / name for name in ("build-image", "make-initrd", "test"))]

# Registries and package indexes, and directories of whoever wrote this. Spelt so that this file does not match itself;
# what stands before a directory tells an absolute path from the end of another one, such as tests/root/.
FORBIDDEN = re.compile(
    r"\b(?:pypi[.]org|pythonhosted[.]org|docker[.]io|quay[.]io|ghcr[.]io|gcr[.]io|registry[.]k8s[.]io|debian[.]org)\b"
    r"|(?<![\w.)}>*-])/(?:work/(?:main|shared|steering|\.)|Users/\w|root/\.pyenv)"
)


def pins(name: str) -> dict[str, str]:
    found = {}
    for line in (ROOT / name).read_text().splitlines():
        if line and not line.startswith("#"):
            package, exact, version = line.partition("==")
            assert exact, f"{name}: {line!r} is not pinned"
            found[canonical(package)] = version
    return found


def canonical(package: str) -> str:
    """Source: PEP 503, normalized names."""
    return re.sub(r"[-_.]+", "-", package).lower()


def declared(requirements: list[str]) -> dict[str, str]:
    return {canonical(name): version for name, _, version in (r.partition("==") for r in requirements)}


def tracked_files() -> list[Path]:
    """What git tracks and what it would track; everything but the virtual environment where there is no git."""
    if not (ROOT / ".git").exists():
        return [path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts]
    argv = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_runtime_pins_agree_with_pyproject() -> None:
    assert declared(PROJECT["dependencies"]).items() <= pins("requirements.txt").items()


def test_test_pins_agree_with_pyproject() -> None:
    found = pins("requirements-test.txt")
    assert declared(PROJECT["optional-dependencies"]["test"]).items() <= found.items()
    assert not found.keys() & pins("requirements.txt").keys()


def test_build_pins_agree_with_pyproject() -> None:
    build_system = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    assert declared(build_system["requires"]).items() <= pins("requirements-build.txt").items()


def test_what_is_installed_is_what_is_pinned() -> None:
    wanted = pins("requirements.txt") | pins("requirements-test.txt")
    assert {package: metadata.version(package) for package in wanted} == wanted


def test_every_dependency_of_a_dependency_is_pinned() -> None:
    wanted = pins("requirements.txt") | pins("requirements-test.txt")
    for package in wanted:
        for requirement in metadata.requires(package) or ():
            name, _, marker = requirement.partition(";")
            if "extra ==" in marker or "win32" in marker or "Windows" in marker or not applies(marker):
                continue
            needed = re.split(r"[\s<>=!~\[(]", name.strip())[0]
            assert canonical(needed) in wanted, f"{package} needs {requirement}"


def test_the_carriers_of_kubectl_are_pinned_and_kept_apart() -> None:
    """Their dependencies are not installed (``--no-deps``), so nothing may import them: no path leads to them."""
    carriers = pins("requirements-kubectl.txt")
    directory = ROOT / ".venv" / "kubectl"
    found = {canonical(each.name): each.version for each in metadata.distributions(path=[str(directory)])}
    assert found == carriers
    assert str(directory) not in sys.path
    for package in carriers:
        argv = [directory / f"kubectl-{package.rpartition('-')[2]}", "version", "--client"]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        assert f"v1.{package.rpartition('-v')[2]}." in said


def applies(marker: str) -> bool:
    from packaging.markers import Marker

    return not marker.strip() or Marker(marker).evaluate()


def test_nothing_tells_where_it_was_written() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in tracked_files()
        for found in FORBIDDEN.finditer(path.read_bytes().decode(errors="replace"))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_two_commands_of_the_readme_exist() -> None:
    commands = set(re.findall(r"^(?:sudo )?make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert {"run", "test"} <= commands
    assert commands <= targets()


def test_the_explanation_in_the_readme_is_what_explain_prints(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```\n\$ nodeguard (explain [^\n]+)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    arguments = [str(ROOT / word) if word.startswith("examples/") else word for word in block[0].split()]
    assert run(arguments) == 0
    printed = {line.strip() for line in capsys.readouterr().out.splitlines()}
    shown = {line.strip() for line in block[1].splitlines()} - {"…"}
    assert shown <= printed | {""}


def test_make_lists_every_documented_target() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for target in ("help", "setup", "run", "test", "lint", "test-unit", "test-root", "bench", "clean"):
        assert re.search(rf"^  {target} ", listed, re.MULTILINE), target


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_strict_and_can_be_run(script: Path) -> None:
    assert script.stat().st_mode & 0o111
    assert "set -euo pipefail" in script.read_text()
    subprocess.run(["bash", "-n", script], check=True)


def test_ci_runs_make_test_in_strict_mode() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert "make test" in text
    assert "NODEGUARD_TEST_STRICT=1" in text


def test_every_example_is_listed() -> None:
    listed = set(re.findall(r"\]\(([^)]+\.yaml)\)", (ROOT / "examples" / "README.md").read_text()))
    there = {path.relative_to(ROOT / "examples").as_posix() for path in (ROOT / "examples").rglob("*.yaml")}
    assert listed == there


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)
    assert not broken


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made on the web."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_decisions_are_numbered_without_gaps() -> None:
    names = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert [name[:4] for name in names] == [f"{number:04}" for number in range(1, len(names) + 1)]


def test_exit_codes_are_documented() -> None:
    page = (ROOT / "docs" / "exit-codes.md").read_text()
    manual = (ROOT / "docs" / "man" / "nodeguard.1").read_text()
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")]
    for code in {kind.exit_code for kind in kinds}:
        assert f"\n| {code} |" in page
        assert f"\n.It {code}\n" in manual


def test_the_manual_page_is_well_formed() -> None:
    assert shutil.which("mandoc") is not None, "mandoc is not installed: make setup installs it"
    argv = ["mandoc", "-T", "lint", "-W", "warning", ROOT / "docs" / "man" / "nodeguard.1"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_manual_page_knows_every_command() -> None:
    manual = (ROOT / "docs" / "man" / "nodeguard.1").read_text()
    for command in COMMANDS:
        assert re.search(rf"^\.(Cm|It Cm) {command}\b", manual, re.MULTILINE), command


def test_licence_is_the_one_declared() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]


def test_skip_table_names_tests_that_exist() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "skips.md").read_text(), re.MULTILINE)
    for row in rows:
        file, _, name = row.partition("::")
        assert name.partition("[")[0] in (ROOT / file).read_text()


def test_the_console_script_starts() -> None:
    script = Path(sys.executable).with_name("nodeguard")
    argv = [script] if script.exists() else [sys.executable, "-m", "nodeguard"]
    done = subprocess.run([*argv, "--version"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert PROJECT["name"] in done.stdout

"""The house rules of the imports, checked on the syntax trees: who sees whom, and which door is the only one."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "nodeguard"
FILES = sorted(PACKAGE.rglob("*.py"))

# Room -> rooms it may import, itself aside. Everyone may import nodeguard.errors.
MAY_IMPORT = {
    "errors": set(),
    "model": set(),
    "policy": {"model"},
    "kernel": {"model"},
    "runtime": {"model", "kernel"},
    "agent": {"model", "policy", "kernel", "runtime"},
    "api": {"model", "policy", "kernel", "runtime"},
    "client": {"model"},
    "cli": {"model", "policy", "kernel", "runtime", "agent", "client"},
    "__main__": {"cli"},
    "": set(),
}

# Third-party module -> the only places it may be imported in.
ONLY_IN = {
    "yaml": ("nodeguard/model/document.py", "nodeguard/cli/"),
    "cgroupspy": ("nodeguard/kernel/cgroup/v1.py",),
    "pyroute2": ("nodeguard/kernel/netlink.py",),
    "inotify_simple": ("nodeguard/agent/",),
    "click": ("nodeguard/cli/",),
    "rich": ("nodeguard/cli/",),
    "uvicorn": ("nodeguard/api/",),
    "starlette": ("nodeguard/api/",),
    "h11": ("nodeguard/api/",),
    "anyio": ("nodeguard/api/",),
    "cryptography": ("nodeguard/api/",),
    "websockets": ("nodeguard/client/",),
}

# A value or a rule does not look at the machine, the clock or a die.
PURE_ROOMS = ("model", "policy")
IMPURE_MODULES = {
    *("asyncio", "fcntl", "logging", "multiprocessing", "os", "random", "secrets", "select", "selectors", "shutil"),
    *("signal", "socket", "subprocess", "tempfile", "threading", "time"),
}

# What these modules compute from their arguments alone.
PURE_NAMES = {"time.gmtime", "time.strftime", "os.fspath", "os.PathLike"}

# Each of these costs every command tens of milliseconds; inside the function that needs it, it costs only that one.
SLOW_MODULES = {
    "asyncio",
    "concurrent",
    "email",
    "http",
    "inspect",
    "jsonschema",
    "multiprocessing",
    "pyroute2",
    "rich",
    "sqlite3",
}

PROCESS_DOORS = ("nodeguard/kernel/process.py", "nodeguard/runtime/", "nodeguard/cli/")
PROCESS_CALLS = {"fork", "forkpty", "posix_spawn", "posix_spawnp", "system", "popen", "execv", "execve", "execvp"}


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE.parent).as_posix()


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def imported_modules(nodes: Iterator[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every import; ``from a import b`` gives a.b, as b may be a module."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def at_module_top(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes that run on import: everything outside functions and outside ``if TYPE_CHECKING``."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


@pytest.fixture(params=FILES, ids=relative)
def source(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_imports_are_absolute(source: Path) -> None:
    relative_ones = [n.lineno for n in ast.walk(tree_of(source)) if isinstance(n, ast.ImportFrom) and n.level > 0]
    assert not relative_ones, f"{relative(source)}: relative imports at lines {relative_ones}"


def test_imports_point_one_way(source: Path) -> None:
    room = room_of(source)
    allowed = MAY_IMPORT[room] | {room, "errors"}
    wrong = [
        f"{relative(source)}:{line}: {name}"
        for line, name in imported_modules(ast.walk(tree_of(source)))
        if name.startswith("nodeguard.") and name.split(".")[1] not in allowed | {"__version__"}
    ]
    assert not wrong, "\n".join(wrong)


def test_third_party_libraries_have_one_door(source: Path) -> None:
    wrong = []
    for line, name in imported_modules(ast.walk(tree_of(source))):
        top = name.split(".")[0]
        if top == "nodeguard" or top in sys.stdlib_module_names:
            continue
        if not relative(source).startswith(ONLY_IN.get(top, ())):
            wrong.append(f"{relative(source)}:{line}: {top} (allowed in {ONLY_IN.get(top, 'no file at all')})")
    assert not wrong, "\n".join(wrong)


def test_nothing_slow_is_imported_before_it_is_needed(source: Path) -> None:
    if room_of(source) == "api":  # a process of its own, started once
        return
    wrong = [
        f"{relative(source)}:{line}: {name}"
        for line, name in imported_modules(at_module_top(tree_of(source)))
        if name.split(".")[0] in SLOW_MODULES - ({"pyroute2"} if source.name == "netlink.py" else set())
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", [f for f in FILES if room_of(f) in PURE_ROOMS], ids=relative)
def test_values_and_rules_are_pure(path: Path) -> None:
    wrong = [
        f"{relative(path)}:{line}: {name}"
        for line, name in imported_modules(ast.walk(tree_of(path)))
        if name.split(".")[0] in IMPURE_MODULES and name not in PURE_NAMES
    ]
    wrong += [
        f"{relative(path)}:{node.lineno}: open()"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_command_line_prints(source: Path) -> None:
    if room_of(source) == "cli":
        return
    wrong = [
        f"{relative(source)}:{node.lineno}"
        for node in ast.walk(tree_of(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not wrong, "\n".join(wrong)


def test_processes_are_started_behind_one_door(source: Path) -> None:
    if relative(source).startswith(PROCESS_DOORS):
        return
    tree = tree_of(source)
    wrong = [
        f"{relative(source)}:{line}: {name}"
        for line, name in imported_modules(ast.walk(tree))
        if name.split(".")[0] in ("subprocess", "multiprocessing") or name.removeprefix("os.") in PROCESS_CALLS
    ]
    wrong += [
        f"{relative(source)}:{node.lineno}: os.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in PROCESS_CALLS
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ["model", "policy", "kernel", "runtime", "agent", "api", "client", "cli"])
def test_every_room_has_a_charter(room: str) -> None:
    charter = importlib.import_module(f"nodeguard.{room}").__doc__ or ""
    _, found, may_import = charter.partition("May import:")
    assert found, f"nodeguard/{room}/__init__.py does not say what it may import"
    named = {r for r in MAY_IMPORT if r and f"nodeguard.{r}" in may_import}
    assert "every room" in may_import or named == MAY_IMPORT[room] | {"errors"}


def test_every_room_is_known() -> None:
    assert {room_of(path) for path in FILES} == set(MAY_IMPORT)

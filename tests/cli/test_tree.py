"""``nodeguard tree``: the command; what it reads and draws is tested with ``agent/tree_view.py``."""

import json
from typing import Literal

import pytest

from nodeguard.agent.root import Root
from nodeguard.cli import tree
from nodeguard.cli.main import run
from nodeguard.errors import HostLacks


class FakeDriver:
    """A v2 host with these groups, each with one file."""

    mode: Literal["v2"] = "v2"
    version: Literal[2] = 2

    def __init__(self, *paths: str) -> None:
        self._paths = paths

    def exists(self, path: str) -> bool:
        return path in self._paths

    def inode(self, path: str) -> int:
        return 1

    def children(self, path: str) -> list[str]:
        return [name.rpartition("/")[2] for name in self._paths if name.rpartition("/")[0] == path]

    def read(self, path: str, controller: str, file: str) -> str:
        if file == "cpu.weight":
            return "79"
        raise HostLacks(file)


@pytest.fixture(autouse=True)
def _own_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEGUARD_CONFIG", "/dev/null")
    monkeypatch.setenv("NODEGUARD_CGROUP_ROOT", "/ng")


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    fake = FakeDriver("/ng", "/ng/besteffort", "/ng/guaranteed")
    monkeypatch.setattr(tree, "find_root", lambda _: Root(driver=fake, path="/ng"))
    return fake


def test_the_tree_as_text(driver: FakeDriver, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tree"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("79")[0].strip(" ├└─|`-") for line in lines[1:]] == ["/ng", "guaranteed", "besteffort"]


def test_the_tree_as_json(driver: FakeDriver, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tree", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["cgroupMode"]) == ("CgroupTree", "v2")
    assert [child["name"] for child in found["root"]["children"]] == ["guaranteed", "besteffort"]
    assert found["root"]["cpuWeight"] == 79


def test_no_tree_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(tree, "find_root", lambda _: Root(driver=FakeDriver(), path="/ng"))
    assert run(["tree"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "There is no cgroup tree at /ng: no pod runs.\n")
    assert run(["tree", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["root"] is None


def test_a_host_without_cgroups(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_: object) -> None:
        raise HostLacks("no memory controller")

    monkeypatch.setattr(tree, "find_root", refuse)
    assert run(["tree"]) == 9
    assert capsys.readouterr().err == "Error: no memory controller\n"

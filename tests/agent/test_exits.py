"""The files in which exit codes come, and when they go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nodeguard.agent.exits import Exits


class FakeWatcher:
    """Tells of names when the test says so."""

    def __init__(self) -> None:
        self.appeared: Callable[[str], None] = lambda _: None

    def add(self, _directory: Path, _mask: int, callback: Callable[[str], None]) -> int:
        self.appeared = callback
        return 1


def test_a_code_is_handed_on_to_who_waits_for_it(tmp_path: Path) -> None:
    watcher, codes = FakeWatcher(), list[int]()
    exits = Exits(watcher, tmp_path)  # type: ignore[arg-type]
    exits.expect("a", codes.append)
    for name in ("a", "stranger"):
        (tmp_path / name).write_text("3")
        watcher.appeared(name)
    assert codes == [3]
    exits.forget("a")
    assert [path.name for path in tmp_path.iterdir()] == ["stranger"]


def test_a_code_that_could_not_be_written_down_elsewhere_stays(tmp_path: Path) -> None:
    watcher, codes = FakeWatcher(), list[int]()
    exits = Exits(watcher, tmp_path)  # type: ignore[arg-type]
    exits.expect("a", codes.append)
    (tmp_path / "a").write_text("3")
    exits.forget("a", keeps_file=True)
    watcher.appeared("a")
    assert codes == []
    assert (tmp_path / "a").read_text() == "3"
    exits.forget("a")
    assert not (tmp_path / "a").exists()

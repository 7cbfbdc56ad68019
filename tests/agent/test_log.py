"""Following and rotating a container's log."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.agent.log import CHUNK_BYTES, LINE_BYTES, ContainerLog, LogLine

STAMP = b"2026-11-21T05:00:00.000000000Z"


class Reader:
    def __init__(self, path: Path, max_bytes: int = 1 << 20, max_files: int = 3) -> None:
        self.lines: list[LogLine] = []
        self.log = ContainerLog(path, self.lines.append, max_bytes=max_bytes, max_files=max_files)

    def read(self) -> None:
        while self.log.read_some():
            pass

    def close(self) -> None:
        self.read()
        self.log.close()

    @property
    def content(self) -> list[bytes]:
        return [line.content for line in self.lines]


def append(path: Path, *entries: tuple[str, str, bytes]) -> None:
    with path.open("ab") as file:
        for stream, tag, content in entries:
            file.write(b" ".join((STAMP, stream.encode(), tag.encode(), content)) + b"\n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "0.log"


def test_new_lines_are_handed_on_once(path: Path) -> None:
    reader = Reader(path)
    reader.read()
    append(path, ("stdout", "F", b"one"))
    reader.read()
    reader.read()
    append(path, ("stderr", "F", b"two words"))
    reader.read()
    assert reader.lines == [
        LogLine(stream="stdout", content=b"one"),
        LogLine(stream="stderr", content=b"two words"),
    ]


def test_a_line_that_is_still_being_written_waits(path: Path) -> None:
    reader = Reader(path)
    path.write_bytes(STAMP + b" stdout F hel")
    reader.read()
    assert reader.lines == []
    with path.open("ab") as file:
        file.write(b"lo\n")
    reader.read()
    assert reader.content == [b"hello"]


def test_partial_entries_are_joined_for_each_stream(path: Path) -> None:
    reader = Reader(path)
    append(path, ("stdout", "P", b"a"), ("stderr", "F", b"x"), ("stdout", "F", b"b"))
    reader.read()
    assert reader.content == [b"x", b"ab"]


def test_a_line_without_an_end_comes_in_pieces(path: Path) -> None:
    reader = Reader(path)
    append(path, ("stdout", "P", b"z" * LINE_BYTES), ("stdout", "P", b"tail"))
    reader.read()
    assert reader.content == [b"z" * LINE_BYTES]
    reader.close()
    assert reader.content == [b"z" * LINE_BYTES, b"tail"]


def test_rotation_loses_nothing_and_keeps_the_newest_files(path: Path) -> None:
    reader = Reader(path, max_bytes=100, max_files=3)
    for second in range(5):
        append(path, ("stdout", "F", b"before" + b"." * 100))
        reader.read()
        assert reader.log.wants_rotation()
        aside = reader.log.rotate(1_000_000.0 + second)
        append(aside, ("stdout", "F", b"late"))
        assert not reader.log.wants_rotation()
        append(path, ("stdout", "F", b"new"))
        reader.read()
        assert not reader.log.wants_rotation()
    assert [line[:6] for line in reader.content] == [b"before", b"late", b"new"] * 5
    assert len(list(path.parent.glob("0.log.*"))) == 2


def test_much_is_read_piece_by_piece(path: Path) -> None:
    reader = Reader(path)
    append(path, *(("stdout", "F", str(n).encode()) for n in range(10_000)))
    assert reader.log.read_some(), "there is more"
    assert 0 < len(reader.lines) < CHUNK_BYTES / len(STAMP)
    reader.read()
    assert reader.content == [str(n).encode() for n in range(10_000)]


def test_the_tail_is_the_end_of_the_log_without_its_dressing(path: Path) -> None:
    reader = Reader(path)
    append(path, *(("stdout", "F", str(n).encode()) for n in range(100)))
    assert reader.log.tail(2, 100) == "98\n99"
    assert reader.log.tail(100, 3) == "\n99"
    assert Reader(path.with_name("none.log")).log.tail(2, 100) == ""


@given(st.binary(max_size=400))
def test_garbage_in_a_log_is_survived(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("log") / "0.log"
    path.write_bytes(data)
    reader = Reader(path)
    reader.read()
    reader.close()
    assert sum(len(line.content) for line in reader.lines) <= len(data)


def test_what_was_there_before_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    append(path, ("stdout", "F", b"old"))
    reader = Reader(path)
    reader.log.skip()
    append(path, ("stdout", "F", b"new"))
    reader.close()
    assert reader.content == [b"new"]


def test_a_log_that_nobody_wants_is_rotated_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    log = ContainerLog(path, None, max_bytes=100, max_files=3)
    append(path, ("stdout", "F", b"x" * 200))
    assert not log.read_some()
    assert log.wants_rotation()
    aside = log.rotate(0.0)
    assert not log.wants_rotation()
    append(path, ("stdout", "F", b"y"))
    assert log.read_some(), "there is a new file"
    assert not log.read_some()
    append(path, ("stdout", "F", b"y" * 200))
    assert log.wants_rotation()
    assert b"x" * 200 in aside.read_bytes()
    log.close()

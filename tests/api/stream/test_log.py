from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamserver import Pods, Server, pod, serving, until

from nodeguard.api.stream.log_file import LogFiles, entries_backwards
from nodeguard.api.stream.log_option import LogOptions
from nodeguard.api.stream.log_text import LogText

PLACE = "default_p_u1/main"


def entry(second: int, text: str, stream: str = "stdout", tag: str = "F") -> bytes:
    return f"2026-11-21T10:00:{second:02d}.500000000+00:00 {stream} {tag} {text}\n".encode()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    found = tmp_path / "log" / PLACE
    found.mkdir(parents=True)
    return found


@pytest.fixture
def pods(tmp_path: Path, directory: Path) -> Pods:
    pods = Pods(run_dir=tmp_path / "run", log_dir=tmp_path / "log")
    pods.add(pod())
    return pods


@pytest.fixture
def server(pods: Pods) -> Iterator[Server]:
    with serving(pods) as server:
        yield server


def text_of(*entries: bytes, options: LogOptions | None = None) -> str:
    text = LogText(options or LogOptions())
    return b"".join(text.feed([each.rstrip(b"\n")]) for each in entries).decode()


def read_all(files: LogFiles) -> list[bytes]:
    found = []
    while entries := files.read():
        found += entries
    return found


def log(server: Server, query: str = "") -> str:
    code, _, body = server.get(f"/api/v1/namespaces/default/pods/p/log?{query}")
    assert code == 200, body
    return body.decode()


# the text


def test_parts_of_a_line_are_joined() -> None:
    parts = [entry(1, "a", tag="P"), entry(1, "x", "stderr"), entry(2, "b")]
    assert text_of(parts[0], parts[2]) == "ab\n"
    assert text_of(*parts[:1]) == "a"


def test_timestamps_stand_before_lines_and_not_inside() -> None:
    told = text_of(entry(1, "a", tag="P"), entry(2, "b"), entry(3, "c"), options=LogOptions(timestamps=True))
    assert told == "2026-11-21T10:00:01.500000000Z ab\n2026-11-21T10:00:03.500000000Z c\n"


def test_since_leaves_out_what_is_older() -> None:
    at = 1795255200.0 + 2.5  # 10:00:02.5
    assert text_of(entry(1, "old"), entry(2, "new"), entry(1, "after"), options=LogOptions(since=at)) == "new\nafter\n"


def test_one_stream() -> None:
    assert text_of(entry(1, "a"), entry(1, "b", "stderr"), options=LogOptions(streams=("stderr",))) == "b\n"


def test_bytes_are_limited_to_the_byte() -> None:
    text = LogText(LogOptions(limit_bytes=5))
    assert text.feed([entry(1, "abc").rstrip(), entry(2, "def").rstrip()]) == b"abc\nd"
    assert text.is_full


@given(st.lists(st.binary(max_size=80)))
def test_no_file_is_too_strange(lines: list[bytes]) -> None:
    LogText(LogOptions(timestamps=True, since=1.0)).feed(lines)


# the files


@given(st.lists(st.text("ab\u00e9", max_size=40), max_size=30), st.booleans(), st.integers(1, 50))
def test_backwards_is_forwards_reversed(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], ends: bool, size: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "0.log"
    text = "\n".join(lines).encode() + (b"\n" if ends else b"")
    path.write_bytes(text)
    *whole, _ = text.split(b"\n")
    with pytest.MonkeyPatch.context() as patch, path.open("rb") as file:
        patch.setattr("nodeguard.api.stream.log_file._TAIL_BYTES", size)
        found = list(entries_backwards(file.fileno()))
    assert [each for _, each in found] == whole[::-1]
    for stop, each in found:
        assert text[:stop].endswith(each + b"\n")


def test_rotated_files_come_first(directory: Path) -> None:
    (directory / "0.log.20261121-100000").write_bytes(entry(1, "one"))
    (directory / "0.log.20261121-110000").write_bytes(entry(2, "two"))
    (directory / "0.log").write_bytes(entry(3, "three"))
    (directory / "10.log").write_bytes(entry(4, "of another container"))
    files = LogFiles(directory.parent.parent, PLACE, 0)
    files.open(None)
    assert [each.split()[-1] for each in read_all(files)] == [b"one", b"two", b"three"]
    for lines, expected in ((0, []), (1, [b"three"]), (2, [b"two", b"three"]), (9, [b"one", b"two", b"three"])):
        files.open(lines)
        assert [each.split()[-1] for each in read_all(files)] == expected
    files.close()


def test_a_tail_counts_lines_and_not_their_parts(directory: Path) -> None:
    (directory / "0.log").write_bytes(entry(1, "a") + entry(2, "b", tag="P") + entry(2, "c") + entry(3, "d"))
    files = LogFiles(directory.parent.parent, PLACE, 0)
    files.open(2)
    assert text_of(*read_all(files)) == "bc\nd\n"
    files.close()


def test_a_log_is_read_on_over_rotations(directory: Path) -> None:
    path = directory / "0.log"
    path.write_bytes(entry(1, "a"))
    files = LogFiles(directory.parent.parent, PLACE, 0)
    files.open(None)
    assert len(read_all(files)) == 1
    path.rename(directory / "0.log.20261121-100001")
    assert not files.has_news()  # the writer still has the old file
    assert read_all(files) == []
    with (directory / "0.log.20261121-100001").open("ab") as old:
        old.write(entry(2, "b"))
    path.write_bytes(entry(3, "c"))
    path.rename(directory / "0.log.20261121-100002")  # and once more, before anybody has looked
    path.write_bytes(entry(4, "d"))
    assert files.has_news()
    assert [each.split()[-1] for each in read_all(files)] == [b"b", b"c", b"d"]
    files.close()


@pytest.mark.parametrize("make", ["file", "directory", "fifo"])
def test_no_link_and_no_fifo_is_read(tmp_path: Path, directory: Path, make: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(entry(1, "secret"))
    if make == "file":
        (directory / "0.log").symlink_to(secret)
    elif make == "fifo":
        os.mkfifo(directory / "0.log")
    else:
        directory.rmdir()
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "0.log").write_bytes(entry(1, "secret"))
        directory.symlink_to(tmp_path / "other")
    files = LogFiles(tmp_path / "log", PLACE, 0)
    with pytest.raises(OSError):
        files.open(None)
    files.close()


# over HTTP


def test_options(server: Server, directory: Path) -> None:
    (directory / "0.log").write_bytes(entry(1, "a") + entry(2, "b", "stderr") + entry(3, "c"))
    assert log(server) == "a\nb\nc\n"
    assert log(server, "tailLines=1&container=main") == "c\n"
    assert log(server, "stream=Stderr") == "b\n"
    assert log(server, "sinceTime=2026-11-21T10:00:03Z") == "c\n"
    assert log(server, "limitBytes=3") == "a\nb"
    assert log(server, "timestamps=true&tailLines=1") == "2026-11-21T10:00:03.500000000Z c\n"


@pytest.mark.parametrize(
    ("target", "code", "message"),
    [
        ("q/log", 404, 'pods "q" not found'),
        ("p/log?container=x", 400, "container x is not valid for pod p"),
        ("p/log?previous=true", 400, 'previous terminated container "main" in pod "p" not found'),
        ("p/log", 400, 'the log of container "main" in pod "p" is not there any more'),
        (
            "p/log?tailLines=-1",
            422,
            'PodLogOptions "p" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
        ),
        (
            "p/log?sinceSeconds=1&sinceTime=2026-11-21T10:00:03Z",
            422,
            'PodLogOptions "p" is invalid: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified',
        ),
        ("p/log?sinceTime=yesterday", 400, 'unable to parse sinceTime: "yesterday" is no RFC 3339 time'),
        ("p/log?limitBytes=" + "9" * 5000, 400, None),
        ("p/log?tailLines=1&stream=Stdout", 422, None),
    ],
)
def test_refusals(server: Server, target: str, code: int, message: str | None) -> None:
    told = server.status(f"/api/v1/namespaces/default/pods/{target}")
    assert told[0] == code
    assert message in (None, told[1])


def test_following_ends_with_the_container(server: Server, pods: Pods, directory: Path) -> None:
    path = directory / "0.log"
    path.write_bytes(entry(1, "a"))
    told: list[str] = []
    follower = threading.Thread(target=lambda: told.append(log(server, "follow=true")))
    follower.start()
    with path.open("ab") as file:
        file.write(entry(2, "b"))
    pods.add(pod(main={"state": {"terminated": {"containerID": "nodeguard://u1_main_0"}}}))
    follower.join(20)
    assert told == ["a\nb\n"]


def test_a_follower_that_goes_leaves_no_descriptor(server: Server, directory: Path) -> None:
    (directory / "0.log").write_bytes(entry(1, "a"))
    before = _open_logs()
    for _ in range(5):
        connection = server.connect()
        connection.sendall(b"GET /api/v1/namespaces/default/pods/p/log?follow=1 HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"200" in connection.recv(4096)
        connection.close()
    until(lambda: _open_logs() == before)


def _open_logs() -> int:
    found = 0
    for fd in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that this directory is read with
            found += "0.log" in str(fd.readlink())
    return found

"""The output of a run: prefixes, events, and readers that are slow or gone."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from typing import BinaryIO

import pytest

from nodeguard.agent.log import LogLine
from nodeguard.cli.terminal import BEHIND_BYTES, Terminal
from nodeguard.model.meta import Event, ObjectMeta
from nodeguard.model.pod import Container, Pod

POD = Pod(meta=ObjectMeta(name="web"), containers=(Container(name="app"),))
EVENT = Event(at=1.5, type="Normal", reason="Started", message="Started it", pod="default/web", container="app")


def line(content: bytes) -> LogLine:
    return LogLine(stream="stdout", content=content)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, Terminal]]:
    """A terminal whose standard output is a pipe nobody has read from yet."""
    read_fd, write_fd = os.pipe()
    with os.fdopen(write_fd, "wb") as file:
        terminal = Terminal(None, "text", [POD])
        monkeypatch.setattr(terminal, "_log_file", file)
        yield read_fd, terminal


def test_lines_have_the_pod_and_container_in_front(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    terminal = Terminal(None, "none", [POD])
    terminal.log(POD, "app", line(b"hello \xff"))
    terminal.event(EVENT)
    terminal.finish([])
    assert capfdbinary.readouterr() == (b"[pod/web/app] hello \xff\n", b"")


def test_events_as_text_and_as_json(capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(None, "text", [POD])
    terminal.event(EVENT)
    terminal.finish([])
    assert capfd.readouterr().err == "Normal  Started          pod/web/app: Started it\n"
    terminal = Terminal(None, "json", [POD])
    terminal.event(EVENT)
    terminal.finish([])
    told = json.loads(capfd.readouterr().err)
    assert (told["at"], told["reason"], told["container"]) == ("1970-01-01T00:00:01.500000Z", "Started", "app")


def test_with_objects_on_stdout_logs_go_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal("json", "none", [POD])
    terminal.log(POD, "app", line(b"hello"))
    terminal.finish([{"kind": "Pod"}])
    out, err = capfd.readouterr()
    assert json.loads(out)["items"] == [{"kind": "Pod"}]
    assert err == "[pod/web/app] hello\n"


def test_a_reader_that_stands_still_holds_nobody_up(pipe: tuple[int, Terminal]) -> None:
    read_fd, terminal = pipe
    written = 0
    while terminal.keeps_up():
        terminal.log(POD, "app", line(b"x" * 65536))
        written += 1
    assert written * 65536 >= BEHIND_BYTES
    received: list[int] = []
    reader = threading.Thread(target=lambda: received.append(drain(read_fd)))
    reader.start()
    terminal.finish([])
    terminal._log_file.close()
    reader.join()
    assert received == [written * (65536 + len(b"[pod/web/app] \n"))]
    assert terminal.keeps_up()


def test_a_reader_that_is_gone_is_told_once_and_the_rest_goes_nowhere(pipe: tuple[int, Terminal]) -> None:
    read_fd, terminal = pipe
    calls: list[str] = []
    terminal.when_reader_is_gone(lambda: calls.append("gone"))
    os.close(read_fd)
    for _ in range(3):
        terminal.log(POD, "app", line(b"x"))
    terminal.finish([])
    assert calls == ["gone"]


def drain(fd: int) -> int:
    with os.fdopen(fd, "rb") as file:
        return len(read_all(file))


def read_all(file: BinaryIO) -> bytes:
    return file.read()

"""The API server's life: started, told, started again, ended. The programs here are small ones of the test's."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodeguard.agent import api_server
from nodeguard.agent.api_server import ApiServer
from nodeguard.agent.clock import Clock
from nodeguard.agent.listener import Listener
from nodeguard.agent.loop import Loop
from nodeguard.model.link import Message, Settled, Synced

ANSWERS = """
import os, socket, sys
link = socket.socket(fileno=int(os.environ["NODEGUARD_LINK_FD"]))
lines = link.makefile("rb")
for line in lines:
    if b'"synced"' in line:
        link.sendall(b'{"type":"settled","uid":"%d"}\\n' % os.getpid())
"""
ACCEPTS = """
import os, socket
link = socket.socket(fileno=int(os.environ["NODEGUARD_LINK_FD"]))
listening = socket.socket(fileno=int(os.environ["NODEGUARD_LISTEN_UNIX_FD"]))
while True:
    client, _ = listening.accept()
    client.sendall(b"%d" % os.getpid())
    client.close()
"""
ENDS = "import sys; sys.exit(3)"
IGNORES_THE_END = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(int(os.environ["NODEGUARD_LINK_FD"]), b'{"type":"settled","uid":"here"}\\n')
while True:
    time.sleep(1)
"""


class Story:
    def __init__(self, directory: Path, program: str) -> None:
        self.loop = Loop(Clock())
        self.listener = Listener(directory / "api.sock")
        self.listener.open()
        self.got: list[Message] = []
        self.started = 0
        argv = (sys.executable, "-I", "-c", program)
        self.server = ApiServer(self.loop, self.listener, self.translate, connected=self.connected, argv=argv)

    def translate(self, message: Message) -> Iterator[Callable[[], None]]:
        yield lambda: self.got.append(message)

    def connected(self) -> None:
        self.started += 1
        self.server.send(Synced())

    def until(self, done: Callable[[], bool]) -> None:
        late: list[bool] = []
        timer = self.loop.call_at(self.loop.clock.now() + 60, lambda: late.append(True))
        self.loop.run_until(lambda: done() or bool(late))
        timer.cancel()
        assert not late


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Callable[[str], Story]]:
    made: list[Story] = []

    def make(program: str) -> Story:
        made.append(Story(tmp_path, program))
        return made[-1]

    yield make
    for each in made:
        each.server.stop()
        each.until(lambda each=each: each.server.is_over)  # type: ignore[misc]
        each.listener.close()
        each.loop.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_server, "FIRST_BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(api_server, "END_SECONDS", 0.2)


def test_it_is_told_and_answers(story: Callable[[str], Story]) -> None:
    made = story(ANSWERS)
    made.server.start()
    made.until(lambda: bool(made.got))
    assert made.got == [Settled(uid=str(made.server.pid))]


def test_when_it_is_killed_another_one_follows_and_is_told_anew(story: Callable[[str], Story]) -> None:
    made = story(ANSWERS)
    made.server.start()
    for number in (1, 2, 3):
        made.until(lambda number=number: len(made.got) == number)  # type: ignore[misc]
        assert made.server.pid is not None
        os.kill(made.server.pid, signal.SIGKILL)
    made.until(lambda: len(made.got) == 4)
    assert len({message.uid for message in made.got if isinstance(message, Settled)}) == 4


def test_a_connection_that_came_between_two_of_them_is_served_by_the_next(story: Callable[[str], Story]) -> None:
    made = story(ACCEPTS)
    made.server.start()
    first = made.server.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    made.until(lambda: not made.server.is_connected)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(made.listener._path))
        client.settimeout(30)
        made.until(lambda: made.started == 2)
        assert int(client.recv(64)) == made.server.pid != first


def test_one_that_always_ends_is_started_less_and_less_often(story: Callable[[str], Story]) -> None:
    made = story(ENDS)
    made.server.start()
    made.until(lambda: made.started == 4)
    assert made.server._backoff_seconds == pytest.approx(0.01 * 2**3)


def test_one_that_does_not_end_is_ended(story: Callable[[str], Story]) -> None:
    made = story(IGNORES_THE_END)
    made.server.start()
    made.until(lambda: bool(made.got))
    made.server.stop()
    made.until(lambda: made.server.is_over)


def test_one_that_says_nonsense_is_replaced(story: Callable[[str], Story]) -> None:
    made = story("import os, time; os.write(int(os.environ['NODEGUARD_LINK_FD']), b'what?\\n'); time.sleep(600)")
    made.server.start()
    made.until(lambda: made.started == 2)


def test_it_is_started_without_the_agents_secrets(
    story: Callable[[str], Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    monkeypatch.setenv("NODEGUARD_DEBUG", "1")
    env = story(ENDS).server._environment()
    assert "NOTIFY_SOCKET" not in env
    assert env["NODEGUARD_DEBUG"] == "1"
    assert (env["NODEGUARD_LINK_FD"], env["NODEGUARD_LISTEN_UNIX_FD"]) == ("3", "4")
    assert "NODEGUARD_LISTEN_TLS_FD" not in env


def test_without_the_program_it_is_tried_again(story: Callable[[str], Story]) -> None:
    made = story(ENDS)
    made.server._argv = ("/nowhere/python",)
    made.server.start()
    assert not made.server.is_connected
    made.server._argv = (sys.executable, "-I", "-c", ANSWERS)
    made.until(lambda: bool(made.got))

"""What systemd is told."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeguard.agent.notify import Notifier, notifier, take_words, watchdog_seconds


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@nodeguard-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind("\0" + name[1:] if name.startswith("@") else name)
        made.settimeout(10)
        yield name, made


def test_every_word_reaches_systemd(systemd: tuple[str, socket.socket]) -> None:
    name, receiver = systemd
    told = notifier({"NOTIFY_SOCKET": name})
    told.ready("2 pods")
    told.alive()
    told.status("one line\nand what would be another")
    told.stopping()
    told.reloading()
    words = [receiver.recv(4096).decode() for _ in range(5)]
    assert words[:4] == [
        "READY=1\nSTATUS=2 pods",
        "WATCHDOG=1",
        "STATUS=one line and what would be another",
        "STOPPING=1",
    ]
    assert words[4].startswith("RELOADING=1\nMONOTONIC_USEC=")
    told.close()


def test_without_systemd_nothing_is_said_and_nothing_fails(tmp_path: Path) -> None:
    for env in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        told = notifier(env)
        told.ready("fine")
        told.close()
        told.stopping()


def test_a_full_queue_keeps_nobody_waiting(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        told = Notifier(str(tmp_path / "notify"))
        for _ in range(10_000):
            told.alive()
        told.close()


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_a_sign_of_life_comes_twice_as_often_as_systemd_wants_it(env: dict[str, str], seconds: float | None) -> None:
    assert watchdog_seconds(env, pid=7) == seconds


def test_what_systemd_says_is_for_this_process_alone() -> None:
    env = {"NOTIFY_SOCKET": "/run/systemd/notify", "WATCHDOG_USEC": "1", "PATH": "/bin"}
    assert take_words(env) == {"NOTIFY_SOCKET": "/run/systemd/notify", "WATCHDOG_USEC": "1"}
    assert env == {"PATH": "/bin"}

"""Telling systemd how the agent is: ready, reloading, stopping, alive.

A datagram to the socket that ``NOTIFY_SOCKET`` names; without one nobody wants to know.

Source: systemd, man 3 sd_notify, man 5 systemd.service (Type=notify-reload, WatchdogSec).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, MutableMapping
from contextlib import suppress


class Notifier:
    """Says what it is told to say. A systemd that does not listen, or whose queue is full, keeps nobody waiting."""

    def __init__(self, address: str) -> None:
        """``address`` is a path, or a name after ``@`` in the abstract namespace; empty: nothing is said."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket: socket.socket | None = None
        if address.startswith(("/", "@")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    def ready(self, status: str) -> None:
        """Pods are looked after, and the API listens."""
        self._say("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is read anew; ``ready`` follows, whether or not it could be."""
        now_usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._say("RELOADING=1", f"MONOTONIC_USEC={now_usec}")

    def status(self, text: str) -> None:
        """What ``systemctl status`` shows."""
        self._say(f"STATUS={text}")

    def stopping(self) -> None:
        """The agent ends because it was asked to."""
        self._say("STOPPING=1")

    def alive(self) -> None:
        """The sign of life that the watchdog waits for."""
        self._say("WATCHDOG=1")

    def close(self) -> None:
        """Nothing more to say."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _say(self, *lines: str) -> None:
        if self._socket is not None:
            text = "\n".join(line.replace("\n", " ") for line in lines)
            with suppress(OSError):
                self._socket.sendto(text.encode(), self._address)


def take_words(env: MutableMapping[str, str]) -> dict[str, str]:
    """What systemd told this process, out of its environment: no child speaks in its name.

    runc would even hand the socket on to containers.
    """
    return {name: env.pop(name) for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID") if name in env}


def notifier(env: Mapping[str, str]) -> Notifier:
    """The notifier for this environment."""
    return Notifier(env.get("NOTIFY_SOCKET", ""))


def watchdog_seconds(env: Mapping[str, str], pid: int | None = None) -> float | None:
    """How often to give a sign of life: half of what systemd waits for; None when it does not wait.

    Source: systemd, man 3 sd_watchdog_enabled.
    """
    text, whose = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
    if not text.isdecimal() or int(text) == 0 or whose not in ("", str(os.getpid() if pid is None else pid)):
        return None
    return int(text) / 2e6

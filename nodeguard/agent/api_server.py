"""The API server: a child process that is started again whenever it ends, and never waited for.

Source: docs/decisions/0006-the-api-is-a-process-of-its-own.md.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence

from nodeguard.agent.link import Link, Translate
from nodeguard.agent.listener import Listener
from nodeguard.agent.loop import Loop, Timer
from nodeguard.errors import NodeguardError
from nodeguard.kernel import process
from nodeguard.kernel.process import Service
from nodeguard.model.link import Message

log = logging.getLogger(__name__)

_ISOLATION = "-I" if sys.flags.isolated else "-P"
"""As this process: what was installed looks nowhere else for modules, and nobody looks in the current directory."""

ARGV = (sys.executable, _ISOLATION, "-m", "nodeguard.api")
LINK, UNIX, TLS = 3, 4, 5
"""The numbers its descriptors have there."""

FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.2, 10.0
STEADY_SECONDS = 30.0
"""After so long without an end, the next one counts as the first."""

END_SECONDS = 5.0
"""How long it may take to close its store once the link is closed."""

OOM_SCORE_ADJ = 0
"""It inherits the agent's, which would make a client that fills its memory everybody's problem."""

_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "TMPDIR")
_OURS = "NODEGUARD_"


class ApiServer:
    """Starts it, tells it things, and ends it. All methods are called in the loop's thread."""

    def __init__(
        self,
        loop: Loop,
        listener: Listener,
        translate: Translate,
        *,
        connected: Callable[[], None],
        disconnected: Callable[[], None] = lambda: None,
        argv: Sequence[str] = ARGV,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        """``connected()`` is called whenever a new one has been started: it knows nothing yet.

        ``disconnected()`` is called when what is sent reaches nobody any more.
        """
        self._loop, self._listener, self._translate = loop, listener, translate
        self._connected, self._disconnected = connected, disconnected
        self._argv, self._env = argv, env
        self._service: Service | None = None
        self._link: Link | None = None
        self._timer: Timer | None = None
        self._backoff_seconds = FIRST_BACKOFF_SECONDS
        self._started_at = 0.0
        self._is_wanted = False

    @property
    def is_connected(self) -> bool:
        """What is sent now reaches one."""
        return self._link is not None

    @property
    def is_over(self) -> bool:
        """It has ended and none follows."""
        return self._service is None and not self._is_wanted

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return None if self._service is None else self._service.pid

    def start(self) -> None:
        """Have one from now on."""
        self._is_wanted = True
        self._begin()

    def send(self, message: Message, key: object = None) -> None:
        """Tell it; while there is none nothing happens: the next one is told all there is."""
        if self._link is not None:
            self._link.send(message, key)

    def look(self) -> None:
        """See whether it still takes what it is told; to be called every few seconds."""
        if self._link is not None:
            self._link.look()

    def stop(self) -> None:
        """Have none any more; ``is_over`` once it has ended."""
        self._is_wanted = False
        if self._timer is not None:
            self._timer.cancel()
        self._close_link()
        if self._service is not None:
            self._timer = self._loop.call_at(self._loop.clock.now() + END_SECONDS, self._kill)

    def _begin(self) -> None:
        self._timer = None
        ours, theirs = socket.socketpair()
        try:
            self._service = process.start_service(self._argv, env=self._environment(), fds=self._descriptors(theirs))
        except NodeguardError as e:
            ours.close()
            log.error("API server not started: %s", e)
            self._again()
            return
        finally:
            theirs.close()
        self._service.set_oom_score_adj(OOM_SCORE_ADJ)
        self._started_at = self._loop.clock.now()
        self._loop.watch(self._service.pidfd, self._ended)
        self._link = Link(self._loop, ours, self._translate, self._lost)
        self._connected()

    def _descriptors(self, link: socket.socket) -> dict[int, int]:
        found = {LINK: link.fileno()}
        if self._listener.unix is not None:
            found[UNIX] = self._listener.unix.fileno()
        if self._listener.tcp is not None:
            found[TLS] = self._listener.tcp.fileno()
        return found

    def _environment(self) -> dict[str, str]:
        env = {name: value for name, value in self._env.items() if name in _KEPT_VARIABLES or name.startswith(_OURS)}
        env["NODEGUARD_LINK_FD"] = str(LINK)
        if self._listener.unix is not None:
            env["NODEGUARD_LISTEN_UNIX_FD"] = str(UNIX)
        if self._listener.tcp is not None:
            env["NODEGUARD_LISTEN_TLS_FD"] = str(TLS)
        return env

    def _lost(self, why: str) -> None:
        """The link has ended before the process: it has the time that an orderly end takes."""
        self._close_link()
        log.warning("link to the API server lost: %s", why)
        if self._service is not None and self._timer is None:
            self._timer = self._loop.call_at(self._loop.clock.now() + END_SECONDS, self._kill)

    def _close_link(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
            self._disconnected()

    def _kill(self) -> None:
        self._timer = None
        if self._service is not None:
            log.warning("API server did not end in time pid=%d", self._service.pid)
            self._service.signal(signal.SIGKILL)

    def _ended(self) -> None:
        assert self._service is not None
        self._loop.unwatch(self._service.pidfd)
        code = self._service.finish()
        self._service = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._close_link()
        if self._is_wanted:
            log.warning("API server ended exit_code=%d; another one follows, pods go on", code)
            self._again()

    def _again(self) -> None:
        now = self._loop.clock.now()
        if now - self._started_at >= STEADY_SECONDS:
            self._backoff_seconds = FIRST_BACKOFF_SECONDS
        self._timer = self._loop.call_at(now + self._backoff_seconds, self._begin)
        self._backoff_seconds = min(MAX_BACKOFF_SECONDS, 2 * self._backoff_seconds)

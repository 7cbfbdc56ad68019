"""The API server's end of the link: messages in order, questions with their answers.

Source: docs/decisions/0006-the-api-is-a-process-of-its-own.md; the messages are in nodeguard/model/link.py.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

from nodeguard.api.status import ApiError, internal_error, unavailable
from nodeguard.errors import LinkFault
from nodeguard.model.link import MAX_LINE_BYTES, Hello, Message, Query, Reply, decode, encode

log = logging.getLogger(__name__)

QUERY_SECONDS = 10.0


class Link:
    """One connection to the agent; when it ends, so does the process."""

    def __init__(self) -> None:
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._queries: dict[int, asyncio.Future[Any]] = {}
        self._last_query = 0

    async def open(self, sock: socket.socket) -> Hello:
        """The agent's first word.

        Raises:
            LinkFault: it was another one, or none.
        """
        self._reader, self._writer = await asyncio.open_unix_connection(sock=sock, limit=MAX_LINE_BYTES)
        first = await self._read()
        if not isinstance(first, Hello):
            raise LinkFault("the agent did not say hello" if first is not None else "the agent closed the link")
        return first

    async def listen(self, handle: Callable[[Message], None]) -> None:
        """Hand on each message until the agent closes the link. A message that fails is logged, the next one is read.

        Raises:
            LinkFault: what came is no message.
        """
        while (message := await self._read()) is not None:
            try:
                if isinstance(message, Reply):
                    self._answer(message)
                else:
                    handle(message)
            except Exception:  # one sick pod does not stop the others
                log.exception("link message failed type=%s", type(message).__name__)

    def send(self, message: Message) -> None:
        """Send a message; one that is too long, or comes after the end, is logged and lost."""
        if self._writer is None or self._writer.is_closing():
            return
        try:
            self._writer.write(encode(message))
        except LinkFault as e:
            log.error("link message not sent error=%s", e)

    async def query(self, what: str, args: dict[str, Any] | None = None, seconds: float = QUERY_SECONDS) -> Any:
        """The agent's answer.

        Raises:
            ApiError: the agent's own, or that it did not answer in time.
        """
        self._last_query += 1
        number = self._last_query
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queries[number] = answer
        try:
            self.send(Query(id=number, what=what, args=args or {}))
            return await asyncio.wait_for(answer, seconds)
        except TimeoutError:
            raise unavailable(f"the agent did not answer within {seconds:g} s ({what})") from None
        finally:
            del self._queries[number]

    def close(self) -> None:
        """Close this end."""
        if self._writer is not None:
            self._writer.close()

    async def _read(self) -> Message | None:
        if self._reader is None:
            raise LinkFault("the link is not open")
        try:
            line = await self._reader.readline()
        except ValueError:
            raise LinkFault(f"a line is longer than {MAX_LINE_BYTES} bytes") from None
        except ConnectionError:
            return None
        if not line.endswith(b"\n"):
            return None
        return decode(line)

    def _answer(self, reply: Reply) -> None:
        waiting = self._queries.get(reply.id)
        if waiting is None or waiting.done():
            return
        error = reply.error
        if error is None:
            waiting.set_result(reply.value)
        elif isinstance(error.get("code"), int):
            waiting.set_exception(ApiError(error["code"], str(error.get("reason", "")), str(error.get("message", ""))))
        else:
            waiting.set_exception(internal_error("the agent's answer makes no sense"))

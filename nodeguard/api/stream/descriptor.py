"""Descriptors that do not block, in an event loop: read and written when they are ready."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any


async def read(fd: int, size: int, ended: asyncio.Event | None = None) -> bytes:
    """What is there to read, waiting until there is something; empty at the end.

    Once ``ended`` is set nothing more is waited for: who still holds the other end may hold it for ever.
    """
    while True:
        try:
            return os.read(fd, size)
        except BlockingIOError:
            if ended is not None and ended.is_set():
                return b""
            await _until_readable(fd, ended)
        except OSError:  # EIO: a terminal whose other end is closed
            return b""


async def write(fd: int, data: bytes) -> None:
    """All of it, waiting while nobody reads.

    Raises:
        OSError: nobody will (BrokenPipeError; EIO for a terminal).
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            await until_writable(fd)


async def until_readable(fd: int) -> None:
    """There is something to read, or an end: of a pidfd, the process's."""
    await _until_readable(fd, None)


async def until_writable(fd: int) -> None:
    """There is room again."""
    loop = asyncio.get_running_loop()
    await _until(lambda ready: loop.add_writer(fd, ready), lambda: loop.remove_writer(fd))


async def _until_readable(fd: int, ended: asyncio.Event | None) -> None:
    loop = asyncio.get_running_loop()
    end = None if ended is None else asyncio.ensure_future(ended.wait())
    try:
        await _until(lambda ready: loop.add_reader(fd, ready), lambda: loop.remove_reader(fd), end)
    finally:
        if end is not None:
            end.cancel()
            with suppress(asyncio.CancelledError):
                await end


async def _until(
    watch: Callable[[Callable[[], None]], object],
    unwatch: Callable[[], object],
    end: asyncio.Future[Any] | None = None,
) -> None:
    ready = asyncio.get_running_loop().create_future()

    def set_ready() -> None:
        if not ready.done():
            ready.set_result(None)

    watch(set_ready)
    try:
        await (ready if end is None else asyncio.wait((ready, end), return_when=asyncio.FIRST_COMPLETED))
    finally:
        unwatch()
        ready.cancel()

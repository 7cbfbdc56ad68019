"""The last changes of one resource: what a watch that begins in the past still has to hear."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from nodeguard.api.status import expired
from nodeguard.api.store.entry import Change

MAX_CHANGES = 4096
MAX_BYTES = 2 << 20


class Window:
    """Changes in the order of their revisions; bounded in number and bytes, the oldest goes first.

    A watch keeps no queue of its own, only the revision it has got to: a slow one costs nothing, and one that is too
    slow finds its next change gone and has to list anew.
    """

    def __init__(self, revision: int) -> None:
        self.complete_since = revision
        """Every change after this revision is here."""
        self._changes: deque[Change] = deque()
        self._bytes = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def extend(self, changes: Iterable[Change]) -> None:
        """Take in what was committed, and wake who waits."""
        for change in changes:
            self._changes.append(change)
            self._bytes += len(change.entry.body)
        while len(self._changes) > MAX_CHANGES or (self._bytes > MAX_BYTES and len(self._changes) > 1):
            oldest = self._changes.popleft()
            self._bytes -= len(oldest.entry.body)
            self.complete_since = oldest.entry.revision
        self.wake()

    def wake(self) -> None:
        """Have everyone who waits look again."""
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def after(self, revision: int) -> list[Change]:
        """The changes after a revision, oldest first.

        Raises:
            ApiError: 410, some of them are gone.
        """
        if revision < self.complete_since:
            raise expired(f"too old resource version: {revision} ({self.complete_since})")
        found: list[Change] = []
        for change in reversed(self._changes):
            if change.entry.revision <= revision:
                break
            found.append(change)
        found.reverse()
        return found

    def has_after(self, revision: int) -> bool:
        """Whether there is something new."""
        return bool(self._changes) and self._changes[-1].entry.revision > revision

    def changed(self) -> asyncio.Future[None]:
        """Done at the next change. Who no longer waits cancels it."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        return future

"""Watches: one line of JSON for each change, for as long as the client listens.

Source: kubernetes, staging/src/k8s.io/apiserver/pkg/endpoints/handlers/watch.go, pkg/storage/cacher; API concepts,
"Efficient detection of changes", "Streaming lists".
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from nodeguard.api.context import Context
from nodeguard.api.rest.form import Form, choose_form
from nodeguard.api.rest.option import ListOptions, parse_revision
from nodeguard.api.rest.read import check_not_ahead, target_selector
from nodeguard.api.rest.respond import encode
from nodeguard.api.rest.selector import Selector
from nodeguard.api.rest.target import Target
from nodeguard.api.status import ApiError
from nodeguard.api.store.entry import Change, ChangeType, Entry, make_entry
from nodeguard.api.store.window import Window

BOOKMARK_SECONDS = 60.0
MIN_SECONDS = 1800
"""A watch without ``timeoutSeconds`` ends after this and up to as much again. Source: MinRequestTimeout."""
_SENT_AT_ONCE = 256 * 1024


class WatchResponse:
    """The answer to a watch, as ASGI has it."""

    def __init__(self, watch: Watch, lines: Iterable[bytes], seconds: float) -> None:
        self._watch, self._lines, self._seconds = watch, lines, seconds

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client goes, the time is over, or the client is too slow."""
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-cache, private")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sender = asyncio.ensure_future(self._send(send))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait((sender, gone), return_when=asyncio.FIRST_COMPLETED, timeout=self._seconds)
        finally:
            for task in (sender, gone):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await sender
        if not gone.done() or gone.cancelled():
            with suppress(OSError):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        try:
            await _send_all(send, self._lines, always=True)
            while True:
                await _send_all(send, await self._watch.next())
        except ApiError as e:
            await _send_all(send, [b'{"type":"ERROR","object":' + encode(e.object()) + b"}\n"])


class Watch:
    """What one client has been told so far, and what it is told next."""

    def __init__(self, window: Window, form: Form, selector: Selector, since: int, now: Callable[[], float]) -> None:
        self._window, self._form, self._selector, self._now = window, form, selector, now
        self._since = since
        self._is_first = True
        self.namespace = ""
        self.bookmarks = False
        self.revision: Callable[[], int] = lambda: since
        """The store's revision, for bookmarks."""

    def initial(self, entries: list[Entry], *, tell_end: bool) -> Iterator[bytes]:
        """A line for each object that is there already, and one that says that these were all.

        Each is made when it is sent: many that read slowly hold nothing but references.
        """
        for entry in entries:
            if self._selector.matches(entry):
                yield self._line(ChangeType.ADDED, entry)
        if tell_end:
            yield self._bookmark(is_end_of_initial=True)

    async def next(self) -> list[bytes]:
        """The next lines, which are about at least one change, or a bookmark.

        Raises:
            ApiError: 410, the client is too slow.
        """
        while True:
            if not self._window.has_after(self._since):
                changed = self._window.changed()
                try:
                    await asyncio.wait_for(changed, BOOKMARK_SECONDS)
                except TimeoutError:
                    if self._window.has_after(self._since):
                        continue
                    self._since = max(self._since, self.revision())
                    if self.bookmarks:
                        return [self._bookmark(is_end_of_initial=False)]
                    continue
            changes = self._window.after(self._since)
            if not changes:
                continue
            if lines := self._lines(changes):
                return lines

    def _lines(self, changes: list[Change]) -> list[bytes]:
        """As many as are sent at once: the others stay in the window, where they cost nothing."""
        lines: list[bytes] = []
        size = 0
        for change in changes:
            if size >= _SENT_AT_ONCE:
                break
            self._since = change.entry.revision
            if line := self._told(change):
                lines.append(line)
                size += len(line)
        return lines

    def _told(self, change: Change) -> bytes | None:
        """The line about a change: what enters the selection is added, what leaves it is deleted."""
        entry, previous = change.entry, change.previous
        if self.namespace and entry.key.namespace != self.namespace:
            return None
        was_shown = previous is not None and self._selector.matches(previous)
        if change.type is ChangeType.DELETED:
            return self._line(ChangeType.DELETED, entry) if was_shown else None
        if self._selector.matches(entry):
            return self._line(ChangeType.MODIFIED if was_shown else ChangeType.ADDED, entry)
        if was_shown and previous is not None:
            return self._line(ChangeType.DELETED, make_entry(entry.key, previous.object(), entry.revision))
        return None

    def _line(self, change_type: ChangeType, entry: Entry) -> bytes:
        line = self._form.event(change_type, entry, self._now(), is_first=self._is_first)
        self._is_first = False
        return line

    def _bookmark(self, *, is_end_of_initial: bool) -> bytes:
        first, self._is_first = self._is_first, False
        return self._form.bookmark(self._since, self._now(), is_end_of_initial=is_end_of_initial, is_first=first)


def watch_objects(context: Context, target: Target, request: Request, options: ListOptions) -> WatchResponse:
    """The watch a request asks for.

    Raises:
        ApiError: the options make no sense, or the watch would begin too far back.
    """
    accept, include = request.headers.get("accept", ""), request.query_params.get("includeObject", "")
    form = choose_form(target.resource, accept, include)
    selector = target_selector(target, options)
    store = context.store
    window = store.window(target.storage)
    revision = parse_revision(options.resource_version) if options.resource_version else 0
    check_not_ahead(context, revision)
    begins_with_all = options.send_initial_events or (revision == 0 and options.send_initial_events is None)
    since = store.revision if begins_with_all or revision == 0 else revision
    watch = Watch(window, form, selector, since, context.now)
    watch.namespace = target.namespace
    watch.bookmarks = options.bookmarks
    watch.revision = lambda: store.revision
    lines: Iterable[bytes] = ()
    if begins_with_all:
        entries = store.entries(target.storage, target.namespace)
        lines = watch.initial(entries, tell_end=bool(options.send_initial_events))
    else:
        window.after(since)
    seconds = options.timeout_seconds if options.timeout_seconds else MIN_SECONDS * (1 + random.random())
    return WatchResponse(watch, lines, seconds)


async def _send_all(send: Send, lines: Iterable[bytes], *, always: bool = False) -> None:
    piece: list[bytes] = []
    size = 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size >= _SENT_AT_ONCE:
            await send({"type": "http.response.body", "body": b"".join(piece), "more_body": True})
            piece, size = [], 0
    if piece or always:  # with nothing to send yet, the headers have to go out nevertheless
        await send({"type": "http.response.body", "body": b"".join(piece), "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

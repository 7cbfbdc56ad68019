"""The objects of the API, with one order of all changes.

Everything here runs on the event loop and none of it waits, but for the commits: they run in a thread, all that came in
meanwhile in one. Who changes an object reads ``latest``, which knows what is not committed yet; who shows objects reads
``get`` and ``entries``, which know only what is.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from nodeguard.api.status import ApiError, insufficient_storage, internal_error
from nodeguard.api.store.database import Database, StoreFailed, is_damage
from nodeguard.api.store.entry import Change, ChangeType, Entry, Key, Object, make_entry, read_entry
from nodeguard.api.store.window import Window

log = logging.getLogger(__name__)

MAX_OBJECT_BYTES = 1536 * 1024
"""As etcd's default bound of a request, which is what keeps objects small in a cluster."""


INTERNAL = "_"
"""Resources that begin so are notes of the server's own: no path leads to them, and nobody watches them."""


@dataclass(slots=True)
class _Write:
    key: Key
    entry: Entry
    is_deletion: bool
    is_kept: bool
    is_urgent: bool
    done: asyncio.Future[Entry]


class Store:
    """Committed objects by resource; pending ones on top of them."""

    def __init__(self, database: Database) -> None:
        """Read everything from the file; entries that make no sense are left out and logged."""
        self._database = database
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        rows, self.revision = database.load()
        self._last = self.revision
        """The highest revision given out, committed or not."""
        self._objects: defaultdict[str, dict[tuple[str, str], Entry]] = defaultdict(dict)
        self._dependents: defaultdict[str, set[Key]] = defaultdict(set)
        self._pending: dict[Key, _Write] = {}
        self._queue: list[_Write] = []
        self._is_writing = False
        self._trouble = ""
        self._windows: dict[str, Window] = {}
        self._begun_at = self.revision
        self.listeners: list[Callable[[Change], None]] = []
        """Called on the loop with each committed change, before watches hear of it."""
        self.on_damage: Callable[[str], None] = log.error
        """Called with what happened when the file turned out to be damaged and was made anew."""
        for key, body in rows:
            try:
                self._place(read_entry(key, body), None)
            except (ValueError, KeyError, TypeError):
                log.error("object unreadable, left out key=%s", "/".join(key))

    def get(self, key: Key) -> Entry | None:
        """The object as it is committed."""
        return self._objects[key.resource].get((key.namespace, key.name))

    def latest(self, key: Key) -> Entry | None:
        """The object as it will be when all that was put is committed."""
        pending = self._pending.get(key)
        if pending is None:
            return self.get(key)
        return None if pending.is_deletion else pending.entry

    def entries(self, resource: str, namespace: str = "") -> list[Entry]:
        """The committed objects, by namespace and name; of all namespaces when none is given."""
        found = self._objects[resource]
        if namespace:
            return [found[place] for place in sorted(place for place in found if place[0] == namespace)]
        return [found[place] for place in sorted(found)]

    def count(self, resource: str) -> int:
        """How many committed objects there are."""
        return len(self._objects[resource])

    def resources(self) -> tuple[str, ...]:
        """Every resource that has objects."""
        return tuple(resource for resource, found in self._objects.items() if found)

    def dependents(self, uid: str) -> list[Entry]:
        """The committed objects that name this uid among their owners."""
        return [entry for key in self._dependents.get(uid, ()) if (entry := self.get(key)) is not None]

    def window(self, resource: str) -> Window:
        """The last changes of a resource."""
        window = self._windows.get(resource)
        if window is None:
            window = self._windows[resource] = Window(self._begun_at)
        return window

    def put(self, key: Key, obj: Object, *, keep: bool = True, urgent: bool = False) -> asyncio.Future[Entry]:
        """Make or replace an object, whose resourceVersion is set; done when it is committed.

        With ``keep`` False it is not written to the file: what is worth nothing after a restart. What is ``urgent``,
        as removals are, is written with the last of a full disk: it leads to there being more room.

        Raises (the call, or the future):
            ApiError: it is too large, cannot be encoded, or cannot be written.
        """
        try:
            entry = make_entry(key, obj, self._last + 1)
        except (ValueError, TypeError, RecursionError) as e:
            raise ApiError(400, "BadRequest", f"the object cannot be encoded: {type(e).__name__}") from None
        if len(entry.body) > MAX_OBJECT_BYTES:
            raise ApiError(413, "RequestEntityTooLarge", f"the object is larger than {MAX_OBJECT_BYTES} bytes")
        return self._add(_Write(key, entry, False, keep, urgent, asyncio.get_running_loop().create_future()))

    def remove(self, key: Key, last: Object) -> asyncio.Future[Entry]:
        """Remove an object; ``last`` is what watches are told it was. Done when it is committed."""
        entry = make_entry(key, last, self._last + 1)
        return self._add(_Write(key, entry, True, True, True, asyncio.get_running_loop().create_future()))

    async def committed(self, key: Key) -> None:
        """Return when what was put of this object so far is committed.

        Raises:
            ApiError: it is not, and never will be.
        """
        pending = self._pending.get(key)
        if pending is not None:
            await asyncio.shield(pending.done)

    async def settle(self) -> None:
        """Return when all that was put so far is committed, or has failed."""
        while self._queue or self._is_writing:
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Write what waits and close the file."""
        await self.settle()
        self._thread.shutdown()
        self._database.close()

    def _add(self, write: _Write) -> asyncio.Future[Entry]:
        self._last = write.entry.revision
        write.done.add_done_callback(_heard)
        self._pending[write.key] = write
        self._queue.append(write)
        if not self._is_writing:
            self._is_writing = True
            asyncio.get_running_loop().call_soon(self._write_next)
        return write.done

    def _write_next(self) -> None:
        batch, self._queue = self._queue, []
        if batch:
            self._write(batch)
        else:
            self._is_writing = False

    def _write(self, batch: list[_Write]) -> None:
        if not self._database.has_room():
            batch = self._only_urgent(batch, StoreFailed("the disk is full", is_full=True))
            if not batch:
                self._write_next()
                return
        kept = [(write.key, None if write.is_deletion else write.entry) for write in batch if write.is_kept]
        if not kept:
            self._commit(batch)
            self._write_next()
            return
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._thread, self._database.write, kept, batch[-1].entry.revision)
        future.add_done_callback(lambda done: self._written(batch, done))

    def _written(self, batch: list[_Write], done: asyncio.Future[None]) -> None:
        error = done.exception()
        if isinstance(error, StoreFailed) and is_damage(error):
            error = self._rebuild(batch)
        if error is None:
            if self._trouble and self._database.has_room():
                log.info("store written again")
                self._trouble = ""
            self._commit(batch)
        elif isinstance(error, StoreFailed) and error.is_full and self._database.give_up_reserve():
            self._queue = self._only_urgent(batch, error)
        else:
            self._fail(batch, error)
        self._write_next()

    def _rebuild(self, batch: list[_Write]) -> BaseException | None:
        """Everything is in memory, too: write it to a new file. Waits for the disk, as nothing else could go on."""
        entries: dict[Key, Entry | None] = {e.key: e for found in self._objects.values() for e in found.values()}
        entries.update({write.key: None if write.is_deletion else write.entry for write in batch})
        try:
            self._database.rebuild(entries.items(), batch[-1].entry.revision)
        except StoreFailed as e:
            return e
        asyncio.get_running_loop().call_soon(self.on_damage, self._database.damaged)
        return None

    def _commit(self, batch: Iterable[_Write]) -> None:
        changes: defaultdict[str, list[Change]] = defaultdict(list)
        for write in batch:
            key, entry = write.key, write.entry
            previous = self.get(key)
            if write.is_deletion:
                change_type = ChangeType.DELETED
                self._take_away(previous)
            else:
                change_type = ChangeType.ADDED if previous is None else ChangeType.MODIFIED
                self._place(entry, previous)
            self.revision = entry.revision
            if self._pending.get(key) is write:
                del self._pending[key]
            is_told = not key.resource.startswith(INTERNAL)
            if is_told and (previous is not None or not write.is_deletion):
                changes[key.resource].append(Change(change_type, entry, previous))
        for resource, of_one in changes.items():
            for change in of_one:
                for listener in self.listeners:
                    try:
                        listener(change)
                    except Exception:  # the others, and everyone who waits for this commit, must hear of it
                        log.exception("change not followed up object=%s", "/".join(change.entry.key))
            self.window(resource).extend(of_one)
        for write in batch:
            if not write.done.done():
                write.done.set_result(write.entry)

    def _only_urgent(self, batch: list[_Write], error: StoreFailed) -> list[_Write]:
        """What is written all the same on a full disk; the rest fails."""
        waiting, self._queue = batch + self._queue, []
        urgent = [write for write in waiting if write.is_urgent or not write.is_kept]
        self._fail([write for write in waiting if write.is_kept and not write.is_urgent], error)
        self._pending = {write.key: write for write in urgent}
        return urgent

    def _fail(self, batch: list[_Write], error: BaseException) -> None:
        """Nothing of it is on the disk; what was put since may rest on it, and fails with it."""
        batch, self._queue = batch + self._queue, []
        self._pending.clear()
        if batch and str(error) != self._trouble:
            log.error("store not written changes=%d error=%s", len(batch), error)
            self._trouble = str(error)
        for write in batch:
            if not write.done.done():
                write.done.set_exception(_as_api_error(error))

    def _place(self, entry: Entry, previous: Entry | None) -> None:
        self._disown(previous)
        self._objects[entry.key.resource][entry.key.namespace, entry.key.name] = entry
        for uid in entry.owners:
            self._dependents[uid].add(entry.key)

    def _take_away(self, entry: Entry | None) -> None:
        if entry is not None:
            self._disown(entry)
            del self._objects[entry.key.resource][entry.key.namespace, entry.key.name]

    def _disown(self, entry: Entry | None) -> None:
        for uid in entry.owners if entry is not None else ():
            keys = self._dependents[uid]
            keys.discard(entry.key)  # type: ignore[union-attr]  # owners are those of an entry
            if not keys:
                del self._dependents[uid]


def _heard(done: asyncio.Future[Entry]) -> None:
    """Not everyone who puts something waits for it; the failure is in the log already."""
    if not done.cancelled():
        done.exception()


def _as_api_error(error: BaseException) -> ApiError:
    if isinstance(error, StoreFailed) and error.is_full:
        return insufficient_storage(
            "the disk that holds the objects is full: nothing new is taken, reading and deleting go on"
        )
    return internal_error("the objects' file cannot be written; the log of the agent says why")

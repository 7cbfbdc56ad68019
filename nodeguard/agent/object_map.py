"""The ConfigMaps and Secrets that pods of this node refer to, as the API server told of them last.

They stay in memory: what a Secret holds gets to a disk nowhere, into no log and onto no command line.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nodeguard.model.configdata import ConfigData, config_data
from nodeguard.model.objectref import ObjectRef

log = logging.getLogger(__name__)

MAX_BYTES = 64 << 20
"""Of all of them together; an object has at most 1 MiB. Source: kubernetes, MaxSecretSize."""

AHEAD_SECONDS = 60.0
"""How long an object is kept that no pod refers to yet."""

Key = tuple[str, ObjectRef]
"""Namespace and what it is called there."""


class ObjectMap:
    """Written by the loop's thread, read by any. ``changed(namespace, ref)`` is called in the loop's thread."""

    def __init__(
        self, changed: Callable[[str, ObjectRef], None], every: Mapping[Key, ConfigData] | None = None
    ) -> None:
        """``every`` are all that there are and will be; None: they will be told."""
        self._changed = changed
        self._lock = threading.Lock()
        self._found: dict[Key, ConfigData | None] = dict(every or {})
        self._is_complete = every is not None
        self._told_at: dict[Key, float] = {}
        self._size_bytes = 0

    def put(self, namespace: str, ref: ObjectRef, value: Mapping[str, Any] | None) -> None:
        """The API server has this object, or (None) has none of that name."""
        data = None if value is None else config_data(ref.kind, value)
        with self._lock:
            before = self._found.pop((namespace, ref), None)
            self._size_bytes -= 0 if before is None else before.size_bytes
            if data is not None and self._size_bytes + data.size_bytes > MAX_BYTES:
                log.error("no room for this object kind=%s name=%s/%s", ref.kind, namespace, ref.name)
                data = None
            self._found[namespace, ref] = data
            self._told_at[namespace, ref] = time.monotonic()
            self._size_bytes += 0 if data is None else data.size_bytes
        if data is None or before is None or data != before:
            self._changed(namespace, ref)

    def get(self, namespace: str, ref: ObjectRef) -> ConfigData | None:
        """The object; None when there is none.

        Raises:
            KeyError: nobody has told yet whether there is one.
        """
        with self._lock:
            if self._is_complete:
                return self._found.get((namespace, ref))
            return self._found[namespace, ref]

    def keep_only(self, keys: Iterable[Key]) -> None:
        """No pod refers to any other. What was told just now stays: it comes before the pod that refers to it."""
        wanted, now = set(keys), time.monotonic()
        with self._lock:
            for key, told_at in tuple(self._told_at.items()):
                if key not in wanted and now - told_at >= AHEAD_SECONDS:
                    del self._found[key], self._told_at[key]
            self._size_bytes = sum(data.size_bytes for data in self._found.values() if data is not None)

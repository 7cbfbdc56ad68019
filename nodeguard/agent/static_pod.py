"""Static pods: those of the manifests in a directory, as long as these are there.

A file that is changed ends its pods and begins new ones; a file that is removed ends them. One that cannot be used is
told of, and what it said before stays.

Source: kubelet, pkg/kubelet/config/file.go and file_linux.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from inotify_simple import flags

from nodeguard.agent.loop import Loop, Timer
from nodeguard.agent.static_manifest import Reading, StaticFile, read_manifests
from nodeguard.agent.watch import APPEARS, Watcher
from nodeguard.model.pod import Pod

RESYNC_SECONDS = 20.0
"""How often the directory is looked at besides when it changes. Source: kubelet, fileCheckFrequency."""

SETTLE_SECONDS = 0.1
"""Files that are written together are read together."""

CHANGES = APPEARS | int(flags.DELETE | flags.MOVED_FROM | flags.ONLYDIR)


class StaticPods:
    """Keeps the pods of a directory. All methods are called in the loop's thread; files are read in others."""

    def __init__(
        self,
        loop: Loop,
        node_name: str,
        *,
        start: Callable[[Pod], None],
        stop: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        """``start(pod)``, ``stop(uid)``; ``warn(text)`` is called once for each thing that is wrong."""
        self._loop, self._node_name = loop, node_name
        self._watcher: Watcher | None = None
        self._start, self._stop, self._warn = start, stop, warn
        self._path: Path | None = None
        self._files: Mapping[str, StaticFile] = {}
        self._wanted: dict[str, dict[str, Pod]] = {}
        self._adopted: frozenset[str] = frozenset()
        self._told: frozenset[str] = frozenset()
        self._watch: int | None = None
        self._timer: Timer | None = None
        self._soon: Timer | None = None
        self._is_reading = self._is_open = False

    def open(self, watcher: Watcher, path: Path | None, adopted: frozenset[str] = frozenset()) -> None:
        """Keep the pods at this path from now on; None keeps none.

        ``adopted`` are the uids of static pods that were here before: those that no file names any more are ended, once
        all files can be read.
        """
        self._watcher, self._path, self._adopted, self._is_open = watcher, path, adopted, True
        self.look()

    def set_path(self, path: Path | None) -> None:
        """Another directory, or none: the pods of the one before are ended when this one does not have them."""
        if path != self._path:
            self._path = path
            self._unwatch()
            self.look()

    def look(self) -> None:
        """Read what has changed."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if not self._is_open or self._is_reading:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._is_reading = True
        self._ensure_watch()
        path, files, now = self._path, self._files, self._loop.clock.now()
        self._loop.in_thread(
            lambda: Reading() if path is None else read_manifests(path, self._node_name, now, files),
            lambda reading, error: self._read(path, reading, error),
        )

    def close(self) -> None:
        """Look no more; the pods stay."""
        self._is_open = False
        self._unwatch()
        for timer in (self._timer, self._soon):
            if timer is not None:
                timer.cancel()

    def _read(self, path: Path | None, reading: Reading | None, error: BaseException | None) -> None:
        self._is_reading = False
        if not self._is_open:
            return
        if path != self._path:
            self.look()
            return
        if reading is None:
            self._warn_once(frozenset({f"{path}: {error}"}))
        else:
            self._apply(reading)
        if path is not None:
            self._timer = self._loop.call_at(self._loop.clock.now() + RESYNC_SECONDS, self.look)

    def _apply(self, reading: Reading) -> None:
        faults = [fault for file in reading.files.values() for fault in file.faults]
        self._warn_once(frozenset((*reading.passed_over, *faults)))
        self._files = reading.files
        wanted: dict[str, dict[str, Pod]] = {}
        for name, file in reading.files.items():
            kept = self._wanted.get(name, {})
            wanted[name] = kept if file.faults else {pod.meta.uid: pod for pod in file.pods}
        before = {uid for pods in self._wanted.values() for uid in pods}
        after = {uid: pod for pods in wanted.values() for uid, pod in pods.items()}
        self._wanted = wanted
        orphans: frozenset[str] = frozenset()
        if not faults:  # else one of these files may be theirs
            orphans, self._adopted = self._adopted - after.keys(), frozenset()
        for uid in (before | orphans) - after.keys():
            self._stop(uid)
        for uid in after.keys() - before:
            self._start(after[uid])

    def _warn_once(self, words: frozenset[str]) -> None:
        for word in sorted(words - self._told):
            self._warn(word)
        self._told = words

    def _ensure_watch(self) -> None:
        """The directory may have come meanwhile, or be another one; who watches the same one twice watches it once."""
        if self._path is None or self._watcher is None:
            return
        directory = self._path.parent if self._path.is_file() else self._path
        watch = None
        with suppress(OSError):
            watch = self._watcher.add(directory, CHANGES, self._changed)
        if watch != self._watch:
            self._unwatch()
        self._watch = watch

    def _unwatch(self) -> None:
        if self._watch is not None and self._watcher is not None:
            self._watcher.remove(self._watch)
            self._watch = None

    def _changed(self, _: str) -> None:
        if self._soon is None and self._is_open:
            self._soon = self._loop.call_at(self._loop.clock.now() + SETTLE_SECONDS, self.look)

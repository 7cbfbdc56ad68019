"""``nodeguard cp``: files into a container and out of it, as a tar stream over exec, as kubectl does.

What comes out of a container is not trusted: nothing is written outside the place that was named, and links are left
out.
"""

from __future__ import annotations

import io
import os
import queue
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast

import click

from nodeguard.cli.agent_socket import open_client
from nodeguard.cli.api_option import container_option, namespace_option
from nodeguard.cli.exec import open_exec
from nodeguard.cli.logs import default_container
from nodeguard.cli.printer import warn
from nodeguard.client.channel import STDERR, STDOUT, Channel
from nodeguard.client.client import Client
from nodeguard.client.kind import POD
from nodeguard.errors import NodeguardError, NotFound, UsageError

CHUNK_BYTES = 1 << 16
_AHEAD = 16
"""Pieces read from the container before they are written here."""


class Place(NamedTuple):
    """A path, and the pod it is in; an empty pod is this machine."""

    namespace: str
    pod: str
    path: str


@click.command(short_help="Copy files into a container, or out of it.")
@click.argument("source", metavar="[[NAMESPACE/]POD:]FROM")
@click.argument("target", metavar="[[NAMESPACE/]POD:]TO")
@namespace_option
@container_option
def cp(source: str, target: str, namespace: str, container: str | None) -> int:
    """Copy a file or a directory into a container, or out of it. The container needs tar.

    \b
    nodeguard cp ./site web:/srv/site
    nodeguard cp web:/var/log/app.log ./app.log
    """
    origin, place = parse_place(source, namespace), parse_place(target, namespace)
    if bool(origin.pod) == bool(place.pod):
        raise UsageError("one of both is in a pod: POD:PATH")
    if not origin.path or not place.path:
        raise UsageError("a path is missing")
    client = open_client()
    remote = origin if origin.pod else place
    chosen = container or default_container(client.get(POD, remote.namespace, remote.pod), quiet=True)
    if place.pod:
        return _upload(client, Path(origin.path), place, chosen)
    return _download(client, origin, Path(place.path), chosen)


def parse_place(text: str, namespace: str) -> Place:
    """``POD:PATH``, ``NAMESPACE/POD:PATH`` or a path of this machine. Pure.

    Source: kubectl, pkg/cmd/cp/cp.go, extractFileSpec.
    """
    where, colon, path = text.partition(":")
    parts = where.split("/")
    if not colon or where.startswith((".", "/")) or len(parts) > 2 or not all(parts):
        return Place("", "", text)
    return Place(parts[0] if len(parts) == 2 else namespace, parts[-1], path)


def safe_target(base: Path, name: str, prefix: PurePosixPath) -> Path | None:
    """Where an entry of the archive goes; None when it would leave the place that was asked for. Pure.

    ``prefix`` is the path that was asked for, as tar writes it.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.is_relative_to(prefix):
        return None
    return base / path.relative_to(prefix)


def _upload(client: Client, source: Path, target: Place, container: str) -> int:
    if not source.exists():
        raise NotFound(f"{source}: no such file or directory")
    path = PurePosixPath(target.path)
    is_directory = open_exec(client, target.namespace, target.pod, container, ("test", "-d", target.path), stdin=False)
    for _ in is_directory.receive():
        pass
    if is_directory.exit_code() == 0:
        path = path / source.resolve().name
    command = ("tar", "-xmf", "-", "-C", str(path.parent))
    channel = open_exec(client, target.namespace, target.pod, container, command, stdin=True)
    failed = threading.Event()

    def send() -> None:
        try:
            with tarfile.open(fileobj=cast(IO[bytes], _Sender(channel)), mode="w|", bufsize=CHUNK_BYTES) as archive:
                archive.add(source, arcname=path.name, filter=_without_owner)
        except OSError as e:
            failed.set()
            click.echo(f"Error: {e.filename}: {e.strerror}", err=True)
        channel.close_stdin()

    threading.Thread(target=send, daemon=True, name="tar").start()
    for _, data in channel.receive():
        sys.stderr.buffer.write(data)
    return channel.exit_code() or int(failed.is_set())


def _without_owner(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Who owns a file here means nothing there."""
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


class _Sender(io.RawIOBase):
    """Where tarfile writes to."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def write(self, data: bytes) -> int:  # type: ignore[override]  # tarfile writes bytes and nothing else
        self._channel.send(bytes(data))
        return len(data)


def _download(client: Client, source: Place, target: Path, container: str) -> int:
    prefix = PurePosixPath(os.path.normpath(source.path).lstrip("/"))
    if target.is_dir() and prefix.name:
        target = target / prefix.name
    channel = open_exec(
        client, source.namespace, source.pod, container, ("tar", "cf", "-", "--", source.path), stdin=False
    )
    archive_bytes = _Receiver(channel)
    try:
        with tarfile.open(fileobj=cast(IO[bytes], archive_bytes), mode="r|") as archive:
            for info in archive:
                _extract(archive, info, target, prefix)
    except tarfile.ReadError as e:
        archive_bytes.drain()
        if channel.status.get("status") == "Success":
            raise NodeguardError(f"{source.pod}:{source.path}: what came is no tar archive: {e}") from e
    archive_bytes.drain()
    return channel.exit_code()


def _extract(archive: tarfile.TarFile, info: tarfile.TarInfo, base: Path, prefix: PurePosixPath) -> None:
    """One entry: a directory or a plain file. Anything else is told and left out."""
    target = safe_target(base, info.name, prefix)
    if target is None or any(part.is_symlink() for part in (target, *target.parents) if base in part.parents):
        warn(f"{info.name}: outside of what was asked for, left out")
    elif info.isdir():
        target.mkdir(parents=True, exist_ok=True)
    elif info.isreg():
        target.parent.mkdir(parents=True, exist_ok=True)
        content = archive.extractfile(info)
        assert content is not None
        with target.open("wb") as file:
            while data := content.read(CHUNK_BYTES):
                file.write(data)
        target.chmod(info.mode & 0o777)
    else:
        warn(f"{info.name}: neither a file nor a directory, left out")


class _Receiver(io.RawIOBase):
    """Where tarfile reads from: what the container writes, of which only a little is held."""

    def __init__(self, channel: Channel) -> None:
        self._queue: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self._rest = b""
        self._ended = False
        self._channel = channel
        threading.Thread(target=self._receive, daemon=True, name="tar").start()

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; fewer only at the end."""
        while not self._ended and (size < 0 or len(self._rest) < size):
            piece = self._queue.get()
            if piece is None:
                self._ended = True
            else:
                self._rest += piece
        size = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def drain(self) -> None:
        """Read to the end, so that the exit code comes."""
        while self.read(CHUNK_BYTES):
            pass

    def _receive(self) -> None:
        for data in self._pieces():
            self._queue.put(data)
        self._queue.put(None)

    def _pieces(self) -> Iterator[bytes]:
        try:
            for stream, data in self._channel.receive():
                if stream == STDOUT:
                    yield data
                elif stream == STDERR:
                    sys.stderr.buffer.write(data)
                    sys.stderr.buffer.flush()
        except NodeguardError as e:
            click.echo(f"Error: {e}", err=True)

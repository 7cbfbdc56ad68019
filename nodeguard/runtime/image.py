"""Local images: an OCI layout, an archive or a plain directory becomes a root file system and a configuration.

skopeo copies whatever form into an OCI layout, umoci unpacks that; both check what hostile archives may hold. The
result is kept by manifest digest, and found again by the source's identity without running either.

Source: opencontainers/image-spec, image-layout.md and config.md; containers-transports(5).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from nodeguard.errors import Conflict, HostLacks, RuntimeFailed
from nodeguard.runtime.tree import remove_tree

HOST = "host"
"""``image: host``, or no image at all."""

_WHAT_WORKS = (
    "what works: image: host (or no image), oci:/DIR[:TAG], oci-archive:/FILE, docker-archive:/FILE, dir:/ROOTFS, "
    "or the plain path of one of these"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG_ANNOTATION = "org.opencontainers.image.ref.name"
_FORMAT = "1"
"""Part of every cache name; another number leaves older entries alone."""


class ImageKind(StrEnum):
    """In what form an image lies on the disk; the words are skopeo's transports."""

    HOST = "host"
    LAYOUT = "oci"
    OCI_ARCHIVE = "oci-archive"
    DOCKER_ARCHIVE = "docker-archive"
    ARCHIVE = "archive"
    DIRECTORY = "dir"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRef:
    """An image that can be had; ``tag`` chooses one of several. An ARCHIVE has not been looked into yet."""

    kind: ImageKind
    path: Path = Path("/")
    tag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """What an image says about its process."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackedImage:
    """A root file system to put an overlay on; ``digest`` is empty for a plain directory."""

    rootfs: Path
    config: ImageConfig = ImageConfig()
    digest: str = ""


def classify(image: str | None) -> ImageRef:
    """What ``image:`` names, without reading its content.

    Raises:
        RuntimeFailed: a registry's name, a relative path, or nothing is there.
    """
    if image is None or image in ("", HOST):
        return ImageRef(kind=ImageKind.HOST)
    transport, colon, rest = image.partition(":")
    if colon and transport in ("oci", "oci-archive", "docker-archive", "dir"):
        kind = ImageKind(transport)
        path, tag = (rest, "") if kind is ImageKind.DIRECTORY else _split_tag(rest)
    elif image.startswith("/"):
        path, tag = (image, "") if Path(image).exists() else _split_tag(image)
        kind = _kind_of(Path(path))
    elif image.startswith((".", "~")):
        raise _not_had(image, "the path of an image must be absolute", "InvalidImageName")
    else:
        raise _not_had(image, f"pulling from a registry is not supported yet; {_WHAT_WORKS}", "ErrImagePull")
    if not path.startswith("/"):
        raise _not_had(image, "the path of an image must be absolute", "InvalidImageName")
    ref = ImageRef(kind=kind, path=Path(path), tag=tag)
    _check_exists(image, ref)
    return ref


def ensure_unpacked(ref: ImageRef, cache_dir: Path) -> UnpackedImage:
    """Unpack an image, or find it unpacked; meant for a worker thread. Safe when several processes do it at once.

    Raises:
        HostLacks: skopeo or umoci is missing.
        RuntimeFailed: the image is damaged, has no such tag, or does not fit on the disk.
    """
    if ref.kind is ImageKind.HOST:
        raise ValueError("the host's root file system is not an image")
    if ref.kind is ImageKind.DIRECTORY:
        return UnpackedImage(rootfs=ref.path)
    try:
        key = _source_key(ref)
        images, sources, temporary = (cache_dir / name for name in ("unpacked", "sources", "partial"))
        for directory in (images, sources, temporary):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(cache_dir / "lock", key):
            pointer = sources / key
            if pointer.exists() and (found := open_unpacked(images / pointer.read_text())):
                return found
            workspace = temporary / key
            remove_tree(workspace)
            try:
                name = _unpack(ref, workspace, images)
            finally:
                remove_tree(workspace)
            partial = sources / f"{key}.partial"
            partial.write_text(name)
            partial.replace(pointer)
            unpacked = open_unpacked(images / name)
    except OSError as e:
        raise _not_had(str(ref.path), f"{e.strerror or e} ({e.filename})", "ErrImagePull") from e
    if unpacked is None:
        raise _not_had(str(ref.path), "the cache lost it while it was being unpacked", "ErrImagePull")
    return unpacked


def process_args(command: Sequence[str], args: Sequence[str], config: ImageConfig) -> tuple[str, ...]:
    """What runs: ``command`` replaces the image's entrypoint and its cmd, ``args`` replaces the cmd alone.

    Raises:
        RuntimeFailed: neither the manifest nor the image names a command.

    Source: kubernetes, documentation "Define a Command and Arguments for a Container"; containerd,
    internal/cri/opts (WithProcessArgs).
    """
    if command:
        return (*command, *args)
    words = (*config.entrypoint, *(args or config.cmd))
    if not words:
        raise RuntimeFailed("no command specified: neither command nor args, and the image has none")
    return words


def parse_config(document: Mapping[str, Any]) -> ImageConfig:
    """The ``config`` part of an image configuration.

    Source: opencontainers/image-spec, config.md.
    """
    config = document.get("config") or {}
    return ImageConfig(
        entrypoint=tuple(map(str, config.get("Entrypoint") or ())),
        cmd=tuple(map(str, config.get("Cmd") or ())),
        env=tuple(map(str, config.get("Env") or ())),
        working_dir=str(config.get("WorkingDir") or ""),
        user=str(config.get("User") or ""),
        stop_signal=str(config.get("StopSignal") or ""),
    )


def _split_tag(text: str) -> tuple[str, str]:
    """``/path:tag`` as path and tag; a colon in a directory's name is none of that."""
    head, slash, last = text.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{slash}{name}", tag


def _kind_of(path: Path) -> ImageKind:
    if path.is_dir():
        is_layout = (path / "oci-layout").is_file() or (path / "index.json").is_file()
        return ImageKind.LAYOUT if is_layout else ImageKind.DIRECTORY
    return ImageKind.ARCHIVE


def _check_exists(image: str, ref: ImageRef) -> None:
    wants_directory = ref.kind in (ImageKind.LAYOUT, ImageKind.DIRECTORY)
    if not ref.path.exists():
        raise _not_had(image, f"there is no {ref.path}", "ErrImagePull")
    if wants_directory != ref.path.is_dir():
        raise _not_had(image, f"{ref.path} is {'not ' if wants_directory else ''}a directory", "ErrImagePull")
    if ref.kind is ImageKind.LAYOUT and not (ref.path / "index.json").is_file():
        raise _not_had(image, f"{ref.path} has no index.json, so it is no OCI layout", "ErrImagePull")


def _source_key(ref: ImageRef) -> str:
    """Tells one state of a source from another: a layout by its index, an archive by its inode and times."""
    words = [_FORMAT, ref.kind.value, str(ref.path.resolve()), ref.tag]
    if ref.kind is ImageKind.LAYOUT:
        words.append((ref.path / "index.json").read_text(encoding="utf-8", errors="replace"))
    else:
        info = ref.path.stat()
        words += [str(info.st_dev), str(info.st_ino), str(info.st_size), str(info.st_mtime_ns), str(info.st_ctime_ns)]
    return hashlib.sha256("\0".join(words).encode(errors="surrogateescape")).hexdigest()


@contextmanager
def locked(directory: Path, key: str, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """One at a time for one source or image, between processes too; ``shared``: together with others who share.

    Raises:
        Conflict: with ``wait`` false, somebody has it.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(directory / key, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as e:
            raise Conflict(f"{key} is in use") from e
        yield
    finally:
        os.close(fd)


def _unpack(ref: ImageRef, workspace: Path, images: Path) -> str:
    """Unpack into ``images``; returns the name of the directory there."""
    workspace.mkdir(mode=0o700)
    layout, made = workspace / "layout", workspace / "made"
    made.mkdir(mode=0o700)
    transport = _archive_transport(ref.path) if ref.kind is ImageKind.ARCHIVE else ref.kind.value
    source = f"{transport}:{ref.path}" + (f":{ref.tag}" if ref.tag else "")
    _run(
        ref,
        "skopeo",
        # local files carry no signatures that a policy could ask for
        ("--insecure-policy", f"--tmpdir={workspace}", "copy", "--quiet", source, f"oci:{layout}:image"),
    )
    digest, config = _read_layout(ref, layout)
    name = digest.removeprefix("sha256:")
    if open_unpacked(images / name):
        return name
    _run(ref, "umoci", ("raw", "unpack", "--image", f"{layout}:image", str(made / "rootfs")))
    (made / "config.json").write_text(json.dumps(config), encoding="utf-8")
    remove_tree(images / name)
    made.rename(images / name)
    return name


def open_unpacked(directory: Path) -> UnpackedImage | None:
    """An unpacked image of the cache; None when it is not (or no longer) whole."""
    try:
        document = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not (directory / "rootfs").is_dir():
        return None
    return UnpackedImage(rootfs=directory / "rootfs", config=parse_config(document), digest=f"sha256:{directory.name}")


def _read_layout(ref: ImageRef, layout: Path) -> tuple[str, dict[str, Any]]:
    """Digest and configuration of the image that skopeo wrote under the tag ``image``."""
    try:
        index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
        found = [
            entry["digest"]
            for entry in index["manifests"]
            if (entry.get("annotations") or {}).get(_TAG_ANNOTATION) == "image"
        ]
        manifest = _read_blob(layout, found[0])
        return found[0], _read_blob(layout, manifest["config"]["digest"])
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as e:
        raise _not_had(str(ref.path), f"the copied layout cannot be read: {e!r}", "ErrImagePull") from e


def _read_blob(layout: Path, digest: str) -> dict[str, Any]:
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is no sha256 digest")
    blob = json.loads((layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes())
    if not isinstance(blob, dict):
        raise ValueError(f"{digest} holds no object")
    return blob


def _archive_transport(path: Path) -> str:
    """Look into a tar file: ``oci-layout`` makes it an OCI archive, ``manifest.json`` one of docker save."""
    import tarfile

    try:
        with tarfile.open(path) as archive:
            for member in archive:
                match member.name.removeprefix("./"):
                    case "manifest.json":
                        return ImageKind.DOCKER_ARCHIVE.value
                    case "oci-layout":
                        return ImageKind.OCI_ARCHIVE.value
    except (tarfile.TarError, OSError, EOFError, ValueError) as e:
        raise _not_had(str(path), f"it is no tar archive: {e}", "ErrImagePull") from e
    raise _not_had(str(path), "the archive holds neither oci-layout nor manifest.json", "ErrImagePull")


def _run(ref: ImageRef, program: str, words: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            (program, *words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
    except FileNotFoundError as e:
        raise HostLacks(f"image {ref.path} needs {program} (Debian package {program}), which is not installed") from e
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        why = lines[-1] if lines else f"exit code {done.returncode}"
        raise _not_had(str(ref.path), f"{program}: {why}", "ErrImagePull")


def _not_had(image: str, why: str, reason: str) -> RuntimeFailed:
    return RuntimeFailed(f"image {image}: {why}", reason=reason)

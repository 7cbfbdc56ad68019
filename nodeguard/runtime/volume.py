"""Volumes of a pod on the host, and their mounts in a container.

Everything of a pod lies below its state directory: ``volumes/<name>``, and ``subpaths/<container>/<n>`` for subPath.

Source: kubernetes, pkg/volume/{emptydir,hostpath,downwardapi}, pkg/volume/util/{atomic_writer,subpath}.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nodeguard.errors import RuntimeFailed
from nodeguard.kernel import mount, path, quota
from nodeguard.model.pod import DownwardAPI, EmptyDir, HostPath, Pod, Projected, Volume, VolumeMount
from nodeguard.runtime import projected
from nodeguard.runtime.bundle import Mount
from nodeguard.runtime.projected import FileContent
from nodeguard.runtime.tree import remove_tree

__all__ = ["FileContent", "mount_volume", "prepare", "remove", "remove_tree"]

_PROPAGATION = {"None": "rprivate", "HostToContainer": "rslave", "Bidirectional": "rshared"}
_TYPE_CHECKS: Mapping[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _Place:
    """A volume being prepared."""

    volume: Volume
    directory: Path
    fs_group: int | None


def prepare(
    pod: Pod,
    state_dir: Path,
    *,
    memory_bound_bytes: int | None,
    files: Callable[[DownwardAPI | Projected], Iterable[FileContent]],
) -> dict[str, Path]:
    """Make every volume of the pod; returns where each lies on the host. May be repeated.

    ``memory_bound_bytes`` bounds memory volumes beside their sizeLimit; ``files`` gives those of a volume whose content
    nodeguard writes.

    Raises:
        RuntimeFailed: a host path is missing or of the wrong type, or the disk is full.
    """
    places = {}
    for volume in pod.volumes:
        place = _Place(volume, state_dir / "volumes" / volume.name, pod.fs_group)
        try:
            match volume.source:
                case EmptyDir():
                    places[volume.name] = _empty_dir(place, volume.source, memory_bound_bytes)
                case HostPath():
                    places[volume.name] = _host_path(volume.source)
                case DownwardAPI() | Projected():
                    in_memory = isinstance(volume.source, Projected) and volume.source.in_memory
                    projected.ensure_directory(place.directory, in_memory=in_memory)
                    projected.write(place.directory, files(volume.source), gid=pod.fs_group)
                    places[volume.name] = place.directory
        except OSError as e:
            raise _set_up_failed(volume.name, f"{e.filename or place.directory}: {e.strerror}") from e
        except _WrongHostPath as e:
            raise _set_up_failed(volume.name, str(e)) from e
    return places


def mount_volume(
    entry: VolumeMount,
    source: Path,
    *,
    sub_path: str,
    sub_path_target: Path,
    always_read_only: bool = False,
    privileged: bool = False,
) -> Mount:
    """The mount of a prepared volume in a container.

    ``sub_path`` is subPath, or subPathExpr expanded. It is opened as if the volume were ``/`` and pinned at
    ``sub_path_target``, so that nobody can exchange it for a symlink before the runtime mounts it.

    Raises:
        RuntimeFailed: the sub path leaves the volume, or propagation is not allowed or not possible.
    """
    if entry.mount_propagation == "Bidirectional" and not privileged:
        raise _bad_config(f"{entry.mount_path}: mountPropagation Bidirectional needs a privileged container")
    if entry.mount_propagation != "None":
        _check_propagation(source, entry.mount_propagation)
    if sub_path:
        source = _pin_sub_path(source, sub_path, sub_path_target)
    options = ["rbind", _PROPAGATION[entry.mount_propagation]]
    if entry.read_only or always_read_only:
        options.append("ro")
        # What is mounted below, too. Below a file there is nothing, and crun 1.8 fails there: "open mount target".
        if source.is_dir() and _can_set_mounts_recursively():
            options.append("rro")
    else:
        options.append("rw")
    return Mount(destination=entry.mount_path, source=str(source), options=tuple(options))


def remove(state_dir: Path) -> None:
    """Unmount and delete everything below a pod's state directory; host paths are never below it."""
    remove_tree(state_dir)


class _WrongHostPath(Exception):
    """A host path is not what its type says."""


def _empty_dir(place: _Place, source: EmptyDir, memory_bound_bytes: int | None) -> Path:
    directory = place.directory
    directory.mkdir(parents=True, exist_ok=True)
    mode = 0o777
    if not source.medium:
        quota.claim(directory)
    elif not directory.is_mount():
        sizes = [] if source.size_limit is None else [source.size_limit.value()]
        if source.medium == "Memory":
            mode = 0o1777
            if memory_bound_bytes is not None:
                sizes.append(memory_bound_bytes)
            options = [f"mode={mode:o}", *([f"size={min(sizes)}"] if sizes else [])]
            mount.mount("nodeguard", directory, "tmpfs", mount.MS_NOSUID | mount.MS_NODEV, ",".join(options))
        else:
            page_size = source.medium.removeprefix("HugePages").removeprefix("-").removesuffix("i")
            options = [f"mode={mode:o}", *([f"pagesize={page_size}"] if page_size else [])]
            mount.mount("nodeguard", directory, "hugetlbfs", mount.MS_NOSUID | mount.MS_NODEV, ",".join(options))
    elif source.medium == "Memory":
        mode = 0o1777
    if place.fs_group is not None:
        os.chown(directory, 0, place.fs_group)
        mode |= stat.S_ISGID
    directory.chmod(mode)
    return directory


def _host_path(source: HostPath) -> Path:
    where = Path(source.path)
    if source.type in ("", "DirectoryOrCreate") and not where.exists():
        _make_directories(where)  # containerd makes a missing path of no type, too
    elif source.type == "FileOrCreate" and not where.exists():
        fd = os.open(where, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        os.fchmod(fd, 0o644)
        os.close(fd)
    if source.type:
        is_right, wanted = _TYPE_CHECKS[source.type]
        try:
            found = where.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            found = 0
        if not is_right(found):
            raise _WrongHostPath(f"hostPath type check failed: {where} is not {wanted}")
    return where


def _make_directories(where: Path) -> None:
    """Make ``where`` and its missing parents, mode 0755; what is there may be a symlink, what is made never is."""
    here = os.open("/", _DIRECTORY)
    try:
        for part in where.parts[1:]:
            try:
                below = os.open(part, _DIRECTORY, dir_fd=here)
            except FileNotFoundError:
                os.mkdir(part, 0o755, dir_fd=here)
                below = os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)


def refresh(pod: Pod, state_dir: Path, files: Callable[[DownwardAPI | Projected], Iterable[FileContent]]) -> None:
    """Have the volumes whose content nodeguard writes hold what they are to hold now.

    Raises:
        RuntimeFailed: something that has to be there is not, or the disk is full. What is not refreshed stays.
    """
    for volume in pod.volumes:
        if isinstance(volume.source, DownwardAPI | Projected):
            try:
                projected.write(state_dir / "volumes" / volume.name, files(volume.source), gid=pod.fs_group)
            except OSError as e:
                raise _set_up_failed(volume.name, f"{e.filename or state_dir}: {e.strerror}") from e


def _pin_sub_path(volume: Path, sub_path: str, target: Path) -> Path:
    """Bind what lies at ``sub_path`` of the volume (a directory is made when missing) to ``target``."""
    if target.is_mount():
        return target
    try:
        fd = _open_sub_path(volume, sub_path)
    except OSError as e:
        if e.errno in (errno.EXDEV, errno.ELOOP):
            raise _bad_config(f"subPath {sub_path!r} leaves its volume") from e
        raise _bad_config(f"cannot use subPath {sub_path!r}: {e.strerror}") from e
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            target.mkdir(exist_ok=True)
        else:
            target.touch()
        mount.bind(f"/proc/self/fd/{fd}", target)
    finally:
        os.close(fd)
    return target


def _open_sub_path(volume: Path, sub_path: str) -> int:
    try:
        return path.open_in_root(volume, sub_path, os.O_PATH)
    except FileNotFoundError:
        pass
    parts = Path(sub_path).parts
    mode = stat.S_IMODE(volume.stat().st_mode)
    for depth in range(1, len(parts) + 1):
        above = path.open_beneath(volume, "/".join(parts[: depth - 1]) or ".", os.O_PATH | os.O_DIRECTORY)
        try:
            os.mkdir(parts[depth - 1], dir_fd=above)
        except FileExistsError:
            continue
        else:
            made = os.open(parts[depth - 1], os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
            os.fchmod(made, mode)
            os.close(made)
        finally:
            os.close(above)
    return path.open_in_root(volume, sub_path, os.O_PATH)


def _check_propagation(source: Path, propagation: str) -> None:
    """The mount that holds ``source`` must pass mounts on.

    Source: containerd, internal/cri/opts/spec_linux_opts.go (ensureShared, ensureSharedOrSlave).
    """
    wanted = ("shared:",) if propagation == "Bidirectional" else ("shared:", "master:")
    best = ""
    tags: tuple[str, ...] = ()
    for entry in mount.list_mounts():
        point = entry.mount_point
        inside = point == "/" or str(source) == point or str(source).startswith(point + "/")
        if inside and len(point) >= len(best):
            best, tags = point, entry.propagation
    if not any(tag.startswith(wanted) for tag in tags):
        kind = "a shared" if propagation == "Bidirectional" else "a shared or slave"
        raise _bad_config(f"path {str(source)!r} is mounted on {best!r} but it is not {kind} mount")


def _can_set_mounts_recursively() -> bool:
    """mount_setattr(2) is there since Linux 5.12."""
    major, _, rest = os.uname().release.partition(".")
    return (int(major), int(rest.split(".")[0])) >= (5, 12)


def _set_up_failed(name: str, why: str) -> RuntimeFailed:
    return _bad_config(f'MountVolume.SetUp failed for volume "{name}" : {why}')


def _bad_config(message: str) -> RuntimeFailed:
    return RuntimeFailed(message, reason="CreateContainerConfigError")

"""Root file systems: the host's own, or an image's, below a private writable overlay.

overlayfs refuses an upper directory inside its lower one, and the host's ``/`` is above everything. So one read-only
overlay of ``/`` is mounted per host (mounts below ``/`` are not in it: /proc, /sys, /dev and a tmpfs on /run show as
empty directories), and each container's overlay stands on that.

Source: Linux, Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nodeguard.errors import HostLacks, RuntimeFailed
from nodeguard.kernel import quota
from nodeguard.kernel.mount import MS_NODEV, MS_NOSUID, MS_RDONLY, MountPoint, list_mounts, mount, mounts_below, unmount
from nodeguard.runtime.bundle import Mount

_DISK_FILE_SYSTEMS = frozenset(
    (
        *("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "jfs", "reiserfs", "erofs", "squashfs"),
        *("vfat", "exfat", "ntfs3", "iso9660", "fuseblk", "nfs", "nfs4", "cifs", "ceph", "virtiofs", "9p"),
    )
)

_TEMPORARY = ("/tmp/", "/var/tmp/")

_PRIVATE_TO_THE_HOST = ("/proc", "/sys", "/dev", "/run", "/boot/efi")


def ensure_host_root(run_dir: Path, host_root: Path = Path("/")) -> Path:
    """The read-only view of the host's root file system, mounted when it is not.

    Packages installed meanwhile may be seen late: overlayfs does not promise to follow changes below it.

    Raises:
        HostLacks: overlayfs is missing, or ``/`` is itself an overlay.
    """
    view = run_dir / "host" / "root"
    if not view.is_mount():
        with _alone(run_dir):  # several containers may be the first one
            if not view.is_mount():
                _mount_view(run_dir / "host", host_root)
    return view


def _mount_view(base: Path, host_root: Path) -> None:
    view, empty = base / "root", base / "empty"
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not base.is_mount():
        mount("nodeguard", str(base), "tmpfs", MS_NOSUID | MS_NODEV, "mode=700,size=64k")
    view.mkdir(exist_ok=True)
    empty.mkdir(exist_ok=True)
    lower = f"lowerdir={_escape(host_root)}:{_escape(empty)}"  # without an upper directory there must be two
    try:
        mount("nodeguard", str(view), "overlay", MS_RDONLY, lower)
    except OSError as e:
        raise _explain(e, str(host_root)) from e


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """No other thread or process is here at the same time."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def unmount_host(run_dir: Path) -> bool:
    """Take the view away again; False when there was none."""
    base = run_dir / "host"
    if not base.is_dir():
        return False
    for point in mounts_below(base):
        unmount(point)
    base.rmdir()
    return True


def mount_rootfs(lower: Path, container_dir: Path) -> Path:
    """Mount a fresh overlay over ``lower`` for one container; all of it lives below ``container_dir``.

    Mounted ``volatile`` where the kernel can (5.10): the writes of a container need not outlive a power cut, and
    without it unmounting flushes the whole disk.

    Raises:
        HostLacks: this cannot be done on this host's file systems.
        RuntimeFailed: the disk is full, or ``lower`` is no directory.
    """
    upper, work, merged = (container_dir / name for name in ("upper", "work", "rootfs"))
    if merged.is_mount():
        return merged
    try:
        for directory in (container_dir, upper, work, merged):
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        container_dir.chmod(0o700)
        quota.claim(work, quota.claim(upper))  # overlayfs moves files from one to the other
    except OSError as e:
        raise RuntimeFailed(f"cannot make the root file system in {container_dir}: {e.strerror}") from e
    options = f"lowerdir={_escape(lower)},upperdir={_escape(upper)},workdir={_escape(work)}"
    try:
        try:
            mount("nodeguard", str(merged), "overlay", 0, f"{options},volatile")
        except OSError as e:
            if e.errno != errno.EINVAL:
                raise
            mount("nodeguard", str(merged), "overlay", 0, options)
    except OSError as e:
        raise _explain(e, str(lower)) from e
    return merged


def unmount_rootfs(container_dir: Path) -> None:
    """Unmount a container's overlay; fine when it is not mounted. Its directories are removed with ``remove_tree``."""
    merged = container_dir / "rootfs"
    if merged.is_mount():
        unmount(str(merged))


def host_submounts(mounts: Iterable[MountPoint], hidden: Iterable[str] = ()) -> tuple[Mount, ...]:
    """The disks mounted below ``/`` (a separate /usr, /home …) as read-only mounts for a container on the host's root.

    ``hidden`` names directories that stay out together with everything below them. A part of the root's own disk that
    is mounted once more stays out, too: those come and go with other people's containers, at any moment. So do mounts
    below /tmp and /var/tmp.
    """
    mounts = tuple(mounts)
    root_disk = next((entry.source for entry in mounts if entry.mount_point == "/"), None)
    closed = (*_PRIVATE_TO_THE_HOST, *hidden)
    found: dict[str, Mount] = {}
    for entry in mounts:
        point = entry.mount_point
        if point == "/" or entry.file_system not in _DISK_FILE_SYSTEMS:
            continue
        if entry.source == root_disk and entry.root != "/" and entry.file_system != "btrfs":
            continue
        if point.startswith(_TEMPORARY):
            continue
        if any(point == path or point.startswith(path.rstrip("/") + "/") for path in closed):
            continue
        found[point] = Mount(destination=point, source=point, options=("bind", "rprivate", "ro"))
    return tuple(sorted(found.values(), key=lambda one: one.destination.count("/")))


def _escape(path: Path) -> str:
    """A path inside overlayfs' option string, where colon, comma and backslash have a meaning."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _explain(error: OSError, lower: str) -> Exception:
    if error.errno == errno.ENODEV:
        return HostLacks("the kernel has no overlayfs (module overlay), which every container needs")
    if error.errno in (errno.EINVAL, errno.ELOOP) and _is_overlay("/"):
        return HostLacks(
            "the host's root file system is itself an overlay, and overlayfs cannot be stacked that deep; "
            "give the container an image: and put the state directory on a real disk"
        )
    if error.errno == errno.ENOENT and not Path(lower).is_dir():
        return RuntimeFailed(f"no root file system at {lower}")
    return RuntimeFailed(f"cannot mount an overlay over {lower}: {error.strerror or error}")


def _is_overlay(path: str) -> bool:
    """Whether ``path`` is a mount point of an overlay."""
    return [entry.file_system for entry in list_mounts() if entry.mount_point == path][-1:] == ["overlay"]

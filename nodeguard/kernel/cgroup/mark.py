"""Whose a cgroup is: an extended attribute on its directory, which lives and dies with it."""

from __future__ import annotations

import errno
import os

from nodeguard.errors import CgroupGone, Conflict

_NAMES = ("trusted.nodeguard", "user.nodeguard")
_DELEGATED = ("trusted.delegate", "user.delegate")
_REFUSED = (errno.EPERM, errno.EACCES, errno.ENOTSUP)


def read_mark(directory: str) -> str | None:
    """The owner written by `claim`; None without one or without the group."""
    return _read(directory, _NAMES)


def is_delegated(directory: str) -> bool:
    """Whether systemd gave this group to its unit (``Delegate=yes``).

    Source: systemd, docs/CGROUP_DELEGATION.md.
    """
    return _read(directory, _DELEGATED) == "1"


def claim(directory: str, owner: str, *, is_new: bool) -> None:
    """Mark a group as ours.

    A group without a mark is taken only if it is new, or empty inside one of ours: that is what an agent leaves that
    was killed between making a group and marking it.

    Raises:
        Conflict: the group is somebody else's.
    """
    mark = read_mark(directory)
    if mark == owner:
        return
    if mark is None and (is_new or (read_mark(os.path.dirname(directory)) is not None and _is_empty(directory))):
        _write(directory, owner)
        return
    raise Conflict(f"{directory} exists and " + (f"belongs to {mark}, not {owner}" if mark else "is not nodeguard's"))


def _read(directory: str, names: tuple[str, ...]) -> str | None:
    for name in names:
        try:
            return os.getxattr(directory, name).decode(errors="replace")
        except FileNotFoundError:
            return None
        except OSError as e:
            if e.errno not in (errno.ENODATA, *_REFUSED):
                raise
    return None


def _write(directory: str, owner: str) -> None:
    """Prefer ``trusted``: the inside of a container cannot see or change it.

    cgroupfs takes ``trusted`` from root alone; ``user`` works since Linux 5.7.
    """
    trusted, user = _NAMES
    try:
        os.setxattr(directory, trusted, owner.encode())
    except FileNotFoundError as e:
        raise CgroupGone(directory) from e
    except OSError as e:
        if e.errno not in _REFUSED:
            raise
        os.setxattr(directory, user, owner.encode())


def _is_empty(directory: str) -> bool:
    with os.scandir(directory) as entries:
        if any(entry.is_dir(follow_symlinks=False) for entry in entries):
            return False
    with open(os.path.join(directory, "cgroup.procs")) as file:
        return not file.read().strip()

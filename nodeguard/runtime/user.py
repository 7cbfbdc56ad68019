"""Whom a container runs as.

Source: kubernetes, pkg/kubelet/kuberuntime/security_context_others.go; containerd, pkg/oci (WithUser, WithUserID) and
internal/cri/server/container_create.go.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nodeguard.errors import RuntimeFailed
from nodeguard.kernel.path import open_in_root
from nodeguard.model.pod import SecurityContext

_MAX_FILE_BYTES = 1 << 20
"""More of a passwd or group file is not read: it may be hostile."""

_MAX_ID = (1 << 32) - 2


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """User and groups of the first process."""

    uid: int
    gid: int
    additional_gids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    name: str
    uid: int
    gid: int


def resolve_user(
    rootfs: Path,
    image_user: str,
    context: SecurityContext,
    *,
    supplemental_groups: Sequence[int] = (),
    fs_group: int | None = None,
    container: str = "",
) -> User:
    """runAsUser and runAsGroup, else the image's USER, else root; names are looked up in the root file system.

    Raises:
        RuntimeFailed: no such user or group, or runAsNonRoot is not kept.
    """
    user_word, _, group_word = image_user.partition(":")
    _check_non_root(context, user_word, container)
    accounts = _parse_passwd(_read(rootfs, "etc/passwd"))
    groups = _parse_group(_read(rootfs, "etc/group"))

    if context.run_as_user is not None:
        uid, group_word = context.run_as_user, ""
        account = next((one for one in accounts if one.uid == uid), None)
    elif user_word.isdecimal() and int(user_word) <= _MAX_ID:
        uid = int(user_word)
        account = next((one for one in accounts if one.uid == uid), None)
    else:
        name = user_word or "root"
        account = next((one for one in accounts if one.name == name), None)
        if account is None and user_word not in ("", "root"):
            raise _bad_config(f"unable to find user {user_word}: no matching entries in passwd file")
        uid = account.uid if account else 0

    if context.run_as_group is not None:
        gid = context.run_as_group
    elif group_word:
        gid = _group_id(group_word, groups)
    else:
        gid = account.gid if account else 0

    member_of = [group_id for _, group_id, members in groups if account is not None and account.name in members]
    extra = {*member_of, *supplemental_groups, *(() if fs_group is None else (fs_group,))}
    return User(uid=uid, gid=gid, additional_gids=tuple(sorted(extra | {gid})) if extra else ())


def _check_non_root(context: SecurityContext, user_word: str, container: str) -> None:
    if not context.run_as_non_root:
        return
    where = f" (container: {container})" if container else ""
    if context.run_as_user is not None:
        if context.run_as_user == 0:
            raise _bad_config(f"container's runAsUser breaks non-root policy{where}")
    elif user_word.isdecimal() or not user_word:
        if int(user_word or 0) == 0:
            raise _bad_config(f"container has runAsNonRoot and image will run as root{where}")
    else:
        raise _bad_config(
            f"container has runAsNonRoot and image has non-numeric user ({user_word}), "
            f"cannot verify user is non-root{where}"
        )


def _group_id(word: str, groups: Sequence[tuple[str, int, tuple[str, ...]]]) -> int:
    if word.isdecimal() and int(word) <= _MAX_ID:
        return int(word)
    for name, group_id, _ in groups:
        if name == word:
            return group_id
    raise _bad_config(f"unable to find group {word}: no matching entries in group file")


def _parse_passwd(text: str) -> list[_Account]:
    found = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and fields[2].isdecimal() and fields[3].isdecimal():
            found.append(_Account(name=fields[0], uid=int(fields[2]), gid=int(fields[3])))
    return found


def _parse_group(text: str) -> list[tuple[str, int, tuple[str, ...]]]:
    found = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and fields[2].isdecimal():
            found.append((fields[0], int(fields[2]), tuple(fields[3].split(","))))
    return found


def _read(rootfs: Path, name: str) -> str:
    """A file of the root file system as its own processes would see it; empty when there is none."""
    try:
        fd = open_in_root(rootfs, name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return ""
        text = b""
        while len(text) < _MAX_FILE_BYTES and (chunk := os.read(fd, 65536)):
            text += chunk
        return text.decode(errors="replace")
    finally:
        os.close(fd)


def _bad_config(message: str) -> RuntimeFailed:
    return RuntimeFailed(message, reason="CreateContainerConfigError")

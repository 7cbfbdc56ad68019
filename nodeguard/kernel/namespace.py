"""The namespaces that the containers of a pod share, held by bind mounts instead of a process."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from nodeguard.errors import HostLacks
from nodeguard.kernel import mount

CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWNET = 0x40000000

_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 1
_IFREQ = "16sh22x"

T = TypeVar("T")


def pin_pod_namespaces(
    directory: Path,
    *,
    hostname: str,
    net: bool = True,
    ipc: bool = True,
    uts: bool = True,
    sysctls: Mapping[str, str] | None = None,
) -> None:
    """New namespaces exist and are held by the files ``net``, ``ipc`` and ``uts`` in ``directory``.

    The loopback is up, the host name set, and the sysctls (dots or slashes) are written inside. Works from any thread
    and leaves it as it was: unshare changes one thread alone, and here that is one made for this call.

    Raises:
        HostLacks: the kernel has no such namespace, or no such sysctl.
        OSError: the kernel refused.
    """
    wanted = [
        (name, flag)
        for name, flag, is_wanted in (
            ("net", CLONE_NEWNET, net),
            ("ipc", CLONE_NEWIPC, ipc),
            ("uts", CLONE_NEWUTS, uts),
        )
        if is_wanted
    ]

    def inside() -> None:
        _unshare(sum(flag for _, flag in wanted))
        if uts:
            socket.sethostname(hostname)
        if net:
            _raise_loopback()
        for name, value in (sysctls or {}).items():
            _write_sysctl(name, value)
        for name, _ in wanted:
            file = directory / name
            file.touch(mode=0o444)
            mount.bind(f"/proc/thread-self/ns/{name}", file)

    try:
        _in_thread(inside)
    except BaseException:
        unpin(directory)
        raise


def unpin(directory: Path) -> None:
    """The namespaces are let go of; they end when the last process has left them. May be repeated."""
    for name in ("net", "ipc", "uts"):
        mount.unmount(directory / name)
        with suppress(FileNotFoundError):
            (directory / name).unlink()


def in_namespace(file: Path, flag: int, work: Callable[[], T]) -> T:
    """What ``work()`` returns inside a pinned namespace; the calling thread stays where it is.

    Raises:
        OSError: this is no such namespace.
    """

    def inside() -> T:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check(_libc().setns(fd, ctypes.c_int(flag)), f"cannot enter {file}")
        finally:
            os.close(fd)
        return work()

    return _in_thread(inside)


def in_each_namespace(files: Iterable[Path], flag: int, work: Callable[[], T]) -> dict[Path, T]:
    """What ``work()`` returns inside each pinned namespace; those that are gone by now are not in the answer.

    One thread goes through them all: that it ends costs a hundred times what entering a namespace does.
    """

    def inside() -> dict[Path, T]:
        found = {}
        for file in files:
            try:
                fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                _check(_libc().setns(fd, ctypes.c_int(flag)), f"cannot enter {file}")
            except OSError:  # no namespace yet, or no more: the file alone
                continue
            finally:
                os.close(fd)
            found[file] = work()
        return found

    return _in_thread(inside)


def _in_thread(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread of its own: unshare and setns change one thread alone, and this one then ends."""
    results: list[T] = []
    failures: list[BaseException] = []

    def target() -> None:
        try:
            results.append(work())
        except BaseException as e:  # it belongs to the caller, not to the thread
            failures.append(e)

    thread = threading.Thread(target=target, name="namespace", daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _unshare(flags: int) -> None:
    _check(_libc().unshare(ctypes.c_int(flags)), "cannot make namespaces")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _raise_loopback() -> None:
    """Source: Linux, man 7 netdevice."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        request = struct.pack(_IFREQ, b"lo", 0)
        _, flags = struct.unpack(_IFREQ, fcntl.ioctl(sock, _SIOCGIFFLAGS, request))
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack(_IFREQ, b"lo", flags | _IFF_UP))


def _write_sysctl(name: str, value: str) -> None:
    """Write one sysctl; /proc/sys shows the namespaces of the thread that looks.

    Slashes and dots are two ways to write the same name, and a name with a slash may hold dots (eth0.1).
    """
    path = name if "/" in name else name.replace(".", "/")
    if ".." in path.split("/") or path.startswith("/"):
        raise HostLacks(f"no sysctl {name}")
    try:
        fd = os.open(f"/proc/sys/{path}", os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError as e:
        raise HostLacks(f"no sysctl {name} in a pod of this kernel") from e
    try:
        os.write(fd, value.encode())
    except OSError as e:
        raise OSError(e.errno, f"cannot write {value!r}: {e.strerror}", f"/proc/sys/{path}") from e
    finally:
        os.close(fd)

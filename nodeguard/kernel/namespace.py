"""Namespaces of a pod, held by files instead of a pause process.

A short-lived thread leaves the host's namespaces, sets the new ones up, and pins them by bind mounts. The thread ends,
the namespaces stay until the files are unmounted and the last process has left.

Source: namespaces(7), unshare(2), netdevice(7).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Mapping
from pathlib import Path

from nodeguard.kernel.mount import bind, unmount

_FLAGS = {"net": 0x40000000, "ipc": 0x08000000, "uts": 0x04000000}
_SIOCSIFFLAGS = 0x8914
_IFF_UP_AND_RUNNING = 0x1 | 0x40


def pin_pod_namespaces(
    directory: Path,
    *,
    hostname: str,
    net: bool = True,
    ipc: bool = True,
    uts: bool = True,
    sysctls: Mapping[str, str] | None = None,
) -> None:
    """Make new namespaces and pin them as ``net``, ``ipc`` and ``uts`` in ``directory``; ``lo`` is up.

    ``sysctls`` (``net.core.somaxconn`` …) are written inside.

    Raises:
        OSError: the kernel refused; what was pinned until then is unpinned.
    """
    wanted = [name for name, is_wanted in (("net", net), ("ipc", ipc), ("uts", uts)) if is_wanted]
    failure: list[BaseException] = []

    def work() -> None:
        try:
            _make(directory, wanted, hostname, sysctls or {})
        except BaseException as e:
            failure.append(e)

    thread = threading.Thread(target=work, name="namespaces")
    thread.start()
    thread.join()
    if failure:
        unpin(directory)
        raise failure[0]


def unpin(directory: Path) -> None:
    """Let the namespaces go; files that are not there are fine."""
    for name in _FLAGS:
        unmount(directory / name)


def _make(directory: Path, wanted: list[str], hostname: str, sysctls: Mapping[str, str]) -> None:
    flags = sum(_FLAGS[name] for name in wanted)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot make new namespaces ({', '.join(wanted)}): {os.strerror(number)}")
    if "uts" in wanted:
        socket.sethostname(hostname)
    if "net" in wanted:
        _bring_loopback_up()
    for name, value in sysctls.items():
        Path("/proc/sys", *name.replace("/", ".").split(".")).write_text(value)
    for name in wanted:
        target = directory / name
        target.touch(mode=0o600, exist_ok=True)
        bind(f"/proc/thread-self/ns/{name}", target)


def _bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
        fcntl.ioctl(door, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP_AND_RUNNING))

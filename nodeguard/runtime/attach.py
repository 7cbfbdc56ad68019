"""conmon's attach socket and control fifo, in the bundle of each container.

Source: containers/conmon 2.1.6, src/conn_sock.c, ctrl.c, utils.h (stdpipe_t).
"""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

STDOUT_PACKET, STDERR_PACKET = 2, 3
"""The first byte of a packet of conmon's; a terminal is stdout."""

READ_BYTES = 16 << 10
"""More than any packet has: that byte, and up to 8 KiB."""

PACKET_BYTES = 8 << 10
"""The most to send at once: conmon reads packets up to 32 KiB, and loses the rest of longer ones."""


def open_attach(bundle: Path) -> socket.socket:
    """A connection to the container's first process, not blocking; it ends when the container does.

    Closing it, or its writing half, ends the container's stdin if that is for one client.

    Raises:
        OSError: conmon does not listen any more.
    """
    # A path in a socket address has 107 bytes at most; conmon binds it this way, too.
    directory = os.open(bundle, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            connection.setblocking(False)
            connection.connect(f"/proc/self/fd/{directory}/attach")
        except BaseException:
            connection.close()
            raise
    finally:
        os.close(directory)
    return connection


def resize(bundle: Path, columns: int, rows: int) -> None:
    """The container's terminal has this size; nothing happens when there is none, or conmon has ended."""
    try:
        fd = os.open(bundle / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as e:
        if e.errno in (errno.ENOENT, errno.ENXIO):
            return
        raise
    try:
        os.write(fd, f"1 {rows} {columns}\n".encode())
    except (BlockingIOError, BrokenPipeError):  # a size that nobody takes is not the last one
        return
    finally:
        os.close(fd)

"""SPDY/3.1 frames: bytes in, frames out, and the other way. No sockets, no clock.

kubectl's port-forward still speaks it, today inside a WebSocket. Flow control is not used by it, so WINDOW_UPDATE and
SETTINGS are read over; so are frames of types that nobody sends.

Source: SPDY Protocol, draft 3.1; moby/spdystream, spdy/read.go and write.go.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from nodeguard.api.stream.spdy_dictionary import DICTIONARY
from nodeguard.errors import NodeguardError

MAX_FRAME_BYTES = 1 << 20
MAX_HEADER_BYTES = 64 << 10

CANCEL, REFUSED_STREAM = 5, 3
"""Status of a reset."""

_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY, _HEADERS = 1, 2, 3, 6, 7, 8
_CONTROL, _VERSION, _FIN = 0x8000, 3, 0x01
_HEAD_BYTES = 8


class SpdyFault(NodeguardError):
    """This is no SPDY, or more than is taken."""


@dataclass(frozen=True, slots=True)
class SynStream:
    """The peer opens a stream; with ``fin`` it has nothing to say on it."""

    stream: int
    headers: Mapping[str, str]
    fin: bool


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a stream; ``fin``: the last ones."""

    stream: int
    data: bytes
    fin: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """The peer gives a stream up."""

    stream: int


@dataclass(frozen=True, slots=True)
class Ping:
    """To be sent back as it is."""

    number: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """The peer opens no more streams."""


Frame = SynStream | Data | Reset | Ping | GoAway


class Framer:
    """One connection. The compression of headers remembers what was before, so there is one for each direction."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are whole by now.

        Raises:
            SpdyFault: nothing can be read any more after this.
        """
        self._buffer += data
        frames: list[Frame] = []
        while len(self._buffer) >= _HEAD_BYTES:
            word, flags, size = struct.unpack_from(">IB3s", self._buffer)
            length = int.from_bytes(size, "big")
            if length > MAX_FRAME_BYTES:
                raise SpdyFault(f"a frame of {length} bytes; {MAX_FRAME_BYTES} is the most")
            if len(self._buffer) < _HEAD_BYTES + length:
                break
            payload = bytes(self._buffer[_HEAD_BYTES : _HEAD_BYTES + length])
            del self._buffer[: _HEAD_BYTES + length]
            frame = self._frame(word, flags, payload)
            if frame is not None:
                frames.append(frame)
        return frames

    def syn_stream(self, stream: int, headers: Mapping[str, str], *, fin: bool = False) -> bytes:
        """Open a stream; ours are odd for a client, even for a server."""
        payload = struct.pack(">IIBB", stream, 0, 0, 0) + self._compressed(headers)
        return _control(_SYN_STREAM, payload, _FIN if fin else 0)

    def syn_reply(self, stream: int, headers: Mapping[str, str]) -> bytes:
        """The stream is accepted."""
        return _control(_SYN_REPLY, struct.pack(">I", stream) + self._compressed(headers))

    def _compressed(self, headers: Mapping[str, str]) -> bytes:
        parts = [struct.pack(">I", len(headers))]
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                parts += (struct.pack(">I", len(text)), text)
        return self._deflate.compress(b"".join(parts)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def _frame(self, word: int, flags: int, payload: bytes) -> Frame | None:
        if not word >> 31:
            if not word:
                raise SpdyFault("data for stream 0")
            return Data(word, payload, bool(flags & _FIN))
        if word >> 16 & 0x7FFF != _VERSION:
            raise SpdyFault(f"SPDY of version {word >> 16 & 0x7FFF}")
        kind = word & 0xFFFF
        try:
            return self._control_frame(kind, flags, payload)
        except (struct.error, zlib.error, UnicodeDecodeError) as e:
            raise SpdyFault(f"a control frame of type {kind} that makes no sense: {e}") from e

    def _control_frame(self, kind: int, flags: int, payload: bytes) -> Frame | None:
        if kind == _SYN_STREAM:
            (stream,) = struct.unpack_from(">I", payload)
            return SynStream(stream & 0x7FFFFFFF, self._headers(payload[10:]), bool(flags & _FIN))
        if kind in (_SYN_REPLY, _HEADERS):
            self._headers(payload[4:])  # what comes later is compressed with what came before
            return None
        if kind == _RST_STREAM:
            return Reset(struct.unpack_from(">I", payload)[0] & 0x7FFFFFFF)
        if kind == _PING:
            return Ping(struct.unpack_from(">I", payload)[0])
        return GoAway() if kind == _GOAWAY else None

    def _headers(self, block: bytes) -> dict[str, str]:
        text = self._inflate.decompress(block, MAX_HEADER_BYTES)
        if self._inflate.unconsumed_tail:
            raise SpdyFault(f"headers of more than {MAX_HEADER_BYTES} bytes")
        (count,) = struct.unpack_from(">I", text)
        position, words = 4, []
        for _ in range(min(2 * count, len(text))):
            (length,) = struct.unpack_from(">I", text, position)
            position += 4
            words.append(text[position : position + length].decode())
            position += length
        return dict(zip(words[::2], words[1::2], strict=False))


def data(stream: int, payload: bytes, *, fin: bool = False) -> bytes:
    """Bytes of a stream."""
    return struct.pack(">IB", stream, _FIN if fin else 0) + len(payload).to_bytes(3, "big") + payload


def reset(stream: int, status: int) -> bytes:
    """The stream is given up."""
    return _control(_RST_STREAM, struct.pack(">II", stream, status))


def ping(number: int) -> bytes:
    """A ping, or the answer to one."""
    return _control(_PING, struct.pack(">I", number))


def go_away(last_stream: int) -> bytes:
    """No more streams are taken."""
    return _control(_GOAWAY, struct.pack(">II", last_stream, 0))


def _control(kind: int, payload: bytes, flags: int = 0) -> bytes:
    head = struct.pack(">HHB", _CONTROL | _VERSION, kind, flags)
    return head + len(payload).to_bytes(3, "big") + payload

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.api.stream import spdy
from nodeguard.api.stream.spdy import Data, Framer, GoAway, Ping, Reset, SpdyFault, SynStream
from nodeguard.api.stream.spdy_dictionary import DICTIONARY

# A SYN_STREAM as the Go library writes it: stream 1, {"streamtype": "data", "port": "80", "requestid": "0"}.
HEADERS = {"streamtype": "data", "port": "80", "requestid": "0"}


def test_the_dictionary_is_the_one_of_the_draft() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


@given(st.lists(st.integers(1, 40), max_size=60))
def test_frames_come_out_as_they_went_in_however_they_are_cut(cuts: list[int]) -> None:
    client, server = Framer(), Framer()
    sent = (
        client.syn_stream(1, {**HEADERS, "streamtype": "error"}, fin=True)
        + client.syn_stream(3, HEADERS)
        + spdy.data(3, b"hello")
        + spdy.ping(7)
        + spdy.data(3, b"", fin=True)
        + spdy.reset(3, spdy.CANCEL)
        + spdy.go_away(3)
    )
    found: list[spdy.Frame] = []
    for size in (*cuts, len(sent)):
        piece, sent = sent[:size], sent[size:]
        found += server.feed(piece)
    assert found == [
        SynStream(1, {**HEADERS, "streamtype": "error"}, True),
        SynStream(3, HEADERS, False),
        Data(3, b"hello", False),
        Ping(7),
        Data(3, b"", True),
        Reset(3),
        GoAway(),
    ]


def test_a_reply_keeps_the_compression_in_step() -> None:
    client, server = Framer(), Framer()
    assert client.feed(server.syn_reply(1, {"a": "b"}) + server.syn_reply(3, {"a": "b"})) == []


def control(kind: int, payload: bytes, version: int = 3) -> bytes:
    return struct.pack(">HHB", 0x8000 | version, kind, 0) + len(payload).to_bytes(3, "big") + payload


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(struct.pack(">II", 1, (1 << 24) - 1), id="a frame that is too long"),
        pytest.param(spdy.data(0, b"x"), id="data for no stream"),
        pytest.param(control(1, b"", 2), id="another version"),
        pytest.param(control(1, b"\0" * 10 + b"garbage"), id="headers that are not compressed"),
        pytest.param(control(1, b"\0"), id="a stream without number"),
        pytest.param(control(6, b""), id="a ping without number"),
    ],
)
def test_what_is_no_spdy(sent: bytes) -> None:
    with pytest.raises(SpdyFault):
        Framer().feed(sent)


def test_headers_do_not_unfold_without_end() -> None:
    deflate = zlib.compressobj(zdict=DICTIONARY)
    bomb = deflate.compress(b"\0" * (200 << 20)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    assert len(bomb) < spdy.MAX_FRAME_BYTES
    with pytest.raises(SpdyFault, match="headers of more than"):
        Framer().feed(control(1, b"\0\0\0\1" + b"\0" * 6 + bomb))


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_nothing_else_comes_of_anything(pieces: list[bytes]) -> None:
    framer = Framer()
    try:
        for piece in pieces:
            framer.feed(piece)
    except SpdyFault:
        pass

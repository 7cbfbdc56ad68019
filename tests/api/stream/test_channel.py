from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.api.status import ApiError
from nodeguard.api.stream.channel import Input, InputEnd, Resize, Word, choose_protocol, exit_status, parse


@pytest.mark.parametrize(
    ("message", "word"),
    [
        pytest.param(b"\x00abc", Input(b"abc"), id="stdin"),
        pytest.param(b"\x00", None, id="an empty piece says nothing"),
        pytest.param(b"", None, id="an empty message says nothing"),
        pytest.param(b'\x04{"Width":80,"Height":24}', Resize(80, 24), id="resize"),
        pytest.param(b'\x04{"Width":0,"Height":24}', None, id="a size has columns"),
        pytest.param(b'\x04{"Width":65536,"Height":24}', None, id="a size fits the kernel's field"),
        pytest.param(b"\x04[[[", None, id="a size that is none"),
        pytest.param(b"\x04" + b"[" * 100_000, None, id="a size that is nested without end"),
        pytest.param(b"\xff\x00", InputEnd(), id="stdin is closed"),
        pytest.param(b"\xff\x01", None, id="a client cannot close stdout"),
        pytest.param(b"\x01abc", None, id="a client does not write to stdout"),
    ],
)
def test_parse(message: bytes, word: Word | None) -> None:
    assert parse(message, has_close=True) == word


def test_only_v5_closes_stdin() -> None:
    assert parse(b"\xff\x00", has_close=False) is None


@given(st.binary())
def test_no_message_is_too_much(message: bytes) -> None:
    parse(message, has_close=True)


def test_the_best_protocol_is_chosen() -> None:
    assert choose_protocol(["channel.k8s.io", "v4.channel.k8s.io", "v5.channel.k8s.io"]) == "v5.channel.k8s.io"
    assert choose_protocol(["v4.channel.k8s.io"]) == "v4.channel.k8s.io"
    for offered in ([], ["v4.base64.channel.k8s.io"]):
        with pytest.raises(ApiError) as refused:
            choose_protocol(offered)
        assert refused.value.code == 400


def test_an_exit_code_is_a_cause() -> None:
    assert exit_status(0)["status"] == "Success"
    told = exit_status(7)
    assert told["reason"] == "NonZeroExitCode"
    assert told["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]
    json.dumps(told)

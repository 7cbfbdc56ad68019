"""The link's messages: what goes in comes out, whatever the pieces; what is no message says so and nothing more."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.errors import LinkFault
from nodeguard.model import link
from nodeguard.model.link import Lines, Message, decode, encode

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
any_object = st.dictionaries(st.text(), any_json, max_size=4)
BY_HINT = {
    "str": st.text(),
    "int": st.integers(),
    "Object": any_object,
    "Object | None": st.none() | any_object,
    "list[str]": st.lists(st.text(), max_size=3),
    "Any": any_json,
}


def of_kind(kind: type[Message]) -> st.SearchStrategy[Message]:
    shapes = {name: BY_HINT[hint] for name, _, hint in link._FIELDS[kind]}
    return st.builds(kind, **shapes)


any_message = st.sampled_from(sorted(link.TYPES.values(), key=lambda kind: kind.__name__)).flatmap(of_kind)


@given(any_message)
def test_a_message_comes_out_as_it_went_in(message: Message) -> None:
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line[:-1]) == message


@given(st.lists(any_message, max_size=5), st.data())
def test_the_pieces_of_a_stream_do_not_matter(messages: list[Message], data: st.DataObject) -> None:
    stream = b"".join(encode(message) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    lines, found = Lines(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        lines.feed(stream[start:end])
        while (line := lines.next_line()) is not None:
            found.append(decode(line))
    assert found == messages


@given(st.binary())
def test_any_bytes_are_a_message_or_a_fault(line: bytes) -> None:
    try:
        decode(line)
    except LinkFault:
        pass


@given(any_json)
def test_any_json_is_a_message_or_a_fault(value: Any) -> None:
    for shape in (
        value,
        {"type": "pod", "object": value},
        {"type": "query", "id": value, "what": value, "args": value},
    ):
        try:
            decode(json.dumps(shape).encode())
        except LinkFault:
            pass


@pytest.mark.parametrize(
    ("line", "says"),
    [
        pytest.param(b"", "no JSON", id="empty"),
        pytest.param(b"[]", "no JSON object", id="list"),
        pytest.param(b'{"type":"pods"}', "unknown type 'pods'", id="unknown type"),
        pytest.param(b'{"type":["pod"]}', "unknown type", id="type that is no string"),
        pytest.param(b'{"object":{}}', "unknown type 'None'", id="no type"),
        pytest.param(b'{"type":"pod"}', "pod.object is missing", id="missing field"),
        pytest.param(b'{"type":"pod","object":[]}', "pod.object is list", id="field of another type"),
        pytest.param(b'{"type":"query","id":true,"what":"","args":{}}', "query.id is bool", id="bool for a number"),
        pytest.param(b'{"type":"sync","uids":[1]}', "no text", id="list of something else"),
        pytest.param(b'{"type":"reply","id":1,"value":NaN}', "no JSON", id="not a number"),
        pytest.param(b"\xff", "no JSON", id="no UTF-8"),
        pytest.param(b"[" * 200_000, "no JSON", id="deeper than the stack"),
    ],
)
def test_what_is_no_message_is_a_fault(line: bytes, says: str) -> None:
    with pytest.raises(LinkFault, match=says):
        decode(line)


def test_a_newer_side_may_say_more() -> None:
    assert decode(b'{"type":"settled","uid":"u","why":"later"}') == link.Settled(uid="u")


def test_a_reply_has_a_value_or_an_error() -> None:
    assert decode(b'{"type":"reply","id":3,"value":[1]}') == link.Reply(id=3, value=[1])
    assert decode(b'{"type":"reply","id":3,"error":{"code":404}}') == link.Reply(id=3, error={"code": 404})


def test_a_fault_does_not_repeat_what_a_secret_held() -> None:
    for line in (b'{"type":"config","kind":"Secret","object":"hunter2"}', b'{"type":"config","object":"hunter2'):
        with pytest.raises(LinkFault) as caught:
            decode(line)
        assert "hunter2" not in str(caught.value)
    told = link.ConfigMessage(kind="Secret", namespace="a", name="b", object={"data": {"k": "hunter2"}})
    assert "hunter2" not in repr(told)


def test_what_is_too_long_is_not_sent_and_not_gathered() -> None:
    with pytest.raises(LinkFault, match="the link carries"):
        encode(link.PodMessage(object={"x": "y" * link.MAX_LINE_BYTES}))
    with pytest.raises(LinkFault, match="no JSON"):
        encode(link.Reply(id=1, value=float("nan")))
    lines = Lines(max_bytes=8)
    lines.feed(b"1234567\n12345678")
    assert lines.next_line() == b"1234567"
    assert lines.next_line() is None
    lines.feed(b"9")
    with pytest.raises(LinkFault, match="longer than 8"):
        lines.next_line()

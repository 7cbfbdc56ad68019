"""JSON patch, by the cases of RFC 6902 appendix A, and what hostile patches try."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.api.patch.fault import PatchFault
from nodeguard.api.patch.jsonpatch import json_patch

RFC = [
    pytest.param(
        {"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}, id="A.1"
    ),
    pytest.param(
        {"foo": ["bar", "baz"]},
        [{"op": "add", "path": "/foo/1", "value": "qux"}],
        {"foo": ["bar", "qux", "baz"]},
        id="A.2",
    ),
    pytest.param({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}, id="A.3"),
    pytest.param(
        {"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}, id="A.4"
    ),
    pytest.param(
        {"baz": "qux", "foo": "bar"},
        [{"op": "replace", "path": "/baz", "value": "boo"}],
        {"baz": "boo", "foo": "bar"},
        id="A.5",
    ),
    pytest.param(
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        id="A.6",
    ),
    pytest.param(
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
        id="A.7",
    ),
    pytest.param(
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}],
        {"baz": "qux", "foo": ["a", 2, "c"]},
        id="A.8",
    ),
    pytest.param(
        {"foo": "bar"},
        [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
        {"foo": "bar", "child": {"grandchild": {}}},
        id="A.10",
    ),
    pytest.param(
        {"foo": "bar"},
        [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}],
        {"foo": "bar", "baz": "qux"},
        id="A.11",
    ),
    pytest.param({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}, id="A.14"),
    pytest.param(
        {"foo": ["bar"]},
        [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}],
        {"foo": ["bar", ["abc", "def"]]},
        id="A.16",
    ),
    pytest.param({"a": 1}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": 1, "b": 1}, id="copy"),
    pytest.param({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}, id="the whole document"),
]


@pytest.mark.parametrize(("document", "patch", "expected"), RFC)
def test_applies(document: Any, patch: Any, expected: Any) -> None:
    before = copy.deepcopy(document)
    assert json_patch(document, patch) == expected
    assert document == before


@pytest.mark.parametrize(
    ("document", "patch", "is_unprocessable"),
    [
        pytest.param({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "bar"}], True, id="A.9 a test fails"),
        pytest.param({"foo": "bar"}, [{"op": "add", "path": "/baz/bat", "value": 1}], True, id="A.12 no such parent"),
        pytest.param({"/": 9}, [{"op": "test", "path": "/~01", "value": "10"}], True, id="A.15 text is no number"),
        pytest.param({"a": True}, [{"op": "test", "path": "/a", "value": 1}], True, id="true is not one"),
        pytest.param({"a": [1]}, [{"op": "remove", "path": "/a/01"}], True, id="a leading zero"),
        pytest.param({"a": [1]}, [{"op": "add", "path": "/a/2", "value": 1}], True, id="behind the end"),
        pytest.param({"a": [1]}, [{"op": "remove", "path": "/a/-"}], True, id="remove what is not there yet"),
        pytest.param({"a": {}}, [{"op": "move", "from": "/a", "path": "/a/b"}], True, id="into itself"),
        pytest.param({}, [{"op": "remove", "path": ""}], True, id="remove everything"),
        pytest.param({}, {"op": "add"}, False, id="no list"),
        pytest.param({}, [7], False, id="no object"),
        pytest.param({}, [{"op": "spam", "path": "/a"}], False, id="unknown operation"),
        pytest.param({}, [{"op": "add", "path": "/a"}], False, id="no value"),
        pytest.param({}, [{"op": "add", "path": "a", "value": 1}], False, id="a path without a slash"),
        pytest.param({}, [{"op": "add", "value": 1}], False, id="no path"),
        pytest.param({}, [{"op": "test", "path": "", "value": {}}] * 10_001, False, id="too many"),
    ],
)
def test_refuses(document: Any, patch: Any, is_unprocessable: bool) -> None:
    with pytest.raises(PatchFault) as refused:
        json_patch(document, patch)
    assert refused.value.is_unprocessable is is_unprocessable


def test_a_document_cannot_be_doubled_for_ever() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 40
    with pytest.raises(PatchFault, match="copied"):
        json_patch({"a": ["x" * 1000]}, doubling)


def test_a_document_cannot_be_nested_for_ever() -> None:
    nesting = [{"op": "copy", "from": "", "path": "/a"}] * 2000
    with pytest.raises(PatchFault, match="nested"):
        json_patch({"a": 1}, nesting)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
POINTER = st.lists(st.sampled_from(["a", "b", "c", "0", "1", "-"]), max_size=3).map(
    lambda s: "".join(f"/{x}" for x in s)
)
OPERATION = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": POINTER},
    optional={"value": JSON, "from": POINTER},
)


@given(JSON, st.lists(OPERATION, max_size=5))
def test_any_patch_applies_or_is_refused(document: Any, patch: list[Any]) -> None:
    before = copy.deepcopy(document)
    try:
        json_patch(document, patch)
    except PatchFault:
        pass
    assert document == before


@given(JSON, JSON)
def test_what_was_added_is_there(document: Any, value: Any) -> None:
    patched = json_patch({"x": document}, [{"op": "add", "path": "/y", "value": value}])
    assert json_patch(patched, [{"op": "test", "path": "/y", "value": value}]) == {"x": document, "y": value}

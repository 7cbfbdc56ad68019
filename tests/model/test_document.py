from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.model.document import MAX_BYTES, MAX_DEPTH, MAX_NODES, Document, format_path, parse
from nodeguard.model.scalar import resolve


def only(text: str | bytes) -> Document:
    (document,) = parse(text, "pod.yaml")
    return document


def found(text: str | bytes) -> list[str]:
    return [str(finding) for document in parse(text, "pod.yaml") for finding in document.findings]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, True) for word in ("y", "Y", "yes", "Yes", "on", "ON", "true", "True")),
        *((word, False) for word in ("n", "no", "NO", "off", "Off", "false", "FALSE")),
        *((word, None) for word in ("", "~", "null", "Null")),
        *(("0", 0), ("-7", -7), ("+7", 7), ("0644", 420), ("0o17", 15), ("0x1F", 31), ("0b101", 5), ("-0x10", -16)),
        *(("1_000", 1000), ("08", 8.0), ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0), ("-1.5E-3", -0.0015)),
        *(("12:30:45", "12:30:45"), ("2001-01-01", "2001-01-01"), ("1.2.3", "1.2.3"), ("1e400", "1e400")),
        *(("500m", "500m"), ("64Mi", "64Mi"), ("yEs", "yEs"), ("-", "-"), ("0x", "0x"), ("._5", "._5")),
    ],
)
def test_plain_scalars_mean_what_they_mean_to_kubectl(text: str, value: Any) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


def test_quoted_and_tagged_scalars() -> None:
    assert only("['1', \"yes\", !!str 5, ! 6, !!float 1]").value == ["1", "yes", "5", "6", 1]
    assert found("a: !!int x\nb: !mine c\nc: !!set {a}\n") == [
        "pod.yaml:1: a: 'x' is not of the type !!int it is tagged with",
        "pod.yaml:2: b: tag !mine is not allowed; only plain YAML types are",
        "pod.yaml:3: c: tag !!set is not allowed; only plain YAML types are",
    ]


def test_every_value_knows_its_line() -> None:
    document = only("a: 1\nb:\n  - x\n  - c: {d: 2,\n       e: 3}\n")
    assert document.value == {"a": 1, "b": ["x", {"c": {"d": 2, "e": 3}}]}
    lines = {(): 1, ("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 1): 4, ("b", 1, "c"): 4, ("b", 1, "c", "e"): 5}
    assert {path: document.line(path) for path in lines} == lines
    assert document.line(("b", 1, "missing", 3)) == 4


def test_documents_are_split_and_empty_ones_skipped() -> None:
    documents = parse("---\n# nothing\n---\na: 1\n---\n---\nb: 2\n...\n", "x")
    assert [document.value for document in documents] == [{"a": 1}, {"b": 2}]
    assert [document.line(()) for document in documents] == [4, 7]
    assert parse("", "x") == []
    assert parse("# only words\n", "x") == []


def test_anchors_merge_keys_and_their_lines() -> None:
    document = only("base: &b {cpu: 1, memory: 2}\nuse:\n  <<: *b\n  cpu: 3\nlist:\n  <<: [{x: 1}, {x: 2, z: 3}]\n")
    assert document.findings == ()
    assert document.value["use"] == {"cpu": 3, "memory": 2}
    assert document.value["list"] == {"x": 1, "z": 3}
    assert document.line(("use", "memory")) == 3


def test_what_two_aliases_stand_for_is_not_shared() -> None:
    value = only("a: &x {k: [1]}\nb: *x\n").value
    value["b"]["k"].append(2)
    assert value["a"] == {"k": [1]}


def test_json_with_tabs_and_surrogates() -> None:
    assert only('{\n\t"a": "\\ud83d\\ude00\\/", "b": [1e3, true, null]\n}').value == {
        "a": "😀/",
        "b": [1000.0, True, None],
    }


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        pytest.param(
            "a: 1\nb: 2\na: 3\na: 4\n",
            ["pod.yaml:3: a: duplicate key 'a', first on line 1", "pod.yaml:4: a: duplicate key 'a', first on line 1"],
            id="every duplicate key",
        ),
        pytest.param(
            "1: a\non: b\n? [x]\n: c\n",
            [
                "pod.yaml:1: key 1 must be a string, but means a number; write it in quotes",
                "pod.yaml:2: key on must be a string, but means true; write it in quotes",
                "pod.yaml:3: a key must be a string, not a list or an object",
            ],
            id="keys that are not strings",
        ),
        pytest.param(
            "a:\n\tb: 1\n", ["pod.yaml:2: a tab stands where YAML allows only spaces; indent with spaces"], id="tab"
        ),
        pytest.param("a: \0\n", ["pod.yaml:1: a NUL byte is not allowed in YAML or JSON"], id="NUL"),
        pytest.param(
            "\na: \x07\n", ["pod.yaml:2: the control character U+0007 is not allowed in YAML or JSON"], id="bell"
        ),
        pytest.param('a: "\\0"', ["pod.yaml:1: a: a NUL character is not allowed in a value"], id="escaped NUL"),
        pytest.param(b"\na: \xe9", ["pod.yaml:2: byte 0xe9 is not UTF-8; save the file as UTF-8"], id="latin-1"),
        pytest.param("a: 1".encode("utf-16"), ["pod.yaml: the text is UTF-16; save it as UTF-8"], id="UTF-16"),
        pytest.param(
            "a: [.nan, -.inf]",
            [
                "pod.yaml:1: a[0]: .nan is not a number JSON knows; allowed are finite numbers",
                "pod.yaml:1: a[1]: -.inf is not a number JSON knows; allowed are finite numbers",
            ],
            id="not a number",
        ),
        pytest.param("a: *b", ["pod.yaml:1: a: alias *b has no anchor &b before it"], id="alias of nothing"),
        pytest.param("a: &a [*a]", ["pod.yaml:1: a[0]: anchor &a contains itself"], id="anchor in itself"),
        pytest.param(
            "<<: 5", ["pod.yaml:1: << needs an object, or a list of objects, to merge"], id="merge of a number"
        ),
        pytest.param(
            "a: @b", ["pod.yaml:1: not readable as YAML: '@' cannot start a value; put the value in quotes"], id="@"
        ),
        pytest.param(
            "a: b: c",
            [
                "pod.yaml:1: not readable as YAML: a ': ' that does not fit here; check the indentation, or put the "
                "value "
                "in quotes"
            ],
            id="two colons",
        ),
    ],
)
def test_findings(text: str | bytes, messages: list[str]) -> None:
    assert found(text) == messages


def test_a_byte_order_mark_is_no_fault() -> None:
    assert only("\ufeffa: 1".encode()).value == {"a": 1}


def test_reading_goes_on_after_a_broken_document() -> None:
    documents = parse("a: [1\n---\nb: 1\n---\nc: [\n--- d: e: f\n---\ng: 1\n", "x")
    assert [document.value for document in documents] == [None, {"b": 1}, None, None, {"g": 1}]
    assert [document.line(()) for document in documents if document.value] == [3, 8]


def test_an_input_that_is_too_large_is_refused() -> None:
    (message,) = found("#" * (MAX_BYTES + 1))
    assert "too much for a manifest" in message


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "a: " + "{a: " * 5000, "- " * 5000, "x: &a [[[[]]]]\n" + "b: " + "[" * 98 + "*a"]
)
def test_deep_nesting_is_refused(text: str) -> None:
    (message,) = found(text)
    assert f"nested deeper than {MAX_DEPTH} levels" in message


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join(['*' + a] * 9)}]" for a, b in zip("abcdefghi", "bcdefghij", strict=True)]
    (message,) = found("\n".join(lines))
    assert message == f"pod.yaml:6: more than {MAX_NODES} values (aliases counted with all they stand for)"


def test_paths_are_written_as_kubernetes_writes_them() -> None:
    path = ("spec", "containers", 0, "resources", "limits", "nvidia.com/gpu")
    assert format_path(path) == "spec.containers[0].resources.limits[nvidia.com/gpu]"
    assert format_path((0, "a")) == "[0].a"


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=8), json_values)
)
def test_json_text_comes_back_as_it_went(value: dict[str, Any]) -> None:
    import json

    (document,) = parse(json.dumps(value), "x")
    if not document.findings:
        assert document.value == value


@given(st.text() | st.text(alphabet="ab:-[]{}&*<>|?!'\"# \n\t0") | st.binary())
def test_no_text_makes_it_raise(text: str | bytes) -> None:
    for document in parse(text, "x"):
        assert document.value is not None or document.findings
        assert all(finding.line >= 0 for finding in document.findings)

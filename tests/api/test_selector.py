"""labelSelector and fieldSelector: every form of the grammar, and that garbage is refused, not misread."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.api.rest.selector import parse_fields, parse_labels, parse_selector
from nodeguard.api.status import ApiError
from nodeguard.api.store.entry import Key, make_entry
from nodeguard.policy.selector import all_hold

LABELS = {"app": "web", "tier": "front", "n": "5", "example.com/x": ""}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier=front", True),
        ("app!=web", False),
        ("missing!=web", True),
        ("app in (web,db)", True),
        ("app in(db)", False),
        ("app notin (db, cache)", True),
        ("missing notin (web)", True),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("!app", False),
        ("! app", False),
        ("n>4", True),
        ("n<5", False),
        ("example.com/x", True),
        ("example.com/x=", True),
        ("app=", False),
        ("app in (,web)", True),
        ("in in (a)", False),
        ("notin", False),
        ("app=web,tier notin (back),!missing,n>1", True),
    ],
)
def test_labels(text: str, holds: bool) -> None:
    assert all_hold(parse_labels(text), LABELS) is holds


@pytest.mark.parametrize(
    "text",
    [
        *("=", "a=b=c", "a b", "a in b", "a in (b", "a in b)", ",a", "a,", "a,,b", "!", "!!a", "a>b", "a>", "(a)"),
        *("a=b c", "-a=b", "a=-", "a/b/c", "a in ()x", "a=(b)", "a!b", "a === b"),
    ],
)
def test_labels_refused(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse_labels(text)
    assert refused.value.code == 400


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("", ()),
        ("a=b", (("a", "b", True),)),
        ("a==b,c!=d", (("a", "b", True), ("c", "d", False))),
        ("a=", (("a", "", True),)),
        (r"a=b\,c\=d\\", (("a", "b,c=d\\", True),)),
        ("a=b,", (("a", "b", True),)),
    ],
)
def test_fields(text: str, rules: tuple[tuple[str, str, bool], ...]) -> None:
    assert parse_fields(text) == rules


@pytest.mark.parametrize("text", ["a", "a=b=c", r"a=\x", "a=b\\"])
def test_fields_refused(text: str) -> None:
    with pytest.raises(ApiError):
        parse_fields(text)


def test_a_field_that_nobody_selects_by_is_refused() -> None:
    with pytest.raises(ApiError, match="field label not supported"):
        parse_selector("", "spec.restartPolicies=Always", ("spec.restartPolicy",))


def test_both_must_hold() -> None:
    key = Key("pods", "default", "p")
    pod = {"metadata": {"name": "p", "labels": {"a": "1"}}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}
    entry = make_entry(key, pod, 7)
    known = ("spec.nodeName", "status.phase")
    assert parse_selector("a=1", "spec.nodeName=n,status.phase!=Failed,metadata.name=p", known).matches(entry)
    assert not parse_selector("a=2", "spec.nodeName=n", known).matches(entry)
    assert not parse_selector("a=1", "metadata.namespace=other", known).matches(entry)
    assert parse_selector("", "", known).is_everything


@given(st.text(alphabet="ab=!,()<> in", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ApiError):
        all_hold(parse_labels(text), LABELS)


@given(st.text(max_size=30))
def test_any_field_text_is_read_or_refused(text: str) -> None:
    with suppress(ApiError):
        parse_fields(text)

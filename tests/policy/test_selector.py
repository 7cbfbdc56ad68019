from __future__ import annotations

import pytest
from nodebuilder import rule, selector

from nodeguard.model.placement import LabelSelector, Requirement
from nodeguard.policy.selector import number, selects

LABELS = {"zone": "a", "gen": "7", "empty": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zone In a,b", True),
        ("zone In b", False),
        ("none In a", False),
        ("zone NotIn b", True),
        ("zone NotIn a,b", False),
        ("none NotIn a", True),
        ("empty Exists", True),
        ("none Exists", False),
        ("none DoesNotExist", True),
        ("empty DoesNotExist", False),
        ("gen Gt 6", True),
        ("gen Gt 7", False),
        ("gen Lt 8", True),
        ("gen Lt 7", False),
        ("zone Gt 1", False),
        ("none Lt 9", False),
        ("empty Lt 9", False),
    ],
)
def test_one_rule(text: str, expected: bool) -> None:
    assert selects(LabelSelector(requirements=(rule(text),)), LABELS) is expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("gen Gt x", id="no number"),
        pytest.param("gen Gt 1,2", id="two numbers"),
        pytest.param("zone Exists a", id="a value for Exists"),
        pytest.param("zone Like a", id="an unknown operator"),
        pytest.param("zone NotIn a~b", id="a value that no label can have"),
        pytest.param("zone NotIn", id="no value"),
    ],
)
def test_a_rule_without_sense_never_holds(text: str) -> None:
    assert not selects(selector(text), LABELS)


def test_all_rules_must_hold() -> None:
    assert selects(selector("zone In a", "gen Gt 1"), LABELS)
    assert not selects(selector("zone In a", "gen Gt 9"), LABELS)


def test_an_empty_value_is_a_value() -> None:
    assert selects(LabelSelector(requirements=(Requirement(key="empty", operator="In", values=("",)),)), LABELS)


def test_no_selector_selects_nothing_and_no_rule_everything() -> None:
    assert not selects(None, LABELS)
    assert selects(LabelSelector(), LABELS)


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7), ("-7", -7), ("+7", 7), ("007", 7), ("7.5", None), ("", None), ("1_0", None), ("٣", None),
     ("9223372036854775807", 2**63 - 1), ("9223372036854775808", None), ("9" * 5000, None)],
)  # fmt: skip
def test_number(text: str, value: int | None) -> None:
    assert number(text) == value

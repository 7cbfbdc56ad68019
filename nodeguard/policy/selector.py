"""Whether labels meet the rules of a selector.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/labels/selector.go; pkg/apis/meta/v1/helpers.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from nodeguard.model.placement import LabelSelector, Requirement
from nodeguard.model.quantity import MAX_INT64
from nodeguard.model.syntax import label_value

_NUMBER = re.compile(r"[+-]?[0-9]+")


def selects(selector: LabelSelector | None, labels: Mapping[str, str]) -> bool:
    """Whether the selector selects what has these labels: None selects nothing, no rules everything."""
    return selector is not None and all_hold(selector.requirements, labels)


def all_hold(rules: Iterable[Requirement], labels: Mapping[str, str]) -> bool:
    """Whether every rule holds; if one makes no sense (``Gt`` without a number), none does."""
    return all(_is_sound(rule) and _holds(rule, labels) for rule in rules)


def number(text: str) -> int | None:
    """The 64-bit number that a label or taint stands for, None when it stands for none."""
    value = int(text) if _NUMBER.fullmatch(text) and len(text) <= 64 else None
    return value if value is not None and -MAX_INT64 - 1 <= value <= MAX_INT64 else None


def _is_sound(rule: Requirement) -> bool:
    values = rule.values
    match rule.operator:
        case "In" | "NotIn":
            return bool(values) and all(label_value(value) is None for value in values)
        case "Exists" | "DoesNotExist":
            return not values
        case "Gt" | "Lt":
            return len(values) == 1 and label_value(values[0]) is None and number(values[0]) is not None
        case _:
            return False


def _holds(rule: Requirement, labels: Mapping[str, str]) -> bool:
    has = labels.get(rule.key)
    match rule.operator:
        case "In":
            return has in rule.values
        case "NotIn":
            return has not in rule.values  # a label that is not there is no value either
        case "Exists":
            return has is not None
        case "DoesNotExist":
            return has is None
        case _:
            left, right = number(has or ""), number(rule.values[0])
            if left is None or right is None:
                return False
            return left > right if rule.operator == "Gt" else left < right

"""Values of thresholds: VAL-1 to VAL-7, and the categories of section 3.4."""

from __future__ import annotations

import pytest

from nodeguard.model.quantity import Quantity
from nodeguard.model.signal import Signal
from nodeguard.model.threshold import (
    Threshold,
    ThresholdValue,
    decimal_ratio,
    parse_min_reclaim,
    parse_value,
    without_grace,
)

GIB = 1 << 30


def value(text: object) -> ThresholdValue:
    parsed = parse_value(text)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(
    ("text", "capacity", "limit"),
    [
        pytest.param("10%", 10 * GIB, 1073741840, id="VAL-4 10 % of 10Gi in single precision"),
        pytest.param("20%", 1000 << 20, 209715203, id="VAL-4 20 % of 1000Mi"),
        pytest.param("5%%", 100, 5, id="VAL-3 all trailing percent signs go"),
        pytest.param("1e1%", 1000, 100, id="VAL-3 an exponent"),
        pytest.param("+10%", 1000, 100, id="VAL-3 a sign"),
        pytest.param("0.0%", GIB, 0, id="VAL-2 another spelling of zero is a threshold that is never met"),
        pytest.param("-0%", GIB, 0, id="VAL-2 minus zero too"),
        pytest.param("100.0%", GIB, GIB, id="VAL-2 another spelling of everything"),
        pytest.param("10%", -(10 * GIB), -1073741840, id="SIG-12 towards zero also below it"),
        pytest.param("1.Gi", 0, GIB, id="VAL-5 a point without digits"),
        pytest.param(".5Gi", 0, GIB // 2, id="VAL-5 no digit before the point"),
        pytest.param("1e9", 0, 10**9, id="VAL-5 a decimal exponent"),
        pytest.param(1073741824, 0, GIB, id="a bare number of a file"),
    ],
)
def test_what_a_value_means(text: object, capacity: int, limit: int) -> None:
    assert value(text).of(capacity) == Quantity.from_int(limit)
    assert str(value(text)) == str(text)


@pytest.mark.parametrize("text", ["off", "0%", "100%", False])
def test_switched_off(text: object) -> None:
    assert parse_value(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *[
            pytest.param(text, "is not a percentage", id=f"bad_percentage {text}")
            for text in ("x%", "%", "1 %", "1,5%")
        ],
        pytest.param("NaN%", "is not a percentage", id="ODD-6 NaN"),
        pytest.param("0x1p1%", "is not a percentage", id="VAL-3 hexadecimal"),
        pytest.param("1e39%", "computed with", id="bad_percentage beyond single precision"),
        pytest.param("-1%", "negative", id="percentage_negative"),
        pytest.param("101%", "above 100%", id="percentage_over_100"),
        *[
            pytest.param(text, "is not a quantity", id=f"bad_quantity {text!r}")
            for text in ("1K", "1gi", "1GB", "1KiB", "1 Gi", " 1Gi", "", "=1", "x")
        ],
        *[pytest.param(given, "neither", id=f"bad_quantity {given!r}") for given in (True, None, [1])],
        *[pytest.param(text, "not above 0", id=f"not_positive {text}") for text in ("0", "-1Gi", "0Gi")],
    ],
)
def test_values_refused(text: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_value(text)


@pytest.mark.parametrize(
    ("text", "capacity", "amount"),
    [("0", 1, 0), ("0Gi", 1, 0), ("500Mi", 1, 500 << 20), ("150%", 100, 150), ("5%", 1000, 50)],
)
def test_minimum_reclaim(text: str, capacity: int, amount: int) -> None:
    assert parse_min_reclaim(text).of(capacity).value() == amount


@pytest.mark.parametrize("text", ["0%", "-1%", "-1Gi", "x", "x%", "0.0%", None, True])
def test_minimum_reclaims_refused(text: object) -> None:
    with pytest.raises(ValueError):
        parse_min_reclaim(text)


def test_names_tell_value_as_given_and_hardness() -> None:
    soft = Threshold(signal=Signal.MEMORY_AVAILABLE, value=value("1.5Gi"), grace_ns=1)
    assert str(soft) == "memory.available<1.5Gi/soft"
    assert str(Threshold(signal=Signal.NODEFS_AVAILABLE, value=value("10%"))) == "nodefs.available<10%/hard"


@pytest.mark.parametrize(("text", "shown"), [("10%", 0.1), ("15%", 0.15), ("33.3%", 0.333), ("0.0%", 0.0)])
def test_ratios_print_short(text: str, shown: float) -> None:
    ratio = value(text).ratio
    assert ratio is not None
    assert decimal_ratio(ratio) == shown


def test_soft_thresholds_need_a_grace_period_unless_switched_off() -> None:
    assert without_grace({"a": 1, "b": None, "c": 1}, {"a": 0}) == ("c",)

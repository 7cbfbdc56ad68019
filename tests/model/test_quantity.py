"""Facts from kubernetes, staging/src/k8s.io/apimachinery/pkg/api/resource/quantity_test.go, and what follows."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.model.quantity import (
    BINARY_SI,
    DECIMAL_EXPONENT,
    DECIMAL_SI,
    MAX_INT64,
    ZERO,
    Format,
    Quantity,
    json_number,
)

SI, BI, EX = DECIMAL_SI, BINARY_SI, DECIMAL_EXPONENT

# text, mantissa, decimal exponent, notation
PARSED = [
    *((f"0{suffix}", 0, 0, SI) for suffix in ("", "n", "u", "m", "k", "M", "G", "T")),
    *((f"0{suffix}", 0, 0, BI) for suffix in ("Ki", "Mi", "Gi", "Ti")),
    ("1", 1, 0, SI),
    ("1Ki", 1024, 0, BI),
    ("8Ki", 8 * 1024, 0, BI),
    ("7Mi", 7 * 1024**2, 0, BI),
    ("6Gi", 6 * 1024**3, 0, BI),
    ("5Ti", 5 * 1024**4, 0, BI),
    ("4Pi", 4 * 1024**5, 0, BI),
    ("3Ei", 3 * 1024**6, 0, BI),
    ("100Ti", 100 * 1024**4, 0, BI),
    ("5n", 5, -9, SI),
    ("4u", 4, -6, SI),
    ("3m", 3, -3, SI),
    ("9", 9, 0, SI),
    ("8k", 8, 3, SI),
    ("50k", 5, 4, SI),
    ("7M", 7, 6, SI),
    ("6G", 6, 9, SI),
    ("5T", 5, 12, SI),
    ("300T", 3, 14, SI),
    ("2P", 2, 15, SI),
    ("1E", 1, 18, SI),
    ("1E-3", 1, -3, EX),
    ("1e3", 1, 3, EX),
    ("1E6", 1, 6, EX),
    ("1e14", 1, 14, EX),
    ("1E18", 1, 18, EX),
    ("100.035k", 100035, 0, SI),
    ("0.001", 1, -3, SI),
    ("0.0005k", 5, -1, SI),
    ("0.05", 5, -2, SI),
    ("0.00050k", 5, -1, SI),
    ("0.50000", 5, -1, SI),
    ("0.5e0", 5, -1, EX),
    ("0.5e-2", 5, -3, EX),
    ("10.035M", 10035, 3, SI),
    ("1.2e3", 12, 2, EX),
    ("1.3E+6", 13, 5, EX),
    ("1.53E12", 153, 10, EX),
    ("1.7E18", 17, 17, EX),
    ("9.01", 901, -2, SI),
    ("7.123456M", 7123456, 0, SI),
    ("6.987654321G", 6987654321, 0, SI),
    ("1.01E", 101, 16, SI),
    ("3.001n", 4, -9, SI),
    ("1.1E-9", 2, -9, EX),
    ("0.0000000001", 1, -9, SI),
    ("0.00000000050", 1, -9, SI),
    ("0.5e-9", 1, -9, EX),
    ("0.9n", 1, -9, SI),
    ("0.00000012345", 124, -9, SI),
    ("9Ei", MAX_INT64, 0, BI),
    ("9223372036854775807Ki", MAX_INT64, 0, BI),
    ("12E", 12, 18, SI),
    ("100.035Ki", 10243584, -2, BI),
    ("0.5Mi", 1024**2 // 2, 0, BI),
    ("0.05Gi", 536870912, -1, BI),
    ("0.025Ti", 274877906944, -1, BI),
    ("0.000000000001Ki", 2, -9, SI),
    (".001", 1, -3, SI),
    (".0001k", 100, -3, SI),
    ("1.", 1, 0, SI),
    ("1.G", 1, 9, SI),
]


@pytest.mark.parametrize(("text", "mantissa", "exponent", "notation"), PARSED, ids=[row[0] for row in PARSED])
def test_parse(text: str, mantissa: int, exponent: int, notation: Format) -> None:
    for sign, factor in (("", 1), ("+", 1), ("-", -1)):
        quantity = Quantity.parse(sign + text)
        assert quantity.nano == factor * mantissa * 10 ** (exponent + 9)
        assert quantity.format is notation


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        *(("1.5Gi", "1536Mi"), ("0.5", "500m"), ("1000m", "1"), ("1e3", "1e3"), ("1024Ki", "1Mi"), ("1024Mi", "1Gi")),
        *(("307200Ki", "300Mi"), ("1025024Mi", "1001Gi"), ("1024Gi", "1Ti"), ("6Ki", "6Ki"), ("1000M", "1G")),
        *((".001Ki", "1024m"), (".000001Ki", "1024u"), (".000000001Ki", "1024n"), (".000000000001Ki", "2n")),
        *(("0.5Ki", "512"), ("100.035Ki", "102435840m"), ("1025", "1025"), ("1.08", "1080m"), ("1080000000n", "1080m")),
        *(("0.001T", "1G"), ("1234567M", "1234567M"), (".001e12", "1e9"), ("1000e-12", "1e-9"), ("80e-3", "80e-3")),
        *(("0.001e0", "1e-3"), ("300e6", "300e6"), ("1e14", "100e12"), ("0.5e-1", "50e-3"), ("00", "0"), ("0Gi", "0")),
        *(("1000E", "1e21"), ("5000E", "5e21"), ("1000000E", "1e24"), ("1E", "1E"), ("9Ei", "9223372036854775807")),
        *((" 64Mi ", "64Mi"), ("+1", "1"), ("1.500", "1500m"), ("-0", "0")),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert str(Quantity.parse(text)) == canonical
    if canonical != "0":
        assert str(-Quantity.parse(text)) == "-" + canonical


def test_binary_amounts_beyond_the_last_suffix_keep_their_value() -> None:
    assert str(Quantity.from_int(2**70, BINARY_SI)) == "1180591620717411303424"
    assert str(Quantity.from_int(10**70, BINARY_SI)) == "10e69"


@pytest.mark.parametrize(
    "text",
    [
        *("", "1.1.M", "1+1.0M", "0.1mi", "0.1am", "aoeu", ".5i", "1i", "-3.01i", "-3.01e-", "1e4294967297", "1 G"),
        *("1K", "1KI", "1e", "1e1.5", "1n5", "0x10", "1_000", "١", "--1", "1e101", "9" * 300, "9" * 210),
        *("Mi", ".", "-.", "+", "m"),
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        Quantity.parse(text)


@pytest.mark.parametrize("value", [True, False, float("nan"), float("inf"), -float("inf"), 10**4000])
def test_refused_numbers(value: float) -> None:
    with pytest.raises(ValueError, match="quantity"):
        Quantity.parse(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (0.5, "500m"),
        (1e3, "1k"),
        (1e-5, "10u"),
        (1.5e16, "15P"),
        (1e21, "1e21"),
        (1e-7, "100e-9"),
        (-0.0, "0"),
    ],
)
def test_numbers_mean_what_their_json_text_means(value: float, text: str) -> None:
    assert str(Quantity.parse(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((1.0, "1"), (100000.0, "100000"), (1e20, "100000000000000000000"), (1e21, "1e+21"), (1e-6, "0.000001")),
        *((1.25e-5, "0.0000125"), (1e-7, "1e-7"), (-2.5, "-2.5"), (1.5e300, "1.5e+300"), (0.0, "0")),
    ],
)
def test_json_number(value: float, text: str) -> None:
    assert json_number(value) == text


@pytest.mark.parametrize(
    ("text", "whole", "milli"),
    [
        *(("100m", 1, 100), ("100n", 1, 1), ("1.5", 2, 1500), ("9.01", 10, 9010), ("-9.01", -10, -9010), ("0", 0, 0)),
        *(("12E", MAX_INT64, MAX_INT64), ("1P", 10**15, 10**18), ("-1e30", -MAX_INT64 - 1, -MAX_INT64 - 1)),
    ],
)
def test_views_round_away_from_zero_and_saturate(text: str, whole: int, milli: int) -> None:
    assert Quantity.parse(text).value() == whole
    assert Quantity.parse(text).milli_value() == milli


def test_rounding_up_to_milli() -> None:
    assert str(Quantity.parse("0.4m").round_up_milli()) == "1m"
    assert Quantity.parse("0.4m").round_up_milli() == Quantity.parse("1m")
    assert str(Quantity.parse("1Gi").round_up_milli()) == "1Gi"


def test_sums_keep_the_notation_of_the_left_unless_it_is_zero() -> None:
    assert str(Quantity.parse("1Gi") + Quantity.parse("1024M")) == str(
        Quantity.from_int(2**30 + 1024 * 10**6, BINARY_SI)
    )
    for text in ("100m", "1Gi"):
        assert str(ZERO + Quantity.parse(text)) == text
        assert str(Quantity.parse(text) + ZERO) == text
        assert str(Quantity.parse(text) - ZERO) == text
        assert str(ZERO - Quantity.parse(text)) == "-" + text


@pytest.mark.parametrize(("left", "right"), [("1", "1000m"), ("1Ki", "1024"), ("1e3", "1k"), ("0", "0Gi")])
def test_equal_amounts_are_equal_in_any_notation(left: str, right: str) -> None:
    assert Quantity.parse(left) == Quantity.parse(right)
    assert hash(Quantity.parse(left)) == hash(Quantity.parse(right))


@pytest.mark.parametrize(("low", "high"), [("50m", "100m"), ("100Gi", "10000T"), ("-1", "0"), ("999n", "1u")])
def test_order(low: str, high: str) -> None:
    smaller, larger = Quantity.parse(low), Quantity.parse(high)
    assert smaller < larger
    assert smaller <= larger
    assert larger > smaller
    assert larger >= smaller
    assert not larger <= smaller


amounts = st.builds(
    Quantity,
    st.integers(-(10**40), 10**40) | st.integers(-(2**63), 2**63).map(lambda n: n * 10**9),
    st.sampled_from(Format),
)


def rounded(quantity: Quantity) -> bool:
    """Whether reading the text back caps it: binary amounts end at 2^63-1."""
    return quantity.format is BINARY_SI and abs(quantity.nano) > MAX_INT64 * 10**9


@given(amounts)
def test_text_reads_back_as_the_same_amount(quantity: Quantity) -> None:
    again = Quantity.parse(str(quantity))
    if not rounded(quantity) or again.format is not BINARY_SI:
        assert again == quantity
    assert str(Quantity.parse(str(again))) == str(again)


@given(amounts, amounts)
def test_order_is_that_of_the_exact_amounts(left: Quantity, right: Quantity) -> None:
    assert (left < right) == (Fraction(left.nano, 10**9) < Fraction(right.nano, 10**9))
    assert (left + right) - right == left


@given(amounts)
def test_views_never_promise_less(quantity: Quantity) -> None:
    if abs(quantity.nano) < 10**24:
        assert abs(quantity.value()) * 10**9 >= abs(quantity.nano)
        assert abs(quantity.milli_value()) * 10**6 >= abs(quantity.nano)
        assert abs(quantity.round_up_milli().nano) - abs(quantity.nano) < 10**6


@given(st.text(alphabet="0123456789.+-eEinumkKMGTP ", max_size=20) | st.text(max_size=10))
def test_any_text_is_an_amount_or_a_value_error(text: str) -> None:
    try:
        quantity = Quantity.parse(text)
    except ValueError:
        return
    assert Quantity.parse(str(quantity)) == quantity


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_read_exactly_as_its_shortest_text(value: float) -> None:
    assert Fraction(json_number(value)) == Fraction(repr(value))

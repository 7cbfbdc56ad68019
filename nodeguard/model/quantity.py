"""Amounts of resources in Kubernetes' notation: ``500m``, ``1.5Gi``, ``1e3``.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/api/resource/{quantity,suffix,amount}.go.

Two differences on purpose: a text without any digit (``Mi``, ``.``), which upstream reads as zero, is refused; and
an amount always prints in canonical form, where upstream prints some parsed texts as they were (``1.500``, ``+1``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum


class Format(StrEnum):
    """How an amount is printed; parsing remembers the notation it met."""

    DECIMAL_SI = "DecimalSI"
    BINARY_SI = "BinarySI"
    DECIMAL_EXPONENT = "DecimalExponent"


DECIMAL_SI = Format.DECIMAL_SI
BINARY_SI = Format.BINARY_SI
DECIMAL_EXPONENT = Format.DECIMAL_EXPONENT

MAX_INT64 = (1 << 63) - 1
_NANO = 10**9
_MAX_TEXT = 256
_MAX_EXPONENT = 100
_MAX_DIGITS = 200
"""Upstream takes any 32-bit exponent; writing such a number out would need gigabytes."""

_PATTERN = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIX = ("", *_BINARY)
_ALLOWED = "allowed are a number with a suffix of n u m k M G T P E Ki Mi Gi Ti Pi Ei, or an exponent such as 1e3"


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact amount in units of 1e-9, and the notation to print it in.

    Equality, order and hash follow the amount alone: ``1`` equals ``1000m``.
    """

    nano: int
    format: Format = field(default=DECIMAL_SI, compare=False)

    @classmethod
    def parse(cls, text: str | int | float) -> Quantity:
        """The amount a manifest means; numbers are read as their JSON text, as the API server would get them.

        Finer than 1n is rounded away from zero; a binary amount above 2^63-1 becomes 2^63-1.

        Raises:
            ValueError: not a quantity; the message says what is wrong and what is allowed.
        """
        if isinstance(text, bool):
            raise ValueError(f"{str(text).lower()} is not a quantity; {_ALLOWED}")
        if isinstance(text, float):
            text = json_number(text)
        elif isinstance(text, int):
            text = f"{text:d}" if abs(text) < 10**_MAX_EXPONENT else "9" * (_MAX_DIGITS + 1)
        return _parse(text.strip())

    @classmethod
    def from_int(cls, value: int, format: Format = DECIMAL_SI) -> Quantity:  # noqa: A002 - upstream's word
        """``value`` whole units."""
        return cls(value * _NANO, format)

    @classmethod
    def from_milli(cls, value: int, format: Format = DECIMAL_SI) -> Quantity:  # noqa: A002 - upstream's word
        """``value`` thousandths."""
        return cls(value * 10**6, format)

    def value(self) -> int:
        """Whole units, rounded away from zero, at most 2^63-1 in magnitude."""
        return _saturate(_divide_up(self.nano, _NANO))

    def milli_value(self) -> int:
        """Thousandths, rounded away from zero, at most 2^63-1 in magnitude."""
        return _saturate(_divide_up(self.nano, 10**6))

    def is_zero(self) -> bool:
        """Nothing at all."""
        return self.nano == 0

    def round_up_milli(self) -> Quantity:
        """The same amount, rounded away from zero to whole thousandths."""
        rounded = _divide_up(self.nano, 10**6) * 10**6
        return self if rounded == self.nano else Quantity(rounded, self.format)

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nano + other.nano, self.format if self.nano else other.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nano - other.nano, self.format if self.nano else other.format)

    def __neg__(self) -> Quantity:
        return Quantity(-self.nano, self.format)

    def __lt__(self, other: Quantity) -> bool:
        return self.nano < other.nano

    def __le__(self, other: Quantity) -> bool:
        return self.nano <= other.nano

    def __gt__(self, other: Quantity) -> bool:
        return self.nano > other.nano

    def __ge__(self, other: Quantity) -> bool:
        return self.nano >= other.nano

    def __bool__(self) -> bool:
        return self.nano != 0

    def __str__(self) -> str:
        """The canonical text: no fraction, the suffix as large as possible."""
        if self.nano == 0:
            return "0"
        notation = DECIMAL_EXPONENT if self.format is DECIMAL_EXPONENT else DECIMAL_SI
        if self.format is BINARY_SI and self.nano % _NANO == 0 and abs(self.nano) >= 1024 * _NANO:
            number, power = self.nano // _NANO, 0
            while number % 1024 == 0:
                number, power = number // 1024, power + 1
            if power < len(_BINARY_SUFFIX):
                return f"{number}{_BINARY_SUFFIX[power]}"
            notation = DECIMAL_EXPONENT
        number, exponent = self.nano, -9
        while number % 1000 == 0:
            number, exponent = number // 1000, exponent + 3
        if notation is DECIMAL_EXPONENT or exponent not in _DECIMAL_SUFFIX:  # there is no suffix beyond E
            return f"{number}e{exponent}" if exponent else str(number)
        return f"{number}{_DECIMAL_SUFFIX[exponent]}"


ZERO = Quantity(0)


def json_number(value: float) -> str:
    """A float as Go's encoding/json prints it, which decides what a bare YAML number means as a quantity.

    Raises:
        ValueError: NaN or infinite.
    """
    text = repr(value)
    if "n" in text:
        raise ValueError(f"{text} is not a quantity; {_ALLOWED}")
    mantissa, _, exponent = text.partition("e")
    mantissa = mantissa.removesuffix(".0")
    if not exponent:
        return "0" if value == 0 else mantissa
    if 1e-6 <= abs(value) < 1e21:  # repr writes exponents from 1e16 up and below 1e-4, Go only beyond these
        return _plain(mantissa, int(exponent))
    return f"{mantissa}e{int(exponent):+d}"


def _plain(mantissa: str, exponent: int) -> str:
    """Write ``mantissa`` × 10^``exponent`` without an exponent."""
    sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, fraction = digits.partition(".")
    if exponent >= 0:
        return sign + whole + fraction.ljust(exponent, "0")
    return f"{sign}0.{'0' * (-exponent - len(whole))}{whole}{fraction}"


def _parse(text: str) -> Quantity:
    match = _PATTERN.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if match is None:
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise ValueError(f"{shown!r} is not a quantity; {_ALLOWED}")
    sign, whole, fraction, suffix = match.groups(default="")
    if not whole and not fraction:
        raise ValueError(f"{text!r} is not a quantity: it has no digits; {_ALLOWED}")
    mantissa, exponent = int(whole + fraction), -len(fraction)
    notation = DECIMAL_SI
    if suffix in _DECIMAL:
        exponent += _DECIMAL[suffix]
    elif suffix in _BINARY:
        mantissa <<= _BINARY[suffix]
        notation = BINARY_SI
    elif suffix[0] in "eE" and suffix[1:].lstrip("+-").isdecimal():
        power = int(suffix[1:])
        if power > _MAX_EXPONENT:
            raise ValueError(f"{text!r} is too large a quantity: the exponent may be at most {_MAX_EXPONENT}")
        exponent += max(power, -10 * _MAX_TEXT)  # far below 1n already: rounding makes both 1n
        notation = DECIMAL_EXPONENT
    else:
        raise ValueError(f"{text!r} is not a quantity: unknown suffix {suffix!r}; {_ALLOWED}")

    exponent += 9
    nano = mantissa * 10**exponent if exponent >= 0 else _divide_up(mantissa, 10**-exponent)
    if nano >= 10 ** (_MAX_DIGITS + 9):
        raise ValueError(f"{text[:40]!r} is too large a quantity")
    if notation is BINARY_SI:
        nano = min(nano, MAX_INT64 * _NANO)
        if 0 < nano < _NANO:
            notation = DECIMAL_SI
    return Quantity(-nano if sign == "-" else nano, notation)


def _divide_up(number: int, divisor: int) -> int:
    """Divide, rounding away from zero."""
    return -(-number // divisor) if number >= 0 else number // divisor


def _saturate(number: int) -> int:
    return max(-MAX_INT64 - 1, min(number, MAX_INT64))

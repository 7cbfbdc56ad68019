"""What a plain YAML scalar means to kubectl.

YAML 1.1 booleans (``yes``, ``on``), octal ``0644``, ``1e3`` a float; timestamps and sexagesimals stay text.

Source: sigs.k8s.io/yaml, goyaml.v2/resolve.go.
"""

from __future__ import annotations

import math
import re
from typing import Any

_MAX_NUMBER_TEXT = 64

_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_NUMBER_START = frozenset("+-.0123456789")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED = re.compile(r"([-+]?)0(?:[oO]?([0-7]+)|[xX]([0-9a-fA-F]+)|[bB]([01]+))")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


def resolve(text: str) -> Any:
    """What a plain scalar means."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _NUMBER_START or len(text) > _MAX_NUMBER_TEXT:
        return text
    plain = text.replace("_", "") if text[0] != "." else text
    if _DECIMAL.fullmatch(plain):
        return int(plain)
    based = _BASED.fullmatch(plain)
    if based is not None:
        sign, octal, hexadecimal, binary = based.groups()
        number = int(octal, 8) if octal else int(hexadecimal, 16) if hexadecimal else int(binary, 2)
        return -number if sign == "-" else number
    if _FLOAT.fullmatch(plain):
        number_float = float(plain)
        return text if math.isinf(number_float) else number_float
    return text

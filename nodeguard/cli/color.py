"""Colour, where it helps: on a terminal that shows it, and nowhere else."""

from __future__ import annotations

import os
from enum import Enum
from typing import TextIO


class Color(Enum):
    """The colours used, as SGR codes."""

    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    BLUE = "34"
    MAGENTA = "35"
    CYAN = "36"


_PREFIXES = (Color.CYAN, Color.YELLOW, Color.GREEN, Color.MAGENTA, Color.BLUE)
"""Colours that tell containers apart; red is kept for what went wrong."""


def enabled(stream: TextIO) -> bool:
    """Whether ``stream`` is a terminal whose user has not refused colour (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, color: Color, painted: bool) -> str:
    """``text`` in ``color``, or as it is when it is not to be painted."""
    return f"\x1b[{color.value}m{text}\x1b[0m" if painted else text


def prefix(text: str, index: int, painted: bool) -> str:
    """``text`` in the colour of the ``index``-th container."""
    return paint(text, _PREFIXES[index % len(_PREFIXES)], painted)

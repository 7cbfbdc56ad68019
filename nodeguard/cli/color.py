"""Colour, where it helps: on a terminal that shows it, and nowhere else."""

from __future__ import annotations

import os
from enum import Enum
from typing import TextIO


class Color(Enum):
    """The few colours used, as SGR codes."""

    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    BLUE = "34"
    MAGENTA = "35"
    CYAN = "36"
    FAINT = "2"
    BOLD = "1"


def wants_color(stream: TextIO) -> bool:
    """Whether ``stream`` is a terminal whose user has not refused colour (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, color: Color, *, enabled: bool) -> str:
    """``text`` in ``color``, or as it is when colour is not wanted."""
    return f"\x1b[{color.value}m{text}\x1b[0m" if enabled else text

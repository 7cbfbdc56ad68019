"""What a setting is: its name, its default, and how a value is read. Pure.

Names are the kubelet's where it has one; our own begin with ``nodeguard.``. A reader turns what a file, a flag or a
variable holds into a typed value, or raises ValueError with what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from nodeguard.agent.reader import Reader
from nodeguard.model.quantity import Quantity

NOTHING: Mapping[str, Any] = MappingProxyType({})
"""The default of a map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    ``attribute`` is its name in ``Config``. A map's entries are read, and overridden, one by one: ``keys`` are those
    allowed (empty: any), ``read`` reads an entry's value, ``whole`` are the keys whose amounts have no fraction.
    ``separator`` stands between key and value in a flag.
    """

    name: str
    attribute: str
    read: Reader
    default: Any
    help: str
    flag: str = ""
    variable: str = ""
    is_map: bool = False
    keys: tuple[str, ...] = ()
    whole: frozenset[str] = frozenset()
    separator: str = "="
    is_one_for_all: bool = False
    """A plain value in place of the map stands for every key."""
    is_text: bool = True
    """Flags and variables hold text; False: the text is read as YAML would read it (numbers, booleans)."""
    is_of_agent: bool = False
    """Only `nodeguard agent` has the flag."""
    show: Callable[[Any], Any] = str

    def entry_name(self, key: str | None) -> str:
        """``maxPods``, ``evictionHard[memory.available]``: as in a file, so that one can look for it."""
        return self.name if key is None else f"{self.name}[{key}]"

    def reader(self, key: str | None) -> Reader:
        """What reads the setting's value, or that of entry ``key``."""
        return _whole(self.read) if key in self.whole else self.read


def _whole(read: Reader) -> Reader:
    def read_whole(value: Any) -> Quantity:
        quantity: Quantity = read(value)
        if quantity.nano % 10**9:
            raise ValueError(f"{value} is not a whole number")
        return quantity

    return read_whole

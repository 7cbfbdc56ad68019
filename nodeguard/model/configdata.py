"""What a ConfigMap or Secret holds."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nodeguard.model.objectref import SECRET


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigData:
    """The bytes by key; ``binary`` are keys of ``binaryData``, which become files and never variables."""

    data: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    binary: frozenset[str] = frozenset()

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, about."""
        return sum(len(key) + len(value) for key, value in self.data.items())


def config_data(kind: str, value: Mapping[str, Any]) -> ConfigData:
    """What a v1 ConfigMap or Secret holds; what has no shape, or is no base64, is left out."""
    found: dict[str, bytes] = {}
    binary: set[str] = set()
    for name, is_base64 in (("binaryData", True), ("data", kind == SECRET), ("stringData", False)):
        entries = value.get(name)
        for key, text in entries.items() if isinstance(entries, Mapping) else ():
            if isinstance(key, str) and isinstance(text, str):
                content = _decoded(text) if is_base64 else text.encode("utf-8", "surrogatepass")
                if content is not None:
                    found[key] = content
                    if name == "binaryData":
                        binary.add(key)
    return ConfigData(data=found, binary=frozenset(binary))


def _decoded(text: str) -> bytes | None:
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:  # binascii.Error is one; text beyond ASCII is another
        return None

"""Metrics, and the text of them that Prometheus reads.

Source: Prometheus, docs/instrumenting/exposition_formats.md (text format 0.0.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["counter", "gauge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One number; what the labels do not tell apart must not be there twice."""

    labels: Mapping[str, str]
    value: int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """All samples of one name."""

    name: str
    kind: Kind
    help: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something that has figures, and the labels that tell it from others of its kind."""

    labels: Mapping[str, str]
    figures: object

    def figure(self, path: str) -> Any:
        """The number at the end of ``memory.rss_bytes``; None when anything on the way is unknown."""
        found: Any = self.figures
        for name in path.split("."):
            found = None if found is None else getattr(found, name)
        return found


def family(name: str, kind: Kind, help_text: str, items: Iterable[Item], path: str, *, per: int = 1) -> Family:
    """The same figure of every item that has it, divided by ``per``."""
    known = ((item.labels, value) for item in items if (value := item.figure(path)) is not None)
    samples = tuple(Sample(labels=labels, value=value if per == 1 else value / per) for labels, value in known)
    return Family(name=name, kind=kind, help=help_text, samples=samples)


def exposition(families: Iterable[Family]) -> str:
    """The text; families without samples are left out."""
    lines = []
    for each in families:
        if each.samples:
            lines.append(f"# HELP {each.name} {_escape(each.help)}")
            lines.append(f"# TYPE {each.name} {each.kind}")
            lines += [f"{each.name}{_labels(sample.labels)} {sample.value!r}" for sample in each.samples]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape_value(text)}"' for name, text in labels.items()) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _escape_value(text: str) -> str:
    return _escape(text).replace('"', '\\"')

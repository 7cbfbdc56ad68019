"""What commands print: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, TextIO

import click

API_VERSION = "nodeguard.dev/v1alpha1"
"""``apiVersion`` of every object that is not Kubernetes' own."""


def output_option(*formats: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The ``-o`` option; the first format is the default."""
    return click.option("-o", "--output", type=click.Choice(formats), default=formats[0], help="Output format.")


def print_object(value: Any, output: str) -> None:
    """Print plain values as ``json`` or ``yaml``, keys in the order given."""
    if output == "yaml":
        import yaml

        text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)
    else:
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    sys.stdout.write(text)


def warn(message: object) -> None:
    """Tell the user something that does not stop the work."""
    print(f"Warning: {message}", file=sys.stderr)


def speaks_utf8(stream: TextIO) -> bool:
    """Whether box-drawing characters reach the reader of ``stream``."""
    return (stream.encoding or "").lower().replace("-", "").replace("_", "") == "utf8"

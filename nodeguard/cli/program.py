"""Programs of other packages: whether they are there, and which version."""

from __future__ import annotations

import re
import shutil
import subprocess

_VERSION = re.compile(r"\b[0-9]+(?:\.[0-9]+)+\S*|(?<=systemd )[0-9]+")


def program_version(name: str) -> str | None:
    """The version ``name --version`` tells; ``unknown`` when it tells none, None when there is no such program."""
    path = shutil.which(name)
    if path is None:
        return None
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return "unknown"
    found = _VERSION.search(told)
    return found[0] if found is not None else "unknown"

"""Manifests from files, directories and standard input."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from nodeguard.errors import InvalidInput, NotFound, UsageError
from nodeguard.model.decode import Manifests, decode
from nodeguard.model.document import MAX_BYTES, Document, parse
from nodeguard.model.finding import Finding, Severity

SUFFIXES = (".yaml", ".yml", ".json")
"""What is read of a directory; subdirectories are not, as with kubectl."""
STDIN = "-"


def load(paths: Sequence[str]) -> Manifests:
    """Everything in ``paths``, decoded; faults in the text are among the findings.

    Raises:
        NotFound: a path does not exist; all that are missing are named.
        InvalidInput: something could not be read; every fault is named.
        UsageError: standard input is named twice.
    """
    return decode(read_documents(paths))


def read_documents(paths: Sequence[str]) -> list[Document]:
    """The YAML and JSON documents in ``paths``: files, directories, ``-`` for standard input. Raises as ``load``."""
    if paths.count(STDIN) > 1:
        raise UsageError("standard input (-) can be read only once")
    missing = [path for path in paths if path != STDIN and not os.path.lexists(path)]
    if missing:
        raise NotFound("\n".join(f"{path}: no such file or directory" for path in missing))
    documents: list[Document] = []
    faults: list[Finding] = []
    for path in paths:
        for source in _sources(path, faults):
            text = _read(source, faults)
            if text is not None:
                documents += parse(text, "<stdin>" if source == STDIN else source)
    if faults:
        raise InvalidInput(faults)
    return documents


def _sources(path: str, faults: list[Finding]) -> Iterator[str]:
    """The path itself, or the manifests in the directory, by name."""
    if path == STDIN or not Path(path).is_dir():
        yield path
        return
    try:
        found = sorted(str(entry) for entry in Path(path).iterdir() if entry.suffix in SUFFIXES and not entry.is_dir())
    except OSError as e:
        faults.append(_fault(path, f"cannot be read: {e.strerror}"))
        return
    if not found:
        faults.append(_fault(path, f"no file in this directory ends with {', '.join(SUFFIXES)}"))
    yield from found


def _read(path: str, faults: list[Finding]) -> bytes | None:
    """All bytes, or None with a fault: too much, not readable, or nothing that could hold a manifest."""
    try:
        if path == STDIN:
            return _read_bounded(sys.stdin.buffer, "<stdin>", faults)
        status = Path(path).stat()
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
            faults.append(_fault(path, "not a regular file, a pipe or a directory"))
            return None
        if status.st_size > MAX_BYTES:
            faults.append(_too_large(path))
            return None
        with open(path, "rb") as file:
            return _read_bounded(file, path, faults)
    except OSError as e:
        faults.append(_fault(path, f"cannot be read: {e.strerror}"))
        return None


def _read_bounded(file: BinaryIO, source: str, faults: list[Finding]) -> bytes | None:
    text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        faults.append(_too_large(source))
        return None
    return text


def _too_large(source: str) -> Finding:
    return _fault(source, f"larger than {MAX_BYTES >> 20} MiB, which is all that is read")


def _fault(source: str, message: str) -> Finding:
    return Finding(severity=Severity.ERROR, source=source, line=0, path="", message=message)

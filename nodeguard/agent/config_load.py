"""The configuration read: defaults < files < environment < flags.

A kubelet's configuration file is read as it is; our own settings stand below ``nodeguard:`` in the same file. Maps
(reservations, thresholds, capacity, feature gates) are merged entry by entry. All findings are reported at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from nodeguard.agent.config import Config
from nodeguard.agent.config_finding import error
from nodeguard.agent.config_layer import Given, read_document, read_environment, read_flags
from nodeguard.agent.config_merge import check_effects, merge
from nodeguard.agent.config_path import ConfigPaths
from nodeguard.errors import InvalidInput, NotFound, PermissionDenied
from nodeguard.model.document import MAX_BYTES, Document, parse
from nodeguard.model.finding import Finding, Severity, in_file_order


def load(
    flags: Mapping[str, str | None],
    env: Mapping[str, str] | None = None,
    paths: ConfigPaths | None = None,
    *,
    default_thresholds: bool = True,
) -> Config:
    """Read files, environment (this process's own unless given) and flags.

    ``flags`` holds the text of each flag by its name without dashes (``capacity``, ``eviction_hard``); None means not
    given. ``config``, or ``NODEGUARD_CONFIG``, names the one file to read in place of all others. Without
    ``default_thresholds`` there are no hard thresholds but those that somebody names.

    Raises:
        InvalidInput: with every finding of all layers.
        NotFound, PermissionDenied: a file named by the user cannot be read.
    """
    env = os.environ if env is None else env
    named = flags.get("config") or env.get("NODEGUARD_CONFIG")
    files = [Path(named)] if named else (paths or ConfigPaths()).files()
    documents = [document for path in files for document in parse(read_config_file(path), str(path))]
    return build(documents, env=env, flags=flags, default_thresholds=default_thresholds)


def load_files(files: Sequence[Path], flags: Mapping[str, str | None], *, default_thresholds: bool = True) -> Config:
    """The configuration of these files and flags alone, as ``load`` would make it.

    Raises:
        InvalidInput: with every finding.
        NotFound, PermissionDenied: a file cannot be read.
    """
    documents = [document for path in files for document in parse(read_config_file(path), str(path))]
    return build(documents, env={}, flags=flags, default_thresholds=default_thresholds)


def read_config_file(path: Path) -> bytes:
    """The file's bytes, one byte more than allowed at most: the parser then refuses it.

    Raises:
        NotFound, PermissionDenied: as the name says.
        InvalidInput: it is a directory.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as e:
        raise NotFound(f"{path}: no such configuration file") from e
    except PermissionError as e:
        raise PermissionDenied(f"{path}: {e.strerror}; run with sudo") from e
    except IsADirectoryError as e:
        raise InvalidInput([error(str(path), 0, "", "is a directory; a configuration file is needed")]) from e


def build(
    documents: Sequence[Document],
    *,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, str | None] | None = None,
    default_thresholds: bool = True,
) -> Config:
    """Put the layers together: files in the order given, then environment, then flags. Pure.

    Raises:
        InvalidInput: with every finding.
    """
    findings: list[Finding] = []
    given: list[Given] = []
    sources: set[str] = set()
    for document in documents:
        findings += document.findings
        if document.source in sources:
            line = document.line(())
            findings.append(error(document.source, line, "", "a configuration file holds one document"))
        sources.add(document.source)
        if document.value is not None:
            given += read_document(document, findings)
    given += read_environment(env or {}, findings)
    given += read_flags(flags or {}, findings)

    values, origins = merge(given, findings, default_thresholds=default_thresholds)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        raise InvalidInput(in_file_order(errors))
    findings += check_effects(given)
    return Config(**values, origins=origins, warnings=in_file_order(findings))

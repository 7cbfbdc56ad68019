"""Objects for the API out of files, directories and standard input; checked as ``run`` checks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nodeguard.agent.admit import image_faults
from nodeguard.cli.manifest import read_documents
from nodeguard.cli.printer import warn
from nodeguard.client.client import Client
from nodeguard.client.kind import Kind
from nodeguard.errors import InvalidInput, NotFound
from nodeguard.model.apitable import API_OBJECTS
from nodeguard.model.check.report import Report, shown
from nodeguard.model.check.shape import check_shape
from nodeguard.model.decode import decode
from nodeguard.model.document import Document
from nodeguard.model.finding import Finding, Severity, in_file_order

_DECODED = ("Pod", "PriorityClass", "ConfigMap", "Secret")
"""Checked as for ``run``; of other kinds the fields are checked here, and what they mean by the API."""

Named = tuple[Kind, str | None, str]


def checked_objects(
    client: Client, paths: Sequence[str], namespace: str, told: set[str]
) -> list[tuple[Kind, dict[str, Any]]]:
    """Every object in the files, with its namespace filled in. Warnings are told, with their lines.

    ``told`` gets them as the API will say them again.

    Raises:
        InvalidInput: with every fault of all files. NotFound: a file is not there.
    """
    documents = [single for document in read_documents(paths) for single in _singles(document)]
    findings: list[Finding] = [finding for document in documents for finding in document.findings]
    found: list[tuple[Kind, dict[str, Any]]] = []
    decoded: list[Document] = []
    for document in documents:
        report = Report(document)
        kind = _kind(client, report, document.value)
        if kind is not None:
            _check_identity(report, kind, document.value, namespace)
            if kind.kind in _DECODED:
                decoded.append(document)
            elif kind.kind in API_OBJECTS:
                check_shape(report, kind.kind, document.value, (), API_OBJECTS)
            found.append((kind, _with_namespace(kind, document.value, namespace)))
        findings += report.findings
    manifests = decode(decoded)
    findings += [finding for finding in manifests.findings if finding not in findings]
    faults: list[object] = [finding for finding in in_file_order(findings) if finding.severity is not Severity.WARNING]
    faults += image_faults(manifests.pods)
    if not found and not faults:
        faults = [f"{', '.join(paths)}: no object in the input"]
    if faults:
        raise InvalidInput(faults)
    for finding in in_file_order(findings):
        warn(finding)
        told.add(f"{finding.path}: {finding.message}")
    return found


def named_objects(client: Client, paths: Sequence[str], namespace: str) -> list[Named]:
    """Kind, namespace and name of every object in the files; whatever else they say does not matter.

    Raises:
        InvalidInput: an object cannot be told from that. NotFound: a file is not there.
    """
    findings: list[Finding] = []
    found: list[Named] = []
    for document in (single for one in read_documents(paths) for single in _singles(one)):
        findings += document.findings
        report = Report(document)
        kind = _kind(client, report, document.value)
        if kind is not None:
            _check_identity(report, kind, document.value, namespace)
        findings += report.findings
        if kind is not None and not report.findings:
            metadata = document.value["metadata"]
            where = metadata.get("namespace") or namespace
            found.append((kind, where if kind.namespaced else None, metadata["name"]))
    if findings:
        raise InvalidInput(in_file_order(findings))
    return found


def _singles(document: Document) -> Iterator[Document]:
    """The document, or one for each item of a List; lines stay what they are."""
    value = document.value
    kind = value.get("kind") if isinstance(value, dict) else None
    if not (isinstance(kind, str) and kind.endswith("List") and isinstance(value.get("items"), list)):
        if value is not None or document.findings:
            yield document
        return
    for position, item in enumerate(value["items"]):
        root = ("items", position)
        lines = {path[2:]: line for path, line in document.lines.items() if path[:2] == root}
        if kind != "List" and isinstance(item, dict):  # items of a PodList need not say that they are Pods
            item = {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List"), **item}
        yield Document(
            value=item, source=document.source, lines=lines, findings=document.findings if position == 0 else ()
        )


def _kind(client: Client, report: Report, value: Any) -> Kind | None:
    """The object's kind; None when it was reported, or when there is no object."""
    if value is None:
        return None
    if not isinstance(value, dict):
        report.error((), f"expected an object with apiVersion and kind, found {shown(value)}")
        return None
    missing = [key for key in ("apiVersion", "kind") if not value.get(key)]
    for key in missing:
        report.error((key,), "required, but missing")
    if missing:
        return None
    try:
        return client.kind_of(value)
    except NotFound as e:
        report.error(("kind",), str(e))
        return None


def _check_identity(report: Report, kind: Kind, value: dict[str, Any], namespace: str) -> None:
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not name:
        report.error(("metadata", "name"), "required, but missing")
        return
    own = metadata.get("namespace")
    if kind.namespaced and own and namespace != "default" and own != namespace:
        report.error(
            ("metadata", "namespace"), f"found {shown(own)}, which is not the namespace asked for, {shown(namespace)}"
        )


def _with_namespace(kind: Kind, value: dict[str, Any], namespace: str) -> dict[str, Any]:
    metadata = value.get("metadata")
    if not kind.namespaced or not isinstance(metadata, dict) or metadata.get("namespace"):
        return value
    return {**value, "metadata": {**metadata, "namespace": namespace}}

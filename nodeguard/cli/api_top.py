"""``nodeguard top`` as the agent's metrics.k8s.io answers it, in kubectl's columns.

Source: kubectl, pkg/metricsutil/metrics_printer.go, metrics_sorter.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import click

from nodeguard.cli.table import TablePrinter
from nodeguard.client.client import Client
from nodeguard.client.kind import NODE, NODE_METRICS, POD_METRICS
from nodeguard.errors import NotFound
from nodeguard.model.quantity import Quantity

_POD_COLUMNS = ("NAME", "CPU(cores)", "MEMORY(bytes)")
_NODE_COLUMNS = ("NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)")


class Usage(NamedTuple):
    """What something uses; None is not known."""

    millicpu: int | None
    memory_bytes: int | None


def show_nodes(client: Client, name: str | None, sort_by: str | None, *, headers: bool) -> None:
    """A line for each node, in percent of what it may give to pods. Raises NotFound."""
    items = [client.get(NODE_METRICS, None, name)] if name else client.list(NODE_METRICS, None)["items"]
    allocatable = {item["metadata"]["name"]: item["status"]["allocatable"] for item in client.list(NODE, None)["items"]}
    rows = []
    for item in _sorted(items, sort_by):
        used, whole = _usage([item["usage"]]), allocatable.get(item["metadata"]["name"], {})
        rows.append(
            [
                item["metadata"]["name"],
                _cpu(used),
                _percent(used.millicpu, _amount(whole.get("cpu"), milli=True)),
                _memory(used),
                _percent(used.memory_bytes, _amount(whole.get("memory"), milli=False)),
            ]
        )
    _print(_NODE_COLUMNS, rows, headers=headers)


def show_pods(
    client: Client,
    name: str | None,
    namespace: str | None,
    sort_by: str | None,
    *,
    containers: bool,
    headers: bool,
) -> None:
    """A line for each pod, or each container. Raises NotFound."""
    if name and namespace is None:
        items = [item for item in client.list(POD_METRICS, None)["items"] if item["metadata"]["name"] == name]
        if not items:
            raise NotFound(f'pods "{name}" not found: nothing of it runs here')
    elif name:
        items = [client.get(POD_METRICS, namespace, name)]
    else:
        items = client.list(POD_METRICS, namespace)["items"]
    if not items:
        where = "" if namespace is None else f" in {namespace} namespace"
        click.echo(f"No resources found{where}.", err=True)
        return
    rows = []
    for item in _sorted(items, sort_by):
        metadata = item["metadata"]
        place = [metadata["namespace"]] if namespace is None else []
        if containers:
            for one in sorted(item["containers"], key=lambda each: str(each["name"])):
                used = _usage([one["usage"]])
                rows.append([*place, metadata["name"], one["name"], _cpu(used), _memory(used)])
        else:
            used = _usage(one["usage"] for one in item["containers"])
            rows.append([*place, metadata["name"], _cpu(used), _memory(used)])
    columns = ("POD", *_POD_COLUMNS) if containers else _POD_COLUMNS
    _print(("NAMESPACE", *columns) if namespace is None else columns, rows, headers=headers)


def _sorted(items: Iterable[Mapping[str, Any]], sort_by: str | None) -> list[Mapping[str, Any]]:
    """The largest first, those that nobody could measure last; or by name."""

    def key(item: Mapping[str, Any]) -> tuple[int, str, str]:
        metadata = item["metadata"]
        used = _usage(one["usage"] for one in item["containers"]) if "containers" in item else _usage([item["usage"]])
        amount = {"cpu": used.millicpu, "memory": used.memory_bytes}.get(sort_by or "")
        return (
            -amount if amount is not None else int(sort_by is not None),
            metadata.get("namespace", ""),
            metadata["name"],
        )

    return sorted(items, key=key)


def _usage(usages: Iterable[Mapping[str, str]]) -> Usage:
    """The sum of what is known."""
    found = list(usages)
    cpu = [amount for one in found if (amount := _amount(one.get("cpu"), milli=True)) is not None]
    memory = [amount for one in found if (amount := _amount(one.get("memory"), milli=False)) is not None]
    return Usage(sum(cpu) if cpu else None, sum(memory) if memory else None)


def _amount(text: str | None, *, milli: bool) -> int | None:
    """Rounded up, as quantities are."""
    if text is None:
        return None
    quantity = Quantity.parse(text)
    return quantity.milli_value() if milli else quantity.value()


def _cpu(used: Usage) -> str:
    return "<unknown>" if used.millicpu is None else f"{used.millicpu}m"


def _memory(used: Usage) -> str:
    return "<unknown>" if used.memory_bytes is None else f"{used.memory_bytes >> 20}Mi"


def _percent(used: int | None, whole: int | None) -> str:
    return "<unknown>" if used is None or not whole else f"{used * 100 // whole}%"


def _print(columns: Sequence[str], rows: Sequence[Sequence[str]], *, headers: bool) -> None:
    definitions = [{"name": name} for name in columns]
    printer = TablePrinter(headers=headers, keeps_case=True)
    click.echo(printer.render({"columnDefinitions": definitions, "rows": [{"cells": row} for row in rows]}), nl=False)

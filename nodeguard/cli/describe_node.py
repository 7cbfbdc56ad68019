"""``nodeguard describe node``: the node as kubectl describes it, and how its eviction signals stand.

Source: kubernetes, staging/src/k8s.io/kubectl/pkg/describe/describe.go, describeNode.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from nodeguard.agent.history_file import FILE_NAME
from nodeguard.agent.history_reader import read_events
from nodeguard.agent.node_view import NodeView, view_node
from nodeguard.agent.text import format_age, format_bytes
from nodeguard.cli.get_node import check_name, node_roles
from nodeguard.cli.option import config_file_option, load_and_warn
from nodeguard.cli.printer import warn
from nodeguard.errors import NodeguardError
from nodeguard.model.instant import parse_rfc3339
from nodeguard.model.meta import Event
from nodeguard.model.pod import ResourceList
from nodeguard.model.quantity import ZERO, Quantity
from nodeguard.model.signal import Resource
from nodeguard.policy.effective import sum_of
from nodeguard.policy.signal_state import SignalState, ThresholdState

EVENTS_SECONDS = 3600.0
_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_INFO = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
)


@click.command(short_help="Describe this host: conditions, eviction signals, pods, resources.")
@click.argument("name", required=False)
@config_file_option
def node(name: str | None, **options: Any) -> None:
    """Describe this host as a node: conditions, eviction signals and thresholds, pods, allocated resources."""
    config, now = load_and_warn(options), time.time()
    view = view_node(config)
    check_name(view.node, name)
    lines = [*description(view, now), *_events(_recent_events(config.state_dir / FILE_NAME, now), now)]
    click.echo("\n".join(lines))


def _recent_events(history: Path, now: float) -> list[Event]:
    """The node's own of the last hour, as long as Kubernetes keeps events; a history that cannot be read is told."""
    try:
        return [event for event in read_events(history, since=now - EVENTS_SECONDS) if event.node]
    except NodeguardError as e:
        warn(e)
        return []


def _events(events: Sequence[Event], now: float) -> Iterator[str]:
    yield "Events:" if events else "Events:             <none>"
    if events:
        rows = [(one.type, one.reason, format_age(now - one.at), "nodeguard", one.message) for one in events]
        yield from _table(("Type", "Reason", "Age", "From", "Message"), rows)


def description(view: NodeView, now: float, *, holder: str = "") -> Iterator[str]:
    """The lines; ``holder`` is who keeps the node's lease, where it is not the processes of the view."""
    item = view.node
    metadata, spec, status = item["metadata"], item["spec"], item["status"]
    taints = [_taint(taint) for taint in spec.get("taints", [])]
    labels = [f"{key}={value}" for key, value in metadata.get("labels", {}).items()]
    annotations = [f"{key}: {value}" for key, value in metadata.get("annotations", {}).items()]
    yield from _fields(
        (
            ("Name", [metadata["name"]]),
            ("Roles", [node_roles(item)]),
            ("Labels", labels),
            ("Annotations", annotations),
            ("CreationTimestamp", [_instant(parse_rfc3339(metadata["creationTimestamp"]))]),
            ("Taints", taints),
            ("Unschedulable", [str(bool(spec.get("unschedulable"))).lower()]),
        )
    )
    yield "Lease:"
    holder = holder or ", ".join(f"process {pid}" for pid in view.agents)
    yield from _fields(
        (("HolderIdentity", [holder] if holder else []), ("RenewTime", [_instant(view.renewed_at)])), "  "
    )
    yield "Conditions:"
    header = ("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message")
    yield from _table(header, [_condition(one) for one in status["conditions"]])
    yield from _signals(view, now)
    yield "Addresses:"
    yield from _fields([(one["type"], [one["address"]]) for one in status["addresses"]], "  ")
    for title, key in (("Capacity", "capacity"), ("Allocatable", "allocatable")):
        yield f"{title}:"
        yield from _fields([(name, [amount]) for name, amount in status[key].items()], "  ")
    yield "System Info:"
    yield from _fields([(title, [status["nodeInfo"].get(key, "")]) for title, key in _INFO], "  ")
    yield from _fields([("ProviderID", [spec.get("providerID", "")])], width=len("CreationTimestamp"))
    yield from _pods(view, now)
    yield from _allocated(view)


def _signals(view: NodeView, now: float) -> Iterator[str]:
    yield "Eviction Signals:" if view.signals else "Eviction Signals:   <none>"
    if view.signals:
        header = ("Signal", "Available", "Capacity", "Threshold", "State", "File System")
        yield from _table(header, [_signal(state, now) for state in view.signals])
    for condition, at in view.ends.items():
        yield f"  {condition} ends {_in(at, now)} at the earliest"


def _signal(state: SignalState, now: float) -> tuple[str, ...]:
    limit = state.threshold.partition("<")[2]
    threshold = f"<{limit.partition('/')[0]}, {limit.partition('/')[2]}"
    word = str(state.state)
    if state.state is ThresholdState.GRACE and state.acts_at is not None:
        word += f", acts {_in(state.acts_at, now)}"
    elif state.state is ThresholdState.RECLAIMING:
        word += f", wants {_amount(state, state.limit_with_reclaim)}"
    elif state.met_since is not None:
        word += f" for {format_age(now - state.met_since)}"
    word += ", observed only" if state.on_trial else ""
    return (
        state.signal,
        _amount(state, state.available),
        _amount(state, state.capacity),
        threshold,
        word,
        f"{state.mount_point} ({state.device})" if state.mount_point else "<none>",
    )


def _pods(view: NodeView, now: float) -> Iterator[str]:
    yield f"Non-terminated Pods:  ({len(view.pods)} in total)"
    header = ("Namespace", "Name", "QoS", "Priority", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits")
    rows = [
        (
            pod.namespace,
            pod.name,
            pod.qos_class,
            str(pod.priority),
            *(
                _share(view, resource, amounts)
                for resource in ("cpu", "memory")
                for amounts in (pod.requests, pod.limits)
            ),
            format_age(now - pod.started_at),
        )
        for pod in view.pods
    ]
    yield from _table((*header, "Age"), rows)


def _allocated(view: NodeView) -> Iterator[str]:
    yield "Allocated resources:"
    yield "  (Total limits may be over 100 percent, i.e., overcommitted.)"
    requests, limits = sum_of(pod.requests for pod in view.pods), sum_of(pod.limits for pod in view.pods)
    resources = (*_RESOURCES, *sorted({*requests, *limits} - {*_RESOURCES}))
    rows = []
    for resource in resources:
        rows.append((resource, _share(view, resource, requests), _share(view, resource, limits)))
    yield from _table(("Resource", "Requests", "Limits"), rows)


def _share(view: NodeView, resource: str, amounts: ResourceList) -> str:
    """An amount, and how much of what the node may give it is."""
    amount = amounts.get(resource, ZERO)
    total = Quantity.parse(view.node["status"]["allocatable"].get(resource, "0"))
    percent = amount.nano * 100 // total.nano if total.nano else 0
    return f"{amount} ({percent}%)"


def _amount(state: SignalState, number: int | None) -> str:
    if number is None:
        return "<unknown>"
    is_bytes = state.signal.resource in (Resource.MEMORY, Resource.EPHEMERAL_STORAGE)
    return format_bytes(number) if is_bytes and number >= 0 else str(number)


def _condition(one: Mapping[str, str]) -> tuple[str, ...]:
    heartbeat, transition = (parse_rfc3339(one[key]) for key in ("lastHeartbeatTime", "lastTransitionTime"))
    return (one["type"], one["status"], _instant(heartbeat), _instant(transition), one["reason"], one["message"])


def _taint(taint: Mapping[str, str]) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"


def _in(at: float, now: float) -> str:
    return f"in {format_age(at - now)}" if at > now else "now"


def _instant(at: float | None) -> str:
    """Source: Go, time.RFC1123Z."""
    return "<unset>" if at is None else time.strftime("%a, %d %b %Y %H:%M:%S %z", time.localtime(at))


def _fields(rows: Sequence[tuple[str, Sequence[str]]], indent: str = "", width: int = 0) -> Iterator[str]:
    """``Name:   value``; further values stand below the first."""
    width = max(width, *(len(name) for name, _ in rows)) if rows else 0
    for name, values in rows:
        first, *others = values or ("<none>",)
        yield f"{indent}{name + ':':<{width + 1}}  {first}".rstrip()
        for value in others:
            yield f"{indent}{'':<{width + 1}}  {value}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    lines = [tuple(header), tuple("-" * len(title) for title in header), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()

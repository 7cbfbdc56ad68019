"""The columns of all kinds but pods.

Source: kubernetes, pkg/printers/internalversion/printers.go, printNode, printEvent, printNamespace, printConfigMap,
printSecret, printServiceAccount, printLease, printPriorityClass; metrics-server, pkg/api, the columns of its kinds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nodeguard.api.table.column import AGE, NAME, NONE, UNKNOWN, Cells, Column, Object, Printer, age
from nodeguard.model.quantity import Quantity

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE = "kubernetes.io/role"


def _name(obj: Object) -> str:
    return str(obj.get("metadata", {}).get("name", ""))


def _age(obj: Object, now: float) -> str:
    return age(obj.get("metadata", {}).get("creationTimestamp"), now)


def _node_cells(node: Object, now: float) -> Cells:
    status = node.get("status", {})
    info = status.get("nodeInfo", {})
    ready = [one.get("status") for one in status.get("conditions", ()) if one.get("type") == "Ready"]
    words = [("Ready" if ready[-1] == "True" else "NotReady") if ready else "Unknown"]
    if node.get("spec", {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    addresses = status.get("addresses", ())
    return [
        _name(node),
        ",".join(words),
        ",".join(sorted(set(_roles(node.get("metadata", {}).get("labels", {}))))) or NONE,
        _age(node, now),
        info.get("kubeletVersion", ""),
        _address(addresses, "InternalIP"),
        _address(addresses, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


def _roles(labels: dict[str, str]) -> Iterable[str]:
    for key, value in labels.items():
        role = key.removeprefix(_ROLE_PREFIX)
        if role != key and role:
            yield role
        elif key == _ROLE and value:
            yield value


def _address(addresses: Iterable[Object], kind: str) -> str:
    return next((str(one.get("address")) for one in addresses if one.get("type") == kind), NONE)


def _event_cells(event: Object, now: float) -> Cells:
    first = age(event.get("firstTimestamp") or event.get("eventTime"), now)
    last = age(event["lastTimestamp"], now) if event.get("lastTimestamp") else first
    count = event.get("count") or 1
    if event.get("series"):
        last, count = age(event["series"].get("lastObservedTime"), now), event["series"].get("count")
    about, source = event.get("involvedObject", {}), event.get("source", {})
    target = str(about.get("kind", "")).lower()
    component = source.get("component") or event.get("reportingComponent", "")
    instance = source.get("host") or event.get("reportingInstance", "")
    return [
        last,
        event.get("type", ""),
        event.get("reason", ""),
        f"{target}/{about['name']}" if about.get("name") else target,
        about.get("fieldPath", ""),
        f"{component}, {instance}" if instance else component,
        str(event.get("message", "")).strip(),
        first,
        count,
        _name(event),
    ]


def _new_event_cells(event: Object, now: float) -> Cells:
    """An event of events.k8s.io/v1, whose fields have other names."""
    old = {"regarding": "involvedObject", "note": "message", "reportingController": "reportingComponent"}
    old |= {f"deprecated{name[0].upper()}{name[1:]}": name for name in ("firstTimestamp", "lastTimestamp", "count")}
    old["deprecatedSource"] = "source"
    return _event_cells({old.get(key, key): value for key, value in event.items()}, now)


def _namespace_cells(namespace: Object, now: float) -> Cells:
    return [_name(namespace), namespace.get("status", {}).get("phase", ""), _age(namespace, now)]


def _config_map_cells(config_map: Object, now: float) -> Cells:
    count = len(config_map.get("data") or ()) + len(config_map.get("binaryData") or ())
    return [_name(config_map), count, _age(config_map, now)]


def _secret_cells(secret: Object, now: float) -> Cells:
    return [_name(secret), secret.get("type", ""), len(secret.get("data") or ()), _age(secret, now)]


def _account_cells(account: Object, now: float) -> Cells:
    return [_name(account), len(account.get("secrets") or ()), _age(account, now)]


def _lease_cells(lease: Object, now: float) -> Cells:
    return [_name(lease), lease.get("spec", {}).get("holderIdentity", ""), _age(lease, now)]


def _priority_class_cells(one: Object, now: float) -> Cells:
    is_default = one.get("globalDefault", False)
    return [_name(one), one.get("value", 0), is_default, _age(one, now), one.get("preemptionPolicy", "")]


def _usage_cells(metrics: Object, now: float) -> Cells:  # noqa: ARG001 - what every printer gets
    usages = [metrics["usage"]] if "usage" in metrics else [one["usage"] for one in metrics.get("containers", ())]
    sums = {what: _sum(usage.get(what, "0") for usage in usages) for what in ("cpu", "memory")}
    return [_name(metrics), sums["cpu"], sums["memory"], metrics.get("window", "")]


def _sum(amounts: Iterable[Any]) -> str:
    total = Quantity(0)
    for amount in amounts:
        total = total + Quantity.parse(amount)
    return str(total)


_EVENT_COLUMNS = (
    Column("Last Seen", "Time since it was seen last."),
    Column("Type", "Normal or Warning."),
    Column("Reason", "Why it happened, in one word."),
    Column("Object", "What it is about."),
    Column("Subobject", "Which part of it.", priority=1),
    Column("Source", "Who tells.", priority=1),
    Column("Message", "What happened."),
    Column("First Seen", "Time since it was seen first.", priority=1),
    Column("Count", "How often it was seen.", priority=1),
    Column("Name", "Name of the event.", format="name", priority=1),
)
_USAGE_COLUMNS = (
    NAME,
    Column("cpu", "CPU in use."),
    Column("memory", "Memory in use."),
    Column("Window", "Time over which it was measured."),
)

CLUSTER: dict[str, Printer] = {
    "Node": Printer(
        (
            NAME,
            Column("Status", "Whether the node is ready, and takes pods."),
            Column("Roles", "What the node is there for."),
            AGE,
            Column("Version", "Version of the agent."),
            Column("Internal-IP", "Address within the network.", priority=1),
            Column("External-IP", "Address from outside.", priority=1),
            Column("OS-Image", "Operating system.", priority=1),
            Column("Kernel-Version", "Kernel.", priority=1),
            Column("Container-Runtime", "Container runtime.", priority=1),
        ),
        _node_cells,
    ),
    "Event": Printer(_EVENT_COLUMNS, _event_cells),
    "events.k8s.io.Event": Printer(_EVENT_COLUMNS, _new_event_cells),
    "Namespace": Printer((NAME, Column("Status", "Active or Terminating."), AGE), _namespace_cells),
    "ConfigMap": Printer((NAME, Column("Data", "How many keys it has."), AGE), _config_map_cells),
    "Secret": Printer(
        (NAME, Column("Type", "What it is for."), Column("Data", "How many keys it has."), AGE), _secret_cells
    ),
    "ServiceAccount": Printer((NAME, Column("Secrets", "How many secrets it has."), AGE), _account_cells),
    "Lease": Printer((NAME, Column("Holder", "Who holds it."), AGE), _lease_cells),
    "PriorityClass": Printer(
        (
            NAME,
            Column("Value", "Priority of its pods.", type="integer"),
            Column("Global-Default", "Whether pods without a class get it.", type="boolean"),
            AGE,
            Column("PreemptionPolicy", "Whether its pods push others out."),
        ),
        _priority_class_cells,
    ),
    "NodeMetrics": Printer(_USAGE_COLUMNS, _usage_cells),
    "PodMetrics": Printer(_USAGE_COLUMNS, _usage_cells),
}
"""By the kind's name in the field table."""

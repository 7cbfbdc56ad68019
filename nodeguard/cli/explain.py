"""``nodeguard explain``: a pod's QoS class and every cgroup value, each with its reason."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import click

from nodeguard.cli import manifest
from nodeguard.cli.color import Color, paint, wants_color
from nodeguard.cli.printer import format_table, output_option, print_object
from nodeguard.errors import InvalidInput, UsageError
from nodeguard.model.decode import Manifests, decode
from nodeguard.model.document import Document
from nodeguard.model.finding import Finding, Severity
from nodeguard.model.node import NodeCapacity
from nodeguard.model.pod import Pod
from nodeguard.model.quantity import Quantity
from nodeguard.model.wire import to_wire
from nodeguard.policy.explain import CgroupExplanation, ContainerExplanation, Explanation, ExplanationList, explain_pod
from nodeguard.policy.priority import resolve
from nodeguard.policy.setting import (
    DEFAULT_FEATURES,
    KNOWN_FEATURES,
    LIMITED_SWAP,
    NO_SWAP,
    TIERED_RESERVATION,
    ResourceSettings,
)


class QuantityType(click.ParamType):
    """An option's value in Kubernetes' notation, ``512Mi`` or ``500m``."""

    name = "quantity"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Quantity:
        """Parse it; only amounts above zero make sense here."""
        try:
            quantity = Quantity.parse(value)
        except ValueError as e:
            self.fail(str(e), param, ctx)
        if quantity.nano < 0:
            self.fail(f"{value} is negative", param, ctx)
        return quantity


class PeriodType(click.ParamType):
    """An option's value as a Go duration, ``100ms``; microseconds come back."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse it; what is too short or too long is for the settings to say."""
        if isinstance(value, int):
            return value
        from nodeguard.agent.setting import read_duration

        try:
            return read_duration(value) // 1000
        except ValueError as e:
            self.fail(str(e), param, ctx)


QUANTITY = QuantityType()
PERIOD = PeriodType()


@click.command(short_help="Show a pod's QoS class and every cgroup value, with its reason.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@output_option("text", "json", "yaml")
@click.option("--node-memory", type=QUANTITY, metavar="QUANTITY", help="Memory of the node, in place of this host's.")
@click.option("--node-cpu", type=QUANTITY, metavar="QUANTITY", help="CPUs of the node, in place of this host's.")
@click.option("--node-swap", type=QUANTITY, metavar="QUANTITY", help="Swap of the node, in place of this host's.")
@click.option("--feature", "features", multiple=True, metavar="NAME=true|false", help="A Kubernetes feature gate.")
@click.option("--memory-throttling-factor", type=float, metavar="F", help="Memory QoS: where memory.high lies, 0 to 1.")
@click.option(
    "--memory-reservation-policy",
    type=click.Choice(["None", TIERED_RESERVATION]),
    default="None",
    show_default=True,
    help="Memory QoS: whether requests become memory.min and memory.low.",
)
@click.option(
    "--swap-behavior",
    type=click.Choice([NO_SWAP, LIMITED_SWAP]),
    default=NO_SWAP,
    show_default=True,
    help="Whether Burstable containers may swap.",
)
@click.option("--pod-pids-limit", type=int, default=-1, metavar="N", help="Processes a pod may have; -1: unlimited.")
@click.option("--no-cpu-cfs-quota", is_flag=True, help="CPU limits become no quota.")
@click.option("--cpu-cfs-quota-period", type=PERIOD, default=100_000, show_default="100ms", help="Period of CPU quotas.")
@click.option("--single-process-oom-kill", is_flag=True, help="An OOM kills one process, not the whole container.")
@click.option("--systemd", is_flag=True, help="Names and quotas as the systemd cgroup driver makes them.")
@click.option(
    "--cgroup-version", type=click.Choice(["1", "2"]), default="2", show_default=True, help="Which rules hold."
)
def explain(files: tuple[str, ...], output: str, **options: Any) -> None:
    """Show the QoS class of the pods in FILE..., and every cgroup value with its formula and the YAML field behind it.

    FILE is a file, a directory, or - for standard input. Needs neither root nor cgroups.
    """
    settings = read_settings(options)
    documents = manifest.read_documents(files)
    found = decode(documents)
    faults = [finding for finding in found.findings if finding.severity is Severity.ERROR]
    if faults:
        raise InvalidInput(faults)
    if not found.pods:
        raise InvalidInput([_no_pod(files)])

    node = read_node(options)
    items = []
    for pod, findings in _with_findings(documents, found):
        warnings = [f"{finding.path}: {finding.message}" if finding.path else finding.message for finding in findings]
        resolution = resolve(pod, found.priority_classes)
        warnings += [
            f"{error}; a cluster without that PriorityClass would refuse the pod" for error in resolution.errors
        ]
        items.append(explain_pod(resolution.pod, node, settings, warnings=warnings))
    result = ExplanationList(items=tuple(items))
    if output == "text":
        click.echo(_text(result), nl=False)
    else:
        print_object(to_wire(result), output)


def read_settings(options: dict[str, Any]) -> ResourceSettings:
    """The settings these options ask for.

    Raises:
        UsageError: the kubelet would refuse them.
    """
    settings = ResourceSettings(
        cgroup_version=int(options["cgroup_version"]),
        systemd=options["systemd"],
        cpu_cfs_quota=not options["no_cpu_cfs_quota"],
        cpu_cfs_quota_period_us=options["cpu_cfs_quota_period"],
        pod_pids_limit=options["pod_pids_limit"],
        features=_read_features(options["features"]),
        memory_throttling_factor=options["memory_throttling_factor"],
        memory_reservation_policy=options["memory_reservation_policy"],
        single_process_oom_kill=options["single_process_oom_kill"] or None,
        swap_behavior=options["swap_behavior"],
    )
    faults = settings.faults()
    if faults:
        raise UsageError("\n".join(faults))
    return settings


def read_node(options: dict[str, Any]) -> NodeCapacity:
    """This host's resources, with those of the options in their place."""
    from nodeguard.kernel.proc import node_capacity

    node = node_capacity()
    memory, cpu, swap = options["node_memory"], options["node_cpu"], options["node_swap"]
    return replace(
        node,
        memory_bytes=node.memory_bytes if memory is None else memory.value(),
        cpu_millicpu=node.cpu_millicpu if cpu is None else cpu.milli_value(),
        swap_bytes=node.swap_bytes if swap is None else swap.value(),
    )


def _read_features(texts: Sequence[str]) -> frozenset[str]:
    features = set(DEFAULT_FEATURES)
    for text in texts:
        name, _, value = text.partition("=")
        if name not in KNOWN_FEATURES:
            raise UsageError(f"--feature {text}: no such feature gate; known are {', '.join(sorted(KNOWN_FEATURES))}")
        if value.lower() not in ("true", "false"):
            raise UsageError(f"--feature {text}: write {name}=true or {name}=false")
        (features.add if value.lower() == "true" else features.discard)(name)
    return frozenset(features)


def _no_pod(files: Sequence[str]) -> Finding:
    return Finding(severity=Severity.ERROR, source=", ".join(files), line=0, path="", message="no Pod in the input")


def _with_findings(documents: Sequence[Document], found: Manifests) -> Iterator[tuple[Pod, list[Finding]]]:
    """Each pod with what was found in its own manifest."""
    if len(found.pods) == 1:
        yield found.pods[0], list(found.findings)
        return
    pods = iter(found.pods)
    for document in documents:
        alone = decode([document])
        for number, _ in enumerate(alone.pods):
            of_others = [f"items[{other}]" for other in range(len(alone.pods)) if other != number]
            own = [f for f in alone.findings if not f.path.startswith(tuple(f"{item}." for item in of_others))]
            yield next(pods), own


def _text(result: ExplanationList) -> str:
    colored = wants_color(sys.stdout)
    return "\n".join(_pod_text(item, colored) for item in result.items)


def _pod_text(item: Explanation, colored: bool) -> str:
    name = paint(f"pod {item.pod.namespace}/{item.pod.name}", Color.BOLD, enabled=colored)
    lines = [f"{name}: {item.qos_class} ({item.qos_reason})"]
    for word, resources in (("requests", item.effective.requests), ("limits", item.effective.limits)):
        lines.append(f"  effective {word}: " + (", ".join(f"{k} {v}" for k, v in resources.items()) or "none"))
    lines.append(f"  priority: {item.priority}" + (", critical" if item.critical else ""))
    lines += [f"  warning: {warning}" for warning in item.warnings]
    for cgroup in item.cgroups:
        lines += ["", "  " + paint(cgroup.path, Color.CYAN, enabled=colored)]
        lines += [f"    {line}" for line in _cgroup_text(cgroup).splitlines()]
    return "\n".join(lines) + "\n"


def _cgroup_text(cgroup: CgroupExplanation) -> str:
    rows = []
    subjects = dict.fromkeys((file.subject, _page_size(file.file)) for file in cgroup.files)
    for subject, size in subjects:
        files = [f for f in cgroup.files if f.subject == subject and _page_size(f.file) == size]
        twins = [f"{f.file} {f.value}" for f in files if f.version == 1]
        main = next((f for f in files if f.version == 2), None)
        if main is None:
            rows.append(("-", "-", "; ".join(twins), files[-1].formula, files[-1].from_))
        else:
            rows.append((main.file, main.value, "; ".join(twins) or "-", main.formula, main.from_))
    if isinstance(cgroup, ContainerExplanation):
        score = str(cgroup.oom_score_adj)
        rows.append(("oom_score_adj", score, "the same", cgroup.oom_score_adj_formula, cgroup.oom_score_adj_from))
    return format_table(("FILE", "VALUE", "CGROUP V1", "FORMULA", "FROM"), rows)


def _page_size(file: str) -> str:
    return file.split(".")[1] if file.startswith("hugetlb.") else ""

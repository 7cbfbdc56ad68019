"""``nodeguard explain``: a pod's QoS class and every cgroup value, each with its reason."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import click

from nodeguard.cli import color, manifest
from nodeguard.cli.printer import output_option, print_object
from nodeguard.errors import InvalidInput, UsageError
from nodeguard.model.decode import Manifests, decode
from nodeguard.model.document import Document
from nodeguard.model.finding import Finding, Severity
from nodeguard.model.node import NodeCapacity
from nodeguard.model.pod import Pod
from nodeguard.model.quantity import Quantity
from nodeguard.model.wire import to_wire
from nodeguard.policy.explain import (
    CgroupExplanation,
    ContainerExplanation,
    Explanation,
    ExplanationList,
    FileExplanation,
    explain_pod,
)
from nodeguard.policy.priority import resolve
from nodeguard.policy.setting import (
    DEFAULT_FEATURES,
    KNOWN_FEATURES,
    LIMITED_SWAP,
    NO_SWAP,
    TIERED_RESERVATION,
    ResourceSettings,
)


class QuantityType(click.ParamType[Quantity]):
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


class PeriodType(click.ParamType[int]):
    """An option's value as a Go duration, ``100ms``; microseconds come back."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse it; what is too short or too long is for the settings to say."""
        if isinstance(value, int):
            return value
        from nodeguard.model.duration import read_duration

        try:
            return read_duration(value) // 1000
        except ValueError as e:
            self.fail(str(e), param, ctx)


class Explain(click.Command):
    """``explain FILE...``, and ``explain kill pod/NAME`` beside it; a file of that name is ``./kill``."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of whichever of the two is meant."""
        if args[:1] != ["kill"]:
            return super().make_context(info_name, args, parent, **extra)
        from nodeguard.cli.explain_kill import kill

        return kill.make_context(f"{info_name} kill", args[1:], parent, **extra)


QUANTITY = QuantityType()
PERIOD = PeriodType()


@click.command(cls=Explain, short_help="Show a pod's QoS class and cgroup values, with reasons.")
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
@click.option(
    "--cpu-cfs-quota-period", type=PERIOD, default=100_000, show_default="100ms", help="Period of CPU quotas."
)
@click.option("--single-process-oom-kill", is_flag=True, help="An OOM kills one process, not the whole container.")
@click.option("--systemd", is_flag=True, help="Names and quotas as the systemd cgroup driver makes them.")
@click.option(
    "--cgroup-version", type=click.Choice(["1", "2"]), default="2", show_default=True, help="Which rules hold."
)
def explain(files: tuple[str, ...], output: str, **options: Any) -> None:
    """Show the QoS class of the pods in FILE..., and every cgroup value with its formula and the YAML field behind it.

    FILE is a file, a directory, or - for standard input. Needs neither root nor cgroups.

    nodeguard explain kill pod/NAME tells why a pod had to go.
    """
    settings = read_settings(options)
    documents = manifest.read_documents(files)
    found = decode(documents)
    if found.errors:
        raise InvalidInput(found.errors)
    if not found.pods:
        raise InvalidInput([_no_pod(files)])

    node = read_node(options)
    items = []
    for pod, warnings in _with_warnings(documents, found):
        resolution = resolve(pod, found.priority_classes)
        warnings += [
            f"{error}; a cluster with these PriorityClasses would refuse the pod" for error in resolution.errors
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
    from nodeguard.kernel.proc import read_capacity

    node = read_capacity()
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


def _with_warnings(documents: Sequence[Document], found: Manifests) -> Iterator[tuple[Pod, list[str]]]:
    """Each pod with what was found in its own manifest, paths starting at the pod."""
    for document in documents:
        alone = found if len(documents) == 1 else decode([document])
        prefixes = _pod_prefixes(document.value)
        for pod, prefix in zip(alone.pods, prefixes, strict=True):
            own = [finding for finding in alone.findings if finding.path.startswith(prefix)]
            yield pod, [f"{finding.path.removeprefix(prefix)}: {finding.message}" for finding in own]


def _pod_prefixes(value: Any, prefix: str = "") -> list[str]:
    """Where in a document its pods stand: ``""``, or ``items[1].`` for those of a list."""
    kind = value.get("kind")
    if kind == "Pod":
        return [prefix]
    items = ({"kind": kind.removesuffix("List"), **item} for item in value.get("items") or ())
    places = (_pod_prefixes(item, f"{prefix}items[{number}].") for number, item in enumerate(items))
    return [place for found in places for place in found]


def _text(result: ExplanationList) -> str:
    painted = color.enabled(sys.stdout)
    return "\n".join("\n".join(_pod_lines(item, painted)) + "\n" for item in result.items)


def _pod_lines(item: Explanation, painted: bool) -> Iterator[str]:
    name = color.paint(f"pod {item.pod.namespace}/{item.pod.name}", color.Color.CYAN, painted)
    yield f"{name}: {item.qos_class}: {item.qos_reason}"
    yield f"  priority {item.priority}" + (", critical" if item.critical else "")
    for word, resources in (("requests", item.effective.requests), ("limits", item.effective.limits)):
        yield f"  effective {word}: " + (", ".join(f"{k} {v}" for k, v in resources.items()) or "none")
    for warning in item.warnings:
        yield "  " + color.paint(f"warning: {warning}", color.Color.YELLOW, painted)
    for cgroup in item.cgroups:
        yield ""
        yield "  " + color.paint(cgroup.path, color.Color.CYAN, painted)
        rows = _rows(cgroup)
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        for file, value, twin, formula, origin in rows:
            yield f"    {file.ljust(widths[0])}  {value.ljust(widths[1])}  {twin}".rstrip()
            yield f"      {formula}"
            yield f"      from {origin}"


_Row = tuple[str, str, str, str, str]


def _rows(cgroup: CgroupExplanation) -> list[_Row]:
    """File, value, twins on cgroup v1, formula, field."""
    rows: list[_Row] = []
    for key in dict.fromkeys(map(_twin_key, cgroup.files)):
        files = [file for file in cgroup.files if _twin_key(file) == key]
        shown = next((file for file in files if file.version == 2), files[0])
        twins = ", ".join(f"{file.file} {file.value}" for file in files if file.version == 1)
        rows.append((shown.file, shown.value, f"v1: {twins}" if twins else "not on v1", shown.formula, shown.from_))
    if isinstance(cgroup, ContainerExplanation):
        score = str(cgroup.oom_score_adj)
        rows.append(
            ("oom_score_adj", score, "of each process", cgroup.oom_score_adj_formula, cgroup.oom_score_adj_from)
        )
    return rows


def _twin_key(file: FileExplanation) -> tuple[str, str]:
    """What twins have in common: the subject, and for huge pages the size."""
    return file.subject, file.file.split(".")[1] if file.file.startswith("hugetlb.") else ""

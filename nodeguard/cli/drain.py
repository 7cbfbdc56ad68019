"""``nodeguard drain``: no new pods for a node, and those that are there evicted.

Source: kubectl, pkg/drain/filters.go (who is evicted, who stays, and what has to be said first), drain.go.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click

from nodeguard.cli.agent_socket import open_client
from nodeguard.cli.api_option import DRY_RUN_WORDS, dry_run_option, selector_option, timeout_option
from nodeguard.cli.complete import complete_nodes
from nodeguard.cli.cordon import chosen_nodes, set_unschedulable
from nodeguard.cli.printer import warn
from nodeguard.client.client import Client
from nodeguard.client.kind import POD
from nodeguard.client.wait import wait_until_gone
from nodeguard.errors import NodeguardError, NotFound, Rejected, TimedOut

RETRY_SECONDS = 5.0
"""Between two tries to evict a pod that a budget protects, as kubectl does."""
_MIRROR = "kubernetes.io/config.mirror"
_ENDED = ("Succeeded", "Failed")

Pod = dict[str, Any]


class Rules(NamedTuple):
    """What may be evicted without asking again."""

    force: bool
    ignore_daemonsets: bool
    delete_emptydir_data: bool


class Plan(NamedTuple):
    """Pods to evict, what is told of others, and what keeps the node from being drained."""

    pods: list[Pod]
    warnings: list[str]
    errors: list[str]


@click.command(short_help="Evict the pods of a node, for maintenance.")
@click.argument("names", nargs=-1, metavar="[NODE]...", shell_complete=complete_nodes)
@selector_option
@click.option("--pod-selector", metavar="LABELS", help="Only pods with these labels.")
@click.option("--ignore-daemonsets", is_flag=True, help="Leave pods of DaemonSets where they are.")
@click.option("--delete-emptydir-data", is_flag=True, help="Evict pods that use emptyDir, too; the data is lost.")
@click.option("--force", is_flag=True, help="Evict pods that nobody makes anew, too.")
@click.option("--disable-eviction", is_flag=True, help="Delete in place of evicting; budgets do not count.")
@click.option("--grace-period", type=int, default=-1, metavar="SECONDS", help="In place of the pods' own.")
@timeout_option("0", "How long to try; 0 is without end.")
@dry_run_option()
def drain(
    names: tuple[str, ...],
    selector: str | None,
    pod_selector: str | None,
    ignore_daemonsets: bool,
    delete_emptydir_data: bool,
    force: bool,
    disable_eviction: bool,
    grace_period: int,
    timeout: float | None,
    dry_run: str,
) -> int:
    """Cordon a node and evict its pods; nodeguard uncordon takes them again."""
    client = open_client()
    until = None if timeout is None else time.monotonic() + timeout
    rules = Rules(force, ignore_daemonsets, delete_emptydir_data)
    for node in chosen_nodes(client, names, selector):
        name = node["metadata"]["name"]
        set_unschedulable(client, node, dry_run, unschedulable=True)
        query = {"fieldSelector": f"spec.nodeName={name}", **({"labelSelector": pod_selector} if pod_selector else {})}
        plan = plan_drain(client.list(POD, None, query)["items"], rules)
        if plan.errors:
            raise NodeguardError(f"unable to drain node {name}: {'; '.join(plan.errors)}")
        for text in plan.warnings:
            warn(text)
        for pod in plan.pods:
            click.echo(f"evicting pod {pod['metadata']['namespace']}/{pod['metadata']['name']}{DRY_RUN_WORDS[dry_run]}")
            if dry_run == "none":
                _evict(client, pod, grace_period, until, disable_eviction=disable_eviction)
        if dry_run == "none":
            _wait(client, plan.pods, until)
        click.echo(f"node/{name} drained{DRY_RUN_WORDS[dry_run]}")
    return 0


def plan_drain(pods: Sequence[Pod], rules: Rules) -> Plan:
    """Who is to go. Pure."""
    plan = Plan([], [], [])
    refused: dict[str, list[str]] = {}
    warned: dict[str, list[str]] = {}
    for pod in pods:
        metadata = pod["metadata"]
        key = f"{metadata['namespace']}/{metadata['name']}"
        if _MIRROR in (metadata.get("annotations") or {}):
            continue
        reasons, stays = _reasons(pod, rules, refused, warned)
        for text, into in reasons:
            into.setdefault(text, []).append(key)
        if not stays and not any(into is refused for _, into in reasons):
            plan.pods.append(pod)
    plan.errors.extend(f"cannot delete {text}: {', '.join(keys)}" for text, keys in refused.items())
    plan.warnings.extend(f"{text}: {', '.join(keys)}" for text, keys in warned.items())
    return plan


def _reasons(
    pod: Pod, rules: Rules, refused: dict[str, list[str]], warned: dict[str, list[str]]
) -> tuple[list[tuple[str, dict[str, list[str]]]], bool]:
    """What is said of the pod, and whether it stays."""
    controller = _controller(pod["metadata"])
    has_ended = (pod.get("status") or {}).get("phase") in _ENDED
    if controller == "DaemonSet" and not has_ended:
        if rules.ignore_daemonsets:
            return [("ignoring DaemonSet-managed Pods", warned)], True
        return [("DaemonSet-managed Pods (use --ignore-daemonsets to ignore)", refused)], True
    if has_ended:
        return [], False
    found: list[tuple[str, dict[str, list[str]]]] = []
    if any("emptyDir" in volume for volume in pod["spec"].get("volumes") or ()):
        if rules.delete_emptydir_data:
            found.append(("deleting Pods with local storage", warned))
        else:
            found.append(("Pods with local storage (use --delete-emptydir-data to override)", refused))
    if not controller:
        if rules.force:
            found.append(("deleting Pods that declare no controller", warned))
        else:
            found.append(("Pods that declare no controller (use --force to override)", refused))
    return found, False


def _controller(metadata: Mapping[str, Any]) -> str:
    """The kind of the owner that would make the pod anew; empty when there is none."""
    return next((one["kind"] for one in metadata.get("ownerReferences") or () if one.get("controller")), "")


def _evict(client: Client, pod: Pod, grace_period: int, until: float | None, *, disable_eviction: bool) -> None:
    """The pod on its way out. Raises TimedOut if a budget protects it for too long."""
    metadata = pod["metadata"]
    namespace, name = metadata["namespace"], metadata["name"]
    options: dict[str, Any] = {"preconditions": {"uid": metadata["uid"]}}
    if grace_period >= 0:
        options["gracePeriodSeconds"] = grace_period
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": options,
    }
    while True:
        try:
            if disable_eviction:
                client.delete(POD, namespace, name, options)
            else:
                client.send("POST", POD.path(namespace, name, "eviction"), eviction)
            return
        except NotFound:
            return
        except Rejected as e:
            click.echo(
                f"error when evicting pods/{name!r} -n {namespace!r} (will retry after {RETRY_SECONDS:.0f}s): {e}",
                err=True,
            )
            if until is not None and time.monotonic() + RETRY_SECONDS > until:
                raise TimedOut(f"pod {namespace}/{name} could not be evicted in time: {e}") from e
            time.sleep(RETRY_SECONDS)


def _wait(client: Client, pods: Sequence[Pod], until: float | None) -> None:
    for pod in pods:
        metadata = pod["metadata"]
        left = None if until is None else max(0.001, until - time.monotonic())
        wait_until_gone(client, POD, metadata["namespace"], metadata["name"], metadata["uid"], left)
        click.echo(f"pod/{metadata['name']} evicted")

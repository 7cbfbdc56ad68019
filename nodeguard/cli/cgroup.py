"""``nodeguard cgroup``: where the cgroups of pods are on this host."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from nodeguard.agent.record import Record, pod_dirs, read_record
from nodeguard.agent.root import find_root
from nodeguard.cli.option import config_file_option, load_and_warn
from nodeguard.errors import Conflict, HostLacks, NotFound, UsageError
from nodeguard.kernel.cgroup.driver import UNIFIED
from nodeguard.kernel.mount import MountPoint, parse_mountinfo, read_mountinfo

DEFAULT_NAMESPACE = "default"


@click.group(short_help="Print the cgroup directories of pods.")
def cgroup() -> None:
    """Print the cgroup directories of pods."""


@cgroup.command(short_help="Print the cgroup directory of the root, a pod or a container.")
@click.argument("target", metavar="root|pod/[NAMESPACE/]NAME")
@click.option("-c", "--container", metavar="NAME", help="The container's cgroup in place of the pod's.")
@click.option("--controller", metavar="NAME", help="The hierarchy on cgroup v1; memory unless given, unified is v2.")
@config_file_option
def path(target: str, container: str | None, controller: str | None, **options: Any) -> None:
    """Print the cgroup directory of the root, a pod or a container.

    \b
    cat $(nodeguard cgroup path pod/web -c app)/memory.max
    """
    config = load_and_warn(options)
    if target == "root":
        if container is not None:
            raise UsageError("-c names a container of a pod; root has none")
        group = find_root(config).path
    else:
        group = find_pod(target, filter(None, map(read_record, pod_dirs(config.run_dir)))).cgroup
    if container is not None:
        group = f"{group}/{container}"
    directory = mount_point(parse_mountinfo(read_mountinfo()), controller) / group.lstrip("/")
    if "/" in (container or "") or container in ("", ".", "..") or not directory.is_dir():
        raise NotFound(
            f"{target}: no cgroup {directory}" if container is None else f"{target}: no container {container!r}"
        )
    click.echo(directory)


def find_pod(target: str, records: Iterable[Record]) -> Record:
    """The record of ``pod/NAME`` or ``pod/NAMESPACE/NAME``. Pure.

    Raises:
        UsageError: it is neither.
        NotFound: no such pod; Conflict: more than one.
    """
    kind, _, name = target.partition("/")
    parts = name.split("/")
    if kind not in ("pod", "pods", "po") or not all(parts) or len(parts) > 2:
        raise UsageError(f"{target!r} is not root, pod/NAME or pod/NAMESPACE/NAME")
    namespace = parts[0] if len(parts) == 2 else DEFAULT_NAMESPACE
    found = [record for record in records if (record.namespace, record.name) == (namespace, parts[-1])]
    if not found:
        raise NotFound(f"no pod {namespace}/{parts[-1]} runs on this host")
    if len(found) > 1:
        raise Conflict(f"{len(found)} records of pod {namespace}/{parts[-1]}: run nodeguard cleanup")
    return found[0]


def mount_point(points: Iterable[MountPoint], controller: str | None) -> Path:
    """Where a controller's hierarchy is mounted: on a pure v2 host every controller is in the unified one. Pure.

    Raises:
        HostLacks: it is not mounted.
    """
    unified: str | None = None
    controllers: dict[str, str] = {}
    for point in points:
        if point.file_system == "cgroup2":
            unified = unified or point.mount_point
        elif point.file_system == "cgroup":
            for option in point.super_options:
                controllers.setdefault(option, point.mount_point)
    is_unified = controller == UNIFIED or "memory" not in controllers
    found = unified if is_unified else controllers.get(controller or "memory")
    if found is None:
        raise HostLacks(f"the cgroup controller {controller or 'memory'} is not mounted on this host")
    return Path(found)

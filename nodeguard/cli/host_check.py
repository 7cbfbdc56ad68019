"""What ``doctor`` looks at: each check asks the host itself, and never infers a feature from a version number."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

from nodeguard.cli import cgroup_check, container_check, system_check
from nodeguard.cli.check import Check, Host, Status
from nodeguard.errors import NodeguardError

CHECKS: tuple[Callable[[Host], Iterator[Check]], ...] = (
    system_check.check_root,
    system_check.check_oom_scores,
    cgroup_check.check_cgroups,
    cgroup_check.check_cgroup_features,
    cgroup_check.check_pressure,
    system_check.check_swap,
    system_check.check_hugepages,
    container_check.check_runtimes,
    container_check.check_programs,
    container_check.check_seccomp,
    container_check.check_overlay,
    container_check.check_namespaces,
    system_check.check_systemd,
    system_check.check_other_oom_killers,
    system_check.check_disk_space,
    system_check.check_project_quota,
    system_check.check_leftovers,
)


def check_host(host: Host) -> Iterator[Check]:
    """Every check, in the order in which it is shown; one that breaks tells so and stops no other."""
    for check in CHECKS:
        try:
            yield from check(host)
        except (NodeguardError, OSError, subprocess.SubprocessError, ValueError) as e:
            name = check.__name__.removeprefix("check_").replace("_", " ")
            yield Check(name=name, status=Status.UNKNOWN, detail=f"could not be checked: {e}")

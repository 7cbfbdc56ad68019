"""What a killed process had half made: gone, so that it can be made anew. For worker threads."""

from __future__ import annotations

from contextlib import suppress

from nodeguard.agent import blueprint, cleanup
from nodeguard.agent.blueprint import Blueprint
from nodeguard.agent.sandbox import Sandbox
from nodeguard.errors import CgroupGone


def undo_sandbox(sandbox: Sandbox) -> None:
    """Nothing is left of what the pod's containers share, but for record and logs. None of them has been made yet.

    Raises:
        NodeguardError, OSError: something could not be removed.
    """
    host = sandbox.host
    cleanup.kill_supervisors(sandbox.run_dir / "bundles")
    cleanup.clear_cgroup(host.driver, sandbox.cgroup, sandbox.uid)
    for bundle in cleanup.bundles(sandbox.run_dir):
        cleanup.delete_container(host.runtime, host.paths, bundle.name)
    sandbox.remove()


def undo_instance(plan: Blueprint) -> None:
    """Nothing is left of a container that has never run, but for a log.

    Raises:
        NodeguardError, OSError: something could not be removed.
    """
    host = plan.sandbox.host
    cleanup.kill_supervisors(plan.bundle)
    cleanup.clear_cgroup(host.driver, plan.cgroup, plan.sandbox.uid)
    cleanup.delete_container(host.runtime, host.paths, plan.container_id)
    with suppress(CgroupGone):
        blueprint.demolish(plan)

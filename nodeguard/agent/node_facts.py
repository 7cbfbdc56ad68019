"""What a node says about itself that does not change while its agent runs."""

from __future__ import annotations

import time

from nodeguard import __version__
from nodeguard.agent.config import Config
from nodeguard.kernel import machine
from nodeguard.model.node import NodeCapacity, NodeFacts
from nodeguard.policy.capacity import capacity_resources


def node_facts(config: Config, capacity: NodeCapacity, *, name: str, runtime: str = "") -> NodeFacts:
    """The facts of this host, or of the arena it lends; a node is as old as the boot of its host.

    ``runtime`` is name and version of what makes containers, ``runc://1.1.5``.
    """
    resources = capacity_resources(capacity)
    allocatable = config.allocatable(capacity)
    known = {resource for resource, amount in resources.items() if resource != "ephemeral-storage" or amount}
    return NodeFacts(
        name=name,
        registered_at=machine.read_boot_time() or time.time(),
        capacity={resource: resources[resource] for resource in known},
        allocatable={resource: allocatable[resource] for resource in known},
        system=machine.read_system_info(runtime, f"v{__version__}"),
        addresses=machine.read_addresses(name),
    )

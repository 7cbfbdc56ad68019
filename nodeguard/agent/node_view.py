"""The node as one sees it from outside: what the processes that look after pods tell, put together.

When there is none, this process looks at the host itself, once; nobody vouches for the node being ready then.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nodeguard.agent.config import Config
from nodeguard.agent.machine import read_machine
from nodeguard.agent.node_facts import node_facts
from nodeguard.agent.node_file import NodeFile, read_node_files
from nodeguard.agent.node_look import look_at_host
from nodeguard.agent.node_status import told_conditions
from nodeguard.errors import HostLacks, RuntimeFailed
from nodeguard.kernel import proc, process
from nodeguard.model.signal import SIGNAL_ORDER
from nodeguard.policy.node_condition import ready_verdict, report, silenced
from nodeguard.policy.node_object import node_object
from nodeguard.policy.pod_share import PodShare
from nodeguard.policy.signal_state import SignalState

RUNTIMES = ("runc", "crun")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """The v1 Node, and what does not fit into it; instants are UNIX seconds.

    ``agents`` are the processes that look after pods; ``renewed_at`` is the last sign of life of any of them.
    """

    node: Mapping[str, Any]
    agents: tuple[int, ...] = ()
    renewed_at: float | None = None
    signals: tuple[SignalState, ...] = ()
    ends: Mapping[str, float] = field(default_factory=dict)
    pods: tuple[PodShare, ...] = ()


def view_node(config: Config, *, asks_runtime: bool = True) -> NodeView:
    """The node as it is now; ``asks_runtime``: with the version of what makes containers, which takes a process.

    Raises:
        InvalidInput: the configuration asks for more than the host has.
    """
    files = read_node_files(config.run_dir, proc.boot_id())
    view = put_together(files, monotonic=time.monotonic(), now=time.time()) if files else look(config)
    return _with_runtime(view) if asks_runtime else view


def put_together(files: tuple[NodeFile, ...], *, monotonic: float, now: float) -> NodeView:
    """One view of what at least one process tells; of the same threshold, the freshest word counts. Pure."""
    fresh_last = sorted(files, key=lambda file: file.renewed_at)
    signals = {state.threshold: state for file in fresh_last for state in file.signals}
    ends: dict[str, float] = {}
    for file in files:
        for condition, at in file.ends.items():
            ends[condition] = max(at, ends.get(condition, at))
    return NodeView(
        node=node_object(files[0].facts, told_conditions(files, monotonic=monotonic, now=now)),
        agents=tuple(file.owner.pid for file in files),
        renewed_at=now - fresh_last[-1].silent_seconds(monotonic),
        signals=_in_order(signals.values()),
        ends=ends,
        pods=tuple(sorted((pod for file in files for pod in file.pods), key=lambda pod: (pod.namespace, pod.name))),
    )


def look(config: Config) -> NodeView:
    """The node when nobody looks after pods: its signals as they are now, and nobody who says that it is ready."""
    now = time.time()
    capacity = config.node_capacity(read_machine(config))
    facts = node_facts(config, capacity, name=os.uname().nodename)
    seen = look_at_host(config, capacity)
    ready = silenced(report([ready_verdict()], (), now).conditions, heard_at=None, now=now)
    conditions = (*report(seen.verdicts, (), now).conditions, *ready)
    return NodeView(node=node_object(facts, conditions), signals=_in_order(seen.signals))


def _in_order(states: Iterable[SignalState]) -> tuple[SignalState, ...]:
    return tuple(sorted(states, key=lambda state: (SIGNAL_ORDER[state.signal], state.threshold)))


def _with_runtime(view: NodeView) -> NodeView:
    """An agent tells which program makes containers; its version is asked only when somebody wants to know."""
    info = view.node["status"]["nodeInfo"]
    name = info.get("containerRuntimeVersion") or next((one for one in RUNTIMES if shutil.which(one)), "")
    if not name or "://" in name:
        return view
    status = {**view.node["status"], "nodeInfo": {**info, "containerRuntimeVersion": f"{name}://{_version(name)}"}}
    return replace(view, node={**view.node, "status": status})


def _version(program: str) -> str:
    """The third word of ``runc version 1.1.5``."""
    try:
        exit_code, told, _ = process.capture((program, "--version"))
    except (HostLacks, RuntimeFailed):
        return "unknown"
    words = told.partition("\n")[0].split()
    return words[2] if exit_code == 0 and len(words) > 2 else "unknown"

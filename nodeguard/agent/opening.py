"""The host opened for an agent: what a crash left is removed, the tree is made, and everybody gets their tools."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from nodeguard.agent import cleanup
from nodeguard.agent.allowance import Allowance
from nodeguard.agent.config import Config
from nodeguard.agent.event import EventSource, Listener
from nodeguard.agent.exits import Exits
from nodeguard.agent.history_file import FILE_NAME
from nodeguard.agent.history_writer import History
from nodeguard.agent.host import Host, HostSettings, LogSink, Paths
from nodeguard.agent.log_pump import LogPump
from nodeguard.agent.loop import Loop
from nodeguard.agent.machine import read_machine
from nodeguard.agent.object_map import ObjectMap
from nodeguard.agent.record import Owner
from nodeguard.agent.root import prepare_root
from nodeguard.agent.tree import Tree
from nodeguard.agent.turnstile import Turnstile
from nodeguard.agent.watch import Watcher
from nodeguard.errors import HostLacks, NotFound
from nodeguard.kernel import proc, process
from nodeguard.kernel.cgroup.detect import detect
from nodeguard.runtime import probe

if TYPE_CHECKING:
    from nodeguard.agent.checkpoint import Keeper

STARTS_AT_ONCE = 4
"""Containers being made at the same time: more only compete for the same two or four cores."""

FILES_FOR_ALL_ELSE = 256
"""Open files that are not for pods to keep; of the rest they may have half."""

MEMSW = "memory.memsw.limit_in_bytes"


def open_host(
    config: Config,
    loop: Loop,
    *,
    on_event: Listener,
    on_log: LogSink | None,
    takes_logs: Callable[[], bool],
    keeper: Keeper | None,
    objects: ObjectMap,
) -> Host:
    """Everything that all pods share; whoever gets it closes tree, watcher and history.

    Raises:
        Conflict: another process uses the root with another capacity, or somebody else made it.
        HostLacks: something is missing here.
        InvalidInput: the capacity asked for is more than the host has.
        NotFound: a directory that was named is not there.
    """
    paths = Paths.of(config)
    driver = detect()
    node_capacity = config.node_capacity(read_machine(config))
    if config.fail_swap_on and node_capacity.swap_bytes:
        raise HostLacks("failSwapOn is set and this host has swap on (swapoff -a, or failSwapOn: false)")
    _make_directories(paths)
    owner = Owner.current()
    tools = probe.find(driver.mode, paths.run_dir)
    root = prepare_root(config, driver)
    driver = root.driver
    cleanup.remove_crashed(root, paths, owner.boot_id)
    resources = config.resource_settings(
        cgroup_version=driver.version,
        has_swap_controller=driver.has("memory", "memory.swap.max" if driver.version == 2 else MEMSW),
    )
    tree = Tree(
        root, paths.run_dir, owner=owner, capacity=node_capacity, settings=resources, reserved=config.reservations()
    )
    try:
        tree.open()
    except BaseException:
        tree.close()
        raise
    watcher = Watcher(loop)
    open_files = process.raise_open_files()
    return Host(
        objects=objects,
        keeper=keeper,
        clock=loop.clock,
        loop=loop,
        watcher=watcher,
        events=EventSource(loop.clock, on_event),
        history=History(paths.state_dir / FILE_NAME),
        on_log=on_log,
        takes_logs=takes_logs,
        logs=LogPump(loop, takes_logs),
        driver=driver,
        tree=tree,
        owner=owner,
        paths=paths,
        exits=Exits(watcher, paths.exit_dir),
        runtime=tools.runtime,
        conmon=tools.conmon,
        starts=Turnstile(STARTS_AT_ONCE),
        kept_open=Allowance(max(0, open_files[1] - FILES_FOR_ALL_ELSE) // 2),
        capacity=node_capacity,
        allocatable=config.allocatable(node_capacity),
        resources=resources,
        settings=HostSettings(
            node_name=os.uname().nodename,
            max_backoff_seconds=config.max_backoff_seconds,
            log_max_bytes=config.container_log_max_bytes,
            log_max_files=config.container_log_max_files,
            can_lower_oom_score=proc.can_lower_oom_score(),
            open_files=open_files,
        ),
    )


def _make_directories(paths: Paths) -> None:
    """Ours are made; a file system that was named has to be there."""
    for flag, path in (("--nodefs", paths.nodefs), ("--imagefs", paths.imagefs)):
        if path is not None and not path.is_dir():
            raise NotFound(f"{flag} {path}: no such directory")
    for directory in (paths.run_dir, paths.exit_dir, paths.run_dir / "pods", paths.state_dir, paths.nodefs_dir):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    paths.log_dir.mkdir(parents=True, exist_ok=True, mode=0o755)

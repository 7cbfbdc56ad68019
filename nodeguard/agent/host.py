"""What all pods of one agent share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nodeguard.agent.allowance import Allowance
from nodeguard.agent.clock import Clock
from nodeguard.agent.config import Config
from nodeguard.agent.event import EventSource
from nodeguard.agent.exits import Exits
from nodeguard.agent.history_writer import History
from nodeguard.agent.log import LogLine
from nodeguard.agent.log_pump import LogPump
from nodeguard.agent.loop import Loop
from nodeguard.agent.object_map import ObjectMap
from nodeguard.agent.record import Owner
from nodeguard.agent.tree import Tree
from nodeguard.agent.turnstile import Turnstile
from nodeguard.agent.watch import Watcher
from nodeguard.kernel.cgroup.driver import Driver
from nodeguard.model.node import NodeCapacity
from nodeguard.model.pod import Pod, ResourceList
from nodeguard.policy.setting import ResourceSettings

if TYPE_CHECKING:
    from nodeguard.agent.checkpoint import Keeper

LogSink = Callable[[Pod, str, LogLine], None]
"""Called with the pod, the container's name and the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Where things are kept; every path below one of these directories.

    ``nodefs`` has the pods' directories instead of ``state_dir``, ``imagefs`` the images and writable layers.
    """

    run_dir: Path
    state_dir: Path
    log_dir: Path
    nodefs: Path | None = None
    imagefs: Path | None = None

    @classmethod
    def of(cls, config: Config) -> Paths:
        """Where this configuration says."""
        return cls(
            run_dir=config.run_dir,
            state_dir=config.state_dir,
            log_dir=config.log_dir,
            nodefs=config.nodefs,
            imagefs=config.imagefs,
        )

    @property
    def own(self) -> tuple[Path, ...]:
        """The outermost of the directories: nothing in them is a container's business."""
        given = (self.run_dir, self.state_dir, self.log_dir, self.nodefs, self.imagefs)
        every = sorted({path for path in given if path is not None})
        return tuple(path for path in every if not any(other in path.parents for other in every))

    @property
    def nodefs_dir(self) -> Path:
        """The directory whose file system is nodefs."""
        return self.nodefs or self.state_dir

    @property
    def image_dir(self) -> Path:
        """The unpacked images; its file system is imagefs."""
        return (self.imagefs or self.state_dir) / "images"

    @property
    def exit_dir(self) -> Path:
        """conmon writes a container's exit code here, in a file named after the container's id."""
        return self.run_dir / "exits"

    @property
    def runtime_root(self) -> Path:
        """The runtime's own state."""
        return self.run_dir / "runtime"

    def pod_run_dir(self, uid: str) -> Path:
        """Record, namespaces, bundles and small files of a pod."""
        return self.run_dir / "pods" / uid

    def pod_state_dir(self, uid: str) -> Path:
        """Volumes of a pod."""
        return self.nodefs_dir / "pods" / uid

    def pod_layers_dir(self, uid: str) -> Path:
        """Writable layers of a pod: beside the images where these have a file system of their own."""
        return self.pod_state_dir(uid) / "containers" if self.imagefs is None else self.imagefs / "layers" / uid

    def pod_log_dir(self, namespace: str, name: str, uid: str) -> Path:
        """Logs of a pod, named as the kubelet does."""
        return self.log_dir / f"{namespace}_{name}_{uid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """Settings that are not about resources."""

    node_name: str
    max_backoff_seconds: float
    log_max_bytes: int
    log_max_files: int
    can_lower_oom_score: bool
    open_files: tuple[int, int]
    """soft and hard limit of a container's processes: what nodeguard itself was started with"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The agent's hands: passed to every worker, owned by ``agent.node``."""

    clock: Clock
    loop: Loop
    watcher: Watcher
    events: EventSource
    history: History
    on_log: LogSink | None
    """None: nobody wants lines, and logs are not read."""
    takes_logs: Callable[[], bool]
    """Whether whoever gets log lines keeps up with them; meanwhile they stay in their files."""
    logs: LogPump
    driver: Driver
    tree: Tree
    owner: Owner
    paths: Paths
    runtime: Path
    conmon: Path
    exits: Exits
    starts: Turnstile
    kept_open: Allowance
    """Descriptors that pods may keep for later."""
    capacity: NodeCapacity
    allocatable: ResourceList
    resources: ResourceSettings
    settings: HostSettings
    objects: ObjectMap
    """The ConfigMaps and Secrets that pods may refer to."""
    keeper: Keeper | None = None
    """Who keeps pods beyond this process; None: whatever it starts ends with it."""

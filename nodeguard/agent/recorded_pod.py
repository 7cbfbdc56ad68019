"""The pods of this host as their records and bundles tell them, whoever looks after them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nodeguard.agent.disk_summary import recorded_places
from nodeguard.agent.pod_disk import PodPlaces
from nodeguard.agent.record import Record, pod_dirs, read_record

_BUNDLE = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?)_([0-9]+)")
"""What follows the pod's uid in the id of a container's instance: name and attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """The newest instance of a container that has a bundle."""

    name: str
    attempt: int
    started_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPod:
    """A pod that has a record; ``instances`` by name."""

    directory: Path
    record: Record
    started_at: float
    instances: tuple[Instance, ...]

    def key_of(self, instance: Instance) -> str:
        """``uid/name``."""
        return f"{self.record.uid}/{instance.name}"

    def cgroup_of(self, instance: Instance) -> str:
        """The container's group."""
        return f"{self.record.cgroup}/{instance.name}"

    @property
    def tier(self) -> str:
        """The QoS class, as its group is called."""
        return self.record.cgroup.split("/")[-2]

    @property
    def net_file(self) -> Path:
        """The pinned network namespace; there is none when the pod shares the host's."""
        return self.directory / "ns" / "net"

    @property
    def places(self) -> PodPlaces:
        """Where its files are."""
        return recorded_places(self.record, self.directory, [each.name for each in self.instances])


def recorded_pods(run_dir: Path) -> Iterator[RecordedPod]:
    """Every pod with a record that can be read; some may be just coming or going."""
    for directory in pod_dirs(run_dir):
        record, started_at = read_record(directory), modified_at(directory / "record.json")
        if record is not None and started_at is not None:
            instances = tuple(_instances(directory / "bundles", record.uid, started_at))
            yield RecordedPod(directory=directory, record=record, started_at=started_at, instances=instances)


def modified_at(file: Path) -> float | None:
    """When a file was written; None when there is none."""
    try:
        return file.stat().st_mtime
    except OSError:
        return None


def _instances(bundles: Path, uid: str, pod_started_at: float) -> Iterator[Instance]:
    newest: dict[str, Instance] = {}
    names: list[str] = []
    with suppress(OSError):
        names = os.listdir(bundles)
    for container_id in names:
        match = _BUNDLE.fullmatch(container_id.removeprefix(f"{uid}_"))
        if match is None:
            continue
        name, attempt = match[1], int(match[3])
        if name not in newest or newest[name].attempt < attempt:
            started_at = modified_at(bundles / container_id / "config.json") or pod_started_at
            newest[name] = Instance(name=name, attempt=attempt, started_at=started_at)
    yield from (newest[name] for name in sorted(newest))

"""What the containers of one pod share: record, cgroup, namespaces, volumes, small files.

``prepare`` and ``remove`` run in a worker thread; both may be repeated.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from nodeguard.agent import pause
from nodeguard.agent.host import Host
from nodeguard.agent.pid_limit import PidLimits
from nodeguard.agent.record import POD_FILE, RECORD_FILE, STATE_FILE, Record
from nodeguard.errors import CgroupGone, RuntimeFailed
from nodeguard.kernel import mount, namespace
from nodeguard.kernel.cgroup.driver import Killer
from nodeguard.kernel.cgroup.memory import MemoryMeter
from nodeguard.model.configdata import ConfigData
from nodeguard.model.objectref import ObjectRef, object_refs
from nodeguard.model.pod import DownwardAPI, EmptyDir, HostPath, Pod, Projected, QOSClass
from nodeguard.policy import effective, limits, projection
from nodeguard.policy.control import control_files
from nodeguard.policy.env import NodeFacts
from nodeguard.runtime import volume
from nodeguard.runtime.tree import remove_tree

SHM_BYTES = 64 * 1024 * 1024
"""/dev/shm of a pod, as container runtimes have it."""

HOSTNAME_BYTES = 63

DESCRIPTORS = 3
"""What a pod keeps open for the moment when memory is short: two files to read, one to kill with."""


class Sandbox:
    """See the module. Paths are fixed from the start; the files are there once ``prepare`` has run."""

    def __init__(self, host: Host, pod: Pod, qos: QOSClass) -> None:
        self.host, self.pod, self.qos = host, pod, qos
        meta = pod.meta
        self.uid = meta.uid
        self.run_dir = host.paths.pod_run_dir(meta.uid)
        self.state_dir = host.paths.pod_state_dir(meta.uid)
        self.layers_dir = host.paths.pod_layers_dir(meta.uid)
        self.log_dir = host.paths.pod_log_dir(meta.namespace, meta.name, meta.uid)
        self.cgroup = host.tree.pod(qos, meta.uid)
        self.hostname = os.uname().nodename if pod.host_network else (pod.hostname or meta.name)[:HOSTNAME_BYTES]
        self.volumes: Mapping[str, Path] = {}
        self.killer: Killer | None = None
        self.meter: MemoryMeter | None = None
        self.pid_limits = PidLimits(host, pod, self.cgroup)
        self._keeps_open = False
        self._refreshing = threading.Lock()
        self._is_removed = False
        self.facts = NodeFacts(node_name=host.settings.node_name, allocatable=host.allocatable)

    @cached_property
    def object_refs(self) -> frozenset[ObjectRef]:
        """The ConfigMaps and Secrets that the pod refers to; its spec never changes in this."""
        return object_refs(self.pod.raw.get("spec", {}))

    @property
    def namespaces(self) -> dict[str, Path]:
        """Pinned namespaces that all containers join: OCI type to file. What the pod shares with the host is absent."""
        pinned = {}
        if not self.pod.host_network:
            pinned["network"] = self.run_dir / "ns" / "net"
            pinned["uts"] = self.run_dir / "ns" / "uts"
        if not self.pod.host_ipc:
            pinned["ipc"] = self.run_dir / "ns" / "ipc"
        return pinned

    def file(self, name: str) -> Path:
        """A small file every container of the pod sees: ``hosts``, ``hostname`` or ``resolv.conf``."""
        return self.run_dir / "etc" / name

    @property
    def shm(self) -> Path:
        """The pod's /dev/shm."""
        return self.run_dir / "shm"

    def record(self) -> None:
        """Write the record that comes first, so that nothing can be left without one."""
        self.own_record().write(self.run_dir)

    def record_kept(self, manifest: Mapping[str, Any], started_at: float) -> None:
        """The same with the pod beside it, for whoever takes it over. What has no record yet is nobody's.

        Raises:
            FileExistsError: there is such a pod.
        """
        self.run_dir.mkdir(parents=True, mode=0o700)
        self._write_pod(manifest, started_at)
        self.own_record().write_into(self.run_dir)

    def unrecord(self) -> None:
        """Take the record back: nothing has come of it, or nothing is left."""
        (self.run_dir / RECORD_FILE).unlink(missing_ok=True)  # without it the rest is nobody's
        remove_tree(self.run_dir)

    def update(self, pod: Pod, manifest: Mapping[str, Any], started_at: float) -> None:
        """The same pod with other labels and annotations."""
        self.pod = pod
        self._write_pod(manifest, started_at)

    def take_over(self) -> None:
        """Make the record this process's. The tree's lock must be held."""
        self.own_record().write_into(self.run_dir)

    def prepare(self) -> None:
        """Make everything; ``record`` has been called."""
        host = self.host
        self._is_removed = False
        self.own_record().write(self.state_dir)  # /run may be empty after a restart of the host, this is not
        self.log_dir.mkdir(parents=True, mode=0o755, exist_ok=host.keeper is not None)
        self._make_cgroup()
        self._open_for_later()
        self._pin_namespaces()
        if self._shares_pids:
            pause.start(host, uid=self.uid, pod_run_dir=self.run_dir, pod_cgroup=self.cgroup)
        self._write_files()
        self.volumes = volume.prepare(
            self.pod,
            self.state_dir,
            memory_bound_bytes=self._memory_volume_bound(),
            files=self._files,
        )

    def refresh_volumes(self) -> None:
        """Have the volumes that nodeguard writes hold what is to be in them now; in a worker thread.

        Raises:
            RuntimeFailed: something that has to be there is not.
        """
        with self._refreshing:  # one of two that come together might bring back what was before
            if self.volumes and not self._is_removed:
                volume.refresh(self.pod, self.state_dir, self._files)

    def look_up(self, ref: ObjectRef) -> ConfigData | None:
        """A ConfigMap or Secret of the pod's namespace."""
        return self.host.objects.get(self.pod.meta.namespace, ref)

    def _files(self, source: DownwardAPI | Projected) -> list[projection.ProjectedFile]:
        return projection.volume_files(self.pod, source, self.facts, self.look_up)

    def check_volumes(self) -> None:
        """All that volumes need is there.

        Raises:
            RuntimeFailed: a ConfigMap or Secret has to be there and is not; says for which volume.
        """
        for each in self.pod.volumes:
            if isinstance(each.source, Projected):
                try:
                    self._files(each.source)
                except RuntimeFailed as e:
                    message = f'MountVolume.SetUp failed for volume "{each.name}" : {e}'
                    raise RuntimeFailed(message, reason="FailedMount") from e

    def resume(self) -> None:
        """All is there: another process prepared it."""
        with suppress(CgroupGone):  # somebody removed it; the containers will tell
            self._open_for_later()
        self.pid_limits.skip()
        volumes = self.state_dir / "volumes"
        self.volumes = {
            each.name: Path(each.source.path) if isinstance(each.source, HostPath) else volumes / each.name
            for each in self.pod.volumes
        }

    def _open_for_later(self) -> None:
        self._keeps_open = self.host.kept_open.take(DESCRIPTORS)
        if self._keeps_open:
            self.meter = MemoryMeter(self.host.driver, self.cgroup)
            self.killer = self.host.driver.killer(self.cgroup)

    def own_record(self) -> Record:
        """The pod's record, with this process as its owner."""
        return Record(
            uid=self.uid,
            namespace=self.pod.meta.namespace,
            name=self.pod.meta.name,
            owner=self.host.owner,
            cgroup=self.cgroup,
            log_dir=str(self.log_dir),
            state_dir=str(self.state_dir),
            layers_dir=str(self.layers_dir),
            runtime=str(self.host.runtime),
            adoptable=self.host.keeper is not None,
        )

    def remove(self) -> None:
        """Remove everything; the record goes last. Where pods are kept, it stays, and so do the logs."""
        with self._refreshing:
            self._is_removed = True
        self.host.driver.kill(self.cgroup)
        if self._shares_pids:
            pause.stop(self.host, uid=self.uid, pod_run_dir=self.run_dir)
        self.host.driver.remove(self.cgroup)
        if self.host.keeper is None:
            remove_tree(self.log_dir)
        remove_tree(self.layers_dir)
        remove_tree(self.state_dir)
        if self.host.keeper is None:
            remove_tree(self.run_dir)
        else:
            self._empty_run_dir()

    def remove_traces(self) -> None:
        """Logs and record are gone; everything else was before."""
        remove_tree(self.log_dir)
        self.unrecord()

    def _empty_run_dir(self) -> None:
        """Only what another process needs to know stays. The loop may be writing that right now, in a hidden file."""
        for entry in self.run_dir.iterdir():
            if entry.name not in (RECORD_FILE, POD_FILE, STATE_FILE) and not entry.name.startswith("."):
                remove_tree(entry)

    def close(self) -> None:
        """Give descriptors back; by the loop's thread, which uses them."""
        if self._keeps_open:
            self.host.kept_open.give(DESCRIPTORS)
            self._keeps_open = False
        if self.meter is not None:
            self.meter.close()
        if self.killer is not None:
            self.killer.close()
        self.meter = self.killer = None

    def _write_pod(self, manifest: Mapping[str, Any], started_at: float) -> None:
        from nodeguard.agent.checkpoint import write_pod  # `run` keeps nothing

        write_pod(self.run_dir, manifest, started_at)

    @property
    def _shares_pids(self) -> bool:
        return self.pod.share_process_namespace and not self.pod.host_pid

    def _make_cgroup(self) -> None:
        host = self.host
        host.driver.create(self.cgroup, self.uid)
        values = limits.pod_limits(self.pod, self.qos, host.capacity, host.resources)
        files = control_files(values, host.driver.version)
        host.driver.write(self.cgroup, [file for file in files if host.driver.has(file.controller, file.file)])

    def _pin_namespaces(self) -> None:
        directory = self.run_dir / "ns"
        directory.mkdir(mode=0o700)
        wanted = self.namespaces
        if wanted:
            namespace.pin_pod_namespaces(
                directory,
                hostname=self.hostname,
                net="network" in wanted,
                uts="uts" in wanted,
                ipc="ipc" in wanted,
                sysctls=dict(self.pod.sysctls),
            )

    def _write_files(self) -> None:
        (self.run_dir / "etc").mkdir(mode=0o755)
        self.file("hostname").write_text(self.hostname + "\n")
        self.file("hosts").write_text(self._hosts())
        resolv = ""
        with suppress(OSError):
            resolv = Path("/etc/resolv.conf").read_text()
        self.file("resolv.conf").write_text(resolv)
        self.shm.mkdir(mode=0o1777)
        if self.pod.host_ipc:
            mount.bind("/dev/shm", self.shm)
        else:
            mount.mount("shm", self.shm, "tmpfs", mount.MS_NOSUID | mount.MS_NODEV | mount.MS_NOEXEC,
                        f"mode=1777,size={SHM_BYTES}")  # fmt: skip

    def _hosts(self) -> str:
        if self.pod.host_network:
            text = Path("/etc/hosts").read_text()
        else:
            text = (
                "# The pod has loopback only.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
                f"127.0.0.1\t{self.hostname}\n"
            )
        return text + "".join(f"{alias.ip}\t{' '.join(alias.hostnames)}\n" for alias in self.pod.host_aliases)

    def _memory_volume_bound(self) -> int | None:
        """How large a memory volume may get: the pod's memory limit where every container has one.

        Source: kubelet, pkg/volume/emptydir (SizeMemoryBackedVolumes).
        """
        if not any(isinstance(v.source, EmptyDir) and v.source.medium == "Memory" for v in self.pod.volumes):
            return None
        if not effective.declares_limit(self.pod, "memory"):
            return None
        return effective.effective_limits(self.pod)["memory"].value()

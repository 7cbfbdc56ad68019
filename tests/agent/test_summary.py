"""The collector, on a made-up host: what is looked at, what is left out, what is remembered."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from nodeguard.agent import summary as summary_module
from nodeguard.agent.config_load import load
from nodeguard.agent.cpu_history import CpuHistory
from nodeguard.agent.daemon_usage import ProcessGroup, supervisor_pids
from nodeguard.agent.record import Owner
from nodeguard.agent.root import Root
from nodeguard.agent.summary import Collector, Look
from nodeguard.errors import CgroupGone, HostLacks
from nodeguard.kernel import process
from nodeguard.model.groupstat import CpuSample

MIB = 1 << 20


class FakeDriver:
    """A v2 host with these groups; counts what is read."""

    mode: Literal["v2"] = "v2"
    version: Literal[2] = 2

    def __init__(self, groups: Mapping[str, Mapping[str, str]]) -> None:
        self.groups = {path: dict(files) for path, files in groups.items()}
        self.reads: Counter[str] = Counter()

    def read(self, path: str, controller: str, file: str) -> str:
        self.reads[f"{path}:{file}"] += 1
        if path not in self.groups:
            raise CgroupGone(path)
        try:
            return self.groups[path][file]
        except KeyError:
            raise HostLacks(file) from None

    def inode(self, path: str) -> int:
        return hash(path)

    def exists(self, path: str) -> bool:
        return path in self.groups

    def children(self, path: str) -> list[str]:
        return sorted(each.rpartition("/")[2] for each in self.groups if each.rpartition("/")[0] == path)


def files(memory: int = MIB, tasks: int = 1, usec: int = 1000, **others: str) -> dict[str, str]:
    return {
        "cpu.stat": f"usage_usec {usec}\nnr_periods 0",
        "memory.current": str(memory),
        "memory.max": "max",
        "memory.stat": f"anon {memory // 2}\nfile {memory // 2}\ninactive_file {memory // 4}\npgfault 1",
        "memory.swap.current": "0",
        "pids.current": str(tasks),
        "cgroup.procs": "\n".join(str(10_000 + number) for number in range(tasks)),
    } | {name.replace("__", "."): text for name, text in others.items()}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    for name in ("run", "state", "log"):
        monkeypatch.setenv(f"NODEGUARD_{name.upper()}_DIR", str(tmp_path / name))
    monkeypatch.setenv("NODEGUARD_CONFIG", "/dev/null")
    monkeypatch.setenv("NODEGUARD_CGROUP_ROOT", "/ng")
    return Host(tmp_path)


class Host:
    """Directories and groups as `nodeguard run` makes them."""

    def __init__(self, base: Path) -> None:
        self.base = base
        top = {key: text for key, text in files(memory=1 << 30).items() if key not in ("memory.current", "memory.max")}
        tiers = {f"/ng/{tier}": files() for tier in ("guaranteed", "burstable", "besteffort")}
        self.driver = FakeDriver({"/": top, "/ng": files(memory=100 * MIB, tasks=9), **tiers})

    def pod(self, name: str, *instances: str, tier: str = "burstable", **others: Any) -> str:
        """A pod with these instances of containers (``app_0``), each with a group."""
        uid, cgroup = f"uid-{name}", f"/ng/{tier}/poduid-{name}"
        directory = self.base / "run" / "pods" / uid
        state = self.base / "state" / "pods" / uid
        for instance in instances:
            bundle = directory / "bundles" / f"{uid}_{instance}"
            bundle.mkdir(parents=True)
            (state / "containers" / f"{uid}_{instance}" / "upper").mkdir(parents=True)
            root = {"root": {"path": str(state / "containers" / f"{uid}_{instance}" / "rootfs")}}
            (bundle / "config.json").write_text(json.dumps(root))
            self.driver.groups[f"{cgroup}/{instance.rpartition('_')[0]}"] = files()
        directory.mkdir(parents=True, exist_ok=True)
        me = Owner.current()
        owner = {"pid": me.pid, "start_time_ticks": me.start_time_ticks, "boot_id": me.boot_id}
        record = {"uid": uid, "namespace": "default", "name": name, "owner": owner, "cgroup": cgroup}
        record |= {"log_dir": str(self.base / "log" / name), "state_dir": str(state), "runtime": "runc"}
        (directory / "record.json").write_text(json.dumps(record | others))
        self.driver.groups[cgroup] = files(memory=2 * MIB)
        return cgroup

    def share(self, **capacity: int) -> None:
        """A living process that looks after pods with this capacity."""
        me = Owner.current()
        owner = {"pid": me.pid, "start_time_ticks": me.start_time_ticks, "boot_id": me.boot_id}
        path = self.base / "run" / "owners" / f"{os.getpid()}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"owner": owner, "capacity": capacity, "tier_millicpu": {}, "pods": 1}))

    @property
    def collector(self) -> Collector:
        return Collector(load({}), Root(driver=self.driver, path="/ng"))  # type: ignore[arg-type]

    def look(self, **options: bool) -> Look:
        return self.collector.collect(**options)


def names(look: Look) -> dict[str, list[str]]:
    return {pod.pod_ref.name: [each.name for each in pod.containers] for pod in look.summary.pods}


def test_pods_and_their_containers_by_name(host: Host) -> None:
    host.pod("web", "side_0", "app_0")
    host.pod("idle", "main_3", tier="besteffort")
    look = host.look()
    assert names(look) == {"idle": ["main"], "web": ["app", "side"]}
    assert look.pods_by_tier == {"guaranteed": 0, "burstable": 1, "besteffort": 1}
    pod = look.summary.pods[1]
    assert pod.memory is not None
    assert pod.memory.usage_bytes == 2 * MIB  # the pod's own group, not the sum
    assert pod.process_stats is not None
    assert pod.process_stats.process_count == 2
    assert set(look.groups) >= {"uid-web", "uid-web/app", "uid-web/side", "/pods", "/burstable", ""}


def test_what_has_ended_or_not_begun_is_left_out(host: Host) -> None:
    cgroup = host.pod("web", "app_0", "done_0", "gone_0")
    host.driver.groups[f"{cgroup}/done"] = files(tasks=0)
    del host.driver.groups[f"{cgroup}/gone"]
    del host.driver.groups[host.pod("ended")]
    assert names(host.look()) == {"web": ["app"]}


def test_the_newest_instance_wins(host: Host) -> None:
    host.pod("web", "app_9", "app_10", "app_2")
    upper = host.base / "state/pods/uid-web/containers"
    (upper / "uid-web_app_10" / "upper" / "file").write_bytes(b"x" * 100_000)
    bundles = host.base / "run/pods/uid-web/bundles"
    os.utime(bundles / "uid-web_app_10/config.json", (5.0, 5.0))
    (container,) = host.look().summary.pods[0].containers
    assert container.start_time == 5.0
    assert container.rootfs is not None
    assert container.rootfs.used_bytes is not None
    assert container.rootfs.used_bytes > 100_000


def test_names_that_are_no_containers(host: Host) -> None:
    host.pod("web", "app_0")
    bundles = host.base / "run/pods/uid-web/bundles"
    for name in ("uid-web_pause", "uid-web_App_0", "uid-web_app_x", "else"):
        (bundles / name).mkdir()
    assert names(host.look()) == {"web": ["app"]}


def test_a_record_that_cannot_be_read_is_no_pod(host: Host) -> None:
    host.pod("web", "app_0")
    (host.base / "run/pods/uid-web/record.json").write_text("{")
    assert names(host.look()) == {}


def test_without_an_arena_the_node_is_the_machine(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.pod("web", "app_0")
    look = host.look()
    node = look.summary.node
    assert look.is_machine_memory
    assert node.memory is not None
    assert node.memory.usage_bytes == 1 << 30  # anon + file of the top
    assert node.memory.available_bytes == look.capacity.memory_bytes - (1 << 30) + (1 << 28)
    assert [each.name for each in node.system_containers] == ["pods", "misc"]
    misc = node.system_containers[1]
    assert misc.memory is not None
    assert misc.memory.usage_bytes == (1 << 30) - 100 * MIB


def test_the_arena_is_what_its_processes_say(host: Host) -> None:
    host.share(cpu_millicpu=500, memory_bytes=512 * MIB, pids=100)
    look = host.look()
    node = look.summary.node
    assert not look.is_machine_memory
    assert node.memory is not None
    assert (node.memory.usage_bytes, node.memory.working_set_bytes) == (100 * MIB, 75 * MIB)
    assert node.memory.available_bytes == (512 - 75) * MIB
    assert node.rlimit is not None
    assert (node.rlimit.max_pid, node.rlimit.running_processes) == (100, 9)
    assert "misc" not in {each.name for each in node.system_containers}
    assert "kubelet" in {each.name for each in node.system_containers}


def test_an_arena_of_cpu_alone_leaves_memory_the_machines(host: Host) -> None:
    machine = summary_module.proc.read_capacity()
    host.share(cpu_millicpu=500, memory_bytes=machine.memory_bytes)
    host.driver.groups["/ng"]["cpu.stat"] = "usage_usec 7"
    node = host.look().summary.node
    assert node.cpu is not None
    assert node.memory is not None
    assert node.cpu.usage_core_nano_seconds == 7000
    assert node.memory.usage_bytes == 1 << 30


def test_an_arena_whose_tree_is_gone_is_unknown(host: Host) -> None:
    host.share(cpu_millicpu=500, memory_bytes=512 * MIB)
    for path in [path for path in host.driver.groups if path.startswith("/ng")]:
        del host.driver.groups[path]
    look = host.look()
    assert look.summary.node.memory is None
    assert look.summary.node.cpu is None
    assert look.tiers == ()


def test_rates_need_two_looks(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    cgroup = host.pod("web", "app_0")
    clock = iter(range(10**9, 10**12, 10**9))
    monkeypatch.setattr("nodeguard.kernel.cgroup.stat.time.monotonic_ns", lambda: next(clock))
    collector = host.collector
    collector.prime()
    host.driver.groups[f"{cgroup}/app"]["cpu.stat"] = "usage_usec 9001000"
    (container,) = collector.collect().summary.pods[0].containers
    assert container.cpu is not None
    assert container.cpu.usage_core_nano_seconds == 9_001_000_000
    assert container.cpu.usage_nano_cores is not None
    assert container.cpu.usage_nano_cores > 0
    (container,) = host.look().summary.pods[0].containers
    assert container.cpu is not None
    assert container.cpu.usage_nano_cores is None


def test_a_look_reads_every_file_once(host: Host) -> None:
    for number in range(5):
        host.pod(f"p{number}", "app_0", "side_0")
    host.look()
    assert max(host.driver.reads.values()) == 1


def test_the_cost_of_a_look_grows_with_the_pods_alone(host: Host) -> None:
    reads = []
    for number in range(3):
        host.pod(f"p{number}", "app_0")
        host.driver.reads.clear()
        host.look()
        reads.append(sum(host.driver.reads.values()))
    assert reads[2] - reads[1] == reads[1] - reads[0]


def test_processes_in_groups_of_the_containers_own(host: Host) -> None:
    cgroup = host.pod("web", "app_0")
    host.driver.groups[f"{cgroup}/app"] |= {"pids.current": "5", "cgroup.procs": "1"}
    host.driver.groups[f"{cgroup}/app/inner"] = files(tasks=2)
    host.driver.groups[f"{cgroup}/app/inner/most"] = files(tasks=1)
    stats = host.look().summary.pods[0].process_stats
    assert stats is not None
    assert stats.process_count == 4


def test_a_group_that_does_not_tell_its_processes(host: Host) -> None:
    cgroup = host.pod("web", "app_0", "side_0")
    del host.driver.groups[f"{cgroup}/app"]["cgroup.procs"]
    (pod,) = host.look().summary.pods
    assert [each.name for each in pod.containers] == ["app", "side"]
    assert pod.process_stats is not None
    assert pod.process_stats.process_count is None


def test_the_short_form_looks_at_no_disk_and_no_namespace(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.pod("web", "app_0")

    def refuse(*_: object) -> None:
        raise AssertionError("looked")

    monkeypatch.setattr(summary_module, "DiskLook", refuse)
    monkeypatch.setattr(summary_module.link, "read_pinned_links", refuse)
    look = host.look(only_cpu_and_memory=True)
    assert names(look) == {"web": ["app"]}
    assert look.summary.node.fs is None


def test_the_places_of_the_pods_are_told_by_the_pods(host: Host) -> None:
    host.pod("web", "app_0")
    shutil.rmtree(host.base / "state/pods/uid-web/containers")
    imagefs = host.base / "fast"
    layer = imagefs / "layers" / "uid-web" / "uid-web_app_0"
    (layer / "upper").mkdir(parents=True)
    (layer / "upper" / "file").write_bytes(b"x" * 50_000)
    (imagefs / "images").mkdir()
    (imagefs / "images" / "blob").write_bytes(b"x" * 70_000)
    config = host.base / "run/pods/uid-web/bundles/uid-web_app_0/config.json"
    config.write_text(json.dumps({"root": {"path": str(layer / "rootfs")}}))
    summary = host.look().summary
    rootfs = summary.pods[0].containers[0].rootfs
    runtime = summary.node.runtime
    assert rootfs is not None
    assert runtime is not None
    assert rootfs.used_bytes is not None
    assert rootfs.used_bytes > 50_000
    assert runtime.image_fs is not None
    assert runtime.container_fs is not None
    assert runtime.image_fs.used_bytes is not None
    assert runtime.image_fs.used_bytes > 70_000
    assert runtime.container_fs.used_bytes == rootfs.used_bytes


def test_volumes_by_kind(host: Host) -> None:
    host.pod("web", "app_0")
    volumes = host.base / "state/pods/uid-web/volumes"
    for name in ("scratch", "labels"):
        (volumes / name).mkdir(parents=True)
    (volumes / "scratch" / "file").write_bytes(b"x" * 40_000)
    (volumes / "labels" / "file").write_bytes(b"x" * 90_000)
    (volumes / "labels" / "..data").symlink_to("..2026")
    pod = host.look().summary.pods[0]
    assert [volume.name for volume in pod.volumes] == ["labels", "scratch"]
    assert pod.ephemeral_storage is not None
    assert pod.ephemeral_storage.used_bytes is not None
    assert 40_000 < pod.ephemeral_storage.used_bytes < 90_000  # the downward API's volumes are not the pod's doing


# what is remembered


def sample(at_ns: int, usage_ns: int, of: object = 1) -> CpuSample:
    return CpuSample(of=of, at_ns=at_ns, usage_ns=usage_ns)


def test_samples_that_are_too_close_make_no_rate_and_replace_nothing() -> None:
    history = CpuHistory()
    first, close, later = sample(0, 0), sample(99_999_999, 1), sample(100_000_000, 2)
    assert history.swap("a", first) is None
    assert history.swap("a", close) is None
    assert history.swap("a", later) is first
    assert history.swap("a", sample(300_000_000, 3)) is later


def test_a_new_group_of_the_same_name_begins_anew() -> None:
    history = CpuHistory()
    history.swap("a", sample(0, 0, of=1))
    new = sample(1, 0, of=2)
    history.swap("a", new)
    assert history.swap("a", sample(200_000_000, 1, of=2)) is new


def test_what_is_gone_is_forgotten() -> None:
    history = CpuHistory()
    history.swap("a", sample(0, 0))
    history.forget_others()
    history.forget_others()
    assert history.swap("a", sample(10**9, 1)) is None


# processes without a group of their own


def test_this_process_as_a_group() -> None:
    group = ProcessGroup()
    first = group.look([os.getpid()])
    assert first is not None
    assert first.cpu is not None
    assert (first.memory_usage_bytes or 0) > MIB
    assert 0 < group.started_at(0.0) == process.identify(os.getpid()).start_time_ticks / process.TICKS_PER_SECOND
    assert group.look([]) is None
    last = group.look([os.getpid()])
    assert last is not None
    assert last.cpu is not None
    assert last.cpu.usage_ns >= first.cpu.usage_ns  # what has ended stays counted


def test_a_pid_of_somebody_else_is_no_supervisor(tmp_path: Path) -> None:
    bundle = tmp_path / "bundles" / "c"
    bundle.mkdir(parents=True)
    for text in (str(os.getpid()), "nonsense", "99999999"):
        (bundle / "conmon.pid").write_text(text)
        assert supervisor_pids([tmp_path]) == []

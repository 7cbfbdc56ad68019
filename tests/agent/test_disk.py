"""Measuring pods: which are looked at and when, and which file systems are separate."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nodeguard.agent import disk as disk_module
from nodeguard.agent.clock import Clock
from nodeguard.agent.config_load import build
from nodeguard.agent.disk import DiskMeter, DiskUsage, read_layout
from nodeguard.agent.host import Paths
from nodeguard.agent.loop import Loop
from nodeguard.agent.machine import read_machine
from nodeguard.kernel import filesystem
from nodeguard.model.decode import decode
from nodeguard.model.document import parse
from nodeguard.model.eviction import Layout, PodFacts
from nodeguard.model.stats import FsUsage
from nodeguard.policy.eviction_facts import facts_of

KIB = 1024


class FakeClock(Clock):
    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time


class FakeLoop(Loop):
    """Timers and threads that wait to be told: ``run`` does what is due by then."""

    def __init__(self) -> None:
        self.clock: FakeClock = FakeClock()
        self.due: list[Any] = []
        self.works = 0

    def call_at(self, at: float, callback: Callable[[], None]) -> Any:
        from nodeguard.agent.loop import Timer

        timer = Timer(at, callback)
        self.due.append(timer)
        return timer

    def in_thread(self, work: Callable[[], Any], then: Callable[[Any, BaseException | None], None]) -> None:
        self.works += 1
        result, error = None, None
        try:
            result = work()
        except Exception as e:
            error = e
        then(result, error)

    def run(self, seconds: float) -> None:
        end = self.clock.time + seconds
        while True:
            ready = [timer for timer in self.due if timer.callback is not None and timer.at <= end]
            if not ready:
                break
            timer = min(ready, key=lambda one: one.at)
            self.due.remove(timer)
            self.clock.time = max(self.clock.time, timer.at)
            timer.callback()
        self.clock.time = end


class FakeDisk:
    """What a file system says."""

    type = "ext4"
    device = 1

    def __init__(self) -> None:
        self.used_bytes, self.inodes_free, self.is_broken, self.is_closed = 0, 1000, False, False

    def read(self) -> FakeDisk:
        if self.is_broken:
            raise OSError("broken")
        return self

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(run_dir=tmp_path / "run", state_dir=tmp_path / "state", log_dir=tmp_path / "log")
    for directory in made.own:
        directory.mkdir()
    return made


def facts(name: str = "p", *, limited: bool = False) -> PodFacts:
    limit = ", sizeLimit: 64Ki" if limited else ""
    text = f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}, uid: uid-{name}}}
spec:
  containers: [{{name: main, image: host}}]
  volumes: [{{name: data, emptyDir: {{medium: ""{limit}}}}}, {{name: etc, hostPath: {{path: /etc}}}}]
"""
    (pod,) = decode(parse(text, "pod.yaml")).pods
    return facts_of(pod)


def make(paths: Paths, name: str = "p") -> Path:
    """A pod's directories; the one of the volume is returned."""
    layer = paths.pod_layers_dir(f"uid-{name}") / f"uid-{name}_main_0" / "upper"
    logs = paths.pod_log_dir("default", name, f"uid-{name}") / "main"
    volume = paths.pod_state_dir(f"uid-{name}") / "volumes" / "data"
    for directory in (layer, logs, volume):
        directory.mkdir(parents=True)
    (layer / "written").write_bytes(b"x" * 8 * KIB)
    (logs / "0.log").write_bytes(b"x" * 4 * KIB)
    return volume


class Lab:
    """A meter whose surroundings the test decides on."""

    def __init__(self, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths, self.loop, self.disk = paths, FakeLoop(), FakeDisk()
        self.cpu: dict[str, int | None] = {}
        self.changes = 0
        self.measured: list[tuple[str, bool]] = []
        monkeypatch.setattr(
            disk_module,
            "_open_disks",
            lambda _: (disk_module._Disk(source=self.disk),),  # type: ignore[arg-type]
        )
        real = disk_module.PodDisk.measure

        def measure(pod: Any, now: float, *, thorough: bool = False, remember: int) -> DiskUsage:
            self.measured.append((pod.places.logs.name.split("_")[1], thorough))
            return real(pod, now, thorough=thorough, remember=remember)

        monkeypatch.setattr(disk_module.PodDisk, "measure", measure)
        self.meter = DiskMeter(
            self.loop, paths, Layout(), on_change=self._changed, cpu_of=lambda uid: self.cpu.get(uid)
        )

    def _changed(self) -> None:
        self.changes += 1

    def run(self, seconds: float) -> list[tuple[str, bool]]:
        """Let time pass; returns which pods were counted, and whether thoroughly."""
        self.measured.clear()
        self.loop.run(seconds)
        return list(self.measured)


@pytest.fixture
def lab(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    made = Lab(paths, monkeypatch)
    yield made
    made.meter.close()
    assert made.disk.is_closed


def du(path: Path) -> int:
    """Bytes of a tree as ``du`` counts them."""
    return sum(
        (Path(top) / name).lstat().st_blocks * 512
        for top, directories, files in os.walk(path)
        for name in [".", *files]
    )


def test_usage_has_layers_logs_and_volumes(lab: Lab, paths: Paths) -> None:
    volume = make(paths)
    lab.meter.add(facts())
    assert lab.meter.usage("uid-p") is None
    (volume / "sub").mkdir()
    (volume / "sub" / "file").write_bytes(b"x" * 12 * KIB)
    lab.run(2)
    usage = lab.meter.usage("uid-p")
    assert usage is not None
    layer = paths.pod_layers_dir("uid-p") / "uid-p_main_0" / "upper"
    logs = paths.pod_log_dir("default", "p", "uid-p") / "main"
    assert usage.containers == {
        "main": (
            FsUsage(used_bytes=du(layer), inodes_used=2),
            FsUsage(used_bytes=du(logs), inodes_used=2),
        )
    }
    (data,) = usage.volumes
    assert (data.name, data.used_bytes, data.inodes_used) == ("data", du(volume), 3)
    assert usage.ephemeral_storage == FsUsage(used_bytes=du(layer) + du(logs) + du(volume), inodes_used=7)
    assert (usage.measured_at, lab.changes) == (1000.0, 1)


def test_nothing_is_counted_while_the_disk_says_the_same(lab: Lab, paths: Paths) -> None:
    make(paths)
    lab.meter.add(facts(limited=True))
    assert lab.run(1) == [("p", True)]
    assert lab.run(40) == []
    lab.disk.used_bytes += 4096
    assert lab.run(5) == [("p", False)]
    lab.disk.inodes_free -= 1
    assert lab.run(5) == [("p", False)]


def test_limited_pods_are_looked_at_every_second_and_others_every_ten(lab: Lab, paths: Paths) -> None:
    make(paths, "a")
    make(paths, "b")
    lab.meter.add(facts("a", limited=True))
    lab.meter.add(facts("b"))
    lab.run(1)
    for _ in range(20):
        lab.disk.used_bytes += 1
        lab.loop.run(1)
    counted = [name for name, _ in lab.measured]
    assert (counted.count("a"), counted.count("b")) == (21, 3)


def test_a_pod_that_does_not_run_is_not_counted(lab: Lab, paths: Paths) -> None:
    make(paths)
    lab.cpu["uid-p"] = 5
    lab.meter.add(facts(limited=True))
    lab.run(1)
    lab.disk.used_bytes += 1
    assert lab.run(1) == [("p", False)]  # conmon may still write
    lab.disk.used_bytes += 1
    assert lab.run(1) == [("p", False)]
    lab.disk.used_bytes += 1
    assert lab.run(10) == []
    lab.cpu["uid-p"] = 6
    assert lab.run(1) == [("p", False)]


def test_everything_is_counted_thoroughly_once_a_minute(lab: Lab, paths: Paths) -> None:
    make(paths)
    lab.meter.add(facts(limited=True))
    assert lab.run(1) == [("p", True)]
    assert lab.run(58) == []
    assert lab.run(2) == [("p", True)]


def test_growth_that_nobody_explains_makes_the_next_count_thorough(lab: Lab, paths: Paths) -> None:
    make(paths)
    lab.meter.add(facts(limited=True))
    lab.run(1)
    lab.disk.used_bytes += 5 << 20
    assert lab.run(1) == [("p", False)]
    lab.disk.used_bytes += 1
    assert lab.run(1) == [("p", True)]
    lab.disk.used_bytes += 1
    assert lab.run(1) == [("p", False)]


def test_an_exceeded_limit_is_counted_twice(lab: Lab, paths: Paths) -> None:
    volume = make(paths)
    lab.meter.add(facts(limited=True))
    lab.run(1)
    (volume / "file").write_bytes(b"x" * 128 * KIB)
    lab.disk.used_bytes += 128 * KIB
    assert lab.run(1) == [("p", False), ("p", True)]


def test_a_disk_that_does_not_answer_counts_as_changing(lab: Lab, paths: Paths) -> None:
    make(paths)
    lab.meter.add(facts(limited=True))
    lab.run(1)
    lab.disk.is_broken = True
    assert len(lab.run(3)) == 3


def test_refresh_does_not_wait(lab: Lab, paths: Paths) -> None:
    volume = make(paths)
    lab.meter.add(facts())
    lab.run(1)
    (volume / "file").write_bytes(b"x" * 128 * KIB)
    lab.disk.used_bytes += 128 * KIB
    told: list[int | None] = []
    lab.meter.refresh(lambda: told.append(lab.meter.usage("uid-p").ephemeral_storage.used_bytes))  # type: ignore[union-attr]
    assert told[0] is not None
    assert told[0] > 128 * KIB


def test_a_pod_that_is_gone_is_forgotten(lab: Lab, paths: Paths) -> None:
    make(paths)
    lab.meter.add(facts())
    lab.run(1)
    lab.meter.remove("uid-p")
    assert lab.meter.usage("uid-p") is None
    assert lab.run(100) == []


def test_directories_that_are_not_there_take_nothing(lab: Lab, paths: Paths) -> None:
    volume = make(paths)
    lab.meter.add(facts())
    lab.run(1)
    shutil.rmtree(volume.parent.parent)
    shutil.rmtree(paths.log_dir)
    lab.disk.used_bytes -= 1
    lab.run(11)
    usage = lab.meter.usage("uid-p")
    assert usage is not None
    assert usage.ephemeral_storage == FsUsage(used_bytes=0, inodes_used=0)


def test_what_cannot_be_read_is_unknown_and_so_is_the_sum(
    lab: Lab, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(paths)

    def fail(self: Any, **options: Any) -> Any:
        if "volumes" in str(self.root):
            raise OSError(5, "Input/output error", str(self.root))
        return real(self, **options)

    from nodeguard.agent import scan

    real = scan.Tree.measure
    monkeypatch.setattr(scan.Tree, "measure", fail)
    lab.meter.add(facts(limited=True))
    assert lab.run(1) == [("p", True)]  # and no limit is exceeded
    usage = lab.meter.usage("uid-p")
    assert usage is not None
    assert (usage.volumes[0].used_bytes, usage.ephemeral_storage) == (None, FsUsage())
    assert usage.containers["main"][0].used_bytes


def test_one_file_system_is_one_layout(paths: Paths) -> None:
    assert read_layout(paths) == Layout()


def test_the_nodes_ephemeral_storage_is_its_nodefs(tmp_path: Path) -> None:
    config = build([], flags={"nodefs": str(tmp_path / "not" / "yet")})
    assert read_machine(config).ephemeral_storage_bytes == filesystem.read(tmp_path).capacity_bytes

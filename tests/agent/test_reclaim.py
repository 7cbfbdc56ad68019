"""What the node gives up: logs of dead containers, rotated logs, unused images; and the regular collection of them."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from nodeguard.agent.garbage import CONTAINERS_SECONDS, IMAGES_SECONDS, GarbageCollector
from nodeguard.agent.host import Paths
from nodeguard.agent.reclaim import ContainerLogs, ImageCollection, Reclaimer
from nodeguard.errors import Conflict
from nodeguard.kernel import filesystem
from nodeguard.kernel.filesystem import FileSystem
from nodeguard.model.eviction import ReclaimStep
from nodeguard.model.garbage import Freed, PodFate
from nodeguard.policy.container_gc import ContainerGcSettings
from nodeguard.policy.image_gc import ImageGcSettings
from nodeguard.runtime.image import locked
from nodeguard.runtime.image_cache import ImageCache

KIB = 1024
OLD = time.time() - 3600


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(run_dir=tmp_path / "run", state_dir=tmp_path / "state", log_dir=tmp_path / "log")
    for directory in made.own:
        directory.mkdir()
    return made


def reclaimer(paths: Paths, *logs: ContainerLogs, **images: int) -> Reclaimer:
    return Reclaimer(paths, images=ImageGcSettings(**images), containers=ContainerGcSettings(), logs=lambda: logs)


def write_logs(paths: Paths, *names: str) -> Path:
    directory = paths.log_dir / "default_p_uid" / "main"
    directory.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (directory / name).write_bytes(b"x" * 4 * KIB)
        os.utime(directory / name, (OLD + number, OLD + number))
    return directory


def main_logs(directory: Path, alive_from: int, fate: PodFate = PodFate.ACTIVE) -> ContainerLogs:
    return ContainerLogs(uid="uid", name="main", directory=directory, alive_from=alive_from, fate=fate)


def write_image(paths: Paths, name: str, *, age: float = 3600, used_ago: float | None = None, pods: str = "") -> Path:
    directory = paths.image_dir / "unpacked" / name
    (directory / "rootfs").mkdir(parents=True)
    (directory / "rootfs" / "file").write_bytes(b"x" * 8 * KIB)
    (directory / "config.json").write_text("{}")
    os.utime(directory / "config.json", (time.time() - age, time.time() - age))
    if used_ago is not None:
        (directory / "used").touch()
        os.utime(directory / "used", (time.time() - used_ago, time.time() - used_ago))
    sources = paths.image_dir / "sources"
    sources.mkdir(exist_ok=True)
    (sources / f"key-{name}").write_text(name)
    for pod in pods:
        marks = paths.run_dir / "pods" / pod / "images"
        marks.mkdir(parents=True, exist_ok=True)
        (marks / name).touch()
    return directory


def images_left(paths: Paths) -> list[str]:
    return sorted(os.listdir(paths.image_dir / "unpacked"))


def test_rotated_logs_go_first_and_the_live_log_stays(paths: Paths) -> None:
    directory = write_logs(paths, "0.log", "1.log", "2.log.20261121-000000", "2.log", "note.txt", "x.log")
    result = reclaimer(paths, main_logs(directory, 2)).reclaim([ReclaimStep.CONTAINERS])
    freed = result.steps[ReclaimStep.CONTAINERS]
    assert [Path(path).name for path in freed.removed] == ["2.log.20261121-000000", "0.log"]
    assert (freed.used_bytes, freed.inodes, freed.errors) == (8 * KIB, 2, ())
    assert result.freed_bytes == 8 * KIB
    assert sorted(os.listdir(directory)) == ["1.log", "2.log", "note.txt", "x.log"]


def test_the_regular_collection_leaves_rotated_logs_of_the_living(paths: Paths) -> None:
    directory = write_logs(paths, "0.log.20261121-000000", "0.log", "1.log", "2.log.20261121-000000", "2.log")
    reclaimer(paths, main_logs(directory, 2)).collect_containers()
    assert sorted(os.listdir(directory)) == ["1.log", "2.log", "2.log.20261121-000000"]


def test_all_logs_of_a_terminated_pod_go_for_an_eviction_only(paths: Paths) -> None:
    directory = write_logs(paths, "0.log", "1.log")
    logs = main_logs(directory, 2, PodFate.TERMINATED)
    reclaimer(paths, logs).collect_containers()
    assert os.listdir(directory) == ["1.log"]
    reclaimer(paths, logs).reclaim([ReclaimStep.CONTAINERS])
    assert os.listdir(directory) == []


def test_logs_that_are_gone_are_no_error(paths: Paths) -> None:
    freed = reclaimer(paths, main_logs(paths.log_dir / "none", 5)).collect_containers()
    assert freed == Freed()


def test_unused_images_go_for_an_eviction(paths: Paths) -> None:
    write_image(paths, "unused")
    write_image(paths, "inuse", pods="a")
    write_image(paths, "fresh", age=60)
    pinned = write_image(paths, "pinned")
    (pinned / "pinned").touch()
    before = filesystem.read(paths.state_dir)
    freed = reclaimer(paths).reclaim([ReclaimStep.IMAGES]).steps[ReclaimStep.IMAGES]
    assert before.device
    assert (freed.removed, freed.errors) == (("unused",), ())
    assert freed.used_bytes >= 12 * KIB
    assert freed.inodes == 4
    assert images_left(paths) == ["fresh", "inuse", "pinned"]
    assert sorted(os.listdir(paths.image_dir / "sources")) == ["key-fresh", "key-inuse", "key-pinned"]


def test_what_is_being_unpacked_or_just_wanted_is_left_alone(paths: Paths) -> None:
    write_image(paths, "wanted")
    crashed, working = paths.image_dir / "partial" / "crashed", paths.image_dir / "partial" / "working"
    for directory in (crashed, working):
        directory.mkdir(parents=True)
    lock = paths.image_dir / "lock"
    with locked(lock, "wanted", shared=True), locked(lock, "working"):
        freed = reclaimer(paths).reclaim([ReclaimStep.IMAGES]).steps[ReclaimStep.IMAGES]
    assert freed.removed == (str(crashed),)
    assert freed.errors == ("image wanted: wanted is in use",)
    assert (images_left(paths), working.is_dir(), crashed.exists()) == (["wanted"], True, False)


def test_without_images_there_is_nothing_to_do(paths: Paths) -> None:
    assert reclaimer(paths).reclaim([ReclaimStep.IMAGES]).steps[ReclaimStep.IMAGES] == Freed()


def space(monkeypatch: pytest.MonkeyPatch, *, capacity: int = 1000 * KIB, available: int) -> None:
    seen = FileSystem(
        device=1,
        mount_point="/images",
        source="/dev/x",
        type="ext4",
        capacity_bytes=capacity,
        available_bytes=available,
        used_bytes=capacity - available,
        inodes=0,
        inodes_free=0,
    )
    monkeypatch.setattr(filesystem, "read", lambda _: seen)


def test_images_go_until_there_is_room_the_longest_unused_first(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(paths, "used-lately", used_ago=10)
    write_image(paths, "used-once", used_ago=1000)
    write_image(paths, "never-used")
    space(monkeypatch, available=190 * KIB)
    assert reclaimer(paths).collect_images() == ImageCollection(freed=Freed())
    space(monkeypatch, available=130 * KIB)  # 87 % used; to be freed are 70 KiB
    collection = reclaimer(paths).collect_images()
    assert collection.freed.removed == ("never-used", "used-once", "used-lately")
    assert collection.reason == "FreeDiskSpaceFailed"
    assert "(87% of 1024000 bytes at /images used)" in collection.fault
    write_image(paths, "one")
    write_image(paths, "two", used_ago=1)
    space(monkeypatch, available=190 * KIB)
    collection = reclaimer(paths, high_percent=81).collect_images()
    assert (collection.freed.removed, collection.fault) == (("one",), "")


def test_images_go_for_their_age_however_much_room_there_is(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(paths, "old", used_ago=100)
    write_image(paths, "young", used_ago=1)
    space(monkeypatch, available=900 * KIB)
    collector = reclaimer(paths, maximum_age_ns=50 * 10**9)
    assert collector.collect_images().freed.removed == ()  # the collector itself is too young to judge
    monkeypatch.setattr(collector, "_started_at", time.monotonic_ns() - 60 * 10**9)
    assert collector.collect_images().freed.removed == ("old",)


def test_a_file_system_without_a_size_is_a_fault(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(paths, "a")
    space(monkeypatch, capacity=0, available=0)
    assert reclaimer(paths).collect_images().reason == "InvalidDiskCapacity"

    def fail(_: Path) -> FileSystem:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(filesystem, "read", fail)
    assert reclaimer(paths).collect_images().reason == "ImageGCFailed"
    assert images_left(paths) == ["a"]


def test_an_image_marked_at_the_last_moment_stays(paths: Paths) -> None:
    write_image(paths, "a", pods="p")
    with pytest.raises(Conflict, match="in use"):
        ImageCache(directory=paths.image_dir, run_dir=paths.run_dir).remove("a")
    assert images_left(paths) == ["a"]


def test_using_keeps_it_and_notes_when(paths: Paths) -> None:
    write_image(paths, "a", used_ago=1000, pods="p")
    cache = ImageCache(directory=paths.image_dir, run_dir=paths.run_dir)
    (seen,) = cache.images(lambda _: 7)
    assert (seen.name, seen.size_bytes, seen.is_used, seen.is_pinned) == ("a", 7, True, False)
    (paths.run_dir / "pods" / "p" / "images" / "a").unlink()
    (later,) = cache.images(lambda _: 7)
    assert not later.is_used
    assert later.used_ns is not None
    assert later.used_ns > (time.time() - 900) * 10**9


class FakeLoop:
    """Timers that are run by hand; threads are the caller's."""

    def __init__(self) -> None:
        self.clock, self.time, self.timers = self, 0.0, []  # type: ignore[var-annotated]

    def now(self) -> float:
        return self.time

    def call_at(self, at: float, callback: Any) -> Any:
        from nodeguard.agent.loop import Timer

        timer = Timer(at, callback)
        self.timers.append(timer)
        return timer

    def in_thread(self, work: Any, then: Any) -> None:
        assert threading.current_thread() is threading.main_thread()
        try:
            result = work()
        except OSError as e:
            then(None, e)
        else:
            then(result, None)

    def run(self, seconds: float) -> None:
        end = self.time + seconds
        while ready := [timer for timer in self.timers if timer.callback and timer.at <= end]:
            timer = min(ready, key=lambda one: one.at)
            self.timers.remove(timer)
            self.time = timer.at
            timer.callback()
        self.time = end


class FakeReclaimer:
    def __init__(self) -> None:
        self.containers = self.images = 0
        self.fault, self.reason = "", ""

    def collect_containers(self) -> Freed:
        self.containers += 1
        if self.fault:
            raise OSError(self.fault)
        return Freed()

    def collect_images(self) -> ImageCollection:
        self.images += 1
        return ImageCollection(freed=Freed(), reason=self.reason, fault=self.fault)


def test_containers_every_minute_and_images_every_five() -> None:
    loop, fake = FakeLoop(), FakeReclaimer()
    collector = GarbageCollector(loop, fake, collects_images=True, tell=lambda *_: None)  # type: ignore[arg-type]
    collector.open()
    loop.run(2 * IMAGES_SECONDS)
    assert (fake.containers, fake.images) == (2 * IMAGES_SECONDS / CONTAINERS_SECONDS, 2)
    collector.close()
    loop.run(1000)
    assert fake.images == 2


def test_img_1_no_images_when_that_is_switched_off() -> None:
    loop, fake = FakeLoop(), FakeReclaimer()
    GarbageCollector(loop, fake, collects_images=False, tell=lambda *_: None).open()  # type: ignore[arg-type]
    loop.run(2 * IMAGES_SECONDS)
    assert (fake.containers, fake.images) == (10, 0)


def test_img_7_the_node_tells_of_a_failure_from_the_second_one_in_a_row_on() -> None:
    loop, fake, told = FakeLoop(), FakeReclaimer(), []
    GarbageCollector(loop, fake, collects_images=True, tell=lambda reason, _: told.append(reason)).open()  # type: ignore[arg-type]
    fake.fault, fake.reason = "full", "FreeDiskSpaceFailed"
    loop.run(IMAGES_SECONDS)
    assert [reason for reason in told if reason != "ContainerGCFailed"] == ["FreeDiskSpaceFailed"]
    loop.run(IMAGES_SECONDS)
    assert told.count("ImageGCFailed") == 1
    fake.fault = ""
    loop.run(IMAGES_SECONDS)
    fake.fault, fake.reason = "odd", "ImageGCFailed"
    loop.run(IMAGES_SECONDS)
    assert told.count("ImageGCFailed") == 1
    assert "ContainerGCFailed" in told

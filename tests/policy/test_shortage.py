"""What the message of a True condition says: signal, numbers, threshold, file system, top consumers."""

from __future__ import annotations

from typing import Any

from evictionbuilder import DEDICATED, SINGLE, candidates, config, disk, memory, named, processes, seen

from nodeguard.model.eviction import Layout, Observation, Snapshot
from nodeguard.model.node import MountPlace
from nodeguard.model.signal import Pressure, Resource, Signal
from nodeguard.policy.shortage import amount, shortage_details, tell_shortage, top_consumers

PLACES = {
    "nodefs": MountPlace(mount_point="/", device="/dev/vda"),
    "imagefs": MountPlace(mount_point="/mnt/images", device="/dev/loop0"),
}


def test_memory_in_bytes_and_in_words() -> None:
    (threshold,) = config("memory.available<100Mi").thresholds
    text = tell_shortage(threshold, seen("memory.available=93Mi/1Gi")[Signal.MEMORY_AVAILABLE], {})
    assert text == ("memory.available is 97517568 (93Mi) of 1073741824 (1Gi), threshold 104857600 (100Mi), hard")


def test_inodes_as_df_counts_them_and_where() -> None:
    (threshold,) = config(soft="imagefs.inodesFree<5%@60").thresholds
    observed = Observation(available=40, capacity=1000)
    assert tell_shortage(threshold, observed, PLACES) == (
        "imagefs.inodesFree is 40 of 1000, threshold 5% = 50, soft, at /mnt/images (/dev/loop0)"
    )


def test_what_is_below_zero_is_told_as_it_is() -> None:
    assert amount(Resource.MEMORY, -3 * 1024**2) == "-3145728 (-3Mi)"
    assert amount(Resource.MEMORY, 999) == "999"
    assert amount(Resource.PIDS, 32000) == "32000"
    assert amount(Resource.INODES, 2_000_000) == "2000000"


def test_every_threshold_that_is_met_the_most_urgent_first() -> None:
    thresholds = config("nodefs.available<10% nodefs.inodesFree<5%", "nodefs.available<20%@60").thresholds
    snapshot = Snapshot(observations=seen("nodefs.available=1Gi/100Gi nodefs.inodesFree=1/1000"))
    details = shortage_details(thresholds, snapshot, PLACES)
    assert set(details) == {Pressure.DISK}
    shares = [
        part.partition(" is ")[0] + part.rpartition(", at")[0][-6:] for part in details[Pressure.DISK].split("; ")
    ]
    assert shares == ["nodefs.available, hard", "nodefs.inodesFree, hard", "nodefs.available, soft"]


def test_one_file_system_is_not_told_under_three_names() -> None:
    thresholds = config("nodefs.available<10% imagefs.available<10% containerfs.available<10%").thresholds
    figures = "nodefs.available=1Gi/100Gi imagefs.available=1Gi/100Gi containerfs.available=1Gi/100Gi"
    details = shortage_details(thresholds, Snapshot(observations=seen(figures)), PLACES)
    assert details[Pressure.DISK].count(" is ") == 1
    assert details[Pressure.DISK].startswith("nodefs.available is ")


def test_a_signal_nobody_could_read_is_not_told() -> None:
    thresholds = config("memory.available<100Mi pid.available<5%").thresholds
    assert shortage_details(thresholds, Snapshot(), {}) == {}


def consumers(signal: Signal, figures: str, *pods: Any, layout: Layout = SINGLE) -> list[tuple[str, int]]:
    snapshot = Snapshot(observations=seen(figures), candidates=candidates(*pods), layout=layout)
    return [(one.name.removeprefix("default/"), one.amount) for one in top_consumers(signal, snapshot)]


def test_top_consumers_in_the_message() -> None:
    thresholds = config("memory.available<100Mi").thresholds
    pods = candidates((named("hog"), memory("800Mi")), (named("calm"), memory("2Mi")))
    snapshot = Snapshot(observations=seen("memory.available=22Mi/1Gi"), candidates=pods)
    text = shortage_details(thresholds, snapshot, {})[Pressure.MEMORY]
    assert text.endswith(
        "; top consumers: default/hog 838860800 (800Mi), default/calm 2097152 (2Mi), outside pods 209715200 (200Mi)"
    )


def test_three_are_named_the_largest_first_then_by_name() -> None:
    pods = [(named(name), memory(amount)) for name, amount in (("d", 1), ("c", 9), ("b", 5), ("a", 5), ("none", 0))]
    found = consumers(Signal.MEMORY_AVAILABLE, "memory.available=80/100", *pods)
    assert found == [("c", 9), ("a", 5), ("b", 5)], "and nothing is left for anybody else"


def test_what_is_outside_is_told_only_when_everybody_was_measured() -> None:
    measured, unknown = (named("a"), memory(5)), named("b")
    assert consumers(Signal.MEMORY_AVAILABLE, "memory.available=80/100", measured) == [("a", 5), ("outside pods", 15)]
    assert consumers(Signal.MEMORY_AVAILABLE, "memory.available=80/100", measured, unknown) == [("a", 5)]
    assert consumers(Signal.MEMORY_AVAILABLE, "memory.available=80/100") == []


def test_top_consumers_of_a_disk_are_those_that_are_on_it() -> None:
    pods = ((named("layers"), disk(rootfs=500)), (named("logs"), disk(logs=300)))
    figures = "nodefs.available=700/1000 imagefs.available=500/1000"
    assert consumers(Signal.NODEFS_AVAILABLE, figures, *pods, layout=DEDICATED) == [("logs", 300)]
    assert consumers(Signal.IMAGEFS_AVAILABLE, figures, *pods, layout=DEDICATED) == [("layers", 500)]


def test_top_consumers_of_process_ids() -> None:
    pods = ((named("bomb"), processes(900)), (named("calm"), processes(1)))
    found = consumers(Signal.PID_AVAILABLE, "pid.available=0/1000", *pods)
    assert found == [("bomb", 900), ("calm", 1), ("outside pods", 99)]

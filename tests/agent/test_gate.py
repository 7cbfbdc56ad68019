"""Who is kept out while the node is short of something, and what a refused pod looks like: ADM-1 to ADM-4, TXT-9."""

from __future__ import annotations

import pytest
from nodebuilder import guaranteed, placed

from nodeguard.agent.gate import RefusedUnderPressure, refuse_under_pressure, refused_object
from nodeguard.errors import Rejected


def test_all_refusals_at_once_each_with_its_words() -> None:
    pods = [placed("a"), guaranteed("b", "cpu=1 memory=1Gi"), placed("c", priority=2_000_000_000)]
    with pytest.raises(RefusedUnderPressure) as refused:
        refuse_under_pressure(pods, ["DiskPressure", "Ready", "MemoryPressure"])
    assert isinstance(refused.value, Rejected)
    assert refused.value.exit_code == 10
    assert str(refused.value).splitlines() == [
        "pod default/a: Evicted: The node had condition: [DiskPressure MemoryPressure].",
        "pod default/b: Evicted: The node had condition: [DiskPressure MemoryPressure].",
    ]
    first, second = refused.value.refusals
    assert (first.pod, second.pod) == (pods[0], pods[1])
    assert first.message == "The node had condition: [DiskPressure MemoryPressure]. "


def test_memory_pressure_alone_keeps_out_besteffort_only() -> None:
    refuse_under_pressure([guaranteed("b", "cpu=1 memory=1Gi"), placed("c", "cpu=1")], ["MemoryPressure"])
    with pytest.raises(RefusedUnderPressure) as refused:
        refuse_under_pressure([placed("a"), placed("c", "cpu=1")], ["MemoryPressure"])
    assert [one.pod.meta.name for one in refused.value.refusals] == ["a"]


@pytest.mark.parametrize("condition", ["CPUPressure", "IOPressure", "NetworkPressure", "Ready", "OutOfDisk"])
def test_information_keeps_nobody_out(condition: str) -> None:
    refuse_under_pressure([placed("a")], [condition])


def test_the_legacy_check_keeps_out_everybody() -> None:
    with pytest.raises(RefusedUnderPressure) as refused:
        refuse_under_pressure([placed("a", priority=2_000_000_000)], [], is_out_of_disk=True)
    (one,) = refused.value.refusals
    assert (one.reason, one.message) == ("OutOfDisk", "cannot be started due to lack of disk space.")


def test_a_refused_pod_has_failed() -> None:
    with pytest.raises(RefusedUnderPressure) as refused:
        refuse_under_pressure([placed("a")], ["PIDPressure"])
    found = refused_object(refused.value.refusals[0], 0.0)
    assert (found["kind"], found["metadata"]["name"], found["metadata"]["namespace"]) == ("Pod", "a", "default")
    assert found["status"] == {
        "phase": "Failed",
        "qosClass": "BestEffort",
        "reason": "Evicted",
        "message": "The node had condition: [PIDPressure]. ",
        "startTime": "1970-01-01T00:00:00Z",
    }

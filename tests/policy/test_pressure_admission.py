from __future__ import annotations

import pytest
from nodebuilder import bears, guaranteed, placed

from nodeguard.model.placement import NO_EXECUTE, NO_SCHEDULE, Toleration
from nodeguard.model.pod import Pod, QOSClass
from nodeguard.policy.pressure_admission import PressureVerdict, admit_under_pressure

MEMORY = "node.kubernetes.io/memory-pressure"
BEST_EFFORT = placed("be")
BURSTABLE = placed("bu", "cpu=1m")
GUARANTEED = guaranteed("gu", "cpu=1 memory=1Gi")
CRITICAL = placed("cr", priority=2_000_000_000)
STATIC = placed("st", annotations={"kubernetes.io/config.source": "file"})
MIRROR = placed("mi", annotations={"kubernetes.io/config.mirror": "x"})
TOLERANT = placed("to", tolerations=(bears(MEMORY, effect=NO_SCHEDULE, operator="Exists"),))
CLASSED = placed("cl", qos_class=QOSClass.BURSTABLE)


@pytest.mark.parametrize(
    ("conditions", "admitted"),
    [
        pytest.param("", {"be", "bu", "gu", "cr", "st", "mi", "to", "cl"}, id="no pressure"),
        pytest.param(
            "Ready NetworkUnavailable", {"be", "bu", "gu", "cr", "st", "mi", "to", "cl"}, id="no pressure either"
        ),
        pytest.param("MemoryPressure Ready", {"bu", "gu", "cr", "st", "mi", "to", "cl"}, id="memory"),
        pytest.param("DiskPressure", {"cr", "st", "mi"}, id="disk"),
        pytest.param("PIDPressure", {"cr", "st", "mi"}, id="process ids"),
        pytest.param("MemoryPressure DiskPressure", {"cr", "st", "mi"}, id="memory and disk"),
        pytest.param("MemoryPressure PIDPressure", {"cr", "st", "mi"}, id="memory and process ids"),
    ],
)
def test_who_comes_in(conditions: str, admitted: set[str]) -> None:
    pods = [BEST_EFFORT, BURSTABLE, GUARANTEED, CRITICAL, STATIC, MIRROR, TOLERANT, CLASSED]
    assert {p.meta.name for p in pods if admit_under_pressure(p, conditions.split()).admitted} == admitted


@pytest.mark.parametrize(
    ("toleration", "admitted"),
    [
        (bears(operator="Exists"), True),
        (bears(MEMORY), True),
        (bears(MEMORY, "x"), False),
        (bears(MEMORY, effect=NO_EXECUTE, operator="Exists"), False),
        (bears("node.kubernetes.io/disk-pressure", operator="Exists"), False),
    ],
)
def test_only_the_taint_of_memory_pressure_counts(toleration: Toleration, admitted: bool) -> None:
    subject = placed("p", tolerations=(toleration,))
    assert admit_under_pressure(subject, ["MemoryPressure"]).admitted is admitted
    assert not admit_under_pressure(subject, ["DiskPressure"]).admitted


@pytest.mark.parametrize(
    ("subject", "conditions", "shown"),
    [
        (BEST_EFFORT, ["MemoryPressure"], "MemoryPressure"),
        (GUARANTEED, ["PIDPressure", "DiskPressure"], "DiskPressure PIDPressure"),
    ],
)
def test_the_kubelets_words(subject: Pod, conditions: list[str], shown: str) -> None:
    assert admit_under_pressure(subject, conditions) == PressureVerdict(
        admitted=False, reason="Evicted", message=f"The node had condition: [{shown}]. "
    )

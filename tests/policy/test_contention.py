"""CPUPressure, IOPressure and NetworkPressure: information."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.model.contention import ContentionSample, CpuTime, LinkLoss
from nodeguard.model.groupstat import Pressure, Stall
from nodeguard.policy.contention import contention_verdicts
from nodeguard.policy.node_condition import condition_taints, report
from nodeguard.policy.pressure_admission import PRESSURE_CONDITIONS


def stall(avg10: float, avg60: float) -> Stall:
    return Stall(total_usec=0, avg10=avg10, avg60=avg60, avg300=0.0)


def psi(some: tuple[float, float] = (0, 0), full: tuple[float, float] = (0, 0)) -> Pressure:
    return Pressure(some=stall(*some), full=stall(*full))


def statuses(now: ContentionSample, earlier: ContentionSample | None = None, **before: str) -> dict[str, str]:
    return {verdict.type: verdict.status for verdict in contention_verdicts(now, earlier, before)}


IDLE, BUSY = CpuTime(busy=100, total=1000), CpuTime(busy=1090, total=2000)


def test_what_cannot_be_read_is_unknown() -> None:
    assert statuses(ContentionSample()) == {
        "CPUPressure": "Unknown",
        "IOPressure": "Unknown",
        "NetworkPressure": "Unknown",
    }


@pytest.mark.parametrize(
    ("some", "cpu_time", "before", "status"),
    [
        pytest.param((80, 80), BUSY, "False", "True", id="tasks wait and the CPUs are busy"),
        pytest.param((80, 49), BUSY, "False", "False", id="for ten seconds only"),
        pytest.param((49, 80), BUSY, "False", "False", id="until ten seconds ago"),
        pytest.param((49, 80), BUSY, "True", "True", id="it ends with the longer average"),
        pytest.param((80, 49), BUSY, "True", "False", id="which ends it"),
        pytest.param((50, 50), BUSY, "False", "True", id="exactly at the limit"),
        pytest.param((99, 99), CpuTime(busy=150, total=2000), "False", "False", id="held back by their own quota"),
        pytest.param((99, 99), None, "False", "False", id="nobody knows how busy the CPUs are"),
        pytest.param((99, 99), IDLE, "False", "False", id="no time has passed"),
    ],
)
def test_cpu(some: tuple[float, float], cpu_time: CpuTime | None, before: str, status: str) -> None:
    earlier = ContentionSample(cpu_time=IDLE)
    now = ContentionSample(cpu=psi(some=some), cpu_time=cpu_time)
    assert statuses(now, earlier, CPUPressure=before)["CPUPressure"] == status


@pytest.mark.parametrize(
    ("full", "status"), [((25, 25), "True"), ((24.99, 80), "False"), ((80, 24.99), "False"), ((0, 0), "False")]
)
def test_io(full: tuple[float, float], status: str) -> None:
    assert statuses(ContentionSample(io=psi(some=(99, 99), full=full)))["IOPressure"] == status


@pytest.mark.parametrize(
    ("then", "now", "status"),
    [
        pytest.param((1000, 0), (10_900, 100), "True", id="one in a hundred, and a hundred"),
        pytest.param((1000, 0), (11_000, 100), "False", id="less than one in a hundred"),
        pytest.param((1000, 0), (1001, 99), "False", id="too few to tell"),
        pytest.param((1000, 900), (1000, 900), "False", id="long ago"),
        pytest.param((9000, 5000), (10, 500), "False", id="the link was made anew"),
        pytest.param(None, (10, 5000), "False", id="a new link"),
    ],
)
def test_network(then: tuple[int, int] | None, now: tuple[int, int], status: str) -> None:
    def sample(counts: tuple[int, int] | None) -> ContentionSample:
        links = {"eth0": LinkLoss(packets=counts[0], lost=counts[1])} if counts else {}
        return ContentionSample(links=links)

    found = contention_verdicts(sample(now), sample(then), {})[2]
    assert found.status == status
    assert ("eth0 lost 100 of 10000 packets" in found.message) == (status == "True")


def test_a_node_without_links() -> None:
    assert statuses(ContentionSample(links={}))["NetworkPressure"] == "False"


def test_messages_carry_the_numbers_of_every_report() -> None:
    first = report(contention_verdicts(ContentionSample(io=psi()), None, {}), (), 1.0)
    second = report(contention_verdicts(ContentionSample(io=psi(full=(7, 3))), None, {}), first.conditions, 2.0)
    assert "avg10 7.00 %, avg60 3.00 %" in second.conditions[1].message
    assert second.conditions[1].last_transition_at == 1.0
    assert first.events == second.events == ()


NUMBERS = st.floats(0, 100)


@given(
    st.builds(stall, NUMBERS, NUMBERS), st.builds(stall, NUMBERS, NUMBERS), st.integers(0, 10**6), st.integers(0, 10**6)
)
def test_it_never_keeps_a_pod_out(some: Any, full: Any, busy: int, packets: int) -> None:
    now = ContentionSample(
        cpu=Pressure(some=some, full=full),
        io=Pressure(some=some, full=full),
        cpu_time=CpuTime(busy=busy, total=10**6),
        links={"l": LinkLoss(packets=packets, lost=packets)},
    )
    earlier = ContentionSample(cpu_time=CpuTime(busy=0, total=0), links={"l": LinkLoss(packets=0, lost=0)})
    conditions = report(contention_verdicts(now, earlier, {}), (), 1.0).conditions
    assert condition_taints(conditions) == ()
    assert not PRESSURE_CONDITIONS.intersection(condition.type for condition in conditions)

"""What figures of cgroups mean in the Summary."""

from __future__ import annotations

from dataclasses import replace

import pytest
import statsbuilder as sb
from hypothesis import given
from hypothesis import strategies as st
from statsbuilder import AT, MIB

from nodeguard.model.groupstat import CpuSample, GroupStat, MemoryParts, Pressure, Stall
from nodeguard.model.summary import ContainerStats, CPUStats, InterfaceStats, MemoryStats
from nodeguard.policy import summary as rule

SECOND = 10**9


def group(usage: int | None = None, inactive: int | None = None, limit: int | None = None) -> GroupStat:
    parts = MemoryParts(inactive_file_bytes=inactive)
    return GroupStat(at=AT, memory_usage_bytes=usage, memory_limit_bytes=limit, memory=parts)


def sample(at_ns: int, usage_ns: int, of: object = 1) -> CpuSample:
    return CpuSample(of=of, at_ns=at_ns, usage_ns=usage_ns)


# memory


@pytest.mark.parametrize(
    ("usage", "inactive", "working_set"),
    [
        pytest.param(100, 30, 70, id="usage without the inactive cache"),
        pytest.param(100, 0, 100, id="no cache"),
        pytest.param(100, 101, 0, id="never below zero"),
        pytest.param(None, 30, None, id="unknown usage"),
        pytest.param(100, None, None, id="unknown cache"),
    ],
)
def test_working_set(usage: int | None, inactive: int | None, working_set: int | None) -> None:
    assert rule.working_set_bytes(group(usage, inactive)) == working_set


@pytest.mark.parametrize(
    ("limit", "available"),
    [
        pytest.param(200, 130, id="limit less the working set"),
        pytest.param(None, None, id="nothing without a limit"),
        pytest.param(50, 0, id="a limit lowered below the use leaves nothing"),
        pytest.param(1 << 62, (1 << 62) - 70, id="2^62 is a limit"),
    ],
)
def test_available_memory(limit: int | None, available: int | None) -> None:
    found = rule.memory_stats(group(100, 30, limit))
    assert found is not None
    assert found.available_bytes == available


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 50))
def test_the_working_set_is_never_more_than_the_usage(usage: int, inactive: int) -> None:
    found = rule.working_set_bytes(group(usage, inactive))
    assert found is not None
    assert 0 <= found <= usage


def test_a_group_that_tells_nothing_has_no_parts() -> None:
    nothing = GroupStat(at=AT)
    assert rule.container_stats("x", AT, nothing, None) == ContainerStats(name="x", start_time=AT)


def test_anonymous_memory_faults_and_pressure() -> None:
    found = rule.memory_stats(replace(sb.GROUP, pressure={"memory": sb.GROUP.pressure["cpu"]}))
    assert found is not None
    assert (found.rss_bytes, found.page_faults, found.major_page_faults) == (10 * MIB, 1000, 7)
    assert found.psi == sb.PSI


def test_swap() -> None:
    found = rule.swap_stats(sb.GROUP)
    assert found is not None
    assert (found.swap_usage_bytes, found.swap_available_bytes) == (MIB, 4 * MIB)
    unlimited = rule.swap_stats(replace(sb.GROUP, swap_limit_bytes=None))
    assert unlimited is not None
    assert unlimited.swap_available_bytes is None
    assert rule.swap_stats(replace(sb.GROUP, swap_usage_bytes=None)) is None


# cpu


@pytest.mark.parametrize(
    ("before", "now", "rate"),
    [
        pytest.param(sample(0, 0), sample(2 * SECOND, SECOND), SECOND // 2, id="half a core"),
        pytest.param(sample(0, 5), sample(SECOND, 5), 0, id="idle"),
        pytest.param(sample(0, 0), sample(SECOND, 4 * SECOND), 4 * SECOND, id="four cores"),
        pytest.param(None, sample(SECOND, 5), None, id="one sample makes no rate"),
        pytest.param(sample(0, 0), None, None, id="nor does a lost one"),
        pytest.param(sample(0, 0, 1), sample(SECOND, SECOND, 2), None, id="a new group of the same name"),
        pytest.param(sample(0, 9), sample(SECOND, 8), None, id="a counter that goes back"),
        pytest.param(sample(5, 1), sample(5, 2), None, id="no time in between"),
        pytest.param(sample(9, 1), sample(5, 2), None, id="a clock that goes back"),
        pytest.param(sample(0, 0), sample(600 * SECOND, SECOND), 1666666, id="ten minutes ago"),
        pytest.param(sample(0, 0), sample(600 * SECOND + 1, SECOND), None, id="longer ago"),
    ],
)
def test_rates(before: CpuSample | None, now: CpuSample | None, rate: int | None) -> None:
    assert rule.nano_cores(before, now) == rate


def test_cumulative_cpu_time_needs_one_sample() -> None:
    found = rule.cpu_stats(GroupStat(at=AT, cpu=sample(0, 7)), None)
    assert found == CPUStats(time=AT, usage_core_nano_seconds=7)


def test_pressure_alone_is_worth_telling() -> None:
    stall = Stall(total_usec=3, avg10=1.0, avg60=0.5, avg300=0.1)
    found = rule.cpu_stats(GroupStat(at=AT, pressure={"cpu": Pressure(some=stall)}), None)
    assert found is not None
    assert found.psi is not None
    assert found.psi.full is None
    assert found.psi.some is not None
    assert found.psi.some.total == 3
    assert rule.io_stats(GroupStat(at=AT, pressure={"cpu": Pressure(some=stall)})) is None


def test_throttling() -> None:
    assert rule.throttled_ratio(sb.GROUP) == 0.25
    assert rule.throttled_ratio(replace(sb.GROUP, cpu_periods=0)) is None
    assert rule.throttled_ratio(GroupStat(at=AT)) is None


# sums


def test_a_pod_whose_group_tells_nothing_is_the_sum_of_its_containers() -> None:
    one = ContainerStats(name="a", start_time=AT, memory=MemoryStats(time=AT, working_set_bytes=3, rss_bytes=None))
    two = ContainerStats(name="b", start_time=AT, memory=MemoryStats(time=AT + 1, working_set_bytes=4, rss_bytes=2))
    silent = ContainerStats(name="c", start_time=AT)
    assert rule.summed_memory([one, two, silent]) == MemoryStats(time=AT + 1, working_set_bytes=7, rss_bytes=2)
    assert rule.summed_memory([silent]) is None
    assert rule.summed_cpu([silent]) is None
    cpu = [ContainerStats(name="a", start_time=AT, cpu=CPUStats(time=AT, usage_nano_cores=5))] * 2
    assert rule.summed_cpu(cpu) == CPUStats(time=AT, usage_nano_cores=10)


def test_the_rest_makes_the_sum_the_node() -> None:
    node = ContainerStats(
        name="",
        start_time=AT,
        cpu=CPUStats(time=AT, usage_nano_cores=100, usage_core_nano_seconds=9),
        memory=MemoryStats(time=AT, usage_bytes=1000, working_set_bytes=800, rss_bytes=5),
    )
    pods = ContainerStats(
        name="pods",
        start_time=AT,
        cpu=CPUStats(time=AT, usage_nano_cores=60),
        memory=MemoryStats(time=AT, usage_bytes=300, working_set_bytes=100, rss_bytes=50),
    )
    rest = rule.rest_of(node, [pods, ContainerStats(name="kubelet", start_time=AT)])
    assert rest.name == "misc"
    assert rest.cpu == CPUStats(time=AT, usage_nano_cores=40)
    assert rest.memory == MemoryStats(time=AT, usage_bytes=700, working_set_bytes=700, rss_bytes=0)
    assert rule.rest_of(ContainerStats(name="", start_time=AT), [pods]).memory is None


# network


def link(name: str, received: int = 0) -> InterfaceStats:
    return InterfaceStats(name=name, rx_bytes=received, rx_errors=0, tx_bytes=0, tx_errors=0)


@pytest.mark.parametrize(
    ("links", "default", "name", "received"),
    [
        pytest.param(("eth0", "eth1"), None, "eth0", 0, id="eth0 where there is one"),
        pytest.param(("eth1", "eth0"), "eth1", "eth0", 1, id="also beside another default"),
        pytest.param(("lo", "enp1s0"), "enp1s0", "enp1s0", 1, id="else the one with the default route"),
        pytest.param(("lo",), None, "eth0", None, id="none: its figures are unknown, not zero"),
        pytest.param((), "enp1s0", "eth0", None, id="a default that is not there"),
    ],
)
def test_the_default_interface(links: tuple[str, ...], default: str | None, name: str, received: int | None) -> None:
    found = rule.network_stats(AT, [link(each, number) for number, each in enumerate(links)], default)
    assert (found.name, found.rx_bytes) == (name, received)


def test_what_stays_on_the_host_is_no_interface() -> None:
    found = rule.network_stats(AT, map(link, ("lo", "eth0", "veth1", "docker0", "nerdctl0", "wlan0")))
    assert [each.name for each in found.interfaces] == ["eth0", "wlan0"]


# the short form


def test_only_cpu_and_memory() -> None:
    found = rule.only_cpu_and_memory(sb.summary())
    (pod,) = found.pods
    for stats in (found.node, pod, pod.containers[0], found.node.system_containers[0]):
        assert (stats.cpu, stats.memory, stats.swap) == (sb.CPU, sb.MEMORY, sb.SWAP)
        assert stats.io is None
    assert (found.node.network, found.node.fs, found.node.runtime, found.node.rlimit) == (None, None, None, None)
    assert (pod.network, pod.volumes, pod.ephemeral_storage, pod.process_stats) == (None, (), None, None)
    assert (pod.containers[0].rootfs, pod.containers[0].logs) == (None, None)

"""Values of spec rows 6.1 to 6.6, and of what a real kubelet was seen to write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from podbuilder import GIB, MIB, amounts, container, init, pod, resources, sidecar

from nodeguard.model.node import UNLIMITED, CgroupLimits, NodeCapacity
from nodeguard.model.pod import ContainerKind, Pod, QOSClass
from nodeguard.policy.capacity import Reservations
from nodeguard.policy.limits import UNBOUNDED_HUGEPAGES, container_limits, pod_limits, root_limits, tier_limits
from nodeguard.policy.qos import qos_class
from nodeguard.policy.setting import DEFAULT_FEATURES, LIMITED_SWAP, TIERED_RESERVATION, ResourceSettings

NODE = NodeCapacity(cpu_millicpu=4000, memory_bytes=8 * GIB, swap_bytes=2 * GIB)
PLAIN = ResourceSettings()
TIERED = ResourceSettings(memory_reservation_policy=TIERED_RESERVATION)
BOTH = "cpu=250m memory=64Mi"


def of_pod(subject: Pod, settings: ResourceSettings = PLAIN, node: NodeCapacity = NODE) -> CgroupLimits:
    return pod_limits(subject, qos_class(subject).qos, node, settings)


def of_container(
    subject: Pod, name: str = "app", settings: ResourceSettings = PLAIN, node: NodeCapacity = NODE
) -> CgroupLimits:
    chosen = next(c for c in (*subject.all_containers, *subject.ephemeral_containers) if c.name == name)
    return container_limits(subject, qos_class(subject).qos, chosen, node, settings)


def some(values: CgroupLimits, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(values, name) for name in names)


@pytest.mark.parametrize(
    ("subject", "shares", "quota_us", "memory_max"),
    [
        pytest.param(pod(container(requests=BOTH, limits=BOTH)), 256, 25_000, 64 * MIB, id="Guaranteed"),
        pytest.param(
            pod(
                container("a", "cpu=100m memory=32Mi", "cpu=200m memory=64Mi"),
                container("b", "cpu=50m memory=48Mi", "memory=48Mi"),
            ),
            153,
            None,
            112 * MIB,
            id="Burstable, one container without cpu limit",
        ),
        pytest.param(
            pod(
                container("a", "cpu=100m memory=32Mi", "cpu=200m memory=64Mi"),
                container("b", "cpu=50m memory=48Mi", "cpu=1 memory=48Mi"),
            ),
            153,
            120_000,
            112 * MIB,
            id="Burstable, all with limits",
        ),
        pytest.param(
            pod(
                init("i", "cpu=500m memory=100Mi", "cpu=1 memory=200Mi"),
                container("a", "cpu=100m memory=32Mi", "cpu=200m memory=64Mi"),
            ),
            512,
            100_000,
            200 * MIB,
            id="the init container is the larger phase",
        ),
        pytest.param(pod(container(requests="cpu=1m", limits="cpu=5m")), 2, 1000, None, id="the minimum of both"),
        pytest.param(pod(container()), 2, None, None, id="BestEffort"),
        pytest.param(
            pod(container(), overhead="cpu=1 memory=1Gi"), 2, None, None, id="BestEffort, whatever the overhead"
        ),
        pytest.param(
            pod(container(requests=BOTH, limits=BOTH), overhead="cpu=250m memory=16Mi"),
            512,
            50_000,
            80 * MIB,
            id="the pod's ceiling exceeds its containers' by the overhead",
        ),
        pytest.param(
            pod(init(), container(requests="cpu=1 memory=1Gi", limits="cpu=2 memory=2Gi")),
            1024,
            None,
            None,
            id="one unlimited init container removes the ceiling",
        ),
        pytest.param(
            pod(container("a"), container("b"), resources=resources("cpu=500m memory=1Gi", "cpu=1 memory=1Gi")),
            512,
            100_000,
            GIB,
            id="the pod level gives the ceiling",
        ),
        pytest.param(
            pod(container("a", limits="cpu=3m"), container("b", limits="cpu=3m")),
            2,
            1000,
            None,
            id="6m have a floor of their own",
        ),
    ],
)
def test_pod(subject: Pod, shares: int, quota_us: int | None, memory_max: int | None) -> None:
    values = of_pod(subject)
    assert some(values, "cpu_shares", "cpu_quota_us", "memory_max") == (shares, quota_us, memory_max)
    assert values.cpu_weight == values.cpu_weight_linear
    assert values.cpu_period_us == (None if quota_us is None else 100_000)
    never = ("memory_min", "memory_low", "memory_high", "swap_max", "pids_max", "memory_oom_group")
    assert set(some(values, *never)) == {None}


def test_pod_settings() -> None:
    subject = pod(container(requests=BOTH, limits=BOTH))
    assert some(of_pod(subject, replace(PLAIN, cpu_cfs_quota=False)), "cpu_quota_us", "cpu_period_us") == (
        UNLIMITED,
        100_000,
    )
    assert of_pod(pod(container()), replace(PLAIN, cpu_cfs_quota=False)).cpu_quota_us is None
    assert some(of_pod(subject, replace(PLAIN, cpu_cfs_quota_period_us=5000)), "cpu_quota_us", "cpu_period_us") == (
        1250,
        5000,
    )
    assert [of_pod(subject, replace(PLAIN, pod_pids_limit=n)).pids_max for n in (-1, 0, 100)] == [None, None, 100]
    fifteen = pod(container(requests="cpu=15m memory=1Mi", limits="cpu=15m memory=1Mi"))
    assert [of_pod(fifteen, replace(PLAIN, systemd=s)).cpu_quota_us for s in (False, True)] == [1500, 2000]


@pytest.mark.parametrize(
    ("subject", "minimum", "low"),
    [
        pytest.param(
            pod(container(requests=BOTH, limits=BOTH), overhead="memory=1Mi"), 65 * MIB, None, id="Guaranteed"
        ),
        pytest.param(pod(container(requests="memory=64Mi"), overhead="memory=1Mi"), None, 65 * MIB, id="Burstable"),
        pytest.param(pod(container(requests="cpu=1")), None, None, id="no memory request"),
        pytest.param(pod(container(), overhead="memory=1Mi"), None, None, id="BestEffort"),
    ],
)
def test_pod_with_reserved_memory(subject: Pod, minimum: int | None, low: int | None) -> None:
    assert some(of_pod(subject, TIERED), "memory_min", "memory_low") == (minimum, low)
    assert some(of_pod(subject, replace(TIERED, cgroup_version=1)), "memory_min", "memory_low") == (None, None)
    assert some(of_pod(subject, replace(TIERED, features=frozenset())), "memory_min", "memory_low") == (None, None)


def test_pod_hugepages_are_its_requests_and_zero_for_other_sizes() -> None:
    node = replace(NODE, hugepages_bytes={"2Mi": 0, "1Gi": GIB})
    huge = "cpu=1 hugepages-2Mi=4Mi"
    assert of_pod(pod(container(requests=huge, limits=huge)), node=node).hugepages == {"2Mi": 4 * MIB, "1Gi": 0}
    assert of_pod(pod(container()), node=node).hugepages == {"2Mi": 0, "1Gi": 0}
    assert of_pod(pod(container(requests=huge, limits=huge))).hugepages == {"2Mi": 4 * MIB}
    other = "cpu=1 hugepages-2048Ki=2Mi"
    assert of_pod(pod(container(requests=other, limits=other))).hugepages == {"2Mi": 2 * MIB}


@pytest.mark.parametrize(
    ("subject", "shares", "quota_us", "memory_max"),
    [
        pytest.param(pod(container(requests=BOTH, limits=BOTH)), 256, 25_000, 64 * MIB, id="own values"),
        pytest.param(pod(container()), 2, None, None, id="none"),
        pytest.param(pod(container(requests="cpu=0", limits="cpu=1")), 2, 100_000, None, id="a request of zero"),
        pytest.param(pod(container(limits="cpu=1")), 1024, 100_000, None, id="no request: shares of the limit"),
        pytest.param(pod(container(limits="memory=0")), 2, None, None, id="a memory limit of zero is not written"),
        pytest.param(
            pod(container(), resources=resources("", "cpu=2 memory=1Gi")),
            2048,
            200_000,
            GIB,
            id="the pod level's limits",
        ),
        pytest.param(
            pod(container(limits="cpu=0 memory=0"), resources=resources("", "cpu=2 memory=1Gi")),
            2048,
            200_000,
            GIB,
            id="a zero limit is as none",
        ),
        pytest.param(
            pod(container(requests="cpu=100m", limits="memory=1Mi"), resources=resources("cpu=1", "cpu=2 memory=1Gi")),
            102,
            200_000,
            MIB,
            id="what is its own stays its own",
        ),
        pytest.param(
            pod(container(requests=BOTH, limits=BOTH), overhead="cpu=1 memory=1Gi"),
            256,
            25_000,
            64 * MIB,
            id="no overhead",
        ),
        pytest.param(pod(container(requests="cpu=1m", limits="cpu=1m")), 2, 1000, None, id="minimum"),
    ],
)
def test_container(subject: Pod, shares: int, quota_us: int | None, memory_max: int | None) -> None:
    values = of_container(subject)
    assert some(values, "cpu_shares", "cpu_quota_us", "cpu_period_us", "memory_max") == (
        shares,
        quota_us,
        100_000,
        memory_max,
    )
    assert values.pids_max is None


def test_container_weight_is_quadratic_and_the_linear_one_is_kept() -> None:
    values = of_container(pod(container(requests="cpu=1")))
    assert some(values, "cpu_weight", "cpu_weight_linear") == (100, 39)


def test_container_without_quotas() -> None:
    values = of_container(pod(container(requests=BOTH, limits=BOTH)), settings=replace(PLAIN, cpu_cfs_quota=False))
    assert some(values, "cpu_quota_us", "cpu_period_us") == (None, None)


def test_ephemeral_container_has_only_the_pod_level_limit() -> None:
    debug = container("debug", kind=ContainerKind.EPHEMERAL)
    assert some(of_container(pod(container(requests=BOTH), debug), "debug"), "cpu_shares", "memory_max") == (2, None)
    values = of_container(pod(container(), debug, resources=resources("", "memory=1Gi")), "debug")
    assert some(values, "cpu_shares", "memory_max") == (2, GIB)


def test_container_hugepages_fall_back_to_the_pod_level() -> None:
    node = replace(NODE, hugepages_bytes={"2Mi": 0, "1Gi": 0})
    subject = pod(
        container("a", "cpu=1 hugepages-2Mi=2Mi", "hugepages-2Mi=2Mi"),
        container("b"),
        resources=resources("", "hugepages-2048Ki=8Mi cpu=1"),
    )
    assert of_container(subject, "a", node=node).hugepages == {"2Mi": 2 * MIB, "1Gi": 0}
    assert of_container(subject, "b", node=node).hugepages == {"2Mi": 8 * MIB, "1Gi": 0}


@pytest.mark.parametrize(
    ("version", "single", "group"),
    [(2, None, True), (2, False, True), (2, True, None), (1, None, None), (1, False, None)],
)
def test_group_kill(version: int, single: bool | None, group: bool | None) -> None:
    settings = ResourceSettings(cgroup_version=version, single_process_oom_kill=single)
    assert of_container(pod(container()), settings=settings).memory_oom_group is group


@pytest.mark.parametrize(
    ("requests", "limits", "high"),
    [
        ("", "memory=1000", 900),
        ("memory=500", "memory=1000", 950),
        ("memory=900", "memory=1000", 990),
        ("memory=1000", "memory=1000", None),
        ("", "", 90_000),
        ("memory=500", "", 90_050),
        ("cpu=1 memory=0", "memory=0", 90_000),
    ],
)
def test_memory_high(requests: str, limits: str, high: int | None) -> None:
    node = NodeCapacity(cpu_millicpu=1000, memory_bytes=100_000, page_size_bytes=1)
    settings = ResourceSettings(memory_throttling_factor=0.9)
    assert (
        of_container(pod(container(requests=requests, limits=limits)), settings=settings, node=node).memory_high == high
    )


def test_memory_high_is_in_whole_pages_and_only_above_the_request() -> None:
    settings = ResourceSettings(memory_throttling_factor=0.5)
    assert of_container(pod(container(limits="memory=10000")), settings=settings).memory_high == 4096
    tight = pod(container(requests="memory=8192", limits="memory=10000"))
    assert of_container(tight, settings=settings).memory_high is None


def test_memory_high_needs_factor_gate_and_v2_and_knows_reservations() -> None:
    subject = pod(container())
    on = ResourceSettings(memory_throttling_factor=1.0)
    reserved = Reservations(system=amounts("memory=1Gi"), kube=amounts("memory=1Gi"))
    values = container_limits(subject, QOSClass.BEST_EFFORT, subject.containers[0], NODE, on, reserved)
    assert values.memory_high == 6 * GIB
    for off in (PLAIN, replace(on, features=frozenset()), replace(on, cgroup_version=1)):
        assert of_container(subject, settings=off).memory_high is None
    assert of_pod(subject, on).memory_high is None


def test_container_protection() -> None:
    names = ("memory_min", "memory_low")
    guaranteed, burstable = pod(container(requests=BOTH, limits=BOTH)), pod(container(requests="memory=64Mi"))
    assert some(of_container(guaranteed, settings=TIERED), *names) == (64 * MIB, None)
    assert some(of_container(burstable, settings=TIERED), *names) == (None, 64 * MIB)
    assert some(of_container(pod(container()), settings=TIERED), *names) == (0, 0)
    assert some(of_container(guaranteed), *names) == (0, 0)
    assert some(of_container(guaranteed, settings=replace(PLAIN, features=frozenset())), *names) == (None, None)
    assert some(of_container(guaranteed, settings=replace(TIERED, cgroup_version=1)), *names) == (None, None)


@pytest.mark.parametrize(
    ("subject", "swap"),
    [
        pytest.param(pod(container(requests="memory=1Gi")), GIB // 4, id="its share of memory is its share of swap"),
        pytest.param(pod(container(requests="memory=3", limits="memory=1Gi")), 0, id="truncated"),
        pytest.param(pod(container(requests="memory=1Gi"), priority=2_000_000_000), 0, id="critical"),
        pytest.param(pod(container(requests=BOTH, limits=BOTH)), 0, id="Guaranteed"),
        pytest.param(pod(container()), 0, id="BestEffort"),
        pytest.param(pod(container(requests="cpu=1")), 0, id="no memory request and no limit"),
        pytest.param(pod(container(requests="memory=1Gi", limits="memory=1Gi")), 0, id="request equals limit"),
        pytest.param(pod(container(requests="memory=9Gi")), 0, id="more than the node has"),
        pytest.param(pod(container(requests="memory=0", limits="memory=1Gi")), 0, id="a share of nothing"),
    ],
)
def test_limited_swap(subject: Pod, swap: int) -> None:
    limited = ResourceSettings(swap_behavior=LIMITED_SWAP)
    assert of_container(subject, settings=limited).swap_max == swap
    assert of_container(subject).swap_max == 0
    assert of_container(subject, settings=replace(limited, cgroup_version=1)).swap_max == 0
    assert of_container(subject, settings=replace(limited, has_swap_controller=False)).swap_max is None


def test_root() -> None:
    node = replace(NODE, pids=1000, hugepages_bytes={"2Mi": 0})
    reserved = Reservations(system=amounts("cpu=500m memory=1Gi pid=100"), kube=amounts("cpu=500m memory=1Gi"))
    values = root_limits(node, PLAIN, reserved)
    assert values == CgroupLimits(
        cpu_shares=3072,
        cpu_weight=118,
        cpu_weight_linear=118,
        memory_max=6 * GIB,
        memory_min=0,
        pids_max=900,
        hugepages={"2Mi": UNBOUNDED_HUGEPAGES},
    )
    unreserved = root_limits(node, replace(PLAIN, enforce_node_allocatable=("none",)), reserved)
    assert some(unreserved, "cpu_shares", "memory_max") == (4096, 8 * GIB)
    assert root_limits(node, PLAIN, Reservations(kube=amounts("memory=9Gi"))).memory_max == 0
    assert root_limits(node, TIERED, protected_bytes=GIB).memory_min == GIB
    assert root_limits(node, replace(PLAIN, features=frozenset())).memory_min is None


@pytest.mark.parametrize(
    ("qos", "millicpu", "shares"),
    [
        (QOSClass.BURSTABLE, 801, 820),
        (QOSClass.BURSTABLE, 0, 2),
        (QOSClass.GUARANTEED, 1500, 1536),
        (QOSClass.BEST_EFFORT, 1500, 2),
    ],
)
def test_tier_weight(qos: QOSClass, millicpu: int, shares: int) -> None:
    node = replace(NODE, hugepages_bytes={"2Mi": 0})
    values = tier_limits(qos, millicpu, node, replace(PLAIN, features=frozenset(), pod_pids_limit=100))
    assert values == CgroupLimits(
        cpu_shares=shares,
        cpu_weight=values.cpu_weight_linear,
        cpu_weight_linear=1 + (shares - 2) * 9999 // 262142,
        hugepages={"2Mi": UNBOUNDED_HUGEPAGES},
    )


def test_tier_protection() -> None:
    names = ("memory_min", "memory_low")
    tiers = (QOSClass.GUARANTEED, QOSClass.BURSTABLE, QOSClass.BEST_EFFORT)
    assert [some(tier_limits(t, 0, NODE, TIERED, GIB), *names) for t in tiers] == [
        (GIB, None),
        (None, GIB),
        (None, None),
    ]
    assert [some(tier_limits(t, 0, NODE, PLAIN, GIB), *names) for t in tiers] == [(0, None), (None, 0), (None, None)]


limit_texts = st.builds(
    lambda cpu, memory: " ".join(part for part in (cpu and f"cpu={cpu}m", memory and f"memory={memory}Mi") if part),
    st.integers(0, 3000),
    st.integers(0, 3000),
)


@given(st.lists(limit_texts, min_size=1, max_size=4), st.lists(limit_texts, max_size=2), limit_texts)
def test_no_container_may_use_more_than_its_pod(apps: list[str], sidecars: list[str], overhead: str) -> None:
    subject = pod(
        *(sidecar(f"s{n}", text, text) for n, text in enumerate(sidecars)),
        *(container(f"a{n}", text, text) for n, text in enumerate(apps)),
        overhead=overhead,
    )
    outer = of_pod(subject)
    for inner in subject.all_containers:
        values = of_container(subject, inner.name)
        # the kubelet counts a sidecar as limited when an earlier one is: it may stand unlimited in a limited pod
        may_be_unlimited = inner.kind is ContainerKind.SIDECAR
        for own, whole in (
            (values.memory_max, outer.memory_max),
            (values.cpu_quota_us, outer.cpu_quota_us),
        ):
            if whole is not None:
                assert may_be_unlimited if own is None else own <= whole
        assert values.cpu_shares is not None
        assert outer.cpu_shares is not None
        assert values.cpu_shares <= outer.cpu_shares


def test_default_features() -> None:
    assert PLAIN.features == DEFAULT_FEATURES
    assert PLAIN.enforces_memory_qos
    assert not PLAIN.reserves_memory


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (replace(PLAIN, cpu_cfs_quota_period_us=999), "cpuCFSQuotaPeriod: 999us is not between 1ms and 1s"),
        (replace(PLAIN, cpu_cfs_quota_period_us=1_000_001), "cpuCFSQuotaPeriod: 1000001us is not between 1ms and 1s"),
        (replace(PLAIN, memory_throttling_factor=0), "memoryThrottlingFactor: 0 is not above 0 and at most 1"),
        (replace(PLAIN, memory_throttling_factor=1.1), "memoryThrottlingFactor: 1.1 is not above 0 and at most 1"),
        (
            replace(PLAIN, swap_behavior="UnlimitedSwap"),
            "memorySwap.swapBehavior: 'UnlimitedSwap' is not NoSwap or LimitedSwap",
        ),
        (
            replace(PLAIN, memory_reservation_policy="HardReservation"),
            "memoryReservationPolicy: 'HardReservation' is not None or TieredReservation",
        ),
    ],
)
def test_settings_the_kubelet_would_refuse(settings: ResourceSettings, fault: str) -> None:
    assert settings.faults() == (fault,)
    assert PLAIN.faults() == ()

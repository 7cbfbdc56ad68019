"""Configuration: layers, origins, findings."""

from dataclasses import fields
from pathlib import Path

import pytest

from nodeguard.agent.config import Config
from nodeguard.agent.config_load import build, load, load_files
from nodeguard.agent.config_path import ConfigPaths
from nodeguard.agent.effective import effective_settings
from nodeguard.agent.eviction_setting import SIGNALS
from nodeguard.agent.kubelet_field import WITHOUT_EFFECT
from nodeguard.agent.setting_table import SETTINGS
from nodeguard.errors import InvalidInput, NotFound
from nodeguard.model.document import parse
from nodeguard.model.node import NodeCapacity
from nodeguard.model.quantity import Quantity
from nodeguard.model.threshold import ThresholdValue
from nodeguard.policy.setting import ResourceSettings


def from_text(text: str, **flags: str) -> Config:
    return build(parse(text, "config.yaml"), flags=flags)


def faults(text: str = "", **flags: str) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        from_text(text, **flags)
    return [str(finding) for finding in caught.value.findings]


def test_the_table_and_the_values_have_the_same_names() -> None:
    assert {setting.attribute for setting in SETTINGS} == {f.name for f in fields(Config)} - {"origins", "warnings"}


def test_nothing_given_means_defaults() -> None:
    config = build([])
    assert config.run_dir == Path("/run/nodeguard")
    assert config.cgroup_root == "/nodeguard"
    assert config.max_pods == 110
    assert config.enforce_node_allocatable == ("pods",)
    assert config.eviction_hard["memory.available"] == ThresholdValue(quantity=Quantity.parse("100Mi"))
    assert set(config.origins.values()) == {"default"}
    assert config.warnings == ()


def test_a_kubelets_file_is_read_as_it_is() -> None:
    config = from_text(
        """\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupRoot: /nodes
maxPods: 20
podPidsLimit: 64
cpuCFSQuota: false
cpuCFSQuotaPeriod: 10ms
systemReserved: {cpu: 100m, memory: 64Mi}
kubeReserved: {pid: "100"}
enforceNodeAllocatable: [none]
featureGates: {MemoryQoS: true}
memoryThrottlingFactor: 0.8
memoryReservationPolicy: TieredReservation
singleProcessOOMKill: true
failSwapOn: true
memorySwap: {swapBehavior: LimitedSwap}
containerLogMaxSize: 1Mi
containerLogMaxFiles: 3
crashLoopBackOff: {maxContainerRestartPeriod: 10s}
nodeguard: {runDir: /tmp/run, capacity: {cpu: 2, memory: 1Gi}}
"""
    )
    assert config.cgroup_root == "/nodes/nodeguard"
    assert (config.max_pods, config.pod_pids_limit, config.cpu_cfs_quota) == (20, 64, False)
    assert config.cpu_cfs_quota_period_ns == 10_000_000
    assert config.system_reserved == {"cpu": Quantity.parse("100m"), "memory": Quantity.parse("64Mi")}
    assert config.kube_reserved == {"pid": Quantity.parse("100")}
    assert config.enforce_node_allocatable == ()
    assert config.feature_gates == {"MemoryQoS": True}
    assert config.memory_throttling_factor == 0.8
    assert config.swap_behavior == "LimitedSwap"
    assert config.container_log_max_bytes == 1 << 20
    assert config.max_container_restart_period_ns == 10 * 10**9
    assert config.run_dir == Path("/tmp/run")
    assert config.capacity == {"cpu": Quantity.parse(2), "memory": Quantity.parse("1Gi")}
    assert config.origins["maxPods"] == "file config.yaml:4"
    assert config.origins["nodeguard.cgroup"] == "file config.yaml:3"
    assert config.origins["nodeguard.capacity[cpu]"] == "file config.yaml:20"
    assert config.warnings == ()


def test_known_fields_without_use_are_named_once_and_zeroes_not_at_all() -> None:
    config = from_text("clusterDNS: [10.0.0.10]\nsyncFrequency: 0s\nlogging: {flushFrequency: 0, options: {}}\n")
    assert [str(warning) for warning in config.warnings] == [
        "config.yaml:1: clusterDNS: accepted, has no effect in nodeguard"
    ]


def test_gates_and_enforcements_without_use_are_named() -> None:
    config = from_text("featureGates: {SomeGate: true}\nenforceNodeAllocatable: [pods, system-reserved]\n")
    assert [warning.path for warning in config.warnings] == ["featureGates[SomeGate]", "enforceNodeAllocatable"]


def test_all_findings_come_at_once_each_with_its_line() -> None:
    assert faults(
        """\
maxPod: 3
maxPods: "3"
cpuCFSQuotaPeriod: 2s
memorySwap: {swapBehavior: UnlimitedSwap}
systemReserved: {cpu: -1, disk: 1}
nodeguard: {rundir: /tmp}
evictionHard: {memory.avail: 1Gi, pid.available: 150%}
""",
        capacity="cpu=0,memory=1.5,gpu=1,pods",
    ) == [
        "config.yaml:1: maxPod: unknown field, did you mean 'maxPods'",
        "config.yaml:2: maxPods: '3' is not a whole number; allowed are 0 to 2147483647",
        "config.yaml:3: cpuCFSQuotaPeriod: 2s is out of range; allowed are 1ms to 1s",
        "config.yaml:4: memorySwap.swapBehavior: 'UnlimitedSwap' is not allowed; allowed are NoSwap, LimitedSwap",
        "config.yaml:5: systemReserved[cpu]: -1 is negative; allowed are quantities from 0",
        "config.yaml:5: systemReserved[disk]: unknown name; allowed are cpu, memory, ephemeral-storage, pid",
        "config.yaml:6: nodeguard.rundir: unknown field, did you mean 'runDir'; "
        "allowed are runDir, stateDir, cgroup, capacity, nodefs, imagefs, "
        "evictionPolicy, hardEvictionGracePeriodSeconds, evictionMode, lowDiskspaceThresholdMB, "
        "minimumContainerTTLDuration, maximumDeadContainersPerContainer, maximumDeadContainers, "
        "listen, listenAnywhere",
        "config.yaml:7: evictionHard[memory.avail]: unknown name, did you mean 'memory.available'; allowed are "
        + ", ".join(SIGNALS),
        "config.yaml:7: evictionHard[pid.available]: '150%' is above 100%; allowed are 0% to 100%",
        "flag --capacity: nodeguard.capacity: 'pods' is not of the form key=value",
        "flag --capacity: nodeguard.capacity[cpu]: 0 is not above 0",
        "flag --capacity: nodeguard.capacity[memory]: 1.5 is not a whole number",
        "flag --capacity: nodeguard.capacity[gpu]: unknown name, did you mean 'cpu'; "
        "allowed are cpu, memory, pods, pids, ephemeral-storage",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("kind: Pod\n", "allowed is KubeletConfiguration", id="another kind"),
        pytest.param("apiVersion: v1\n", "allowed is kubelet.config.k8s.io/v1beta1", id="another version"),
        pytest.param("[1]\n", "not a list", id="a list"),
        pytest.param("maxPods: 1\n---\nmaxPods: 2\n", "one document", id="two documents"),
        pytest.param("maxPods: [", "not readable as YAML", id="not YAML"),
        pytest.param("maxPods: 1\nmaxPods: 2\n", "duplicate key", id="duplicate key"),
        pytest.param("nodeguard: 5\n", "an object is needed", id="section is no object"),
        pytest.param("systemReserved: [cpu]\n", "an object is needed", id="map is no object"),
        pytest.param("cpuCFSQuota: 'true'\n", "is not a boolean", id="text for a boolean"),
        pytest.param("systemReserved: {cpu: 1x}\n", "is not a quantity", id="no quantity"),
        pytest.param("systemReserved: {cpu: [1]}\n", "is not a quantity", id="list for a quantity"),
        pytest.param("nodeguard: {runDir: run}\n", "not the absolute path", id="relative directory"),
        pytest.param("nodeguard: {runDir: /run/../etc}\n", "not the absolute path", id="directory that climbs"),
        pytest.param("nodeguard: {runDir: /}\n", "root directory", id="the root directory"),
        pytest.param("nodeguard: {cgroup: /}\n", "root cgroup", id="the root cgroup"),
        pytest.param("cgroupRoot: /a//b\n", "path of a cgroup", id="cgroup with an empty part"),
        pytest.param("cgroupRoot: a\n", "path of a cgroup", id="relative cgroup"),
        pytest.param("enforceNodeAllocatable: [none, pods]\n", "excludes", id="none and others"),
        pytest.param("enforceNodeAllocatable: [pods, pods]\n", "once", id="a word twice"),
        pytest.param(
            "enforceNodeAllocatable: [kube-reserved, kube-reserved-compressible]\n",
            "exclude each other",
            id="both kinds",
        ),
        pytest.param("memoryThrottlingFactor: 0\n", "above 0", id="factor 0"),
        pytest.param("containerLogMaxFiles: 1\n", "out of range", id="one log file"),
        pytest.param("containerLogMaxSize: 10\n", "too small", id="tiny log file"),
        pytest.param("crashLoopBackOff: {maxContainerRestartPeriod: 301s}\n", "out of range", id="back-off too long"),
    ],
)
def test_wrong_files(text: str, message: str) -> None:
    (fault,) = faults(text)
    assert fault.startswith("config.yaml:")
    assert message in fault


def test_layers_override_one_another_and_maps_entry_by_entry(tmp_path: Path) -> None:
    paths = ConfigPaths(
        vendor_dir=tmp_path / "usr", file=tmp_path / "etc" / "config.yaml", drop_in_dir=tmp_path / "etc" / "config.d"
    )
    for path, text in {
        paths.vendor_dir / "10.yaml": "maxPods: 1\npodsPerCore: 1\nnodeguard: {capacity: {cpu: 1, memory: 1Gi}}",
        paths.file: "maxPods: 2\nsystemReserved: {cpu: 1, memory: 1Gi}",
        paths.drop_in_dir / "20.yaml": "maxPods: 4",
        paths.drop_in_dir / "10.yaml": "maxPods: 3\nsystemReserved: {cpu: 2}",
        paths.drop_in_dir / "README": "not a configuration",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    env = {"NODEGUARD_CAPACITY": "cpu=3", "NODEGUARD_CGROUP_ROOT": "/ngtest-1", "NODEGUARD_RUN_DIR": ""}
    config = load({"pod_max_pids": "9", "capacity": None}, env, paths)
    assert (config.max_pods, config.pods_per_core, config.pod_pids_limit) == (4, 1, 9)
    assert config.system_reserved == {"cpu": Quantity.parse(2), "memory": Quantity.parse("1Gi")}
    assert config.capacity == {"cpu": Quantity.parse(3), "memory": Quantity.parse("1Gi")}
    assert config.cgroup_root == "/ngtest-1"
    assert config.origins["maxPods"] == f"file {paths.drop_in_dir}/20.yaml:1"
    assert config.origins["systemReserved[memory]"] == f"file {paths.file}:2"
    assert config.origins["nodeguard.capacity[cpu]"] == "environment NODEGUARD_CAPACITY"
    assert config.origins["podPidsLimit"] == "flag --pod-max-pids"
    assert config.origins["nodeguard.runDir"] == "default"


def test_a_named_file_replaces_all_others(tmp_path: Path) -> None:
    paths = ConfigPaths(vendor_dir=tmp_path / "usr", file=tmp_path / "etc.yaml", drop_in_dir=tmp_path)
    paths.file.write_text("maxPods: 1")
    named = tmp_path / "named.conf"
    named.write_text("podsPerCore: 2")
    for flags, env in [({"config": str(named)}, {}), ({}, {"NODEGUARD_CONFIG": str(named)})]:
        config = load(flags, env, paths)
        assert (config.max_pods, config.pods_per_core) == (110, 2)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such configuration file"):
        load({"config": str(tmp_path / "none.yaml")}, {})
    with pytest.raises(InvalidInput, match="is a directory"):
        load_files([tmp_path], {})
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (9 << 20))
    with pytest.raises(InvalidInput, match="too much"):
        load_files([large], {})


def test_thresholds_are_merged_over_the_defaults_and_off_switches_one_off() -> None:
    config = from_text("evictionHard: {memory.available: 1Gi, nodefs.available: off}", eviction_hard="pid.available<5%")
    assert config.eviction_hard["memory.available"] == ThresholdValue(quantity=Quantity.parse("1Gi"))
    assert config.eviction_hard["nodefs.available"] is None
    assert str(config.eviction_hard["imagefs.available"]) == "15%"
    assert config.origins["evictionHard[pid.available]"] == "flag --eviction-hard"
    assert config.origins["evictionHard[imagefs.available]"] == "default"


def test_without_merging_one_threshold_drops_the_defaults() -> None:
    config = from_text("mergeDefaultEvictionSettings: false\nevictionHard: {memory.available: 1Gi}")
    assert list(config.eviction_hard) == ["memory.available"]
    config = from_text("mergeDefaultEvictionSettings: false\n")
    assert "nodefs.available" in config.eviction_hard


def test_every_setting_is_listed_with_its_origin() -> None:
    config = from_text("", capacity="cpu=500m", system_reserved="cpu=1")
    shown = {setting.name: (setting.value, setting.origin) for setting in effective_settings(config)}
    assert shown["nodeguard.capacity[cpu]"] == ("500m", "flag --capacity")
    assert shown["kubeReserved"] == (None, "default")
    assert shown["evictionHard[nodefs.available]"] == ("10%", "default")
    assert shown["containerLogMaxSize"] == ("10Mi", "default")
    assert shown["cpuCFSQuotaPeriod"] == ("100ms", "default")
    assert shown["nodeguard.cgroup"] == ("/nodeguard", "default")
    assert list(shown) == sorted(shown)


HOST = NodeCapacity(cpu_millicpu=4000, memory_bytes=8 << 30, ephemeral_storage_bytes=100 << 30)


def test_capacity_bounds_the_node() -> None:
    assert build([]).node_capacity(HOST) == HOST
    node = from_text("", capacity="cpu=1500m, memory=1Gi,pods=7,pids=50,ephemeral-storage=10Gi").node_capacity(HOST)
    assert (node.cpu_millicpu, node.memory_bytes, node.pods) == (1500, 1 << 30, 7)
    assert node.ephemeral_storage_bytes == 10 << 30
    assert node.pids == 50


def test_pods_follow_the_cores_within_the_maximum() -> None:
    assert from_text("podsPerCore: 5").node_capacity(HOST).pods == 20
    assert from_text("podsPerCore: 50").node_capacity(HOST).pods == 110
    assert from_text("podsPerCore: 5", capacity="cpu=500m").node_capacity(HOST).pods == 5


def test_a_capacity_above_the_hosts_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        from_text("", capacity="cpu=5,memory=9Gi,pids=40000").node_capacity(HOST)
    assert [str(finding) for finding in caught.value.findings] == [
        "flag --capacity: nodeguard.capacity[cpu]: 5 is more than the host has (4000m)",
        "flag --capacity: nodeguard.capacity[memory]: 9Gi is more than the host has (8589934592)",
        "flag --capacity: nodeguard.capacity[pids]: 40k is more than the host has (32768)",
    ]


def test_more_reserved_than_there_is_is_refused() -> None:
    with pytest.raises(InvalidInput, match="memory: 2Gi are reserved"):
        from_text("", capacity="memory=1Gi", system_reserved="memory=1Gi", kube_reserved="memory=1Gi").node_capacity(
            HOST
        )


def test_allocatable_is_capacity_without_reservations_and_hard_thresholds() -> None:
    config = from_text("", capacity="cpu=2,memory=1Gi", system_reserved="cpu=500m,memory=100Mi")
    left = config.allocatable(config.node_capacity(HOST))
    assert str(left["cpu"]) == "1500m"
    assert left["memory"].value() == (1024 - 100 - 100) << 20
    assert left["ephemeral-storage"].value() == (100 << 30) - int((100 << 30) * 0.10000000149011612)


def test_resource_settings_carry_what_the_policy_needs() -> None:
    settings = from_text(
        "cpuCFSQuotaPeriod: 20ms\nfeatureGates: {MemoryQoS: false, Other: true}\nenforceNodeAllocatable: [none]\n"
        "memorySwap: {swapBehavior: LimitedSwap}\npodPidsLimit: 5\nmemoryThrottlingFactor: 1\n"
    ).resource_settings(cgroup_version=1, has_swap_controller=False)
    assert (settings.cgroup_version, settings.has_swap_controller) == (1, False)
    assert settings.cpu_cfs_quota_period_us == 20_000
    assert settings.features == frozenset()
    assert settings.enforce_node_allocatable == ()
    assert (settings.swap_behavior, settings.pod_pids_limit, settings.memory_throttling_factor) == (
        "LimitedSwap",
        5,
        1.0,
    )
    assert settings.faults() == ()
    assert build([]).resource_settings() == ResourceSettings()


def names(config: Config) -> list[str]:
    return [str(threshold) for threshold in config.eviction().thresholds]


EVICTION = """\
mergeDefaultEvictionSettings: false
evictionHard: {memory.available: 1Gi, nodefs.available: 10%}
evictionSoft: {memory.available: 2Gi, imagefs.available: 0%}
evictionSoftGracePeriod: {memory.available: 90s, pid.available: 1m}
evictionMinimumReclaim: {memory.available: 0Gi, nodefs.available: 150%}
evictionPressureTransitionPeriod: 30s
evictionMaxPodGracePeriod: -1
localStorageCapacityIsolation: false
nodeguard: {evictionPolicy: qos, hardEvictionGracePeriodSeconds: 1}
"""


def test_eviction_settings_come_together() -> None:
    eviction = from_text(EVICTION).eviction()
    assert list(map(str, eviction.thresholds)) == [
        "memory.available<1Gi/hard",
        "nodefs.available<10%/hard",
        "memory.available<2Gi/soft",
        "allocatableMemory.available<1Gi/hard",
    ]
    assert [str(t.min_reclaim) for t in eviction.thresholds] == ["0Gi", "150%", "0Gi", "0Gi"]
    assert eviction.thresholds[2].grace_ns == 90 * 10**9
    assert (eviction.transition_ns, eviction.max_pod_grace_seconds) == (30 * 10**9, -1)
    assert (eviction.local_storage_isolation, eviction.policy, eviction.hard_grace_seconds) == (False, "qos", 1)


@pytest.mark.parametrize(
    ("text", "flags", "hard"),
    [
        pytest.param("mergeDefaultEvictionSettings: false\n", {}, 7, id="DEF-2 nothing named: the defaults"),
        pytest.param("mergeDefaultEvictionSettings: false\nevictionHard: {}\n", {}, 0, id="DEF-2 an empty map"),
        pytest.param("evictionHard: {}\n", {}, 7, id="merged: an empty map changes nothing"),
        pytest.param("evictionHard: {memory.available: 0%}\n", {}, 5, id="DEF-3 a switched off key stays off"),
        pytest.param(
            "mergeDefaultEvictionSettings: false\n", {"eviction_hard": ""}, 0, id="FLG-2 an empty flag is an empty map"
        ),
    ],
)
def test_how_many_hard_thresholds(text: str, flags: dict[str, str], hard: int) -> None:
    assert len(names(from_text(text, **flags))) == hard


def test_defaults_can_be_left_out() -> None:
    assert names(build([], default_thresholds=False)) == []
    flags = {"eviction_hard": "pid.available<5%,,pid.available< 6% "}
    assert names(build([], flags=flags, default_thresholds=False)) == ["pid.available<6%/hard"]


def test_transition_period_of_zero_is_the_default() -> None:
    assert from_text("evictionPressureTransitionPeriod: 0s").eviction().transition_ns == 300 * 10**9


def test_every_fault_of_the_eviction_settings_is_named() -> None:
    found = faults(
        "evictionSoft: {memory.available: 1Gi, pid.available: 5%}\nevictionSoftGracePeriod: {pid.available: -1s}\n",
        eviction_hard="a>1,memory.available<=1",
        eviction_minimum_reclaim="nodefs.available=0%,Memory.available=1",
        eviction_policy="age",
    )
    assert set(found) == {
        "config.yaml:2: evictionSoftGracePeriod[pid.available]: '-1s' is negative; allowed are durations from 0s",
        "config.yaml:1: evictionSoft[memory.available]: has no grace period: "
        "evictionSoftGracePeriod[memory.available] must say how long it may last",
        "flag --eviction-hard: evictionHard: 'a>1' is not of the form key<value",
        "flag --eviction-hard: evictionHard[memory.available]: '=1' is not a quantity; " + QUANTITIES,
        "flag --eviction-minimum-reclaim: evictionMinimumReclaim[nodefs.available]: '0%' is not above 0%",
        "flag --eviction-minimum-reclaim: evictionMinimumReclaim[Memory.available]: unknown name, did you mean "
        "'memory.available'; allowed are " + ", ".join(SIGNALS),
        "flag --eviction-policy: nodeguard.evictionPolicy: 'age' is not allowed; allowed are kubelet, qos",
    }


def test_the_soft_flag_of_the_articles_names_what_lacks_a_grace_period() -> None:
    found = faults(
        eviction_soft="nodefs.available<1.5Gi,nodefs.inodesFree<10,imagefs.available<20Gi,imagefs.inodesFree<100",
        eviction_soft_grace_period="nodefs.available=1m,imagefs.available=2m",
    )
    assert [fault.partition(": has")[0] for fault in found] == [
        "flag --eviction-soft: evictionSoft[nodefs.inodesFree]",
        "flag --eviction-soft: evictionSoft[imagefs.inodesFree]",
    ]


QUANTITIES = "allowed are a number with a suffix of n u m k M G T P E Ki Mi Gi Ti Pi Ei, or an exponent such as 1e3"


def test_the_mode_of_eviction_is_one_word_or_a_word_for_each_signal() -> None:
    assert set(build([]).eviction_mode.items()) == {(signal, "enforce") for signal in SIGNALS}
    config = from_text("nodeguard: {evictionMode: {memory.available: off, pid.available: observe}}")
    assert (config.eviction_mode["memory.available"], config.eviction_mode["pid.available"]) == ("off", "observe")
    assert config.eviction_mode["nodefs.available"] == "enforce"
    assert config.origins["nodeguard.evictionMode[pid.available]"] == "file config.yaml:1"
    assert config.origins["nodeguard.evictionMode[nodefs.available]"] == "default"
    config = from_text("nodeguard: {evictionMode: off}", eviction_mode="pid.available=enforce")
    assert (config.eviction_mode["pid.available"], config.eviction_mode["memory.available"]) == ("enforce", "off")
    config = from_text("nodeguard: {evictionMode: off}", eviction_mode="pid.available=off,observe")
    assert (config.eviction_mode["pid.available"], config.eviction_mode["memory.available"]) == ("off", "observe")


def test_settings_of_disks() -> None:
    config = from_text(
        "imageGCHighThresholdPercent: 50\nimageGCLowThresholdPercent: 0\nimageMinimumGCAge: 0s\n"
        "imageMaximumGCAge: 3h\nvolumeStatsAggPeriod: -1s\n"
        "nodeguard: {nodefs: /mnt/node, minimumContainerTTLDuration: 5s}\n",
        imagefs="/mnt/images",
        low_diskspace_threshold_mb="256",
        maximum_dead_containers="-1",
        maximum_dead_containers_per_container="0",
    )
    assert (config.nodefs, config.imagefs) == (Path("/mnt/node"), Path("/mnt/images"))
    assert config.low_diskspace_threshold_mb == 256
    assert (config.image_gc_high_threshold_percent, config.image_gc_low_threshold_percent) == (50, 0)
    assert (config.image_minimum_gc_age_ns, config.image_maximum_gc_age_ns) == (120 * 10**9, 3 * 3600 * 10**9)
    assert (config.minimum_container_ttl_ns, config.volume_stats_agg_period_ns) == (5 * 10**9, -(10**9))
    assert (config.maximum_dead_containers_per_container, config.maximum_dead_containers) == (0, -1)
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(
            "nodeguard: {evictionMode: maybe}",
            "nodeguard.evictionMode: 'maybe' is not allowed; allowed are enforce, observe, off",
            id="no mode",
        ),
        pytest.param("nodeguard: {evictionMode: [off]}", "nodeguard.evictionMode: an object is needed", id="modes"),
        pytest.param(
            "nodeguard: {evictionMode: {pid.available: yes please}}",
            "nodeguard.evictionMode[pid.available]: 'yes please' is not allowed; allowed are enforce, observe, off",
            id="no mode of one signal",
        ),
        pytest.param(
            "nodeguard: {evictionMode: {pids: off}}", "nodeguard.evictionMode[pids]: unknown name", id="no such signal"
        ),
        pytest.param("nodeguard: {nodefs: disk}", "nodeguard.nodefs: 'disk' is not the absolute path", id="nodefs"),
        pytest.param("nodeguard: {imagefs: /a/../b}", "nodeguard.imagefs: '/a/../b' is not", id="imagefs"),
        pytest.param(
            "nodeguard: {lowDiskspaceThresholdMB: -1}",
            "nodeguard.lowDiskspaceThresholdMB: -1 is out of range; allowed are 0 to",
            id="N-44 negative low disk space",
        ),
        pytest.param(
            "imageGCHighThresholdPercent: 101",
            "imageGCHighThresholdPercent: 101 is out of range; allowed are 0 to 100",
            id="VLD-1 over 100 %",
        ),
        pytest.param(
            "imageGCLowThresholdPercent: -1", "imageGCLowThresholdPercent: -1 is out of range", id="VLD-1 below 0 %"
        ),
        pytest.param(
            "imageGCHighThresholdPercent: 80",
            "imageGCHighThresholdPercent: imageGCLowThresholdPercent (80) must be below imageGCHigh",
            id="VLD-1 low is not below high",
        ),
        pytest.param("imageMinimumGCAge: -1s", "imageMinimumGCAge: '-1s' is negative", id="VLD-2 negative age"),
        pytest.param(
            "imageMaximumGCAge: 2m",
            "imageMaximumGCAge: imageMaximumGCAge (2m) must be above imageMinimumGCAge (2m)",
            id="VLD-2 maximum is not above minimum",
        ),
        pytest.param("volumeStatsAggPeriod: 5", "volumeStatsAggPeriod: ", id="volume statistics"),
        pytest.param(
            "nodeguard: {minimumContainerTTLDuration: -1s}",
            "nodeguard.minimumContainerTTLDuration: '-1s' is negative",
            id="CTR-1 negative age",
        ),
        pytest.param(
            "nodeguard: {maximumDeadContainers: one}",
            "nodeguard.maximumDeadContainers: 'one' is not a whole number",
            id="dead containers",
        ),
        pytest.param(
            "nodeguard: {capacity: {pids: 1.5}}", "nodeguard.capacity[pids]: 1.5 is not a whole number", id="pids"
        ),
    ],
)
def test_wrong_settings_of_disks_and_modes(text: str, fault: str) -> None:
    (found,) = faults(text)
    assert found.startswith(f"config.yaml:1: {fault}")


def test_contradicting_flags_and_modes_given_twice() -> None:
    assert faults(
        "imageGCLowThresholdPercent: 60", image_gc_high_threshold="50", eviction_mode="off,memory.available=x"
    ) == [
        "flag --eviction-mode: nodeguard.evictionMode[memory.available]: 'x' is not allowed; allowed are "
        "enforce, observe, off",
        "flag --image-gc-high-threshold: imageGCHighThresholdPercent: imageGCLowThresholdPercent (60) must be below "
        "imageGCHighThresholdPercent (50)",
    ]


def test_a_known_field_says_why_it_has_no_effect() -> None:
    config = from_text("kernelMemcgNotification: true\nfailCgroupV1: true\n")
    assert [str(warning) for warning in config.warnings] == [
        "config.yaml:1: kernelMemcgNotification: accepted, has no effect: nodeguard always has the kernel tell it when "
        "memory crosses a threshold",
        "config.yaml:2: failCgroupV1: accepted, has no effect: nodeguard runs on cgroup v1, hybrid and v2 alike",
    ]
    assert not set(WITHOUT_EFFECT) & {setting.name for setting in SETTINGS}


def test_logs_go_where_the_pods_go_unless_told_otherwise() -> None:
    assert build([]).log_dir == Path("/var/log/pods")
    config = from_text("", nodefs="/mnt/node")
    assert (config.log_dir, config.origins["podLogsDir"]) == (Path("/mnt/node/logs"), "flag --nodefs")
    assert from_text("podLogsDir: /logs", nodefs="/mnt/node").log_dir == Path("/logs")


@pytest.mark.parametrize(
    ("text", "update_seconds", "report_seconds"),
    [
        ("", 10, 300),
        ("nodeStatusUpdateFrequency: 20s", 20, 20),
        ("nodeStatusUpdateFrequency: 10s", 10, 10),
        ("nodeStatusReportFrequency: 1m", 10, 60),
        ("nodeStatusUpdateFrequency: 5s\nnodeStatusReportFrequency: 1m", 5, 60),
        ("nodeStatusUpdateFrequency: 0s\nnodeStatusReportFrequency: 0s", 10, 300),
    ],
    ids=[
        "CFG-14 defaults",
        "the former alone",
        "the default itself",
        "the latter alone",
        "both",
        "zero is the default",
    ],
)
def test_how_often_the_node_is_told_of(text: str, update_seconds: int, report_seconds: int) -> None:
    config = from_text(text)
    assert config.node_status_update_seconds == update_seconds
    assert config.node_status_report_seconds == report_seconds
    assert config.warnings == ()


def test_frequencies_have_bounds() -> None:
    assert faults("nodeStatusUpdateFrequency: 10ms") == [
        "config.yaml:1: nodeStatusUpdateFrequency: 10ms is out of range; allowed are 1s to 24h"
    ]
    assert len(faults("nodeStatusReportFrequency: -5m\nnodeStatusUpdateFrequency: often")) == 2


def test_an_address_others_can_reach_has_to_be_meant() -> None:
    with pytest.raises(InvalidInput, match=r"config.yaml:1: nodeguard.listen: 192.0.2.7:6443 can be reached"):
        from_text("nodeguard: {listen: '192.0.2.7:6443'}\n")
    config = from_text("nodeguard: {listen: '192.0.2.7:6443', listenAnywhere: true}\n")
    assert str(config.listen) == "192.0.2.7:6443"
    assert str(from_text("nodeguard: {listen: 'localhost:0'}\n").listen) == "127.0.0.1:0"
    with pytest.raises(InvalidInput, match="HOST:PORT"):
        from_text("nodeguard: {listen: 6443}\n")


def test_static_manifests_are_where_the_kubelet_has_them_or_nowhere() -> None:
    assert from_text("").static_pod_path == Path("/etc/nodeguard/manifests")
    assert from_text("staticPodPath: /etc/kubernetes/manifests\n").static_pod_path == Path("/etc/kubernetes/manifests")
    assert from_text("staticPodPath: ''\n").static_pod_path is None

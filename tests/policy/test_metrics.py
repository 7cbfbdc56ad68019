"""Metrics, judged by the parser that Prometheus' own client has."""

from __future__ import annotations

from dataclasses import replace

import pytest
import statsbuilder as sb
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from statsbuilder import MIB

from nodeguard.model.node import NodeCapacity
from nodeguard.model.signal import Signal
from nodeguard.model.summary import Summary
from nodeguard.policy import metric_table
from nodeguard.policy.exposition import Family, Sample, exposition
from nodeguard.policy.metrics import Facts, metric_families
from nodeguard.policy.signal_state import SignalState, ThresholdState

APP = {"container": "app", "namespace": "default", "pod": "web"}
SIGNALS = (
    SignalState(
        signal=Signal.MEMORY_AVAILABLE,
        threshold="memory.available<100Mi/hard",
        state=ThresholdState.MET,
        available=90 * MIB,
        limit=100 * MIB,
    ),
    SignalState(
        signal=Signal.MEMORY_AVAILABLE,
        threshold="memory.available<20%/soft",
        state=ThresholdState.GRACE,
        available=90 * MIB,
        limit=200 * MIB,
    ),
    SignalState(
        signal=Signal.NODEFS_INODES_FREE,
        threshold="nodefs.inodesFree<5%/hard",
        state=ThresholdState.OK,
        available=900,
        limit=50,
    ),
    SignalState(signal=Signal.PID_AVAILABLE, threshold="pid.available<5%/hard", state=ThresholdState.UNKNOWN),
)


def facts(summary: Summary | None = None, **fields: object) -> Facts:
    known = Facts(
        summary=summary or sb.summary(),
        tiers=(sb.container("burstable", rootfs=None, logs=None),),
        groups={"uid-web/app": sb.GROUP},
        capacity=NodeCapacity(cpu_millicpu=1500, memory_bytes=1 << 30),
        pods_by_tier={"guaranteed": 0, "burstable": 1, "besteffort": 0},
        evictions={"memory.available": 3, "emptyDir": 1},
        conditions={"MemoryPressure": "True", "Ready": "Unknown"},
        signals=SIGNALS,
        version="1.2.3",
    )
    return replace(known, **fields)


def values(facts: Facts) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and labels, as a scraper sees it; a duplicate is an error.

    This parser lets the name of every counter end in ``_total``.
    """
    found = {}
    for family in text_string_to_metric_families(exposition(metric_families(facts))):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def test_the_conventional_names_with_their_labels_and_units() -> None:
    found = values(facts())

    def value(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    assert value("container_cpu_usage_seconds_total", **APP) == 5.0
    assert value("container_memory_working_set_bytes", **APP) == 16 * MIB
    assert value("container_memory_rss", **APP) == 10 * MIB
    assert value("container_memory_cache", **APP) == 8 * MIB
    assert value("container_memory_failures_total", **APP, failure_type="pgmajfault", scope="container") == 7
    assert value("container_cpu_cfs_throttled_seconds_total", **APP) == 1.5
    assert value("container_spec_memory_limit_bytes", **APP) == 64 * MIB
    assert value("container_oom_events_total", **APP) == 1
    assert value("container_start_time_seconds", **APP) == sb.AT
    assert value("container_pressure_memory_waiting_seconds_total", **APP) == 2.0
    assert value("container_pressure_memory_stalled_seconds_total", **{**APP, "container": ""}) == 1.0
    assert value("container_network_receive_bytes_total", namespace="default", pod="web", interface="eth0") == 1
    assert value("pod_cpu_usage_seconds_total", namespace="default", pod="web") == 5.0
    assert value("pod_memory_working_set_bytes", namespace="default", pod="web") == 16 * MIB
    assert value("node_cpu_usage_seconds_total") == 5.0
    assert value("node_memory_working_set_bytes") == 16 * MIB
    assert value("node_pressure_io_stalled_seconds_total") == 1.0
    assert value("node_network_transmit_errs_total", device="eth0") == 4
    assert value("node_filesystem_avail_bytes", filesystem="imagefs") == 500 * MIB
    assert value("node_processes_threads") == 120
    assert value("machine_cpu_cores") == 1.5
    assert value("kubelet_running_containers", container_state="running") == 1
    assert value("kubelet_evictions_total", eviction_signal="memory.available") == 3
    assert value("kubelet_evictions_total", eviction_signal="emptydirfs.limit") == 1
    assert value("nodeguard_pods", qos="burstable") == 1
    assert value("nodeguard_tier_pressure_cpu_waiting_seconds_total", qos="burstable") == 2.0
    assert value("nodeguard_build_info", version="1.2.3") == 1
    assert value("nodeguard_node_condition", type="MemoryPressure", status="True") == 1
    assert value("nodeguard_node_condition", type="MemoryPressure", status="False") == 0
    assert value("nodeguard_node_condition", type="Ready", status="Unknown") == 1
    assert value("nodeguard_signal_available_bytes", signal="memory.available") == 90 * MIB
    assert value("nodeguard_threshold_bytes", signal="memory.available", kind="hard") == 100 * MIB
    assert value("nodeguard_threshold_bytes", signal="memory.available", kind="soft") == 200 * MIB
    assert value("nodeguard_signal_available_inodes", signal="nodefs.inodesFree") == 900
    assert not [name for name, _ in found if name.endswith("_pids")]


def test_every_family_has_help_and_type_before_its_samples_and_once() -> None:
    lines = exposition(metric_families(facts())).splitlines()
    seen: list[str] = []
    for number, line in enumerate(lines):
        if line.startswith("# HELP "):
            name = line.split()[2]
            assert name not in seen
            seen.append(name)
            assert lines[number + 1].split()[:3] == ["#", "TYPE", name]
            assert lines[number + 2].startswith((f"{name} ", f"{name}{{"))
    assert len(seen) == len([family for family in metric_families(facts()) if family.samples])


def test_counters_are_named_as_such() -> None:
    others = {"kubelet_evictions", "container_fs_inodes_total"}  # the names they have elsewhere
    for family in metric_families(facts()):
        assert (family.kind == "counter") == family.name.endswith("_total") or family.name in others, family.name


def test_every_row_of_the_tables_finds_a_figure() -> None:
    names = {family.name for family in metric_families(facts()) if family.samples}
    tables = [table for name, table in vars(metric_table).items() if name.isupper() and isinstance(table, tuple)]
    rows = {row[0] for table in tables for row in table if len(row) == 5}
    assert len(rows) > 30
    assert rows <= names


def test_what_is_unknown_has_no_sample() -> None:
    silent = replace(facts(sb.UNKNOWN), tiers=(), groups={}, evictions=None, conditions={}, signals=())
    names = {name for name, _ in values(silent)}
    assert names == {
        *("nodeguard_build_info", "nodeguard_pods", "kubelet_running_pods", "kubelet_running_containers"),
        *("machine_cpu_cores", "machine_memory_bytes", "container_start_time_seconds"),
    }


def test_of_two_pods_of_one_name_the_younger_counts() -> None:
    old = sb.pod("web", uid="old", start_time=sb.AT - 5, swap=None)
    new = sb.pod("web", uid="new", memory=replace(sb.MEMORY, working_set_bytes=1))
    for pods in ((old, new), (new, old)):
        found = values(facts(sb.summary(*pods)))
        labels = frozenset({"namespace": "default", "pod": "web"}.items())
        assert found["pod_memory_working_set_bytes", labels] == 1
        assert found["kubelet_running_pods", frozenset()] == 2


def test_nothing_runs() -> None:
    found = values(facts(Summary(node=sb.node(), pods=())))
    assert found["kubelet_running_pods", frozenset()] == 0
    assert not [name for name, _ in found if name.startswith(("container_", "pod_"))]


@pytest.mark.parametrize("value", [0, 1.5, 1e300, -2, (1 << 64) - 1])
def test_numbers(value: float) -> None:
    assert parse_one(value=value).value == value


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_labels_and_help_are_escaped(label: str, help_text: str) -> None:
    family = Family(name="a_total", kind="counter", help=help_text, samples=(Sample(labels={"x": label}, value=1),))
    text = exposition([family])
    assert text.count("\n") == 3
    # The parser takes lines apart at anything that Python takes for the end of a line.
    if not set(label + help_text) & set("\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"):
        (found,) = text_string_to_metric_families(text)
        assert found.samples[0].labels == {"x": label}


def parse_one(value: float) -> Sample:
    family = Family(name="a", kind="gauge", help="h", samples=(Sample(labels={}, value=value),))
    (found,) = text_string_to_metric_families(exposition([family]))
    return Sample(labels=found.samples[0].labels, value=found.samples[0].value)


def test_families_without_samples_are_left_out() -> None:
    assert exposition([Family(name="a", kind="gauge", help="h", samples=())]) == ""

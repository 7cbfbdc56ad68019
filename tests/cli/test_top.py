"""``nodeguard top`` and ``nodeguard stats``: what they print."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Literal

import pytest
import statsbuilder as sb
from prometheus_client.parser import text_string_to_metric_families
from statsbuilder import MIB

from nodeguard.agent.root import Root
from nodeguard.agent.summary import NODE, Look
from nodeguard.cli import stats, top
from nodeguard.cli.main import run
from nodeguard.cli.top_table import Style, containers_table, groups_table, memory_table, node_table, pods_table
from nodeguard.errors import HistoryDamaged, HostLacks
from nodeguard.model.node import NodeCapacity
from nodeguard.model.summary import ContainerStats, CPUStats, MemoryStats, PodStats, PSIStats
from nodeguard.policy.memory_sum import MemoryLine


def using(nano_cores: int | None, bytes_: int | None) -> dict[str, Any]:
    return {
        "cpu": None if nano_cores is None else CPUStats(time=sb.AT, usage_nano_cores=nano_cores),
        "memory": None if bytes_ is None else MemoryStats(time=sb.AT, working_set_bytes=bytes_),
    }


def light_pod(name: str, nano_cores: int | None, bytes_: int | None, **fields: Any) -> PodStats:
    return sb.pod(name, sb.container(**using(nano_cores, bytes_)), **using(nano_cores, bytes_), **fields)


PODS = (light_pod("b", 1, 30 * MIB), light_pod("a", 2_000_001, 20 * MIB), light_pod("c", None, None))


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


# tables


@pytest.mark.parametrize(
    ("sort_by", "order"),
    [
        pytest.param("", "abc", id="by name"),
        pytest.param("cpu", "abc", id="by cpu, unknown last"),
        pytest.param("memory", "bac", id="by memory"),
    ],
)
def test_order_of_pods(sort_by: str, order: str) -> None:
    table = rows(pods_table(PODS, {}, Style(sort_by=sort_by, headers=False)))
    assert [row[0] for row in table] == list(order)


def test_cpu_is_rounded_up_and_memory_down_as_kubectl_does() -> None:
    table = rows(pods_table([light_pod("a", 2_000_001, 2 * MIB - 1)], {}, Style()))
    assert table == [["NAME", "CPU(cores)", "MEMORY(bytes)"], ["a", "3m", "1Mi"]]


def test_what_is_unknown_is_called_so() -> None:
    assert rows(pods_table(PODS[2:], {}, Style(headers=False))) == [["c", "<unknown>", "<unknown>"]]
    wide = rows(pods_table(PODS[2:], {}, Style(headers=False, wide=True)))
    assert wide == [["c", *["<unknown>"] * 7, "-", "-", "12.50/2.50"]]


def test_namespaces_and_containers() -> None:
    pods = [sb.pod("web", sb.container("z"), sb.container("a", **using(9 * 10**9, MIB)), namespace="prod")]
    style = Style(namespaces=True, sort_by="cpu")
    assert rows(containers_table(pods, {}, style)) == [
        ["NAMESPACE", "POD", "NAME", "CPU(cores)", "MEMORY(bytes)"],
        ["prod", "web", "a", "9000m", "1Mi"],
        ["prod", "web", "z", "251m", "16Mi"],
    ]
    assert rows(pods_table(pods, {}, style))[0][:2] == ["NAMESPACE", "NAME"]


def test_wide_pods() -> None:
    header, row = rows(pods_table([sb.pod()], {"uid-web": sb.GROUP}, Style(wide=True)))
    assert header[3:] == ["ANON", "CACHE", "SWAP", "TASKS", "THROTTLED", "CPU-PSI", "MEMORY-PSI", "IO-PSI"]
    assert row[3:] == ["10Mi", "8Mi", "1Mi", "3", "25%", "12.50/2.50", "12.50/2.50", "12.50/2.50"]


def test_pressure_without_a_full_line() -> None:
    cpu = CPUStats(time=sb.AT, psi=PSIStats(some=sb.PSI.some))
    (row,) = rows(groups_table([ContainerStats(name="pods", start_time=sb.AT, cpu=cpu)]))[1:]
    assert row == ["pods", "<unknown>", "<unknown>", "12.50/-", "-", "-"]


def test_the_node_in_percent_of_what_it_may_give() -> None:
    node = sb.node(**using(500_000_000, 300 * MIB))
    shares = {"cpu": 1900, "memory": 1000 * MIB}
    assert rows(node_table(node, shares, Style())) == [
        ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"],
        ["n1", "500m", "26%", "300Mi", "30%"],
    ]
    unknown = rows(node_table(sb.UNKNOWN.node, {"cpu": 0, "memory": 0}, Style(headers=False)))
    assert unknown == [["n1", *["<unknown>"] * 4]]
    assert rows(node_table(node, {"cpu": 0, "memory": 0}, Style(headers=False)))[0][2] == "0%"


def test_where_memory_goes() -> None:
    text = memory_table([MemoryLine(name="anon", bytes=5, formula="memory.stat anon")])
    assert rows(text)[1] == ["anon", "5", "memory.stat", "anon"]


# commands


class FakeDriver:
    version: Literal[2] = 2


def look(*pods: PodStats, **fields: Any) -> Look:
    known: dict[str, Any] = {
        "summary": sb.Summary(node=sb.node(), pods=pods),
        "tiers": (sb.container("burstable"),),
        "groups": {NODE: sb.GROUP, "uid-web/app": sb.GROUP},
        "pods_by_tier": {"burstable": len(pods)},
        "capacity": NodeCapacity(cpu_millicpu=2000, memory_bytes=1 << 30),
        "is_machine_memory": True,
    }
    return Look(**(known | fields))


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEGUARD_CONFIG", "/dev/null")
    monkeypatch.setenv("NODEGUARD_STATE_DIR", "/nonexistent")
    for module in (top, stats):
        monkeypatch.setattr(module, "find_root", lambda _: Root(driver=FakeDriver(), path="/ng"))  # type: ignore[arg-type]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = look(sb.pod(), sb.pod("other", namespace="prod"))
    for module in (top, stats):
        monkeypatch.setattr(module, "look_twice", lambda *_, **__: found)


def test_pods_of_the_default_namespace(shown: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top", "pods"]) == 0
    assert rows(capsys.readouterr().out)[1:] == [["web", "251m", "16Mi"]]
    assert run(["top", "pods", "-n", "prod", "--no-headers"]) == 0
    assert rows(capsys.readouterr().out) == [["other", "251m", "16Mi"]]
    assert run(["top", "po", "-A", "--no-headers"]) == 0
    assert rows(capsys.readouterr().out) == [["default", "web", "251m", "16Mi"], ["prod", "other", "251m", "16Mi"]]


@pytest.mark.parametrize("words", [["pod", "web"], ["pod/web"], ["pods", "web"]])
def test_one_pod_by_name(words: list[str], shown: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top", *words, "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["podRef"]["name"]) == ("PodStats", "web")


def test_pods_for_programs(shown: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top", "pods", "-A", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "PodStatsList"
    assert [each["podRef"]["name"] for each in found["items"]] == ["web", "other"]
    assert run(["top", "pods", "-o", "name"]) == 0
    assert capsys.readouterr().out == "pod/web\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["top", "pods", "nix"], 'pods "nix" not found'),
        (["top", "pods", "web", "-n", "prod"], 'pods "web" not found'),
        (["top", "node", "nix"], 'nodes "nix" not found; this host is n1'),
    ],
)
def test_names_that_are_not_there(
    words: list[str], message: str, shown: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


@pytest.mark.parametrize("words", [["--sort-by", "size"], ["-o", "csv"], ["--bogus"]])
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top", "pods", *words]) == 2
    assert capsys.readouterr().out == ""


def test_no_pods_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(top, "look_twice", lambda *_, **__: look())
    assert run(["top", "pods"]) == 0
    assert capsys.readouterr() == ("", "No resources found in default namespace.\n")
    assert run(["top", "pods", "-A", "-o", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["items"] == []
    assert err == "No resources found.\n"


def test_the_node(shown: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top", "node"]) == 0
    assert rows(capsys.readouterr().out)[1][:2] == ["n1", "251m"]
    assert run(["top", "nodes", "-o", "name"]) == 0
    assert capsys.readouterr().out == "node/n1\n"


def test_the_node_in_full(shown: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top", "node", "-o", "wide"]) == 0
    text = capsys.readouterr().out
    assert "burstable" in text
    assert "memory.stat inactive_file" in text
    assert run(["top", "node", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["memory"]["workingSetBytes"] == 16 * MIB
    assert [tier["name"] for tier in found["tiers"]] == ["burstable"]
    assert {line["name"]: line["bytes"] for line in found["memorySum"]}["reclaimable"] == 7 * MIB


def test_stats_as_json_yaml_and_metrics(shown: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stats"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"node", "pods"}
    assert run(["stats", "-o", "yaml"]) == 0
    assert capsys.readouterr().out.startswith("node:\n  nodeName: n1\n")
    assert run(["stats", "-o", "prometheus"]) == 0
    names = {family.name for family in text_string_to_metric_families(capsys.readouterr().out)}
    assert {"container_memory_rss", "node_memory_working_set_bytes"} <= names


def test_a_damaged_history_is_told_and_costs_one_metric(
    shown: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: object) -> None:
        raise HistoryDamaged("history.db is damaged")

    monkeypatch.setattr("nodeguard.agent.history_reader.count_evictions", refuse)
    assert run(["stats", "-o", "prometheus"]) == 0
    out, err = capsys.readouterr()
    assert "kubelet_evictions" not in out
    assert "kubelet_running_pods 2" in out
    assert err == "Warning: history.db is damaged\n"


def test_a_host_without_cgroups(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_: object) -> None:
        raise HostLacks("no memory controller")

    for module in (top, stats):
        monkeypatch.setattr(module, "find_root", refuse)
    for words in (["top", "node"], ["top", "pods"], ["stats"]):
        assert run(words) == 9
        assert capsys.readouterr().err == "Error: no memory controller\n"


def test_an_unlimited_group_has_no_throttling() -> None:
    group = replace(sb.GROUP, cpu_periods=0)
    assert rows(pods_table([sb.pod()], {"uid-web": group}, Style(wide=True, headers=False)))[0][7] == "-"

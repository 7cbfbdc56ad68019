"""The v1 Node object: N-2 to N-14."""

from __future__ import annotations

from typing import Any

from podbuilder import amounts

from nodeguard.model.node import NodeAddress, NodeCondition, NodeFacts, NodeSystemInfo
from nodeguard.model.placement import Taint
from nodeguard.policy.node_object import node_object


def facts(**fields: Any) -> NodeFacts:
    return NodeFacts(
        name="n1",
        registered_at=1_000_000_000.0,
        capacity=amounts("memory=8Gi cpu=4 pods=110"),
        allocatable=amounts("memory=7Gi cpu=3900m pods=110"),
        system=NodeSystemInfo(
            machine_id="3d1219c7c4c5404aaa1f6d2a48adfda4",
            boot_id="b",
            kernel_version="6.1.0",
            os_image="Debian",
            architecture="amd64",
            kubelet_version="v1",
        ),
        addresses=(NodeAddress(type="InternalIP", address="192.0.2.7"), NodeAddress(type="Hostname", address="n1")),
        **fields,
    )


def condition(type_: str, status: str) -> NodeCondition:
    return NodeCondition(
        type=type_, status=status, reason="R", message="M", last_heartbeat_at=1.5e9, last_transition_at=1.0e9
    )


def test_the_whole_object() -> None:
    assert node_object(facts(), [condition("Ready", "True")]) == {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": "n1",
            "uid": "3d1219c7-c4c5-404a-aa1f-6d2a48adfda4",
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": "n1",
                "kubernetes.io/os": "linux",
            },
            "creationTimestamp": "2001-09-09T01:46:40Z",
        },
        "spec": {"providerID": "nodeguard://n1"},
        "status": {
            "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"},
            "allocatable": {"cpu": "3900m", "memory": "7Gi", "pods": "110"},
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "lastHeartbeatTime": "2017-07-14T02:40:00Z",
                    "lastTransitionTime": "2001-09-09T01:46:40Z",
                    "reason": "R",
                    "message": "M",
                }
            ],
            "addresses": [
                {"type": "InternalIP", "address": "192.0.2.7"},
                {"type": "Hostname", "address": "n1"},
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": "b",
                "containerRuntimeVersion": "",
                "kernelVersion": "6.1.0",
                "kubeProxyVersion": "",
                "kubeletVersion": "v1",
                "machineID": "3d1219c7c4c5404aaa1f6d2a48adfda4",
                "operatingSystem": "linux",
                "osImage": "Debian",
                "systemUUID": "",
            },
        },
    }


def test_taints_of_its_own_come_before_those_of_conditions() -> None:
    own = Taint(key="dedicated", value="gpu", effect="NoSchedule")
    node = node_object(facts(taints=(own,), unschedulable=True), [condition("DiskPressure", "True")])
    assert node["spec"]["unschedulable"] is True
    assert node["spec"]["taints"] == [
        {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"},
        {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"},
        {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
    ]


def test_n_10_n_11_the_phase_comes_with_the_legacy_view_alone() -> None:
    assert "phase" not in node_object(facts(), [condition("DiskPressure", "True")])["status"]
    assert node_object(facts(), [condition("OutOfDisk", "False")])["status"]["phase"] == "Running"


def test_a_machine_without_an_id_has_no_uid() -> None:
    assert "uid" not in node_object(NodeFacts(name="n", registered_at=0.0, capacity={}, allocatable={}))["metadata"]

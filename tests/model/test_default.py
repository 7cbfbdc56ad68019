"""Rules D1 to D9: pkg/apis/core/v1/defaults.go, and KEP-2837 for pod-level resources."""

from __future__ import annotations

from typing import Any

import pytest

from nodeguard.model.decode import decode
from nodeguard.model.document import parse
from nodeguard.model.pod import Pod, QOSClass
from nodeguard.model.quantity import Quantity


def decoded(spec: str, extra: str = "") -> Pod:
    manifests = decode(parse(f"{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {spec}{extra}}}", "pod.yaml"))
    assert [str(finding) for finding in manifests.errors] == []
    (pod,) = manifests.pods
    return pod


def spec_of(containers: str, pod: str = "", init: str = "") -> str:
    def listed(stanzas: str, prefix: str) -> str:
        parts = [
            f"{{name: {prefix}{number}, command: [x], {'restartPolicy: Always, ' if stanza.startswith('*') else ''}"
            f"resources: {{{stanza.lstrip('*')}}}}}"
            for number, stanza in enumerate(stanzas.split("|"))
        ]
        return "[" + ", ".join(parts) + "]"

    fields = [f"containers: {listed(containers, 'c')}"]
    if init:
        fields.append(f"initContainers: {listed(init, 'i')}")
    if pod:
        fields.append(f"resources: {{{pod}}}")
    return "{" + ", ".join(fields) + "}"


def text(amounts: Any) -> dict[str, str]:
    return {name: str(amount) for name, amount in amounts.items()}


def test_a_limit_without_request_becomes_the_request_for_every_name_and_kind() -> None:
    pod = decoded(
        spec_of(
            "limits: {cpu: 1, memory: 1Gi, example.com/gpu: 2, ephemeral-storage: 1Gi}, requests: {cpu: 500m}",
            init="limits: {cpu: 2}|*limits: {memory: 1Mi}",
        )
    )
    assert text(pod.containers[0].resources.requests) == {
        "cpu": "500m",
        "memory": "1Gi",
        "example.com/gpu": "2",
        "ephemeral-storage": "1Gi",
    }
    assert [text(container.resources.requests) for container in pod.init_containers] == [
        {"cpu": "2"},
        {"memory": "1Mi"},
    ]


def test_an_explicit_zero_request_stays() -> None:
    pod = decoded(spec_of("limits: {cpu: 1}, requests: {cpu: 0}"))
    assert pod.containers[0].resources.requests["cpu"] == Quantity(0)


def test_amounts_are_rounded_up_to_milli_at_last() -> None:
    pod = decoded(spec_of("limits: {cpu: 0.4m}, requests: {cpu: 100n}", init="requests: {cpu: 1.0001}"))
    assert text(pod.containers[0].resources.limits) == {"cpu": "1m"}
    assert text(pod.containers[0].resources.requests) == {"cpu": "1m"}
    assert text(pod.init_containers[0].resources.requests) == {"cpu": "1001m"}
    assert pod.raw["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1m"}, "requests": {"cpu": "1m"}}


HUGE = "limits: {hugepages-2Mi: 4Mi, memory: 1Gi}"


@pytest.mark.parametrize(
    ("spec", "requests", "limits"),
    [
        pytest.param(spec_of("limits: {cpu: 1}", pod=" "), {}, {}, id="an empty stanza stays empty"),
        pytest.param(
            spec_of(f"{HUGE}|{HUGE}", pod="requests: {cpu: 1}"),
            {"cpu": "1", "hugepages-2Mi": "8Mi", "memory": "2Gi"},
            {"hugepages-2Mi": "8Mi", "memory": "2Gi"},
            id="D4: huge page limits of the containers become the pod's",
        ),
        pytest.param(
            spec_of(HUGE, pod="limits: {hugepages-2Mi: 16Mi, memory: 1Gi}"),
            {"hugepages-2Mi": "16Mi", "memory": "1Gi"},
            {"hugepages-2Mi": "16Mi", "memory": "1Gi"},
            id="D4: not where the pod has its own",
        ),
        pytest.param(
            spec_of("requests: {cpu: 100m, memory: 1Mi}|requests: {cpu: 200m}", pod="limits: {cpu: 1}"),
            {"cpu": "300m", "memory": "1Mi"},
            {"cpu": "1"},
            id="D5: requests of the containers, also without a pod limit",
        ),
        pytest.param(
            spec_of("requests: {cpu: 100m}", pod="requests: {memory: 1Gi}"),
            {"memory": "1Gi"},
            {},
            id="D5: not without any pod limit",
        ),
        pytest.param(spec_of("", pod="limits: {cpu: 1}"), {"cpu": "1"}, {"cpu": "1"}, id="D6: limit becomes request"),
        pytest.param(
            spec_of("limits: {cpu: 1}|limits: {cpu: 2}", pod="requests: {memory: 1Gi}", init="limits: {cpu: 5}"),
            {"cpu": "5", "memory": "1Gi"},
            {"cpu": "5"},
            id="D7: limits of all containers become the pod's",
        ),
        pytest.param(
            spec_of("limits: {cpu: 1}|limits: {cpu: 2}", pod="requests: {memory: 1Gi}", init="requests: {cpu: 5}"),
            {"memory": "1Gi"},
            {},
            id="D7: not when one container has none",
        ),
        pytest.param(
            spec_of("limits: {cpu: 1}", pod="requests: {memory: 1Gi}", init="*limits: {cpu: 2}|limits: {cpu: 4}"),
            {"cpu": "6", "memory": "1Gi"},
            {"cpu": "6"},
            id="D7: sidecars count beside a later init container",
        ),
    ],
)
def test_pod_level_resources(spec: str, requests: dict[str, str], limits: dict[str, str]) -> None:
    pod = decoded(spec)
    assert pod.resources is not None
    assert text(pod.resources.requests) == requests
    assert text(pod.resources.limits) == limits


def test_a_pod_without_a_stanza_has_none() -> None:
    assert decoded(spec_of("limits: {cpu: 1}")).resources is None


def test_words_and_numbers() -> None:
    pod = decoded("{containers: [{name: a, command: [x], livenessProbe: {httpGet: {port: 80}}}], volumes: [{name: v}]}")
    spec = pod.raw["spec"]
    assert (spec["restartPolicy"], spec["terminationGracePeriodSeconds"]) == ("Always", 30)
    assert spec["containers"][0]["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert spec["volumes"] == [{"name": "v", "emptyDir": {}}]
    assert pod.meta.namespace == pod.raw["metadata"]["namespace"] == "default"


@pytest.mark.parametrize(("host_network", "port"), [("true", 80), ("false", None)])
def test_host_ports_follow_container_ports_on_the_host_network(host_network: str, port: int | None) -> None:
    pod = decoded(
        f"{{hostNetwork: {host_network}, containers: [{{name: a, command: [x], ports: [{{containerPort: 80}}]}}]}}"
    )
    assert pod.raw["spec"]["containers"][0]["ports"][0].get("hostPort") == port


def test_the_container_s_security_settings_win_over_the_pod_s() -> None:
    pod = decoded(
        "{securityContext: {runAsUser: 1, runAsGroup: 2, runAsNonRoot: true, seccompProfile: {type: "
        "Unconfined}}, containers: ["
        "{name: a, command: [x], securityContext: {runAsUser: 5, capabilities: {add: [CAP_NET_ADMIN], drop: [all]}}},"
        "{name: b, command: [x], securityContext: {runAsNonRoot: false, seccompProfile: {type: RuntimeDefault}}}]}"
    )
    first, second = (container.security_context for container in pod.containers)
    assert (first.run_as_user, first.run_as_group, first.run_as_non_root, first.seccomp_profile) == (
        5,
        2,
        True,
        "Unconfined",
    )
    assert (first.capabilities_add, first.capabilities_drop) == (("NET_ADMIN",), ("ALL",))
    assert (second.run_as_user, second.run_as_non_root, second.seccomp_profile) == (1, False, "RuntimeDefault")


def test_a_status_gives_its_qos_class_and_is_not_printed_again() -> None:
    pod = decoded("{containers: [{name: a, command: [x]}]}", ", status: {qosClass: Guaranteed, hostIP: 7}")
    assert pod.qos_class is QOSClass.GUARANTEED
    assert "status" not in pod.raw


def test_a_defaulted_pod_request_is_printed_as_the_init_container_it_comes_from() -> None:
    pod = decoded(
        spec_of(
            "requests: {cpu: 1}", pod="limits: {memory: 2Gi}", init="*requests: {memory: 128M}|requests: {memory: 1Gi}"
        )
    )
    assert pod.resources is not None
    assert str(pod.resources.requests["memory"]) == "1173576Ki"

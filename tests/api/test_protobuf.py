"""Objects in Protocol Buffers: as kubectl 1.37 sends them, and as nobody should."""

from __future__ import annotations

import base64
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.api.protobuf import parse_protobuf
from nodeguard.api.protobuf_table import messages
from nodeguard.api.status import ApiError

PLAIN = {"string", "int", "bool", "bytes", "raw", "quantity", "strings", "intorstring", "time", "microtime"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            "azhzAAoPCgJ2MRIJQ29uZmlnTWFwEjUKGAoIc2V0dGluZ3MSABoAIgAqADIAOABCABIOCgZjb2xvdXISBGJsdWUaCQoDYmluEgL/"
            "ABoAIgA=",
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "settings"},
                "data": {"colour": "blue"},
                "binaryData": {"bin": "/wA="},
            },
            id="create configmap --from-literal=colour=blue --from-file=bin",
        ),
        pytest.param(
            "azhzAAoMCgJ2MRIGU2VjcmV0EiQKEQoBcxIAGgAiACoAMgA4AEIAEg0KA2tleRIGaGlkZGVuGgAaACIA",
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"key": "aGlkZGVu"}},
            id="create secret generic --from-literal=key=hidden",
        ),
        pytest.param(
            "azhzAAolChRzY2hlZHVsaW5nLms4cy5pby92MRINUHJpb3JpdHlDbGFzcxIrChMKA2xvdxIAGgAiACoAMgA4AEIAEPv//////////wEY"
            "ASIAKgVOZXZlchoAIgA=",
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": {"name": "low"},
                "value": -5,
                "globalDefault": True,
                "preemptionPolicy": "Never",
            },
            id="create priorityclass --value=-5 --global-default --preemption-policy=Never",
        ),
    ],
)
def test_what_kubectl_sends(body: str, expected: dict[str, Any]) -> None:
    assert parse_protobuf(base64.b64decode(body)) == expected


def varint(value: int) -> bytes:
    found = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def enveloped(kind: str, message: bytes, api_version: str = "v1") -> bytes:
    return b"k8s\0" + field(1, field(1, api_version) + field(2, kind)) + field(2, message)


def test_a_pod() -> None:
    limits = field(1, field(1, "memory") + field(2, field(1, "64Mi")))
    port = field(1, 1) + field(3, "http")
    probe = field(1, field(2, field(1, "/healthz") + field(2, port))) + field(4, 5)
    security = field(2, 0) + field(4, 0)
    container = (
        field(1, "main") + field(3, "sleep") + field(3, "9") + field(8, limits) + field(10, probe) + field(15, security)
    )
    volume = field(1, "data") + field(2, field(2, b""))
    spec = field(1, volume) + field(2, container) + field(4, 0) + field(11, 0)
    metadata = field(1, "web") + field(8, b"") + field(9, field(1, 1_700_000_000))
    assert parse_protobuf(enveloped("Pod", field(1, metadata) + field(2, spec) + field(3, b"")))["spec"] == {
        "volumes": [{"name": "data", "emptyDir": {}}],
        "containers": [
            {
                "name": "main",
                "command": ["sleep", "9"],
                "resources": {"limits": {"memory": "64Mi"}},
                "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 5},
                "securityContext": {"privileged": False, "runAsUser": 0},
            }
        ],
        "terminationGracePeriodSeconds": 0,
    }
    found = parse_protobuf(enveloped("Pod", field(1, metadata)))
    assert found["metadata"] == {"name": "web", "deletionTimestamp": "2023-11-14T22:13:20Z"}


def test_zero_is_kept_where_it_says_something() -> None:
    assert parse_protobuf(enveloped("DeleteOptions", field(1, 0)))["gracePeriodSeconds"] == 0
    assert parse_protobuf(enveloped("PriorityClass", field(2, 0)))["value"] == 0
    assert "globalDefault" not in parse_protobuf(enveloped("PriorityClass", field(3, 0)))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{}", id="no envelope"),
        pytest.param(enveloped("Deployment", b""), id="a kind that is not served"),
        pytest.param(enveloped("ConfigMap", b"\x0a\x7fshort"), id="a field that is longer than the rest"),
        pytest.param(enveloped("ConfigMap", b"\x80"), id="a number without an end"),
        pytest.param(enveloped("ConfigMap", field(1, 5)), id="a number where a message should be"),
        pytest.param(enveloped("ConfigMap", field(1, field(1, b"\xff"))), id="text that is not UTF-8"),
        pytest.param(enveloped("ConfigMap", b"\x0b"), id="a group, which nobody has used for ten years"),
        pytest.param(enveloped("Pod", field(1, field(8, field(1, 1 << 62)))), id="a time after the end of time"),
    ],
)
def test_what_is_no_object_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        parse_protobuf(body)
    assert refused.value.code == 400


@given(st.binary(max_size=200), st.sampled_from(sorted(messages())))
def test_any_bytes_are_an_object_or_a_bad_request(data: bytes, kind: str) -> None:
    with contextlib.suppress(ApiError):
        assert parse_protobuf(enveloped(kind, data))["kind"] == kind


def test_every_type_of_the_table_is_known() -> None:
    used = {each.type for fields in messages().values() for each in fields.values()}
    assert used <= PLAIN | messages().keys()

from __future__ import annotations

import pytest
from nodebuilder import placed
from podbuilder import container, init, pod

from nodeguard.model.pod import ContainerKind, ContainerPort
from nodeguard.policy.port import HostPort, collide, host_ports


def port(host_port: int, host_ip: str = "", protocol: str = "TCP") -> ContainerPort:
    return ContainerPort(container_port=80, host_port=host_port, host_ip=host_ip, protocol=protocol)


def test_sidecars_and_containers_take_ports_but_plain_init_containers_do_not() -> None:
    subject = pod(
        container("i", kind=ContainerKind.INIT, ports=(port(1),)),
        container("s", kind=ContainerKind.SIDECAR, ports=(port(2),)),
        container("a", ports=(port(3, "::1"), port(0))),
        init(),
    )
    assert host_ports(subject) == (HostPort("TCP", 2, "0.0.0.0"), HostPort("TCP", 3, "::1"))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param(port(80), port(80), True, id="the same"),
        pytest.param(port(80), port(81), False, id="another port"),
        pytest.param(port(80), port(80, protocol="UDP"), False, id="another protocol"),
        pytest.param(port(80, protocol=""), port(80), True, id="no protocol means TCP"),
        pytest.param(port(80, "127.0.0.1"), port(80, "127.0.0.1"), True, id="the same address"),
        pytest.param(port(80, "127.0.0.1"), port(80, "127.0.0.2"), False, id="another address"),
        pytest.param(port(80, "127.0.0.1"), port(80), True, id="all addresses on one side"),
        pytest.param(port(80, "127.0.0.1"), port(80, "0.0.0.0"), True, id="all addresses, spelled out"),
        pytest.param(port(80, "::"), port(80, "::1"), False, id=":: is an address like any other, as upstream"),
        pytest.param(port(0), port(0), False, id="no host port"),
    ],
)
def test_collide_goes_both_ways(one: ContainerPort, other: ContainerPort, expected: bool) -> None:
    first, second = host_ports(placed("a", ports=(one,))), host_ports(placed("b", ports=(port(7), other)))
    assert collide(first, second) is expected
    assert collide(second, first) is expected

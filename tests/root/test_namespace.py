from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeguard.errors import HostLacks, NotFound
from nodeguard.kernel import mount, namespace, netlink

pytestmark = pytest.mark.root


@pytest.fixture
def place() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="ngtest-", dir="/var/tmp"))
    yield directory
    namespace.unpin(directory)
    directory.rmdir()


def inside(place: Path, *command: str) -> str:
    enter = [f"--{name}={place / name}" for name in ("net", "ipc", "uts") if (place / name).exists()]
    return subprocess.run(["nsenter", *enter, *command], check=True, capture_output=True, text=True).stdout


def own_namespaces() -> list[str]:
    return [str(Path(f"/proc/thread-self/ns/{name}").readlink()) for name in ("net", "ipc", "uts", "mnt")]


def test_host_name_loopback_and_sysctls_are_inside_alone(place: Path) -> None:
    before = own_namespaces(), os.uname().nodename
    namespace.pin_pod_namespaces(
        place,
        hostname="pod-a",
        sysctls={"net.ipv4.ip_unprivileged_port_start": "80", "kernel/shm_rmid_forced": "1"},
    )
    assert (own_namespaces(), os.uname().nodename) == before
    assert inside(place, "hostname") == "pod-a\n"
    assert inside(place, "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start") == "80\n"
    assert inside(place, "cat", "/proc/sys/kernel/shm_rmid_forced") == "1\n"
    links = netlink.list_links(place / "net")
    assert [(link.name, link.is_up) for link in links] == [("lo", True)]
    assert netlink.is_loopback_up(place / "net")
    assert own_namespaces() == before[0]


def test_only_the_wanted_ones(place: Path) -> None:
    namespace.pin_pod_namespaces(place, hostname="pod-a", net=False, uts=False)
    assert sorted(path.name for path in place.iterdir()) == ["ipc"]


def test_two_pods_do_not_share(place: Path) -> None:
    other = Path(tempfile.mkdtemp(prefix="ngtest-", dir="/var/tmp"))
    try:
        for directory in (place, other):
            namespace.pin_pod_namespaces(directory, hostname="pod-a")
        assert (place / "net").stat().st_ino != (other / "net").stat().st_ino
    finally:
        namespace.unpin(other)
        other.rmdir()


def test_letting_go_may_be_repeated(place: Path) -> None:
    namespace.pin_pod_namespaces(place, hostname="pod-a")
    for _ in range(2):
        namespace.unpin(place)
    assert mount.mounts_below(place) == []
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("sysctls", "error"),
    [
        pytest.param({"net.nothing": "1"}, HostLacks, id="unknown"),
        pytest.param({"net/../kernel/hostname": "x"}, HostLacks, id="climbing"),
        pytest.param({"net.ipv4.ip_unprivileged_port_start": "many"}, OSError, id="refused value"),
    ],
)
def test_nothing_is_left_of_a_failure(place: Path, sysctls: dict[str, str], error: type[Exception]) -> None:
    before = own_namespaces()
    with pytest.raises(error):
        namespace.pin_pod_namespaces(place, hostname="pod-a", sysctls=sysctls)
    assert list(place.iterdir()) == []
    assert own_namespaces() == before


def test_links_of_a_namespace_that_is_not_there(place: Path) -> None:
    with pytest.raises(NotFound):
        netlink.list_links(place / "net")

"""Who a machine is and how busy it is, from files as kernels write them, and from damaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeguard.kernel.machine import read_addresses, read_boot_time, read_contention, read_system_info
from nodeguard.model.contention import CpuTime, LinkLoss

STAT = """cpu  100 20 30 4000 50 6 7 8 90 1
cpu0 1 2 3 4 5 6 7 8 9 10
btime 1795233302
"""
DEV = """Inter-|   Receive                                  |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo:  100       9    9    9    0     0          0         0   100       9    9    9    0     0       0          0
  eth0: 5000      40    1    2    0     0          0         0  6000      50    3    4    0     0       0          0
"""
PSI = """some avg10=1.50 avg60=2.50 avg300=3.50 total=12345
full avg10=0.50 avg60=0.25 avg300=0.00 total=678
"""


def proc(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        path = tmp_path / name.replace("_", "/")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_contention(tmp_path: Path) -> None:
    sample = read_contention(proc(tmp_path, stat=STAT, net_dev=DEV, pressure_cpu=PSI, pressure_io=PSI))
    assert sample.cpu_time == CpuTime(busy=171, total=4221), "guests are users already"
    assert sample.links == {"eth0": LinkLoss(packets=90, lost=10)}
    assert sample.cpu is not None
    assert sample.cpu.some.avg60 == 2.5
    assert sample.io is not None
    assert sample.io.full is not None
    assert sample.io.full.avg10 == 0.5


@pytest.mark.parametrize("text", ["", "\n", "cpu\n", "cpu 1 2 3\n", "cpu a b c d e f g h\n", "intr 1 2 3 4 5 6 7\n"])
def test_what_makes_no_sense_is_unknown(tmp_path: Path, text: str) -> None:
    sample = read_contention(proc(tmp_path, stat=text, pressure_cpu=text))
    assert (sample.cpu_time, sample.cpu, sample.io, sample.links) == (None, None, None, None)


def test_boot_time(tmp_path: Path) -> None:
    assert read_boot_time(proc(tmp_path, stat=STAT)) == 1795233302.0
    assert read_boot_time(tmp_path / "nowhere") is None


def test_system_info(tmp_path: Path) -> None:
    files = {
        "etc/machine-id": "3d1219c7c4c5404aaa1f6d2a48adfda4\n",
        "proc/sys/kernel/random/boot_id": "6f29c48a\n",
        "sys/class/dmi/id/product_uuid": "ABC\n",
        "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    info = read_system_info("runc://1", "v1", tmp_path)
    assert info.machine_id == "3d1219c7c4c5404aaa1f6d2a48adfda4"
    assert (info.boot_id, info.system_uuid) == ("6f29c48a", "ABC")
    assert info.os_image == "Debian GNU/Linux 12 (bookworm)"
    assert (info.container_runtime_version, info.kubelet_version) == ("runc://1", "v1")


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    info = read_system_info(root=tmp_path)
    assert (info.machine_id, info.system_uuid, info.boot_id, info.os_image) == ("", "", "", "Linux")


def test_the_name_is_always_an_address() -> None:
    addresses = read_addresses("n1")
    assert addresses[-1].type == "Hostname"
    assert {address.type for address in addresses[:-1]} <= {"InternalIP"}

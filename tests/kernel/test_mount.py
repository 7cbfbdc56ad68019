from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.kernel import mount
from nodeguard.kernel.mount import parse_mountinfo

TEXT = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
33 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 master:3 - cgroup cgroup rw,cpu,cpuacct
36 35 98:0 /mnt1 /a\040b\011c\134d\043 ro,noatime master:1 - ext3 /dev/root\040x rw,errors=continue
"""


def test_fields() -> None:
    proc, cpu, escaped = parse_mountinfo(TEXT)
    assert (proc.mount_point, proc.file_system, proc.is_read_only) == ("/proc", "proc", False)
    assert cpu.super_options == ("rw", "cpu", "cpuacct")
    assert (escaped.mount_point, escaped.root, escaped.source) == ("/a b\tc\\d#", "/mnt1", "/dev/root x")
    assert escaped.is_read_only


def test_a_file_system_without_a_source_name() -> None:
    (point,) = parse_mountinfo("22 27 0:21 / /x rw -  tmpfs  rw\n") or parse_mountinfo("1 2 0:3 / /x rw - tmpfs  rw\n")
    assert point.mount_point == "/x"


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    parse_mountinfo(text)


@pytest.mark.parametrize("path", ["/plain", "/a b", "/x#y", "/tab\there", "/back\\slash", "/line\nfeed"])
def test_a_path_can_be_looked_for_as_it_is_written(path: str) -> None:
    assert mount.unescape(mount.escape(path)) == path
    assert not set(" \t\n") & set(mount.escape(path))


def test_types_that_are_not_wanted_are_left_out() -> None:
    text = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:5 / /run rw - tmpfs tmpfs rw\n"
    assert [point.mount_point for point in mount.parse_mountinfo(text, {"tmpfs"})] == ["/"]

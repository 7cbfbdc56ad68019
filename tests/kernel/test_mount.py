from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

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

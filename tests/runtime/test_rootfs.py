from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nodeguard.errors import HostLacks, RuntimeFailed
from nodeguard.kernel.mount import parse_mountinfo
from nodeguard.runtime import rootfs
from nodeguard.runtime.rootfs import host_submounts, mount_rootfs

MOUNTINFO = r"""
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:21 / /proc rw shared:2 - proc proc rw
24 22 254:2 / /usr rw,relatime shared:3 - ext4 /dev/vda2 rw
25 22 254:3 / /srv/my\040data rw,relatime master:4 - xfs /dev/vda3 rw
26 25 254:4 / /srv/my\040data/deep rw - btrfs /dev/vda4 rw
27 22 0:30 / /tmp rw - tmpfs tmpfs rw
28 22 254:5 / /var/lib/nodeguard rw - ext4 /dev/vda5 rw
29 22 254:6 / /run/media/stick rw - vfat /dev/sdb1 rw
30 22 0:44 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
31 22 254:3 /sub /opt rw - ext4 /dev/vda3 rw
32 22 254:1 /var/lib/kubelet/x /var/lib/kubelet/pods/y/volume-subpaths/z rw - ext4 /dev/vda1 rw
33 22 7:0 / /var/tmp/somebodys-loop rw - ext4 /dev/loop0 rw
broken line
"""


def test_parse_mountinfo() -> None:
    entries = parse_mountinfo(MOUNTINFO)
    told = [(entry.mount_point, entry.file_system, entry.propagation) for entry in entries]
    assert told[0] == ("/", "ext4", ("shared:1",))
    assert told[3] == ("/srv/my data", "xfs", ("master:4",))
    assert entries[4].propagation == ()
    assert len(entries) == 12


def test_disks_below_the_root_are_shown_read_only_parents_first() -> None:
    found = host_submounts(parse_mountinfo(MOUNTINFO), hidden=("/var/lib/nodeguard",))
    assert [one.destination for one in found] == ["/usr", "/opt", "/srv/my data", "/srv/my data/deep"]
    assert all("ro" in one.options and one.source == one.destination for one in found)


@pytest.mark.parametrize(
    ("number", "is_overlay", "error", "words"),
    [
        pytest.param(errno.ENODEV, False, HostLacks, "no overlayfs", id="no overlayfs in the kernel"),
        pytest.param(errno.EINVAL, True, HostLacks, "itself an overlay.*image:", id="the root is an overlay"),
        pytest.param(errno.EINVAL, False, RuntimeFailed, "cannot mount an overlay", id="another reason"),
        pytest.param(errno.ENOENT, False, RuntimeFailed, "no root file system at /nope", id="no such root"),
    ],
)
def test_why_an_overlay_could_not_be_mounted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    is_overlay: bool,
    error: type[Exception],
    words: str,
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(rootfs, "mount", refuse)
    monkeypatch.setattr(rootfs, "_is_overlay", lambda path: is_overlay)
    with pytest.raises(error, match=words):
        mount_rootfs(Path("/nope"), tmp_path / "c")


def test_without_volatile_an_older_kernel_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = []

    def old_kernel(source: str, target: str, fstype: str, flags: int, option: str) -> None:
        options.append(option)
        if option.endswith(",volatile"):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(rootfs, "mount", old_kernel)
    mount_rootfs(Path("/a:b,c"), tmp_path / "c")
    assert [option.endswith(",volatile") for option in options] == [True, False]
    assert options[1].startswith(r"lowerdir=/a\:b\,c,upperdir=")


def test_a_full_disk_is_said_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(RuntimeFailed, match="No space left on device"):
        mount_rootfs(Path("/"), tmp_path / "c")

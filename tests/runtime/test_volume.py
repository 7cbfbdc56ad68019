from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from nodeguard.errors import RuntimeFailed
from nodeguard.kernel.mount import MountPoint
from nodeguard.model.meta import ObjectMeta
from nodeguard.model.pod import DownwardAPI, EmptyDir, HostPath, Pod, Volume, VolumeMount
from nodeguard.model.quantity import Quantity
from nodeguard.runtime import volume
from nodeguard.runtime.volume import mount_volume, prepare


@dataclass(frozen=True)
class File:
    path: str
    text: str
    mode: int = 0o644

    @property
    def content(self) -> bytes:
        return self.text.encode()


def pod(*volumes: Volume, fs_group: int | None = None) -> Pod:
    return Pod(meta=ObjectMeta(name="p", uid="u"), containers=(), volumes=volumes, fs_group=fs_group)


def make(
    source: EmptyDir | HostPath | DownwardAPI,
    state: Path,
    *,
    fs_group: int | None = None,
    bound: int | None = None,
    files: Iterable[File] = (),
) -> Path:
    made = prepare(
        pod(Volume(name="v", source=source), fs_group=fs_group),
        state,
        memory_bound_bytes=bound,
        files=lambda _: files,
    )
    return made["v"]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_empty_dir_is_for_everyone(tmp_path: Path) -> None:
    made = make(EmptyDir(), tmp_path)
    assert made == tmp_path / "volumes" / "v"
    assert mode_of(made) == 0o777
    (made / "kept").touch()
    assert make(EmptyDir(), tmp_path) == made, "may be repeated"
    assert (made / "kept").exists()


@pytest.mark.parametrize(
    ("source", "bound", "expected"),
    [
        pytest.param(EmptyDir(medium="Memory"), None, ("tmpfs", "mode=1777"), id="no bound"),
        pytest.param(EmptyDir(medium="Memory"), 1000, ("tmpfs", "mode=1777,size=1000"), id="the given bound"),
        pytest.param(
            EmptyDir(medium="Memory", size_limit=Quantity.parse("64Ki")),
            100_000,
            ("tmpfs", "mode=1777,size=65536"),
            id="the smaller of both",
        ),
        pytest.param(EmptyDir(medium="HugePages-2Mi"), None, ("hugetlbfs", "mode=777,pagesize=2M"), id="huge pages"),
        pytest.param(EmptyDir(medium="HugePages"), None, ("hugetlbfs", "mode=777"), id="huge pages of default size"),
    ],
)
def test_a_memory_volume_is_a_file_system_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: EmptyDir, bound: int | None, expected: tuple[str, str]
) -> None:
    calls = []
    monkeypatch.setattr(volume.mount, "mount", lambda _s, _t, kind, _f, options: calls.append((kind, options)))
    make(source, tmp_path, bound=bound)
    assert calls == [expected]


@pytest.mark.parametrize(
    ("kind", "path", "error"),
    [
        ("Directory", "dir", None),
        ("Directory", "file", "is not a directory"),
        ("Directory", "none", "is not a directory"),
        ("DirectoryOrCreate", "dir", None),
        ("DirectoryOrCreate", "file", "is not a directory"),
        ("File", "file", None),
        ("File", "dir", "is not a file"),
        ("FileOrCreate", "file", None),
        ("FileOrCreate", "dir", "is not a file"),
        ("FileOrCreate", "none/below", "No such file or directory"),
        ("Socket", "socket", None),
        ("Socket", "file", "is not a socket file"),
        ("CharDevice", "/dev/null", None),
        ("CharDevice", "file", "is not a character device"),
        ("BlockDevice", "file", "is not a block device"),
        ("Directory", "link", None),
        ("", "file", None),
        ("", "dangling", "File exists"),
        ("Directory", "file/below", "is not a directory"),
        ("DirectoryOrCreate", "file/below", "Not a directory"),
    ],
)
def test_host_path_types(tmp_path: Path, kind: str, path: str, error: str | None) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("dir")
    (tmp_path / "dangling").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(tmp_path, os.O_PATH)
        listener.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
        source = HostPath(path=str(tmp_path / path), type=kind)
        if error is None:
            assert make(source, tmp_path / "state") == tmp_path / path
        else:
            with pytest.raises(RuntimeFailed, match=error) as caught:
                make(source, tmp_path / "state")
            assert str(caught.value).startswith('MountVolume.SetUp failed for volume "v" : ')
            assert caught.value.reason == "CreateContainerConfigError"


@pytest.mark.parametrize("kind", ["", "DirectoryOrCreate"])
def test_missing_directories_are_made(tmp_path: Path, kind: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    old = os.umask(0o022)
    try:
        make(HostPath(path=str(tmp_path / "link" / "a" / "b"), type=kind), tmp_path / "state")
    finally:
        os.umask(old)
    assert mode_of(tmp_path / "a" / "b") == 0o755


def test_a_missing_file_is_made(tmp_path: Path) -> None:
    make(HostPath(path=str(tmp_path / "f"), type="FileOrCreate"), tmp_path / "state")
    assert mode_of(tmp_path / "f") == 0o644


def test_downward_files_are_laid_out_for_atomic_change(tmp_path: Path) -> None:
    files = (File("labels", "a=b"), File("deep/one", "1", 0o600), File("deep/two", "2"))
    made = make(DownwardAPI(), tmp_path, files=files)
    version = (made / "..data").readlink()
    assert str(version).startswith("..")
    assert (made / "labels").readlink() == Path("..data/labels")
    assert (made / "deep").readlink() == Path("..data/deep")
    assert (made / "labels").read_text() == "a=b"
    assert (made / "deep" / "two").read_text() == "2"
    assert mode_of(made / "deep" / "one") == 0o600
    assert make(DownwardAPI(), tmp_path, files=files) == made, "may be repeated"


def mounted(where: str, propagation: tuple[str, ...]) -> MountPoint:
    return MountPoint(
        mount_point=where,
        root="/",
        options=("rw",),
        file_system="ext4",
        source="disk",
        super_options=("rw",),
        propagation=propagation,
    )


@pytest.mark.parametrize(
    ("entry", "options"),
    [
        (VolumeMount(name="v", mount_path="/m"), ("rbind", "rprivate", "rw")),
        (VolumeMount(name="v", mount_path="/m", read_only=True), ("rbind", "rprivate", "ro", "rro")),
        (VolumeMount(name="v", mount_path="/m", mount_propagation="HostToContainer"), ("rbind", "rslave", "rw")),
        (VolumeMount(name="v", mount_path="/m", mount_propagation="Bidirectional"), ("rbind", "rshared", "rw")),
    ],
)
def test_mount_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: VolumeMount, options: tuple[str, ...]
) -> None:
    shared = (mounted("/", ("shared:1",)),)
    monkeypatch.setattr("nodeguard.kernel.mount.list_mounts", lambda: shared)
    monkeypatch.setattr(volume, "_can_set_mounts_recursively", lambda: True)
    made = mount_volume(entry, tmp_path, sub_path="", sub_path_target=tmp_path / "t", privileged=True)
    assert (made.destination, made.source, made.options) == ("/m", str(tmp_path), options)


def test_nothing_is_mounted_below_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """crun 1.8 does not take "rro" for one."""
    monkeypatch.setattr(volume, "_can_set_mounts_recursively", lambda: True)
    file = tmp_path / "file"
    file.touch()
    entry = VolumeMount(name="v", mount_path="/m", read_only=True)
    made = mount_volume(entry, file, sub_path="", sub_path_target=tmp_path / "t")
    assert made.options == ("rbind", "rprivate", "ro")


@pytest.mark.parametrize(
    ("propagation", "privileged", "words"),
    [
        ("Bidirectional", False, "needs a privileged container"),
        ("Bidirectional", True, "is mounted on '/srv' but it is not a shared mount"),
        ("HostToContainer", False, "is mounted on '/srv' but it is not a shared or slave mount"),
    ],
)
def test_propagation_that_cannot_be(
    monkeypatch: pytest.MonkeyPatch, propagation: str, privileged: bool, words: str
) -> None:
    table = (
        mounted("/", ("shared:1",)),
        mounted("/srv", ()),
        mounted("/srv2", ("shared:2",)),
    )
    monkeypatch.setattr("nodeguard.kernel.mount.list_mounts", lambda: table)
    entry = VolumeMount(name="v", mount_path="/m", mount_propagation=propagation)
    with pytest.raises(RuntimeFailed, match=words):
        mount_volume(entry, Path("/srv/x"), sub_path="", sub_path_target=Path("/t"), privileged=privileged)


@pytest.fixture
def binds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was bound, by the name it had at that moment."""
    seen: list[str] = []
    monkeypatch.setattr(volume.mount, "bind", lambda source, target: seen.append(str(Path(source).readlink())))
    return seen


def pin(source: Path, sub_path: str, target: Path) -> str:
    entry = VolumeMount(name="v", mount_path="/m")
    return mount_volume(entry, source, sub_path=sub_path, sub_path_target=target).source


def test_a_sub_path_is_pinned(tmp_path: Path, binds: list[str]) -> None:
    source = tmp_path / "v"
    (source / "a").mkdir(parents=True)
    (source / "file").touch()
    assert pin(source, "a", tmp_path / "t" / "0") == str(tmp_path / "t" / "0")
    pin(source, "file", tmp_path / "t" / "1")
    pin(source, "new/deep", tmp_path / "t" / "2")
    assert binds == [str(source / "a"), str(source / "file"), str(source / "new" / "deep")]
    assert (tmp_path / "t" / "0").is_dir()
    assert (tmp_path / "t" / "1").is_file()
    assert mode_of(source / "new") == mode_of(source)


def test_a_link_that_stays_inside_is_followed(tmp_path: Path, binds: list[str]) -> None:
    made = make(DownwardAPI(), tmp_path, files=(File("labels", "a=b"),))
    pin(made, "labels", tmp_path / "t" / "0")
    assert binds == [str(made / (made / "..data").readlink() / "labels")]


@pytest.mark.parametrize("target", ["/etc", "../../..", "/", "../outside"])
def test_no_link_leads_out_of_the_volume(tmp_path: Path, binds: list[str], target: str) -> None:
    source = tmp_path / "v"
    source.mkdir()
    (tmp_path / "outside").mkdir()
    (source / "link").symlink_to(target)
    for sub_path in ("link", "link/passwd", "link/new"):
        with contextlib.suppress(RuntimeFailed):
            pin(source, sub_path, tmp_path / "t" / "0")
    assert all(bound == str(source) or bound.startswith(f"{source}/") for bound in binds)
    assert os.listdir(tmp_path / "outside") == []


def test_climbing_out_is_refused(tmp_path: Path, binds: list[str]) -> None:
    (tmp_path / "v").mkdir()
    with pytest.raises(RuntimeFailed, match="subPath"):
        pin(tmp_path / "v", "new/../../x", tmp_path / "t")
    assert not binds
    assert not (tmp_path / "x").exists()


def test_a_full_disk_is_said_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device", "/state")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(RuntimeFailed, match='volume "v" : /state: No space left on device'):
        make(EmptyDir(), tmp_path)

"""``nodeguard cgroup path``."""

import json
from pathlib import Path

import pytest

from nodeguard.agent.record import Owner, Record
from nodeguard.cli import cgroup
from nodeguard.cli.cgroup import find_pod, mount_point
from nodeguard.cli.main import run
from nodeguard.errors import Conflict, HostLacks, NotFound, UsageError
from nodeguard.kernel.mount import parse_mountinfo

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"


@pytest.mark.parametrize(
    ("mountinfo", "controller", "place"),
    [
        (HYBRID, None, "/sys/fs/cgroup/memory"),
        (HYBRID, "cpu", "/sys/fs/cgroup/cpu,cpuacct"),
        (HYBRID, "unified", "/sys/fs/cgroup/unified"),
        (V2, None, "/sys/fs/cgroup"),
        (V2, "cpu", "/sys/fs/cgroup"),
        (V2, "unified", "/sys/fs/cgroup"),
    ],
)
def test_where_controllers_are(mountinfo: str, controller: str | None, place: str) -> None:
    assert mount_point(parse_mountinfo(mountinfo), controller) == Path(place)


def test_controllers_that_are_not_mounted() -> None:
    with pytest.raises(HostLacks, match="hugetlb"):
        mount_point(parse_mountinfo(HYBRID), "hugetlb")
    with pytest.raises(HostLacks):
        mount_point([], None)


def record(name: str, namespace: str = "default", uid: str = "u1", group: str = "/ng/burstable/podu1") -> Record:
    owner = Owner(pid=1, start_time_ticks=1, boot_id="b")
    return Record(
        uid=uid, namespace=namespace, name=name, owner=owner, cgroup=group, log_dir="/l", state_dir="/s", runtime="runc"
    )


def test_pods_are_found_by_name_and_namespace() -> None:
    records = [record("a", uid="1"), record("a", namespace="other", uid="2"), record("b", uid="3")]
    assert find_pod("pod/a", records).uid == "1"
    assert find_pod("pod/other/a", records).uid == "2"
    assert find_pod("po/b", records).uid == "3"
    with pytest.raises(NotFound, match="no pod default/c"):
        find_pod("pod/c", records)
    with pytest.raises(Conflict):
        find_pod("pod/a", [*records, record("a", uid="4")])


@pytest.mark.parametrize("target", ["a", "pod", "pod/", "pod/a/b/c", "node/a", "pod//a", ""])
def test_targets_that_are_none(target: str) -> None:
    with pytest.raises(UsageError):
        find_pod(target, [])


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One pod with one container, in a tree that is a directory."""
    monkeypatch.setenv("NODEGUARD_CONFIG", "/dev/null")
    monkeypatch.setenv("NODEGUARD_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("NODEGUARD_CGROUP_ROOT", "/ng")
    monkeypatch.setattr(
        cgroup, "mount_point", lambda points, controller: tmp_path / "cgroup" / (controller or "memory")
    )
    (tmp_path / "cgroup/memory/ng/burstable/podu1/app").mkdir(parents=True)
    (tmp_path / "run/pods/u1").mkdir(parents=True)
    data = {"uid": "u1", "namespace": "default", "name": "web", "cgroup": "/ng/burstable/podu1", "log_dir": "/l"}
    data |= {"state_dir": "/s", "runtime": "runc", "owner": {"pid": 1, "start_time_ticks": 1, "boot_id": "b"}}  # type: ignore[dict-item]
    (tmp_path / "run/pods/u1/record.json").write_text(json.dumps(data))
    return tmp_path / "cgroup/memory"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["root"], "ng"),
        (["pod/web"], "ng/burstable/podu1"),
        (["pod/default/web", "-c", "app"], "ng/burstable/podu1/app"),
    ],
)
def test_paths(arguments: list[str], told: str, host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cgroup", "path", *arguments]) == 0
    assert capsys.readouterr().out == f"{host / told}\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["pod/none"], 4),
        (["pod/web", "-c", "none"], 4),
        (["pod/web", "-c", ".."], 4),
        (["pod/web", "--controller", "cpu"], 4),
        (["web"], 2),
        (["root", "-c", "app"], 2),
    ],
)
def test_what_is_not_there(arguments: list[str], code: int, host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cgroup", "path", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from nodeguard.errors import RuntimeFailed
from nodeguard.runtime import bundle
from nodeguard.runtime.bundle import ContainerSpec, Device, Namespace, bind, oci_config, pod_namespaces, write_bundle

SPEC = ContainerSpec(
    args=("sleep", "1"),
    rootfs="/r",
    cgroups_path="/nodeguard/burstable/podu/c",
    namespaces=pod_namespaces("/ns"),
    capabilities=frozenset({"CAP_KILL", "CAP_CHOWN"}),
)


def namespaces(**options: bool) -> dict[str, str | None]:
    return {one.type: one.path for one in pod_namespaces("/ns", **options)}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(
            {},
            {"mount": None, "pid": None, "network": "/ns/net", "uts": "/ns/uts", "ipc": "/ns/ipc"},
            id="a pod shares network, UTS and IPC, and each container has its own PIDs",
        ),
        pytest.param(
            {"host_network": True},
            {"mount": None, "pid": None, "ipc": "/ns/ipc"},
            id="the host's network brings the host's name",
        ),
        pytest.param(
            {"host_pid": True, "host_ipc": True},
            {"mount": None, "network": "/ns/net", "uts": "/ns/uts"},
            id="host PIDs and IPC",
        ),
        pytest.param(
            {"share_pid": True, "private_cgroup": True},
            {
                "mount": None,
                "cgroup": None,
                "pid": "/ns/pid",
                "network": "/ns/net",
                "uts": "/ns/uts",
                "ipc": "/ns/ipc",
            },
            id="shared PIDs on cgroup v2",
        ),
    ],
)
def test_pod_namespaces(options: dict[str, bool], expected: dict[str, str | None]) -> None:
    assert namespaces(**options) == expected


def test_the_limits_are_not_in_the_config_but_the_devices_are() -> None:
    config = oci_config(SPEC)
    assert config["linux"]["resources"] == {"devices": [{"allow": False, "access": "rwm"}]}
    assert config["linux"]["cgroupsPath"] == "/nodeguard/burstable/podu/c"


def test_capabilities_are_neither_inheritable_nor_ambient() -> None:
    capabilities = oci_config(SPEC)["process"]["capabilities"]
    assert capabilities == {kind: ["CAP_CHOWN", "CAP_KILL"] for kind in ("bounding", "effective", "permitted")}


def test_what_is_not_set_is_absent() -> None:
    config = oci_config(SPEC)
    assert "hostname" not in config
    assert "oomScoreAdj" not in config["process"]
    assert "seccomp" not in config["linux"]
    assert "additionalGids" not in config["process"]["user"]


def test_everything_set_is_there() -> None:
    config = oci_config(
        replace(
            SPEC,
            hostname="web",
            oom_score_adj=1000,
            seccomp={"defaultAction": "SCMP_ACT_ALLOW"},
            uid=7,
            gid=8,
            additional_gids=(9,),
            cwd="/srv",
            env=("A=1",),
            no_new_privileges=True,
            readonly_rootfs=True,
            annotations={bundle.POD_UID_ANNOTATION: "u"},
            devices=(Device(path="/dev/x", type="c", major=1, minor=3, mode=0o666),),
        )
    )
    assert config["hostname"] == "web"
    assert config["process"]["oomScoreAdj"] == 1000
    assert config["process"]["user"] == {"uid": 7, "gid": 8, "additionalGids": [9]}
    assert config["process"]["cwd"] == "/srv"
    assert config["process"]["env"] == ["A=1"]
    assert config["process"]["noNewPrivileges"] is True
    assert config["process"]["terminal"] is False
    assert config["root"] == {"path": "/r", "readonly": True}
    assert config["annotations"] == {"dev.nodeguard.pod.uid": "u"}
    assert config["linux"]["devices"][0]["path"] == "/dev/x"


def test_privileged_unmasks_and_may_write_sys() -> None:
    plain, privileged = oci_config(SPEC), oci_config(replace(SPEC, privileged=True))
    assert "/proc/kcore" in plain["linux"]["maskedPaths"]
    assert "/proc/sys" in plain["linux"]["readonlyPaths"]
    assert "maskedPaths" not in privileged["linux"]
    assert privileged["linux"]["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    for config, mode in ((plain, "ro"), (privileged, "rw")):
        (sysfs,) = [one for one in config["mounts"] if one["destination"] == "/sys"]
        assert mode in sysfs["options"]


def test_own_mounts_come_last_in_their_order() -> None:
    own = (bind("/a", "/x"), bind("/b", "/x/y", read_only=True), bundle.hidden("/var/lib/nodeguard"))
    mounts = oci_config(replace(SPEC, mounts=own))["mounts"]
    assert [one["destination"] for one in mounts[-3:]] == ["/x", "/x/y", "/var/lib/nodeguard"]
    assert "ro" in mounts[-2]["options"]
    assert mounts[-1]["type"] == "tmpfs"
    assert "ro" in mounts[-1]["options"]


@pytest.mark.parametrize(
    ("options", "propagation"),
    [((), None), (("rbind", "rprivate"), None), (("rbind", "rslave"), "rslave"), (("rbind", "rshared"), "rshared")],
)
def test_the_root_passes_on_what_its_mounts_pass_on(options: tuple[str, ...], propagation: str | None) -> None:
    config = oci_config(replace(SPEC, mounts=(bind("/a", "/a", options=options),)))
    assert config["linux"].get("rootfsPropagation") == propagation


def test_write_bundle_is_private_and_whole(tmp_path: Path) -> None:
    directory = tmp_path / "bundles" / "c"
    write_bundle(directory, oci_config(SPEC))
    write_bundle(directory, oci_config(replace(SPEC, cwd="/again")))
    assert directory.stat().st_mode & 0o777 == 0o700
    assert os.listdir(directory) == ["config.json"]
    assert json.loads((directory / "config.json").read_text())["process"]["cwd"] == "/again"


def test_a_full_disk_is_said_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(bundle.os, "open", full)
    with pytest.raises(RuntimeFailed, match=r"cannot write the bundle .*config\.json: No space left on device"):
        write_bundle(tmp_path, oci_config(SPEC))


def test_namespace_without_path_is_new() -> None:
    config = oci_config(replace(SPEC, namespaces=(Namespace(type="pid"), Namespace(type="ipc", path="/p"))))
    assert config["linux"]["namespaces"] == [{"type": "pid"}, {"type": "ipc", "path": "/p"}]


def test_host_devices_are_nodes_only() -> None:
    found = {device.path: device for device in bundle.list_host_devices()}
    null = found["/dev/null"]
    assert (null.type, null.major, null.minor) == ("c", 1, 3)
    assert not any(path.startswith(("/dev/pts", "/dev/shm")) for path in found)

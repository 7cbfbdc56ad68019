"""Real containers under conmon and a real runtime: what they see, what they may, and that nothing stays."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sandbox import Sandbox, mount_points, patient

from nodeguard.errors import RuntimeFailed
from nodeguard.kernel import mount
from nodeguard.kernel.namespace import pin_pod_namespaces
from nodeguard.model.meta import ObjectMeta
from nodeguard.model.pod import EmptyDir, HostPath, Pod, Volume, VolumeMount
from nodeguard.runtime import bundle, conmon, image, probe, rootfs, seccomp, volume
from nodeguard.runtime.bundle import ContainerSpec, Namespace
from nodeguard.runtime.capability import compute_capabilities, read_available
from nodeguard.runtime.tree import remove_tree

pytestmark = pytest.mark.root

TIMEOUT_SECONDS = patient(30.0)
THREAD_LIBRARY_SIGNALS = 0b11 << 31
"""32 and 33 belong to the C library: nobody can set them, so they stay as whoever started the tests left them."""
MODE = "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "hybrid"


class Ended:
    """A container that ran to its end: exit code, output by stream, and the raw log."""

    def __init__(self, exit_code: int, log: bytes) -> None:
        self.exit_code, self.log = exit_code, log
        lines = [conmon.parse_cri_line(line) for line in log.splitlines()]
        assert None not in lines, log
        self.lines = [line for line in lines if line is not None]

    @property
    def out(self) -> str:
        return self._stream("stdout")

    @property
    def err(self) -> str:
        return self._stream("stderr")

    def _stream(self, name: str) -> str:
        parts = [one.content + (b"" if one.partial else b"\n") for one in self.lines if one.stream == name]
        return b"".join(parts).decode()


class Machine:
    """Does by hand what the agent does for one container."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.tools = probe.find(MODE, sandbox.run_dir)
        self.runtime_root = sandbox.run_dir / "runc"
        self.exit_dir = sandbox.run_dir / "exits"
        self.exit_dir.mkdir()
        self.number = 0

    @property
    def container_id(self) -> str:
        return f"{self.sandbox.cgroup_root[1:]}-{self.number}"

    @property
    def container_dir(self) -> Path:
        return self.sandbox.state_dir / "pods" / "u" / str(self.number)

    @property
    def bundle(self) -> Path:
        return self.sandbox.run_dir / "bundles" / self.container_id

    @property
    def log_path(self) -> Path:
        return self.sandbox.log_dir / f"{self.number}.log"

    def spec(self, script: str, *, lower: Path | None = None, **fields: object) -> ContainerSpec:
        """A container with the defaults that the agent gives, on the host's root file system."""
        self.number += 1
        capabilities = compute_capabilities((), (), privileged=False, available=read_available())
        on_host = lower is None
        base = ContainerSpec(
            args=("/bin/sh", "-c", script),
            env=("PATH=/usr/sbin:/usr/bin:/sbin:/bin",),
            rootfs=str(rootfs.mount_rootfs(lower or rootfs.ensure_host_root(self.sandbox.run_dir), self.container_dir)),
            cgroups_path=f"{self.sandbox.cgroup_root}/{self.number}",
            namespaces=tuple(Namespace(type=kind) for kind in ("mount", "pid", "ipc", "network", "uts")),
            capabilities=capabilities,
            seccomp=seccomp.default_profile(capabilities),
            hostname="ngtest",
            annotations={bundle.POD_UID_ANNOTATION: "u"},
            mounts=(bundle.private_tmpfs("/run"), bundle.hidden(str(self.sandbox.base))) if on_host else (),
        )
        return replace(base, **fields)  # type: ignore[arg-type]

    def create(self, spec: ContainerSpec) -> int:
        bundle.write_bundle(self.bundle, bundle.oci_config(spec))
        return conmon.start_conmon(
            conmon.ConmonRequest(
                conmon=self.tools.conmon,
                runtime=self.tools.runtime,
                runtime_root=self.runtime_root,
                container_id=self.container_id,
                name="c",
                bundle=self.bundle,
                exit_dir=self.exit_dir,
                log_path=self.log_path,
            )
        ).finish()

    def runtime(self, *words: str) -> str:
        argv = conmon.runtime_argv(self.tools.runtime, self.runtime_root, *words)
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=TIMEOUT_SECONDS).stdout

    def wait(self) -> Ended:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while (code := conmon.read_exit_code(self.exit_dir, self.container_id)) is None:
            assert time.monotonic() < deadline, self.log_path.read_text()
            time.sleep(0.005)
        return Ended(code, self.log_path.read_bytes())

    def run(self, spec: ContainerSpec) -> Ended:
        self.create(spec)
        self.runtime("start", self.container_id)
        ended = self.wait()
        self.runtime("delete", self.container_id)
        return ended

    def clean(self) -> None:
        """Take everything away with nodeguard's own functions; the sandbox then finds what they missed."""
        volume.remove(self.sandbox.state_dir / "pods")
        rootfs.unmount_host(self.sandbox.run_dir)
        for name in ("bundles", "exits", "runc", "runtime.json"):
            remove_tree(self.sandbox.run_dir / name)
        for log in self.sandbox.log_dir.iterdir():
            log.unlink()
        for path in self.sandbox.cgroup_paths():
            path.rmdir()


@pytest.fixture
def machine(sandbox: Sandbox) -> Iterator[Machine]:
    here = Machine(sandbox)
    yield here
    here.clean()


def test_exit_code_and_log(machine: Machine) -> None:
    ended = machine.run(machine.spec("echo out; echo err >&2; printf no-newline; exit 3"))
    assert ended.exit_code == 3
    assert ended.out == "out\nno-newline"
    assert ended.err == "err\n"
    assert all(line.timestamp[:4].isdecimal() and "T" in line.timestamp for line in ended.lines)


def test_a_signal_is_told_as_128_and_its_number(machine: Machine) -> None:
    spec = machine.spec("trap - TERM; sleep 60")
    pid = machine.create(spec)
    machine.runtime("start", machine.container_id)
    state = json.loads(machine.runtime("state", machine.container_id))
    assert (state["pid"], state["status"]) == (pid, "running")
    assert state["annotations"] == {"dev.nodeguard.pod.uid": "u"}
    machine.runtime("kill", machine.container_id, "KILL")
    assert machine.wait().exit_code == 137
    machine.runtime("delete", machine.container_id)


def test_the_hosts_files_are_seen_and_cannot_be_changed(machine: Machine, tmp_path: Path) -> None:
    marker = machine.sandbox.base.parent / f"marker-{os.getpid()}"  # on the root file system itself
    marker.write_text("host")
    try:
        ended = machine.run(machine.spec(f"cat {marker}; echo changed > {marker}; cat {marker}; echo > /new-file"))
        assert ended.out == "hostchanged\n"
        assert marker.read_text() == "host"
        assert not Path("/new-file").exists()
        again = machine.run(machine.spec(f"cat {marker}; test -e /new-file && echo leaked"))
        assert again.out == "host"
    finally:
        marker.unlink()


def test_what_is_the_hosts_business_is_hidden(machine: Machine) -> None:
    base = machine.sandbox.base
    ended = machine.run(
        machine.spec(f"ls -A /run {base} | grep -v :; touch {base}/x 2>/dev/null || echo closed; ls /dev; touch /run/x")
    )
    words = ended.out.split()
    assert words[0] == "closed"
    assert "null" in words
    assert "vda" not in words
    assert ended.exit_code == 0


def test_a_read_only_root(machine: Machine) -> None:
    ended = machine.run(machine.spec("touch /x 2>&1 || touch /run/x && echo run-is-writable", readonly_rootfs=True))
    assert "Read-only file system" in ended.out
    assert "run-is-writable" in ended.out


def test_privileges(machine: Machine) -> None:
    script = "grep -E '^(CapPrm|CapEff|CapBnd|CapInh|CapAmb|NoNewPrivs|Seccomp|SigIgn|SigBlk):' /proc/self/status"
    status = dict(
        line.split(":\t") for line in machine.run(machine.spec(script, no_new_privileges=True)).out.split("\n")[:-1]
    )
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0xA80425FB
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    inherited = int(status["SigIgn"], 16) & ~THREAD_LIBRARY_SIGNALS
    assert inherited == int(status["SigBlk"], 16) == 0


def test_the_default_profile_forbids(machine: Machine) -> None:
    ended = machine.run(machine.spec("unshare -m true 2>&1; echo $?"))
    assert ended.out.strip().endswith("1")
    assert "Operation not permitted" in ended.out


def test_user_and_groups(machine: Machine) -> None:
    ended = machine.run(
        machine.spec(
            "id -u; id -g; id -G; grep CapEff /proc/self/status", uid=1234, gid=5678, additional_gids=(9, 5678)
        )
    )
    assert ended.out.split() == ["1234", "5678", "5678", "9", "CapEff:", "0000000000000000"]


def test_a_privileged_container_sees_devices_and_may_write_sys(machine: Machine) -> None:
    capabilities = compute_capabilities((), (), privileged=True, available=read_available())
    ended = machine.run(
        machine.spec(
            "test -w /sys/kernel && echo sys; test -e /dev/kmsg && echo kmsg; cat /proc/self/status | grep Seccomp:",
            privileged=True,
            capabilities=capabilities,
            seccomp=None,
            devices=bundle.list_host_devices(),
        )
    )
    assert ended.out.split() == ["sys", "kmsg", "Seccomp:", "0"]


@pytest.mark.parametrize(
    ("args", "exit_code"),
    [(("no-such-command",), 127), (("/no/such/file",), 127), (("/etc/passwd",), 126)],
)
def test_a_command_that_cannot_be_run(machine: Machine, args: tuple[str, ...], exit_code: int) -> None:
    with pytest.raises(RuntimeFailed, match=args[0]) as caught:
        machine.create(machine.spec("", args=args))
    assert (caught.value.container_exit_code, caught.value.reason) == (exit_code, "StartError")


def test_a_missing_mount_source_is_no_missing_command(machine: Machine) -> None:
    with pytest.raises(RuntimeFailed, match="/no/such/source") as caught:
        machine.create(machine.spec("true", mounts=(bundle.bind("/no/such/source", "/x"),)))
    assert caught.value.container_exit_code == 128


def test_the_log_is_opened_again_when_asked(machine: Machine) -> None:
    fifo = machine.sandbox.run_dir / "go"
    os.mkfifo(fifo)
    spec = machine.spec("echo one; read x < /go; echo two")
    machine.create(replace(spec, mounts=(*spec.mounts, bundle.bind(str(fifo), "/go"))))
    machine.runtime("start", machine.container_id)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while b"one" not in machine.log_path.read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    rotated = machine.log_path.with_suffix(".log.1")
    machine.log_path.rename(rotated)
    assert conmon.ask_to_reopen_log(machine.bundle)
    while not machine.log_path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    fifo.write_text("go\n")
    ended = machine.wait()
    machine.runtime("delete", machine.container_id)
    fifo.unlink()
    assert ended.out == "two\n"
    assert b"one" in rotated.read_bytes()


def test_containers_of_a_pod_share_pinned_namespaces(machine: Machine, sandbox: Sandbox) -> None:
    pinned = sandbox.run_dir / "ns"
    pinned.mkdir()
    pin_pod_namespaces(pinned, hostname="pod-name")
    spec = machine.spec("sleep 60", hostname=None, namespaces=bundle.pod_namespaces(str(pinned)))
    pid = machine.create(spec)
    machine.runtime("start", machine.container_id)
    holder = machine.container_id
    (pinned / "pid").touch()
    mount.bind(f"/proc/{pid}/ns/pid", pinned / "pid")
    try:
        namespaces = bundle.pod_namespaces(str(pinned), share_pid=True)
        script = "hostname; cat /proc/1/cmdline | tr '\\0' ' '; readlink /proc/self/ns/net /proc/self/ns/pid"
        ended = machine.run(machine.spec(script, hostname=None, namespaces=namespaces))
        lines = ended.out.splitlines()
        assert lines[0] == "pod-name"
        assert lines[1].startswith("/bin/sh -c sleep 60") or lines[1].startswith("sleep 60")
        assert lines[1].endswith(str(Path(f"/proc/{pid}/ns/net").readlink()))
        assert lines[2] == str(Path(f"/proc/{pid}/ns/pid").readlink())
    finally:
        machine.runtime("kill", holder, "KILL")
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while conmon.read_exit_code(machine.exit_dir, holder) is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        machine.runtime("delete", holder)
        remove_tree(pinned)


def test_volumes(machine: Machine, sandbox: Sandbox) -> None:
    outside = sandbox.base / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "kept").write_text("mine")
    mount.mount("below", outside / "deep", "tmpfs", 0, "size=64k")
    pod = Pod(
        meta=ObjectMeta(name="p", uid="u"),
        containers=(),
        fs_group=4242,
        volumes=(
            Volume(name="disk", source=EmptyDir()),
            Volume(name="memory", source=EmptyDir(medium="Memory")),
            Volume(name="host", source=HostPath(path=str(outside), type="Directory")),
        ),
    )
    state = sandbox.state_dir / "pods" / "u"
    try:
        places = volume.prepare(pod, state, memory_bound_bytes=1 << 20, files=lambda _: ())

        def at(name: str, path: str, number: int, *, read_only: bool = False, sub_path: str = "") -> bundle.Mount:
            entry = VolumeMount(name=name, mount_path=path, read_only=read_only)
            target = state / "subpaths" / "c" / str(number)
            return volume.mount_volume(entry, places[name], sub_path=sub_path, sub_path_target=target)

        mounts = (
            at("disk", "/disk", 0),
            at("disk", "/part", 1, sub_path="a/b"),
            at("memory", "/memory", 2),
            at("host", "/outside", 3, read_only=True),
        )
        ended = machine.run(
            machine.spec(
                "echo 1 > /disk/x; stat -c %a:%g /disk /memory; echo 2 > /part/y; cat /disk/a/b/y;"
                "head -c 2000000 /dev/zero > /memory/z 2>/dev/null || echo full;"
                "cat /outside/kept; for f in /outside/x /outside/deep/x; do touch $f 2>/dev/null || echo closed; done;"
                "ln -s /etc /disk/link; mkdir -p /disk/1/2/3",
                mounts=mounts,
            )
        )
        assert ended.out.split() == ["2777:4242", "3777:4242", "2", "full", "mineclosed", "closed"]
        volume.remove(state)
        assert not state.exists()
        assert mount_points(str(state)) == []
        assert (outside / "kept").read_text() == "mine"
        assert Path("/etc/passwd").exists()
    finally:
        mount.unmount(outside / "deep")
        shutil.rmtree(outside)


def test_removing_unmounts_first_and_spares_what_was_bound(sandbox: Sandbox) -> None:
    outside, state = sandbox.base / "outside", sandbox.state_dir / "pods" / "u"
    outside.mkdir()
    (outside / "kept").touch()
    (state / "a" / "bound").mkdir(parents=True)
    mount.bind(outside, state / "a" / "bound")
    mount.bind(outside, state / "a" / "bound")
    volume.remove(state)
    assert (outside / "kept").exists()
    shutil.rmtree(outside)
    volume.remove(state)
    state.parent.rmdir()


def test_the_host_view_may_be_mounted_twice_and_taken_away_twice(sandbox: Sandbox) -> None:
    first = rootfs.ensure_host_root(sandbox.run_dir)
    assert rootfs.ensure_host_root(sandbox.run_dir) == first
    assert len(mount_points(str(first))) == 1
    assert (first / "bin").exists()
    assert list((first / "proc").iterdir()) == []
    with pytest.raises(OSError, match="Read-only"):
        (first / "x").touch()
    assert rootfs.unmount_host(sandbox.run_dir) is True
    assert rootfs.unmount_host(sandbox.run_dir) is False


@pytest.fixture(scope="module")
def busybox_layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny OCI image, built here."""
    directory = tmp_path_factory.mktemp("image")
    layout = directory / "layout"

    def umoci(*words: str) -> None:
        subprocess.run(("umoci", *words), check=True, capture_output=True)

    umoci("init", "--layout", str(layout))
    umoci("new", "--image", f"{layout}:v1")
    umoci("unpack", "--image", f"{layout}:v1", str(directory / "b"))
    root = directory / "b" / "rootfs"
    for name in ("bin", "etc"):
        (root / name).mkdir()
    shutil.copy("/bin/busybox", root / "bin" / "busybox")
    (root / "bin" / "sh").symlink_to("busybox")
    (root / "etc" / "passwd").write_text("web:x:33:34::/:/bin/sh\n")
    umoci("repack", "--image", f"{layout}:v1", str(directory / "b"))
    umoci(
        *("config", "--image", f"{layout}:v1", "--config.entrypoint", "/bin/sh", "--config.cmd", "-c"),
        *("--config.cmd", "echo image-says $GREETING", "--config.env", "GREETING=hello", "--config.user", "web"),
    )
    return layout


@pytest.mark.parametrize("form", ["oci", "oci-archive", "docker-archive"])
def test_an_image_runs(machine: Machine, busybox_layout: Path, form: str, tmp_path: Path) -> None:
    name = str(busybox_layout)
    if form != "oci":
        name = str(tmp_path / "image.tar")
        subprocess.run(
            ("skopeo", "--insecure-policy", "copy", f"oci:{busybox_layout}:v1", f"{form}:{name}:busybox:v1"),
            check=True,
            capture_output=True,
        )
    cache = machine.sandbox.state_dir / "images"
    unpacked = image.ensure_unpacked(image.classify(name), cache)
    assert unpacked.config.user == "web"
    args = image.process_args((), (), unpacked.config)
    for _ in range(2):
        ended = machine.run(
            machine.spec("", lower=unpacked.rootfs, args=args, env=("PATH=/bin", *unpacked.config.env), uid=33, gid=34)
        )
        assert (ended.exit_code, ended.out) == (0, "image-says hello\n"), ended.log
    ended = machine.run(machine.spec("busybox touch /bin/busybox /x; busybox ls /", lower=unpacked.rootfs))
    assert "x" in ended.out.split()
    assert not (unpacked.rootfs / "x").exists()


def test_a_damaged_archive_is_said_clearly(machine: Machine, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text('{"schemaVersion": 2, "manifests": []}')
    with pytest.raises(RuntimeFailed, match="skopeo: ") as caught:
        image.ensure_unpacked(image.classify(str(layout)), machine.sandbox.state_dir / "images")
    assert caught.value.reason == "ErrImagePull"


def test_many_may_be_the_first_to_need_the_hosts_root(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def mount_slowly(*words: Any) -> None:
        time.sleep(0.05)
        mount.mount(*words)

    monkeypatch.setattr(rootfs, "mount", mount_slowly)
    with ThreadPoolExecutor(8) as threads:
        views = list(threads.map(lambda _: rootfs.ensure_host_root(sandbox.run_dir), range(8)))
    try:
        assert len(set(views)) == 1
        assert mount_points(str(sandbox.run_dir)) == [str(sandbox.run_dir / "host"), str(views[0])]
        assert (views[0] / "etc" / "passwd").exists()
    finally:
        rootfs.unmount_host(sandbox.run_dir)

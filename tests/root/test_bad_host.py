"""Hosts that lack something: a clear message, the documented exit code, no traceback, nothing left.

What is taken away is taken away from the command alone: by PATH, by capabilities, or in a mount namespace of its own.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from root.lab import (
    CONTROLLERS,
    VERSION,
    Outcome,
    assert_is_told,
    container,
    nodeguard_words,
    parse_output,
    pod,
    run_pods,
    script_pod,
    write_manifest,
)
from sandbox import Sandbox, patient

pytestmark = pytest.mark.root

Done = subprocess.CompletedProcess[str]


def run_wrapped(sandbox: Sandbox, *words: str | Path) -> Done:
    return subprocess.run(
        [str(word) for word in words],
        env=sandbox.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
    )


def run_after(sandbox: Sandbox, setup: str, path: Path, *options: str) -> Done:
    """Run the pods in a mount namespace of their own, in which ``setup`` was done."""
    command = f"set -e; {setup}; exec {shlex.join(nodeguard_words('run', path, *options))}"
    return run_wrapped(sandbox, "unshare", "--mount", "--propagation", "private", "sh", "-c", command)


def assert_refused(sandbox: Sandbox, done: Done, code: int, *parts: str) -> None:
    assert done.returncode == code, done.stdout + done.stderr
    assert_is_told(done.stderr, *parts)
    assert "Started" not in done.stderr
    assert sandbox.left_behind() == []


# Rights.


def test_not_root(sandbox: Sandbox) -> None:
    """The capability is there only so that the interpreter can be read, wherever it is installed."""
    path = write_manifest(sandbox, script_pod("true"))
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    nobody += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    for command in (("run", path), ("cleanup",)):
        done = run_wrapped(sandbox, *nobody, *nodeguard_words(*command))
        assert_refused(sandbox, done, 6, "root", "sudo")


def test_bad_input_is_told_before_rights(sandbox: Sandbox) -> None:
    path = write_manifest(sandbox, pod("a/b"))
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    nobody += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    assert_refused(sandbox, run_wrapped(sandbox, *nobody, *nodeguard_words("run", path)), 3, "metadata.name")


def test_root_without_the_right_to_mount(sandbox: Sandbox) -> None:
    path = write_manifest(sandbox, script_pod("true"))
    done = run_wrapped(sandbox, "setpriv", "--bounding-set=-sys_admin", *nodeguard_words("run", path))
    assert done.returncode not in (0, 2, 3)
    assert_is_told(done.stderr)
    assert "ermi" in done.stderr, done.stderr  # Permission denied, Operation not permitted
    assert sandbox.left_behind() == []


# Programs.


@contextmanager
def only_programs(sandbox: Sandbox, *names: str) -> Iterator[dict[str, str]]:
    """A PATH with just these, and what the tree's unit is made with where it has one."""
    directory = sandbox.base / "bin"
    directory.mkdir(exist_ok=True)
    for name in (*names, *(("systemctl", "systemd-run") if sandbox.unit else ())):
        found = shutil.which(name)
        assert found, name
        (directory / name).symlink_to(found)
    yield {"PATH": str(directory)}
    shutil.rmtree(directory)


@pytest.mark.parametrize(
    ("there", "parts"),
    [
        pytest.param(("conmon",), ("runc", "crun"), id="no runtime"),
        pytest.param(("runc", "crun"), ("conmon",), id="no conmon"),
        pytest.param((), ("conmon",), id="neither"),
    ],
)
def test_programs_that_are_missing(sandbox: Sandbox, there: tuple[str, ...], parts: tuple[str, ...]) -> None:
    path = write_manifest(sandbox, script_pod("true"))
    with only_programs(sandbox, *there) as env:
        done = sandbox.nodeguard("run", path, env=env)
    assert_refused(sandbox, done, 9, *parts)


def test_programs_that_went_away(sandbox: Sandbox) -> None:
    """Which runtime works is remembered; that it is still there is not taken for granted."""
    path = write_manifest(sandbox, script_pod("true"))
    assert sandbox.nodeguard("run", path).returncode == 0
    with only_programs(sandbox, "conmon") as env:
        done = sandbox.nodeguard("run", path, env=env)
    assert_refused(sandbox, done, 9, "runc")


def test_a_runtime_that_does_not_work(sandbox: Sandbox) -> None:
    path = write_manifest(sandbox, script_pod("true"))
    with only_programs(sandbox, "conmon", "sh") as env:
        broken = Path(env["PATH"]) / "runc"
        broken.write_text("#!/bin/sh\necho 'this one is broken' >&2\nexit 1\n")
        broken.chmod(0o755)
        done = sandbox.nodeguard("run", path, env=env)
    assert_refused(sandbox, done, 9, "runc")


def test_an_image_without_the_programs_to_unpack_it(sandbox: Sandbox) -> None:
    archive = sandbox.base / "image.tar"
    subprocess.run(["tar", "-cf", archive, "-C", sandbox.base, "--files-from", "/dev/null"], check=True, timeout=30)
    with only_programs(sandbox, "conmon", "runc", "crun") as env:
        outcome = run_pods(sandbox, pod("p", container(image=f"oci-archive:{archive}")), env=env)
    assert outcome.code != 0
    assert_is_told(outcome.terminated()["message"], "skopeo")


# Control groups.

EVERY_MOUNT = sorted({str(path) for path in CONTROLLERS.values()}, key=len, reverse=True)


def test_control_groups_that_are_read_only(sandbox: Sandbox) -> None:
    setup = "; ".join(f"mount -o remount,bind,ro {shlex.quote(point)}" for point in EVERY_MOUNT)
    done = run_after(sandbox, setup, write_manifest(sandbox, script_pod("true")))
    assert_refused(sandbox, done, 9, "read-only", "/sys/fs/cgroup")


def test_no_control_groups(sandbox: Sandbox) -> None:
    setup = "; ".join(f"umount --lazy {shlex.quote(point)}" for point in EVERY_MOUNT)
    done = run_after(sandbox, setup, write_manifest(sandbox, script_pod("true")))
    assert_refused(sandbox, done, 9, "cgroup")


def test_a_controller_that_is_missing(sandbox: Sandbox) -> None:
    """On v2 a mount of the v2 tree has them all or none, so there only a tree without any can be shown."""
    gone = [str(CONTROLLERS["pids"])] if VERSION == 1 else EVERY_MOUNT
    setup = "; ".join(f"umount --lazy {shlex.quote(point)}" for point in gone)
    done = run_after(sandbox, setup, write_manifest(sandbox, script_pod("true")))
    assert_refused(sandbox, done, 9, "pids" if VERSION == 1 else "cgroup")


def test_a_missing_seccomp_profile(sandbox: Sandbox) -> None:
    setup = "mount -t tmpfs none /usr/share/containers"
    done = run_after(sandbox, setup, write_manifest(sandbox, script_pod("echo ran")), "-o", "json", "--events", "json")
    outcome = parse_output(done.returncode, done.stderr + done.stdout)
    assert outcome.code != 0
    assert not outcome.log()
    assert_is_told(outcome.terminated()["message"], "seccomp")
    assert sandbox.left_behind() == []


# Disks.


@contextmanager
def small_disk(directory: Path, *, free_kib: int) -> Iterator[None]:
    """A file system of one MiB with only so much free."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "small", directory], check=True, timeout=30)
    try:
        filler = directory / "images"  # a name that may stay behind
        with filler.open("wb") as file:
            file.write(b"x" * (1024 - free_kib) * 1024)
        yield
        filler.unlink()
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True, timeout=30)


@pytest.mark.parametrize("free_kib", [0, 4, 8, 12, 16, 24])
@pytest.mark.parametrize("name", ["state_dir", "run_dir"])
def test_a_full_disk(sandbox: Sandbox, name: str, free_kib: int) -> None:
    """Wherever the space runs out; with a little more room every one of these works. Nobody watches the disk here."""
    directory: Path = getattr(sandbox, name)
    with small_disk(directory, free_kib=free_kib):
        path = write_manifest(sandbox, script_pod("true"))
        done = sandbox.nodeguard("run", path, "--eviction-mode", "off", timeout=30)
        left = [line for line in sandbox.left_behind() if line != f"mount {directory}"]
    assert_is_told(done.stderr)
    if done.returncode != 0:
        assert "No space left" in done.stderr, done.stderr
    assert left == []
    assert free_kib > 0 or done.returncode in (1, 128)


def test_a_full_disk_keeps_pods_out(sandbox: Sandbox) -> None:
    with small_disk(sandbox.state_dir, free_kib=16):
        done = sandbox.nodeguard("run", write_manifest(sandbox, script_pod("true")), timeout=30)
        left = [line for line in sandbox.left_behind() if line != f"mount {sandbox.state_dir}"]
    assert done.returncode == 10
    assert "The node had condition: [DiskPressure]." in done.stderr
    assert left == []


def test_a_full_disk_for_logs(sandbox: Sandbox) -> None:
    """What the container does counts, not what can be written down of it."""
    with small_disk(sandbox.log_dir, free_kib=16):
        outcome = run_pods(sandbox, script_pod("head -c 100000 /dev/zero | tr '\\0' x; exit 5"))
        assert_is_told(outcome.text)
        left = [line for line in sandbox.left_behind() if line != f"mount {sandbox.log_dir}"]
    assert outcome.code == 5
    assert left == []


def test_a_container_that_fills_the_disk(sandbox: Sandbox) -> None:
    with small_disk(sandbox.state_dir, free_kib=256):
        outcome = run_pods(
            sandbox,
            pod(
                "p",
                container(
                    script="head -c 1M /dev/zero > /data/file; echo y > /root/file; exit 6",
                    volumeMounts=[{"name": "data", "mountPath": "/data"}],
                ),
                volumes=[{"name": "data", "emptyDir": {}}],
            ),
            options=("--eviction-mode", "off"),
        )
        left = [line for line in sandbox.left_behind() if line != f"mount {sandbox.state_dir}"]
    assert outcome.code == 6, outcome.text
    assert any("No space left" in line for line in outcome.log())
    assert left == []


def test_directories_that_cannot_be_made(sandbox: Sandbox) -> None:
    file = sandbox.base / "file"
    file.write_text("x")
    path = write_manifest(sandbox, script_pod("true"))
    for variable in ("NODEGUARD_RUN_DIR", "NODEGUARD_STATE_DIR", "NODEGUARD_LOG_DIR"):
        done = sandbox.nodeguard("run", path, env={variable: str(file / "below")}, timeout=30)
        assert done.returncode == 1
        assert_is_told(done.stderr, str(file))
        assert sandbox.left_behind() == []


def test_few_file_descriptors(sandbox: Sandbox) -> None:
    """All pods run, or what could not be had is told. What then cannot be taken away is left to the next start."""
    path = write_manifest(sandbox, *(script_pod("sleep 0.2", name=f"p{i}") for i in range(12)))
    command = nodeguard_words("run", path, "-o", "json", "--events", "json")
    done = run_wrapped(sandbox, "prlimit", "--nofile=32:32", *command)
    assert_is_told(done.stderr)
    outcome: Outcome = parse_output(done.returncode, done.stderr + done.stdout)
    if outcome.code:
        assert "Too many open files" in outcome.text
        sandbox.nodeguard("cleanup")
    assert sandbox.left_behind() == []


def test_the_terminal_is_closed(sandbox: Sandbox) -> None:
    """Without standard streams, as some supervisors start their children."""
    path = write_manifest(sandbox, script_pod("echo hello; exit 3"))
    done = run_wrapped(sandbox, "sh", "-c", f"{shlex.join(nodeguard_words('run', path))} <&- >&- 2>&-")
    assert done.returncode == 3
    assert sandbox.left_behind() == []

"""Nothing stays behind, whoever was killed when; and what is not ours is never touched.

The sandbox fixture checks at the end of every test: processes, cgroups in all hierarchies, mounts (which
namespaces are pinned by), and every file below the run, state and log directories.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from root.lab import (
    CONTROLLERS,
    DEAF,
    UNTIL_TERM,
    Json,
    assert_is_told,
    cgroup_of,
    conmon_pids,
    container,
    finish,
    is_alive,
    kill_at_once,
    pod,
    processes_of,
    record,
    run_pods,
    script_pod,
    start_pods,
    wait_for,
    wait_for_up,
    write_manifest,
)
from sandbox import Running, Sandbox, mount_points

from nodeguard.kernel import systemd

pytestmark = pytest.mark.root


def rich_pod(name: str = "p", script: str = UNTIL_TERM) -> Json:
    """A pod that has one of everything that could stay behind."""
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in ("disk", "memory", "facts")]
    mounts.append({"name": "disk", "mountPath": "/part", "subPath": "a/b"})
    return pod(
        name,
        container("one", script, volumeMounts=mounts),
        container("two", "setsid sleep 1000 & " + script, volumeMounts=mounts),
        initContainers=[container("init", "touch /disk/file", volumeMounts=mounts)],
        volumes=[
            {"name": "disk", "emptyDir": {}},
            {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"name": "facts", "downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        ],
    )


def crash(running: Running) -> None:
    """kill -9, and wait until the process is gone."""
    running.process.kill()
    running.wait()


def clean(sandbox: Sandbox) -> str:
    done = sandbox.nodeguard("cleanup")
    assert done.returncode == 0, done.stdout + done.stderr
    assert_is_told(done.stderr)
    return done.stdout


# An orderly end.


@pytest.mark.parametrize("code", [0, 1], ids=["success", "failure"])
def test_nothing_is_left_after_an_end(sandbox: Sandbox, code: int) -> None:
    assert run_pods(sandbox, rich_pod(script=f"touch /tmp/x /disk/y; exit {code}")).code == code
    assert sandbox.left_behind() == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name)
def test_nothing_is_left_after_a_signal(sandbox: Sandbox, signum: signal.Signals) -> None:
    with start_pods(sandbox, rich_pod(), rich_pod("q")) as running:
        wait_for_up(running, 4)
        assert len([point for point in mount_points(str(sandbox.run_dir)) if "/ns/" in point]) == 6
        running.signal(signum)
        assert finish(running).code == 128 + signum
    assert sandbox.left_behind() == []


def test_nothing_is_left_after_killing_at_once(sandbox: Sandbox) -> None:
    with start_pods(sandbox, rich_pod(script=DEAF)) as running:
        wait_for_up(running, 2)
        kill_at_once(running)
        assert finish(running).code == 130
    assert sandbox.left_behind() == []


def test_nothing_is_left_of_containers_that_cannot_start(sandbox: Sandbox) -> None:
    outcome = run_pods(
        sandbox,
        pod("p", container(command=["/no/such"]), container("other", "sleep 0.1")),
        pod("q", container(), volumes=[{"name": "v", "hostPath": {"path": "/no/such/place", "type": "Directory"}}]),
    )
    assert outcome.code == 127
    assert outcome.status("q")["phase"] == "Failed"
    assert sandbox.left_behind() == []


def test_deep_and_strange_files_go_too(sandbox: Sandbox) -> None:
    script = r"""
        cd /disk
        i=0; while [ $i -lt 300 ]; do mkdir ddddddddddddddddddddd && cd ddddddddddddddddddddd; i=$((i+1)); done
        cd /disk; ln -s / root; mkfifo pipe; touch "$(printf 'a\nb')" -- "-rf"; mkdir locked; chmod 0 locked
    """
    outcome = run_pods(
        sandbox,
        pod(
            "p",
            container(script=script, volumeMounts=[{"name": "disk", "mountPath": "/disk"}]),
            volumes=[{"name": "disk", "emptyDir": {}}],
        ),
    )
    assert outcome.code == 0, outcome.text
    assert sandbox.left_behind() == []


# kill -9 of nodeguard.

MOMENTS = ("Scheduled", '"Created"', '"Started"', "] up")


@pytest.mark.parametrize("moment", MOMENTS, ids=["before anything", "created", "started", "running"])
@pytest.mark.parametrize("by", ["cleanup", "the next run"])
def test_what_a_crash_leaves_goes(sandbox: Sandbox, moment: str, by: str) -> None:
    with start_pods(sandbox, rich_pod(), rich_pod("q")) as running:
        running.read_until(moment)
        crash(running)
    if moment == "] up":
        left = sandbox.left_behind()
        for kind in ("process ", "mount ", "cgroup ", "file "):
            assert any(line.startswith(kind) for line in left), (kind, left)
    if by == "cleanup":
        clean(sandbox)
    else:
        assert run_pods(sandbox, script_pod("true", name="next")).code == 0
    assert sandbox.left_behind() == []


@pytest.mark.parametrize("delay_ms", [5, 15, 25, 35, 50, 70, 100, 150])
def test_a_crash_at_any_time(sandbox: Sandbox, delay_ms: int) -> None:
    """Not a moment that an event tells: between a cgroup and its mark, in the middle of conmon's work, …"""
    with start_pods(sandbox, *(rich_pod(f"p{i}") for i in range(3))) as running:
        running.read_until("Scheduled")
        time.sleep(delay_ms / 1000)
        crash(running)
    clean(sandbox)
    assert sandbox.left_behind() == []


@pytest.mark.parametrize("delay_ms", [0, 10, 20, 40])
def test_a_crash_while_stopping(sandbox: Sandbox, delay_ms: int) -> None:
    with start_pods(sandbox, rich_pod(), rich_pod("deaf", DEAF)) as running:
        wait_for_up(running, 4)
        running.signal(signal.SIGTERM)
        running.read_until('"Killing"')
        time.sleep(delay_ms / 1000)
        crash(running)
    clean(sandbox)
    assert sandbox.left_behind() == []


def test_cleaning_up_may_be_killed_and_repeated(sandbox: Sandbox) -> None:
    with start_pods(sandbox, *(rich_pod(f"p{i}") for i in range(3))) as running:
        wait_for_up(running, 6)
        crash(running)
    for delay_ms in (120, 180, 240):
        with sandbox.start("cleanup") as cleaning:
            time.sleep(delay_ms / 1000)
            cleaning.process.kill()
    clean(sandbox)
    assert sandbox.left_behind() == []


def test_cleaning_up_twice_says_that_there_is_nothing(sandbox: Sandbox) -> None:
    with start_pods(sandbox, pod("p")) as running:
        wait_for_up(running)
        uid = record(sandbox)["uid"]
        crash(running)
    assert uid in clean(sandbox)
    assert clean(sandbox) == ""


def test_containers_that_ended_after_the_crash(sandbox: Sandbox) -> None:
    with start_pods(sandbox, script_pod("echo up; sleep 0.3; exit 3")) as running:
        wait_for_up(running)
        (conmon,) = conmon_pids(sandbox)
        crash(running)
        wait_for(lambda: not is_alive(conmon), "the end of conmon")
    clean(sandbox)
    assert sandbox.left_behind() == []


def test_a_pid_that_was_given_to_somebody_else_protects_nothing(sandbox: Sandbox) -> None:
    with start_pods(sandbox, pod("p")) as running:
        wait_for_up(running)
        crash(running)
    forge_owner(sandbox, pid=os.getpid())
    clean(sandbox)
    assert sandbox.left_behind() == []


def test_another_boot_protects_nothing(sandbox: Sandbox) -> None:
    with start_pods(sandbox, pod("p")) as running:
        wait_for_up(running)
        forge_owner(sandbox, boot_id=str(uuid.uuid4()))
        crash(running)
    clean(sandbox)
    assert sandbox.left_behind() == []


def forge_owner(sandbox: Sandbox, **changes: object) -> None:
    for path in (sandbox.run_dir / "pods").glob("*/record.json"):
        found = json.loads(path.read_text())
        found["owner"].update(changes)
        path.write_text(json.dumps(found))


def test_volumes_and_logs_of_a_pod_whose_run_directory_is_gone(sandbox: Sandbox) -> None:
    """The host was restarted: /run is empty, nothing runs, the disk has what it had."""
    with start_pods(sandbox, rich_pod()) as running:
        wait_for_up(running, 2)
        found = record(sandbox)
        text = Path(found["state_dir"], "record.json").read_text()
        crash(running)
    clean(sandbox)
    state, log = Path(found["state_dir"]), Path(found["log_dir"])
    for directory in (state / "volumes" / "disk", log / "one"):
        directory.mkdir(parents=True)
        (directory / "file").write_text("old")
    (state / "record.json").write_text(text)
    assert clean(sandbox)
    assert sandbox.left_behind() == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"uid": 1}'])
def test_a_damaged_record(sandbox: Sandbox, text: str) -> None:
    with start_pods(sandbox, rich_pod()) as running:
        wait_for_up(running, 2)
        crash(running)
    for path in (sandbox.run_dir / "pods").glob("*/record.json"):
        path.write_text(text)
    clean(sandbox)
    assert sandbox.left_behind() == []


def test_a_living_neighbour_is_left_alone(sandbox: Sandbox) -> None:
    with start_pods(sandbox, rich_pod("neighbour"), name="neighbour") as neighbour:
        wait_for_up(neighbour, 2)
        with start_pods(sandbox, rich_pod(), name="crashed") as running:
            wait_for_up(running, 2)
            uid = record(sandbox)["uid"]
            crash(running)
        assert uid in clean(sandbox)
        assert [record(sandbox, "neighbour")["uid"]] == [path.name for path in (sandbox.run_dir / "pods").iterdir()]
        assert processes_of(cgroup_of(sandbox, "neighbour", "one"))
        neighbour.signal(signal.SIGTERM)
        outcome = finish(neighbour)
    assert outcome.terminated("one", "neighbour")["exitCode"] == 0


# kill -9 of conmon.


def test_a_container_without_its_conmon_is_ended(sandbox: Sandbox) -> None:
    with start_pods(sandbox, rich_pod()) as running:
        wait_for_up(running, 2)
        pids = processes_of(cgroup_of(sandbox, container="one"))
        conmon = Path(record(sandbox)["cgroup"])  # the name alone is wanted
        (bundle,) = (sandbox.run_dir / "pods").glob(f"{conmon.name.removeprefix('pod')}/bundles/*_one_0")
        os.kill(int((bundle / "conmon.pid").read_text()), signal.SIGKILL)
        wait_for(lambda: not any(map(is_alive, pids)), "the end of the container")
        running.signal(signal.SIGTERM)
        outcome = finish(running)
    ended = outcome.terminated("one")
    assert (ended["exitCode"], ended["reason"]) == (137, "ContainerStatusUnknown")
    assert outcome.terminated("two")["exitCode"] == 0
    assert sandbox.left_behind() == []


def test_neither_nodeguard_nor_conmon_survives(sandbox: Sandbox) -> None:
    with start_pods(sandbox, rich_pod()) as running:
        wait_for_up(running, 2)
        pids = [pid for name in ("one", "two") for pid in processes_of(cgroup_of(sandbox, container=name))]
        supervisors = conmon_pids(sandbox)
        assert len(supervisors) == 2
        crash(running)
    for pid in supervisors:
        os.kill(pid, signal.SIGKILL)
    assert all(map(is_alive, pids))
    clean(sandbox)
    assert not any(map(is_alive, pids))
    assert sandbox.left_behind() == []


# Strangers.


@contextmanager
def stranger(words: list[str] | None = None) -> Iterator[int]:
    """A process that has nothing to do with nodeguard."""
    process = subprocess.Popen(words or ["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def stranger_cgroup(path: str, pid: int) -> Iterator[list[Path]]:
    """A cgroup that carries no mark, with a process in it; in every hierarchy that needs no setting up."""
    tops = [CONTROLLERS[name] for name in ("memory", "pids", "freezer", "unified") if name in CONTROLLERS]
    directories = [top / path.lstrip("/") for top in tops]
    try:
        for directory in directories:
            directory.mkdir()
            (directory / "cgroup.procs").write_text(str(pid))
        yield directories
    finally:
        for top, directory in zip(tops, directories, strict=True):
            if directory.is_dir():
                if is_alive(pid):
                    (top / "cgroup.procs").write_text(str(pid))
                directory.rmdir()


def test_a_strangers_cgroup_is_never_touched(sandbox: Sandbox) -> None:
    """It has the name of a pod's, right among ours, but not our mark."""
    path = f"{sandbox.tree_root}/burstable/pod{uuid.uuid4()}"
    with stranger() as pid:
        with start_pods(sandbox, rich_pod()) as running:
            wait_for_up(running, 2)
            crash(running)
        with stranger_cgroup(path, pid) as directories:
            done = sandbox.nodeguard("cleanup")
            assert done.returncode == 1
            assert_is_told(done.stdout + done.stderr, f"{sandbox.tree_root}/burstable", "not nodeguard's")
            assert is_alive(pid)
            assert all(directory.is_dir() for directory in directories)
            assert all(str(pid) in (directory / "cgroup.procs").read_text().split() for directory in directories)
            run_pods(sandbox, script_pod("true"))
            assert is_alive(pid)
            assert all(directory.is_dir() for directory in directories)
        clean(sandbox)
    assert sandbox.left_behind() == []


def test_an_orderly_end_does_not_touch_a_strangers_cgroup_either(sandbox: Sandbox) -> None:
    path = f"{sandbox.tree_root}/besteffort/pod{uuid.uuid4()}"
    with stranger() as pid, start_pods(sandbox, pod("p")) as running:
        wait_for_up(running)
        with stranger_cgroup(path, pid) as directories:
            running.signal(signal.SIGTERM)
            outcome = finish(running)
            assert_is_told(outcome.text)
            assert outcome.terminated()["exitCode"] == 0
            assert is_alive(pid)
            assert all(directory.is_dir() for directory in directories)
        clean(sandbox)


@contextmanager
def running_unit(sandbox: Sandbox) -> Iterator[None]:
    """Where trees hang below a unit of systemd, one that somebody started before and that stays."""
    if sandbox.unit is not None:
        group = systemd.ensure_pods_unit(sandbox.unit)
        (CONTROLLERS["unified"] / group.lstrip("/") / "on-demand").rmdir()  # it says that nodeguard started the unit
    yield
    if sandbox.unit is not None:
        subprocess.run(["systemctl", "stop", sandbox.unit], check=True)


def test_a_root_that_somebody_else_made_is_a_conflict(sandbox: Sandbox) -> None:
    with running_unit(sandbox), stranger() as pid, stranger_cgroup(sandbox.tree_root, pid) as directories:
        done = sandbox.nodeguard("run", write_manifest(sandbox, script_pod("true")))
        assert done.returncode == 5
        assert_is_told(done.stderr, sandbox.tree_root)
        assert is_alive(pid)
        assert all(not [p for p in directory.iterdir() if p.is_dir()] for directory in directories)
        clean(sandbox)
        assert is_alive(pid)
        assert all(directory.is_dir() for directory in directories)


def test_a_process_that_only_speaks_of_our_bundle_is_left_alone(sandbox: Sandbox) -> None:
    with start_pods(sandbox, pod("p")) as running:
        wait_for_up(running)
        (bundle,) = (sandbox.run_dir / "pods").glob("*/bundles/*")
        crash(running)
    with stranger(["tail", "-f", "/dev/null", str(bundle / "config.json")]) as pid:
        clean(sandbox)
        assert is_alive(pid)


def test_a_strangers_files_are_left_alone(sandbox: Sandbox) -> None:
    """Below the log directory there may be pods of a kubelet."""
    theirs = sandbox.log_dir / "default_theirs_0000" / "main"
    theirs.mkdir(parents=True)
    (theirs / "0.log").write_text("x")
    with start_pods(sandbox, pod("p")) as running:
        wait_for_up(running)
        crash(running)
    clean(sandbox)
    assert (theirs / "0.log").read_text() == "x"
    shutil.rmtree(theirs.parent)


def test_a_link_in_place_of_a_volume_is_not_followed(sandbox: Sandbox) -> None:
    outside = sandbox.base / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    with start_pods(sandbox, rich_pod()) as running:
        wait_for_up(running, 2)
        state = Path(record(sandbox)["state_dir"])
        (state / "volumes" / "link").symlink_to(outside)
        crash(running)
    clean(sandbox)
    assert (outside / "precious").read_text() == "x"

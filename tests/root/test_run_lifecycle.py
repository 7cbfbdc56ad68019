"""The life of a pod: what starts when, what ends how, what is told about it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from root.lab import (
    DEAF,
    UNTIL_TERM,
    VERSION,
    Json,
    assert_is_told,
    cgroup_of,
    container,
    control,
    finish,
    is_alive,
    kill_at_once,
    nodeguard_words,
    pod,
    processes_of,
    record,
    resources,
    run_pods,
    script_pod,
    start_pods,
    wait_for_up,
    write_manifest,
)
from sandbox import Running, Sandbox, patient

pytestmark = pytest.mark.root

PHASE_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


# Order.


def test_init_containers_run_one_after_another_then_the_others(sandbox: Sandbox) -> None:
    def step(text: str) -> str:
        return f"echo {text} >> /work/order; sleep 0.1; echo {text} done >> /work/order"

    mounts = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    outcome = run_pods(
        sandbox,
        pod(
            "p",
            container("main", "cat /work/order", **mounts),
            initContainers=[container("one", step("one"), **mounts), container("two", step("two"), **mounts)],
            volumes=[{"name": "work", "emptyDir": {}}],
        ),
    )
    assert outcome.code == 0
    assert outcome.log() == ["one", "one done", "two", "two done"]
    assert [outcome.terminated(name)["reason"] for name in ("one", "two", "main")] == ["Completed"] * 3
    starts = [(e["reason"], e["container"]) for e in outcome.events if e["reason"] == "Started"]
    assert starts == [("Started", "one"), ("Started", "two"), ("Started", "main")]


def test_a_failing_init_container_ends_a_pod_that_is_never_restarted(sandbox: Sandbox) -> None:
    outcome = run_pods(
        sandbox,
        pod(
            "p",
            container(script="echo never"),
            initContainers=[container("bad", "exit 7"), container("later", "echo never")],
        ),
    )
    assert outcome.code == 7
    assert outcome.status()["phase"] == "Failed"
    assert outcome.terminated("bad")["exitCode"] == 7
    assert outcome.container("later")["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert outcome.container("main")["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert not outcome.log()
    assert not outcome.log("later")


def test_a_failing_init_container_is_tried_again(sandbox: Sandbox) -> None:
    """With OnFailure; what the first try left in a volume is there for the second."""
    mounts = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    outcome = run_pods(
        sandbox,
        pod(
            "p",
            container(script="echo main"),
            restartPolicy="OnFailure",
            initContainers=[container("init", "test -e /work/tried && exit 0; touch /work/tried; exit 1", **mounts)],
            volumes=[{"name": "work", "emptyDir": {}}],
        ),
    )
    assert outcome.code == 0
    assert outcome.container("init")["restartCount"] == 1
    assert outcome.log() == ["main"]


def test_a_sidecar_runs_beside_the_others_and_does_not_keep_the_pod(sandbox: Sandbox) -> None:
    outcome = run_pods(
        sandbox,
        pod(
            "p",
            container("main", "cat /work/side; echo main done", volumeMounts=[{"name": "work", "mountPath": "/work"}]),
            initContainers=[
                container(
                    "side",
                    "echo from side > /work/side; " + UNTIL_TERM,
                    restartPolicy="Always",
                    volumeMounts=[{"name": "work", "mountPath": "/work"}],
                ),
                container("after", "until [ -e /work/side ]; do sleep 0.05; done",
                          volumeMounts=[{"name": "work", "mountPath": "/work"}]),
            ],
            volumes=[{"name": "work", "emptyDir": {}}],
        ),
    )  # fmt: skip
    assert outcome.code == 0
    assert outcome.status()["phase"] == "Succeeded"
    assert outcome.log() == ["from side", "main done"]
    assert outcome.terminated("side")["exitCode"] == 0


def test_sidecars_stop_last_and_in_reverse_order(sandbox: Sandbox) -> None:
    def until_term(name: str) -> str:
        return f'trap "echo {name} >> /work/order; sleep 0.2; exit 0" TERM; echo up; sleep 1000 & wait'

    mounts = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    last = f"{until_term('first').replace('sleep 0.2', 'cat /work/order')}"
    with start_pods(
        sandbox,
        pod(
            "p",
            container("main", until_term("main"), **mounts),
            terminationGracePeriodSeconds=20,
            initContainers=[
                container("first", last, restartPolicy="Always", **mounts),
                container("second", until_term("second"), restartPolicy="Always", **mounts),
            ],
            volumes=[{"name": "work", "emptyDir": {}}],
        ),
    ) as running:
        wait_for_up(running, 3)
        running.signal(signal.SIGTERM)
        outcome = finish(running)
    assert outcome.log("first") == ["up", "main", "second", "first"]


# Restarts.


def test_a_failing_container_is_restarted_with_a_growing_back_off(sandbox: Sandbox) -> None:
    """At once the first time, as the kubelet does; then after ten seconds, which nobody here waits for."""
    with start_pods(sandbox, pod("p", container(script="echo try; exit 3"), restartPolicy="OnFailure")) as running:
        running.read_until("[pod/p/main] try", count=2)
        running.read_until('"BackOff"')
        running.signal(signal.SIGINT)
        outcome = finish(running)
    assert outcome.code == 130
    assert outcome.container()["restartCount"] == 1
    assert outcome.terminated()["exitCode"] == 3
    assert len(outcome.log()) == 2
    assert "BackOff" in outcome.reasons("main")
    (back_off,) = [e for e in outcome.events if e["reason"] == "BackOff"]
    assert "back-off 10s" in back_off["message"].lower()


def test_the_longest_back_off_can_be_set(sandbox: Sandbox) -> None:
    config = sandbox.base / "config.yaml"
    config.write_text(
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
        "crashLoopBackOff: {maxContainerRestartPeriod: 1s}\n"
    )
    crashing = pod("p", container(script="echo try; exit 3"), restartPolicy="Always")
    with start_pods(sandbox, crashing, options=("--config", str(config))) as running:
        running.read_until("[pod/p/main] try", count=3)
        running.signal(signal.SIGINT)
        outcome = finish(running)
    assert outcome.container()["restartCount"] >= 2
    starts = [instant(e) for e in outcome.events if e["reason"] == "Started"]
    assert starts[2] - starts[1] >= 1.0


def test_success_is_final_with_on_failure(sandbox: Sandbox) -> None:
    mounts = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    script = "test -e /work/tried && exit 0; touch /work/tried; exit 4"
    outcome = run_pods(
        sandbox,
        pod(
            "p",
            container(script=script, **mounts),
            restartPolicy="OnFailure",
            volumes=[{"name": "work", "emptyDir": {}}],
        ),
    )
    assert outcome.code == 0
    assert outcome.status()["phase"] == "Succeeded"
    status = outcome.container()
    assert (status["restartCount"], status["state"]["terminated"]["exitCode"]) == (1, 0)
    assert status["containerID"].endswith("_main_1")


def test_always_restarts_success_too(sandbox: Sandbox) -> None:
    with start_pods(sandbox, pod("p", container(script="echo try"), restartPolicy="Always")) as running:
        running.read_until("[pod/p/main] try", count=2)
        running.signal(signal.SIGTERM)
        outcome = finish(running)
    assert outcome.code == 143
    assert outcome.container()["restartCount"] == 1


def test_a_restarted_container_starts_with_a_fresh_root_file_system(sandbox: Sandbox) -> None:
    outcome = run_pods(
        sandbox,
        pod(
            "p",
            container(
                script="ls /tmp/mark 2>&1; touch /tmp/mark; test -e /work/tried && exit 0; touch /work/tried; exit 1",
                volumeMounts=[{"name": "work", "mountPath": "/work"}],
            ),
            restartPolicy="OnFailure",
            volumes=[{"name": "work", "emptyDir": {}}],
        ),
    )
    assert outcome.code == 0
    assert all("No such file" in line for line in outcome.log())
    assert len(outcome.log()) == 2


def test_the_deadline_ends_a_pod(sandbox: Sandbox) -> None:
    # not before its trap is set
    outcome = run_pods(sandbox, pod("p", container(), activeDeadlineSeconds=int(patient(1))))
    status = outcome.status()
    assert outcome.code == 1  # the container itself ended well
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert outcome.terminated()["exitCode"] == 0


# Signals.


def test_sigterm_is_the_containers_to_answer(sandbox: Sandbox) -> None:
    script = 'trap "echo bye; exit 42" TERM; echo up; sleep 1000 & wait'
    with start_pods(sandbox, script_pod(script)) as running:
        wait_for_up(running)
        running.signal(signal.SIGINT)
        outcome = finish(running)
    assert outcome.code == 130
    assert outcome.terminated()["exitCode"] == 42
    assert outcome.log() == ["up", "bye"]


@pytest.mark.parametrize(
    ("signum", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["Ctrl-C", "SIGTERM", "SIGHUP"],
)
def test_one_signal_stops_gracefully(sandbox: Sandbox, signum: signal.Signals, code: int) -> None:
    with start_pods(sandbox, pod("p"), pod("q", container("a"), container("b"))) as running:
        wait_for_up(running, 3)
        running.signal(signum)
        outcome = finish(running)
    assert outcome.code == code
    assert [outcome.terminated(c, p)["exitCode"] for c, p in (("main", "p"), ("a", "q"), ("b", "q"))] == [0, 0, 0]


def test_a_deaf_container_is_killed_after_its_grace(sandbox: Sandbox) -> None:
    with start_pods(sandbox, pod("p", container(script=DEAF), terminationGracePeriodSeconds=1)) as running:
        wait_for_up(running)
        running.signal(signal.SIGTERM)
        outcome = finish(running)
    assert outcome.code == 143
    ended = outcome.terminated()
    assert (ended["exitCode"], ended["reason"]) == (137, "Error")
    killing = [e for e in outcome.events if e["reason"] == "Killing"]
    assert [e["type"] for e in killing] == ["Normal", "Warning"]
    assert instant(killing[1]) - instant(killing[0]) >= 0.9


def instant(event: Json) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()


def test_ctrl_c_twice_kills_at_once(sandbox: Sandbox) -> None:
    with start_pods(sandbox, pod("p", container(script=DEAF), terminationGracePeriodSeconds=1000)) as running:
        wait_for_up(running)
        kill_at_once(running)
        outcome = finish(running)
    assert outcome.code == 130
    assert outcome.terminated()["exitCode"] == 137


def test_a_grace_of_zero_is_no_grace(sandbox: Sandbox) -> None:
    with start_pods(sandbox, pod("p", container(script=DEAF), terminationGracePeriodSeconds=0)) as running:
        wait_for_up(running)
        running.signal(signal.SIGTERM)
        outcome = finish(running)
    assert outcome.terminated()["exitCode"] == 137


def test_processes_a_container_left_running_end_with_it(sandbox: Sandbox) -> None:
    """They have sessions of their own, and one has another parent."""
    script = "setsid sleep 1000 & (setsid sh -c 'trap \"\" TERM; sleep 1000' &) ; echo up; sleep 0.2; exit 5"
    with start_pods(sandbox, script_pod(script)) as running:
        wait_for_up(running)
        pids = processes_of(cgroup_of(sandbox, container="main"))
        assert len(pids) >= 3
        outcome = finish(running)
    assert outcome.code == 5
    assert not [pid for pid in pids if is_alive(pid)]


def test_a_signal_before_anything_runs_leaves_nothing(sandbox: Sandbox) -> None:
    with start_pods(sandbox, *(pod(f"p{i}") for i in range(6))) as running:
        running.read_until("Scheduled")
        running.signal(signal.SIGTERM)
        assert finish(running).code == 143


# What is told.


def test_the_final_status_is_complete(sandbox: Sandbox) -> None:
    outcome = run_pods(
        sandbox,
        pod(
            "p",
            container("good", "true"),
            container("bad", "echo why > /dev/termination-log; exit 9", resources=resources("cpu=10m")),
        ),
    )
    assert outcome.code == 9
    item = outcome.pod()
    assert (item["apiVersion"], item["kind"]) == ("v1", "Pod")
    assert item["metadata"]["uid"]
    status = item["status"]
    assert (status["phase"], status["qosClass"]) == ("Failed", "Burstable")
    assert {c["type"] for c in status["conditions"]} == set(PHASE_CONDITIONS)
    assert all(c["status"] in ("True", "False") and c["lastTransitionTime"] for c in status["conditions"])
    bad = outcome.container("bad")
    assert (bad["ready"], bad["started"], bad["restartCount"]) == (False, False, 0)
    ended = bad["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"].strip()) == (9, "Error", "why")
    assert ended["startedAt"] <= ended["finishedAt"]
    assert ended["containerID"] == bad["containerID"]
    assert outcome.terminated("good")["reason"] == "Completed"


def test_yaml_and_names(sandbox: Sandbox) -> None:
    path = write_manifest(sandbox, script_pod("echo hello"))
    done = sandbox.nodeguard("run", path, "-o", "yaml")
    assert done.returncode == 0
    assert yaml.safe_load(done.stdout)["items"][0]["status"]["phase"] == "Succeeded"
    assert "[pod/p/main] hello" in done.stderr
    done = sandbox.nodeguard("run", path, "-o", "name", "--events", "none")
    assert (done.stdout, done.stderr) == ("pod/p\n", "[pod/p/main] hello\n")


def test_logs_go_to_stdout_and_everything_else_to_stderr(sandbox: Sandbox) -> None:
    done = sandbox.nodeguard("run", write_manifest(sandbox, script_pod("echo out; echo err >&2")))
    assert sorted(done.stdout.splitlines()) == ["[pod/p/main] err", "[pod/p/main] out"]
    assert "Started" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_the_first_failure_is_passed_on(sandbox: Sandbox) -> None:
    outcome = run_pods(
        sandbox,
        pod("late", container(script="sleep 0.6; exit 11")),
        pod("early", container(script="sleep 0.1; exit 12"), container("other", "exit 0")),
        pod("good", container(script="true")),
    )
    assert outcome.code == 12
    assert [outcome.status(name)["phase"] for name in ("late", "early", "good")] == ["Failed", "Failed", "Succeeded"]


@pytest.mark.parametrize(
    ("command", "code", "part"),
    [
        pytest.param(["no-such-program"], 127, "no-such-program", id="not in PATH"),
        pytest.param(["/no/such/program"], 127, "/no/such/program", id="no such path"),
        pytest.param(["/etc/passwd"], 126, "/etc/passwd", id="not executable"),
        pytest.param(["/etc"], 126, "/etc", id="a directory"),
    ],
)
def test_a_command_that_cannot_be_started(sandbox: Sandbox, command: list[str], code: int, part: str) -> None:
    outcome = run_pods(sandbox, pod("p", container(command=command)))
    ended = outcome.terminated()
    assert outcome.code == code
    assert (ended["exitCode"], ended["reason"]) == (code, "StartError")
    assert part in ended["message"]
    assert "Failed" in outcome.reasons("main")
    assert outcome.status()["phase"] == "Failed"


def test_the_end_of_the_log_stands_in_for_a_message(sandbox: Sandbox) -> None:
    script = "echo one; echo two; exit 1"
    fields = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    outcome = run_pods(sandbox, script_pod(script, **fields), script_pod("echo fine", name="q", **fields))
    assert outcome.terminated()["message"] == "one\ntwo"
    assert "message" not in outcome.terminated(pod="q")


def test_a_termination_message_is_bounded_and_never_a_link(sandbox: Sandbox) -> None:
    outcome = run_pods(
        sandbox,
        script_pod("head -c 9000 /dev/zero | tr '\\0' x > /dev/termination-log; exit 1"),
        script_pod("rm -f /dev/termination-log; ln -sf /etc/shadow /dev/termination-log; exit 1", name="q"),
    )
    assert outcome.terminated()["message"] == "x" * 4096
    assert "message" not in outcome.terminated(pod="q")


def test_show_tree(sandbox: Sandbox) -> None:
    path = write_manifest(sandbox, pod("p", container(script="sleep 0.5")))
    done = sandbox.nodeguard("run", path, "--show-tree")
    assert done.returncode == 0
    for part in ("guaranteed", "burstable", "besteffort", "default/p", "main"):
        assert part in done.stdout


# Logs.

CRI_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d) (stdout|stderr) ([FP]) (.*)", re.DOTALL)


def log_lines(sandbox: Sandbox, name: str = "main", pod: str = "p") -> list[tuple[str, str, str]]:
    """Stream, tag and content of every line of a container's log file."""
    directory = Path(record(sandbox, pod)["log_dir"])
    text = (directory / name / "0.log").read_text()
    found = []
    for line in text.splitlines():
        match = CRI_LINE.fullmatch(line)
        assert match, line
        found.append((match[2], match[3], match[4]))
    return found


def test_log_files_have_the_format_of_the_container_runtime_interface(sandbox: Sandbox) -> None:
    script = "echo one; echo two >&2; printf 'no end'; sleep 0.3; echo; " + UNTIL_TERM
    with start_pods(sandbox, script_pod(script)) as running:
        wait_for_up(running)
        lines = log_lines(sandbox)
        uid = record(sandbox)["uid"]
        assert (sandbox.log_dir / f"default_p_{uid}" / "main" / "0.log").is_file()
        running.signal(signal.SIGTERM)
        outcome = finish(running)
    assert [line for line in lines if line[0] == "stderr"] == [("stderr", "F", "two")]
    out = [line[1:] for line in lines if line[0] == "stdout"]
    assert out == [("F", "one"), ("P", "no end"), ("F", ""), ("F", "up")]
    assert sorted(outcome.log()) == ["no end", "one", "two", "up"]


def test_the_last_line_needs_no_end(sandbox: Sandbox) -> None:
    outcome = run_pods(sandbox, script_pod("printf 'one\\ntwo'"), script_pod("printf alone >&2", name="q"))
    assert outcome.log() == ["one", "two"]
    assert outcome.log(pod="q") == ["alone"]


def test_long_lines_arrive_whole(sandbox: Sandbox) -> None:
    """conmon cuts them into pieces; below the limit of a line they are one again, above it nothing is lost."""
    script = "head -c 12000 /dev/zero | tr '\\0' a; echo; head -c 100000 /dev/zero | tr '\\0' b; echo; echo end"
    outcome = run_pods(sandbox, script_pod(script))
    assert outcome.log()[0] == "a" * 12000
    assert "".join(outcome.log()[1:-1]) == "b" * 100000
    assert outcome.log()[-1] == "end"


def test_binary_output_and_empty_lines(sandbox: Sandbox) -> None:
    outcome = run_pods(sandbox, script_pod(r"printf 'a\000b\377\033[1m\n\n\nend\n'"))
    assert outcome.code == 0
    assert outcome.log()[1:] == ["", "", "end"]
    assert outcome.log()[0].startswith("a\0b")


def test_log_files_are_rotated_and_nothing_is_lost(sandbox: Sandbox) -> None:
    script = "i=0; while [ $i -lt 600 ]; do echo $i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; i=$((i+1)); " + (
        "[ $((i % 20)) -eq 0 ] && sleep 0.01; done; " + UNTIL_TERM
    )
    options = ("--container-log-max-size", "8Ki", "--container-log-max-files", "3")
    with start_pods(sandbox, script_pod(script), options=options) as running:
        wait_for_up(running)
        directory = Path(record(sandbox)["log_dir"]) / "main"
        names = sorted(path.name for path in directory.iterdir())
        running.signal(signal.SIGTERM)
        outcome = finish(running)
    assert names[0] == "0.log"
    assert 2 <= len(names) <= 3
    assert all(name.startswith("0.log.") for name in names[1:])
    assert [int(line.split()[0]) for line in outcome.log()[:-1]] == list(range(600))


def test_a_container_killed_by_somebody_else(sandbox: Sandbox) -> None:
    """Its output is not lost, and 137 alone is no OOM kill."""
    script = "i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; " + UNTIL_TERM
    with start_pods(sandbox, script_pod(script)) as running:
        running.read_until("line 499")
        os.kill(min(processes_of(cgroup_of(sandbox, container="main"))), signal.SIGKILL)
        outcome = finish(running)
    assert [line for line in outcome.log() if line != "up"] == [f"line {i}" for i in range(500)]
    assert (outcome.code, outcome.terminated()["reason"]) == (137, "Error")


# Several pods, several runs.


def test_twenty_pods_at_once(sandbox: Sandbox) -> None:
    outcome = run_pods(sandbox, *(script_pod(f"echo {i}; exit 0", name=f"p{i}") for i in range(20)))
    assert outcome.code == 0
    assert [outcome.log(pod=f"p{i}") for i in range(20)] == [[str(i)] for i in range(20)]
    assert all(item["status"]["phase"] == "Succeeded" for item in outcome.objects)


def tier_shares(sandbox: Sandbox) -> int:
    tier = f"{sandbox.tree_root}/burstable"
    return int(control(tier, "cpu.shares" if VERSION == 1 else "cpu.weight"))


def to_file(shares: int) -> int:
    return shares if VERSION == 1 else 1 + (shares - 2) * 9999 // 262142


def test_two_runs_share_the_tree(sandbox: Sandbox) -> None:
    one = pod("one", container(resources=resources("cpu=500m")))
    two = pod("two", container(resources=resources("cpu=250m")))
    with start_pods(sandbox, one, name="one") as first:
        wait_for_up(first)
        assert tier_shares(sandbox) == to_file(512)
        with start_pods(sandbox, two, name="two") as second:
            wait_for_up(second)
            assert tier_shares(sandbox) == to_file(768)
            first.signal(signal.SIGTERM)
            assert finish(first).code == 143
            assert tier_shares(sandbox) == to_file(256)
            assert processes_of(cgroup_of(sandbox, "two", "main"))
            second.signal(signal.SIGTERM)
            outcome = finish(second)
    assert outcome.code == 143
    assert outcome.terminated(pod="two")["exitCode"] == 0


def test_two_runs_of_one_pod_are_a_conflict(sandbox: Sandbox) -> None:
    with start_pods(sandbox, pod("p"), name="first") as first:
        wait_for_up(first)
        done = sandbox.nodeguard("run", write_manifest(sandbox, pod("p"), pod("other"), name="second"))
        assert done.returncode == 5
        assert_is_told(done.stderr, "default/p", str(first.pid))
        assert [p.name for p in (sandbox.run_dir / "pods").iterdir()] == [record(sandbox)["uid"]]
        first.signal(signal.SIGTERM)
        finish(first)


def test_two_arenas_in_one_root_are_a_conflict(sandbox: Sandbox) -> None:
    with start_pods(sandbox, pod("p"), options=("--capacity", "cpu=1,memory=512Mi"), name="first") as first:
        wait_for_up(first)
        other = write_manifest(sandbox, pod("q"), name="second")
        done = sandbox.nodeguard("run", other, "--capacity", "cpu=1,memory=256Mi")
        assert done.returncode == 5
        assert_is_told(done.stderr, "capacity", str(first.pid))
        assert control(sandbox.tree_root, "memory.limit_in_bytes" if VERSION == 1 else "memory.max") == str(512 << 20)
        first.signal(signal.SIGTERM)
        finish(first)


def test_runs_that_start_and_end_together_do_not_disturb_each_other(sandbox: Sandbox) -> None:
    """Whoever is last removes the root, while others are about to make it."""
    paths = [write_manifest(sandbox, script_pod(f"echo {i}", name=f"p{i}"), name=f"p{i}") for i in range(4)]
    for _ in range(2):
        with open_all(sandbox, paths) as runs:
            for number, running in enumerate(runs):
                assert running.wait() == 0, running.output
                assert f"[pod/p{number}/main] {number}" in running.output


@contextmanager
def open_all(sandbox: Sandbox, paths: list[Path]) -> Iterator[list[Running]]:
    with ExitStack() as stack:
        yield [stack.enter_context(sandbox.start("run", path)) for path in paths]


def test_a_reader_that_goes_away_does_not_leave_pods_behind(sandbox: Sandbox) -> None:
    """``nodeguard run … | head -n 1``."""
    path = write_manifest(sandbox, script_pod("while :; do echo line; sleep 0.02; done"))
    words = nodeguard_words("run", path, "--events", "none")
    done = subprocess.run(
        ["bash", "-c", f"{shlex.join(words)} | head -n 1; exit ${{PIPESTATUS[0]}}"],
        env=sandbox.environment,
        capture_output=True,
        text=True,
        timeout=patient(30),
        check=False,
    )
    assert done.stdout == "[pod/p/main] line\n"
    assert done.returncode == 141
    assert_is_told(done.stderr)

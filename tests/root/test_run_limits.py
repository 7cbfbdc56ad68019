"""What the kernel has been told about a running pod is what ``explain`` says, and it bites."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from root.lab import (
    UNTIL_TERM,
    VERSION,
    Json,
    cgroup_directory,
    cgroup_of,
    container,
    control,
    finish,
    has_control,
    kill_at_once,
    pod,
    processes_of,
    resources,
    run_pods,
    script_pod,
    start_pods,
    wait_for,
    wait_for_up,
    write_manifest,
)
from sandbox import Sandbox

pytestmark = pytest.mark.root

CLASSES = (
    pod("guaranteed", container(resources=resources(limits="cpu=300m memory=48Mi"))),
    pod(
        "guaranteed2",
        container("a", resources=resources("cpu=150m memory=32Mi", "cpu=150m memory=32Mi")),
        container("b", resources=resources("cpu=100m memory=33Mi", "cpu=100m memory=33Mi")),
    ),
    pod(
        "burstable",
        container("bounded", resources=resources("cpu=250m memory=16Mi", "cpu=500m memory=64Mi")),
        container("unbounded", resources=resources("cpu=50m")),
    ),
    pod(
        "sidecar",
        container(resources=resources("cpu=100m memory=20Mi", "cpu=400m memory=40Mi")),
        initContainers=[
            container(
                "side", restartPolicy="Always", resources=resources("cpu=70m memory=10Mi", "cpu=100m memory=24Mi")
            ),
            container("init", "true", resources=resources("cpu=600m memory=30Mi", "cpu=1 memory=100Mi")),
        ],
    ),
    pod(
        "podlevel",
        container("one", resources=resources("cpu=50m")),
        container("two"),
        resources=resources("cpu=200m memory=32Mi", "cpu=500m memory=96Mi"),
    ),
    pod("besteffort", container()),
)
CAPACITY = ("--capacity", "cpu=2,memory=1Gi")


def can_lower_oom_score() -> bool:
    """Whether this process may have a negative score: asked of the kernel in a child, so that nothing here changes."""
    pid = os.fork()
    if pid == 0:
        try:
            Path("/proc/self/oom_score_adj").write_text("-10")
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def explain(sandbox: Sandbox, *objects: Json, options: tuple[str, ...] = ()) -> dict[str, Json]:
    path = write_manifest(sandbox, *objects, name="explained")
    done = sandbox.nodeguard("explain", path, "-o", "json", *options)
    assert done.returncode == 0, done.stderr
    return {item["pod"]["name"]: item for item in json.loads(done.stdout)["items"]}


def same_value(file: str, wanted: str, got: str) -> bool:
    """Memory is rounded down to whole pages, and "no limit" has a number of its own on v1."""
    if file.startswith("memory.") and file != "memory.oom.group":
        wanted_bytes, got_bytes = (-1 if text in ("max", "-1") else int(text) for text in (wanted, got))
        if wanted_bytes < 0:
            return got_bytes < 0 or got_bytes > 1 << 62
        return got_bytes == wanted_bytes // 4096 * 4096
    return wanted == got


def test_the_kernel_has_what_explain_says(sandbox: Sandbox) -> None:
    explained = explain(sandbox, *CLASSES, options=("--node-cpu", "2", "--node-memory", "1Gi"))
    may_go_below_zero = can_lower_oom_score()
    compared = 0
    with start_pods(sandbox, *CLASSES, options=CAPACITY) as running:
        wait_for_up(running, 10)
        for name, item in explained.items():
            for group in item["cgroups"]:
                if group["container"] == "init":
                    continue  # it has ended
                path = cgroup_of(sandbox, name, group["container"])
                assert path.startswith(f"{sandbox.tree_root}/{item['qosClass'].lower()}/pod")
                for entry in group["files"]:
                    if entry["file"].startswith("hugetlb.") and sandbox.unit:
                        continue  # systemd 252 does not delegate this controller, as doctor says
                    if entry["version"] == VERSION and has_control(entry["file"]):
                        got = control(path, entry["file"])
                        assert same_value(entry["file"], entry["value"], got), (name, path, entry, got)
                        compared += 1
                if group["level"] == "container":
                    wanted = group["oomScoreAdj"] if may_go_below_zero else max(0, group["oomScoreAdj"])
                    for pid in processes_of(path):
                        assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) == wanted, (name, path)
                        compared += 1
        running.signal(signal.SIGTERM)
        assert finish(running).code == 143
    assert compared > 60


def test_tiers_have_the_sums_of_their_pods_and_the_root_has_the_arena(sandbox: Sandbox) -> None:
    explained = explain(sandbox, *CLASSES)
    millicpu = {"guaranteed": 0, "burstable": 0, "besteffort": 0}
    for item in explained.values():
        text = item["effective"]["requests"].get("cpu", "0")
        millicpu[item["qosClass"].lower()] += int(text[:-1]) if text.endswith("m") else int(text) * 1000
    assert millicpu["guaranteed"] == 550
    assert millicpu["besteffort"] == 0
    with start_pods(sandbox, *CLASSES, options=("--capacity", "cpu=1500m,memory=1Gi")) as running:
        wait_for_up(running, 10)
        root = sandbox.tree_root
        assert control(root, "memory.limit_in_bytes" if VERSION == 1 else "memory.max") == str(1 << 30)
        assert cpu_shares(root) == to_file(1536)
        for tier, wanted in millicpu.items():
            assert cpu_shares(f"{root}/{tier}") == to_file(max(2, wanted * 1024 // 1000)), tier
        running.signal(signal.SIGTERM)
        finish(running)


def test_what_is_reserved_is_kept_from_all_pods_together(sandbox: Sandbox) -> None:
    options = (
        "--capacity",
        "cpu=1,memory=512Mi",
        "--system-reserved",
        "memory=100Mi",
        "--kube-reserved",
        "memory=28Mi",
    )
    with start_pods(sandbox, script_pod(UNTIL_TERM), options=options) as running:
        wait_for_up(running)
        limit = control(sandbox.tree_root, "memory.limit_in_bytes" if VERSION == 1 else "memory.max")
        assert limit == str(384 << 20)
        running.signal(signal.SIGTERM)
        finish(running)


def test_a_tier_loses_the_weight_of_a_pod_that_has_ended(sandbox: Sandbox) -> None:
    short = pod("short", container(script="sleep 1", resources=resources("cpu=500m")))
    long = pod("long", container(resources=resources("cpu=250m")))
    with start_pods(sandbox, short, long) as running:
        wait_for_up(running, 1)
        tier = f"{sandbox.tree_root}/burstable"
        assert cpu_shares(tier) == to_file(768)
        wait_for(lambda: cpu_shares(tier) == to_file(256), "the weight of the remaining pod alone")
        running.signal(signal.SIGTERM)
        finish(running)


def cpu_shares(path: str) -> str:
    return control(path, "cpu.shares" if VERSION == 1 else "cpu.weight")


def to_file(shares: int) -> str:
    """Shares as the file of this host has them; the weight is the kubelet's linear conversion."""
    return str(shares if VERSION == 1 else 1 + (shares - 2) * 9999 // 262142)


# They bite.


def cpu_seconds(path: str) -> float:
    if VERSION == 1:
        return int(control(path, "cpuacct.usage")) / 1e9
    return int(control(path, "cpu.stat").split()[1]) / 1e6


def test_a_cpu_quota_holds_a_busy_loop_back(sandbox: Sandbox) -> None:
    busy = script_pod("echo up; while :; do :; done", resources=resources("cpu=100m", "cpu=200m"))
    with start_pods(sandbox, busy) as running:
        running.read_until("] up")
        path = cgroup_of(sandbox)
        used_before, before = cpu_seconds(path), time.monotonic()
        time.sleep(2)
        used, passed = cpu_seconds(path) - used_before, time.monotonic() - before
        stat = dict(line.split() for line in control(path, "cpu.stat").splitlines())
        assert used <= 0.3 * passed
        assert int(stat["nr_throttled"]) > 0
        kill_at_once(running)
        assert finish(running).code == 130


def test_a_memory_limit_ends_in_a_real_oom_kill(sandbox: Sandbox) -> None:
    hog = script_pod("head -c 200M /dev/zero | tail", resources=resources("memory=16Mi", "memory=32Mi"))
    # the shell itself lives on and passes on the code of the process that the kernel killed
    outcome = run_pods(sandbox, hog)
    ended = outcome.terminated()
    assert (outcome.code, ended["exitCode"], ended["reason"]) == (137, 137, "OOMKilled")
    assert "OOMKilling" in outcome.reasons("main")
    assert outcome.status()["phase"] == "Failed"


def test_exit_137_alone_is_no_oom_kill(sandbox: Sandbox) -> None:
    outcome = run_pods(sandbox, script_pod("exit 137", resources=resources("memory=16Mi", "memory=32Mi")))
    ended = outcome.terminated()
    assert (outcome.code, ended["exitCode"], ended["reason"]) == (137, 137, "Error")
    assert "OOMKilling" not in outcome.reasons()


def test_a_pod_wide_memory_limit_kills_too(sandbox: Sandbox) -> None:
    """Two containers that are each below their own limit, in a pod with a limit of its own."""
    hog = pod(
        "p",
        container(script="head -c 200M /dev/zero | tail"),
        container("calm", "sleep 1000"),
        resources=resources("memory=16Mi", "memory=32Mi"),
        terminationGracePeriodSeconds=0,
    )
    with start_pods(sandbox, hog) as running:
        running.read_until("OOMKilling")
        running.signal(signal.SIGTERM)
        outcome = finish(running)
    assert outcome.terminated()["reason"] == "OOMKilled"


def test_a_pids_limit_makes_fork_fail(sandbox: Sandbox) -> None:
    script = "i=0; while [ $i -lt 40 ]; do sleep 30 & i=$((i+1)); done; echo all forked"
    limited = pod("p", container(script=script, command=["bash", "-c", script]))
    with start_pods(sandbox, limited, options=("--pod-max-pids", "12")) as running:
        running.read_until("fork")
        path = cgroup_of(sandbox)
        assert control(path, "pids.max") == "12"
        assert int(control(path, "pids.current")) <= 12
        kill_at_once(running)
        outcome = finish(running)
    assert any("fork" in line and "Resource temporarily unavailable" in line for line in outcome.log())
    assert "all forked" not in outcome.log()


def test_a_pids_limit_from_a_kubelet_configuration_file(sandbox: Sandbox) -> None:
    config = sandbox.base / "config.yaml"
    config.write_text("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\npodPidsLimit: 77\n")
    with start_pods(sandbox, pod("p"), options=("--config", str(config))) as running:
        running.read_until("] up")
        assert control(cgroup_of(sandbox), "pids.max") == "77"
        running.signal(signal.SIGTERM)
        finish(running)


@pytest.mark.parametrize(
    ("volume", "wanted_kib"),
    [
        pytest.param({"medium": "Memory", "sizeLimit": "2Mi"}, 2048, id="its own size limit"),
        pytest.param({"medium": "Memory"}, 16 * 1024, id="the pod's memory limit"),
    ],
)
def test_a_memory_volume_is_full_at_its_size(sandbox: Sandbox, volume: Json, wanted_kib: int) -> None:
    fill = "df -k /data | tail -n 1; head -c 17M /dev/zero > /data/file 2>/tmp/why; cat /tmp/why"
    outcome = run_pods(
        sandbox,
        pod(
            "p",
            container(
                script=fill if "sizeLimit" in volume else "df -k /data | tail -n 1",
                volumeMounts=[{"name": "data", "mountPath": "/data"}],
                resources=resources("memory=8Mi", "memory=16Mi"),
            ),
            volumes=[{"name": "data", "emptyDir": volume}],
        ),
    )
    assert outcome.code == 0
    assert outcome.log()[0].split()[1] == str(wanted_kib)
    if "sizeLimit" in volume:
        assert any("No space left on device" in line for line in outcome.log())


def test_an_arena_kills_before_the_host_suffers(sandbox: Sandbox) -> None:
    """A pod without any limit meets the limit of the arena, where nobody is evicted before."""
    options = ("--capacity", "cpu=1,memory=64Mi", "--eviction-mode", "off")
    outcome = run_pods(sandbox, script_pod("head -c 500M /dev/zero | tail"), options=options)
    assert outcome.terminated()["reason"] == "OOMKilled"
    assert outcome.code == 137


def test_every_process_of_a_pod_is_in_its_cgroup(sandbox: Sandbox) -> None:
    with start_pods(sandbox, script_pod("sleep 1000 & " + UNTIL_TERM)) as running:
        running.read_until("] up")
        path = cgroup_of(sandbox, container="main")
        # the shell says "up" before it has started its second sleep
        pids = wait_for(lambda: found if len(found := processes_of(path)) == 3 else None, "three processes")
        for pid in pids:
            lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
            placed = [line.split(":", 2)[2] for line in lines if not line.endswith(":/")]
            assert set(placed) == {path}, lines
        assert cgroup_directory(path, "memory").is_dir()
        running.signal(signal.SIGTERM)
        finish(running)

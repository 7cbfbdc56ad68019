"""`nodeguard agent` with its API server: pods over the API, restarts of either, static manifests, reload."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest
from root.agentlab import PODS, Api, first_pid, running
from root.lab import Json, container, pod, script_pod
from sandbox import Sandbox, mount_points, patient

pytestmark = [pytest.mark.root]

STATIC = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  terminationGracePeriodSeconds: 1\n" + (
    "  containers: [{name: main, command: [sh, -c, 'trap \"exit 0\" TERM; sleep 1000 & wait']}]\n"
)


@pytest.fixture
def api(sandbox: Sandbox) -> Api:
    return Api(sandbox)


def node_name() -> str:
    return os.uname().nodename.lower()


def api_server_pid(agent_pid: int) -> int:
    children = Path(f"/proc/{agent_pid}/task/{agent_pid}/children").read_text().split()
    found = [pid for pid in children if b"nodeguard.api" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return int(found[0])


def test_pods_come_run_end_and_go_over_the_api(sandbox: Sandbox, api: Api) -> None:
    with running(sandbox) as agent:
        api.create(PODS, script_pod("echo said; exit 7", "ends"))
        uid = api.create(PODS, pod("stays"))["metadata"]["uid"]
        api.wait_for_phase("ends", "Failed")
        assert api.state("ends")["terminated"]["exitCode"] == 7
        api.wait_for_phase("stays", "Running")
        assert first_pid(sandbox, uid) > 0
        agent.read_until("reason=Started of=default/stays")

        code, _ = api.ask("DELETE", f"{PODS}/stays")
        assert code == 200
        api.wait_for_phase("stays", "gone")
        assert not (sandbox.run_dir / "pods" / uid).exists()
        log_dirs = [path.name.split("_")[1] for path in sandbox.log_dir.iterdir()]
        assert log_dirs == ["ends"], "logs of a pod that has ended stay until it is deleted"
        api.ask("DELETE", f"{PODS}/ends")
        api.wait_for_phase("ends", "gone")
        api.wait(lambda: not list(sandbox.log_dir.iterdir()))


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["asked to end", "killed"])
def test_pods_outlive_their_agent(sandbox: Sandbox, api: Api, end: signal.Signals) -> None:
    with sandbox.start("agent", "--pod-manifest-path", "") as agent:
        agent.read_until("agent ready", timeout=60)
        uid = api.create(PODS, pod("p"))["metadata"]["uid"]
        api.wait_for_phase("p", "Running")
        pid = first_pid(sandbox, uid)
        agent.signal(end)
        assert agent.wait() == (0 if end is signal.SIGTERM else -9)
    assert (sandbox.run_dir / "nodeguard.sock").exists() is (end is signal.SIGKILL)
    with running(sandbox):
        api.wait_for_phase("p", "Running")
        found = api.pod("p")
        assert found is not None
        assert found["metadata"]["uid"] == uid
        assert found["status"]["containerStatuses"][0]["restartCount"] == 0
        os.kill(pid, 0)
        assert first_pid(sandbox, uid) == pid
        api.ask("DELETE", f"{PODS}/p")
        api.wait_for_phase("p", "gone")


def test_an_api_server_that_is_killed_is_replaced_and_no_pod_notices(sandbox: Sandbox, api: Api) -> None:
    with running(sandbox) as agent:
        uid = api.create(PODS, pod("p"))["metadata"]["uid"]
        api.wait_for_phase("p", "Running")
        pid, first = first_pid(sandbox, uid), api_server_pid(agent.pid)
        os.kill(first, signal.SIGKILL)
        agent.read_until("API server ended exit_code=137")
        assert api.wait(lambda: api.phase("p")) == "Running", "whoever asks meanwhile waits"
        assert api_server_pid(agent.pid) != first
        assert first_pid(sandbox, uid) == pid
        api.ask("DELETE", f"{PODS}/p")
        api.wait_for_phase("p", "gone")


def test_an_api_server_that_hangs_keeps_nobody_from_looking_after_pods(sandbox: Sandbox, api: Api) -> None:
    with running(sandbox) as agent:
        api.create(PODS, script_pod("sleep 1; echo over", "p", workingDir="/"))
        api.wait_for_phase("p", "Running")
        hanging = api_server_pid(agent.pid)
        os.kill(hanging, signal.SIGSTOP)
        try:
            uid = next((sandbox.run_dir / "pods").iterdir()).name
            api.wait(lambda: not (sandbox.run_dir / "pods" / uid / "bundles").exists())
        finally:
            os.kill(hanging, signal.SIGCONT)
        api.wait_for_phase("p", "Succeeded")
        api.ask("DELETE", f"{PODS}/p")
        api.wait_for_phase("p", "gone")


def test_a_second_agent_is_told_of_the_first(sandbox: Sandbox) -> None:
    with running(sandbox) as agent:
        done = sandbox.nodeguard("agent")
        assert done.returncode == 5
        assert f"process {agent.pid}" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--listen", "192.0.2.7:6443"), 3, "listenAnywhere"),
        (("--listen", "6443"), 3, "HOST:PORT"),
        (("--eviction-hard", "memory.avail<1"), 3, "memory.avail"),
    ],
)
def test_what_an_agent_does_not_begin_with(sandbox: Sandbox, arguments: tuple[str, ...], code: int, says: str) -> None:
    done = sandbox.nodeguard("agent", *arguments)
    assert done.returncode == code
    assert says in done.stderr
    assert not (sandbox.run_dir / "nodeguard.sock").exists()


def is_back(found: Json | None, uid: str) -> bool:
    return found is not None and found["metadata"]["uid"] == uid and "deletionTimestamp" not in found["metadata"]


def test_static_manifests_make_pods_that_the_api_shows(sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    manifests, name = tmp_path / "manifests", f"web-{node_name()}"
    manifests.mkdir()
    (manifests / "web.yaml").write_text(STATIC)
    (manifests / "bad.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: b}\nspec: {contaners: []}\n")
    with running(sandbox, "--pod-manifest-path", manifests) as agent:
        agent.read_until("bad.yaml:4: spec.contaners: unknown field")
        api.wait_for_phase(name, "Running")
        found = api.pod(name)
        assert found is not None
        first = found["metadata"]["uid"]
        assert found["metadata"]["annotations"]["kubernetes.io/config.source"] == "file"

        api.ask("DELETE", f"{PODS}/{name}")
        api.wait(lambda: is_back(api.pod(name), first))  # who deletes the image gets it back

        beside = tmp_path / "web.yaml"
        beside.write_text(STATIC.replace("1000", "2000"))
        beside.replace(manifests / "web.yaml")
        api.wait(lambda: (api.pod(name) or {}).get("metadata", {}).get("uid", first) != first)
        api.wait_for_phase(name, "Running")

        (manifests / "web.yaml").unlink()
        api.wait_for_phase(name, "gone")
        api.wait(lambda: not list((sandbox.run_dir / "pods").iterdir()))


def test_a_configuration_is_read_anew_or_not_at_all(sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    manifests, config = tmp_path / "manifests", tmp_path / "config.yaml"
    manifests.mkdir()
    (manifests / "web.yaml").write_text(STATIC)
    config.write_text("evictionHard: {memory.available: 1Mi}\nstaticPodPath: ''\n")
    with sandbox.start("agent", "--config", config) as agent:
        agent.read_until("agent ready", timeout=60)
        config.write_text("evictionHard: {memory.avail: 1Mi}\nmaxPods: 7\n")
        agent.signal(signal.SIGHUP)
        agent.read_until("the old one stays: ")
        config.write_text(f"evictionHard: {{memory.available: 2Mi}}\nmaxPods: 7\nstaticPodPath: {manifests}\n")
        agent.signal(signal.SIGHUP)
        agent.read_until("when the agent is started again: maxPods")
        agent.read_until("configuration read anew changed=3 waiting=1")
        api.wait_for_phase(f"web-{node_name()}", "Running")
        (manifests / "web.yaml").unlink()
        agent.signal(signal.SIGHUP)
        api.wait_for_phase(f"web-{node_name()}", "gone")
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0


def test_systemd_hears_when_it_is_ready_reloads_lives_and_ends(sandbox: Sandbox, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(patient(30))
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}

        def words() -> set[str]:
            return {line.partition("=")[0] for line in systemd.recv(4096).decode().splitlines()}

        with running(sandbox, env=env) as agent:
            assert words() == {"READY", "STATUS"}
            assert words() == words() == {"WATCHDOG"}
            agent.signal(signal.SIGHUP)
            while (heard := words()) == {"WATCHDOG"}:
                pass
            assert heard == {"RELOADING", "MONOTONIC_USEC"}
            while (heard := words()) == {"WATCHDOG"}:
                pass
            assert heard == {"READY", "STATUS"}
        while (heard := words()) == {"WATCHDOG"}:
            pass
        assert heard == {"STOPPING"}


def test_config_maps_and_secrets_in_pods(sandbox: Sandbox, api: Api) -> None:
    reader = container(
        "main",
        'trap "exit 0" TERM; echo "$color $PW"; while :; do cat /c/color /s/pw; echo; sleep 0.2; done',
        envFrom=[{"configMapRef": {"name": "c"}}],
        env=[{"name": "PW", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}}],
        volumeMounts=[{"name": "c", "mountPath": "/c"}, {"name": "s", "mountPath": "/s"}],
    )
    volumes = [{"name": "c", "configMap": {"name": "c"}}, {"name": "s", "secret": {"secretName": "s"}}]
    objects = "/api/v1/namespaces/default"
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"color": "red"}}
    with running(sandbox) as agent:
        uid = api.create(PODS, pod("p", reader, volumes=volumes))["metadata"]["uid"]
        agent.read_until('MountVolume.SetUp failed for volume "c" : configmap "c" not found')
        api.create(f"{objects}/configmaps", config_map)
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"other": "x"}}
        api.create(f"{objects}/secrets", secret)
        api.wait(lambda: api.state("p").get("waiting", {}).get("reason") == "CreateContainerConfigError")
        assert api.state("p")["waiting"]["message"] == "couldn't find key pw in Secret default/s"
        api.ask("PUT", f"{objects}/secrets/s", {**secret, "stringData": {"pw": "hunter2"}})
        api.wait_for_phase("p", "Running")
        pid = first_pid(sandbox, uid)
        (log_file,) = sandbox.log_dir.rglob("0.log")
        api.wait(lambda: "red hunter2" in log_file.read_text())

        api.ask("PUT", f"{objects}/configmaps/c", {**config_map, "data": {"color": "blue"}})
        api.wait(lambda: "bluehunter2" in log_file.read_text())
        assert first_pid(sandbox, uid) == pid, "a volume follows, a container is not restarted for it"
        assert "hunter2" not in agent.output
        volumes_dir = sandbox.state_dir / "pods" / uid / "volumes"
        assert (volumes_dir / "s" / "pw").read_text() == "hunter2"
        assert str(volumes_dir / "s") in mount_points(str(volumes_dir)), "not on the disk"
        api.ask("DELETE", f"{PODS}/p")
        api.wait_for_phase("p", "gone")


def test_a_kubeconfig_for_the_agent_that_runs(sandbox: Sandbox) -> None:
    done = sandbox.nodeguard("kubeconfig")
    assert done.returncode == 2
    assert "--listen" in done.stderr
    with running(sandbox, "--listen", "127.0.0.1:0") as agent:
        port = agent.output.partition("https://127.0.0.1:")[2].split()[0]
        done = sandbox.nodeguard("kubeconfig")
        assert done.returncode == 0, done.stderr
        (cluster,) = json.loads(done.stdout)["clusters"]
        assert cluster["cluster"]["server"] == f"https://127.0.0.1:{port}"

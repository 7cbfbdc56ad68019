"""The agent as a service of systemd: however it ends, its pods go on as they are, and the next one knows them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from root.lab import Json, cgroup_of, container, is_alive, pod, processes_of, wait_for, write_manifest
from sandbox import REPOSITORY, Sandbox, patient

pytestmark = pytest.mark.root

UNIT = REPOSITORY / "install" / "nodeguard.service"
UNITS = Path("/run/systemd/system")


def systemctl(*words: str) -> str:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def main_pid(unit: str) -> int:
    return int(systemctl("show", "--property=MainPID", "--value", unit))


def shown(sandbox: Sandbox, name: str) -> Json:
    """The pod as the API shows it; empty while nobody answers."""
    done = sandbox.nodeguard("get", f"pod/{name}", "-o", "json", timeout=patient(20))
    found: Json = json.loads(done.stdout) if done.returncode == 0 else {}
    return found


def is_running(sandbox: Sandbox, name: str) -> bool:
    statuses = shown(sandbox, name).get("status", {}).get("containerStatuses", [])
    return bool(statuses) and all("running" in each["state"] for each in statuses)


@pytest.fixture
def unit(sandbox: Sandbox) -> Iterator[str]:
    """The unit as `make install` brings it, but for this tree and this sandbox's directories."""
    name = f"{sandbox.cgroup_root.strip('/')}-agent.service"
    lines = UNIT.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("ExecStart="):
            lines[number] = f"ExecStart={sys.executable} -m nodeguard agent --pod-manifest-path="
        elif line.startswith(("Wants=", "After=")):
            lines[number] = ""
    environment = sandbox.environment
    wanted = [key for key in environment if key.startswith("NODEGUARD_")] + ["PATH", "PYTHONPATH"]
    lines.insert(lines.index("[Service]") + 1, "\n".join(f'Environment="{key}={environment[key]}"' for key in wanted))
    (UNITS / name).write_text("\n".join(lines) + "\n")
    systemctl("daemon-reload")
    sandbox.spare_the_trial()
    systemctl("start", name)
    wait_for(
        lambda: sandbox.nodeguard("get", "nodes", timeout=patient(40)).returncode == 0 or None, "the API", timeout=40
    )
    yield name
    sandbox.nodeguard("delete", "pods", "--all", "--now", timeout=patient(60))  # while there is somebody to end them
    systemctl("stop", name)
    (UNITS / name).unlink()
    systemctl("daemon-reload")
    systemctl("reset-failed")


@pytest.fixture
def pids(sandbox: Sandbox, unit: str) -> Callable[[], list[int]]:
    """A pod that runs; asked, the processes it has now."""
    done = sandbox.nodeguard("apply", "-f", write_manifest(sandbox, pod("p", container(), restartPolicy="Always")))
    assert done.returncode == 0, done.stderr
    wait_for(lambda: is_running(sandbox, "p") or None, "a pod that runs")
    return lambda: processes_of(cgroup_of(sandbox, container="main"))


def assert_unharmed(sandbox: Sandbox, before: list[int], pids: Callable[[], list[int]]) -> None:
    assert before
    assert set(before) <= set(pids())
    wait_for(lambda: is_running(sandbox, "p") or None, "an agent that answers")
    (status,) = shown(sandbox, "p")["status"]["containerStatuses"]
    assert status["restartCount"] == 0
    assert set(before) <= set(pids())


@pytest.mark.parametrize("verbs", [["restart"], ["stop", "start"], ["reload"]], ids=" ".join)
def test_systemd_may_do_as_it_likes_and_pods_go_on(
    sandbox: Sandbox, unit: str, pids: Callable[[], list[int]], verbs: list[str]
) -> None:
    before = pids()
    for verb in verbs:
        systemctl(verb, unit)
    assert systemctl("is-active", unit) == "active"
    assert_unharmed(sandbox, before, pids)


def test_systemd_itself_may_be_reloaded(sandbox: Sandbox, unit: str, pids: Callable[[], list[int]]) -> None:
    before, agent = pids(), main_pid(unit)
    systemctl("daemon-reload")
    systemctl("daemon-reexec")
    assert main_pid(unit) == agent
    assert_unharmed(sandbox, before, pids)


def test_a_killed_agent_comes_back_and_its_pods_never_noticed(
    sandbox: Sandbox, unit: str, pids: Callable[[], list[int]]
) -> None:
    before, agent = pids(), main_pid(unit)
    os.kill(agent, signal.SIGKILL)
    wait_for(lambda: main_pid(unit) not in (0, agent) or None, "another agent", timeout=60)
    assert_unharmed(sandbox, before, pids)


def test_an_agent_that_stands_still_is_replaced(sandbox: Sandbox, unit: str, pids: Callable[[], list[int]]) -> None:
    before, agent = pids(), main_pid(unit)
    os.kill(agent, signal.SIGSTOP)
    # the watchdog ends it with SIGABRT, which a stopped process gets when it goes on, and after a while with SIGKILL
    wait_for(lambda: main_pid(unit) not in (0, agent) or None, "another agent", timeout=30)
    assert_unharmed(sandbox, before, pids)


def test_what_ended_meanwhile_is_told(sandbox: Sandbox, unit: str, pids: Callable[[], list[int]]) -> None:
    systemctl("stop", unit)
    (first,) = [pid for pid in pids() if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sh\0")]
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: not is_alive(first) or None, "the end of the container")
    systemctl("start", unit)

    def last() -> Json | None:
        statuses = shown(sandbox, "p").get("status", {}).get("containerStatuses", [{}])
        found: Json | None = statuses[0].get("lastState", {}).get("terminated")
        return found

    assert wait_for(last, "the end that nobody saw")["exitCode"] == 137
    assert wait_for(lambda: is_running(sandbox, "p") or None, "its next life")
    assert shown(sandbox, "p")["status"]["containerStatuses"][0]["restartCount"] == 1


def test_pods_are_not_in_the_agents_unit(sandbox: Sandbox, unit: str, pids: Callable[[], list[int]]) -> None:
    of_agent = systemctl("show", "--property=ControlGroup", "--value", unit)
    for pid in pids():
        assert of_agent not in Path(f"/proc/{pid}/cgroup").read_text()
    assert cgroup_of(sandbox).startswith(f"/system.slice/{sandbox.unit}/")

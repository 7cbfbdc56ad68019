"""An agent that is killed, wherever it is, and the next one, which goes on: nothing runs twice, nothing is lost.

The sandbox fixture checks at the end of every test that nothing is left: processes, cgroups, mounts, files.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable

import pytest
from _pytest.mark.structures import ParameterSet
from root.keeping import Agent, agent, first_pid, uid_of, with_uid
from root.lab import (
    DEAF,
    UNTIL_TERM,
    VERSION,
    Json,
    cgroup_of,
    conmon_pids,
    container,
    control,
    is_alive,
    pod,
    resources,
    wait_for,
)
from root.test_pressure import grower
from root.test_record import written
from root.test_run_cleanup import forge_owner, stranger, stranger_cgroup
from sandbox import Sandbox, patient

from nodeguard.model.instant import parse_rfc3339

pytestmark = pytest.mark.root

IN_MACHINES_EVERY = 4
"""Every so manieth place is tried in emulated machines, too: what is lost at one does not depend on cgroups, and
`test_soak.py` kills anywhere."""


STATE = "os.rename run/pods/UID/.state.json.PID"
HALF = 2 if VERSION == 1 else 1
"""On cgroup v1 a group is in many hierarchies, and so it can be half removed."""


def sampled(places: Iterable[str]) -> list[ParameterSet]:
    """All places on a host, a choice of them in machines."""
    return [
        pytest.param(place, marks=[pytest.mark.anywhere] if number % IN_MACHINES_EVERY else [])
        for number, place in enumerate(places)
    ]


def marked(sandbox: Sandbox, name: str, script: str) -> Json:
    """A container that writes down each time it runs."""
    return container(name, f"echo {name} >> /marks/runs; {script}", volumeMounts=[{"name": "m", "mountPath": "/marks"}])


def rich_pod(sandbox: Sandbox, script: str = UNTIL_TERM, *, resources_of: str = "") -> Json:
    """A pod that has one of everything that could stay behind, or run twice."""
    (sandbox.base / "marks").mkdir(exist_ok=True)
    disk = [{"name": "disk", "mountPath": "/disk"}, {"name": "memory", "mountPath": "/memory"}]
    main, other = marked(sandbox, "main", script), marked(sandbox, "other", UNTIL_TERM)
    main["volumeMounts"] += disk
    main["resources"] = resources(requests=resources_of)
    return with_uid(
        pod(
            "p",
            main,
            other,
            initContainers=[marked(sandbox, "init", "true")],
            volumes=[
                {"name": "m", "hostPath": {"path": str(sandbox.base / "marks")}},
                {"name": "disk", "emptyDir": {}},
                {"name": "memory", "emptyDir": {"medium": "Memory"}},
            ],
        )
    )


def runs(sandbox: Sandbox) -> list[str]:
    """What has run, each as often as it did."""
    return sorted((sandbox.base / "marks" / "runs").read_text().split())


def killed_at(sandbox: Sandbox, place: str, nth: int, *, first: Callable[[Agent], None], at_once: bool = True) -> Agent:
    """An agent that has been killed in this place, after ``first(agent)`` brought it there.

    Places are counted from its start, or if not ``at_once`` from the moment when ``first`` says ``arm``.
    """
    later = () if at_once else ("--later",)
    with agent(sandbox, "--kill-at", place, str(nth), *later) as dying:
        first(dying)
        assert dying.listen_to_the_end() == -signal.SIGKILL, dying.story()
    assert dying.killed_at is not None, "it died of something else"
    return dying


def wait_for_adoption(next_one: Agent, wanted: Json | None = None) -> None:
    """What has been adopted is known; a pod of which nothing had been written down is begun anew, as the API would."""
    next_one.wait_for(lambda: next_one.adopted is not None, "adoption")
    if wanted is not None and uid_of(wanted) not in (next_one.adopted or ()):
        next_one.do("start", pod=wanted)


def end(last: Agent, *pods: Json) -> None:
    """All goes, as after a deletion, and then the agent."""
    for each in pods:
        last.do("stop", uid=uid_of(each), grace=2)
    last.wait_for(lambda: {uid_of(each) for each in pods} <= last.gone, "the end")
    last.leave()
    assert last.errors == []


# Killed in the middle of a start.

START = {
    "nothing-written": ("os.mkdir run/pods/UID", 1),
    "half-a-pod-file": ("os.rename run/pods/UID/.pod.json.PID", 1),
    "no-record": ("open run/pods/UID/.record.json.PID", 1),
    "half-a-record": ("os.rename run/pods/UID/.record.json.PID", 1),
    "not-counted": ("os.rename run/owners/.PID.json.PID", 2),
    "no-state": (STATE, 1),
    "no-second-record": ("open state/pods/UID/.record.json.PID", 1),
    "no-log-directory": ("os.mkdir log/default_p_UID", 1),
    "no-cgroup": ("os.mkdir cgroup/*/podUID", 1),
    "half-a-cgroup": ("open cgroup/*/podUID/*", 1),
    "no-namespaces": ("os.mkdir run/pods/UID/ns", 1),
    "half-the-namespaces": ("open run/pods/UID/ns/*", 3),
    "no-small-files": ("os.mkdir run/pods/UID/etc", 1),
    "no-shm": ("os.mkdir run/pods/UID/shm", 1),
    "no-volume": ("os.mkdir state/pods/UID/volumes/disk", 1),
    "no-memory-volume": ("os.mkdir state/pods/UID/volumes/memory", 1),
    "not-ready-yet": (STATE, 4),
    "no-container-cgroup": ("os.mkdir cgroup/*/podUID/init", 1),
    "half-a-container-cgroup": ("open cgroup/*/podUID/main/*", 1),
    "no-bundle": ("os.mkdir run/pods/UID/bundles/UID_init_0", 1),
    "half-a-layer": ("os.mkdir state/pods/UID/containers/UID_main_0/work", 1),
    "no-config": ("os.rename run/pods/UID/bundles/UID_main_0/config.json.partial", 1),
    "no-conmon": ("subprocess.Popen conmon", 1),
    "no-conmon-of-the-second": ("subprocess.Popen conmon", 2),
    "created": ("os.posix_spawn runtime start", 1),
    "not-started-yet": ("os.posix_spawn runtime start", 2),
    "exit-of-init-not-given-up": ("os.remove run/exits/UID_init_0", 1),
    "init-not-deleted": ("os.posix_spawn runtime delete", 1),
    "init-half-removed": ("os.remove run/pods/UID/messages/UID_init_0", 1),
    **{f"state-{nth}": (STATE, nth) for nth in range(5, 16, 2)},
}


@pytest.mark.parametrize("place", sampled(START))
def test_killed_in_a_start(sandbox: Sandbox, place: str) -> None:
    wanted = rich_pod(sandbox)
    killed_at(sandbox, *START[place], first=lambda dying: dying.do("start", pod=wanted))
    with agent(sandbox) as next_one:
        wait_for_adoption(next_one, wanted)
        next_one.wait_for_state(uid_of(wanted), "running", "main", "other")
        assert next_one.container(uid_of(wanted), "init")["state"]["terminated"]["exitCode"] == 0
        assert {next_one.container(uid_of(wanted), name)["restartCount"] for name in ("init", "main", "other")} == {0}
        wait_for(lambda: len(runs(sandbox)) >= 3, "the marks")
        assert runs(sandbox) == ["init", "main", "other"], "each once"
        end(next_one, wanted)


@pytest.mark.parametrize(
    "place", ["os.posix_spawn runtime run", "os.mkdir run/pods/UID/etc", "os.posix_spawn runtime start"]
)
def test_killed_in_the_start_of_a_pod_with_one_pid_namespace(sandbox: Sandbox, place: str) -> None:
    """Its namespace is held by a process that has no conmon."""
    wanted = with_uid(pod("p", container("main", "ps -e -o comm; " + UNTIL_TERM), shareProcessNamespace=True))
    killed_at(sandbox, place, 1, first=lambda dying: dying.do("start", pod=wanted))
    with agent(sandbox) as next_one:
        wait_for_adoption(next_one, wanted)
        next_one.wait_for_state(uid_of(wanted), "running")
        next_one.kill()
    log = sandbox.log_dir / f"default_p_{uid_of(wanted)}" / "main" / "0.log"
    wait_for(lambda: " up" in log.read_text(), "its word")
    assert log.read_text().count("catatonit") == 1
    with agent(sandbox) as last:
        wait_for_adoption(last)
        assert last.adopted == [uid_of(wanted)]
        end(last, wanted)


# Killed in the middle of an adoption.

ADOPTION = {
    "nothing-taken": ("open run/pods/UID/.record.json.PID", 1),
    "half-taken": ("os.rename run/pods/UID/.record.json.PID", 1),
    "not-counted": ("os.rename run/owners/.PID.json.PID", 1),
    "no-state": (STATE, 1),
}


@pytest.mark.parametrize("place", sampled(ADOPTION))
def test_killed_in_an_adoption(sandbox: Sandbox, place: str) -> None:
    wanted = rich_pod(sandbox)
    with agent(sandbox) as first:
        first.do("start", pod=wanted)
        first.wait_for_state(uid_of(wanted), "running", "main", "other")
        pid = first_pid(sandbox, wanted)
        started = first.container(uid_of(wanted))["state"]["running"]["startedAt"]
        first.kill()
    killed_at(sandbox, *ADOPTION[place], first=lambda _: None)
    with agent(sandbox) as next_one:
        wait_for_adoption(next_one)
        assert next_one.adopted == [uid_of(wanted)]
        assert next_one.container(uid_of(wanted))["state"]["running"]["startedAt"] == started
        assert first_pid(sandbox, wanted) == pid
        assert is_alive(pid)
        end(next_one, wanted)


# Killed in the middle of an end.

STOP = {
    "not-written": (STATE, 1),
    "written": (STATE, 2),
    "exit-not-given-up": ("os.remove run/exits/*", 1),
    "second-exit-not-given-up": ("os.remove run/exits/*", 2),
    "not-deleted": ("os.posix_spawn runtime delete", 1),
    "half-a-container-cgroup": ("os.rmdir cgroup/*/podUID/main", HALF),
    "half-a-layer": ("os.rmdir upper", 1),
    "half-a-bundle": ("os.remove config.json", 1),
    "message": ("os.remove run/pods/UID/messages/*", 2),
    "half-a-pod-cgroup": ("os.rmdir cgroup/*/podUID", HALF),
    "half-the-volumes": ("os.rmdir disk", 1),
    "namespaces": ("os.remove net", 1),
    "traces": ("os.remove 0.log", 2),
    "record": ("os.remove run/pods/UID/record.json", 1),
    "rest": ("os.remove pod.json", 1),
    **{f"state-{nth}": (STATE, nth) for nth in (3, 5, 7, 9)},
}


@pytest.mark.parametrize("place", sampled(STOP))
def test_killed_in_a_deletion(sandbox: Sandbox, place: str) -> None:
    wanted = rich_pod(sandbox)
    uid = uid_of(wanted)

    def delete(dying: Agent) -> None:
        dying.do("start", pod=wanted)
        dying.wait_for_state(uid, "running", "main", "other")
        dying.do("arm")
        dying.do("stop", uid=uid, grace=2)

    killed_at(sandbox, *STOP[place], first=delete, at_once=False)
    with agent(sandbox) as next_one:
        wait_for_adoption(next_one)
        if next_one.adopted:
            next_one.do("stop", uid=uid, grace=2)
        wait_for(lambda: not (sandbox.run_dir / "pods" / uid).exists(), "the end of the pod")
        assert len(runs(sandbox)) == len(set(runs(sandbox))), "nothing was started again"
        next_one.leave()


END = {
    "exit-not-given-up": ("os.remove run/exits/UID_main_0", 1),
    "exit-not-written-down": (STATE, 1),
    "not-deleted": ("os.posix_spawn runtime delete", 1),
    "other-not-deleted": ("os.posix_spawn runtime delete", 2),
    "half-a-layer": ("os.rmdir upper", 1),
    "half-a-pod-cgroup": ("os.rmdir cgroup/*/podUID", HALF),
    "namespaces": ("os.remove net", 1),
    "not-discounted": ("os.rename run/owners/.PID.json.PID", 1),
    "not-settled": ("os.remove run/pods/UID/record.json", 1),
    "half-settled": ("os.remove pod.json", 1),
    **{f"state-{nth}": (STATE, nth) for nth in (2, 4, 6)},
}


@pytest.mark.parametrize("place", sampled(END))
def test_killed_when_a_pod_ends_by_itself(sandbox: Sandbox, place: str) -> None:
    """Exit codes are right whoever tells them, and logs stay until the pod is deleted."""
    wanted = rich_pod(sandbox, "echo last words; while [ ! -e /marks/go ]; do sleep 0.02; done; exit 3")
    wanted["spec"]["containers"][1]["command"][2] = "while [ ! -e /marks/go ]; do sleep 0.02; done; exit 4"
    uid = uid_of(wanted)

    def let_go(dying: Agent) -> None:
        dying.do("start", pod=wanted)
        dying.wait_for_state(uid, "running", "main", "other")
        dying.do("arm")
        (sandbox.base / "marks" / "go").touch()
        dying.wait_for(lambda: uid in dying.ended or dying.killed_at, "the end")
        dying.do("settle", uid=uid)

    killed_at(sandbox, *END[place], first=let_go, at_once=False)
    with agent(sandbox) as next_one:
        wait_for_adoption(next_one)
        if next_one.adopted:
            next_one.wait_for(lambda: uid in next_one.ended, "the end")
            ends = [next_one.container(uid, name)["state"]["terminated"] for name in ("init", "main", "other")]
            assert [(each["exitCode"], each["reason"]) for each in ends[1:]] == [(3, "Error"), (4, "Error")]
            assert next_one.pods[uid]["status"]["phase"] == "Failed"
            next_one.do("settle", uid=uid)
        else:
            assert place == "half-settled"
        assert "last words" in (sandbox.log_dir / f"default_p_{uid}" / "main" / "0.log").read_text()
        next_one.do("forget", uid=uid)
        next_one.wait_for(lambda: uid in next_one.gone | next_one.forgotten, "nothing")
        wait_for(lambda: not list(sandbox.log_dir.iterdir()), "the end of the logs")
        next_one.leave()


# Killed in the middle of an eviction.

EVICTION = {
    "struck-not-written": (STATE, 1),
    "struck-and-written": (STATE, 2),
    "exit-not-given-up": ("os.remove run/exits/*", 1),
    "not-deleted": ("os.posix_spawn runtime delete", 1),
    "half-a-pod-cgroup": ("os.rmdir cgroup/*/podUID", HALF),
    "half-the-volumes": ("os.rmdir disk", 1),
    "state-5": (STATE, 5),
}


@pytest.mark.parametrize("place", sampled(EVICTION))
def test_killed_in_an_eviction(sandbox: Sandbox, place: str) -> None:
    wanted = rich_pod(sandbox, DEAF)
    uid = uid_of(wanted)

    def evict(dying: Agent) -> None:
        dying.do("start", pod=wanted)
        dying.wait_for_state(uid, "running", "main", "other")
        dying.do("arm")
        dying.do("evict", uid=uid, grace=0)

    killed_at(sandbox, *EVICTION[place], first=evict, at_once=False)
    with agent(sandbox) as next_one:
        wait_for_adoption(next_one)
        next_one.wait_for(lambda: uid in next_one.ended, "the end")
        status = next_one.pods[uid]["status"]
        assert status["phase"] == "Failed"
        assert {next_one.container(uid, name)["state"]["terminated"]["exitCode"] for name in ("main", "other")} == {137}
        if place == "struck-not-written":
            assert "reason" not in status, "killed, and nobody knows why"
        else:
            assert status["reason"] == "Evicted"
            assert status["message"]
        assert len(runs(sandbox)) == len(set(runs(sandbox))), "an evicted pod does not run again"
        end(next_one, wanted)


def test_what_is_left_of_a_grace_period_is_given(sandbox: Sandbox) -> None:
    """The evicted one knows what its deadline was, and the deletion, too; neither gets the signal anew for long."""
    wanted = rich_pod(sandbox, DEAF)
    uid = uid_of(wanted)
    with agent(sandbox) as first:
        first.do("start", pod=wanted)
        first.wait_for_state(uid, "running", "main", "other")
        first.do("evict", uid=uid, grace=round(patient(2)) + 2)
        first.wait_for_state(uid, "terminated", "other")
        first.kill()
    with agent(sandbox) as next_one:
        wait_for_adoption(next_one)
        assert "running" in next_one.container(uid)["state"]
        next_one.wait_for(lambda: uid in next_one.ended, "the end")
        ended = next_one.container(uid)["state"]["terminated"]
        assert (ended["exitCode"], next_one.pods[uid]["status"]["reason"]) == (137, "Evicted")
        assert next_one.container(uid, "other")["state"]["terminated"]["exitCode"] == 0
        killing = [each["message"] for each in next_one.events if each["event"] == "Killing"]
        assert killing == ["Container main did not end in the time it was given: SIGKILL"]
        end(next_one, wanted)


SOFT = """
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
evictionHard: {memory.available: 50Mi}
evictionSoft: {memory.available: 300Mi}
evictionSoftGracePeriod: {memory.available: 100ms}
evictionMaxPodGracePeriod: 5
nodeguard: {capacity: {memory: 512Mi}}
"""


def test_the_record_of_an_eviction_has_an_end_whoever_sees_it(sandbox: Sandbox) -> None:
    (sandbox.base / "config.yaml").write_text(SOFT)
    env = {"NODEGUARD_CONFIG": str(sandbox.base / "config.yaml")}
    wanted = with_uid(grower("greedy", 300, deaf=True, terminationGracePeriodSeconds=60))
    with agent(sandbox, env=env) as first:
        first.do("start", pod=wanted)
        first.wait_for_event("Evicted")
        (before,) = wait_for(lambda: written(sandbox), "the record")
        first.kill()
    assert before["outcome"] == "pending"
    with agent(sandbox, env=env) as next_one:
        wait_for_adoption(next_one)
        next_one.wait_for(lambda: uid_of(wanted) in next_one.ended, "the end")
        assert next_one.pods[uid_of(wanted)]["status"]["message"] == before["message"]
        end(next_one, wanted)
    (record,) = written(sandbox)
    assert (record["id"], record["outcome"]) == (before["id"], "gone")
    assert record["timings"]["killedAt"] <= record["timings"]["goneAt"]


# What happens while there is no agent.


def test_what_ends_meanwhile_is_told_as_it_was(sandbox: Sandbox) -> None:
    quick = with_uid(pod("quick", container("main", "while [ ! -e /marks/go ]; do sleep 0.02; done; exit 7")))
    quick["spec"]["containers"][0]["volumeMounts"] = [{"name": "m", "mountPath": "/marks"}]
    quick["spec"]["volumes"] = [{"name": "m", "hostPath": {"path": str(sandbox.base)}}]
    again = json.loads(json.dumps(quick))
    again["metadata"] |= {"name": "again", "uid": uid_of(with_uid(pod("x")))}
    again["spec"]["restartPolicy"] = "Always"
    again["spec"]["containers"][0]["command"][2] = (
        "while [ ! -e /marks/go2 ]; do sleep 0.02; done; rm /marks/go2; exit 8"
    )
    greedy_script = "while [ ! -e /marks/go ]; do sleep 0.02; done; exec tail /dev/zero"
    greedy = with_uid(pod("greedy", container("main", greedy_script, resources=resources(limits="memory=16Mi"))))
    greedy["spec"]["containers"][0]["volumeMounts"] = quick["spec"]["containers"][0]["volumeMounts"]
    greedy["spec"]["volumes"] = quick["spec"]["volumes"]
    lost = with_uid(pod("lost"))
    everybody = (quick, again, greedy, lost)
    with agent(sandbox) as first:
        for each in everybody:
            first.do("start", pod=each)
        for each in everybody:
            first.wait_for_state(uid_of(each), "running")
        first.kill()
    uid = uid_of(lost)
    bundle = sandbox.run_dir / "pods" / uid / "bundles" / f"{uid}_main_0"
    os.kill(int((bundle / "conmon.pid").read_text()), signal.SIGKILL)
    os.kill(first_pid(sandbox, lost), signal.SIGKILL)
    before = time.time()
    for name in ("go", "go2"):
        (sandbox.base / name).touch()
    exits = sandbox.run_dir / "exits"
    wait_for(lambda: len(list(exits.iterdir())) == 3, "the exit files")
    after = time.time()
    time.sleep(1.5)  # a later look must not be taken for the time of the end
    with agent(sandbox) as next_one:
        wait_for_adoption(next_one)
        next_one.wait_for(lambda: {uid_of(each) for each in (quick, greedy, lost)} <= next_one.ended, "the ends")
        ends = {each["metadata"]["name"]: next_one.container(uid_of(each)) for each in everybody}
        ended = {name: each["state"].get("terminated") for name, each in ends.items()}
        assert (ended["quick"]["exitCode"], ended["quick"]["reason"]) == (7, "Error")
        assert int(before) <= parse_rfc3339(ended["quick"]["finishedAt"]) <= after
        assert (ended["greedy"]["exitCode"], ended["greedy"]["reason"]) == (137, "OOMKilled")
        assert (ended["lost"]["exitCode"], ended["lost"]["reason"]) == (137, "ContainerStatusUnknown")
        next_one.wait_for(lambda: next_one.container(uid_of(again))["restartCount"] == 1, "the restart")
        next_one.wait_for_state(uid_of(again), "running")
        assert next_one.container(uid_of(again))["lastState"]["terminated"]["exitCode"] == 8
        end(next_one, *everybody)


def test_restarts_and_back_off_survive(sandbox: Sandbox) -> None:
    wanted = with_uid(pod("p", container("main", "exit 5"), restartPolicy="Always"))
    uid = uid_of(wanted)
    with agent(sandbox) as first:
        first.do("start", pod=wanted)

        def backs_off() -> bool:
            state = first.pods.get(uid, {}).get("status", {}).get("containerStatuses", [{"state": {}}])[0]["state"]
            return state.get("waiting", {}).get("reason") == "CrashLoopBackOff"

        first.wait_for(backs_off, "the back-off")
        before = first.container(uid)
        conditions = first.pods[uid]["status"]["conditions"]
        first.kill()
    with agent(sandbox) as next_one:
        wait_for_adoption(next_one)
        assert next_one.container(uid) == before
        assert before["restartCount"] == 1
        assert next_one.pods[uid]["status"]["conditions"] == conditions
        end(next_one, wanted)


# An agent that leaves, or is not there.


def test_an_agent_that_leaves_leaves_pods_as_they_are(sandbox: Sandbox) -> None:
    wanted = rich_pod(sandbox, resources_of="cpu=100m memory=32Mi")
    uid = uid_of(wanted)
    with agent(sandbox) as first:
        first.do("start", pod=wanted)
        first.wait_for_state(uid, "running", "main", "other")
        pids, supervisors = [first_pid(sandbox, wanted, name) for name in ("main", "other")], conmon_pids(sandbox)
        told = first.pods[uid]
        first.leave()
    assert list((sandbox.run_dir / "owners").iterdir()) == []
    tier = cgroup_of(sandbox).rpartition("/")[0]
    weight = control(tier, "cpu.shares" if VERSION == 1 else "cpu.weight")
    assert all(map(is_alive, [*pids, *supervisors]))
    cleaned = sandbox.nodeguard("cleanup")
    assert cleaned.returncode == 0
    assert cleaned.stdout == f"left for the agent: pod default/p ({uid})\n"
    assert control(tier, "cpu.shares" if VERSION == 1 else "cpu.weight") == weight
    with agent(sandbox) as next_one:
        wait_for_adoption(next_one)
        assert next_one.pods[uid]["status"] == told["status"]
        assert [first_pid(sandbox, wanted, name) for name in ("main", "other")] == pids
        assert conmon_pids(sandbox) == supervisors
        assert all(map(is_alive, [*pids, *supervisors]))
        assert (sandbox.run_dir / "owners" / f"{next_one.process.pid}.json").exists()
        end(next_one, wanted)


def test_a_living_agents_pods_are_its_own(sandbox: Sandbox) -> None:
    wanted = rich_pod(sandbox)
    with agent(sandbox) as first:
        first.do("start", pod=wanted)
        first.wait_for_state(uid_of(wanted), "running", "main", "other")
        with agent(sandbox) as second:
            wait_for_adoption(second)
            assert second.adopted == []
            second.do("start", pod=wanted)
            second.wait_for(lambda: second.errors, "a refusal")
            assert second.errors[0].startswith("Conflict: ")
            second.leave()
        end(first, wanted)


def test_pods_of_another_boot_are_removed(sandbox: Sandbox) -> None:
    wanted = rich_pod(sandbox)
    with agent(sandbox) as first:
        first.do("start", pod=wanted)
        first.wait_for_state(uid_of(wanted), "running", "main", "other")
        forge_owner(sandbox, boot_id=uid_of(with_uid(pod("x"))))
        first.kill()
    with agent(sandbox) as next_one:
        wait_for_adoption(next_one)
        assert next_one.adopted == []
        assert not (sandbox.run_dir / "pods" / uid_of(wanted)).exists()
        next_one.leave()


def test_changed_labels_survive(sandbox: Sandbox) -> None:
    wanted = with_uid(pod("p"))
    with agent(sandbox) as first:
        first.do("start", pod=wanted)
        first.wait_for_state(uid_of(wanted), "running")
        first.do("update", pod={**wanted, "metadata": {**wanted["metadata"], "labels": {"tier": "front"}}})
        first.leave()
    with agent(sandbox) as next_one:
        wait_for_adoption(next_one)
        assert next_one.pods[uid_of(wanted)]["metadata"]["labels"] == {"tier": "front"}
        end(next_one, wanted)


def test_what_runs_is_not_settled_and_what_is_forgotten_goes_at_once(sandbox: Sandbox) -> None:
    wanted = with_uid(pod("p", container("main", DEAF), terminationGracePeriodSeconds=600))
    uid = uid_of(wanted)
    with agent(sandbox) as only:
        only.do("start", pod=wanted)
        only.wait_for_state(uid, "running")
        only.do("settle", uid=uid)
        only.do("forget", uid=uid)
        only.wait_for(lambda: uid in only.gone, "its end")
        only.leave()


@pytest.mark.parametrize("file", ["pod.json", "state.json"])
def test_a_damaged_checkpoint(sandbox: Sandbox, file: str) -> None:
    """A pod that cannot be read is removed; without its state it is begun anew."""
    wanted = rich_pod(sandbox)
    with agent(sandbox) as first:
        first.do("start", pod=wanted)
        first.wait_for_state(uid_of(wanted), "running", "main", "other")
        first.kill()
    (sandbox.run_dir / "pods" / uid_of(wanted) / file).write_text('{"')
    with agent(sandbox) as next_one:
        wait_for_adoption(next_one)
        assert next_one.adopted == ([] if file == "pod.json" else [uid_of(wanted)])
        if next_one.adopted:
            next_one.wait_for_state(uid_of(wanted), "running", "main", "other")
            end(next_one, wanted)
        else:
            next_one.leave()


def test_a_pod_that_was_kept_elsewhere_is_removed(sandbox: Sandbox) -> None:
    """The next agent has another configuration: it would not find the pod's logs where it looks for them."""
    wanted = rich_pod(sandbox)
    with agent(sandbox) as first:
        first.do("start", pod=wanted)
        first.wait_for_state(uid_of(wanted), "running", "main", "other")
        first.kill()
    with agent(sandbox, env={"NODEGUARD_LOG_DIR": str(sandbox.base / "elsewhere")}) as next_one:
        wait_for_adoption(next_one)
        assert next_one.adopted == []
        next_one.leave()


# Strangers.


def test_a_pid_that_was_given_to_somebody_else_is_left_alone(sandbox: Sandbox) -> None:
    """Neither the container's first process nor its conmon is who has these pids now."""
    wanted = with_uid(pod("p"))
    uid = uid_of(wanted)
    with agent(sandbox) as first:
        first.do("start", pod=wanted)
        first.wait_for_state(uid, "running")
        (conmon,) = conmon_pids(sandbox)
        first.kill()
    pid = first_pid(sandbox, wanted)
    directory = sandbox.run_dir / "pods" / uid
    with stranger() as somebody, stranger() as another:
        os.kill(conmon, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        text = (directory / "state.json").read_text()
        (directory / "state.json").write_text(text.replace(f'"pid": {pid}', f'"pid": {somebody}'))
        for file, taken in (("pidfile", somebody), ("conmon.pid", another)):
            (directory / "bundles" / f"{uid}_main_0" / file).write_text(str(taken))
        with agent(sandbox) as next_one:
            wait_for_adoption(next_one)
            next_one.wait_for(lambda: uid in next_one.ended, "the end")
            assert next_one.container(uid)["state"]["terminated"]["reason"] == "ContainerStatusUnknown"
            end(next_one, wanted)
        assert is_alive(somebody)
        assert is_alive(another)


def test_a_strangers_cgroup_among_ours_is_left_alone(sandbox: Sandbox) -> None:
    wanted = rich_pod(sandbox)
    with agent(sandbox) as first:
        first.do("start", pod=wanted)
        first.wait_for_state(uid_of(wanted), "running", "main", "other")
        first.kill()
    with stranger() as pid:
        with stranger_cgroup(f"{sandbox.tree_root}/burstable/pod{uid_of(with_uid(pod('x')))}", pid) as directories:
            with agent(sandbox) as next_one:
                wait_for_adoption(next_one)
                end(next_one, wanted)
            assert is_alive(pid)
            assert all(str(pid) in (directory / "cgroup.procs").read_text().split() for directory in directories)
        assert sandbox.nodeguard("cleanup").returncode == 0

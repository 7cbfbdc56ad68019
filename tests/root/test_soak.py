"""Random kills under churn: whatever an agent was doing, the next one goes on, and at the end nothing is left.

``NODEGUARD_SOAK_KILLS`` says how many kills (12 unless told), ``NODEGUARD_SOAK_SEED`` repeats a run. What is checked:

* a container that runs keeps its process and its restart count;
* a container runs as often as its restart count says, and once more; exit codes are its own;
* what is deleted goes with all its traces, what has ended stays until it is settled, its logs until it is forgotten;
* nothing is left at the end (the sandbox fixture), and a stranger's process and cgroup are what they were.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest
from root.keeping import Agent, agent, first_pid, uid_of, with_uid
from root.lab import Json, container, is_alive, pod, wait_for
from root.test_run_cleanup import stranger, stranger_cgroup
from sandbox import Sandbox

pytestmark = pytest.mark.root

KILLS = int(os.environ.get("NODEGUARD_SOAK_KILLS", "12"))
SEED = int(os.environ.get("NODEGUARD_SOAK_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
MOST_PODS = 4
LONGEST_LIFE_SECONDS = 0.7
"""of an agent, counted from its adoption"""


@dataclass(kw_only=True)
class Wanted:
    """A pod as the test wants it."""

    manifest: Json
    code: int | None
    """what its container ends with; None: it runs until it is stopped"""
    fails_first: bool = False
    """its first run ends with 41, and it is restarted"""
    is_evicted: bool = False
    is_settled: bool = False
    is_deleted: bool = False
    pids: dict[int, int] = field(default_factory=dict)
    """by the number of the run"""
    ends: set[int] = field(default_factory=set)

    @property
    def uid(self) -> str:
        return uid_of(self.manifest)


class Churn:
    """Pods that come and go, as an API server would have it, and what is known of them."""

    def __init__(self, sandbox: Sandbox, seed: int) -> None:
        self._sandbox, self._random = sandbox, random.Random(seed)
        (sandbox.base / "marks").mkdir()
        self.pods: dict[str, Wanted] = {}
        self.told = Counter[str]()
        self.most_runs: dict[str, int] = {}
        self._count = 0

    def live(self, present: Agent) -> None:
        """One agent's life: what was under way goes on, then one thing after another happens, until it is killed.

        Some are killed before they have taken over what there is.
        """
        if self._random.random() < 0.25:
            present.listen_until(time.monotonic() + self._random.uniform(0, LONGEST_LIFE_SECONDS))
            return
        present.wait_for(lambda: present.adopted is not None, "adoption")
        self._again(present)
        self._look(present)
        until = time.monotonic() + self._random.uniform(0, LONGEST_LIFE_SECONDS)
        while time.monotonic() < until:
            self._do_something(present)
            pause = time.monotonic() + self._random.uniform(0, 0.15)
            present.listen_until(min(pause, until))
            self._look(present)

    def end(self, last: Agent) -> None:
        """All is well with what is there, and all of it goes."""
        last.wait_for(lambda: last.adopted is not None, "adoption")
        self._again(last)
        for code in (None, 7):  # on a slow machine nothing may have come as far as this yet
            wanted = self._new(code)
            self.pods[wanted.uid] = wanted
            last.do("start", pod=wanted.manifest)
        for wanted in self.pods.values():
            if wanted.is_deleted or wanted.is_evicted or wanted.is_settled:
                continue
            if wanted.code is None:
                last.wait_for_state(wanted.uid, "running")
            else:
                last.wait_for(lambda wanted=wanted: wanted.uid in last.ended, f"the end of {wanted.uid}")  # type: ignore[misc]
        self._look(last)
        for wanted in [each for each in self.pods.values() if not each.is_deleted]:
            wanted.is_deleted = True
            last.do("forget" if wanted.is_settled else "stop", uid=wanted.uid, grace=1)
        last.wait_for(lambda: self._look(last) or not self.pods, "the end of everything")
        last.leave()

    def _again(self, present: Agent) -> None:
        """What an API server tells a new agent: all that it should have."""
        for wanted in self.pods.values():
            is_there = wanted.uid in (present.adopted or ())
            if wanted.is_deleted:
                present.do("stop" if is_there else "forget", uid=wanted.uid, grace=1)
            elif wanted.is_settled:
                present.do("settle", uid=wanted.uid)
            elif not is_there:
                assert not wanted.pids, f"{wanted.uid} ran and was not adopted"
                present.do("start", pod=wanted.manifest)

    def _do_something(self, present: Agent) -> None:
        running = [each for each in self.pods.values() if each.pids and not each.is_deleted and not each.is_evicted]
        ended = [each for each in self.pods.values() if each.uid in present.ended and not each.is_deleted]
        what = self._random.choice(["start", "start", "stop", "evict", "settle"])
        if what == "start" and len(self.pods) < MOST_PODS:
            wanted = self._new(self._random.choice([None, None, 0, self._random.randrange(2, 100)]))
            self.pods[wanted.uid] = wanted
            present.do("start", pod=wanted.manifest)
        elif what == "stop" and self.pods:
            wanted = self._random.choice([*self.pods.values()])
            wanted.is_deleted = True
            present.do("forget" if wanted.is_settled else "stop", uid=wanted.uid, grace=self._random.choice([0, 1]))
        elif what == "evict" and running:
            wanted = self._random.choice(running)
            if wanted.code is None:
                wanted.is_evicted = True
                present.do("evict", uid=wanted.uid, grace=self._random.choice([0, 0, 1]))
        elif what == "settle" and ended:
            wanted = self._random.choice(ended)
            wanted.is_settled = True
            present.do("settle", uid=wanted.uid)

    def _new(self, code: int | None) -> Wanted:
        self._count += 1
        name = f"p{self._count}"
        fails_first = code is None and self._random.random() < 0.4
        body = "trap 'exit 99' TERM; sleep 1000 & wait"
        if fails_first:
            body = f"[ -e /d/x ] || {{ touch /d/x; exit 41; }}; {body}"
        if code is not None:
            body = f"sleep {self._random.uniform(0.02, 0.6):.2f}; exit {code}"
        self.most_runs[name] = 3 if fails_first else 1
        script = f"echo {name} >> /marks/runs; {body}"
        marks = {"name": "m", "hostPath": {"path": str(self._sandbox.base / "marks")}}
        mounts = [{"name": "m", "mountPath": "/marks"}, {"name": "d", "mountPath": "/d"}]
        made = pod(
            name,
            container("main", script, volumeMounts=mounts),
            volumes=[marks, {"name": "d", "emptyDir": {}}],
            restartPolicy="OnFailure" if fails_first else "Never",
        )
        return Wanted(manifest=with_uid(made), code=code, fails_first=fails_first)

    def _look(self, present: Agent) -> None:
        for uid, wanted in list(self.pods.items()):
            if uid in present.gone | present.forgotten:
                assert wanted.is_deleted, f"{uid} was not to go"
                del self.pods[uid]
            elif uid in present.pods:
                self._look_at(present, wanted)
        assert [each for each in present.errors if not each.startswith("NotFound")] == [], present.story()

    def _look_at(self, present: Agent, wanted: Wanted) -> None:
        status = present.pods[wanted.uid]["status"]
        if "containerStatuses" not in status:
            return
        seen = present.container(wanted.uid)
        state, restarts = seen["state"], seen["restartCount"]
        # One that was struck when the agent was killed before it could write that down has died of SIGKILL, no more.
        assert restarts <= (1 + wanted.is_evicted if wanted.fails_first else 0), present.story()
        assert restarts >= max(wanted.pids, default=0), "a restart was forgotten"
        if restarts and "terminated" in seen["lastState"]:
            assert seen["lastState"]["terminated"]["exitCode"] in ({41, 137} if wanted.is_evicted else {41})
        if "running" in state and not wanted.is_deleted:
            self._check_pid(wanted, restarts)
        if "terminated" in state and wanted.uid in present.ended:
            self._check_code(wanted, state["terminated"], present.story())

    def _check_pid(self, wanted: Wanted, restarts: int) -> None:
        try:
            pid = first_pid(self._sandbox, wanted.manifest, attempt=restarts)
        except FileNotFoundError:  # it has just ended
            return
        before = wanted.pids.setdefault(restarts, pid)
        assert before == pid, f"{wanted.uid} has another process: {before} then, {pid} now"
        self.told["running"] += 1

    def _check_code(self, wanted: Wanted, ended: Json, story: str) -> None:
        allowed = {wanted.code} if wanted.code is not None else {99}
        if wanted.is_deleted or wanted.is_evicted:
            allowed |= {137, 143, 41}  # at once, or before the shell had its trap, or before it was run again
        assert ended["exitCode"] in allowed, f"{wanted.uid} {wanted.code}: {ended}\n{story}"
        wanted.ends.add(ended["exitCode"])
        assert len(wanted.ends) == 1, f"{wanted.uid} ended in more than one way: {wanted.ends}"
        self.told["ended"] += 1


def test_random_kills_under_churn(sandbox: Sandbox) -> None:
    churn = Churn(sandbox, SEED)
    print(f"NODEGUARD_SOAK_SEED={SEED}")  # noqa: T201 - shown when it fails
    with stranger() as pid, agent(sandbox) as keeper:
        keeper.wait_for(lambda: keeper.adopted is not None, "the tree")
        path = f"{sandbox.tree_root}/besteffort/pod{uid_of(with_uid(pod('x')))}"
        with stranger_cgroup(path, pid) as directories:
            keeper.kill()
            for _ in range(KILLS):
                with agent(sandbox) as present:
                    churn.live(present)
                    present.kill()
            with agent(sandbox) as last:
                churn.end(last)
            assert is_alive(pid)
            assert all(str(pid) in (directory / "cgroup.procs").read_text().split() for directory in directories)
    assert churn.told["running"]
    assert churn.told["ended"]
    runs = Counter((sandbox.base / "marks" / "runs").read_text().split())
    assert all(count <= churn.most_runs[name] for name, count in runs.items()), runs
    assert list(sandbox.log_dir.iterdir()) == []
    wait_for(lambda: sandbox.nodeguard("cleanup").returncode == 0, "an empty tree")

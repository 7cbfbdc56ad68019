"""Agents that are started, told what to do, killed, and followed by another one: what the tests of adoption share."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from root.lab import Json, container_status
from sandbox import Sandbox, patient

DRIVER = Path(__file__).resolve().parent.parent / "podkeeper.py"


class Agent:
    """One agent process; ``pods`` are the objects it told last, by uid, ``gone`` the uids of which nothing is left."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.pods: dict[str, Json] = {}
        self.ended: set[str] = set()
        self.gone: set[str] = set()
        self.forgotten: set[str] = set()
        self.errors: list[str] = []
        self.events: list[Json] = []
        self.killed_at: str | None = None
        self.adopted: list[str] | None = None
        self._rest = b""

    def do(self, what: str, **details: Any) -> None:
        """Have it done; one that is dead by now does nothing."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": what, **details}).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def wait_for(self, done: Callable[[], object], what: str, *, timeout: float = 30.0) -> None:
        """Listen until it is so; AssertionError when it never is, or the agent ends before."""
        deadline = time.monotonic() + patient(timeout)
        while not done():
            if not self._listen(deadline):
                raise AssertionError(f"waited in vain for {what}\n{self.story()}")

    def listen_until(self, deadline: float) -> None:
        """Hear what it says until this instant of the monotonic clock."""
        while time.monotonic() < deadline and self._listen(deadline):
            pass

    def wait_for_state(self, uid: str, state: str, *containers: str) -> None:
        """All these containers (``main`` unless named) are in this state: ``running``, ``terminated``, ``waiting``."""

        def are() -> bool:
            status = self.pods.get(uid, {}).get("status", {})
            return "containerStatuses" in status and all(
                state in container_status(status, name)["state"] for name in containers or ("main",)
            )

        self.wait_for(are, f"{state}: {uid} {containers}")

    def wait_for_event(self, reason: str) -> None:
        self.wait_for(lambda: any(each["event"] == reason for each in self.events), reason)

    def container(self, uid: str, name: str = "main") -> Json:
        return container_status(self.pods[uid]["status"], name)

    def listen_to_the_end(self, *, timeout: float = 30.0) -> int:
        """Until the process has ended; its exit code, negative for a signal."""
        deadline = time.monotonic() + patient(timeout)
        while self._listen(deadline):
            pass
        return self.process.wait(timeout=max(0.1, deadline - time.monotonic()))

    def kill(self) -> None:
        """kill -9, and what it had said before is still heard."""
        self.process.kill()
        self.listen_to_the_end()

    def leave(self) -> None:
        """It ends without touching pods."""
        self.do("leave")
        assert self.listen_to_the_end() == 0, self.story()

    def story(self) -> str:
        pods = {uid: pod.get("status") for uid, pod in self.pods.items()}
        return json.dumps({"pods": pods, "events": self.events, "errors": self.errors}, indent=1)

    def _listen(self, deadline: float) -> bool:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(self.process.stdout.fileno(), 65536) if ready else b""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._hear(json.loads(line))
        return bool(chunk)

    def _hear(self, told: Json) -> None:
        match told:
            case {"adopted": objects}:
                self.adopted = [each["metadata"]["uid"] for each in objects]
                for each in objects:
                    self._pod(each, is_gone=each["isGone"])
            case {"changed": each, "isGone": is_gone}:
                self._pod(each, is_gone=is_gone)
            case {"gone": uid}:
                self.gone.add(uid)
            case {"forgotten": uid}:
                self.forgotten.add(uid)
            case {"error": text}:
                self.errors.append(text)
            case {"killed": place}:
                self.killed_at = place
            case _:
                self.events.append(told)

    def _pod(self, each: Json, *, is_gone: bool) -> None:
        uid = each["metadata"]["uid"]
        self.pods[uid] = each
        if is_gone:
            self.ended.add(uid)


@contextmanager
def agent(sandbox: Sandbox, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Agent]:
    """An agent that has adopted whatever there was; killed at the end of the block if it still runs."""
    sandbox.spare_the_trial()
    process = subprocess.Popen(
        [sys.executable, str(DRIVER), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=sandbox.environment | dict(env or {}),
        start_new_session=True,
    )
    found = Agent(process)
    try:
        yield found
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass
        process.stdout.close()


def with_uid(pod: Json) -> Json:
    """The pod as an API server would hand it on."""
    return {**pod, "metadata": {"namespace": "default", "uid": str(uuid.uuid4()), **pod["metadata"]}}


def uid_of(pod: Json) -> str:
    uid: str = pod["metadata"]["uid"]
    return uid


def first_pid(sandbox: Sandbox, pod: Json, container: str = "main", attempt: int = 0) -> int:
    """The first process of a container, as the runtime wrote it down."""
    uid = uid_of(pod)
    return int((sandbox.run_dir / "pods" / uid / "bundles" / f"{uid}_{container}_{attempt}" / "pidfile").read_text())

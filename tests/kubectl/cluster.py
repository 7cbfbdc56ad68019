"""A cluster of one node for kubectl: an agent with its API server in a sandbox, and kubectl as people call it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from sandbox import REPOSITORY, Sandbox, patient

T = TypeVar("T")
Json = dict[str, Any]

ADDRESS = re.compile(r"https://127\.0\.0\.1:\d+")
PROGRAMS = REPOSITORY / ".venv" / "kubectl"
"""Where ``make setup`` puts the programs; requirements-kubectl.txt says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one kubectl said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def rows(self) -> list[list[str]]:
        """A table's cells, header first. Columns are set apart by at least two blanks, as a cell may hold one."""
        return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in self.lines]

    def object(self) -> Json:
        found: Json = json.loads(self.out)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl:
    """One kubectl, pointed at one agent and one namespace. Called with words, it runs to its end."""

    program: Path
    kubeconfig: Path
    home: Path
    namespace: str
    environment: tuple[tuple[str, str], ...] = ()

    def __call__(
        self, *words: str | Path, stdin: str | Json | None = None, fails: bool | int = False, timeout: float = 40.0
    ) -> Answer:
        """Run it. ``fails`` is the exit code that is expected: False for 0, True for any other."""
        done = subprocess.run(
            self.argv(*words),
            input=text_of(stdin),
            capture_output=True,
            text=True,
            timeout=patient(timeout),
            env=self.env,
            cwd=self.home,
            check=False,
        )
        answer = Answer(code=done.returncode, out=done.stdout, err=done.stderr)
        right = done.returncode != 0 if fails is True else done.returncode == int(fails)
        assert right, f"kubectl {' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return answer

    def succeeds(self, *words: str | Path) -> bool:
        """Whether it ends with 0; for what is not there yet."""
        done = subprocess.run(self.argv(*words), capture_output=True, env=self.env, cwd=self.home, check=False)
        return done.returncode == 0

    def argv(self, *words: str | Path) -> list[str]:
        verb, *rest = map(str, words)
        return [str(self.program), verb, *(["--namespace", self.namespace] if self.namespace else []), *rest]

    @property
    def env(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.home),
            "KUBECONFIG": str(self.kubeconfig),
            "TZ": "UTC",
            **dict(self.environment),
        }

    def having(self, **variables: str) -> Kubectl:
        """The same with more variables in its environment."""
        return replace(self, environment=(*self.environment, *variables.items()))

    def within(self, namespace: str) -> Kubectl:
        """The same for another namespace."""
        return replace(self, namespace=namespace)

    @contextmanager
    def started(self, *words: str | Path) -> Iterator[Started]:
        """One that goes on until the block ends: a watch, a forwarded port."""
        process = subprocess.Popen(
            self.argv(*words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.env,
            cwd=self.home,
        )
        started = Started(process)
        try:
            yield started
        finally:
            process.kill()
            process.wait()
            started.reader.join()
            for stream in (process.stdin, process.stdout):
                assert stream is not None
                stream.close()

    # What most tests begin with.

    def apply(self, *objects: Json, **how: Any) -> Answer:
        return self("apply", "-f", "-", stdin=many(objects), **how)

    def run_pod(self, manifest: Json) -> str:
        """Apply a pod and wait until it is ready; its name comes back."""
        name: str = manifest["metadata"]["name"]
        self.apply(manifest)
        self("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=30s")
        return name

    def get(self, *words: str) -> Json:
        """What ``get ... -o json`` says."""
        return self("get", *words, "-o", "json").object()

    def value(self, what: str, path: str) -> str:
        return self("get", what, "-o", f"jsonpath={{{path}}}").out


class Started:
    """A kubectl that runs; a thread gathers what it says."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._heard = b""
        self._news = threading.Condition()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    @property
    def output(self) -> str:
        return self._heard.decode()

    def say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def read_until(self, text: str, *, count: int = 1, timeout: float = 30.0) -> str:
        """All it has said, once that holds the text so often."""
        with self._news:
            self._news.wait_for(
                lambda: self.output.count(text) >= count or not self.reader.is_alive(), patient(timeout)
            )
        assert self.output.count(text) >= count, f"{text!r} did not appear in:\n{self.output}"
        return self.output

    def _read(self) -> None:
        assert self.process.stdout is not None
        while chunk := os.read(self.process.stdout.fileno(), 65536):
            with self._news:
                self._heard += chunk
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """An agent that runs, and how to reach it."""

    sandbox: Sandbox
    kubeconfig: Path
    node: str
    pid: int

    def kubectl(self, version: str, namespace: str = "default") -> Kubectl:
        home = self.sandbox.base / "home" / version
        home.mkdir(parents=True, exist_ok=True)
        return Kubectl(
            program=PROGRAMS / f"kubectl-{version}", kubeconfig=self.kubeconfig, home=home, namespace=namespace
        )


@contextmanager
def running_cluster(sandbox: Sandbox, *, version: str) -> Iterator[Cluster]:
    """An agent that listens on a port of its own; its pods are deleted before it ends."""
    sandbox.spare_the_trial()
    log = sandbox.base / "agent.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "nodeguard", "agent", "--listen", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=sandbox.environment,
            start_new_session=True,
        )
    try:
        kubeconfig = sandbox.base / "kubeconfig"
        address = until(lambda: ADDRESS.search(log.read_text()), "the agent's address", log=log)
        made = sandbox.nodeguard("kubeconfig", "--server", address[0])
        assert made.returncode == 0, made.stderr
        kubeconfig.write_text(made.stdout)
        cluster = Cluster(sandbox=sandbox, kubeconfig=kubeconfig, node="", pid=process.pid)
        kubectl = cluster.kubectl(version)
        until(lambda: node_of(kubectl), "a node", log=log)
        yield replace(cluster, node=node_of(kubectl))
        words = ("delete", "pods", "--all", "--all-namespaces", "--force", "--timeout=30s")
        kubectl.within("")(*words)  # kubectl refuses --namespace beside --all-namespaces
    finally:
        process.terminate()
        try:
            process.wait(patient(20))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def node_of(kubectl: Kubectl) -> str:
    argv = kubectl.argv("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}")
    return subprocess.run(argv, env=kubectl.env, capture_output=True, text=True, check=False).stdout


def until(look: Callable[[], T], what: str, *, timeout: float = 30.0, log: Path | None = None) -> T:
    """The first true answer; AssertionError, with what the agent has logged, when it never comes."""
    deadline = time.monotonic() + patient(timeout)
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}\n{log.read_text() if log else ''}")


def text_of(given: str | Json | None) -> str | None:
    return given if given is None or isinstance(given, str) else json.dumps(given)


def many(objects: tuple[Json, ...]) -> str:
    """Objects as one stream. JSON is YAML."""
    return "\n---\n".join(map(json.dumps, objects))

"""Pods written, run and looked at: what the tests of ``nodeguard run`` share."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sandbox import Running, Sandbox, patient

T = TypeVar("T")
Json = dict[str, Any]

UNTIL_TERM = 'trap "exit 0" TERM; echo up; sleep 1000 & wait'
"""A shell that says ``up`` and ends with 0 once it gets SIGTERM."""

DEAF = 'trap "" TERM INT HUP; echo up; while :; do sleep 1; done'
"""A shell that says ``up`` and does not care about signals."""

_LOG_LINE = re.compile(r"\[pod/([^/\]]+)/([^\]]+)\] ?(.*)")


def container(name: str = "main", script: str | None = UNTIL_TERM, **fields: Any) -> Json:
    """A container that runs a shell script, unless the fields say otherwise."""
    command = {} if script is None or "command" in fields else {"command": ["sh", "-c", script]}
    return {"name": name, **command, **fields}


def pod(name: str, *containers: Json, **spec: Any) -> Json:
    """A pod that is not restarted and gets two seconds to end, unless the spec says otherwise."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 2,
            "containers": list(containers) or [container()],
            **spec,
        },
    }


def script_pod(script: str, name: str = "p", **fields: Any) -> Json:
    """A pod of one container that runs the script."""
    return pod(name, container("main", script, **fields))


def resources(requests: str = "", limits: str = "") -> Json:
    """``cpu=100m memory=64Mi``, twice."""

    def amounts(text: str) -> dict[str, str]:
        return {name: value for name, _, value in (part.partition("=") for part in text.split())}

    return {"requests": amounts(requests), "limits": amounts(limits)}


def write_manifest(sandbox: Sandbox, *objects: Json, name: str = "pods") -> Path:
    """The objects in a file beside the sandbox's directories. JSON is YAML."""
    path = sandbox.base / f"{name}.yaml"
    path.write_text("\n---\n".join(json.dumps(each, indent=1) for each in objects) + "\n")
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A run that has ended."""

    code: int
    objects: list[Json]
    events: list[Json]
    logs: dict[str, list[str]]
    text: str

    def pod(self, name: str = "p") -> Json:
        return next(each for each in self.objects if each["metadata"]["name"] == name)

    def status(self, name: str = "p") -> Json:
        status: Json = self.pod(name)["status"]
        return status

    def container(self, name: str = "main", pod: str = "p") -> Json:
        """The status of a container, of either list."""
        status = self.status(pod)
        return container_status(status, name)

    def terminated(self, name: str = "main", pod: str = "p") -> Json:
        ended: Json = self.container(name, pod)["state"]["terminated"]
        return ended

    def log(self, name: str = "main", pod: str = "p") -> list[str]:
        """What the container wrote, line by line."""
        return self.logs.get(f"{pod}/{name}", [])

    def reasons(self, container: str | None = None) -> list[str]:
        """The reasons of all events, or of those about one container."""
        return [e["reason"] for e in self.events if container in (None, e["container"])]


def container_status(status: Json, name: str) -> Json:
    every = [*status["containerStatuses"], *status.get("initContainerStatuses", [])]
    found: Json = next(each for each in every if each["name"] == name)
    return found


def parse_output(code: int, text: str) -> Outcome:
    """What ``run -o json --events json`` wrote, both streams together."""
    events, logs, objects = [], {}, []
    start = text.find('{\n  "apiVersion"')
    if start >= 0:
        document, end = json.JSONDecoder().raw_decode(text, start)
        objects = document["items"]
        text = text[:start] + text[end:]
    for line in text.split("\n"):
        if match := _LOG_LINE.fullmatch(line):
            logs.setdefault(f"{match[1]}/{match[2]}", []).append(match[3])
        elif line.startswith('{"at"'):
            events.append(json.loads(line))
    return Outcome(code=code, objects=objects, events=events, logs=logs, text=text)


def run_pods(
    sandbox: Sandbox, *objects: Json, options: tuple[str, ...] = (), env: Mapping[str, str] | None = None
) -> Outcome:
    """Run the pods to their end."""
    with start_pods(sandbox, *objects, options=options, env=env) as running:
        return finish(running)


@contextmanager
def start_pods(
    sandbox: Sandbox,
    *objects: Json,
    options: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    name: str = "pods",
) -> Iterator[Running]:
    """The pods run in the background; `finish` collects what came of them."""
    path = write_manifest(sandbox, *objects, name=name)
    sandbox.spare_the_trial()
    with sandbox.start("run", path, "-o", "json", "--events", "json", *options, env=env) as running:
        yield running


def finish(running: Running, *, timeout: float = 60.0) -> Outcome:
    """Wait for the end of a run."""
    code = running.wait(timeout=timeout)
    return parse_output(code, running.output)


def wait_for(look: Callable[[], T | None], what: str, *, timeout: float = 20.0) -> T:
    """The first true answer of ``look``; AssertionError when it never comes."""
    deadline = time.monotonic() + patient(timeout)
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {timeout:g} s in vain for {what}")


def wait_for_up(running: Running, count: int = 1) -> None:
    """That many containers have said ``up``."""
    running.read_until("] up\n", count=count)


def kill_at_once(running: Running) -> None:
    """Ctrl-C twice. The second one waits for the first to be seen: signals of one kind do not queue up."""
    running.signal(signal.SIGINT)
    running.read_until("stopping pods")
    running.signal(signal.SIGINT)


# What a run has on the host.


def record(sandbox: Sandbox, name: str = "p") -> Json:
    """The record of a pod that runs."""
    for path in (sandbox.run_dir / "pods").glob("*/record.json"):
        found: Json = json.loads(path.read_text())
        if found["name"] == name:
            return found
    raise AssertionError(f"no record of pod {name}")


def cgroup_of(sandbox: Sandbox, pod: str = "p", container: str | None = None) -> str:
    """The cgroup path of a pod or container that runs."""
    path: str = record(sandbox, pod)["cgroup"]
    return path if container is None else f"{path}/{container}"


def _controllers() -> dict[str, Path]:
    """Mount points by v1 controller; ``unified`` is the v2 tree."""
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        tail = fields[fields.index("-") + 1 :]
        if tail[0] == "cgroup2":
            found.setdefault("unified", Path(fields[4]))
        elif tail[0] == "cgroup":
            for option in tail[2].split(","):
                found.setdefault(option, Path(fields[4]))
    return found


CONTROLLERS = _controllers()
VERSION = 1 if "cpu" in CONTROLLERS else 2


def cgroup_directory(path: str, controller: str) -> Path:
    """Where a cgroup is in the hierarchy of one controller."""
    return CONTROLLERS[controller if VERSION == 1 else "unified"] / path.lstrip("/")


def control(path: str, file: str) -> str:
    """The text of a control file, named as ``explain`` names it."""
    return (cgroup_directory(path, file.split(".")[0]) / file).read_text().strip()


def has_control(file: str) -> bool:
    """Whether the host's cgroups have this file at all."""
    controller = file.split(".")[0]
    if VERSION == 1 and controller not in CONTROLLERS:
        return False
    top = CONTROLLERS[controller] if VERSION == 1 else CONTROLLERS["unified"]
    return any(top.glob(file)) or any(top.glob(f"*/{file}"))


def processes_of(path: str) -> list[int]:
    """The processes right in a cgroup."""
    text = (cgroup_directory(path, "memory") / "cgroup.procs").read_text()
    return [int(word) for word in text.split()]


def conmon_pids(sandbox: Sandbox) -> list[int]:
    """The supervisors of this sandbox's containers."""
    found = []
    for path in (sandbox.run_dir / "pods").glob("*/bundles/*/conmon.pid"):
        pid = int(path.read_text())
        if f"{sandbox.base}/".encode() in _command(pid):
            found.append(pid)
    return found


def is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] not in ("Z", "X")
    except OSError:
        return False


def namespaces_of(pid: int, *kinds: str) -> dict[str, str]:
    return {kind: str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for kind in kinds}


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


# Commands that something stands in the way of.


def nodeguard_words(*arguments: str | Path) -> list[str]:
    """The command line of nodeguard, for a shell or a wrapper such as unshare."""
    return [sys.executable, "-m", "nodeguard", *map(str, arguments)]


def assert_is_told(text: str, *parts: str) -> None:
    """A message for a person: it holds the parts, and no traceback."""
    assert "Traceback" not in text, text
    assert "internal error" not in text, text
    for part in parts:
        assert part in text, text

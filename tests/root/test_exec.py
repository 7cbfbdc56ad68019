"""exec, attach and port-forward into containers that really run, over the API's own handlers."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from root.lab import (
    CONTROLLERS,
    UNTIL_TERM,
    cgroup_of,
    container,
    is_alive,
    kill_at_once,
    pod,
    processes_of,
    record,
    start_pods,
    wait_for,
)
from sandbox import Running, Sandbox, processes_naming
from streamserver import Pods, Server, serving
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from nodeguard.runtime.container import find_bundle
from nodeguard.runtime.exec import end_leftovers

pytestmark = pytest.mark.root

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
EXEC, ATTACH, FORWARD = (f"/api/v1/namespaces/default/pods/p/{each}" for each in ("exec", "attach", "portforward"))


@dataclass
class Place:
    """A pod that runs, and the API's streams over it."""

    sandbox: Sandbox
    running: Running
    server: Server

    def open(self, target: str, *command: str, protocol: str = V5, **options: str) -> ClientConnection:
        query = [*(("command", word) for word in command), ("stdout", "true"), ("stderr", "true"), *options.items()]
        return self.server.websocket(f"{target}?{urlencode(query)}", protocol)

    def run(self, *command: str, stdin: bytes | None = None, **options: str) -> dict[int, bytes]:
        """All that an exec says, by channel."""
        if stdin is not None:
            options["stdin"] = "true"
        with self.open(EXEC, *command, **options) as client:
            if stdin is not None:
                client.send(b"\x00" + stdin)
                client.send(b"\xff\x00")
            return collect(client)

    @property
    def cgroup(self) -> str:
        return cgroup_of(self.sandbox, container="main")


@contextmanager
def place(sandbox: Sandbox, *, ends: bool = False, **fields: Any) -> Iterator[Place]:
    """A pod of one container; ``ends``: by itself."""
    script = fields.pop("script", UNTIL_TERM)
    spec = fields.pop("spec", {})
    with start_pods(sandbox, pod("p", container("main", script, **fields), **spec)) as running:
        running.read_until("[pod/p/main] up")  # without the line's end, which a terminal writes in its own way
        told = record(sandbox)
        uid = told["uid"]
        pods = Pods(run_dir=sandbox.run_dir, log_dir=sandbox.log_dir, runtime=told["runtime"])
        pods.add(
            {
                "metadata": {"name": "p", "namespace": "default", "uid": uid},
                "spec": {"containers": [{"name": "main", **fields}]},
                "status": {
                    "phase": "Running",
                    "containerStatuses": [
                        {"name": "main", "containerID": f"nodeguard://{uid}_main_0", "state": {"running": {}}}
                    ],
                },
            }
        )
        with serving(pods) as server:
            yield Place(sandbox, running, server)
        if not ends:
            kill_at_once(running)
        running.wait()
    (sandbox.run_dir / "api.sock").unlink()


def collect(client: ClientConnection) -> dict[int, bytes]:
    """Everything, up to the word on the error channel."""
    told: dict[int, bytes] = {}
    while 3 not in told:
        message = client.recv(30)
        assert isinstance(message, bytes)
        told[message[0]] = told.get(message[0], b"") + message[1:]
    return told


def until_said(client: ClientConnection, text: bytes) -> bytes:
    """What is said, once it holds the text."""
    told = b""
    while text not in told:
        message = client.recv(30)
        assert isinstance(message, bytes)
        told += message[1:]
    return told


def exit_code(told: dict[int, bytes]) -> int:
    status = json.loads(told[3])
    if status["status"] == "Success":
        return 0
    assert status["reason"] == "NonZeroExitCode", status
    return int(status["details"]["causes"][0]["message"])


def extra_processes(here: Place) -> list[int]:
    """What runs in the container besides what it began with."""
    return [pid for pid in processes_of(here.cgroup) if _words(pid)[:1] == [b"sleep"] and b"4242" in _words(pid)]


def runtimes(sandbox: Sandbox) -> dict[int, str]:
    """Runtimes with an exec under way."""
    return processes_naming((f"--pid-file={sandbox.run_dir}/exec/",))


def _words(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def test_streams_and_exit_codes(sandbox: Sandbox) -> None:
    with place(sandbox) as here:
        told = here.run("sh", "-c", "echo out; echo err >&2; exit 7")
        assert (told[1], told[2], exit_code(told)) == (b"out\n", b"err\n", 7)
        assert exit_code(here.run("true")) == 0
        assert exit_code(here.run("sh", "-c", "kill -9 $$")) == 137
        data = os.urandom(3 << 20)  # not to be sent back: this client does not read while it writes
        told = here.run("sha256sum", stdin=data)
        assert told[1].decode() == f"{sha256(data).hexdigest()}  -\n"
        told = here.run("sh", "-c", "ls /proc/self/fd | wc -l; read x; echo $x", stdin=b"word")
        assert told[1] == b"4\nword\n"  # stdin, stdout, stderr, and the directory itself
        told = here.run("no-such-program")
        status = json.loads(told[3])
        assert (status["code"], status["reason"]) == (500, "InternalError")
        assert "no-such-program" in status["message"]
        assert told.get(2, b"") == b""  # the runtime's complaint is not the program's
        assert not any((sandbox.run_dir / "exec").iterdir())


def test_who_it_runs_as_is_the_containers_own(sandbox: Sandbox) -> None:
    context = {"runAsUser": 1234, "runAsGroup": 99, "capabilities": {"drop": ["ALL"]}}
    with place(sandbox, securityContext=context, workingDir="/usr", env=[{"name": "A", "value": "b c"}]) as here:
        script = 'id -u; id -g; pwd; echo "$A"; grep CapBnd /proc/self/status; cat /proc/self/oom_score_adj'
        told = here.run("sh", "-c", f"{script}; echo >/dev/stdout")
        first = processes_of(here.cgroup)[0]
        score = Path(f"/proc/{first}/oom_score_adj").read_text()
        assert told[1].decode() == f"1234\n99\n/usr\nb c\nCapBnd:\t0000000000000000\n{score}\n"
        assert told.get(2, b"") == b""


def test_it_is_in_the_containers_cgroup_in_every_hierarchy(sandbox: Sandbox) -> None:
    with place(sandbox) as here:
        with here.open(EXEC, "sleep", "4242"):
            (pid,) = wait_for(lambda: extra_processes(here), "sleep in the container")
            groups = [line.split(":", 2)[2] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
            ours = [group for group in groups if group.endswith(here.cgroup)]
            assert len(ours) == len({str(path) for path in CONTROLLERS.values()})
        wait_for(lambda: not is_alive(pid), "the end of what nobody listens to")


def test_a_client_that_goes_takes_the_whole_session_with_it(sandbox: Sandbox) -> None:
    with place(sandbox) as here:
        with here.open(EXEC, "sh", "-c", "sleep 4242 & sleep 4242 & echo on; sleep 4242") as client:
            until_said(client, b"on\n")
            wait_for(lambda: len(extra_processes(here)) == 3, "three processes")
            client.socket.shutdown(socket.SHUT_RDWR)
        wait_for(lambda: not extra_processes(here), "the end of all")
        wait_for(lambda: not any((sandbox.run_dir / "exec").iterdir()), "its pid file to go")
        assert exit_code(here.run("true")) == 0


def test_a_client_that_goes_at_once(sandbox: Sandbox) -> None:
    with place(sandbox) as here:
        for _ in range(3):
            with here.open(EXEC, "sleep", "4242") as client:
                client.socket.shutdown(socket.SHUT_RDWR)
        wait_for(lambda: not any((sandbox.run_dir / "exec").iterdir()) and not runtimes(sandbox), "the end", timeout=30)
        assert extra_processes(here) == []


def test_it_ends_with_its_container(sandbox: Sandbox) -> None:
    with place(sandbox) as here, here.open(EXEC, "sh", "-c", "echo on; sleep 4242") as client:
        until_said(client, b"on\n")
        kill_at_once(here.running)
        assert exit_code(collect(client)) == 137


def test_what_a_dead_server_has_left_is_ended(sandbox: Sandbox) -> None:
    with place(sandbox) as here, here.open(EXEC, "sleep", "4242"):
        (pid,) = wait_for(lambda: extra_processes(here), "sleep in the container")
        (left,) = wait_for(lambda: list((sandbox.run_dir / "exec").iterdir()), "its pid file")
        end_leftovers(sandbox.run_dir / "exec", sandbox.run_dir)
        assert not left.exists()
        wait_for(lambda: not is_alive(pid), "its end")


def test_a_terminal(sandbox: Sandbox) -> None:
    with place(sandbox) as here, here.open(EXEC, "sh", tty="true", stdin="true", protocol=V4) as client:
        client.send(b"\x00tty; echo $TERM\n")
        told = until_said(client, b"xterm\r\n")
        assert b"/dev/pts/0\r\nxterm\r\n" in told
        for columns, rows in ((101, 33), (120, 40)):
            client.send(b'\x04{"Width":%d,"Height":%d}' % (columns, rows))
            wait_for(lambda size=(rows, columns): b"%d %d" % size in _size(client), "that size")
        client.send(b"\x00exit 5\n")
        assert exit_code(collect(client)) == 5


def _size(client: ClientConnection) -> bytes:
    client.send(b"\x00stty size; echo o''k\n")
    return until_said(client, b"ok\r\n")


def test_a_bundle_is_found_by_what_it_says(sandbox: Sandbox) -> None:
    with place(sandbox):
        uid = record(sandbox)["uid"]
        found = find_bundle(sandbox.run_dir, uid, "main", f"{uid}_main_0")
        assert found.cgroup.endswith(f"{uid}/main")
        for wrong in (
            ("other", f"{uid}_main_0"),
            ("main", f"{uid}_main_1"),
            ("main", f"../bundles/{uid}_main_0/../.."),
        ):
            with pytest.raises(Exception, match="container"):
                find_bundle(sandbox.run_dir, uid, *wrong)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("stdout=true", 400),
        ("command=true", 400),
        ("command=true&stdout=true&container=x", 400),
        ("command=a%00b&stdout=true", 400),
    ],
)
def test_requests_that_are_refused(sandbox: Sandbox, query: str, code: int) -> None:
    with place(sandbox) as here:
        with pytest.raises(InvalidStatus) as refused, here.server.websocket(f"{EXEC}?{query}", V5):
            pass
        assert refused.value.response.status_code == code
        assert here.server.status(f"{EXEC}?{query}", "POST")[0] == code


# attach


READS = "echo up; while read line; do echo got $line; done; echo eof; sleep 1000"


def test_attach_hears_and_is_heard(sandbox: Sandbox) -> None:
    with place(sandbox, script=READS, stdin=True) as here:
        for word in (b"one", b"two"):  # stdin stays open for the next client
            with here.open(ATTACH, stdin="true") as client:
                client.send(b"\x00" + word + b"\n")
                until_said(client, b"got " + word + b"\n")
        here.running.read_until("[pod/p/main] got two")


def test_stdin_for_one_client_ends_with_it(sandbox: Sandbox) -> None:
    with (
        place(sandbox, script=READS, stdin=True, stdinOnce=True) as here,
        here.open(ATTACH, stdin="true") as client,
    ):
        client.send(b"\x00one\n")
        until_said(client, b"got one\n")
        client.send(b"\xff\x00")
        until_said(client, b"eof\n")


def test_streams_of_an_attachment_are_told_apart(sandbox: Sandbox) -> None:
    script = "echo up; read line; echo out; echo err >&2; exit 3"
    with (
        place(sandbox, ends=True, script=script, stdin=True) as here,
        here.open(ATTACH, stdin="true") as client,
    ):
        client.send(b"\x00\n")
        told = collect(client)
        assert (told[1], told[2]) == (b"out\n", b"err\n")
        assert json.loads(told[3])["status"] == "Success"


def test_attach_to_a_terminal(sandbox: Sandbox) -> None:
    script = "echo up; while read line; do stty size; echo $TERM; done"
    with (
        place(sandbox, script=script, stdin=True, tty=True) as here,
        here.open(ATTACH, stdin="true", tty="true") as client,
    ):
        client.send(b'\x04{"Width":101,"Height":33}')
        client.send(b"\x00\n")
        until_said(client, b"33 101\r\nxterm\r\n")


def test_a_container_that_has_no_stdin_hears_nothing(sandbox: Sandbox) -> None:
    with place(sandbox) as here, here.open(ATTACH, stdin="true") as client:
        client.send(b"\x00exit\n")
        assert exit_code(here.run("true")) == 0


# port-forward


def test_a_port_of_the_pods_own_network(sandbox: Sandbox) -> None:
    code = (
        "import socket; s = socket.create_server(('127.0.0.1', 8080)); print('up', flush=True)\n"
        "while True:\n c, _ = s.accept(); c.sendall(c.recv(100) * 2); c.close()"
    )
    with place(sandbox, script=None, command=["python3", "-c", code]) as here:
        with here.server.websocket(f"{FORWARD}?ports=8080", V4) as client:
            assert client.recv(20) == b"\x00" + struct.pack("<H", 8080)
            assert client.recv(20) == b"\x01" + struct.pack("<H", 8080)
            client.send(b"\x00abc")
            assert client.recv(20) == b"\x00abcabc"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", 8080), 1)  # it is not the host's

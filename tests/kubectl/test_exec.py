"""kubectl exec and attach: streams, exit codes, terminals. Both programs run all of these."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kubectl.cluster import Cluster, Kubectl
from root.lab import container, pod
from sandbox import patient

pytestmark = [pytest.mark.root, pytest.mark.anywhere]


class Terminal:
    """A kubectl with a terminal, as a person has it."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self.screen = ""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def read_until(self, text: str) -> None:
        deadline = time.monotonic() + patient(30)
        while text not in self.screen:
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} did not appear in:\n{self.screen}"
            try:
                self.screen += os.read(self._descriptor, 65536).decode()
            except OSError:  # EIO: the other side is closed
                assert text in self.screen, f"{text!r} did not appear in:\n{self.screen}"


@contextmanager
def terminal(kubectl: Kubectl, *words: str, rows: int = 24, columns: int = 80) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        kubectl.argv(*words),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=kubectl.env | {"TERM": "xterm"},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.fixture(scope="module")
def web(cluster: Cluster) -> Iterator[None]:
    """A pod in a namespace for this whole file; nothing here changes it."""
    newest = cluster.kubectl("v37", "exec")
    newest("create", "namespace", "exec")
    newest.run_pod(pod("web", container("main"), container("side")))
    yield
    newest("delete", "namespace", "exec", "--wait=false")


@pytest.fixture
def inside(kubectl: Kubectl, web: None) -> Kubectl:
    return kubectl.within("exec")


def test_streams_are_kept_apart_and_the_exit_code_comes_back(inside: Kubectl) -> None:
    said = inside("exec", "web", "-c", "main", "--", "sh", "-c", "echo out; echo err >&2; exit 7", fails=7)
    assert said.out == "out\n"
    assert said.err == "err\ncommand terminated with exit code 7\n"
    said = inside("exec", "web", "--", "true")
    assert said.err == 'Defaulted container "main" out of: main, side\n'


def test_a_command_ended_by_a_signal(inside: Kubectl) -> None:
    said = inside("exec", "web", "-c", "main", "--", "sh", "-c", "kill -9 $$", fails=137)
    assert "command terminated with exit code 137" in said.err


def test_a_command_that_is_not_there(inside: Kubectl) -> None:
    said = inside("exec", "web", "-c", "main", "--", "/no/such/command", fails=True).err
    assert "/no/such/command" in said
    assert "no such file or directory" in said


def test_exec_is_in_the_container_that_was_named(inside: Kubectl) -> None:
    names = {
        inside("exec", "web", "-c", name, "--", "sh", "-c", "cat /proc/self/cgroup").out for name in ("main", "side")
    }
    assert len(names) == 2
    said = inside("exec", "web", "-c", "nope", "--", "true", fails=1).err
    assert "container nope is not valid for pod web" in said or "container not found" in said


def test_stdin(inside: Kubectl) -> None:
    assert inside("exec", "-i", "web", "-c", "main", "--", "cat", stdin="one\ntwo").out == "one\ntwo"
    large = "".join(f"{number:063}\n" for number in range(16384))
    assert inside("exec", "-i", "web", "-c", "main", "--", "cat", stdin=large).out == large
    assert inside("exec", "-i", "web", "-c", "main", "--", "wc", "-c", stdin=large).out.strip() == str(len(large))


def test_a_terminal(inside: Kubectl) -> None:
    with terminal(inside, "exec", "-it", "web", "-c", "main", "--", "sh", rows=33, columns=111) as person:
        # kubectl tells the size after the command has begun, with a cluster too.
        person.type('until [ "$(stty size)" = "33 111" ]; do sleep 0.1; done; echo size $((1 + 1)); tty\n')
        person.read_until("size 2")
        person.read_until("/dev/pts/")
        person.resize(44, 122)
        person.type('until [ "$(stty size)" = "44 122" ]; do sleep 0.1; done; echo size $((1 + 2))\n')
        person.read_until("size 3")
        person.type("sh -c 'trap \"echo inter''rupted; exit 5\" INT; echo wait''ing; while :; do sleep 0.1; done'\n")
        person.read_until("waiting")
        person.type("\x03")
        person.read_until("interrupted")
        person.type("exit 5\n")
        person.read_until("command terminated with exit code 5")
        assert person.process.wait(20) == 5


def test_exec_into_a_pod_that_is_not_there_or_has_ended(kubectl: Kubectl) -> None:
    said = kubectl("exec", "nope", "--", "true", fails=1).err
    assert said == 'Error from server (NotFound): pods "nope" not found\n'
    kubectl.apply(pod("job", container(script="true")))
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/job", "--timeout=30s")
    said = kubectl("exec", "job", "--", "true", fails=1).err
    assert said == ("error: cannot exec into a container in a completed pod; current phase is Succeeded\n")


def test_attach_gives_what_the_container_says_from_now_on(kubectl: Kubectl) -> None:
    script = "while [ ! -e /tmp/go ]; do sleep 0.1; done; while :; do echo tick; sleep 0.2; done"
    kubectl.run_pod(pod("web", container(script=script)))
    with kubectl.started("attach", "web") as attached:
        kubectl("exec", "web", "--", "touch", "/tmp/go")
        attached.read_until("tick\n", count=3)


def test_attach_with_stdin(kubectl: Kubectl) -> None:
    reader = container(script='while read line; do echo "got $line"; done; echo bye', stdin=True)
    kubectl.run_pod(pod("web", reader))
    with kubectl.started("attach", "-i", "web") as attached:
        attached.say("hello\n")
        attached.read_until("got hello\n")
        attached.say("again\n")
        attached.read_until("got again\n")


def test_attach_with_a_terminal(newest: Kubectl) -> None:
    newest.run_pod(pod("web", container(command=["sh"], stdin=True, tty=True)))
    with terminal(newest, "attach", "-it", "web") as person:
        person.type("echo $((40 + 2)); tty\n")
        person.read_until("42")
        person.read_until("/dev/pts/")


def test_run_with_a_terminal_and_rm(newest: Kubectl) -> None:
    """``kubectl run`` insists on an image; what it has no image for is given as an override."""
    shell = {"name": "shell", "command": ["sh"], "stdin": True, "tty": True}
    override = json.dumps({"spec": {"terminationGracePeriodSeconds": 1, "containers": [shell]}})
    words = ("run", "shell", "--rm", "-it", "--restart=Never", "--image=none", "--overrides", override)
    with terminal(newest, *words) as person:
        person.read_until("If you don't see a command prompt, try pressing enter.")
        person.type("echo $((40 + 2))\n")
        person.read_until("42")
        person.type("exit\n")
        person.read_until('pod "shell" deleted')
        assert person.process.wait(20) == 0

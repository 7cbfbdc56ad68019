"""The other end of the link, without containers: a real API process whose pods run at once and end when told to.

For tests as a context manager; by hand, for kubectl and other clients:

    python tests/api/fakeagent.py --tcp 127.0.0.1:8001      then: kubectl -s http://127.0.0.1:8001 get nodes

Plain TCP is for tests alone: it is a relay to the Unix socket, so that the API server itself never listens without TLS.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nodeguard.model.instant import rfc3339
from nodeguard.model.link import (
    ConfigMessage,
    EventMessage,
    Forget,
    Gone,
    Hello,
    Lines,
    Message,
    NodeMessage,
    PodMessage,
    Query,
    Reply,
    Settled,
    Sync,
    Synced,
    decode,
    encode,
)

NODE = "node1"
Object = dict[str, Any]


class FakeAgent:
    """An API process and its agent; ``socket`` is the path of the Unix socket."""

    def __init__(self, directory: Path, *, runs: bool = True) -> None:
        """With ``runs`` False, pods stay Pending until ``report`` says otherwise."""
        self.directory, self._runs = directory, runs
        self.socket = directory / "nodeguard.sock"
        self.pods: dict[str, Object] = {}
        self.heard: list[Message] = []
        self.answers: dict[str, Any] = {}
        """By ``what`` of a query; a dict with ``code`` is an error."""
        self.forgets = True
        """Whether it forgets what it is told to."""
        self._heard_more = threading.Condition()
        self._listener = socket.socket(socket.AF_UNIX)
        self.socket.unlink(missing_ok=True)
        self._listener.bind(str(self.socket))
        self._listener.listen(128)
        self.process: subprocess.Popen[bytes]
        self._start()

    def __enter__(self) -> FakeAgent:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> int:
        """End the API process by closing the link; its exit code."""
        code = self._end()
        self._listener.close()
        self.socket.unlink(missing_ok=True)
        return code

    def restart(self, signal_number: int = signal.SIGKILL) -> None:
        """End the API process with a signal, and start another one."""
        self.process.send_signal(signal_number)
        self._end()
        self.heard.clear()
        self._start()

    def send(self, message: Message) -> None:
        """Tell the API server something."""
        self._link.sendall(encode(message))

    def report(self, uid: str, status: Object) -> None:
        """Tell a pod's status."""
        self.pods[uid]["status"] = status
        self.send(PodMessage(object=self.pods[uid]))

    def wait_for(self, kind: type[Message], seconds: float = 20.0, **attributes: Any) -> Any:
        """The first message heard of this kind with these attributes."""

        def found() -> Message | None:
            return next(
                (
                    m
                    for m in self.heard
                    if isinstance(m, kind) and all(getattr(m, k) == v for k, v in attributes.items())
                ),
                None,
            )

        with self._heard_more:
            if not self._heard_more.wait_for(lambda: found() is not None, seconds):
                raise AssertionError(f"no {kind.__name__} with {attributes} was heard, but {self.heard}")
            return found()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._link = ours
        environment = {
            **os.environ,
            "NODEGUARD_LINK_FD": str(theirs.fileno()),
            "NODEGUARD_LISTEN_UNIX_FD": str(self._listener.fileno()),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nodeguard.api"],
            env=environment,
            pass_fds=(theirs.fileno(), self._listener.fileno()),
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self.send(self._hello())
        self.send(NodeMessage(object=node_object()))
        for pod in self.pods.values():
            self.send(PodMessage(object=pod))
        self.send(Synced())
        self._thread = threading.Thread(target=self._listen, args=(ours,), daemon=True)
        self._thread.start()

    def _end(self) -> int:
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        code = self.process.wait(20)
        self._thread.join(20)
        self._link.close()
        return code

    def _hello(self) -> Hello:
        return Hello(
            node_name=NODE,
            boot_id="00000000-0000-0000-0000-000000000000",
            run_dir=str(self.directory / "run"),
            state_dir=str(self.directory / "state"),
            log_dir=str(self.directory / "log"),
            runtime="/usr/bin/runc",
            runtime_root=str(self.directory / "run" / "runc"),
            exit_dir=str(self.directory / "run" / "exits"),
            cgroup_mode="v2",
            version="test",
        )

    def _listen(self, link: socket.socket) -> None:
        lines = Lines()
        with contextlib.suppress(OSError):
            while data := link.recv(1 << 16):
                lines.feed(data)
                while (line := lines.next_line()) is not None:
                    self._hear(decode(line))

    def _hear(self, message: Message) -> None:
        match message:
            case PodMessage():
                self._pod(message.object)
            case Forget():
                if self.forgets:
                    self.pods.pop(message.uid, None)
                    self.send(Gone(uid=message.uid, namespace=message.namespace, name=message.name))
            case Query():
                self._answer(message)
            case ConfigMessage() | Settled() | NodeMessage() | Sync():
                pass
        with self._heard_more:
            self.heard.append(message)
            self._heard_more.notify_all()

    def _pod(self, obj: Object) -> None:
        metadata = obj["metadata"]
        uid = metadata["uid"]
        known = self.pods.get(uid)
        self.pods[uid] = {**obj, "status": known["status"]} if known is not None else obj
        if metadata.get("deletionTimestamp") and self._runs:
            del self.pods[uid]
            self.send(Gone(uid=uid, namespace=metadata["namespace"], name=metadata["name"]))
        elif known is None and self._runs:
            self.pods[uid] = {**obj, "status": running_status(obj)}
            self.send(PodMessage(object=self.pods[uid]))
            self.send(EventMessage(object=started_event(obj)))

    def _answer(self, query: Query) -> None:
        value = self.answers.get(query.what)
        if isinstance(value, dict) and "code" in value:
            self.send(Reply(id=query.id, error=value))
        else:
            self.send(Reply(id=query.id, value=value))


def running_status(pod: Object) -> Object:
    """The status of a pod all of whose containers run."""
    now = rfc3339(time.time())
    types = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    return {
        "phase": "Running",
        "qosClass": (pod.get("status") or {}).get("qosClass", "BestEffort"),
        "startTime": now,
        "hostIP": "127.0.0.1",
        "podIP": "127.0.0.1",
        "podIPs": [{"ip": "127.0.0.1"}],
        "conditions": [{"type": one, "status": "True", "lastTransitionTime": now} for one in types],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container.get("image", ""),
                "imageID": "",
                "containerID": f"runc://{container['name']}",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
                "lastState": {},
            }
            for container in pod["spec"]["containers"]
        ],
    }


def ended_status(pod: Object, phase: str = "Succeeded") -> Object:
    """The status of a pod that has ended."""
    return {**running_status(pod), "phase": phase}


def started_event(pod: Object) -> Object:
    """What the kubelet tells when a container starts."""
    metadata = pod["metadata"]
    regarding = {key: metadata[key] for key in ("namespace", "name", "uid")}
    return {
        "involvedObject": {"kind": "Pod", "apiVersion": "v1", **regarding},
        "metadata": {"namespace": metadata["namespace"]},
        "type": "Normal",
        "reason": "Started",
        "message": "Started container",
        "source": {"component": "kubelet", "host": NODE},
    }


def node_object() -> Object:
    """A Node that is ready."""
    now = rfc3339(time.time())
    amounts = {"cpu": "2", "memory": "4Gi", "pods": "110", "ephemeral-storage": "20Gi"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"}},
        "spec": {"providerID": f"nodeguard://{NODE}"},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [{**ready, "lastHeartbeatTime": now, "lastTransitionTime": now}],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": NODE}],
            "nodeInfo": {"kubeletVersion": "v1.37.0-nodeguard", "osImage": "test", "containerRuntimeVersion": "runc"},
        },
    }


@contextlib.contextmanager
def relay(address: str, unix_path: Path) -> Iterator[None]:
    """Carry bytes between a loopback TCP port and the Unix socket, in a thread."""
    host, _, port = address.rpartition(":")
    loop = asyncio.new_event_loop()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_api, from_api = await asyncio.open_unix_connection(str(unix_path))
        await asyncio.gather(carry(reader, from_api), carry(to_api, writer), return_exceptions=True)

    server = loop.run_until_complete(asyncio.start_server(connected, host, int(port)))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, help="where socket and objects go; a temporary one when not given")
    parser.add_argument("--tcp", metavar="HOST:PORT", help="serve there, too, without TLS")
    options = parser.parse_args()
    directory = options.directory or Path(tempfile.mkdtemp(prefix="fakeagent-"))
    directory.mkdir(parents=True, exist_ok=True)
    with FakeAgent(directory) as agent, contextlib.ExitStack() as stack:
        if options.tcp:
            stack.enter_context(relay(options.tcp, agent.socket))
        sys.stderr.write(f"serving on {agent.socket} {options.tcp or ''}\n")
        with contextlib.suppress(KeyboardInterrupt):
            agent.process.wait()
    if options.directory is None:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()

"""exec: a program in a container, its streams on the channels of a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from functools import cache
from typing import Any

from starlette.datastructures import QueryParams
from starlette.websockets import WebSocket

from nodeguard.api.status import ApiError, bad_request, internal_error
from nodeguard.api.stream import descriptor
from nodeguard.api.stream.channel import (
    STDERR,
    STDOUT,
    Channels,
    Input,
    InputEnd,
    Resize,
    cancel,
    choose_protocol,
    exit_status,
    refuse,
)
from nodeguard.api.stream.pod import PodSource, choose_container, get_pod, running_container_id
from nodeguard.api.stream.query import read_flag
from nodeguard.errors import HostLacks, NotFound, RuntimeFailed
from nodeguard.kernel.cgroup.detect import detect
from nodeguard.kernel.cgroup.driver import Driver
from nodeguard.runtime.container import Bundle, find_bundle
from nodeguard.runtime.exec import Exec, Runtime, start_exec

CHUNK_BYTES = 32 << 10
START_SECONDS = 5.0
"""How long a client that has gone already is waited for on the runtime's side: it cannot be stopped half-way."""

POLL_SECONDS = 0.005


def find_running(pods: PodSource, namespace: str, name: str, query: QueryParams) -> tuple[dict[str, Any], str, Bundle]:
    """The pod, the container's name and its bundle, for exec and attach.

    Raises:
        ApiError: there is no such pod, no such container, or it does not run.
    """
    pod = dict(get_pod(pods, namespace, name))
    container = choose_container(pod, query.get("container", ""))
    container_id = running_container_id(pod, container)
    try:
        return pod, container, find_bundle(pods.run_dir, pod["metadata"]["uid"], container, container_id)
    except NotFound as e:
        raise internal_error(f'unable to upgrade connection: container not found ("{container}")') from e


def check_streams(query: QueryParams) -> None:
    """At least one stream is wanted.

    Raises:
        ApiError: none is.

    Source: kubernetes, staging/src/k8s.io/kubelet/pkg/cri/streaming/remotecommand/httpstream.go (NewOptions).
    """
    if not any(read_flag(query, name) for name in ("stdin", "stdout", "stderr")):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")


def check_exec(pods: PodSource, namespace: str, name: str, query: QueryParams) -> tuple[Bundle, list[str]]:
    """The container, and the command to run in it.

    Raises:
        ApiError: something of it is wrong.
    """
    _, _, bundle = find_running(pods, namespace, name, query)
    command = query.getlist("command")
    if not command or not command[0]:
        raise bad_request("you must specify at least one command for the container")
    if any("\0" in word for word in command):
        raise bad_request("a command cannot hold a NUL byte")
    check_streams(query)
    return bundle, command


async def serve_exec(pods: PodSource, socket: WebSocket) -> None:
    """One exec, from the upgrade to its end."""
    query, path = socket.query_params, socket.path_params
    try:
        bundle, command = check_exec(pods, path["namespace"], path["name"], query)
        protocol = choose_protocol(socket.scope["subprotocols"])
        stdin, terminal = read_flag(query, "stdin"), read_flag(query, "tty")
        started = start_exec(_runtime(pods), bundle, command, stdin=stdin, terminal=terminal)
    except ApiError as e:
        await refuse(socket, e)
        return
    except (NotFound, HostLacks, RuntimeFailed, OSError) as e:
        await refuse(socket, internal_error(f"error executing command in container: {e}"))
        return
    session = _Session(started, stdin=stdin, stdout=read_flag(query, "stdout"), stderr=read_flag(query, "stderr"))
    try:
        await socket.accept(subprotocol=protocol)
        await session.run(Channels(socket, protocol))
    finally:
        await asyncio.shield(session.leave())


class _Session:
    """One process and one client."""

    def __init__(self, started: Exec, *, stdin: bool, stdout: bool, stderr: bool) -> None:
        self._exec = started
        self._wants_stdin, self._wants_stdout, self._wants_stderr = stdin, stdout, stderr
        self._has_ended = asyncio.Event()
        self._is_finished = False

    async def run(self, channels: Channels) -> None:
        """Both talk until the process ends, or the client goes."""
        with suppress(ConnectionError):
            await channels.send(STDOUT if self._wants_stdout else STDERR, b"")  # tells the client that it is connected
            listening = asyncio.create_task(self._listen(channels))
            speaking = asyncio.create_task(self._speak(channels))
            try:
                await asyncio.wait((listening, speaking), return_when=asyncio.FIRST_COMPLETED)
                if speaking.done():
                    speaking.result()
                    await channels.end(self._finish())
            finally:
                await cancel(listening, speaking)

    async def leave(self) -> None:
        """Nothing of it is left: a process whose client has gone is killed."""
        if not self._is_finished:
            deadline = asyncio.get_running_loop().time() + START_SECONDS
            while not self._exec.has_started and not self._exec.is_over and _now() < deadline:
                await asyncio.sleep(POLL_SECONDS)
            await asyncio.to_thread(self._exec.kill)
            await descriptor.until_readable(self._exec.pidfd)
            self._finish()
        self._exec.close()

    def _finish(self) -> dict[str, Any]:
        self._is_finished = True
        try:
            return exit_status(self._exec.finish())
        except RuntimeFailed as e:
            return internal_error(f"error executing command in container: {e}").object()

    async def _listen(self, channels: Channels) -> None:
        """Hand on what the client says, until it goes."""
        while (word := await channels.receive()) is not None:
            if isinstance(word, Resize):
                self._exec.resize(word.columns, word.rows)
            elif isinstance(word, InputEnd):
                self._exec.close_stdin()
            elif isinstance(word, Input) and self._exec.stdin_fd >= 0:
                try:
                    await descriptor.write(self._exec.stdin_fd, word.data)
                except OSError:  # nobody reads it any more
                    self._exec.close_stdin()

    async def _speak(self, channels: Channels) -> None:
        """Hand on what the process says, until it has ended."""
        streams: list[Coroutine[Any, Any, None]] = [
            self._wait(),
            self._copy(self._exec.stdout_fd, channels, STDOUT if self._wants_stdout else None),
        ]
        if self._exec.stderr_fd >= 0:
            streams.append(self._copy(self._exec.stderr_fd, channels, STDERR if self._wants_stderr else None))
        tasks = [asyncio.create_task(stream) for stream in streams]
        try:
            await asyncio.gather(*tasks)
        finally:
            await cancel(*tasks)

    async def _wait(self) -> None:
        await descriptor.until_readable(self._exec.pidfd)
        self._has_ended.set()

    async def _copy(self, fd: int, channels: Channels, channel: int | None) -> None:
        while data := await descriptor.read(fd, CHUNK_BYTES, self._has_ended):
            if channel == STDERR and not await self._is_the_process():
                continue  # the runtime's own complaint, which the status tells
            if channel is not None:
                await channels.send(channel, data)

    async def _is_the_process(self) -> bool:
        """Whether what was said came from the process, once there is one."""
        while not self._exec.has_started and not self._has_ended.is_set():
            await asyncio.sleep(POLL_SECONDS)
        return self._exec.has_started


def _now() -> float:
    return asyncio.get_running_loop().time()


@cache
def _driver() -> Driver:
    return detect()


def _runtime(pods: PodSource) -> Runtime:
    return Runtime(program=pods.runtime, root=pods.runtime_root, exec_dir=pods.run_dir / "exec", driver=_driver())

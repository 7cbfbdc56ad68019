"""Connections to the ports of a pod, made inside its network."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from nodeguard.api.status import ApiError, internal_error
from nodeguard.api.stream.pod import Json, PodSource
from nodeguard.kernel.namespace import CLONE_NEWNET, in_namespace

CONNECT_SECONDS = 10.0

_ADDRESSES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


def network_of(pods: PodSource, pod: Json) -> Path | None:
    """The file that holds the pod's network namespace; None for a pod in the host's.

    Raises:
        ApiError: the pod does not run.
    """
    name, phase = pod["metadata"]["name"], pod.get("status", {}).get("phase", "Pending")
    if phase != "Running":
        raise _not_running(name, phase)
    if pod["spec"].get("hostNetwork"):
        return None
    file: Path = pods.run_dir / "pods" / pod["metadata"]["uid"] / "ns" / "net"
    if not file.exists():
        raise _not_running(name, phase)
    return file


async def connect(network: Path | None, port: int) -> socket.socket:
    """A connection to the port, by IPv4 or else by IPv6; not blocking.

    Raises:
        OSError: nobody listens there, or nobody answers (TimeoutError).
    """
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    for family, address in _ADDRESSES:
        try:
            sock = await _socket_of(network, family)
        except OSError as e:
            failure = failure or e
            continue
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.sock_connect(sock, (address, port))
            return sock
        except OSError as e:
            sock.close()
            failure = failure or e
        except BaseException:
            sock.close()
            raise
    raise failure or OSError("no address")


def complaint(error: OSError, port: int, pod: Json) -> str:
    """What went wrong, as the kubelet words it.

    Source: kubernetes, staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward/httpstream.go.
    """
    uid = pod["metadata"]["uid"]
    why = os.strerror(error.errno).lower() if error.errno else "nobody answers"
    return f"error forwarding port {port} to pod {uid}, uid : dial tcp4 127.0.0.1:{port}: connect: {why}"


async def _socket_of(network: Path | None, family: socket.AddressFamily) -> socket.socket:
    """What a thread makes; it is closed when nobody waits for it any more."""
    making = asyncio.ensure_future(asyncio.to_thread(_socket, network, family))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        making.add_done_callback(_close)
        raise


def _close(made: asyncio.Future[socket.socket]) -> None:
    if not made.cancelled() and made.exception() is None:
        made.result().close()


def _socket(network: Path | None, family: socket.AddressFamily) -> socket.socket:
    """A socket stays in the network it was made in, whoever uses it."""

    def make() -> socket.socket:
        return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)

    return make() if network is None else in_namespace(network, CLONE_NEWNET, make)


def _not_running(name: str, phase: str) -> ApiError:
    return internal_error(f"unable to forward port because pod {name} is not running. Current status={phase}")

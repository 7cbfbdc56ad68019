"""The API: a list beside kubectl's, a long list, how soon a watch tells, and what an idle agent takes with it.

The pods of the long list are objects alone: the node is cordoned, so none is started.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.idle import MIB, pss
from bench.process import CommandFailed, run, wait_gone
from bench.product import Product
from bench.report import table
from bench.stats import Summary, summarize
from nodeguard.client.client import Client
from nodeguard.client.kind import NODE, POD
from nodeguard.errors import NodeguardError

KUBECTL = Path(__file__).resolve().parent.parent / ".venv" / "kubectl" / "kubectl-v37"
LIST_TARGET_MS, WATCH_TARGET_MS, PSS_TARGET_MIB = 150.0, 20.0, 64.0
START_SECONDS = 60.0


def add_options(group: argparse._ArgumentGroup) -> None:
    """What can be chosen on the command line."""
    group.add_argument("--api-rounds", type=int, default=20, help="how often each is asked (default 20)")
    group.add_argument("--api-pods", type=int, default=1000, help="pods of the long list (default 1000)")


def measure(
    stack: contextlib.ExitStack, base: Path, options: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, str]]:
    """Measure, print the table; return the figures, and what could not be measured."""
    product = Product(base / "nodeguard", cgroup=f"ngapi-{os.getpid()}")
    stack.callback(product.close)
    try:
        samples, memory = with_agent(product, base, options)
    except (CommandFailed, NodeguardError, OSError, TimeoutError) as e:
        return {}, {"api": str(e)}
    figures = {metric: summarize(values) for metric, values in samples.items()}
    print(table(figures))
    print(f"idle agent with its API: {', '.join(f'{name} {size / MIB:.1f} MiB PSS' for name, size in memory.items())}")
    print("\n" + "\n".join(verdicts(figures, memory, options.api_pods)) + "\n")
    answer = {"seconds": samples, "figures": {name: asdict(figure) for name, figure in figures.items()}}
    return {**answer, "pssBytes": memory}, {}


def with_agent(
    product: Product, base: Path, options: argparse.Namespace
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Start an agent, ask it, end it."""
    address = f"127.0.0.1:{free_port()}"
    log = base / "agent.log"
    with open(log, "wb") as stderr:
        process = product.start("agent", "--listen", address, "--pod-manifest-path", str(base), stderr=stderr)
        client = Client(base / "nodeguard" / "run" / "nodeguard.sock")
        try:
            wait_ready(process, client, log)
            time.sleep(3)  # what was read and made at the start settles
            memory = {"agent": pss(process.pid), "API server": sum(map(pss, children(process.pid)))}
            return ask(product, client, kubectl(product, base, address), options), memory
        finally:
            client.close()
            process.send_signal(signal.SIGTERM)
            wait_gone(process.pid)
            process.wait()
            product.command("cleanup")


def ask(
    product: Product, client: Client, kubectl_get: Callable[..., float], options: argparse.Namespace
) -> dict[str, list[float]]:
    """Seconds by what was asked; those that are compared take turns."""
    (node,) = client.list(NODE, None)["items"]
    client.patch(NODE, None, node["metadata"]["name"], {"spec": {"unschedulable": True}})
    client.create(POD, "default", pod(0))
    samples: dict[str, list[float]] = {}

    def note(metric: str, seconds: float) -> None:
        samples.setdefault(metric, []).append(seconds)

    kubectl_get("pods")  # it keeps what discovery told; users feel that once
    for _ in range(options.api_rounds):
        note("nodeguard get pods", product.command("get", "pods"))
        note("kubectl get pods", kubectl_get("pods"))
    for latency in watch_latencies(client, options.api_rounds):
        note("watch event", latency)
    for number in range(1, options.api_pods):
        client.create(POD, "default", pod(number))
    many = f"{options.api_pods} pods"
    for _ in range(options.api_rounds):
        started = time.monotonic()
        client.read(POD.path("default"))
        note(f"list of {many}", time.monotonic() - started)
        note(f"nodeguard get, {many}", product.command("get", "pods"))
        note(f"kubectl get, {many}", kubectl_get("pods"))
    return samples


def watch_latencies(client: Client, rounds: int) -> list[float]:
    """From sending a change to the watch's word of it, each."""
    seen: dict[str, float] = {}
    arrived = threading.Condition()
    version = client.list(POD, "default")["metadata"]["resourceVersion"]

    def watch() -> None:
        with contextlib.suppress(NodeguardError):
            for _, item in client.another().watch(POD, "default", {"resourceVersion": version, "timeoutSeconds": "60"}):
                with arrived:
                    seen[item["metadata"].get("annotations", {}).get("round", "")] = time.monotonic()
                    arrived.notify_all()

    threading.Thread(target=watch, daemon=True).start()
    time.sleep(0.5)
    found = []
    for number in range(rounds):
        mark = str(number)
        started = time.monotonic()
        client.patch(POD, "default", "pod-0", {"metadata": {"annotations": {"round": mark}}})
        with arrived:
            if not arrived.wait_for(lambda mark=mark: mark in seen, 20):  # type: ignore[misc]
                raise TimeoutError("a watch did not tell of a change within 20 s")
        found.append(seen[mark] - started)
        time.sleep(0.05)
    return found


def kubectl(product: Product, base: Path, address: str) -> Callable[..., float]:
    """Seconds for ``kubectl get`` of something over TLS, the only way that kubectl knows."""
    if not KUBECTL.exists():
        raise CommandFailed(f"{KUBECTL}: not installed: make setup installs it")
    config = base / "kubeconfig"
    config.touch(mode=0o600)
    config.write_bytes(product.output("kubeconfig", "--listen", address))
    argv = [str(KUBECTL), "--kubeconfig", str(config), "--cache-dir", str(base / "cache"), "get"]
    return lambda *words: run([*argv, *words])


def wait_ready(process: subprocess.Popen[bytes], client: Client, log: Path) -> None:
    """Return when the API lists a node."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(NodeguardError):
            if client.list(NODE, None)["items"]:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise CommandFailed(f"nodeguard agent is not ready: {log.read_text()[-2000:]}")
        time.sleep(0.1)


def children(pid: int) -> list[int]:
    """The processes that this one started."""
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def free_port() -> int:
    """A TCP port of the loopback that nobody has at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def pod(number: int) -> dict[str, Any]:
    """A pod of about the size that people write."""
    resources = {"requests": {"cpu": "10m", "memory": "8Mi"}, "limits": {"memory": "64Mi"}}
    container = {"name": "main", "command": ["sleep", "infinity"], "resources": resources}
    metadata = {"name": f"pod-{number}", "labels": {"app": "bench", "number": str(number)}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def verdicts(figures: Mapping[str, Summary], memory: Mapping[str, int], pods: int) -> list[str]:
    """Held against what is wanted."""
    rows = [
        ("nodeguard get pods", figures["kubectl get pods"].median_ms, "ms, wanted ≤ kubectl's"),
        (f"list of {pods} pods", LIST_TARGET_MS, "ms, wanted ≤"),
        ("watch event", WATCH_TARGET_MS, "ms, wanted ≤"),
    ]
    lines = [
        f"{_word(figures[metric].median_ms, bound)}  {metric:24} {figures[metric].median_ms:.1f} {text} {bound:.1f}"
        for metric, bound, text in rows
    ]
    whole = sum(memory.values()) / MIB
    return [
        *lines,
        f"{_word(whole, PSS_TARGET_MIB)}  {'idle agent':24} {whole:.1f} MiB PSS, wanted ≤ {PSS_TARGET_MIB:g}",
    ]


def _word(value: float, bound: float) -> str:
    return "pass" if value <= bound else "MISS"

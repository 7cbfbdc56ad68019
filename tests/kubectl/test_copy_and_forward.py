"""kubectl cp, port-forward and proxy: bytes in and out, unchanged. Both programs run all of these."""

from __future__ import annotations

import re
import socket
import urllib.request
from pathlib import Path

import pytest
from kubectl.cluster import Kubectl
from root.lab import container, pod

pytestmark = [pytest.mark.root, pytest.mark.anywhere]

SERVER = """
import socket
server = socket.create_server(("127.0.0.1", {port}))
print("up", flush=True)
while True:
    client, _ = server.accept()
    with client:
        while data := client.recv(65536):
            client.sendall(data.upper())
"""


def test_cp_of_files_and_directories_both_ways(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.run_pod(pod("web"))
    there, back = tmp_path / "there", tmp_path / "back"
    (there / "deep").mkdir(parents=True)
    (there / "deep" / "binary").write_bytes(bytes(range(256)) * 4096)
    (there / "text").write_text("hello\n")
    kubectl("cp", there / "text", "web:/tmp/text")
    assert kubectl("exec", "web", "--", "cat", "/tmp/text").out == "hello\n"
    kubectl("cp", there, "web:/tmp/there", "-c", "main")
    kubectl("cp", "web:/tmp/there", back)
    assert (back / "deep" / "binary").read_bytes() == (there / "deep" / "binary").read_bytes()
    assert (back / "text").read_text() == "hello\n"
    kubectl("cp", f"{kubectl.namespace}/web:/tmp/text", tmp_path / "one")
    assert (tmp_path / "one").read_text() == "hello\n"


@pytest.fixture
def port() -> int:
    """A port that is free now; the pod shares the host's network, or has one of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found: int = server.getsockname()[1]
        return found


def test_port_forward(kubectl: Kubectl, port: int) -> None:
    server = container(command=["python3", "-c", SERVER.format(port=port)])
    kubectl.run_pod(pod("web", server))
    with kubectl.started("logs", "-f", "web") as following:
        following.read_until("up\n")
    with kubectl.started("port-forward", "pod/web", f":{port}") as forwarding:
        said = forwarding.read_until("\n")
        match = re.search(rf"Forwarding from 127\.0\.0\.1:(\d+) -> {port}\n", said)
        assert match, said
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", int(match[1])), timeout=20) as client:
                sent = b"hello " * 50000
                client.sendall(sent)
                heard = b""
                while len(heard) < len(sent):
                    chunk = client.recv(65536)
                    assert chunk
                    heard += chunk
                assert heard == sent.upper()
        assert f"Handling connection for {match[1]}" in forwarding.output


def test_port_forward_to_a_port_where_nobody_listens(newest: Kubectl, port: int) -> None:
    newest.run_pod(pod("web"))
    with newest.started("port-forward", "pod/web", f":{port}") as forwarding:
        match = re.search(r"127\.0\.0\.1:(\d+) ->", forwarding.read_until("\n"))
        assert match
        with socket.create_connection(("127.0.0.1", int(match[1])), timeout=20) as client:
            client.sendall(b"anybody?")
            assert client.recv(1) == b""
        forwarding.read_until("An error occurred forwarding")


def test_proxy(newest: Kubectl) -> None:
    newest("create", "configmap", "c", "--from-literal=a=1")
    with newest.started("proxy", "--port=0") as proxy:
        match = re.search(r"Starting to serve on (127\.0\.0\.1:\d+)", proxy.read_until("\n"))
        assert match
        path = f"http://{match[1]}/api/v1/namespaces/{newest.namespace}/configmaps/c"
        with urllib.request.urlopen(path, timeout=20) as answer:
            assert b'"a":"1"' in answer.read().replace(b" ", b"")

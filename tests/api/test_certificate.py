from __future__ import annotations

import base64
import json
import socket
import ssl
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from streamserver import Server, until

from nodeguard.api import guard, kubeconfig
from nodeguard.api.certificate import ensure_certificates, main
from nodeguard.api.identity import of_certificate
from nodeguard.api.tls import refresh, server_context

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ALL = ["ca.pem", "server.pem", "admin.pem"]


def test_made_once(tmp_path: Path) -> None:
    assert ensure_certificates(tmp_path / "pki", ["node1"], NOW) == ALL
    assert ensure_certificates(tmp_path / "pki", ["node1"], NOW + timedelta(days=200)) == []
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "pki").iterdir()} == {0o600}
    assert b"PRIVATE" not in (tmp_path / "pki" / "ca.crt").read_bytes()


@pytest.mark.parametrize(
    ("days", "made"),
    [
        pytest.param(334, [], id="a month and a day before the end"),
        pytest.param(336, ["server.pem", "admin.pem"], id="less than a month before the end"),
        pytest.param(3300, ALL, id="the CA first"),
    ],
)
def test_renewed_before_the_end(tmp_path: Path, days: int, made: list[str]) -> None:
    ensure_certificates(tmp_path, ["node1"], NOW)
    assert ensure_certificates(tmp_path, ["node1"], NOW + timedelta(days=days)) == made


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("text", [b"", b"-----BEGIN CERTIFICATE-----\n", b"\xff\x00"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, name: str, text: bytes) -> None:
    ensure_certificates(tmp_path, [], NOW)
    (tmp_path / name).write_bytes(text)
    made = ensure_certificates(tmp_path, [], NOW)
    assert made == (ALL if name == "ca.pem" else [name])


def test_a_key_of_another_certificate_is_no_key(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, [], NOW)
    mixed = (tmp_path / "server.pem").read_bytes().split(b"-----BEGIN PRIVATE")[0]
    key = (tmp_path / "admin.pem").read_bytes().partition(b"-----BEGIN PRIVATE")
    (tmp_path / "server.pem").write_bytes(mixed + key[1] + key[2])
    assert ensure_certificates(tmp_path, [], NOW) == ["server.pem"]


def test_another_name_needs_another_certificate(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, ["node1"], NOW)
    assert ensure_certificates(tmp_path, ["node1", "192.0.2.1"], NOW) == ["server.pem"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "pki")]) == 0
    assert capsys.readouterr().out.split() == ALL
    (tmp_path / "file").write_text("")
    assert main([str(tmp_path / "file")]) == 1


def test_a_subject_is_an_identity() -> None:
    subject = ((("commonName", "nodeguard-admin"),), (("organizationName", "system:masters"),))
    found = of_certificate({"subject": subject}, "127.0.0.1")
    assert found is not None
    assert (found.username, found.groups) == ("nodeguard-admin", ("system:masters", "system:authenticated"))
    assert of_certificate({"subject": ()}, "127.0.0.1") is None


# in use


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    ensure_certificates(tmp_path / "pki", [], datetime.now(UTC))
    return tmp_path / "pki"


async def who(request: Request) -> JSONResponse:
    return JSONResponse(request.state.identity.username)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


@pytest.fixture
def server(tmp_path: Path, pki: Path, listener: socket.socket) -> Iterator[Server]:
    with Server(tmp_path / "api.sock", [Route("/who", who)], listener, pki) as server:
        assert server.get("/who")[0] == 200
        yield server


@pytest.fixture
def port(server: Server, listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def ask(port: int, context: ssl.SSLContext, name: str = "localhost") -> bytes:
    """The answer; empty when there is none."""
    answer = b""
    with (
        suppress(ssl.SSLError, ConnectionError),
        socket.create_connection(("127.0.0.1", port), 20) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        connection.sendall(b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        while piece := connection.recv(4096):
            answer += piece
    return answer


def client_context(pki: Path, name: str | None = "admin.pem") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    if name is not None:
        context.load_cert_chain(pki / name)
    return context


def test_who_has_our_certificate_is_let_in(port: int, pki: Path) -> None:
    for name in ("localhost", "127.0.0.1", socket.gethostname()):
        assert b'"nodeguard-admin"' in ask(port, client_context(pki), name)


def test_who_has_none_is_not(port: int, pki: Path, tmp_path: Path) -> None:
    ensure_certificates(tmp_path / "other", [], datetime.now(UTC))
    stranger = client_context(pki, None)
    stranger.load_cert_chain(tmp_path / "other" / "admin.pem")
    for context in (client_context(pki, None), stranger, client_context(pki, "server.pem")):
        assert ask(port, context) == b""


def test_plain_http_gets_nothing(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n")
        try:
            assert b"HTTP" not in connection.recv(4096)
        except ConnectionError:
            pass


def test_the_server_may_have_a_new_certificate_while_it_serves(pki: Path) -> None:
    context = server_context(pki)
    ensure_certificates(pki, ["192.0.2.9"], datetime.now(UTC))
    refresh(context, pki)
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_kubeconfig_has_everything(pki: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kubeconfig.main(["--pki", str(pki), "--server", "https://127.0.0.1:6443"]) == 0
    config = json.loads(capsys.readouterr().out)
    (cluster,), (user,) = config["clusters"], config["users"]
    assert cluster["cluster"]["server"] == "https://127.0.0.1:6443"
    for data, word in (
        (cluster["cluster"]["certificate-authority-data"], b"CERTIFICATE"),
        (user["user"]["client-certificate-data"], b"CERTIFICATE"),
        (user["user"]["client-key-data"], b"PRIVATE KEY"),
    ):
        text = base64.b64decode(data)
        assert text.startswith(b"-----BEGIN " + word)
        assert text.count(b"BEGIN") == 1


def test_nobody_waits_for_a_handshake_that_does_not_come(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 40) as silent:  # asyncio itself would wait a minute
        assert silent.recv(1) == b""


def test_who_has_no_certificate_takes_no_place_of_others(
    server: Server, port: int, pki: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(guard, "MAX_HANDSHAKES", 8)
    silent = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(12)]
    try:
        until(lambda: len(guard._connections._handshakes) == 8)
        assert server.get("/who")[0] == 200
    finally:
        for each in silent:
            each.close()
    until(lambda: ask(port, client_context(pki)).startswith(b"HTTP/1.1 200"))

"""Where the API is asked: whose the sockets are, and what is in their way."""

from __future__ import annotations

import grp
import socket
import stat
from pathlib import Path

import pytest

from nodeguard.agent import listener
from nodeguard.agent.listener import Listener
from nodeguard.errors import Conflict, HostLacks, UsageError
from nodeguard.model.address import Address


def test_the_socket_is_there_with_its_rights_and_goes_again(tmp_path: Path) -> None:
    path = tmp_path / "run" / "nodeguard.sock"
    opened = Listener(path)
    opened.open()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    opened.close()
    assert not path.exists()


def test_the_socket_of_a_dead_agent_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "nodeguard.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    opened = Listener(path)
    opened.open()
    opened.close()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "nodeguard.sock"
    path.write_text("precious")
    with pytest.raises(Conflict, match="no socket"):
        Listener(path).open()
    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="107 bytes"):
        Listener(tmp_path / ("x" * 120)).open()


def test_a_port_that_is_taken_leaves_no_socket_behind(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        opened = Listener(tmp_path / "a.sock", Address(host="127.0.0.1", port=taken.getsockname()[1]))
        with pytest.raises(Conflict, match="taken"):
            opened.open()
    assert not (tmp_path / "a.sock").exists()


def test_an_address_of_another_host_is_told(tmp_path: Path) -> None:
    with pytest.raises(HostLacks, match="listen"):
        Listener(tmp_path / "a.sock", Address(host="192.0.2.7", port=6443)).open()


def test_any_free_port_is_told(tmp_path: Path) -> None:
    opened = Listener(tmp_path / "a.sock", Address(host="127.0.0.1", port=0))
    opened.open()
    assert opened.tcp_address is not None
    assert opened.tcp_address.port > 0
    opened.close()
    assert opened.tcp_address is None


@pytest.mark.root
@pytest.mark.anywhere
def test_the_group_gets_to_the_socket_and_sees_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gid = grp.getgrnam("daemon").gr_gid
    monkeypatch.setattr(listener, "GROUP", "daemon")
    directory = tmp_path / "run"
    directory.mkdir(mode=0o700)
    opened = Listener(directory / "nodeguard.sock")
    opened.open()
    assert (directory / "nodeguard.sock").stat().st_gid == gid
    assert (directory.stat().st_gid, stat.S_IMODE(directory.stat().st_mode)) == (gid, 0o710)
    opened.close()

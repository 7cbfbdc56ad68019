"""The API server on a disk that is really full: nothing new is taken, what is there can be read and deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from api.fakeagent import FakeAgent
from api.httpclient import MAPS, PODS, Client, config_map, pod
from loopdisk import MIB, ext4, tmpfs

pytestmark = [pytest.mark.root, pytest.mark.anywhere]


@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
def test_a_full_disk(tmp_path: Path, kind: str) -> None:
    state = tmp_path / "state"
    with ext4(state, size_bytes=16 * MIB) if kind == "ext4" else tmpfs(state, "size=8m"), FakeAgent(tmp_path) as agent:
        client = Client(agent.socket)
        for number in range(5):
            client.make(PODS, pod(f"p{number}"))
        filler = state / "filler"
        with pytest.raises(OSError, match="No space left"):
            _fill(filler)
        answers = [client("POST", MAPS, config_map(f"big{n}", {"a": "x" * 200_000})) for n in range(30)]
        assert answers[-1].code == 507
        assert answers[-1].reason == "InsufficientStorage"
        assert client.patch(f"{PODS}/p1", {"metadata": {"labels": {"a": "b"}}}).code == 507
        assert len(client.get(PODS)["items"]) == 5
        for number in range(5):
            assert client("DELETE", f"{PODS}/p{number}").code == 200
            client.until_gone(f"{PODS}/p{number}")
        assert agent.process.poll() is None, "a full disk ends no process"
        filler.unlink()
        client.until(PODS, lambda _: client("POST", MAPS, config_map("after")).code in (201, 409))
        agent.restart()
        assert client.get(PODS)["items"] == []
        assert client.get(f"{MAPS}/after")


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 1024)

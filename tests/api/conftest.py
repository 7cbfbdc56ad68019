"""An API process for each test file, with an agent that runs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api.fakeagent import FakeAgent
from api.httpclient import Client


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeAgent]:
    with FakeAgent(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture
def client(agent: FakeAgent) -> Client:
    return Client(agent.socket)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"

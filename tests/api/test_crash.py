"""The API server is killed at random moments while users work: what was answered holds, and nothing comes back."""

from __future__ import annotations

import http.client
import random
import threading
from pathlib import Path

from api.fakeagent import FakeAgent
from api.httpclient import PODS, Client, Object, pod

RESTARTS = 6


class User(threading.Thread):
    """Makes pods and deletes some; notes what was answered, and forgets what was not."""

    def __init__(self, client: Client, number: int) -> None:
        super().__init__()
        self.expected: dict[str, bool] = {}
        self.is_over = False
        self._client, self._number = client, number
        self._random = random.Random(number)

    def run(self) -> None:
        count = 0
        while not self.is_over:
            count += 1
            name = f"u{self._number}-{count}"
            try:
                self._live(name)
            except (OSError, http.client.HTTPException):
                self.expected.pop(name, None)  # nobody knows whether it was done

    def _live(self, name: str) -> None:
        if self._client("POST", PODS, pod(name)).code == 201:
            self.expected[name] = True
            query = self._random.choice(["", "?gracePeriodSeconds=0", None])
            if query is not None:
                assert self._client("DELETE", f"{PODS}/{name}{query}").code == 200
                self.expected[name] = False


def test_what_was_answered_holds(tmp_path: Path) -> None:
    with FakeAgent(tmp_path) as agent:
        client = Client(agent.socket)
        users = [User(client, number) for number in range(3)]
        for user in users:
            user.start()
        for _ in range(RESTARTS):
            users[0].join(random.uniform(0.1, 0.6))
            agent.restart()
        for user in users:
            user.is_over = True
            user.join()

        def is_quiet(found: Object) -> bool:
            there = {one["metadata"]["uid"] for one in found["items"] if "deletionTimestamp" not in one["metadata"]}
            return len(there) == len(found["items"]) and set(agent.pods) == there

        found = client.until(PODS, is_quiet)  # the agent runs what users see, and nothing else
        there = {one["metadata"]["name"] for one in found["items"]}
        expected = {name: is_there for user in users for name, is_there in user.expected.items()}
        assert {name for name, is_there in expected.items() if is_there} <= there
        assert not {name for name, is_there in expected.items() if not is_there} & there

"""One request to an ASGI application, without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Scope


class Answer:
    """What came back."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def get(app: ASGIApp, path: str, headers: Mapping[str, str] | None = None) -> Answer:
    """The answer to ``GET path``, which may have a query."""
    answer = Answer()
    path, _, query = path.partition("?")
    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(key.encode(), value.encode()) for key, value in (headers or {}).items()],
        "server": ("localhost", 80),
        "scheme": "http",
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {key.decode(): value.decode() for key, value in message["headers"]}
        else:
            answer.body += message["body"]

    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]  # an Awaitable that is a coroutine
    return answer

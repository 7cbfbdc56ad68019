"""Refusals of the API as errors with exit codes."""

import json
from typing import Any

import pytest

from nodeguard.client.status import error_of, error_of_event
from nodeguard.errors import InvalidInput


def body(**fields: Any) -> bytes:
    return json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", **fields}).encode()


@pytest.mark.parametrize(
    ("code", "sent", "exit_code"),
    [
        (400, False, 2),
        (400, True, 3),
        (401, False, 6),
        (403, True, 6),
        (404, False, 4),
        (409, True, 5),
        (410, False, 1),
        (422, True, 3),
        (429, True, 10),
        (500, False, 1),
        (503, False, 7),
        (504, False, 8),
    ],
)
def test_exit_codes(code: int, sent: bool, exit_code: int) -> None:
    error = error_of(code, body(message="no", code=code), sent=sent)
    assert (error.exit_code, str(error)) == (exit_code, "no")


def test_every_cause_is_a_finding() -> None:
    causes = [{"field": "spec.a", "message": "Required value"}, {"field": "spec.b", "message": "Invalid value: 3"}]
    error = error_of(422, body(message="all", details={"kind": "Pod", "name": "web", "causes": causes}), sent=True)
    assert isinstance(error, InvalidInput)
    assert error.findings == ("Pod/web: spec.a: Required value", "Pod/web: spec.b: Invalid value: 3")


@pytest.mark.parametrize("text", [b"", b"<html>", b"[]", b'{"kind": "Pod"}', b"\xff"])
def test_an_answer_that_is_no_status_has_an_error_all_the_same(text: bytes) -> None:
    assert str(error_of(500, text))


def test_a_watch_tells_errors_in_events() -> None:
    assert error_of_event({"kind": "Status", "code": 410, "message": "too old"}).args == ("too old",)

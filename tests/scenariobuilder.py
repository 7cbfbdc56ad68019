"""Short ways to write scenarios in tests."""

from __future__ import annotations

import json
from typing import Any

from nodeguard.model.decodescenario import DecodedScenario, decode_scenario
from nodeguard.model.document import parse
from nodeguard.model.wire import to_wire
from nodeguard.policy.simulation import simulate

NODE = {"metadata": {"name": "n1"}, "status": {"capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"}}}


def pod(name: str, requests: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A v1 Pod of one container; ``uid``, ``annotations`` and ``status`` go where they belong."""
    meta = {"name": name, **{key: spec.pop(key) for key in ("uid", "annotations") if key in spec}}
    status = {"status": spec.pop("status")} if "status" in spec else {}
    container = {"name": "app", "image": "x", "resources": {"requests": requests or {}}}
    return {"metadata": meta, "spec": {"containers": [container], **spec}, **status}


def stats(name: str, working_set: int | str, uid: str = "") -> dict[str, Any]:
    return {"podRef": {"name": name, "namespace": "default", "uid": uid}, "memory": {"workingSetBytes": working_set}}


def free(available: int | str, **more: Any) -> dict[str, Any]:
    """The observations of a node of 8Gi."""
    return {"memory.available": {"available": available, "capacity": "8Gi", **more}}


def scenario(*steps: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A scenario whose node wants 1Gi free; steps without ``at`` are ten seconds apart."""
    spec.setdefault("config", {"evictionHard": {"memory.available": "1Gi"}})
    timed = [{"at": number * 10, **step} for number, step in enumerate(steps)]
    return {"apiVersion": "nodeguard.dev/v1alpha1", "kind": "Scenario", "spec": {"node": NODE, **spec, "steps": timed}}


def decoded(value: dict[str, Any]) -> DecodedScenario:
    (document,) = parse(json.dumps(value), "story.json")
    return decode_scenario(document)


def played(value: dict[str, Any], policy: Any = None) -> list[dict[str, Any]]:
    """The steps of the answer, as JSON would show them."""
    found = decoded(value)
    assert found.scenario is not None, [str(error) for error in found.errors]
    steps: list[dict[str, Any]] = to_wire(simulate(found.scenario, policy))["steps"]
    return steps


def evicted(steps: list[dict[str, Any]]) -> list[list[str]]:
    return [[victim["pod"].removeprefix("default/") for victim in step["evicted"]] for step in steps]

"""Page cache that nobody needs is given back before somebody has to go for it."""

from __future__ import annotations

import pytest
from root.lab import container, finish, pod, start_pods
from sandbox import Sandbox

pytestmark = pytest.mark.root


def test_cache_goes_before_pods(sandbox: Sandbox) -> None:
    """A file read twice is cache in use: the kubelet counts it as if it could not be had back, and evicts for it."""
    script = (
        "head -c 200M /dev/urandom > /data/file; cat /data/file /data/file > /dev/null; cat /data/file > /dev/null;"
        " echo up; sleep 1000"
    )
    reader = pod(
        "reader",
        container("main", script, volumeMounts=[{"name": "data", "mountPath": "/data"}]),
        volumes=[{"name": "data", "emptyDir": {}}],
    )
    options = (
        *("--capacity", "memory=512Mi", "--eviction-hard", "memory.available<20Mi"),
        *("--eviction-soft", "memory.available<400Mi", "--eviction-soft-grace-period", "memory.available=20m"),
    )
    with start_pods(sandbox, reader, options=options) as running:
        running.read_until('"reason": "MemoryReclaimed"', timeout=120)
        running.process.send_signal(2)
        outcome = finish(running)
    told = next(event["message"] for event in outcome.events if event["reason"] == "MemoryReclaimed")
    assert told.startswith("Asked the kernel for ")
    assert not told.endswith(", 0 came back")

"""A container that memory.high holds back is told of, and in the end let go."""

from __future__ import annotations

import pytest
from root.lab import cgroup_of, container, finish, pod, resources, start_pods, wait_for, wait_for_up, write_manifest
from sandbox import CGROUP_MOUNT, Sandbox

pytestmark = pytest.mark.root

HIGH = 80 << 20


def test_memory_high_does_not_become_a_freeze(sandbox: Sandbox) -> None:
    script = (
        "import time\nprint('up', flush=True)\n"
        "held = bytearray(110 << 20)\nprint('all there', flush=True)\ntime.sleep(1000)\n"
    )
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "featureGates": {"MemoryQoS": True},
        "memoryThrottlingFactor": 0.5,
    }
    leak = pod(
        "leak",
        container("main", None, command=["python3", "-c", script], resources=resources("memory=32Mi", "memory=128Mi")),
    )
    options = ("--config", str(write_manifest(sandbox, config, name="config")))
    with start_pods(sandbox, leak, options=options) as running:
        wait_for_up(running)
        high = CGROUP_MOUNT / cgroup_of(sandbox, "leak", "main").strip("/") / "memory.high"
        assert high.read_text().strip() == str(HIGH)
        running.read_until('"reason": "ContainerMemoryThrottled"', timeout=120)
        running.read_until('"reason": "MemoryHighRelaxed"', timeout=120)
        wait_for(lambda: high.read_text().strip() == "max", "memory.high lifted")
        running.read_until("all there", timeout=120)
        running.process.send_signal(2)
        finish(running)

"""The whole machine runs short, without an arena to protect it: pods go, and the kernel's OOM killer has no work."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from root.lab import Json, container, finish, pod, run_pods, start_pods, wait_for_up
from sandbox import Sandbox

pytestmark = pytest.mark.root

GROWER = """
import time
held = []
print('up', flush=True)
for _ in range(8000):
    held.append(bytearray(1 << 20))
    time.sleep(0.003)
"""


def grower(name: str) -> Json:
    """Takes all the memory that there is, and some more."""
    return pod(name, container("main", None, command=["python3", "-c", GROWER]))


def oom_kills() -> int:
    """How often the kernel's OOM killer had to act since boot."""
    found = re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def evicted(events: list[Json]) -> list[str]:
    return [event["pod"] for event in events if event["reason"] == "Evicted"]


@pytest.mark.parametrize("threshold", ["300Mi", "20%"])
def test_the_machine_is_never_out_of_memory(sandbox: Sandbox, threshold: str) -> None:
    before = oom_kills()
    outcome = run_pods(sandbox, grower("hog"), options=("--eviction-hard", f"memory.available<{threshold}"))
    assert outcome.code == 11
    assert evicted(outcome.events) == ["default/hog"]
    assert oom_kills() == before
    assert outcome.terminated(pod="hog")["reason"] == "Error"


def test_one_hog_after_the_other(sandbox: Sandbox) -> None:
    before = oom_kills()
    pods = [grower(f"hog{number}") for number in range(3)]
    outcome = run_pods(sandbox, *pods, options=("--eviction-hard", "memory.available<300Mi"))
    assert sorted(evicted(outcome.events)) == ["default/hog0", "default/hog1", "default/hog2"]
    assert oom_kills() == before


@pytest.fixture
def swap(tmp_path: Path) -> Iterator[None]:
    """A swap file of 256 MiB, as long as the test runs."""
    path = tmp_path / "swap"
    for words in (
        ["fallocate", "-l", "256M", path],
        ["chmod", "600", path],
        ["mkswap", path],
        ["swapon", path],
    ):
        subprocess.run(words, check=True, capture_output=True, timeout=60)
    yield
    subprocess.run(["swapoff", path], check=True, timeout=600)


def test_swap_delays_nothing(sandbox: Sandbox, swap: None) -> None:
    """Swap plays no part in the signal: memory.available is what counts, whatever could be swapped out."""
    before = oom_kills()
    outcome = run_pods(sandbox, grower("hog"), options=("--eviction-hard", "memory.available<300Mi"))
    assert evicted(outcome.events) == ["default/hog"]
    assert oom_kills() == before


def test_process_ids_of_the_whole_machine(sandbox: Sandbox) -> None:
    """Threads count, as they do in the kernel's own limit."""
    tasks = int(Path("/proc/loadavg").read_text().split()[3].split("/")[1])
    limits = [int(Path(f"/proc/sys/kernel/{name}").read_text()) for name in ("pid_max", "threads-max")]
    threshold = min(limits) - tasks - 150
    spawner = pod("spawner", container("main", "for i in $(seq 400); do sleep 1000 & done; echo up; wait"))
    calm = pod("calm", container("main", "echo up; sleep 1000"))
    with start_pods(sandbox, calm, spawner, options=("--eviction-hard", f"pid.available<{threshold}")) as running:
        wait_for_up(running)
        running.read_until('"reason": "Evicted"')
        running.process.send_signal(2)
        outcome = finish(running)
    assert evicted(outcome.events) == ["default/spawner"]

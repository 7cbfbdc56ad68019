"""Limits of local storage: LS rows, TXT-6 to TXT-8."""

from __future__ import annotations

from typing import Any

import pytest
from evictionbuilder import DEDICATED, SINGLE, disk
from podbuilder import container, pod, sidecar

from nodeguard.model.eviction import Layout
from nodeguard.model.pod import EmptyDir, HostPath, Pod, Volume
from nodeguard.model.quantity import Quantity
from nodeguard.model.stats import ContainerUsage, FsUsage, PodUsage, VolumeUsage
from nodeguard.policy.eviction_facts import facts_of
from nodeguard.policy.localstorage import find_violation


def with_volumes(*limits: tuple[str, str, str]) -> Pod:
    """Volumes as (name, medium, size limit)."""
    volumes = tuple(
        Volume(name=name, source=EmptyDir(medium=medium, size_limit=Quantity.parse(size) if size else None))
        for name, medium, size in limits
    )
    return pod(container(), volumes=(*volumes, Volume(name="host", source=HostPath(path="/x"))))


def total(used: int | None) -> PodUsage:
    return PodUsage(name="", ephemeral_storage=FsUsage(used_bytes=used))


LIMITED = container(limits="ephemeral-storage=10")


@pytest.mark.parametrize(
    ("one", "usage", "layout", "kind"),
    [
        pytest.param(with_volumes(("v", "", "10")), disk(volumes={"v": 10}), SINGLE, None, id="LS-1 at the limit"),
        pytest.param(with_volumes(("v", "", "10")), disk(volumes={"v": 11}), SINGLE, "emptyDir", id="LS-1 above it"),
        pytest.param(
            with_volumes(("v", "Memory", "10")), disk(volumes={"v": 11}), SINGLE, "emptyDir", id="LS-1 memory"
        ),
        pytest.param(with_volumes(("v", "", "0")), disk(volumes={"v": 11}), SINGLE, None, id="LS-1 a limit of zero"),
        pytest.param(with_volumes(("v", "", "")), disk(volumes={"v": 11}), SINGLE, None, id="LS-1 no limit"),
        pytest.param(with_volumes(("v", "", "10")), disk(), SINGLE, None, id="LS-1 no statistics"),
        pytest.param(
            with_volumes(("v", "", "10")),
            PodUsage(name="", volumes=(VolumeUsage(name="v"),)),
            SINGLE,
            None,
            id="ODD-12 statistics without a size",
        ),
        pytest.param(pod(LIMITED), total(10), SINGLE, None, id="LS-2 at the limit"),
        pytest.param(pod(LIMITED), total(11), SINGLE, "ephemeral-storage/pod", id="LS-2 above it"),
        pytest.param(pod(LIMITED), total(None), SINGLE, None, id="LS-2 unknown is zero"),
        pytest.param(pod(container()), total(11), SINGLE, None, id="LS-2 no limit"),
        pytest.param(
            pod(LIMITED, container("b")), total(11), SINGLE, "ephemeral-storage/pod", id="LS-2 one limit is enough"
        ),
        pytest.param(
            pod(container(limits="ephemeral-storage=0")), total(1), SINGLE, "ephemeral-storage/pod", id="LS-2 zero"
        ),
        pytest.param(
            pod(LIMITED, overhead="ephemeral-storage=5"), total(15), SINGLE, None, id="REQ-5 overhead adds to limits"
        ),
        pytest.param(pod(LIMITED), disk(6, 5), SINGLE, "ephemeral-storage/container", id="LS-3 layer and logs"),
        pytest.param(pod(LIMITED), disk(5, 5), SINGLE, None, id="LS-3 at the limit"),
        pytest.param(pod(LIMITED), disk(99, 10), DEDICATED, None, id="ODD-9 with a dedicated imagefs logs only"),
        pytest.param(pod(LIMITED), disk(0, 11), DEDICATED, "ephemeral-storage/container", id="LS-3 logs there too"),
        pytest.param(
            pod(container(limits="ephemeral-storage=0")), disk(1, 1), SINGLE, None, id="LS-3 a limit of zero is none"
        ),
        pytest.param(
            pod(container("x"), sidecar("app", limits="ephemeral-storage=10")),
            disk(99),
            SINGLE,
            None,
            id="LS-3 sidecars",
        ),
    ],
)
def test_limits(one: Pod, usage: PodUsage, layout: Layout, kind: str | None) -> None:
    violation = find_violation(facts_of(one), usage, layout)
    assert (None if violation is None else violation.kind) == kind


@pytest.mark.parametrize(
    ("one", "usage", "message"),
    [
        pytest.param(
            with_volumes(("a", "", "3Gi"), ("b", "", "1Mi"), ("c", "", "1536Mi")),
            disk(volumes={"c": 9 << 30, "b": 2 << 20}),
            'Usage of EmptyDir volume "b" exceeds the limit "1Mi". ',
            id="TXT-6 the first volume of the manifest",
        ),
        pytest.param(
            pod(container(limits="ephemeral-storage=1Gi"), container("b", limits="ephemeral-storage=512Mi")),
            total(2 << 30),
            "Pod ephemeral local storage usage exceeds the total limit of containers 1536Mi. ",
            id="TXT-7",
        ),
        pytest.param(
            pod(container(limits="ephemeral-storage=1Ki")),
            disk(1025),
            'Container app exceeded its local ephemeral storage limit "1Ki". ',
            id="TXT-8",
        ),
    ],
)
def test_messages(one: Pod, usage: PodUsage, message: str) -> None:
    violation = find_violation(facts_of(one), usage, SINGLE)
    assert violation is not None
    assert violation.message == message


def test_the_first_container_of_the_statistics_is_told() -> None:
    def usage(name: str) -> Any:
        return ContainerUsage(name=name, logs=FsUsage(used_bytes=99))

    limited = pod(LIMITED, container("b", limits="ephemeral-storage=20"))
    found = find_violation(facts_of(limited), PodUsage(name="", containers=(usage("b"), usage("app"))), SINGLE)
    assert found is not None
    assert (found.where, found.usage, found.limit) == ("b", 99, Quantity.parse("20"))

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from podbuilder import amounts, container, init, pod, resources, sidecar

from nodeguard.model.pod import Pod
from nodeguard.model.quantity import Quantity
from nodeguard.policy.effective import (
    aggregate_requests,
    declares_limit,
    effective_limits,
    effective_requests,
    memory_request_bytes,
    millicpu_request,
    uses_pod_level,
)


@pytest.mark.parametrize(
    ("subject", "requests"),
    [
        pytest.param(pod(container()), "", id="nothing named is nothing, not zero"),
        pytest.param(pod(container(requests="cpu=0")), "cpu=0", id="an explicit zero stays"),
        pytest.param(
            pod(container("a", "cpu=100m memory=32Mi"), container("b", "cpu=50m")),
            "cpu=150m memory=32Mi",
            id="app containers add up, absent entries contribute nothing",
        ),
        pytest.param(
            pod(init("i1", "cpu=500m memory=10Mi"), init("i2", "cpu=300m memory=90Mi"), container("a", "cpu=400m")),
            "cpu=500m memory=90Mi",
            id="init containers are never added up, each resource has its own worst phase",
        ),
        pytest.param(
            pod(sidecar("s", "cpu=100m"), init("i", "cpu=350m"), container("a", "cpu=200m")),
            "cpu=450m",
            id="an init container starts beside the sidecars before it",
        ),
        pytest.param(
            pod(init("i", "cpu=350m"), sidecar("s", "cpu=100m"), container("a", "cpu=200m")),
            "cpu=350m",
            id="a sidecar after an init container is not in its phase",
        ),
        pytest.param(
            pod(sidecar("s1", "memory=100Mi"), sidecar("s2", "memory=50Mi"), container("a", "memory=10Mi")),
            "memory=160Mi",
            id="sidecars run on beside the app containers",
        ),
        pytest.param(
            pod(container("a", "cpu=1 memory=1Gi"), resources=resources("cpu=2", "")),
            "cpu=2 memory=1Gi",
            id="the pod level replaces what it names and nothing else",
        ),
        pytest.param(
            pod(container("a", "example.com/x=1"), resources=resources("example.com/x=5 cpu=1")),
            "example.com/x=1 cpu=1",
            id="the pod level knows only cpu, memory and huge pages",
        ),
        pytest.param(
            pod(container("a", "cpu=100m"), overhead="cpu=10m memory=16Mi"),
            "cpu=110m memory=16Mi",
            id="overhead is added under every name it has",
        ),
        pytest.param(
            pod(container("a", "cpu=100m"), resources=resources("cpu=1"), overhead="cpu=10m"),
            "cpu=1010m",
            id="overhead comes on top of the pod level",
        ),
    ],
)
def test_effective_requests(subject: Pod, requests: str) -> None:
    assert effective_requests(subject) == amounts(requests)


@pytest.mark.parametrize(
    ("subject", "limits"),
    [
        pytest.param(
            pod(
                container("a", limits="cpu=1"),
                container("b", limits="memory=1Gi"),
                overhead="cpu=100m memory=1Mi pods=1",
            ),
            "cpu=1100m memory=1025Mi",
            id="overhead is added where there is a limit",
        ),
        pytest.param(pod(container(limits="cpu=0"), overhead="cpu=100m"), "cpu=0", id="but not to a limit of zero"),
        pytest.param(
            pod(container("a", limits="memory=1Gi"), resources=resources("", "memory=512Mi"), overhead="memory=1Mi"),
            "memory=513Mi",
            id="the pod level replaces the containers' limits",
        ),
        pytest.param(
            pod(init("i", limits="cpu=1"), container("a", limits="cpu=300m"), container("b")),
            "cpu=1",
            id="an unlimited container contributes nothing",
        ),
    ],
)
def test_effective_limits(subject: Pod, limits: str) -> None:
    assert effective_limits(subject) == amounts(limits)


@pytest.mark.parametrize(
    ("subject", "declared"),
    [
        pytest.param(pod(container("a", limits="cpu=1")), True, id="the only container has a limit"),
        pytest.param(pod(container("a", limits="cpu=1"), container("b")), False, id="one app container has none"),
        pytest.param(pod(container("a", limits="cpu=0")), False, id="zero is none"),
        pytest.param(pod(init(), container("a", limits="cpu=1")), False, id="an unlimited init container removes it"),
        pytest.param(
            pod(sidecar("s", limits="cpu=1"), init(), container("a", limits="cpu=1")),
            True,
            id="the limit of an earlier sidecar stands for an init container without one",
        ),
        pytest.param(
            pod(init(), sidecar("s", limits="cpu=1"), container("a", limits="cpu=1")),
            False,
            id="that of a later sidecar does not",
        ),
        pytest.param(pod(container("a"), resources=resources("", "cpu=1")), True, id="the pod level has one"),
        pytest.param(pod(container("a"), resources=resources("cpu=1", "cpu=0")), False, id="the pod level has zero"),
    ],
)
def test_declared_limit(subject: Pod, declared: bool) -> None:
    assert declares_limit(subject, "cpu") is declared


@pytest.mark.parametrize(
    ("subject", "used"),
    [
        pytest.param(pod(container()), False, id="no stanza"),
        pytest.param(pod(container(), resources=resources()), False, id="an empty stanza"),
        pytest.param(pod(container(), resources=resources("example.com/x=1")), False, id="no supported name"),
        pytest.param(pod(container(), resources=resources("cpu=0")), True, id="a supported name, be it zero"),
        pytest.param(pod(container(), resources=resources("", "hugepages-2Mi=2Mi")), True, id="huge pages"),
    ],
)
def test_pod_level_is_in_use(subject: Pod, used: bool) -> None:
    assert uses_pod_level(subject) is used


def test_sums_are_written_in_the_notation_of_the_first_amount() -> None:
    total = effective_requests(pod(container("a", "memory=1Gi"), sidecar("s", "memory=1024M")))
    assert str(total["memory"]) == str(Quantity.parse("1Gi") + Quantity.parse("1024M"))


def test_what_tiers_add_up() -> None:
    subject = pod(container("a", "cpu=100m memory=1Mi"), overhead="cpu=1m")
    assert (millicpu_request(subject), memory_request_bytes(subject)) == (101, 1 << 20)
    assert (millicpu_request(pod(container())), memory_request_bytes(pod(container()))) == (0, 0)


amount_texts = st.one_of(
    st.just(""), st.builds(lambda c, m: f"cpu={c}m memory={m}", st.integers(0, 99), st.integers(0, 99))
)
app_lists = st.lists(amount_texts, min_size=1, max_size=4)
init_lists = st.lists(st.tuples(st.booleans(), amount_texts), max_size=4)


def build(apps: list[str], inits: list[tuple[bool, str]]) -> Pod:
    built = [(sidecar if stays else init)(f"i{n}", text) for n, (stays, text) in enumerate(inits)]
    return pod(*built, *(container(f"a{n}", text) for n, text in enumerate(apps)))


@given(app_lists, init_lists)
def test_the_order_of_app_containers_does_not_matter(apps: list[str], inits: list[tuple[bool, str]]) -> None:
    assert aggregate_requests(build(apps, inits)) == aggregate_requests(build(apps[::-1], inits))


@given(app_lists, init_lists)
def test_a_pod_covers_every_container_and_all_that_run_together(apps: list[str], inits: list[tuple[bool, str]]) -> None:
    subject = build(apps, inits)
    total = aggregate_requests(subject)
    for c in subject.all_containers:
        assert all(total[name] >= quantity for name, quantity in c.resources.requests.items())
    running = [c for c in subject.all_containers if c.kind != "init"]
    for name in total:
        together = sum(c.resources.requests[name].nano for c in running if name in c.resources.requests)
        assert total[name].nano >= together


@given(app_lists, init_lists)
def test_a_last_sidecar_is_an_app_container_in_all_but_name(apps: list[str], inits: list[tuple[bool, str]]) -> None:
    plain = [entry for entry in inits if not entry[0]]
    assert aggregate_requests(build([*apps, "cpu=7m"], plain)) == aggregate_requests(
        build(apps, [*plain, (True, "cpu=7m")])
    )

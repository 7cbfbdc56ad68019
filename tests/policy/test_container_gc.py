"""Dead containers: who goes, and in which order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.model.garbage import DeadContainer, PodFate
from nodeguard.policy.container_gc import ContainerGcSettings, containers_to_remove

NOW = 1000


def dead(text: str) -> list[DeadContainer]:
    """``a/main/0@100 b/main/0@50!`` : pod, container, attempt, created; ``!`` is terminated, ``x`` deleted."""
    found = []
    for word in text.split():
        fate = PodFate.TERMINATED if word.endswith("!") else PodFate.DELETED if word.endswith("x") else PodFate.ACTIVE
        path, _, created = word.rstrip("!x").partition("@")
        uid, name, attempt = path.split("/")
        found.append(DeadContainer(uid=uid, name=name, attempt=int(attempt), created_ns=int(created), fate=fate))
    return found


def removed(text: str, *, is_eviction: bool = False, knows_all_pods: bool = True, **settings: int) -> str:
    goes = containers_to_remove(
        dead(text), ContainerGcSettings(**settings), NOW, is_eviction=is_eviction, knows_all_pods=knows_all_pods
    )
    return " ".join(f"{each.uid}/{each.name}/{each.attempt}" for each in goes)


@pytest.mark.parametrize(
    ("text", "settings", "goes"),
    [
        pytest.param("a/m/0@1 a/m/1@2 a/m/2@3", {}, "a/m/0 a/m/1", id="CTR-4 the newest one stays"),
        pytest.param("a/m/0@1 a/s/0@2 b/m/0@3", {}, "", id="CTR-4 one of each container of each pod"),
        pytest.param("a/m/0@1 a/m/1@2", {"per_container": 0}, "a/m/0 a/m/1", id="none is kept"),
        pytest.param("a/m/0@1 a/m/1@2", {"per_container": -1}, "", id="CTR-1 no limit"),
        pytest.param("a/m/0@1 a/m/1@990", {"minimum_age_ns": 11}, "", id="CTR-2 too young to count at all"),
        pytest.param("a/m/0@1 a/m/1@989", {"minimum_age_ns": 11}, "a/m/0", id="CTR-2 as old as the minimum"),
        pytest.param("a/m/0@1x a/m/1@2x b/m/0@1", {}, "a/m/0 a/m/1", id="CTR-3 all of a deleted pod"),
        pytest.param("a/m/0@1! a/m/1@2!", {}, "a/m/0", id="CTR-3 a terminated pod is like any other"),
        pytest.param("a/m/0@995x", {"minimum_age_ns": 11}, "", id="CTR-3 deleted pods respect the age"),
        pytest.param(
            "a/m/0@1 b/m/0@2 c/m/0@3", {"in_all": 2}, "a/m/0", id="CTR-5 one of each is kept, then the oldest goes"
        ),
        pytest.param(
            "a/m/0@1 a/m/1@2 a/m/2@3 b/m/0@4",
            {"per_container": -1, "in_all": 2},
            "a/m/0 a/m/1",
            id="CTR-5 each container gets the same share",
        ),
        pytest.param("a/m/0@1 b/m/0@2", {"in_all": 0}, "a/m/0 b/m/0", id="CTR-5 none in all"),
        pytest.param("a/m/0@1 b/m/0@2", {"in_all": 2}, "", id="CTR-5 exactly the limit"),
        pytest.param("a/m/0@1 a/m/1@1", {}, "a/m/0", id="of one instant the later attempt stays"),
        pytest.param("", {"in_all": 0}, "", id="nothing"),
    ],
)
def test_who_goes(text: str, settings: dict[str, int], goes: str) -> None:
    assert removed(text, **settings) == goes


def test_ctr_3_an_eviction_takes_all_of_terminated_pods() -> None:
    assert removed("a/m/0@1! a/m/1@2! b/m/0@1", is_eviction=True) == "a/m/0 a/m/1"


def test_ctr_3_nobody_is_taken_entirely_while_pods_may_be_missing() -> None:
    assert removed("a/m/0@1x a/m/1@2x", knows_all_pods=False) == "a/m/0"


containers = st.builds(
    DeadContainer,
    uid=st.sampled_from("abc"),
    name=st.sampled_from("xy"),
    attempt=st.integers(0, 5),
    created_ns=st.integers(0, NOW),
    fate=st.just(PodFate.ACTIVE),
)


@given(st.lists(containers, unique_by=lambda c: (c.uid, c.name, c.attempt)), st.integers(0, 3), st.integers(-1, 8))
def test_limits_hold_and_nobody_goes_twice(found: list[DeadContainer], per_container: int, in_all: int) -> None:
    settings = ContainerGcSettings(per_container=per_container, in_all=in_all)
    goes = containers_to_remove(found, settings, NOW)
    assert len(set(goes)) == len(goes)
    left = [each for each in found if each not in goes]
    assert in_all < 0 or len(left) <= in_all
    for unit in {(each.uid, each.name) for each in left}:
        assert sum((each.uid, each.name) == unit for each in left) <= per_container

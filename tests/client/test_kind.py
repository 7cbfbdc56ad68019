"""The kinds the commands know, and how words find them."""

import pytest

from nodeguard.api.resource import RESOURCES, find_resource
from nodeguard.client.kind import KINDS, NODE, POD, POD_METRICS, Kind, discovered, find, find_object_kind, in_category

CLASS = next(kind for kind in KINDS if kind.kind == "PriorityClass")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.qualified)
def test_what_is_known_without_asking_is_what_the_api_serves(kind: Kind) -> None:
    served = find_resource(kind.group, kind.version, kind.plural)
    assert served is not None
    assert (served.kind, served.short_names, served.namespaced, served.categories) == (
        kind.kind,
        kind.short_names,
        kind.namespaced,
        kind.categories,
    )


def test_everything_that_is_stored_is_known_without_asking() -> None:
    stored = {(one.group, one.plural) for one in RESOURCES if one.storage}
    assert stored - {(kind.group, kind.plural) for kind in KINDS} == {("events.k8s.io", "events")}


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("po", POD),
        ("pod", POD),
        ("pods", POD),
        ("Pod", POD),
        ("pods.v1", POD),
        ("no", NODE),
        ("pc", CLASS),
        ("priorityclasses.scheduling.k8s.io", CLASS),
        ("priorityclasses.v1.scheduling.k8s.io", CLASS),
        ("pods.apps", None),
        ("p", None),
        ("", None),
    ],
)
def test_words_for_kinds(word: str, kind: Kind | None) -> None:
    assert find(word) == kind


def test_paths() -> None:
    assert POD.path("a", "b", "log") == "/api/v1/namespaces/a/pods/b/log"
    assert POD.path(None) == "/api/v1/pods"
    assert NODE.path("ignored", "n") == "/api/v1/nodes/n"
    assert CLASS.path(None, "high") == "/apis/scheduling.k8s.io/v1/priorityclasses/high"
    assert POD_METRICS.path("a") == "/apis/metrics.k8s.io/v1beta1/namespaces/a/pods"
    assert POD.path("a/../..", "b?x") == "/api/v1/namespaces/a%2F..%2F../pods/b%3Fx"


def test_titles() -> None:
    assert POD.title("web") == "pod/web"
    assert CLASS.title("high") == "priorityclass.scheduling.k8s.io/high"


def test_objects_tell_their_kind() -> None:
    assert find_object_kind("v1", "Pod") == POD
    assert find_object_kind("v2", "Pod") is None
    assert in_category("all") == [POD]


def test_discovery_tells_of_other_kinds() -> None:
    resource = {
        "resource": "jobs",
        "responseKind": {"group": "", "version": "", "kind": "Job"},
        "scope": "Namespaced",
        "singularResource": "job",
        "verbs": ["get"],
    }
    group = {"metadata": {"name": "batch"}, "versions": [{"version": "v1", "resources": [resource]}]}
    assert discovered({"items": [group]}) == [Kind("batch", "v1", "Job", "jobs", verbs=("get",))]

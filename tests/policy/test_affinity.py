from __future__ import annotations

from typing import Any

import pytest
from nodebuilder import node, placed, rule, selector

from nodeguard.model.placement import Affinity, LabelSelector, NodeSelectorTerm, PodAffinityTerm
from nodeguard.policy.affinity import has_topology, matches_all, matches_any_here, node_suits

NODE = node(labels={"zone": "a", "gen": "7"})


def term(*expressions: str, name: str = "") -> NodeSelectorTerm:
    fields = (rule(name),) if name else ()
    return NodeSelectorTerm(expressions=tuple(map(rule, expressions)), fields=fields)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param({"zone": "a"}, True, id="has the label"),
        pytest.param({"zone": "a", "gen": "7"}, True, id="has both"),
        pytest.param({"zone": "b"}, False, id="another value"),
        pytest.param({"disk": "ssd"}, False, id="no such label"),
    ],
)
def test_node_selector(wanted: dict[str, str], expected: bool) -> None:
    assert node_suits(placed("p", node_selector=wanted), NODE) is expected


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        pytest.param(None, True, id="no rule at all"),
        pytest.param((), False, id="a rule without terms lets no node through"),
        pytest.param((term(),), False, id="so does an empty term"),
        pytest.param((term("zone In a"),), True, id="the one term holds"),
        pytest.param((term("zone In b"), term("gen Gt 6")), True, id="one of two is enough"),
        pytest.param((term("zone In a", "gen Lt 7"),), False, id="all rules of a term must hold"),
        pytest.param((term("gen Gt six"), term("zone Exists")), True, id="a term without sense is passed over"),
        pytest.param((term(name="metadata.name In n1"),), True, id="the name"),
        pytest.param((term(name="metadata.name In n2"),), False, id="another name"),
        pytest.param((term(name="metadata.name NotIn n2"),), True, id="not another name"),
        pytest.param((term(name="metadata.name NotIn n1"),), False, id="not this name"),
        pytest.param((term(name="metadata.name In n1,n2"),), False, id="a field takes one value only"),
        pytest.param((term(name="metadata.name Exists"),), False, id="and only In and NotIn"),
        pytest.param((term(name="spec.x In n1"),), False, id="no other field is known"),
        pytest.param((term("zone In b", name="metadata.name In n1"),), False, id="labels and fields together"),
    ],
)
def test_required_node_affinity(terms: tuple[NodeSelectorTerm, ...] | None, expected: bool) -> None:
    assert node_suits(placed("p", affinity=Affinity(node_required=terms)), NODE) is expected


def test_selector_and_affinity_must_both_hold() -> None:
    affinity = Affinity(node_required=(term("zone In a"),))
    assert not node_suits(placed("p", affinity=affinity, node_selector={"gen": "8"}), NODE)


def near(*rules: str, key: str = "zone", **fields: Any) -> PodAffinityTerm:
    return PodAffinityTerm(topology_key=key, selector=selector(*rules), **fields)


OWNER = placed("own", labels={"rev": "1"})


@pytest.mark.parametrize(
    ("terms", "labels", "namespace", "expected"),
    [
        pytest.param((), {}, "default", False, id="no terms are about nobody"),
        pytest.param((near("app In web"),), {"app": "web"}, "default", True, id="selected"),
        pytest.param((near("app In web"),), {"app": "db"}, "default", False, id="not selected"),
        pytest.param((near("app In web"),), {"app": "web"}, "other", False, id="the own namespace only"),
        pytest.param((near("app In web"), near("tier Exists")), {"app": "web"}, "default", False, id="all terms"),
        pytest.param((PodAffinityTerm(topology_key="zone"),), {"app": "web"}, "default", False, id="no selector"),
        pytest.param((near(),), {}, "default", True, id="a selector without rules"),
        pytest.param((near(namespaces=("other",)),), {}, "other", True, id="a named namespace"),
        pytest.param((near(namespaces=("other",)),), {}, "default", False, id="and no longer the own"),
        pytest.param((near(namespace_selector=LabelSelector()),), {}, "any", True, id="all namespaces"),
        pytest.param(
            (near(namespace_selector=selector("kubernetes.io/metadata.name In x")),), {}, "x", True, id="by its label"
        ),
        pytest.param((near(namespace_selector=selector("team In a")),), {}, "default", False, id="unknown labels"),
        pytest.param((near(match_label_keys=("rev",)),), {"rev": "1"}, "default", True, id="the same revision"),
        pytest.param((near(match_label_keys=("rev",)),), {"rev": "2"}, "default", False, id="another revision"),
        pytest.param((near(mismatch_label_keys=("rev",)),), {"rev": "1"}, "default", False, id="must differ"),
        pytest.param((near(mismatch_label_keys=("rev",)),), {"rev": "2"}, "default", True, id="differs"),
        pytest.param((near(match_label_keys=("gone",)),), {}, "default", True, id="a label the owner does not have"),
    ],
)
def test_matches_all(
    terms: tuple[PodAffinityTerm, ...], labels: dict[str, str], namespace: str, expected: bool
) -> None:
    assert matches_all(terms, OWNER, placed("p", labels=labels, namespace=namespace)) is expected


def test_matches_any_here_needs_the_label_of_the_term() -> None:
    other = placed("p", labels={"app": "web"})
    assert matches_any_here([near("app In db"), near("app In web")], OWNER, other, NODE)
    assert not matches_any_here([near("app In web", key="rack")], OWNER, other, NODE)
    assert not matches_any_here([], OWNER, other, NODE)


def test_has_topology() -> None:
    assert has_topology([near(), near(key="gen")], NODE)
    assert not has_topology([near(), near(key="rack")], NODE)

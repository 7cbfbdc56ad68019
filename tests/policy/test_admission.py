from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nodebuilder import bears, guaranteed, node, placed, rule, selector, taint
from podbuilder import GIB

from nodeguard.model.meta import ObjectMeta
from nodeguard.model.node import NodeView
from nodeguard.model.placement import Affinity, Budget, NodeSelectorTerm, PodAffinityTerm
from nodeguard.model.pod import ContainerPort, GivenStatus, Pod
from nodeguard.policy.admission import AdmissionResult, Mode, admit
from nodeguard.policy.effective import amount, effective_requests

CRITICAL = 2_000_000_000
STATIC = {"kubernetes.io/config.source": "file"}
SCARCE = node("cpu=1 memory=1Gi pods=3", labels={"zone": "a"})
PORT = (ContainerPort(container_port=80, host_port=80),)
BUSY = "node(s) didn't have free ports for the requested pod ports"
UNSUITED = "node(s) didn't match Pod's node affinity/selector"
TAINTED = "node(s) had taints that the pod didn't tolerate"


def bound(pod: Pod, *active: Pod, here: NodeView = SCARCE, conditions: str = "") -> AdmissionResult:
    return admit(here, active, pod, mode=Mode.KUBELET, conditions=frozenset(conditions.split()))


def sought(pod: Pod, *active: Pod, here: NodeView = SCARCE, **more: Any) -> AdmissionResult:
    return admit(here, active, pod, **more)


def verdict(result: AdmissionResult) -> tuple[bool, str, str]:
    return (result.admitted, result.reason, result.message)


def lacks(name: str, requested: int, used: int, capacity: int) -> tuple[bool, str, str]:
    figures = f"requested: {requested}, used: {used}, capacity: {capacity}"
    return (False, f"OutOf{name}", f"Node didn't have enough resource: {name}, {figures}")


ADMITTED = (True, "", "")


@pytest.mark.parametrize(
    ("pod", "active", "expected"),
    [
        pytest.param(placed("p", "cpu=1 memory=1Gi"), [], ADMITTED, id="all there is"),
        pytest.param(placed("p"), [placed("a", "cpu=9")], ADMITTED, id="nothing of an overcommitted node"),
        pytest.param(placed("p", "cpu=700m"), [placed("a", "cpu=500m")], lacks("cpu", 700, 500, 1000), id="cpu"),
        pytest.param(
            placed("p", "memory=1Gi"), [placed("a", "memory=1")], lacks("memory", 2**30, 1, 2**30), id="memory"
        ),
        pytest.param(
            placed("p", "ephemeral-storage=1k"), [], lacks("ephemeral-storage", 1000, 0, 0), id="ephemeral storage"
        ),
        pytest.param(placed("p", "hugepages-2Mi=2Mi"), [], lacks("hugepages-2Mi", 2**21, 0, 0), id="huge pages"),
        pytest.param(placed("p"), [placed(n) for n in "abc"], lacks("pods", 1, 3, 3), id="pods"),
        pytest.param(
            placed("p"),
            [placed("a"), placed("b"), placed("c", given=GivenStatus(phase="Succeeded"))],
            ADMITTED,
            id="a pod that has ended takes no place",
        ),
        pytest.param(placed("p", "x.io/gpu=1"), [], ADMITTED, id="an extended resource that the node does not list"),
        pytest.param(
            placed("p", node_selector={"zone": "b"}),
            [],
            (False, "NodeAffinity", f"Predicate NodeAffinity failed: {UNSUITED}"),
            id="node selector",
        ),
        pytest.param(
            placed("p", node_name="n2"),
            [],
            (False, "NodeName", "Predicate NodeName failed: node(s) didn't match the requested node name"),
            id="another node's name",
        ),
        pytest.param(placed("p", node_name="n1"), [], ADMITTED, id="this node's name"),
        pytest.param(
            placed("p", ports=PORT),
            [placed("a", ports=PORT)],
            (False, "NodePorts", f"Predicate NodePorts failed: {BUSY}"),
            id="a port that is taken",
        ),
        pytest.param(
            placed("p", affinity=Affinity(pod_required=(PodAffinityTerm(topology_key="x"),))),
            [],
            ADMITTED,
            id="pod affinity is the scheduler's affair",
        ),
        pytest.param(
            placed("p", labels={"kubernetes.io/os": "windows"}),
            [],
            (
                False,
                "PodOSSelectorNodeLabelDoesNotMatch",
                "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
            ),
            id="label of another operating system",
        ),
        pytest.param(placed("p", labels={"kubernetes.io/os": "linux"}), [], ADMITTED, id="label of this one"),
        pytest.param(
            placed("p", os="windows"),
            [],
            (False, "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"),
            id="another operating system",
        ),
        pytest.param(
            placed("p", supplemental_groups_policy="Strict"),
            [],
            (
                False,
                "SupplementalGroupsPolicyNotSupported",
                "SupplementalGroupsPolicy=Strict is not supported in this node",
            ),
            id="strict groups",
        ),
        pytest.param(placed("p", supplemental_groups_policy="Merge"), [], ADMITTED, id="merged groups"),
    ],
)
def test_the_kubelet_tells_the_first_failure(pod: Pod, active: list[Pod], expected: tuple[bool, str, str]) -> None:
    assert verdict(bound(pod, *active)) == expected


def test_a_pod_that_has_ended_is_there_for_the_kubelet_while_it_is_removed() -> None:
    ended = placed("ended", "cpu=1", given=GivenStatus(phase="Failed"))
    leaving = replace(ended, meta=replace(ended.meta, deletion_timestamp=1.0))
    wanted = placed("p", "cpu=1")
    assert verdict(bound(wanted, ended)) == ADMITTED
    assert verdict(bound(wanted, leaving)) == lacks("cpu", 1000, 1000, 1000)
    assert sought(wanted, leaving).admitted


@pytest.mark.parametrize(
    ("taints", "pod", "expected"),
    [
        pytest.param(["foo:NoSchedule"], placed("p"), True, id="the kubelet does not heed NoSchedule"),
        pytest.param(["baz:PreferNoSchedule"], placed("p"), True, id="nor PreferNoSchedule"),
        pytest.param(["bar:NoExecute"], placed("p"), False, id="it does heed NoExecute"),
        pytest.param(["bar:NoExecute"], placed("p", priority=CRITICAL), False, id="even for critical pods"),
        pytest.param(
            ["foo:NoSchedule", "bar:NoExecute"], placed("p", tolerations=(bears("bar"),)), True, id="tolerated"
        ),
        pytest.param(["bar:NoExecute"], placed("p", annotations=STATIC), True, id="static pods are exempt"),
    ],
)
def test_taints_before_the_kubelet(taints: list[str], pod: Pod, expected: bool) -> None:
    result = bound(pod, here=node(taints=tuple(map(taint, taints))))
    assert result.admitted is expected
    if not expected:
        assert verdict(result) == (False, "TaintToleration", f"Predicate TaintToleration failed: {TAINTED}")


def test_a_node_with_labels_has_the_right_operating_system_for_the_kubelet() -> None:
    pod = placed("p", node_selector={"kubernetes.io/os": "linux"})
    assert bound(pod, here=node(labels={"x": "y"})).admitted
    assert bound(pod, here=node(labels={"kubernetes.io/os": "plan9"})).admitted
    assert not bound(pod, here=node()).admitted
    assert not sought(pod, here=node(labels={"x": "y"})).admitted


def test_the_kubelet_does_not_heed_unschedulable() -> None:
    assert bound(placed("p"), here=node(unschedulable=True)).admitted


def test_strict_groups_where_the_node_can_do_it() -> None:
    assert bound(placed("p", supplemental_groups_policy="Strict"), here=node(supplemental_groups_policy=True)).admitted


EVERYTHING = placed(
    "p",
    "cpu=2 memory=2Gi ephemeral-storage=1 hugepages-2Mi=2Mi",
    node_selector={"zone": "b"},
    node_name="n2",
    ports=PORT,
    labels={"kubernetes.io/os": "windows"},
)


def test_all_failures_are_known_though_one_is_told() -> None:
    here = node("cpu=1 memory=1Gi pods=1", labels={"zone": "a"}, taints=(taint("x:NoExecute"),))
    result = bound(EVERYTHING, placed("a", ports=PORT), here=here, conditions="DiskPressure Ready")
    assert verdict(result) == (False, "Evicted", "The node had condition: [DiskPressure]. ")
    assert result.reasons == (
        *("Evicted", "PodOSSelectorNodeLabelDoesNotMatch", "OutOfpods", "OutOfcpu", "OutOfmemory"),
        *("OutOfephemeral-storage", "OutOfhugepages-2Mi", "NodeAffinity", "NodeName", "NodePorts", "TaintToleration"),
    )


def test_a_critical_pod_comes_in_under_pressure() -> None:
    assert not bound(placed("p"), conditions="MemoryPressure").admitted
    assert bound(placed("p", priority=CRITICAL), conditions="MemoryPressure DiskPressure").admitted


def test_a_critical_pod_comes_in_at_the_expense_of_others() -> None:
    active = [guaranteed("gu", "cpu=400m memory=1Mi"), placed("bu", "cpu=400m"), placed("be")]
    result = bound(placed("p", "cpu=500m", priority=CRITICAL), *active)
    assert verdict(result) == ADMITTED
    assert result.preempted == ("default/bu",)
    assert result.reasons == ("OutOfpods", "OutOfcpu")
    assert not result.is_nominated


def test_other_failures_come_before_preemption() -> None:
    pod = placed("p", "cpu=2", priority=CRITICAL, node_selector={"zone": "b"}, node_name="n2")
    result = bound(pod, placed("a", "cpu=1"))
    assert (result.reason, result.preempted) == ("NodeAffinity", ())
    assert result.reasons == ("OutOfcpu", "NodeAffinity", "NodeName")


def test_a_critical_pod_for_which_killing_all_would_not_do() -> None:
    result = bound(placed("p", "cpu=2 memory=2Gi", priority=CRITICAL), placed("a", "cpu=500m"))
    assert verdict(result) == (
        False,
        "UnexpectedAdmissionError",
        "Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods "
        "to preempt: no set of running pods found to reclaim resources: "
        f"[(res: cpu, q: 1000), (res: memory, q: {GIB}), ]",
    )


def test_priority_alone_kills_nobody_for_the_kubelet() -> None:
    assert bound(placed("p", "cpu=1", priority=9), placed("a", "cpu=1", priority=0)).reason == "OutOfcpu"


def near(*rules: str, key: str = "zone") -> PodAffinityTerm:
    return PodAffinityTerm(topology_key=key, selector=selector(*rules))


WEB = {"app": "web"}


@pytest.mark.parametrize(
    ("pod", "active", "reasons"),
    [
        pytest.param(placed("p", "cpu=1"), [], (), id="fits"),
        pytest.param(placed("p", "x.io/gpu=1"), [], ("Insufficient x.io/gpu",), id="nothing is dropped"),
        pytest.param(
            placed("p", affinity=Affinity(node_required=(NodeSelectorTerm(expressions=(rule("zone In b"),)),))),
            [],
            (UNSUITED,),
            id="node affinity",
        ),
        pytest.param(placed("p", affinity=Affinity(pod_required=(near("app In web"),))), [placed("a", labels=WEB)], (),
                     id="company"),
        pytest.param(placed("p", affinity=Affinity(pod_required=(near("app In web"),))), [],
                     ("node(s) didn't match pod affinity rules",), id="no company"),
        pytest.param(placed("p", labels=WEB, affinity=Affinity(pod_required=(near("app In web"),))), [placed("a")], (),
                     id="the first of its kind"),
        pytest.param(placed("p", labels=WEB, affinity=Affinity(pod_required=(near("app In web", key="rack"),))), [],
                     ("node(s) didn't match pod affinity rules",), id="the node lacks the label"),
        pytest.param(placed("p", affinity=Affinity(anti_required=(near("app In web"),))), [placed("a", labels=WEB)],
                     ("node(s) didn't match pod anti-affinity rules",), id="unwanted company"),
        pytest.param(placed("p", affinity=Affinity(anti_required=(near("app In web", key="rack"),))),
                     [placed("a", labels=WEB)], (), id="anti-affinity by a label the node lacks"),
        pytest.param(placed("p", labels=WEB), [placed("a", affinity=Affinity(anti_required=(near("app In web"),)))],
                     ("node(s) didn't satisfy existing pods anti-affinity rules",), id="unwanted"),
        pytest.param(placed("p", labels=WEB, affinity=Affinity(anti_required=(near("app In web"),))), [], (),
                     id="anti-affinity to its own kind"),
        pytest.param(placed("p", labels=WEB, affinity=Affinity(anti_required=(near("app In web"),))),
                     [placed("a", labels=WEB, affinity=Affinity(anti_required=(near("app In web"),)))],
                     ("node(s) didn't match pod anti-affinity rules",), id="two of a kind that keep apart"),
        pytest.param(placed("p", labels={"kubernetes.io/os": "windows"}, os="windows"), [], (),
                     id="the operating system is the kubelet's affair"),
    ],
)  # fmt: skip
def test_the_schedulers_reasons(pod: Pod, active: list[Pod], reasons: tuple[str, ...]) -> None:
    result = sought(pod, *active)
    assert result.reasons == reasons
    assert (result.admitted, result.reason) == ((True, "") if not reasons else (False, "Unschedulable"))


@pytest.mark.parametrize(
    ("pod", "reasons"),
    [
        pytest.param(placed("p"), (TAINTED, "node(s) were unschedulable"), id="neither is tolerated"),
        pytest.param(
            placed("p", tolerations=(bears("x", operator="Exists"),)), ("node(s) were unschedulable",), id="one"
        ),
        pytest.param(placed("p", tolerations=(bears(operator="Exists"),)), (), id="everything is tolerated"),
        pytest.param(
            placed("p", tolerations=(bears("node.kubernetes.io/unschedulable", operator="Exists"),)),
            (TAINTED,),
            id="unschedulable is tolerated like a taint",
        ),
    ],
)
def test_taints_before_the_scheduler(pod: Pod, reasons: tuple[str, ...]) -> None:
    here = node(unschedulable=True, taints=(taint("y:PreferNoSchedule"), taint("x:NoSchedule")))
    assert sought(pod, here=here).reasons == reasons


def test_pods_of_a_daemon_set_do_not_mind_unschedulable() -> None:
    subject = Pod(meta=ObjectMeta(name="d", controller_kind="DaemonSet"), containers=placed("p").containers)
    assert sought(subject, here=node(unschedulable=True)).admitted
    assert not sought(subject, here=node(taints=(taint("x:NoSchedule"),))).admitted


def test_the_scheduler_has_all_reasons() -> None:
    here = node("cpu=1 memory=1Gi pods=1", labels={"zone": "a"}, taints=(taint("x:NoExecute"),))
    result = sought(EVERYTHING, placed("a", ports=PORT), here=here, conditions=frozenset({"DiskPressure"}))
    assert result.reasons == (
        *("Too many pods", "Insufficient cpu", "Insufficient memory", "Insufficient ephemeral-storage"),
        *("Insufficient hugepages-2Mi", UNSUITED, "node(s) didn't match the requested node name", BUSY, TAINTED),
    )


def summary(*reasons: str) -> str:
    return f"0/1 nodes are available: {', '.join(f'1 {reason}' for reason in reasons)}."


NO_USE = summary("Preemption is not helpful for scheduling")


@pytest.mark.parametrize(
    ("pod", "active", "message"),
    [
        pytest.param(
            placed("p", "cpu=1 memory=1Gi"),
            [placed("a", "cpu=1 memory=1")],
            f"{summary('Insufficient cpu', 'Insufficient memory')} preemption: "
            f"{summary('No preemption victims found for incoming pod')}",
            id="nobody has lower priority",
        ),
        pytest.param(
            placed("p", "cpu=2", priority=9),
            [placed("a", "cpu=1")],
            f"{summary('Insufficient cpu')} preemption: {NO_USE}",
            id="more than the node has",
        ),
        pytest.param(
            placed("p", "cpu=1", priority=9, node_selector={"zone": "b"}),
            [placed("a", "cpu=1")],
            f"{summary('Insufficient cpu', UNSUITED)} preemption: {NO_USE}",
            id="affinity that no preemption helps against",
        ),
        pytest.param(
            placed("p", "cpu=1", priority=9, preemption_policy="Never"),
            [placed("a", "cpu=1")],
            f"{summary('Insufficient cpu')} preemption: not eligible due to preemptionPolicy=Never.",
            id="a pod that never preempts",
        ),
        pytest.param(
            placed("p", "cpu=1", priority=9, given=GivenStatus(nominated_node_name="n1")),
            [placed("a", "cpu=1"), placed("leaving")],
            f"{summary('Insufficient cpu')} preemption: not eligible due to a terminating pod on the nominated node.",
            id="a pod that waits already",
        ),
        pytest.param(
            placed("p", "cpu=2", priority=9, given=GivenStatus(nominated_node_name="n1")),
            [placed("leaving")],
            f"{summary('Insufficient cpu')} preemption: {NO_USE}",
            id="a pod that waits for nothing",
        ),
        pytest.param(
            placed("p", "cpu=1", priority=9, ports=PORT),
            [placed("a", "cpu=500m", priority=9, ports=PORT), placed("b", "cpu=500m")],
            f"{summary('Insufficient cpu', BUSY)} preemption: {summary('Insufficient cpu', BUSY)}",
            id="still no room without all of them",
        ),
    ],
)
def test_the_schedulers_message(pod: Pod, active: list[Pod], message: str) -> None:
    result = sought(pod, *active, terminating=frozenset({"default/leaving"}))
    assert verdict(result) == (False, "Unschedulable", message)
    assert result.victims == ()


def test_a_pod_of_higher_priority_is_nominated_at_the_expense_of_others() -> None:
    budget = Budget(name="b", selector=selector("app In web"))
    active = [placed("a", "cpu=400m", priority=5, labels=WEB), placed("b", "cpu=400m", priority=5)]
    result = sought(placed("p", "cpu=500m", priority=9), *active, budgets=[budget])
    assert (verdict(result), result.preempted) == (ADMITTED, ("default/b",))
    assert (result.is_nominated, result.budget_violations) == (True, 0)
    assert result.reasons == ("Insufficient cpu",)
    assert sought(placed("p", "cpu=1", priority=9), *active, budgets=[budget]).budget_violations == 1


def test_room_for_nominated_pods_is_kept_from_those_of_lower_priority() -> None:
    waiting = [placed("n", "cpu=800m", priority=5)]
    assert sought(placed("p", "cpu=500m", priority=5), nominated=waiting).reasons == ("Insufficient cpu",)
    assert sought(placed("p", "cpu=500m", priority=6), nominated=waiting).admitted


def test_a_nominated_pod_is_no_company_yet() -> None:
    pod = placed("p", affinity=Affinity(pod_required=(near("app In web"),)))
    waiting = placed("n", labels=WEB, priority=1)
    assert sought(pod, nominated=[waiting]).reasons == ("node(s) didn't match pod affinity rules",)
    assert sought(pod, placed("a", labels=WEB), nominated=[waiting]).admitted


def test_the_mode_may_be_its_word() -> None:
    assert admit(node(), [], placed("p", node_name="n2"), mode=Mode("kubelet")).reason == "NodeName"


sizes = st.integers(0, 6)
mixes = st.lists(st.tuples(sizes, st.integers(-2, 3), st.integers(0, 3), st.booleans()), max_size=8)


def running(drawn: list[tuple[int, int, int, bool]]) -> list[Pod]:
    """Pods that came one after the other and fit."""
    pods: list[Pod] = []
    for index, (cpu, priority, started, guarded) in enumerate(drawn):
        labels = WEB if guarded else {}
        pod = placed(f"r{index}", f"cpu={cpu}", priority=priority, started=started, labels=labels)
        if sought(pod, *pods, here=ROOMY).admitted and not sought(pod, *pods, here=ROOMY).victims:
            pods.append(pod)
    return pods


ROOMY = node("cpu=10 pods=6")
BUDGETS = [Budget(name="b", selector=selector("app In web"), disruptions_allowed=1)]


@given(mixes, sizes, st.integers(-2, 3), st.sampled_from(Mode))
def test_admitted_pods_never_take_more_than_there_is(
    drawn: list[tuple[int, int, int, bool]], cpu: int, priority: int, mode: Mode
) -> None:
    active = running(drawn)
    pod = placed("p", f"cpu={cpu}", priority=CRITICAL if priority == 3 else priority)
    result = admit(ROOMY, active, pod, mode=mode, budgets=BUDGETS)
    left = [other for other in active if other not in result.victims]
    if result.admitted:
        total = sum(amount(effective_requests(p), "cpu").value() for p in [*left, pod])
        assert total <= 10 or not cpu
        assert len(left) + 1 <= 6
    else:
        assert not result.victims
        assert result.reason


@given(mixes, sizes, st.integers(-2, 3))
def test_victims_of_the_scheduler_are_few_and_of_lower_priority(
    drawn: list[tuple[int, int, int, bool]], cpu: int, priority: int
) -> None:
    active = running(drawn)
    pod = placed("p", f"cpu={cpu}", priority=priority)
    result = sought(pod, *active, here=ROOMY, budgets=BUDGETS)
    assert all((victim.priority or 0) < priority for victim in result.victims)
    for spared in result.victims:
        others = [other for other in active if other == spared or other not in result.victims]
        assert sought(placed("p", f"cpu={cpu}", priority=-99), *others, here=ROOMY).reason == "Unschedulable"


@given(mixes, sizes, st.randoms(use_true_random=False))
def test_the_scheduler_heeds_the_order_of_equals_alone(
    drawn: list[tuple[int, int, int, bool]], cpu: int, random: Any
) -> None:
    active = [p for i, p in enumerate(running(drawn)) if i < 4]
    distinct = [placed(p.meta.name, f"cpu={i + 1}", priority=p.priority, started=i) for i, p in enumerate(active)]
    pod = placed("p", f"cpu={cpu}", priority=3)
    shuffled = random.sample(distinct, len(distinct))
    assert sought(pod, *distinct, here=ROOMY).victims == sought(pod, *shuffled, here=ROOMY).victims

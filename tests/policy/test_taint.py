from __future__ import annotations

import pytest
from nodebuilder import bears, taint

from nodeguard.model.placement import NO_EXECUTE, NO_SCHEDULE, PREFER_NO_SCHEDULE, Toleration
from nodeguard.policy.taint import is_tolerated, tolerates, untolerated


@pytest.mark.parametrize(
    ("toleration", "text", "expected"),
    [
        pytest.param(bears("a", "1", NO_SCHEDULE), "a=1:NoSchedule", True, id="all the same"),
        pytest.param(bears("a", "1"), "a=1:NoExecute", True, id="no effect means every effect"),
        pytest.param(bears("a", "1", NO_SCHEDULE), "a=1:NoExecute", False, id="another effect"),
        pytest.param(bears("a", "1"), "b=1:NoSchedule", False, id="another key"),
        pytest.param(bears("a", "2"), "a=1:NoSchedule", False, id="another value"),
        pytest.param(bears("a"), "a:NoSchedule", True, id="no value on either side"),
        pytest.param(bears("a"), "a=1:NoSchedule", False, id="no value equals only no value"),
        pytest.param(bears("a", operator=""), "a:NoSchedule", True, id="no operator means Equal"),
        pytest.param(bears("a", operator="Exists"), "a=1:NoSchedule", True, id="Exists, any value"),
        pytest.param(bears(operator="Exists"), "a=1:NoExecute", True, id="Exists without key bears everything"),
        pytest.param(bears(effect=NO_EXECUTE, operator="Exists"), "a=1:NoSchedule", False, id="but for its effect"),
        pytest.param(bears("a", operator="Like"), "a:NoSchedule", False, id="an unknown operator"),
        pytest.param(bears("a", "5", operator="Lt"), "a=4:NoSchedule", True, id="Lt: the taint is below"),
        pytest.param(bears("a", "5", operator="Lt"), "a=5:NoSchedule", False, id="Lt: the taint is equal"),
        pytest.param(bears("a", "5", operator="Gt"), "a=6:NoSchedule", True, id="Gt: the taint is above"),
        pytest.param(bears("a", "5", operator="Gt"), "a=5:NoSchedule", False, id="Gt: the taint is equal"),
        pytest.param(bears("a", "x", operator="Gt"), "a=6:NoSchedule", False, id="Gt: no number of its own"),
        pytest.param(bears("a", "5", operator="Lt"), "a=x:NoSchedule", False, id="Lt: no number on the taint"),
    ],
)
def test_tolerates(toleration: Toleration, text: str, expected: bool) -> None:
    assert tolerates(toleration, taint(text)) is expected


def test_one_toleration_is_enough() -> None:
    assert is_tolerated(taint("a:NoSchedule"), [bears("b"), bears("a")])
    assert not is_tolerated(taint("a:NoSchedule"), [])


def test_untolerated_is_the_first_taint_that_counts() -> None:
    taints = [taint("p:PreferNoSchedule"), taint("a:NoSchedule"), taint("b:NoExecute"), taint("c:NoExecute")]
    assert untolerated(taints, [], [NO_SCHEDULE, NO_EXECUTE]) == taints[1]
    assert untolerated(taints, [], [NO_EXECUTE]) == taints[2]
    assert untolerated(taints, [bears("b")], [NO_EXECUTE]) == taints[3]
    assert untolerated(taints, [bears("b"), bears("c")], [NO_EXECUTE]) is None
    assert untolerated(taints, [], [PREFER_NO_SCHEDULE]) == taints[0]

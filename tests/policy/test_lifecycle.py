"""Stories of one pod: what is seen, and what is to be done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.model.meta import ObjectMeta
from nodeguard.model.pod import Container, ContainerKind, Pod, RestartPolicy, RestartRule
from nodeguard.model.status import (
    ContainerStage,
    ContainerView,
    PodView,
    SandboxStage,
    StopRequest,
    Termination,
)
from nodeguard.policy.backoff import next_backoff_seconds, restart_at
from nodeguard.policy.lifecycle import (
    CreateContainer,
    KillContainer,
    PrepareSandbox,
    RemoveContainer,
    RemoveSandbox,
    StartContainer,
    TerminateContainer,
    effective_stop,
    plan,
    should_restart,
)


def container(name: str, kind: ContainerKind = ContainerKind.APP, **more: object) -> Container:
    return Container(name=name, kind=kind, command=("true",), **more)  # type: ignore[arg-type]


def pod(*apps: str, inits: tuple[Container, ...] = (), **more: object) -> Pod:
    return Pod(
        meta=ObjectMeta(name="p", uid="u"),
        containers=tuple(container(name) for name in apps),
        init_containers=inits,
        **more,  # type: ignore[arg-type]
    )


def seen(name: str, stage: str = "absent", kind: ContainerKind = ContainerKind.APP, **more: object) -> ContainerView:
    return ContainerView(name=name, kind=kind, stage=ContainerStage(stage), **more)  # type: ignore[arg-type]


def ended(code: int, at: float = 100.0) -> Termination:
    return Termination(exit_code=code, reason="Error" if code else "Completed", finished_at=at)


def look(*containers: ContainerView, sandbox: str = "ready", **more: object) -> PodView:
    return PodView(
        containers={c.name: c for c in containers},
        sandbox=SandboxStage(sandbox),
        started_at=0.0,
        **more,  # type: ignore[arg-type]
    )


def test_the_sandbox_comes_first() -> None:
    assert plan(pod("a"), look(seen("a"), sandbox="absent"), 1.0).actions == (PrepareSandbox(),)


def test_nothing_is_repeated_while_it_is_under_way() -> None:
    assert plan(pod("a"), look(seen("a"), sandbox="preparing"), 1.0).actions == ()
    assert plan(pod("a"), look(seen("a", "creating")), 1.0).actions == ()
    assert plan(pod("a"), look(seen("a", "starting")), 1.0).actions == ()


def test_app_containers_start_one_after_another() -> None:
    p = pod("a", "b")
    assert plan(p, look(seen("a"), seen("b")), 1.0).actions == (CreateContainer("a"),)
    assert plan(p, look(seen("a", "created"), seen("b")), 1.0).actions == (StartContainer("a"),)
    assert plan(p, look(seen("a", "running"), seen("b")), 1.0).actions == (CreateContainer("b"),)


def test_init_containers_run_in_order_before_the_apps() -> None:
    inits = (container("i1", ContainerKind.INIT), container("i2", ContainerKind.INIT))
    p = pod("a", inits=inits)
    one, two = seen("i1", kind=ContainerKind.INIT), seen("i2", kind=ContainerKind.INIT)
    assert plan(p, look(one, two, seen("a")), 1.0).actions == (CreateContainer("i1"),)
    one = replace(one, stage=ContainerStage.EXITED, ended=ended(0))
    assert plan(p, look(one, two, seen("a")), 1.0).actions == (RemoveContainer("i1"), CreateContainer("i2"))
    one, two = replace(one, stage=ContainerStage.ABSENT), replace(two, ended=ended(0))
    assert plan(p, look(one, two, seen("a")), 1.0).actions == (CreateContainer("a"),)


def test_a_sidecar_needs_to_run_not_to_end() -> None:
    p = pod("a", inits=(container("s", ContainerKind.SIDECAR),))
    running = seen("s", "running", ContainerKind.SIDECAR)
    assert plan(p, look(running, seen("a")), 1.0).actions == (CreateContainer("a"),)


def test_a_fatal_init_failure_ends_the_pod() -> None:
    p = pod("a", inits=(container("i", ContainerKind.INIT),), restart_policy=RestartPolicy.NEVER)
    view = look(seen("i", kind=ContainerKind.INIT, ended=ended(3)), seen("a"))
    assert plan(p, view, 200.0).actions == (RemoveSandbox(),)


@pytest.mark.parametrize(
    ("kind", "policy", "code", "again"),
    [
        pytest.param(ContainerKind.APP, RestartPolicy.ALWAYS, 0, True, id="Always restarts a success"),
        pytest.param(ContainerKind.APP, RestartPolicy.ON_FAILURE, 0, False, id="OnFailure keeps a success"),
        pytest.param(ContainerKind.APP, RestartPolicy.ON_FAILURE, 1, True, id="OnFailure restarts a failure"),
        pytest.param(ContainerKind.APP, RestartPolicy.NEVER, 1, False, id="Never is never"),
        pytest.param(ContainerKind.SIDECAR, RestartPolicy.NEVER, 1, True, id="a sidecar restarts even under Never"),
        pytest.param(ContainerKind.INIT, RestartPolicy.ALWAYS, 0, False, id="a successful init is not repeated"),
        pytest.param(ContainerKind.INIT, RestartPolicy.ALWAYS, 1, True, id="a failed init is retried under Always"),
        pytest.param(ContainerKind.INIT, RestartPolicy.NEVER, 1, False, id="a failed init is fatal under Never"),
    ],
)
def test_should_restart(kind: ContainerKind, policy: RestartPolicy, code: int, again: bool) -> None:
    assert should_restart(pod("a", restart_policy=policy), container("a", kind), ended(code)) is again


def test_restart_rules_decide_before_the_policy() -> None:
    rule = RestartRule(action="Restart", operator="In", exit_codes=(42,))
    c = container("a", restart_policy=RestartPolicy.NEVER, restart_rules=(rule,))
    assert should_restart(pod("a"), c, ended(42))
    assert not should_restart(pod("a"), c, ended(43))


def test_back_off_is_10_20_40_up_to_300_seconds_after_the_exit() -> None:
    view, steps = seen("a"), []
    for at in (100.0, 120.0, 150.0, 200.0, 300.0, 500.0, 900.0, 1300.0):
        view = replace(view, ended=ended(1, at))
        steps.append(restart_at(view) - at if restart_at(view) else 0.0)
        view = replace(view, backoff_seconds=next_backoff_seconds(view), backoff_updated_at=max(at, restart_at(view)))
    assert steps == [0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]


def test_back_off_is_forgotten_after_ten_quiet_minutes() -> None:
    view = seen("a", ended=ended(1, 1000.0), backoff_seconds=160.0, backoff_updated_at=399.0)
    assert restart_at(view) == 0.0
    assert next_backoff_seconds(view) == 10.0


def test_the_next_instance_waits_for_its_back_off() -> None:
    view = look(seen("a", ended=ended(1, 100.0), backoff_seconds=20.0, backoff_updated_at=90.0))
    assert plan(pod("a"), view, 105.0).actions == ()
    assert plan(pod("a"), view, 105.0).wake_at == 120.0
    assert plan(pod("a"), view, 120.0).actions == (CreateContainer("a"),)


def test_stop_sends_the_signal_then_kills_when_the_grace_is_over() -> None:
    p = pod("a", termination_grace_period_seconds=30)
    stop = StopRequest(at=100.0, grace_seconds=30.0)
    running = seen("a", "running")
    first = plan(p, look(running, stop=stop), 100.0)
    assert first.actions == (TerminateContainer("a"),)
    waiting = replace(running, terminated_at=100.0)
    assert plan(p, look(waiting, stop=stop), 129.9).actions == ()
    assert plan(p, look(waiting, stop=stop), 129.9).wake_at == 130.0
    assert plan(p, look(waiting, stop=stop), 130.0).actions == (KillContainer("a"),)


def test_no_grace_means_sigkill_at_once() -> None:
    stop = StopRequest(at=100.0, grace_seconds=0.0)
    assert plan(pod("a"), look(seen("a", "running"), stop=stop), 100.0).actions == (KillContainer("a"),)


def test_a_late_container_still_gets_two_seconds() -> None:
    p = pod("a", inits=(container("s", ContainerKind.SIDECAR),))
    stop = StopRequest(at=100.0, grace_seconds=5.0)
    side = seen("s", "running", ContainerKind.SIDECAR, terminated_at=104.5)
    assert plan(p, look(side, seen("a", ended=ended(0)), stop=stop), 105.0).wake_at == 106.5


def test_sidecars_go_last_in_reverse_order() -> None:
    sides = (container("s1", ContainerKind.SIDECAR), container("s2", ContainerKind.SIDECAR))
    p = pod("a", inits=sides)
    stop = StopRequest(at=100.0, grace_seconds=30.0)
    one, two = (seen(n, "running", ContainerKind.SIDECAR) for n in ("s1", "s2"))
    assert plan(p, look(one, two, seen("a", "running"), stop=stop), 100.0).actions == (TerminateContainer("a"),)
    done = seen("a", ended=ended(0))
    assert plan(p, look(one, two, done, stop=stop), 101.0).actions == (TerminateContainer("s2"),)
    gone = seen("s2", kind=ContainerKind.SIDECAR, ended=ended(0))
    assert plan(p, look(one, gone, done, stop=stop), 102.0).actions == (TerminateContainer("s1"),)


def test_an_instance_that_is_just_being_made_is_killed_when_it_is_there() -> None:
    stop = StopRequest(at=100.0, grace_seconds=30.0)
    assert plan(pod("a"), look(seen("a", "creating"), stop=stop), 101.0).actions == ()
    assert plan(pod("a"), look(seen("a", "created"), stop=stop), 101.0).actions == (KillContainer("a"),)


def test_the_deadline_counts_from_the_start_of_the_pod() -> None:
    p = pod("a", active_deadline_seconds=60)
    assert plan(p, look(seen("a", "running")), 59.0).wake_at == 60.0
    stop = effective_stop(p, look(seen("a", "running")), 60.0)
    assert stop is not None
    assert stop.reason == "DeadlineExceeded"


def test_the_sandbox_goes_when_the_last_container_is_cleaned_up() -> None:
    p = pod("a", restart_policy=RestartPolicy.NEVER)
    assert plan(p, look(seen("a", "exited", ended=ended(0))), 101.0).actions == (RemoveContainer("a"),)
    assert plan(p, look(seen("a", "removing", ended=ended(0))), 101.0).actions == ()
    assert plan(p, look(seen("a", ended=ended(0))), 101.0).actions == (RemoveSandbox(),)


any_view = st.builds(
    seen,
    st.just("a"),
    st.sampled_from([s.value for s in ContainerStage]),
    ended=st.none() | st.builds(ended, st.integers(0, 255), st.floats(0, 1000)),
    terminated_at=st.none() | st.floats(0, 1000),
    killed_at=st.none() | st.floats(0, 1000),
)
any_stop = st.none() | st.builds(StopRequest, at=st.floats(0, 1000), grace_seconds=st.floats(0, 100))


@given(any_view, any_stop, st.sampled_from([s.value for s in SandboxStage]), st.floats(0, 2000))
def test_a_plan_never_creates_over_an_instance_and_never_starts_while_stopping(
    view: ContainerView, stop: StopRequest | None, sandbox: str, now: float
) -> None:
    actions = plan(pod("a"), look(view, sandbox=sandbox, stop=stop), now).actions
    assert not (CreateContainer("a") in actions and view.stage is not ContainerStage.ABSENT)
    if stop is not None:
        assert not any(isinstance(action, CreateContainer | StartContainer | PrepareSandbox) for action in actions)
    if RemoveSandbox() in actions:
        assert view.stage is ContainerStage.ABSENT


@given(any_view, any_stop, st.floats(0, 2000))
def test_a_plan_is_the_same_when_asked_again(view: ContainerView, stop: StopRequest | None, now: float) -> None:
    assert plan(pod("a"), look(view, stop=stop), now) == plan(pod("a"), look(view, stop=stop), now)

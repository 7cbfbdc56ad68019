"""What agent and API server tell each other: messages in, calls and messages out."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from nodeguard.agent import api_sync
from nodeguard.agent.api_sync import ApiSync
from nodeguard.agent.clock import Clock
from nodeguard.agent.loop import Loop
from nodeguard.agent.object_map import ObjectMap
from nodeguard.agent.query import Unanswerable
from nodeguard.model import link
from nodeguard.model.link import EventMessage, Hello, Message, NodeMessage, Query, Reply, Synced
from nodeguard.model.meta import Event
from nodeguard.model.objectref import ObjectRef
from nodeguard.model.pod import Pod

WORDS = (
    "node_name",
    "boot_id",
    "run_dir",
    "state_dir",
    "log_dir",
    "runtime",
    "runtime_root",
    "exit_dir",
    "cgroup_mode",
)
HELLO = Hello(version="1", **dict.fromkeys(WORDS, "x"))
POD: dict[str, Any] = {
    "metadata": {"name": "a", "uid": "u", "managedFields": [{}], "resourceVersion": "7"},
    "spec": {"containers": [{"name": "m", "command": ["x"]}]},
    "status": {"phase": "Running", "qosClass": "BestEffort"},
}


class Pods:
    """Writes down what it is asked for."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.pods: tuple[Pod, ...] = ()

    def tell_all(self) -> None:
        self.calls.append("tell all")

    def want(self, pod: Pod) -> None:
        self.calls.append(f"want {pod.meta.uid}")

    def refuse(self, value: Mapping[str, Any], uid: str, why: str) -> None:
        self.calls.append(f"refuse {uid} {why}")

    def synced(self, uids: frozenset[str]) -> None:
        self.calls.append(f"synced {sorted(uids)}")

    def settled(self, uid: str) -> None:
        self.calls.append(f"settled {uid}")

    def forget(self, uid: str, namespace: str, name: str) -> None:
        self.calls.append(f"forget {uid} {namespace}/{name}")


class Story:
    def __init__(self) -> None:
        self.loop = Loop(Clock())
        self.objects = ObjectMap(lambda *_: None)
        self.pods: Any = Pods()
        self.sent: list[Message] = []
        self.nodes: list[Mapping[str, Any]] = []
        self.go_on = threading.Event()
        self.sync = ApiSync(
            self.loop,
            lambda: HELLO,
            objects=self.objects,
            node=lambda: {"kind": "Node"},
            on_node=self.nodes.append,
            answers={"sum": lambda args: sum(args["of"]), "wait": lambda _: self.go_on.wait(30), "no": self.refuse},
        )

    def refuse(self, _: Any) -> None:
        raise Unanswerable("not now", code=503, reason="ServiceUnavailable")

    def connect(self) -> None:
        self.sync.connected(self.pods, lambda message, key: self.sent.append(message))

    def hear(self, message: Message) -> None:
        for call in self.sync.translate(message):
            call()

    def replies(self, count: int) -> list[Reply]:
        self.loop.run_until(lambda: sum(isinstance(message, Reply) for message in self.sent) >= count)
        return [message for message in self.sent if isinstance(message, Reply)]


@pytest.fixture
def story() -> Iterator[Story]:
    made = Story()
    made.connect()
    made.sent.clear()
    made.pods.calls.clear()
    yield made
    made.go_on.set()
    made.loop.close()


def test_a_new_api_server_is_told_everything_in_order() -> None:
    made = Story()
    made.sync.tell_event(Event(at=1.0, type="Normal", reason="Early", message="", pod="default/a"))
    made.connect()
    assert made.pods.calls == ["tell all"]
    assert [type(message) for message in made.sent] == [Hello, Synced, NodeMessage, EventMessage]
    made.sync.disconnected()
    made.sync.tell_node()
    assert len(made.sent) == 4
    made.loop.close()


def test_events_that_nobody_hears_are_bounded(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.sync.disconnected()
    for number in range(api_sync.UNTOLD_EVENTS + 50):
        story.sync.tell_event(Event(at=1.0, type="Normal", reason=str(number), message="", pod="default/a"))
    story.connect()
    events = [message.object["reason"] for message in story.sent if isinstance(message, EventMessage)]
    assert events == [str(number) for number in range(50, api_sync.UNTOLD_EVENTS + 50)]


def test_pods_are_wanted_one_by_one(story: Story) -> None:
    story.hear(link.PodMessage(object=POD))
    other = {**POD, "metadata": {"name": "b", "uid": "v"}}
    story.hear(link.PodMessage(object=other))
    story.hear(link.Sync(uids=["v", "u"]))
    assert story.pods.calls == ["want u", "want v", "synced ['u', 'v']"]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({**POD, "spec": {"containers": []}}, "refuse u "),
        ({**POD, "spec": {"contaners": []}}, "refuse u "),
        ({**POD, "metadata": {"name": "a"}}, "refuse  a pod without name or uid"),
        ({}, "refuse  "),
        ({"metadata": 1, "spec": [], "status": 2}, "refuse  "),
    ],
)
def test_what_is_no_pod_is_refused_with_its_reasons(story: Story, value: dict[str, Any], says: str) -> None:
    story.hear(link.PodMessage(object=value))
    assert story.pods.calls[0].startswith(says)


def test_what_else_an_api_server_says(story: Story) -> None:
    story.hear(link.Settled(uid="u"))
    story.hear(link.Forget(uid="u", namespace="n", name="a"))
    story.hear(NodeMessage(object={"spec": {"unschedulable": True}}))
    story.hear(link.ConfigMessage(kind="Secret", namespace="n", name="s", object={"stringData": {"k": "v"}}))
    story.hear(link.ConfigMessage(kind="Widget", namespace="n", name="s", object={}))
    story.hear(HELLO)
    assert story.pods.calls == ["settled u", "forget u n/a"]
    assert story.nodes == [{"spec": {"unschedulable": True}}]
    found = story.objects.get("n", ObjectRef(kind="Secret", name="s"))
    assert found is not None
    assert found.data == {"k": b"v"}


def test_questions_are_answered_in_other_threads(story: Story) -> None:
    story.hear(Query(id=1, what="sum", args={"of": [1, 2]}))
    story.hear(Query(id=2, what="nothing", args={}))
    story.hear(Query(id=3, what="no", args={}))
    story.hear(Query(id=4, what="sum", args={}))
    replies = {reply.id: reply for reply in story.replies(4)}
    assert replies[1].value == 3
    assert replies[2].error is not None
    assert replies[2].error["code"] == 404
    assert replies[3].error == {"code": 503, "reason": "ServiceUnavailable", "message": "not now"}
    assert replies[4].error is not None
    assert replies[4].error["code"] == 500


def test_questions_are_bounded(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_sync, "MAX_QUERIES", 2)
    for number in range(4):
        story.hear(Query(id=number, what="wait", args={}))
    codes = [reply.error["code"] for reply in story.replies(2) if reply.error is not None]
    assert codes == [429, 429]
    story.go_on.set()
    assert len(story.replies(4)) == 4

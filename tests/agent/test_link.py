"""The agent's end of the link: in order, one at a time, bounded, and gone without a trace."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from nodeguard.agent import link as agent_link
from nodeguard.agent.clock import Clock
from nodeguard.agent.link import Link
from nodeguard.agent.loop import Loop
from nodeguard.model.link import EventMessage, Lines, Message, NodeMessage, PodMessage, Settled, Synced, decode, encode


class Story:
    """A link whose other end is a socket of the test's."""

    def __init__(self) -> None:
        self.loop = Loop(Clock())
        ours, self.other = socket.socketpair()
        self.other.settimeout(10)
        self.got: list[Message] = []
        self.lost: list[str] = []
        self.link = Link(self.loop, ours, self.translate, self.lost.append)
        self._lines = Lines()

    def translate(self, message: Message) -> Iterator[Callable[[], None]]:
        yield lambda: self.got.append(message)

    def read(self) -> Message:
        while (line := self._lines.next_line()) is None:
            self._lines.feed(self.other.recv(1 << 16))
        return decode(line)


@pytest.fixture
def story() -> Iterator[Story]:
    made = Story()
    yield made
    made.link.close()
    made.other.close()
    made.loop.close()


def test_messages_come_in_their_order(story: Story) -> None:
    sent = [Settled(uid=str(number)) for number in range(50)]
    story.other.sendall(b"".join(encode(message) for message in sent))
    story.loop.run_until(lambda: len(story.got) == 50)
    assert story.got == sent


def test_messages_go_in_their_order(story: Story) -> None:
    sent: list[Message] = [PodMessage(object={"number": number}) for number in range(50)]
    for message in sent:
        story.link.send(message)
    assert [story.read() for _ in range(50)] == sent


def test_of_what_waits_under_one_key_only_the_latest_is_told(story: Story) -> None:
    story.link.send(PodMessage(object={"large": "x" * (1 << 22)}))  # keeps the writer busy
    for number in range(20):
        story.link.send(PodMessage(object={"number": number}), key="a")
    story.link.send(Synced())
    told = []
    while not isinstance(message := story.read(), Synced):
        told.append(message)
    assert told[-1] == PodMessage(object={"number": 19})
    assert len(told) <= 3  # the large one, the first if the writer had come so far, the last


def test_the_loop_has_at_most_one_message_at_a_time(story: Story) -> None:
    story.other.sendall(b"".join(encode(Settled(uid=str(number))) for number in range(20)))
    rounds = 0

    def count() -> bool:
        nonlocal rounds
        rounds += 1
        return len(story.got) == 20

    story.loop.run_until(count)
    assert rounds >= 20


def test_whoever_does_not_read_is_given_up_and_nobody_waits(story: Story) -> None:
    for number in range(agent_link.MAX_PENDING + 200):
        story.link.send(EventMessage(object={"number": number, "text": "x" * 1000}))
    assert story.lost == [f"{agent_link.MAX_PENDING} messages wait to be read"]
    story.link.send(Synced())  # nothing happens any more


def test_whoever_is_told_little_and_does_not_read_it_is_given_up_too(story: Story) -> None:
    story.link.send(NodeMessage(object={}))
    story.other.recv(1, socket.MSG_PEEK)
    for _ in range(agent_link.STUCK_LOOKS):
        story.link.look()
    story.loop.run_until(lambda: bool(story.lost))
    assert story.lost == ["it does not read what it is told"]


def test_whoever_reads_is_not_given_up(story: Story) -> None:
    for _ in range(3 * agent_link.STUCK_LOOKS):
        story.link.send(NodeMessage(object={}))
        story.read()
        story.link.look()
    assert not story.lost


def test_whoever_is_looked_at_just_when_something_was_sent_is_not_given_up(story: Story) -> None:
    for _ in range(3 * agent_link.STUCK_LOOKS):
        before = story.link._sent_bytes
        story.link.send(NodeMessage(object={"text": "x" * 3000}))
        while story.link._sent_bytes == before:
            story.other.recv(1, socket.MSG_PEEK)
        story.link.look()
        story.read()
    assert not story.lost


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"", "closed by the API server", id="closed"),
        pytest.param(b"what?\n", "no JSON", id="no message"),
        pytest.param(b'{"type":"settled"}\n', "settled.uid is missing", id="half a message"),
    ],
)
def test_the_end_is_told_once_with_its_reason(story: Story, data: bytes, why: str) -> None:
    if data:
        story.other.sendall(data)
    else:
        story.other.close()
    story.loop.run_until(lambda: bool(story.lost))
    assert len(story.lost) == 1
    assert why in story.lost[0]


def test_a_link_that_was_closed_ends_its_threads_and_says_nothing(story: Story) -> None:
    story.link.close()
    for thread in threading.enumerate():
        if thread.name.startswith("link-"):
            thread.join(10)
            assert not thread.is_alive()
    story.loop.call_at(story.loop.clock.now(), lambda: story.got.append(Synced()))
    story.loop.run_until(lambda: bool(story.got))
    assert not story.lost


def test_a_message_that_is_too_long_is_left_out_and_the_next_one_is_told(story: Story) -> None:
    story.link.send(PodMessage(object={"x": "y" * (9 << 20)}))
    story.link.send(Synced())
    assert story.read() == Synced()

"""Records and shares: what is written down so that a crash can be cleaned up after."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from nodeguard.agent.record import Owner, Record, Share, pod_dirs, read_record, shares
from nodeguard.agent.turnstile import Turnstile


def owner() -> Owner:
    return Owner.current()


def record(uid: str) -> Record:
    return Record(
        uid=uid,
        namespace="default",
        name="web",
        owner=owner(),
        cgroup=f"/ng/burstable/pod{uid}",
        log_dir="/var/log/pods/x",
        state_dir="/var/lib/nodeguard/pods/x",
        runtime="/usr/bin/runc",
    )


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record("u1").write(tmp_path / "pods" / "u1")
    assert [read_record(directory) for directory in pod_dirs(tmp_path)] == [record("u1")]


def test_a_record_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    for number, text in enumerate((b"", b"{", b"[]", b'{"uid": 1}', b"\xff\xfe", b'{"owner": 5}')):
        directory = tmp_path / str(number)
        directory.mkdir()
        (directory / "record.json").write_bytes(text)
        assert read_record(directory) is None
    assert read_record(tmp_path / "missing") is None


def test_an_owner_is_more_than_a_pid() -> None:
    me = owner()
    assert me.is_alive(me.boot_id)
    assert not me.is_alive("another boot")
    assert not replace(me, start_time_ticks=me.start_time_ticks - 1).is_alive(me.boot_id)
    assert not replace(me, pid=2**22 + 1).is_alive(me.boot_id)


def test_shares_of_the_dead_are_dropped(tmp_path: Path) -> None:
    me = owner()
    (tmp_path / "owners").mkdir()
    mine = Share(owner=me, capacity={"cpu": 1}, tier_millicpu={"burstable": 250}, pods=1)
    mine.write(tmp_path)
    dead = replace(mine, owner=replace(me, pid=os.getppid(), start_time_ticks=1))
    dead.write(tmp_path)
    (tmp_path / "owners" / "7.json").write_text("not json")
    (tmp_path / "owners" / ".7.json.7").write_text('{"owner": {"pid"')
    assert shares(tmp_path, me.boot_id) == [mine]
    assert [path.name for path in (tmp_path / "owners").iterdir()] == [f"{me.pid}.json"]


def test_a_turnstile_lets_in_one_for_each_that_leaves() -> None:
    turnstile, inside = Turnstile(2), []
    for name in "abcd":
        turnstile.enter(lambda name=name: inside.append(name))  # type: ignore[misc]
    assert inside == ["a", "b"]
    turnstile.leave()
    assert inside == ["a", "b", "c"]
    turnstile.leave()
    turnstile.leave()
    turnstile.enter(lambda: inside.append("e"))
    assert inside == ["a", "b", "c", "d", "e"]

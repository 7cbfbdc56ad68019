from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeguard.errors import HostLacks, NotFound, RuntimeFailed
from nodeguard.kernel import process
from nodeguard.kernel.process import ProcessId


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(["sleep", "60"])
    while Path(f"/proc/{child.pid}/cmdline").read_bytes() != b"sleep\x0060\x00":
        time.sleep(0.001)  # Popen returns in the middle of exec, before the new command line is in place
    yield child
    child.kill()
    child.wait()


def test_names_with_blanks_and_parentheses_do_not_shift_the_fields(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    fields = " ".join(str(number) for number in range(4, 53))
    (tmp_path / "7/stat").write_text(f"7 (a) R (b c) S {fields}\n")
    assert process.identify(7, str(tmp_path)) == ProcessId(pid=7, start_time_ticks=22)
    assert process.state(7, str(tmp_path)) == "S"


def test_a_process_is_itself_until_it_ends(sleeper: subprocess.Popen[bytes]) -> None:
    identity = process.identify(sleeper.pid)
    assert process.alive(identity)
    fd = process.open_pidfd(identity)
    process.signal_pidfd(fd, signal.SIGKILL)
    assert select.select([fd], [], [], 10)[0]
    assert not process.alive(identity), "a zombie is not alive"
    sleeper.wait()
    assert not process.alive(identity)
    process.signal_pidfd(fd, signal.SIGKILL)
    os.close(fd)
    with pytest.raises(NotFound):
        process.identify(sleeper.pid)


def test_a_pid_given_anew_is_another_process(sleeper: subprocess.Popen[bytes]) -> None:
    earlier = ProcessId(pid=sleeper.pid, start_time_ticks=process.identify(sleeper.pid).start_time_ticks - 1)
    assert not process.alive(earlier)
    with pytest.raises(NotFound, match="another one"):
        process.open_pidfd(earlier)


def test_only_who_belongs_is_killed(sleeper: subprocess.Popen[bytes]) -> None:
    assert not process.kill_if(sleeper.pid, lambda _: False)
    assert sleeper.poll() is None
    assert process.kill_if(sleeper.pid, lambda _: True)
    assert sleeper.wait() == -signal.SIGKILL
    assert not process.kill_if(sleeper.pid, lambda _: True)


@pytest.mark.parametrize("pid", [0, 1, os.getpid()])
def test_init_and_this_process_are_never_killed(pid: int) -> None:
    assert not process.kill_if(pid, lambda _: True)
    assert not process.kill(pid, (), signal.SIGKILL)


def test_kill_asks_for_the_command_line(sleeper: subprocess.Popen[bytes]) -> None:
    assert (sleeper.pid, ("sleep", "60")) in list(process.list_commands())
    assert not process.kill(sleeper.pid, ("sleep", "61"), signal.SIGKILL)
    assert process.kill(sleeper.pid, ("sleep", "60"), signal.SIGKILL)
    sleeper.wait()


@pytest.mark.parametrize(
    ("script", "exit_code"),
    [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)],
)
def test_exit_codes(script: str, exit_code: int) -> None:
    assert process.run(["sh", "-c", script]) == (exit_code, "")


def test_both_outputs_are_kept_however_much_it_is() -> None:
    exit_code, stdout, stderr = process.capture(["sh", "-c", "echo out; head -c 300000 /dev/zero | tr '\\0' x >&2"])
    assert (exit_code, stdout, len(stderr)) == (0, "out\n", 300000)


def test_the_pidfd_tells_the_end() -> None:
    child = process.spawn(["sh", "-c", "echo oops >&2; exit 7"])
    assert select.select([child.pidfd], [], [], 10)[0]
    assert child.finish() == (7, "oops\n")


def test_a_child_gets_the_environment_and_the_descriptors_it_was_given() -> None:
    read, write = os.pipe2(os.O_CLOEXEC)
    child = process.spawn(["/bin/sh", "-c", "echo $WORD >&7"], env={"WORD": "hello"}, fds={7: write})
    os.close(write)
    with os.fdopen(read) as file:
        assert file.read() == "hello\n"
    assert child.finish() == (0, "")


def test_a_child_gets_no_other_descriptors() -> None:
    fd = os.open("/", os.O_PATH | os.O_CLOEXEC)
    _, listed, _ = process.capture(["ls", "/proc/self/fd"])
    os.close(fd)
    assert str(fd) not in listed.split()
    assert set("012") <= set(listed.split())


def test_signals_are_as_in_a_fresh_process() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        _, text, _ = process.capture(["grep", "^Sig[BI]", "/proc/self/status"])
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
    masks = dict(line.split() for line in text.splitlines())
    assert int(masks["SigBlk:"], 16) == 0
    assert not int(masks["SigIgn:"], 16) >> (signal.SIGPIPE - 1) & 1


def test_a_missing_program_is_named() -> None:
    with pytest.raises(HostLacks, match="no program nodeguard-nothing"):
        process.spawn(["nodeguard-nothing"])


def test_a_file_that_cannot_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(RuntimeFailed, match="cannot start"):
        process.spawn([str(tmp_path / "x")])


def test_reap_is_fine_with_processes_of_others() -> None:
    process.reap(process.identify(1))
    process.reap(None)

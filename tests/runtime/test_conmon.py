from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from nodeguard.errors import HostLacks, RuntimeFailed
from nodeguard.runtime.conmon import (
    ConmonRequest,
    LogLine,
    ask_to_reopen_log,
    conmon_argv,
    parse_answer,
    parse_cri_line,
    read_exit_code,
    runtime_argv,
    runtime_message,
    start_conmon,
    start_failure,
)

RUNC = 'time="2026-01-01T00:00:00Z" level=error msg="runc create failed: unable to start container process: {}"'


def request_for(tmp_path: Path, conmon: Path, *, systemd_cgroup: bool = False) -> ConmonRequest:
    bundle = tmp_path / "bundle"
    bundle.mkdir(exist_ok=True)
    return ConmonRequest(
        conmon=conmon,
        runtime=Path("/usr/sbin/runc"),
        runtime_root=tmp_path / "runc",
        container_id="abc",
        name="c",
        bundle=bundle,
        exit_dir=tmp_path / "exits",
        log_path=tmp_path / "0.log",
        systemd_cgroup=systemd_cgroup,
    )


def fake_conmon(tmp_path: Path, body: str) -> Path:
    """A conmon that notes its arguments, directory and environment, then does ``body``."""
    path = tmp_path / "conmon"
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/argv\npwd > {tmp_path}/cwd\n{body}\n')
    path.chmod(0o755)
    return path


def test_argv(tmp_path: Path) -> None:
    argv = conmon_argv(request_for(tmp_path, Path("/usr/bin/conmon")))
    assert argv[0] == "/usr/bin/conmon"
    assert "--api-version=1" in argv
    assert "--cid=abc" in argv
    assert f"--runtime-arg=--root={tmp_path}/runc" in argv
    assert f"--log-path=k8s-file:{tmp_path}/0.log" in argv
    assert "--systemd-cgroup" not in argv
    assert "--systemd-cgroup" in conmon_argv(request_for(tmp_path, Path("/c"), systemd_cgroup=True))
    assert not {"--stdin", "--leave-stdin-open", "--terminal"} & set(argv)


def test_stdin_stays_open_unless_it_is_for_one_client(tmp_path: Path) -> None:
    request = request_for(tmp_path, Path("/c"))
    assert conmon_argv(replace(request, stdin=True))[-2:] == ("--stdin", "--leave-stdin-open")
    assert conmon_argv(replace(request, stdin=True, stdin_once=True))[-1] == "--stdin"
    assert conmon_argv(replace(request, terminal=True))[-1] == "--terminal"


def test_runtime_argv() -> None:
    assert runtime_argv(Path("/bin/runc"), Path("/r"), "kill", "abc", "9") == (
        "/bin/runc",
        "--root=/r",
        "kill",
        "abc",
        "9",
    )
    assert runtime_argv("runc", Path("/r"), "start", "abc", systemd_cgroup=True)[1] == "--systemd-cgroup"


def test_a_pid_comes_back_and_the_bundle_is_the_working_directory(tmp_path: Path) -> None:
    conmon = fake_conmon(tmp_path, r'printf "{\"data\": 4711}\n" > /proc/$$/fd/$_OCI_SYNCPIPE')
    creation = start_conmon(request_for(tmp_path, conmon))
    assert creation.finish() == 4711
    assert (tmp_path / "cwd").read_text().strip() == str(tmp_path / "bundle")
    assert "--cid=abc" in (tmp_path / "argv").read_text().splitlines()


def test_the_runtimes_complaint_comes_back(tmp_path: Path) -> None:
    line = json.dumps({"data": -1, "message": RUNC.format('exec: \\"nope\\": executable file not found in $PATH')})
    (tmp_path / "answer").write_text(line + "\n")
    conmon = fake_conmon(tmp_path, f"cat {tmp_path}/answer > /proc/$$/fd/$_OCI_SYNCPIPE")
    with pytest.raises(RuntimeFailed, match='exec: "nope": executable file not found') as caught:
        start_conmon(request_for(tmp_path, conmon)).finish()
    assert (caught.value.reason, caught.value.container_exit_code) == ("StartError", 127)


def test_conmons_own_complaint_comes_back(tmp_path: Path) -> None:
    conmon = fake_conmon(tmp_path, "echo 'conmon: Failed to open log file' >&2; exit 1")
    with pytest.raises(RuntimeFailed, match="conmon ended without an answer: conmon: Failed to open log file"):
        start_conmon(request_for(tmp_path, conmon)).finish()


def test_silence_while_something_still_holds_stderr_is_a_failure_too(tmp_path: Path) -> None:
    conmon = fake_conmon(tmp_path, """exec python3 -c 'import subprocess as s; s.Popen(("sleep", "1"))' """)
    with pytest.raises(RuntimeFailed, match="conmon ended without an answer: no message"):
        start_conmon(request_for(tmp_path, conmon)).finish()


def test_a_missing_conmon_names_its_package(tmp_path: Path) -> None:
    with pytest.raises(HostLacks, match="Debian package conmon"):
        start_conmon(request_for(tmp_path, tmp_path / "nope"))


def test_no_file_descriptor_stays_open(tmp_path: Path) -> None:
    conmon = fake_conmon(tmp_path, r'printf "{\"data\": 1}\n" > /proc/$$/fd/$_OCI_SYNCPIPE')
    before = os.listdir("/proc/self/fd")
    start_conmon(request_for(tmp_path, conmon)).finish()
    start_conmon(request_for(tmp_path, conmon)).abandon()
    with pytest.raises(HostLacks):
        start_conmon(request_for(tmp_path, tmp_path / "nope"))
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"data": "x"}', b'{"pid": 3}', b"\xff\xfe", b"null"])
def test_an_answer_that_is_none(line: bytes) -> None:
    with pytest.raises(RuntimeFailed, match="cannot be read"):
        parse_answer(line)


def test_an_answer_with_raw_control_bytes() -> None:
    with pytest.raises(RuntimeFailed, match="a\x1fb"):
        parse_answer(b'{"data": -1, "message": "a\x1fb"}\n')


@pytest.mark.parametrize(
    ("message", "exit_code"),
    [
        pytest.param(RUNC.format(r"exec: \"x\": executable file not found in $PATH"), 127, id="runc, not in PATH"),
        pytest.param(RUNC.format(r"exec: \"/x\": stat /x: no such file or directory"), 127, id="runc, no such file"),
        pytest.param(RUNC.format(r"exec: \"/etc/passwd\": permission denied"), 126, id="runc, not executable"),
        pytest.param(RUNC.format(r"exec: \"/etc\": is a directory"), 126, id="runc, a directory"),
        pytest.param(
            RUNC.format(r"error mounting \"/a\" to rootfs at \"/b\": stat /a: no such file or directory"),
            128,
            id="runc, a mount source is missing",
        ),
        pytest.param(
            RUNC.format(r"chdir to cwd (\"/root\") set in config.json failed: permission denied"), 128, id="cwd"
        ),
        pytest.param("executable file `x` not found in $PATH: No such file or directory", 127, id="crun, not in PATH"),
        pytest.param("crun: open executable: Permission denied", 126, id="crun, not executable"),
        pytest.param("open executable: Operation not permitted", 126, id="crun, a directory"),
        pytest.param("", 128, id="nothing said"),
    ],
)
def test_start_failure(message: str, exit_code: int) -> None:
    failure = start_failure(message)
    assert (failure.container_exit_code, failure.reason) == (exit_code, "StartError")


def test_crun_does_not_say_which_program(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"process": {"args": ["/etc/passwd", "x"]}}')
    line = b'{"data": -1, "message": "open executable: Permission denied"}'
    with pytest.raises(RuntimeFailed, match=r"^/etc/passwd: open executable: Permission denied$"):
        parse_answer(line, tmp_path)


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        ('time="t" level=warning msg="old"\ntime="t" level=error msg="bad \\"x\\""', 'bad "x"'),
        ("plain words\n", "plain words"),
        ('{"level":"warning","msg":"w"}\n{"level":"error","msg":"bad"}', "bad"),
        ("", "the runtime failed without a message"),
        ("2026-01-01T00:00:00Z: cannot do it\n", "2026-01-01T00:00:00Z: cannot do it"),
    ],
)
def test_runtime_message(stderr: str, message: str) -> None:
    assert runtime_message(stderr) == message


def test_exit_file(tmp_path: Path) -> None:
    assert read_exit_code(tmp_path, "abc") is None
    (tmp_path / "abc").write_text("137")
    assert read_exit_code(tmp_path, "abc") == 137
    (tmp_path / "abc").write_text("what")
    with pytest.raises(RuntimeFailed, match="not an exit code"):
        read_exit_code(tmp_path, "abc")


def test_reopening_the_log_goes_through_the_fifo(tmp_path: Path) -> None:
    assert ask_to_reopen_log(tmp_path) is False
    os.mkfifo(tmp_path / "ctl")
    assert ask_to_reopen_log(tmp_path) is False, "nobody reads"
    reader = os.open(tmp_path / "ctl", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert ask_to_reopen_log(tmp_path) is True
        assert os.read(reader, 100) == b"2 0 0\n"
    finally:
        os.close(reader)


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        (b"T stdout F hello world\n", LogLine(timestamp="T", stream="stdout", partial=False, content=b"hello world")),
        (b"T stderr P part", LogLine(timestamp="T", stream="stderr", partial=True, content=b"part")),
        (b"T stdout F \n", LogLine(timestamp="T", stream="stdout", partial=False, content=b"")),
        (b"T stdout F\n", LogLine(timestamp="T", stream="stdout", partial=False, content=b"")),
        (b"T stdout F:x y\n", LogLine(timestamp="T", stream="stdout", partial=False, content=b"y")),
        (b"T stdout F  two\n", LogLine(timestamp="T", stream="stdout", partial=False, content=b" two")),
        (b"T stdout F \xff\n", LogLine(timestamp="T", stream="stdout", partial=False, content=b"\xff")),
        (b"\n", None),
        (b"T stdout", None),
        (b"T other F x\n", None),
    ],
)
def test_parse_cri_line(line: bytes, parsed: LogLine | None) -> None:
    assert parse_cri_line(line) == parsed

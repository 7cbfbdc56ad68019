"""The frame of the command line: help, errors, exit codes."""

import os
import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from nodeguard import __version__
from nodeguard.cli import main as frame
from nodeguard.cli.main import COMMANDS, cli, run
from nodeguard.errors import HostLacks, InvalidInput, NodeguardError, NotFound, PermissionDenied


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Put a command in the place of ``run`` that does what the test says."""

    def put(body: Callable[[], object]) -> None:
        monkeypatch.setattr(cli, "get_command", lambda ctx, name: click.Command(name, callback=body))

    return put


def failing(error: BaseException) -> Callable[[], None]:
    def body() -> None:
        raise error

    return body


def in_a_process(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nodeguard", *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command_without_importing_any(flag: str) -> None:
    code = (
        "import sys; from nodeguard.cli.main import run; code = run([sys.argv[1]]);"
        "print([m for m in sys.modules if m.startswith('nodeguard.')], file=sys.stderr); sys.exit(code)"
    )
    result = subprocess.run([sys.executable, "-c", code, flag], capture_output=True, text=True, check=True)
    for name, (_, short_help) in COMMANDS.items():
        assert name in result.stdout
        assert short_help in result.stdout
    assert result.stderr == "['nodeguard.cli', 'nodeguard.errors', 'nodeguard.cli.main']\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_tells_what_the_command_tells(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(limit=200) == COMMANDS[name][1]
    assert len(COMMANDS[name][1]) <= 80 - 4 - max(map(len, COMMANDS))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "-h"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: nodeguard {name} ")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"nodeguard {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["tre"], "No such command 'tre'. Did you mean 'tree'?", id="command"),
        pytest.param(["--hepl"], "No such option '--hepl'. Did you mean '--help'?", id="option"),
        pytest.param(["doctor", "--outptu", "json"], "Did you mean '--output'?", id="option of a command"),
        pytest.param(["tree", "-o", "xml"], "'xml' is not one of", id="value"),
        pytest.param(["config", "efective"], "Did you mean 'effective'?", id="command of a group"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_suggestion(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        pytest.param(NodeguardError("it broke"), 1, "Error: it broke\n", id="failed"),
        pytest.param(
            InvalidInput(["a.yaml:1: x", "a.yaml:2: y"]), 3, "Error: a.yaml:1: x\nError: a.yaml:2: y\n", id="invalid"
        ),
        pytest.param(NotFound("no pod x"), 4, "Error: no pod x\n", id="not found"),
        pytest.param(PermissionDenied("be root"), 6, "Error: be root\n", id="permission"),
        pytest.param(HostLacks("no memory controller"), 9, "Error: no memory controller\n", id="host"),
        pytest.param(KeyboardInterrupt(), 130, "", id="Ctrl-C"),
        pytest.param(
            OSError(28, "No space left on device", "/x"), 1, "Error: /x: No space left on device\n", id="disk"
        ),
        pytest.param(
            ValueError("odd"), 1, "Error: internal error: ValueError: odd (NODEGUARD_DEBUG=1 shows where)\n", id="bug"
        ),
        pytest.param(
            BrokenPipeError(32, "Broken pipe"), 1, "Error: Broken pipe\n", id="a pipe that is not our own output"
        ),
    ],
)
def test_errors_become_a_line_and_an_exit_code(
    error: BaseException,
    code: int,
    told: str,
    command: Callable[[Callable[[], object]], None],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NODEGUARD_DEBUG", raising=False)
    command(failing(error))
    assert run(["run"]) == code
    assert capfd.readouterr() == ("", told)


def test_permission_errors_of_the_kernel_end_with_6(
    command: Callable[[Callable[[], object]], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    command(failing(PermissionError(13, "Permission denied", "/sys/fs/cgroup/x")))
    assert run(["run"]) == 6
    assert capsys.readouterr().err == "Error: /sys/fs/cgroup/x: Permission denied; run with sudo\n"


def test_the_traceback_is_there_for_who_asks(
    command: Callable[[Callable[[], object]], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NODEGUARD_DEBUG", "1")
    command(failing(ValueError("odd")))
    assert run(["run"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("Error: internal error: ValueError: odd\n")


def test_a_number_from_a_command_is_the_exit_code(command: Callable[[Callable[[], object]], None]) -> None:
    command(lambda: 11)
    assert run(["run"]) == 11
    command(lambda: None)
    assert run(["run"]) == 0


def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        process = subprocess.run(
            [sys.executable, "-m", "nodeguard", "--help"], stdout=writer, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writer)
    assert process.stderr == b""
    assert process.returncode == frame.EXIT_BROKEN_PIPE


def test_python_m_nodeguard_is_the_command() -> None:
    result = in_a_process("--version")
    assert (result.returncode, result.stdout) == (0, f"nodeguard {__version__}\n")
    result = in_a_process("nonsense")
    assert result.returncode == 2
    assert result.stderr.endswith("Error: No such command 'nonsense'.\n")

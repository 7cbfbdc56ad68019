"""conmon: one supervisor for each container, which outlives nodeguard.

It runs ``runc create``, tells the pid (or the runtime's complaint) through a pipe, copies output to a log file in CRI
format, and writes the exit code to a file when the container ends.

Source: containers/conmon 2.1.6, src/conmon.c, parent_pipe_fd.c, conn_sock.c, ctrl.c, ctr_logging.c.
"""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from nodeguard.errors import HostLacks, RuntimeFailed

_MAX_ANSWER_BYTES = 1 << 16
_REOPEN_LOGS = b"2 0 0\n"
_LOG_MESSAGE = re.compile(r'level=(\w+) msg=("(?:[^"\\]|\\.)*"|\S+)')
_JSON_LEVEL = re.compile(r'^\{.*"level":.*\}$')
_NOT_FOUND = re.compile(
    r'exec: "[^"]*": .*(executable file not found|no such file or directory)'
    r"|executable file [`'\"].*(not found|no such file or directory)",
    re.IGNORECASE | re.DOTALL,
)
_NOT_EXECUTABLE = re.compile(
    r'exec: "[^"]*": .*(permission denied|is a directory)|executable file [`\'"].*permission denied'
    r"|open executable: (permission denied|operation not permitted)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConmonRequest:
    """What conmon needs for one container.

    ``bundle`` also takes conmon's own small files (attach socket, control fifo, pid files); ``exit_dir`` is shared by
    all containers and gets one file named after ``container_id``. All directories must exist.
    """

    conmon: Path
    runtime: Path
    runtime_root: Path
    container_id: str
    name: str
    bundle: Path
    exit_dir: Path
    log_path: Path
    systemd_cgroup: bool = False
    stdin: bool = False
    stdin_once: bool = False
    """stdin ends with the first client that held it"""
    terminal: bool = False
    """the container's output is one terminal; config.json must say so, too"""

    @property
    def pid_file(self) -> Path:
        """Where the runtime writes the pid of the container's first process."""
        return self.bundle / "pidfile"

    @property
    def conmon_pid_file(self) -> Path:
        """Where conmon writes its own pid."""
        return self.bundle / "conmon.pid"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a CRI log file; ``partial`` means that the next one continues it."""

    timestamp: str
    stream: str
    partial: bool
    content: bytes


def conmon_argv(request: ConmonRequest) -> tuple[str, ...]:
    """The command line that creates the container.

    ``--full-attach`` keeps the attach socket in the bundle without a symlink elsewhere (conmon binds it through
    /proc/self/fd, so long paths do no harm); ``--no-sync-log`` spares an fsync before the exit is told.
    """
    argv = [
        str(request.conmon),
        "--api-version=1",
        f"--cid={request.container_id}",
        f"--cuuid={request.container_id}",
        f"--name={request.name}",
        f"--runtime={request.runtime}",
        f"--bundle={request.bundle}",
        f"--container-pidfile={request.pid_file}",
        f"--conmon-pidfile={request.conmon_pid_file}",
        f"--exit-dir={request.exit_dir}",
        f"--persist-dir={request.bundle}",
        f"--log-path=k8s-file:{request.log_path}",
        "--full-attach",
        "--no-sync-log",
        f"--runtime-arg=--root={request.runtime_root}",
    ]
    if request.systemd_cgroup:
        argv.append("--systemd-cgroup")
    if request.stdin:
        argv.append("--stdin")
        if not request.stdin_once:
            argv.append("--leave-stdin-open")
    if request.terminal:
        argv.append("--terminal")
    return tuple(argv)


def runtime_argv(runtime: str | Path, root: Path, *words: str, systemd_cgroup: bool = False) -> tuple[str, ...]:
    """The runtime's command line for ``start ID``, ``kill ID 9``, ``delete ID``, ``state ID``."""
    return (str(runtime), *(("--systemd-cgroup",) if systemd_cgroup else ()), f"--root={root}", *words)


class Creation:
    """A container being created; ``sync_fd`` turns readable when the answer is there."""

    def __init__(self, process: subprocess.Popen[bytes], sync_fd: int, error_fd: int, bundle: Path) -> None:
        self._process = process
        self._error_fd = error_fd
        self._bundle = bundle
        self.sync_fd = sync_fd

    def finish(self) -> int:
        """Read the answer (waiting for it if need be), close everything, return the pid of the container.

        Raises:
            RuntimeFailed: conmon or the runtime could not create it.
        """
        try:
            answer = _read_line(self.sync_fd)
            if not answer.strip():
                raise RuntimeFailed(f"conmon ended without an answer: {self._complaint() or 'no message'}")
            return parse_answer(answer, self._bundle)
        finally:
            self.abandon()

    def _complaint(self) -> str:
        """What conmon wrote before it let go of stderr."""
        try:
            return os.read(self._error_fd, _MAX_ANSWER_BYTES).decode(errors="replace").strip()
        except BlockingIOError:
            return ""

    def abandon(self) -> None:
        """Give up listening; conmon itself goes on."""
        if self.sync_fd >= 0:
            os.close(self.sync_fd)
            os.close(self._error_fd)
            self.sync_fd = -1
            # what we started forks and ends at once; the conmon that stays is its child
            self._process.wait()


def start_conmon(request: ConmonRequest) -> Creation:
    """Let conmon create the container; returns at once.

    The working directory is the bundle, because conmon drops a file named ``oom`` there.

    Raises:
        HostLacks: conmon is not installed.
        RuntimeFailed: it cannot be started.
    """
    sync_read, sync_write = os.pipe2(os.O_CLOEXEC)
    error_read, error_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        process = subprocess.Popen(
            conmon_argv(request),
            cwd=request.bundle,
            env={"PATH": os.environ.get("PATH", os.defpath), "_OCI_SYNCPIPE": str(sync_write)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=error_write,
            pass_fds=(sync_write,),
            start_new_session=True,
        )
    except OSError as e:
        os.close(sync_read)
        os.close(error_read)
        if e.errno == errno.ENOENT and request.bundle.is_dir():
            raise HostLacks(f"no conmon at {request.conmon} (Debian package conmon)") from e
        raise RuntimeFailed(f"cannot start {request.conmon}: {e.strerror}") from e
    finally:
        os.close(sync_write)
        os.close(error_write)
    return Creation(process, sync_read, error_read, request.bundle)


def parse_answer(line: bytes, bundle: Path | None = None) -> int:
    """The pid in conmon's answer: ``{"data": PID}``, or ``{"data": -1, "message": …}`` with the runtime's stderr.

    The bundle is asked for what the runtime does not say.

    Raises:
        RuntimeFailed: the runtime refused, or this is no answer.
    """
    try:
        answer = json.loads(line.decode(errors="replace"), strict=False)  # conmon leaves some control bytes unescaped
        pid, message = int(answer["data"]), str(answer.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise RuntimeFailed(f"conmon gave an answer that cannot be read: {line[:200]!r}") from e
    if pid <= 0:
        raise start_failure(message, bundle)
    return pid


def start_failure(stderr: str, bundle: Path | None = None) -> RuntimeFailed:
    """The runtime's complaint as a status: exit code 127 command not found, 126 not executable, else 128."""
    message = runtime_message(stderr)
    if bundle is not None and message.startswith("open executable: "):  # crun does not say which
        message = f"{_program(bundle)}: {message}"
    if _NOT_FOUND.search(message):
        exit_code = 127
    elif _NOT_EXECUTABLE.search(message):
        exit_code = 126
    else:
        exit_code = 128
    return RuntimeFailed(message, reason="StartError", exit_code=exit_code)


def _program(bundle: Path) -> str:
    return str(json.loads((bundle / "config.json").read_bytes())["process"]["args"][0])


def runtime_message(stderr: str) -> str:
    """What went wrong, without the runtime's log dressing and warnings."""
    errors, plain = [], []
    for line in stderr.splitlines():
        if match := _LOG_MESSAGE.search(line):
            if match.group(1) in ("error", "fatal"):
                errors.append(_unquote(match.group(2)))
        elif _JSON_LEVEL.match(line):
            try:
                entry = json.loads(line)
            except ValueError:
                plain.append(line)
            else:
                if entry.get("level") in ("error", "fatal"):
                    errors.append(str(entry.get("msg", "")))
        elif line.strip():
            plain.append(line.strip())
    return "; ".join(errors or plain) or "the runtime failed without a message"


def read_exit_code(exit_dir: Path, container_id: str) -> int | None:
    """The exit code of an ended container, 128+n for a signal; None while it runs."""
    try:
        text = (exit_dir / container_id).read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return None
    try:
        return int(text)
    except ValueError as e:
        raise RuntimeFailed(f"{exit_dir / container_id} holds {text[:40]!r}, not an exit code") from e


def ask_to_reopen_log(bundle: Path) -> bool:
    """Tell conmon that its log file was renamed; False when it has ended already."""
    try:
        fd = os.open(bundle / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        if e.errno in (errno.ENOENT, errno.ENXIO):
            return False
        raise
    try:
        os.write(fd, _REOPEN_LOGS)
    finally:
        os.close(fd)
    return True


def parse_cri_line(line: bytes) -> LogLine | None:
    """One line of a log file (``TIME STREAM P|F CONTENT``); None when it is torn.

    Source: kubernetes, pkg/kubelet/cri-client/pkg/logs (parseCRILog).
    """
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    tags = parts[2].split(b":")
    return LogLine(
        timestamp=parts[0].decode("ascii", errors="replace"),
        stream=parts[1].decode("ascii"),
        partial=tags[0] == b"P",
        content=parts[3] if len(parts) == 4 else b"",
    )


def _read_line(fd: int) -> bytes:
    """Everything up to a newline or the end."""
    data = b""
    while b"\n" not in data and len(data) < _MAX_ANSWER_BYTES:
        chunk = os.read(fd, 8192)
        if not chunk:
            break
        data += chunk
    return data


def _unquote(text: str) -> str:
    """Undo Go's %q."""
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return text[1:-1]

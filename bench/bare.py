"""The floor: conmon and runc with an OCI bundle of the kind nodeguard makes, and nothing around them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from bench.observer import Observer
from bench.process import check, run, wait_gone

COMMAND = [
    "sh",
    "-c",
    "trap 'exit 0' TERM; printf x > /bench/fifo; while :; do sleep 60 & wait $!; done",
]
"""Writes its first output into the observer's FIFO and obeys SIGTERM."""


def hierarchies() -> list[Path]:
    """The mount points of the cgroup hierarchies, v1 and v2."""
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [Path(fields[4]) for fields in lines if fields[fields.index("-") + 1] in ("cgroup", "cgroup2")]


def cgroups_of(name: str) -> list[Path]:
    """The cgroups of that name at the top of any hierarchy, that still exist."""
    return [hierarchy / name for hierarchy in hierarchies() if (hierarchy / name).is_dir()]


def remove_cgroups(name: str) -> None:
    """Remove the cgroups of that name and everything below, killing what still runs there."""
    for root in cgroups_of(name):
        for path, _, _ in os.walk(root, topdown=False):
            for pid in (Path(path) / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
                wait_gone(int(pid))
            Path(path).rmdir()


def seccomp_profile() -> dict[str, Any] | None:
    """The distribution's default profile as runc wants it, for a container without capabilities beyond the default."""
    path = Path("/usr/share/containers/seccomp.json")
    if not path.exists():
        return None
    profile = json.loads(path.read_text())
    rules = []
    for rule in profile["syscalls"]:
        if rule.get("includes", {}).get("caps") or "amd64" not in rule.get("includes", {}).get("arches", ["amd64"]):
            continue
        kept = {"names": rule["names"], "action": rule["action"]}
        if rule.get("args"):
            kept["args"] = [
                {k: v for k, v in arg.items() if k in ("index", "value", "valueTwo", "op")} for arg in rule["args"]
            ]
        if rule.get("errnoRet") is not None:
            kept["errnoRet"] = rule["errnoRet"]
        rules.append(kept)
    return {
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules,
    }


class Bare:
    """One bundle over an overlay of the host's root file system, started and stopped again and again."""

    def __init__(self, base: Path, observer: Observer, *, cgroup: str) -> None:
        self._base, self._cgroup = base, cgroup
        self._runc = shutil.which("runc") or "/usr/sbin/runc"
        self._conmon = shutil.which("conmon") or "/usr/bin/conmon"
        self._rootfs = base / "rootfs"
        for name in ("rootfs", "upper", "work", "exits", "sockets", "runc"):
            (base / name).mkdir(parents=True, exist_ok=True)
        # A second lower layer in memory lets the upper one lie on the same file system as the first.
        subprocess.run(["mount", "-t", "tmpfs", "none", base / "sockets"], check=True)
        (base / "sockets" / "lower").mkdir()
        layers = f"lowerdir={base}/sockets/lower:/,upperdir={base}/upper,workdir={base}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, self._rootfs], check=True)
        self._write_spec(observer.directory)

    def close(self) -> None:
        """Take away what was mounted and made."""
        remove_cgroups(self._cgroup)
        for name in ("rootfs", "sockets"):
            # Lazily: after a failure conmon may still be on its way out.
            subprocess.run(["umount", "--lazy", self._base / name], check=False)
        shutil.rmtree(self._base, ignore_errors=True)

    def sample(self, observer: Observer) -> dict[str, float]:
        """Start one container and stop it: seconds to its first output, and from SIGTERM to everything gone."""
        pid_file, name = self._base / "pid", f"bench-{os.getpid()}"
        pid_file.unlink(missing_ok=True)
        sync_read, sync_write = os.pipe()
        os.set_inheritable(sync_write, True)
        argv = [
            *(self._conmon, "--cid", name, "--cuuid", name, "--name", name),
            *("--runtime", self._runc, "--runtime-arg", "--root", "--runtime-arg", str(self._base / "runc")),
            *("--bundle", str(self._base), "--container-pidfile", str(pid_file)),
            *("--conmon-pidfile", str(self._base / "conmon.pid"), "--exit-dir", str(self._base / "exits")),
            *("--socket-dir-path", str(self._base / "sockets"), "--log-path", f"k8s-file:{self._base}/log"),
        ]
        started = time.monotonic()
        process = subprocess.Popen(argv, env=os.environ | {"_OCI_SYNCPIPE": str(sync_write)}, pass_fds=(sync_write,))
        os.close(sync_write)
        with open(sync_read, "rb") as sync:
            answer = sync.readline()
        pid = int(json.loads(answer)["pid"])
        if pid < 0:
            raise RuntimeError(f"conmon: {answer.decode()}")
        check(subprocess.run([*self._runc_argv, "start", name], capture_output=True, check=False))
        first_output = observer.wait()
        process.wait()
        conmon_pid = int((self._base / "conmon.pid").read_text())

        stopping = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        wait_gone(pid)
        wait_gone(conmon_pid)
        run([*self._runc_argv, "delete", name])
        remove_cgroups(self._cgroup)
        return {"bare start": first_output - started, "bare stop": time.monotonic() - stopping}

    @property
    def _runc_argv(self) -> list[str]:
        return [self._runc, "--root", str(self._base / "runc")]

    def _write_spec(self, fifo_directory: Path) -> None:
        (self._base / "config.json").unlink(missing_ok=True)
        subprocess.run([self._runc, "spec", "--bundle", self._base], check=True)
        spec = json.loads((self._base / "config.json").read_text())
        spec["root"] = {"path": str(self._rootfs), "readonly": False}
        spec["hostname"] = "bench"
        spec["process"] |= {"terminal": False, "args": COMMAND}
        # Raising a limit above the caller's own takes CAP_SYS_RESOURCE, which root in a container host may lack.
        spec["process"].pop("rlimits", None)
        spec["mounts"].append(
            {"destination": "/bench", "source": str(fifo_directory), "type": "bind", "options": ["bind", "rw"]}
        )
        spec["linux"]["cgroupsPath"] = f"/{self._cgroup}/container"
        spec["linux"]["resources"]["memory"] = {"limit": 64 << 20}
        spec["linux"]["resources"]["cpu"] = {"shares": 102}
        seccomp = seccomp_profile()
        if seccomp is not None:
            spec["linux"]["seccomp"] = seccomp
        (self._base / "config.json").write_text(json.dumps(spec))

"""Which programs are here, and which runtime works on this host's cgroups.

Versions do not tell: crun refuses some hybrid set-ups, distributions patch. So each candidate runs a container that
does nothing, once per boot.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nodeguard.errors import HostLacks
from nodeguard.kernel.proc import boot_id
from nodeguard.runtime.bundle import ContainerSpec, Namespace, bind, oci_config, write_bundle
from nodeguard.runtime.conmon import runtime_argv, runtime_message
from nodeguard.runtime.tree import remove_tree

PACKAGES: Mapping[str, str] = {
    "runc": "runc",
    "crun": "crun",
    "conmon": "conmon",
    "skopeo": "skopeo",
    "umoci": "umoci",
}
"""Program to Debian package."""

_TRIAL_SECONDS = 30
_VERSION_SECONDS = 10
_CACHE = "runtime.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The programs containers are run with."""

    runtime: Path
    conmon: Path


def find(mode: str, run_dir: Path) -> Tools:
    """conmon, and the first runtime that works with cgroups in this mode (``v1``, ``hybrid`` or ``v2``).

    crun comes first on v2, where it is the faster one; runc elsewhere. The answer of a trial is kept in ``run_dir``
    until the next boot or another binary.

    Raises:
        HostLacks: a program is missing, or no runtime works here.
    """
    conmon = shutil.which("conmon")
    if conmon is None:
        raise HostLacks("conmon is not installed (Debian package conmon)")
    names = ("crun", "runc") if mode == "v2" else ("runc", "crun")
    candidates = [Path(found) for name in names if (found := shutil.which(name))]
    if not candidates:
        raise HostLacks("neither runc nor crun is installed (Debian packages runc and crun)")
    known = _read_cache(run_dir)
    complaints = []
    for runtime in candidates:
        key = _key(runtime, mode)
        if key not in known:
            known[key] = try_runtime(runtime, run_dir)
            _write_cache(run_dir, known)
        if not known[key]:
            return Tools(runtime=runtime, conmon=Path(conmon))
        complaints.append(f"{runtime}: {known[key]}")
    raise HostLacks(f"no container runtime works on this host ({mode} cgroups): {'; '.join(complaints)}")


def try_runtime(runtime: Path, run_dir: Path) -> str:
    """Run a container that does nothing; returns what the runtime complained about, empty when it works."""
    name = f"nodeguard-trial-{os.getpid()}"
    base = run_dir / name
    rootfs = base / "rootfs"
    try:
        rootfs.mkdir(mode=0o700, parents=True)
        mounts = []
        for entry in ("bin", "lib", "lib64", "usr"):
            there = Path("/") / entry
            if there.is_symlink():
                (rootfs / entry).symlink_to(there.readlink())
            elif there.is_dir():
                mounts.append(bind(str(there), f"/{entry}", read_only=True))
        spec = ContainerSpec(
            args=("/bin/true",),
            env=("PATH=/bin",),
            rootfs=str(rootfs),
            cgroups_path=f"/{name}",
            namespaces=(Namespace(type="mount"), Namespace(type="pid"), Namespace(type="ipc")),
            no_new_privileges=True,
            mounts=tuple(mounts),
        )
        write_bundle(base / "bundle", oci_config(spec))
        done = subprocess.run(
            runtime_argv(runtime, base / "state", "run", "--bundle", str(base / "bundle"), name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
        return runtime_message(done.stderr.decode(errors="replace")) if done.returncode else ""
    except subprocess.TimeoutExpired:
        return f"a container that does nothing did not end within {_TRIAL_SECONDS} s"
    finally:
        remove_tree(base)


def versions() -> dict[str, str | None]:
    """The first line each program prints about its version; None for one that is missing."""
    found: dict[str, str | None] = {}
    for program in PACKAGES:
        path = shutil.which(program)
        found[program] = None if path is None else _version(path)
    return found


def _version(path: str) -> str:
    try:
        done = subprocess.run(
            (path, "--version"), stdin=subprocess.DEVNULL, capture_output=True, timeout=_VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        return f"does not run: {e}"
    lines = done.stdout.decode(errors="replace").splitlines()
    return lines[0].strip() if lines else f"exit code {done.returncode}"


def _key(runtime: Path, mode: str) -> str:
    info = runtime.stat()
    return f"{runtime} {info.st_mtime_ns} {info.st_size} {boot_id()} {mode}"


def _read_cache(run_dir: Path) -> dict[str, str]:
    try:
        known = json.loads((run_dir / _CACHE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in known.items()} if isinstance(known, dict) else {}


def _write_cache(run_dir: Path, known: Mapping[str, str]) -> None:
    current = boot_id()
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = run_dir / f"{_CACHE}.partial"
    partial.write_text(json.dumps({key: value for key, value in known.items() if current in key}), encoding="utf-8")
    partial.replace(run_dir / _CACHE)

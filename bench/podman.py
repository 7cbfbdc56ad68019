"""podman, where it is installed, with storage of its own: ``podman run`` and ``podman kube play``."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

from bench.bare import COMMAND, cgroups_of, remove_cgroups
from bench.observer import Observer
from bench.process import check

IMAGE = "localhost/nodeguard-bench:latest"
PARENT_CGROUP = "libpod_parent"
"""What podman makes for its pods and never removes."""

# What it takes on a host with cgroup v1 or hybrid and without CAP_SYS_RESOURCE; harmless elsewhere.
CONTAINERS_CONF = f"""\
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]
pids_limit = 0
oom_score_adj = 0
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "none"
infra_image = "{IMAGE}"
"""


def is_installed() -> bool:
    """Whether podman and the static busybox its image is made of are here."""
    return shutil.which("podman") is not None and shutil.which("busybox") is not None


class Podman:
    """One image made of busybox, started and removed again and again."""

    def __init__(self, base: Path, observer: Observer) -> None:
        self._base = base
        self._had_parent = bool(cgroups_of(PARENT_CGROUP))
        base.mkdir(parents=True)
        (base / "containers.conf").write_text(CONTAINERS_CONF)
        self._env = os.environ | {"CONTAINERS_CONF": str(base / "containers.conf")}
        self._argv = ["podman", "--root", str(base / "storage"), "--runroot", str(base / "run")]
        self._directory = observer.directory
        # The command is the infra container's: it is made of the same image.
        changes = ("--change", 'CMD ["/bin/sleep", "1000000"]', "--change", "ENV PATH=/bin")
        self._call("import", *changes, str(self._write_image()), IMAGE)
        (base / "pod.yaml").write_text(json.dumps(self._pod()))

    def close(self) -> None:
        """Remove every container, the image and the storage."""
        for args in (["pod", "rm", "--all", "--force"], ["rm", "--all", "--force"], ["rmi", "--all", "--force"]):
            subprocess.run([*self._argv, *args], env=self._env, capture_output=True, check=False)
        for below in ("storage/overlay", "run"):
            subprocess.run(["umount", "--lazy", self._base / below], capture_output=True, check=False)
        if not self._had_parent:
            remove_cgroups(PARENT_CGROUP)
        if str(self._base) not in Path("/proc/self/mountinfo").read_text():
            shutil.rmtree(self._base, ignore_errors=True)

    def sample_run(self, observer: Observer) -> dict[str, float]:
        """``podman run --detach`` to first output, then ``podman rm --force``."""
        started = time.monotonic()
        volume = f"{self._directory}:/bench"
        self._call("run", "--detach", "--name", "bench-run", "--network", "none", "--volume", volume, IMAGE, *COMMAND)
        first_output = observer.wait()
        stopping = time.monotonic()
        self._call("rm", "--force", "--time", "5", "bench-run")
        return {"podman run start": first_output - started, "podman run stop": time.monotonic() - stopping}

    def sample_kube_play(self, observer: Observer) -> dict[str, float]:
        """``podman kube play`` to first output, then ``podman kube down``."""
        manifest = str(self._base / "pod.yaml")
        started = time.monotonic()
        self._call("kube", "play", "--network", "none", manifest)
        first_output = observer.wait()
        stopping = time.monotonic()
        self._call("kube", "down", manifest)
        return {"podman kube start": first_output - started, "podman kube stop": time.monotonic() - stopping}

    def _call(self, *args: str) -> None:
        # To files, not pipes: conmon inherits the outputs, and a pipe would not end before the container does.
        with open(self._base / "stderr", "w+b") as stderr:
            done = subprocess.run(
                [*self._argv, *args],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                check=False,
            )
            stderr.seek(0)
            done.stderr = stderr.read()
        check(done)

    def _write_image(self) -> Path:
        busybox = shutil.which("busybox")
        assert busybox is not None
        path = self._base / "image.tar"
        with tarfile.open(path, "w") as tar:
            tar.add(busybox, "bin/busybox")
            for applet in ("sh", "sleep"):
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
            for directory in ("etc", "proc", "sys", "dev", "tmp", "bench"):
                entry = tarfile.TarInfo(directory)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry, io.BytesIO())
        return path

    def _pod(self) -> dict[str, object]:
        container = {
            "name": "app",
            "image": IMAGE,
            "imagePullPolicy": "Never",
            "command": COMMAND,
            "volumeMounts": [{"name": "bench", "mountPath": "/bench"}],
        }
        volume = {"name": "bench", "hostPath": {"path": str(self._directory), "type": "Directory"}}
        spec = {"restartPolicy": "Never", "containers": [container], "volumes": [volume]}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bench"}, "spec": spec}

"""One instance of a container: what it is to be, built on the host and torn down again.

``plan`` names everything; ``build`` and ``demolish`` touch the disk and run in a worker thread, and may be repeated.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nodeguard.agent.sandbox import Sandbox
from nodeguard.errors import CgroupGone
from nodeguard.kernel import mount
from nodeguard.model.pod import Container, EmptyDir, HostPath, VolumeMount
from nodeguard.policy import env, limits, projection
from nodeguard.policy.control import control_files
from nodeguard.policy.oom import oom_score_adj, without_negative_scores
from nodeguard.runtime import bundle, capability, image, rootfs, seccomp, user, volume
from nodeguard.runtime.conmon import ConmonRequest, runtime_argv
from nodeguard.runtime.image_cache import ImageCache
from nodeguard.runtime.tree import remove_tree

NO_DISKS = frozenset({"overlay", "nsfs", "tmpfs", "proc", "sysfs", "cgroup", "cgroup2"})
"""What pods themselves mount, and more of it the more pods there are: not worth a look for disks."""

MESSAGE_BYTES = 4096
"""The most of a termination message that reaches the status (kubelet: MaxContainerTerminationMessageLength)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """The names of everything an instance has."""

    sandbox: Sandbox
    container: Container
    attempt: int
    container_id: str
    cgroup: str

    @property
    def bundle(self) -> Path:
        """config.json, and conmon's own files."""
        return self.sandbox.run_dir / "bundles" / self.container_id

    @property
    def layer_dir(self) -> Path:
        """The writable layer and the mounted root file system."""
        return self.sandbox.host.paths.pod_layers_dir(self.sandbox.uid) / self.container_id

    @property
    def log_path(self) -> Path:
        """The log file, named as the kubelet does."""
        return self.sandbox.log_dir / self.container.name / f"{self.attempt}.log"

    @property
    def message_path(self) -> Path:
        """The host's side of ``terminationMessagePath``."""
        return self.sandbox.run_dir / "messages" / self.container_id

    @property
    def falls_back_to_logs(self) -> bool:
        """Whether a failed container without a message shows the end of its log instead."""
        return self.container.termination_message_policy == "FallbackToLogsOnError"

    @property
    def request(self) -> ConmonRequest:
        """What conmon is told."""
        host = self.sandbox.host
        return ConmonRequest(
            conmon=host.conmon,
            runtime=host.runtime,
            runtime_root=host.paths.runtime_root,
            container_id=self.container_id,
            name=f"{self.sandbox.pod.meta.name}_{self.container.name}",
            bundle=self.bundle,
            exit_dir=host.paths.exit_dir,
            log_path=self.log_path,
            stdin=self.container.stdin,
            stdin_once=self.container.stdin_once,
            terminal=self.container.tty,
        )

    def runtime_argv(self, *words: str) -> tuple[str, ...]:
        """The runtime's command line for one of its commands."""
        host = self.sandbox.host
        return runtime_argv(str(host.runtime), host.paths.runtime_root, *words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What only building could tell."""

    stop_signal: int


def plan(sandbox: Sandbox, container: Container, attempt: int) -> Blueprint:
    """The names of the instance number ``attempt`` of a container."""
    return Blueprint(
        sandbox=sandbox,
        container=container,
        attempt=attempt,
        container_id=f"{sandbox.uid}_{container.name}_{attempt}",
        cgroup=f"{sandbox.cgroup}/{container.name}",
    )


def build(plan: Blueprint) -> Built:
    """Make cgroup, root file system, volumes and bundle.

    Raises:
        NodeguardError: something cannot be had; ``demolish`` removes what was made.
    """
    _make_cgroup(plan)
    plan.log_path.parent.mkdir(mode=0o755, exist_ok=True)
    plan.bundle.mkdir(parents=True, mode=0o700)
    unpacked = _image(plan)
    bundle.write_bundle(plan.bundle, bundle.oci_config(_spec(plan, unpacked)))
    return Built(stop_signal=_stop_signal(unpacked.config.stop_signal))


def demolish(plan: Blueprint) -> None:
    """Remove all of the instance but its log; whatever is gone already is fine."""
    with suppress(CgroupGone):
        plan.sandbox.host.driver.remove(plan.cgroup)
    rootfs.unmount_rootfs(plan.layer_dir)
    remove_tree(plan.layer_dir)
    remove_tree(plan.bundle)
    plan.message_path.unlink(missing_ok=True)


def read_termination_message(plan: Blueprint) -> str:
    """What the container wrote to ``terminationMessagePath``; empty when nothing."""
    with suppress(OSError):
        fd = os.open(plan.message_path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            return file.read(MESSAGE_BYTES).decode(errors="replace")
    return ""


def _make_cgroup(plan: Blueprint) -> None:
    """The cgroup has all its values before anything runs in it; the runtime only joins it."""
    sandbox, host = plan.sandbox, plan.sandbox.host
    values = limits.container_limits(sandbox.pod, sandbox.qos, plan.container, host.capacity, host.resources)
    files = control_files(values, host.driver.version)
    host.driver.create(plan.cgroup, sandbox.uid)
    host.driver.write(plan.cgroup, [file for file in files if host.driver.has(file.controller, file.file)])


def _image(plan: Blueprint) -> image.UnpackedImage:
    """The root file system below the container's own layer, and what its image says about the process."""
    paths = plan.sandbox.host.paths
    ref = image.classify(plan.container.image)
    if ref.kind is image.ImageKind.HOST:
        return image.UnpackedImage(rootfs=rootfs.ensure_host_root(paths.run_dir))
    return ImageCache(directory=paths.image_dir, run_dir=paths.run_dir).use(ref, plan.sandbox.uid)


def _stop_signal(word: str) -> int:
    """The image's STOPSIGNAL, a name or a number; SIGTERM when it says nothing that can be sent."""
    name = word.upper() if word.upper().startswith("SIG") else f"SIG{word.upper()}"
    if word.isdecimal() and 0 < int(word) < signal.NSIG:
        return int(word)
    return signal.Signals[name] if name in signal.Signals.__members__ else signal.SIGTERM


def _spec(plan: Blueprint, unpacked: image.UnpackedImage) -> bundle.ContainerSpec:
    """Every question about the container answered."""
    sandbox, container, host = plan.sandbox, plan.container, plan.sandbox.host
    pod, context = sandbox.pod, container.security_context
    values = projection.container_env(pod, container, sandbox.facts, sandbox.look_up)
    capabilities = capability.compute_capabilities(
        context.capabilities_add,
        context.capabilities_drop,
        privileged=context.privileged,
        available=capability.read_available(),
    )
    who = user.resolve_user(
        unpacked.rootfs,
        unpacked.config.user,
        context,
        supplemental_groups=pod.supplemental_groups,
        fs_group=pod.fs_group,
        container=container.name,
    )
    score = oom_score_adj(pod, container, host.capacity.memory_bytes)
    return bundle.ContainerSpec(
        args=image.process_args(
            env.expand_words(container.command, values), env.expand_words(container.args, values), unpacked.config
        ),
        env=env.process_env(values, hostname=sandbox.hostname, image_env=_image_env(plan, unpacked)),
        cwd=container.working_dir or unpacked.config.working_dir or "/",
        terminal=container.tty,
        uid=who.uid,
        gid=who.gid,
        additional_gids=who.additional_gids,
        capabilities=capabilities,
        no_new_privileges=context.allow_privilege_escalation is False,
        seccomp=_seccomp(plan, capabilities),
        rootfs=str(rootfs.mount_rootfs(unpacked.rootfs, plan.layer_dir)),
        readonly_rootfs=context.read_only_root_filesystem,
        privileged=context.privileged,
        cgroups_path=plan.cgroup,
        namespaces=bundle.pod_namespaces(
            str(sandbox.run_dir / "ns"),
            host_network=pod.host_network,
            host_ipc=pod.host_ipc,
            host_pid=pod.host_pid,
            share_pid=pod.share_process_namespace,
            private_cgroup=host.driver.mode == "v2",
        ),
        oom_score_adj=score if host.settings.can_lower_oom_score else without_negative_scores(score),
        open_files=host.settings.open_files,
        mounts=(*_host_mounts(plan), *_pod_mounts(plan), *_volume_mounts(plan, values)),
        devices=bundle.list_host_devices() if context.privileged else (),
        annotations={
            bundle.POD_UID_ANNOTATION: sandbox.uid,
            "io.kubernetes.pod.namespace": pod.meta.namespace,
            "io.kubernetes.pod.name": pod.meta.name,
            "io.kubernetes.container.name": container.name,
        },
    )


def _image_env(plan: Blueprint, unpacked: image.UnpackedImage) -> tuple[str, ...]:
    """The image's variables, and the kind of terminal where there is one (containerd, pkg/oci, WithTTY)."""
    return ("TERM=xterm", *unpacked.config.env) if plan.container.tty else tuple(unpacked.config.env)


def _seccomp(plan: Blueprint, capabilities: frozenset[str]) -> Mapping[str, object] | None:
    context = plan.container.security_context
    if context.privileged or context.seccomp_profile == "Unconfined":
        return None
    if context.seccomp_profile == "Localhost":
        root = plan.sandbox.host.paths.state_dir / "seccomp"
        return seccomp.localhost_profile(capabilities, root, context.seccomp_localhost_profile or "")
    return seccomp.default_profile(capabilities)


def _host_mounts(plan: Blueprint) -> Iterator[bundle.Mount]:
    """On the host's own root file system: other disks read-only, a private /run, nothing of nodeguard's."""
    if image.classify(plan.container.image).kind is not image.ImageKind.HOST:
        return
    paths = plan.sandbox.host.paths
    own = [str(path) for path in paths.own]
    yield from rootfs.host_submounts(mount.list_mounts(NO_DISKS), hidden=own)
    yield bundle.private_tmpfs("/run")
    for path in own:
        if not path.startswith("/run/") and Path(path).is_dir():
            yield bundle.hidden(path)


def _pod_mounts(plan: Blueprint) -> Iterator[bundle.Mount]:
    """What all containers of the pod share, and the file for the termination message."""
    sandbox = plan.sandbox
    for name in ("hosts", "hostname", "resolv.conf"):
        yield bundle.bind(str(sandbox.file(name)), f"/etc/{name}", options=("bind", "rprivate"))
    yield bundle.bind(str(sandbox.shm), "/dev/shm")
    plan.message_path.parent.mkdir(mode=0o755, exist_ok=True)
    plan.message_path.touch(mode=0o666)
    plan.message_path.chmod(0o666)
    yield bundle.bind(str(plan.message_path), plan.container.termination_message_path, options=("bind", "rprivate"))


def _volume_mounts(plan: Blueprint, values: Mapping[str, str]) -> Iterator[bundle.Mount]:
    """The volumes, parents before what lies inside them."""
    entries = sorted(enumerate(plan.container.volume_mounts), key=lambda pair: pair[1].mount_path.count("/"))
    for number, entry in entries:
        yield volume.mount_volume(
            entry,
            plan.sandbox.volumes[entry.name],
            sub_path=_sub_path(entry, values),
            sub_path_target=plan.layer_dir / "subpaths" / str(number),
            always_read_only=_is_read_only(plan, entry.name),
            privileged=plan.container.security_context.privileged,
        )


def _sub_path(entry: VolumeMount, values: Mapping[str, str]) -> str:
    return env.expand_strictly(entry.sub_path_expr, values) if entry.sub_path_expr else entry.sub_path


def _is_read_only(plan: Blueprint, name: str) -> bool:
    """Volumes whose content nodeguard writes are not the container's to change."""
    source = next(v.source for v in plan.sandbox.pod.volumes if v.name == name)
    return not isinstance(source, EmptyDir | HostPath)

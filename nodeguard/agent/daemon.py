"""`nodeguard agent`: one node that goes on, with an API server beside it, until somebody asks for the end.

Pods do not end with it: the next agent takes them over.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

from nodeguard import __version__
from nodeguard.agent.api_server import ApiServer
from nodeguard.agent.api_sync import ApiSync
from nodeguard.agent.checkpoint import Keeper
from nodeguard.agent.config import Config
from nodeguard.agent.instance_lock import InstanceLock
from nodeguard.agent.listener import Listener
from nodeguard.agent.machine import read_machine
from nodeguard.agent.node import Node
from nodeguard.agent.notify import notifier, take_words, watchdog_seconds
from nodeguard.agent.pod_sync import PodSync
from nodeguard.agent.query import SummaryAnswer, Unanswerable, runtime_version
from nodeguard.agent.reload import changed_settings, waiting_settings
from nodeguard.agent.root import Root
from nodeguard.agent.static_pod import StaticPods
from nodeguard.errors import InvalidInput, NodeguardError
from nodeguard.kernel import proc
from nodeguard.model.build import build_meta
from nodeguard.model.buildplace import build_taints
from nodeguard.model.link import Hello
from nodeguard.model.meta import Event

log = logging.getLogger(__name__)

SOCKET_NAME = "nodeguard.sock"
LOOK_SECONDS = 10.0
"""How often it is looked whether the API server still reads, and which objects no pod needs any more."""

SYSTEM_TAINTS = "node.kubernetes.io/"
"""What follows from conditions is not a user's."""


class Daemon:
    """Puts the parts together. `run` returns when the agent was asked to end."""

    def __init__(self, config: Config, *, read_config: Callable[[], Config]) -> None:
        """``read_config()`` reads the configuration anew, as this one was read."""
        self._config, self._read_config = config, read_config
        self._told_by_systemd = take_words(os.environ)
        self._notifier = notifier(self._told_by_systemd)
        self._lock = InstanceLock(config.run_dir)
        self._listener = Listener(config.run_dir / SOCKET_NAME, config.listen)
        self._node = Node(
            config,
            on_event=self._happened,
            on_log=None,
            keeps=Keeper(
                on_change=lambda worker: self._pods.changed(worker), on_gone=lambda worker: self._pods.gone(worker)
            ),
        )
        self._loop = self._node.loop
        self._api = ApiSync(
            self._loop,
            self._hello,
            objects=self._node.config_objects,
            node=self._node_object,
            on_node=self._node_changed,
            answers={"summary": self._summary, "node": lambda _: self._node_object()},
        )
        self._pods = PodSync(
            self._node,
            self._loop,
            lambda: self._node.host.events,
            self._api.tell,
            max_pods=lambda: self._node.host.capacity.pods,
        )
        self._server = ApiServer(
            self._loop,
            self._listener,
            self._api.translate,
            connected=lambda: self._api.connected(self._pods, self._server.send),
            disconnected=self._api.disconnected,
        )
        self._static = StaticPods(
            self._loop,
            os.uname().nodename,
            start=lambda pod: self._pods.want(pod, is_static=True),
            stop=self._pods.remove,
            warn=self._warn_of_manifest,
        )
        self._summaries: SummaryAnswer | None = None
        self._runtime_version = ""
        self._is_stopping = False

    def run(self) -> int:
        """Look after pods until SIGTERM or SIGINT; 0 comes back.

        Raises:
            Conflict: another agent runs, or the port is taken.
            HostLacks: this host cannot do what is needed.
        """
        self._lock.take()
        try:
            self._listener.open()
            self._lock.tell(str(self._listener.tcp_address or ""))
            for signum in (signal.SIGTERM, signal.SIGINT):
                self._loop.on_signal(signum, self._stop)
            self._loop.on_signal(signal.SIGHUP, lambda _: self._reload())
            with self._node:
                self._open()
                self._loop.run_until(lambda: self._is_stopping)
                self._close()
        finally:
            self._listener.close()
            self._lock.release()
            self._notifier.close()
        return 0

    # beginning and end

    def _open(self) -> None:
        host = self._node.host
        self._summaries = SummaryAnswer(self._config, Root(driver=host.driver, path=host.tree.root))
        self._pods.adopt(self._node.adopt())
        self._node.guard.status.on_told = self._api.tell_node
        self._server.start()
        self._static.open(host.watcher, self._config.static_pod_path, self._pods.static_uids)
        runtime = str(host.runtime)
        self._loop.in_thread(lambda: runtime_version(runtime), self._know_runtime)
        self._loop.call_at(self._loop.clock.now() + LOOK_SECONDS, self._look)
        self._notifier.ready(self._state())
        seconds = watchdog_seconds(self._told_by_systemd)
        if seconds is not None:
            self._give_signs_of_life(seconds)
        log.info("agent ready: %s", self._state())

    def _close(self) -> None:
        """Pods stay as they are. The API server has the time it takes to close its store."""
        self._static.close()
        self._server.stop()
        self._loop.run_until(lambda: self._server.is_over)
        self._node.leave()
        log.info("agent ends, pods go on")

    def _stop(self, signum: int) -> None:
        log.info("asked to end signal=%s", signal.Signals(signum).name)
        self._notifier.stopping()
        self._is_stopping = True

    def _hello(self) -> Hello:
        host = self._node.host
        return Hello(
            node_name=host.settings.node_name,
            boot_id=proc.boot_id(),
            run_dir=str(host.paths.run_dir),
            state_dir=str(host.paths.state_dir),
            log_dir=str(host.paths.log_dir),
            runtime=str(host.runtime),
            runtime_root=str(host.paths.runtime_root),
            exit_dir=str(host.paths.exit_dir),
            cgroup_mode=host.driver.mode,
            version=__version__,
        )

    def _state(self) -> str:
        tcp = self._listener.tcp_address
        where = f"{self._config.run_dir / SOCKET_NAME}{'' if tcp is None else f' and https://{tcp}'}"
        return f"{len(self._pods.uids)} pods; API on {where}"

    # what happens while it runs

    def _happened(self, event: Event) -> None:
        log.info(
            "event type=%s reason=%s of=%s message=%s", event.type, event.reason, event.pod or event.node, event.message
        )
        self._api.tell_event(event)

    def _look(self) -> None:
        self._server.look()
        self._api.forget_objects()
        self._notifier.status(self._state())
        self._loop.call_at(self._loop.clock.now() + LOOK_SECONDS, self._look)

    def _give_signs_of_life(self, seconds: float) -> None:
        """From the loop that decides: when it hangs, systemd begins anew."""
        self._notifier.alive()
        self._loop.call_at(self._loop.clock.now() + seconds, lambda: self._give_signs_of_life(seconds))

    def _warn_of_manifest(self, text: str) -> None:
        log.warning("static manifest: %s", text)
        host = self._node.host
        host.events.of_node("Warning", host.settings.node_name, "InvalidStaticPod", text)

    # the node

    def _node_object(self) -> dict[str, Any]:
        node = self._node.guard.status.node()
        if self._runtime_version:
            node["status"]["nodeInfo"]["containerRuntimeVersion"] = self._runtime_version
        return node

    def _know_runtime(self, version: str | None, _: BaseException | None) -> None:
        self._runtime_version = version or ""
        self._api.tell_node()

    def _node_changed(self, node: Mapping[str, Any]) -> None:
        """Users have labelled, tainted or cordoned it."""
        spec = node.get("spec") or {}
        taints = [taint for taint in build_taints(spec) if not taint.key.startswith(SYSTEM_TAINTS)]
        unschedulable = spec.get("unschedulable") is True
        self._node.guard.status.set_spec(
            build_meta(node.get("metadata") or {}).labels, taints, unschedulable=unschedulable
        )

    def _summary(self, args: Mapping[str, Any]) -> dict[str, Any]:
        if self._summaries is None:
            raise Unanswerable("the agent is only beginning", code=503, reason="ServiceUnavailable")
        return self._summaries(args)

    # SIGHUP

    def _reload(self) -> None:
        """Read the configuration and the manifests anew: all of it, or nothing when something is wrong with it."""
        self._notifier.reloading()
        try:
            new = self._read_config()
            new.node_capacity(read_machine(new))
        except (InvalidInput, NodeguardError, OSError) as e:
            log.error("configuration not read anew, the old one stays: %s", e)
            host = self._node.host
            host.events.of_node("Warning", host.settings.node_name, "InvalidConfiguration", f"the old one stays: {e}")
        else:
            self._use(new)
        self._static.look()
        self._notifier.ready(self._state())

    def _use(self, new: Config) -> None:
        changed, waiting = changed_settings(self._config, new), waiting_settings(self._config, new)
        for warning in new.warnings:
            log.warning("%s", warning)
        if waiting:
            log.warning("these settings take effect when the agent is started again: %s", ", ".join(waiting))
        self._node.reconfigure(new)
        self._static.set_path(new.static_pod_path)
        self._config = new
        log.info("configuration read anew changed=%d waiting=%d", len(changed), len(waiting))

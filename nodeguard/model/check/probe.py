"""Probes and hooks: one handler each, and what a kind of probe may not say.

Source: kubernetes, pkg/apis/core/validation/validation.go, validateProbe, validateLifecycle.
"""

from __future__ import annotations

from typing import Any

from nodeguard.model.check.report import Report
from nodeguard.model.check.source import check_one_source
from nodeguard.model.document import Path

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")


def check_probes(report: Report, container: dict[str, Any], grace_seconds: int, path: Path) -> None:
    """Probes and hooks of a container that may have them."""
    for key in PROBES:
        if key in container:
            _check_probe(report, key, container[key], (*path, key))
    lifecycle = container.get("lifecycle", {})
    for hook in ("postStart", "preStop"):
        if hook not in lifecycle:
            continue
        place = (*path, "lifecycle", hook)
        check_one_source(report, lifecycle[hook], _HOOK_HANDLERS, place)
        seconds = lifecycle[hook].get("sleep", {}).get("seconds")
        if seconds is not None and seconds > grace_seconds:
            report.error(
                (*place, "sleep", "seconds"),
                f"found {seconds}; allowed is at most terminationGracePeriodSeconds, {grace_seconds}",
            )


def _check_probe(report: Report, key: str, probe: dict[str, Any], path: Path) -> None:
    check_one_source(report, probe, _PROBE_HANDLERS, path)
    if key == "readinessProbe":
        if "terminationGracePeriodSeconds" in probe:
            report.error(
                (*path, "terminationGracePeriodSeconds"), "not allowed: a readiness probe never ends the container"
            )
    elif probe.get("successThreshold", 1) != 1:
        report.error((*path, "successThreshold"), f"found {probe['successThreshold']}; allowed is 1 for a {key}")
    http = probe.get("httpGet", {})
    if http.get("protocol") == "HTTP2" and http.get("scheme") != "HTTP":
        report.error((*path, "httpGet", "protocol"), "found HTTP2; allowed only with scheme HTTP")

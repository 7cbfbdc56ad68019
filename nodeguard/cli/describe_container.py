"""A container of a pod as kubectl describes it. Pure.

Source: kubectl, pkg/describe/describe.go, describeContainers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nodeguard.cli.describe_text import NONE, instant
from nodeguard.model.quantity import Quantity

_PROBES = (("livenessProbe", "Liveness"), ("readinessProbe", "Readiness"), ("startupProbe", "Startup"))


def container_lines(
    container: Mapping[str, Any], status: Mapping[str, Any] | None, pod: Mapping[str, Any]
) -> Iterator[str]:
    """The lines, with tabs, below the title of their section."""
    yield f"  {container['name']}:"
    if status is not None:
        yield f"    Container ID:\t{status.get('containerID', '')}"
    yield f"    Image:\t{container.get('image', '')}"
    if status is not None:
        yield f"    Image ID:\t{status.get('imageID', '')}"
    ports = container.get("ports") or ()
    yield _ports("Port", [f"{port['containerPort']}/{port.get('protocol', 'TCP')}" for port in ports])
    yield _ports("Host Port", [f"{port.get('hostPort', 0)}/{port.get('protocol', 'TCP')}" for port in ports])
    profile = ((container.get("securityContext") or {}).get("seccompProfile") or {}).get("type")
    if profile:
        yield f"    SeccompProfile:\t{profile}"
    for key, title in (("command", "Command"), ("args", "Args")):
        if container.get(key):
            yield f"    {title}:"
            for word in container[key]:
                yield from (f"      {line}" for line in word.split("\n"))
    if status is not None:
        yield from _state("State", status.get("state") or {})
        if (status.get("lastState") or {}).get("terminated"):
            yield from _state("Last State", status["lastState"])
        yield f"    Ready:\t{bool(status.get('ready'))}"
        yield f"    Restart Count:\t{status.get('restartCount', 0)}"
    yield from resource_lines(container.get("resources") or {}, "    ")
    for key, title in _PROBES:
        if container.get(key):
            yield f"    {title}:\t{_probe(container[key])}"
    yield from _environment(container, pod)
    mounts = sorted(container.get("volumeMounts") or (), key=lambda mount: str(mount["mountPath"]))
    yield "    Mounts:" if mounts else f"    Mounts:\t{NONE}"
    for mount in mounts:
        flags = ["ro" if mount.get("readOnly") else "rw"]
        flags += [f'path="{mount["subPath"]}"'] if mount.get("subPath") else []
        yield f"      {mount['mountPath']} from {mount['name']} ({','.join(flags)})"


def resource_lines(resources: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Limits and requests."""
    for key, title in (("limits", "Limits"), ("requests", "Requests")):
        amounts = resources.get(key) or {}
        if amounts:
            yield f"{indent}{title}:"
        for name in sorted(amounts):
            yield f"{indent}  {name}:\t{amounts[name]}"


def _ports(title: str, texts: Sequence[str]) -> str:
    return f"    {title}{'s' if len(texts) > 1 else ''}:\t{', '.join(texts) or NONE}"


def _state(title: str, state: Mapping[str, Any]) -> Iterator[str]:
    if state.get("running") is not None:
        yield f"    {title}:\tRunning"
        yield f"      Started:\t{instant(state['running'].get('startedAt'))}"
    elif state.get("terminated") is not None:
        ended = state["terminated"]
        yield f"    {title}:\tTerminated"
        if ended.get("reason"):
            yield f"      Reason:\t{ended['reason']}"
        if ended.get("message"):
            yield f"      Message:\t{' '.join(ended['message'].split())}"
        yield f"      Exit Code:\t{ended.get('exitCode', 0)}"
        if ended.get("signal"):
            yield f"      Signal:\t{ended['signal']}"
        yield f"      Started:\t{instant(ended.get('startedAt'))}"
        yield f"      Finished:\t{instant(ended.get('finishedAt'))}"
    else:
        yield f"    {title}:\tWaiting"
        if (state.get("waiting") or {}).get("reason"):
            yield f"      Reason:\t{state['waiting']['reason']}"


def _probe(probe: Mapping[str, Any]) -> str:
    """``exec [cat /x] delay=0s timeout=1s period=10s #success=1 #failure=3``."""
    action = "unknown"
    if probe.get("exec"):
        action = f"exec [{' '.join(probe['exec'].get('command') or ())}]"
    elif probe.get("httpGet"):
        http = probe["httpGet"]
        where = f"{http.get('host', '')}:{http.get('port', '')}{http.get('path', '')}"
        action = f"http-get {str(http.get('scheme', 'HTTP')).lower()}://{where}"
    elif probe.get("tcpSocket"):
        action = f"tcp-socket {probe['tcpSocket'].get('host', '')}:{probe['tcpSocket'].get('port', '')}"
    elif probe.get("grpc"):
        action = f"grpc :{probe['grpc'].get('port', '')}"
    numbers = [
        f"{word}={probe.get(key, default)}{unit}"
        for word, key, default, unit in (
            ("delay", "initialDelaySeconds", 0, "s"),
            ("timeout", "timeoutSeconds", 1, "s"),
            ("period", "periodSeconds", 10, "s"),
            ("#success", "successThreshold", 1, ""),
            ("#failure", "failureThreshold", 3, ""),
        )
    ]
    return " ".join([action, *numbers])


def _environment(container: Mapping[str, Any], pod: Mapping[str, Any]) -> Iterator[str]:
    sources = container.get("envFrom") or ()
    if sources:
        yield "    Environment Variables from:"
    for source in sources:
        kind, key = ("ConfigMap", "configMapRef") if source.get("configMapRef") else ("Secret", "secretRef")
        of = source.get(key) or {}
        prefix = f" with prefix '{source['prefix']}'" if source.get("prefix") else ""
        yield f"      {of.get('name', '')}\t{kind}{prefix}\tOptional: {str(bool(of.get('optional'))).lower()}"
    variables = container.get("env") or ()
    yield "    Environment:" if variables else f"    Environment:\t{NONE}"
    for variable in variables:
        yield f"      {variable['name']}:\t{_variable(variable, container, pod)}"


def _variable(variable: Mapping[str, Any], container: Mapping[str, Any], pod: Mapping[str, Any]) -> str:
    source = variable.get("valueFrom")
    if not source:
        return " ".join(str(variable.get("value", "")).split("\n"))
    if source.get("fieldRef"):
        field = source["fieldRef"]
        path = field.get("fieldPath", "")
        return f"{_field(pod, path)} ({field.get('apiVersion', 'v1')}:{path})"
    if source.get("resourceFieldRef"):
        return _resource(source["resourceFieldRef"], container)
    word, key = ("config map", "configMapKeyRef") if source.get("configMapKeyRef") else ("secret", "secretKeyRef")
    of = source.get(key) or {}
    preposition = "of" if word == "config map" else "in"
    optional = str(bool(of.get("optional"))).lower()
    return f"<set to the key '{of.get('key', '')}' {preposition} {word} '{of.get('name', '')}'>\tOptional: {optional}"


def _resource(source: Mapping[str, Any], container: Mapping[str, Any]) -> str:
    """``67108864 (limits.memory)``: in units of the divisor, rounded up; 0 where nothing is set."""
    path = str(source.get("resource", ""))
    kind, _, name = path.partition(".")
    amount = ((container.get("resources") or {}).get(kind) or {}).get(name, "0")
    divisor = Quantity.parse(str(source.get("divisor") or "1")).nano or 10**9
    return f"{-(-Quantity.parse(str(amount)).nano // divisor)} ({path})"


def _field(pod: Mapping[str, Any], path: str) -> str:
    """The value of ``metadata.name`` and the like, as far as it is known."""
    value: Any = pod
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return str(value) if isinstance(value, str) else ""

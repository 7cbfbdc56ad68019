"""What hangs below objects and is no status: eviction, binding, finalize, the node's proxy.

Source: kubernetes, pkg/registry/core/pod/storage/eviction.go, storage.go (BindingREST);
pkg/registry/core/namespace/storage; pkg/kubelet/server/server.go (what the proxy reaches).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from nodeguard.api.context import Context
from nodeguard.api.resource import find_kind
from nodeguard.api.rest.body import read_object
from nodeguard.api.rest.option import write_options
from nodeguard.api.rest.remove import check_meant, parse_delete_options, remove
from nodeguard.api.rest.respond import json_response
from nodeguard.api.rest.target import Target
from nodeguard.api.rest.write import answer, may_go
from nodeguard.api.status import ApiError, bad_request, conflict, no_such_path, not_found
from nodeguard.api.store.entry import Entry
from nodeguard.model.instant import rfc3339

_CREATED = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
_DISRUPTION = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "Eviction API: evicting",
}


async def evict(context: Context, target: Target, request: Request) -> Response:
    """Delete a pod as a drain does; nothing here limits how many at a time."""
    body = await read_object(request)
    entry = _existing(context, target)
    _check_kind(body, "Eviction", target.name)
    given = body.get("deleteOptions") or {}
    if not isinstance(given, dict):
        raise bad_request("deleteOptions: expected an object")
    options = parse_delete_options(given, request.query_params)
    check_meant(target.resource, entry, options)
    pod = entry.object()
    if not options.dry_run and not pod["metadata"].get("deletionTimestamp") and _is_alive(pod):
        conditions = [c for c in pod["status"].get("conditions") or () if c.get("type") != _DISRUPTION["type"]]
        since = {"lastTransitionTime": rfc3339(context.now())}
        pod["status"] = {**pod["status"], "conditions": [*conditions, {**_DISRUPTION, **since}]}
        entry = await context.store.put(entry.key, pod)
        options = replace(options, resource_version="")  # this was the change since
    await remove(context, target.resource, entry, options)
    return json_response(_CREATED, 201)


async def bind(context: Context, target: Target, request: Request) -> Response:
    """Give a pod that has none its node."""
    body = await read_object(request)
    options = write_options(request.query_params, request.headers.get("user-agent", ""))
    name = target.name or str((body.get("metadata") or {}).get("name") or "")
    pods = find_kind("v1", "Pod")
    if pods is None:
        raise no_such_path()
    entry = _existing(context, Target(resource=pods, namespace=target.namespace, name=name))
    _check_kind(body, "Binding", name)
    goal = body.get("target")
    node = goal.get("name") if isinstance(goal, dict) else None
    if not isinstance(node, str) or not node:
        raise bad_request("target.name: expected the name of a node")
    pod = entry.object()
    if pod["spec"].get("nodeName"):
        because = f"pod {name} is already assigned to node {pod['spec']['nodeName']!r}".replace("'", '"')
        raise conflict("pods/binding", "", name, because)
    pod["spec"]["nodeName"] = node
    conditions = [c for c in pod["status"].get("conditions") or () if c.get("type") != "PodScheduled"]
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": rfc3339(context.now())}
    pod["status"]["conditions"] = [*conditions, scheduled]
    if not options.dry_run:
        await context.store.put(entry.key, pod)
    return json_response(_CREATED, 201)


async def finalize(context: Context, target: Target, request: Request) -> Response:
    """Take finalizers off a namespace's spec."""
    body = await read_object(request)
    options = write_options(request.query_params, request.headers.get("user-agent", ""))
    entry = _existing(context, target)
    spec = body.get("spec") or {}
    finalizers = spec.get("finalizers") or [] if isinstance(spec, dict) else None
    if not isinstance(finalizers, list) or not all(isinstance(one, str) for one in finalizers):
        raise bad_request("spec.finalizers: expected a list of strings")
    namespace = entry.object()
    namespace["spec"] = {"finalizers": finalizers} if finalizers else {}
    if options.dry_run:
        return answer(context, target, request, namespace, 200)
    store = context.store
    done = store.remove(entry.key, namespace) if may_go(namespace) else store.put(entry.key, namespace)
    return answer(context, target, request, await done, 200)


async def proxy(context: Context, target: Target, request: Request) -> Response:
    """What the kubelet of the node tells: its health and its Summary."""
    _existing(context, target)
    match target.rest.strip("/"):
        case "healthz":
            return PlainTextResponse("ok")
        case "stats/summary":
            only_usage = request.query_params.get("only_cpu_and_memory", "") == "true"
            return json_response(await context.link.query("summary", {"onlyCpuAndMemory": only_usage}))
        case _:
            raise no_such_path()


def _existing(context: Context, target: Target) -> Entry:
    entry = context.store.latest(target.key)
    if entry is None:
        raise not_found(target.resource.plural, target.resource.group, target.name)
    return entry


def _check_kind(body: dict[str, Any], kind: str, name: str) -> None:
    if body.get("kind", kind) != kind:
        raise bad_request(f"expected a {kind}, found {str(body['kind'])[:60]}")
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict) or (metadata.get("name") or name) != name:
        raise ApiError(400, "BadRequest", "name in URL does not match name in the object")


def _is_alive(pod: dict[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")

"""What nodes and pods use, as metrics.k8s.io tells it, from the agent's Summary.

Source: kubernetes, staging/src/k8s.io/metrics/pkg/apis/metrics/v1beta1/types.go; metrics-server, pkg/scraper (which
figures of the Summary count).
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from nodeguard.api.context import Context
from nodeguard.api.rest.form import choose_form
from nodeguard.api.rest.option import list_options
from nodeguard.api.rest.respond import body_response
from nodeguard.api.rest.selector import parse_labels
from nodeguard.api.rest.target import Target
from nodeguard.api.status import not_found, unavailable
from nodeguard.api.store.entry import Key
from nodeguard.model.instant import rfc3339
from nodeguard.policy.selector import all_hold

Object = dict[str, Any]

_WINDOW = "10s"


async def metrics(context: Context, target: Target, request: Request) -> Response:
    """The figures of one object, or of all."""
    options = list_options(request.query_params)
    rules = parse_labels(options.label_selector)
    summary = await context.link.query("summary")
    if not isinstance(summary, dict) or not isinstance(summary.get("node"), dict):
        raise unavailable("the agent has no figures yet")
    now = rfc3339(context.now())
    if target.resource.plural == "nodes":
        found = [_node(target, summary["node"], now)]
    else:
        found = [_pod(target, pod, now) for pod in summary.get("pods") or ()]
    shown = []
    for obj in found:
        metadata = obj["metadata"]
        key = Key(target.resource.plural, metadata.get("namespace", ""), metadata["name"])
        entry = context.store.get(key)
        if entry is None or not all_hold(rules, entry.labels):
            continue
        if target.namespace not in ("", key.namespace) or target.name not in ("", key.name):
            continue
        if entry.labels:
            metadata["labels"] = dict(entry.labels)
        shown.append(obj)
    accept = request.headers.get("accept", "")
    if target.name:
        if not shown:
            raise not_found(f"{target.resource.kind.lower()}", target.resource.group, target.name)
        return body_response(choose_form(target.resource, accept, "").object(shown[0], context.now()))
    form = choose_form(target.resource, accept, "", is_list=True)
    return body_response(form.objects(shown, context.now(), {}))


def _node(target: Target, stats: Object, now: str) -> Object:
    return {**_begun(target, {"name": stats["nodeName"]}, now), "usage": _usage(stats)}


def _pod(target: Target, stats: Object, now: str) -> Object:
    reference = stats["podRef"]
    metadata = {"name": reference["name"], "namespace": reference["namespace"]}
    containers = [{"name": one["name"], "usage": _usage(one)} for one in stats.get("containers") or ()]
    return {**_begun(target, metadata, now), "containers": containers}


def _begun(target: Target, metadata: Object, now: str) -> Object:
    return {
        "kind": target.resource.kind,
        "apiVersion": target.resource.group_version,
        "metadata": {**metadata, "creationTimestamp": now},
        "timestamp": now,
        "window": _WINDOW,
    }


def _usage(stats: Object) -> Object:
    nano_cores = (stats.get("cpu") or {}).get("usageNanoCores") or 0
    working_set = (stats.get("memory") or {}).get("workingSetBytes") or 0
    return {"cpu": f"{nano_cores}n", "memory": f"{working_set // 1024}Ki"}

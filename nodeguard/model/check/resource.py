"""Requests and limits: names, amounts, and how they must fit together.

Source: kubernetes, pkg/apis/core/validation/validation.go, ValidateResourceRequirements, validatePodResources;
kubernetes/enhancements, keps/sig-node/2837-pod-level-resource-spec.
"""

from __future__ import annotations

from typing import Any

from nodeguard.model.check.report import Report, guess, shown
from nodeguard.model.default import HUGEPAGES, aggregate
from nodeguard.model.document import Path
from nodeguard.model.finding import Fault
from nodeguard.model.quantity import MAX_INT64, Quantity
from nodeguard.model.syntax import qualified_name

_CONTAINER_NAMES = ("cpu", "memory", "ephemeral-storage")
_POD_NAMES = ("cpu", "memory")
_BYTES = ("memory", "ephemeral-storage")
_NANO = 10**9
_MOST_NANO = {"cpu": MAX_INT64 * 10**6}
_NATIVE = "kubernetes.io/"
"""Names with this in them are Kubernetes' own: they may be overcommitted and need not be whole."""
_QUOTA = "requests."
"""Such names mean requests in a ResourceQuota."""


def check_container_resources(report: Report, resources: dict[str, Any], claims: frozenset[str], path: Path) -> None:
    """``resources`` of a container; requests already defaulted from limits, ``claims`` are those of the pod."""
    _check(report, resources, path, _CONTAINER_NAMES)
    seen: set[str] = set()
    for position, claim in enumerate(resources.get("claims", ())):
        name, place = claim.get("name"), (*path, "claims", position, "name")
        if name in seen:
            report.error(place, f"duplicate claim {shown(name)}", Fault.DUPLICATE)
        elif name is not None and name not in claims:
            report.error(place, f"there is no claim {shown(name)} in spec.resourceClaims")
        seen.add(name)


def check_pod_resources(report: Report, spec: dict[str, Any], path: Path) -> None:
    """``spec.resources``, by itself and against the containers."""
    resources = spec.get("resources")
    if resources is None:
        return
    if resources.get("claims"):
        report.error((*path, "claims"), "not allowed at pod level", Fault.FORBIDDEN)
    _check(report, resources, path, _POD_NAMES)
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    for name, needed in aggregate(spec, "requests").items():
        if name in requests and needed > requests[name]:
            report.error(
                (*path, "requests", name),
                f"found {requests[name]}, but the containers together request {needed}; allowed is at least {needed}",
            )
    for name, total in aggregate(spec, "limits").items():
        if name.startswith(HUGEPAGES) and name in limits and total > limits[name]:
            report.error(
                (*path, "limits", name),
                f"found {limits[name]}, but the containers together have {total}; allowed is at least {total}",
            )
    for key in ("initContainers", "containers"):
        for position, container in enumerate(spec.get(key, ())):
            for name, limit in container.get("resources", {}).get("limits", {}).items():
                if name in limits and limit > limits[name]:
                    report.error(
                        (*path[:-1], key, position, "resources", "limits", name),
                        f"found {limit}; allowed is at most the pod's own limit, {limits[name]}",
                    )


def check_overhead(report: Report, overhead: dict[str, Quantity], path: Path) -> None:
    """``spec.overhead``."""
    for name, amount in overhead.items():
        if _check_name(report, name, (*path, name), _CONTAINER_NAMES):
            _check_amount(report, name, amount, (*path, name))
    _check_beside_hugepages(report, {name: (*path, name) for name in overhead})


def _check(report: Report, resources: dict[str, Any], path: Path, names: tuple[str, ...]) -> None:
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    for key, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            place = (*path, key, name)
            if key == "requests" and amount is limits.get(name):
                continue  # defaulted from the limit, which was looked at
            if _check_name(report, name, place, names):
                _check_amount(report, name, amount, place)
    for name, request in requests.items():
        limit = limits.get(name)
        place = (*path, "requests", name)
        if limit is not None and request > limit and limit.nano >= 0:
            report.error(place, f"found {request}; allowed is at most the limit, {limit}")
        elif _is_whole(name):
            if limit is None:
                report.error(place, f"{name} needs a limit too, equal to the request: it cannot be overcommitted")
            elif request != limit:
                report.error(place, f"found {request}; allowed is the limit, {limit}: it cannot be overcommitted")
    places = {name: (*path, "limits" if name in limits else "requests", name) for name in {**limits, **requests}}
    _check_beside_hugepages(report, places)


def _check_beside_hugepages(report: Report, places: dict[str, Path]) -> None:
    if "cpu" in places or "memory" in places:
        return
    for name, place in places.items():
        if name.startswith(HUGEPAGES):
            report.error(place, "huge pages need cpu or memory beside them")
            return


def _is_whole(name: str) -> bool:
    """Huge pages and extended resources come in whole numbers and are never overcommitted."""
    return name.startswith(HUGEPAGES) or _is_extended(name)


def _is_extended(name: str) -> bool:
    return "/" in name and _NATIVE not in name


def _check_name(report: Report, name: str, path: Path, names: tuple[str, ...]) -> bool:
    if name in names:
        return True
    if name.startswith(HUGEPAGES):
        if page_size(name) is not None:
            return True
        report.error(path, f"found {name!r}; allowed is hugepages- and a page size, such as hugepages-2Mi")
        return False
    if names is _CONTAINER_NAMES and "/" in name and qualified_name(name) is None:
        if not (_is_extended(name) and name.startswith(_QUOTA)):
            return True
        report.error(path, f"{name!r} is not a resource: names with {_QUOTA} are those of a ResourceQuota")
        return False
    meant = guess(name, names)
    hint = f"; did you mean {meant}?" if meant else ""
    further = ", a name with a domain such as example.com/device" if names is _CONTAINER_NAMES else ""
    report.error(path, f"unknown resource; allowed are {', '.join(names)}, hugepages-<size>{further}{hint}")
    return False


def _check_amount(report: Report, name: str, amount: Quantity, path: Path) -> None:
    most = _MOST_NANO.get(name, MAX_INT64 * _NANO)
    if amount.nano < 0:
        report.error(path, f"found {amount}; must not be negative")
    elif amount.nano > most:
        report.unsupported(path, f"found {amount}; more than any machine has, possible is at most {Quantity(most)}")
    elif _is_extended(name) and amount.nano % _NANO:
        report.error(path, f"found {amount}; allowed are whole numbers")
    elif name.startswith(HUGEPAGES):
        size = page_size(name)
        if size is not None and amount.nano % size.nano:
            report.error(path, f"found {amount}; allowed are whole multiples of the page size, {size}")
    elif name in _BYTES and amount.nano % _NANO:
        report.warn(
            path, f"{amount} is a fraction of a byte, rounded up to {amount.value()}; M or Mi was probably meant"
        )


def page_size(name: str) -> Quantity | None:
    """The page size in a name such as ``hugepages-2Mi``."""
    try:
        size = Quantity.parse(name.removeprefix(HUGEPAGES))
    except ValueError:
        return None
    return size if size.nano >= _NANO and size.nano % _NANO == 0 else None

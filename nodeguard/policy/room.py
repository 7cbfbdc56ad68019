"""Whether there is room for a pod among others that come and go.

The others are reduced to what they mean to the newcomer, so that trying without one of them costs a few additions.

Source: kubernetes, pkg/scheduler/framework/plugins/{noderesources/fit,nodeports/node_ports}.go;
pkg/scheduler/framework/plugins/interpodaffinity/filtering.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nodeguard.model.node import NodeView
from nodeguard.policy.affinity import has_topology, matches_all, matches_any_here
from nodeguard.policy.fit import PODS, Claim, Shortage, to_int
from nodeguard.policy.port import collide


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """What a pod on the node means to the newcomer."""

    claim: Claim
    takes: tuple[int, ...]
    """Of each resource that the newcomer requests."""
    blocks_port: bool
    attracts: bool
    """The newcomer's required pod affinity is about it."""
    repels: bool
    """The newcomer's required anti-affinity is about it."""
    shuns: bool
    """Its own required anti-affinity is about the newcomer."""


class Room:
    """The node, the newcomer, and counts of its present neighbours."""

    def __init__(self, node: NodeView, newcomer: Claim) -> None:
        self.newcomer = newcomer
        self._node = node
        self._names = tuple(newcomer.requests)
        self._wanted = tuple(newcomer.requests.values())
        self._capacity = tuple(_capacity(node, name) for name in self._names)
        self._most_pods = _capacity(node, PODS)
        self._used = [0] * len(self._names)
        self._pods = self._blocked = self._attracted = self._repelled = self._shunned = 0
        self._expected: tuple[Neighbour, ...] = ()
        terms = newcomer.pod.affinity.pod_required
        self._needs_company = bool(terms)
        self._is_placed = has_topology(terms, node)
        self._is_own_company = matches_all(terms, newcomer.pod, newcomer.pod)

    def meet(self, claim: Claim) -> Neighbour:
        """What a pod means to the newcomer."""
        own, other = self.newcomer.pod, claim.pod
        return Neighbour(
            claim=claim,
            takes=tuple(claim.requests.get(name, 0) for name in self._names),
            blocks_port=bool(self.newcomer.ports and claim.ports) and collide(self.newcomer.ports, claim.ports),
            attracts=self._needs_company and matches_all(own.affinity.pod_required, own, other),
            repels=matches_any_here(own.affinity.anti_required, own, other, self._node),
            shuns=matches_any_here(other.affinity.anti_required, other, own, self._node),
        )

    def add(self, neighbour: Neighbour) -> None:
        """The neighbour is there from now on."""
        self._count(neighbour, 1)

    def remove(self, neighbour: Neighbour) -> None:
        """The neighbour is gone from now on."""
        self._count(neighbour, -1)

    def expect(self, neighbours: Iterable[Neighbour]) -> None:
        """These may or may not come: the newcomer must fit with them and without."""
        self._expected = tuple(neighbours)

    @property
    def has_free_ports(self) -> bool:
        """No neighbour has a port that the newcomer wants."""
        return self._blocked == 0

    @property
    def lacks_company(self) -> bool:
        """Required pod affinity is not met. The first pod of a kind that wants its own kind beside it may come."""
        if not self._needs_company:
            return False
        return not self._is_placed or (self._attracted == 0 and not self._is_own_company)

    @property
    def has_unwanted_company(self) -> bool:
        """The newcomer's required anti-affinity is violated."""
        return self._repelled > 0

    @property
    def is_unwanted(self) -> bool:
        """A neighbour's required anti-affinity is violated."""
        return self._shunned > 0

    def shortages(self) -> tuple[Shortage, ...]:
        """Resources of which not enough is left; those that the newcomer does not request do not matter."""
        found = []
        if self._pods + 1 > self._most_pods:
            found.append(Shortage(resource=PODS, requested=1, used=self._pods, capacity=self._most_pods))
        for name, wanted, used, capacity in zip(self._names, self._wanted, self._used, self._capacity, strict=True):
            if wanted > capacity - used:
                found.append(Shortage(resource=name, requested=wanted, used=used, capacity=capacity))
        return tuple(found)

    def fits(self) -> bool:
        """Whether nothing that neighbours decide keeps the newcomer out."""
        if not self._fits():
            return False
        for neighbour in self._expected:
            self.add(neighbour)
        fits = not self._expected or self._fits()
        for neighbour in self._expected:
            self.remove(neighbour)
        return fits

    def _fits(self) -> bool:
        if self._blocked or self._repelled or self._shunned or self._pods >= self._most_pods or self.lacks_company:
            return False
        return all(w <= c - u for w, u, c in zip(self._wanted, self._used, self._capacity, strict=True))

    def _count(self, neighbour: Neighbour, sign: int) -> None:
        self._pods += sign
        self._blocked += sign * neighbour.blocks_port
        self._attracted += sign * neighbour.attracts
        self._repelled += sign * neighbour.repels
        self._shunned += sign * neighbour.shuns
        for position, amount in enumerate(neighbour.takes):
            self._used[position] += sign * amount


def _capacity(node: NodeView, name: str) -> int:
    return to_int(name, node.allocatable[name]) if name in node.allocatable else 0

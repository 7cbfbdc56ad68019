"""``nodeguard explain kill``: why a pod had to go, in words or as the record itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from nodeguard.agent.history_file import RETENTION
from nodeguard.agent.history_reader import read_decisions
from nodeguard.cli import color
from nodeguard.cli.option import config_file_option
from nodeguard.cli.past import PodName, history_file, record_of
from nodeguard.cli.printer import output_option, print_object
from nodeguard.cli.story import story
from nodeguard.errors import NotFound
from nodeguard.model.decision import DecisionRecord
from nodeguard.model.decodescenario import decode_scenario
from nodeguard.model.document import parse
from nodeguard.model.eviction import VictimPolicy
from nodeguard.policy.simulation import simulate


@click.command(short_help="Show why a pod had to go.")
@click.argument("pod", type=PodName(), metavar="pod/[NAMESPACE/]NAME")
@output_option("text", "json", "yaml")
@click.option("--scenario", is_flag=True, help="Print the scenario of that moment, for nodeguard simulate.")
@config_file_option
def kill(pod: str, output: str, scenario: bool, **options: Any) -> None:
    """Show why a pod had to go: the threshold, the numbers, every candidate, the time line.

    It tells of the last time the pod was evicted or killed; of one that was only refused or limited, if it never was.
    nodeguard get decisions lists all times.

    \b
    nodeguard explain kill pod/hog
    nodeguard explain kill pod/hog --scenario | nodeguard simulate --compare kubelet,qos -
    """
    found = choose(read_decisions(history_file(options), pod=pod))
    if found is None:
        raise NotFound(f"no decision about pod {pod} in the history, which keeps {RETENTION}")
    if scenario:
        if found.get("scenario") is None:
            raise NotFound(f"{found['type']} of pod {pod}: such a decision has no scenario")
        print_object(found["scenario"], "yaml" if output == "text" else output)
    elif output != "text":
        print_object(found, output)
    else:
        record = record_of(found)
        first, _, rest = story(record).partition("\n")
        click.echo(color.paint(first, color.Color.CYAN, color.enabled(sys.stdout)))
        click.echo(rest)
        if other := other_policy(record):
            click.echo(other)


def choose(found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The last one in which the pod was stopped, else the last one. Pure."""
    kills = [item for item in found if item.get("outcome") is not None]
    return next(reversed(kills or found), None)


def other_policy(record: DecisionRecord) -> str:
    """Whom the other policy would have chosen in the same moment; empty where policies play no part. Pure."""
    if record.scenario is None or record.policy is None or len(record.candidates) < 2:
        return ""
    (document,) = parse(json.dumps(record.scenario), "scenario")
    scenario = decode_scenario(document).scenario
    if scenario is None:
        return ""
    other = next(policy for policy in VictimPolicy if policy is not record.policy)
    victims = [eviction.pod for step in simulate(scenario, other).steps for eviction in step.evicted]
    mine = f"{record.pod.namespace}/{record.pod.name}"
    whom = "the same pod" if victims == [mine] else ", ".join(victims) or "nobody"
    return f"The policy {other} would have chosen {whom}."

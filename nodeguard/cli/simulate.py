"""``nodeguard simulate``: the agent's decisions on a described node, on a virtual clock."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from nodeguard.agent.text import format_table
from nodeguard.cli import color, manifest
from nodeguard.cli.failure import print_invalid
from nodeguard.cli.option import config_file_option
from nodeguard.cli.printer import output_option, print_object
from nodeguard.errors import InvalidInput
from nodeguard.model.decodescenario import decode_scenario
from nodeguard.model.document import Document, Path, format_path
from nodeguard.model.eviction import VictimPolicy
from nodeguard.model.finding import Finding, Severity
from nodeguard.model.scenario import Scenario
from nodeguard.model.signal import Signal
from nodeguard.model.wire import to_wire
from nodeguard.policy.simulation import SimulationResult, SimulationResultList, StepResult, faults
from nodeguard.policy.simulation import simulate as play


class PolicyList(click.ParamType[tuple[VictimPolicy, ...]]):
    """An option's value such as ``kubelet,qos``."""

    name = "policies"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[VictimPolicy, ...]:
        """Read the words; each may stand once."""
        words = [word.strip() for word in str(value).split(",")]
        for word in words:
            if word not in tuple(VictimPolicy):
                self.fail(f"{word!r} is not a policy; policies are {', '.join(VictimPolicy)}", param, ctx)
        return tuple(VictimPolicy(word) for word in dict.fromkeys(words))


@click.command(short_help="Play a scenario: who is evicted, who is admitted, and why.")
@click.argument("files", nargs=-1, metavar="FILE...")
@output_option("text", "json", "yaml")
@click.option("--policy", type=click.Choice(tuple(map(str, VictimPolicy))), help="Who goes first, whatever FILE says.")
@click.option("--compare", type=PolicyList(), metavar="kubelet,qos", help="Play it under each of these policies.")
@click.option("--from-live", is_flag=True, help="Play the node as it is now, in place of FILE.")
@click.option("--signal", type=click.Choice(tuple(map(str, Signal))), help="With --from-live: if none of it were left.")
@click.option("--scenario", "only_prints", is_flag=True, help="With --from-live: print the scenario, do not play it.")
@config_file_option
def simulate(
    files: tuple[str, ...],
    output: str,
    policy: str | None,
    compare: tuple[VictimPolicy, ...] | None,
    from_live: bool,
    signal: str | None,
    only_prints: bool,
    **options: Any,
) -> int:
    """Play the scenarios in FILE..., step by step, with the decisions that the agent would take.

    FILE is a file, a directory, or - for standard input. The clock is the scenario's: the same input gives the same
    output on any machine, and nothing of this one is looked at.

    With --from-live the scenario is this node with the pods that run on it now.

    \b
    nodeguard simulate --from-live --signal memory.available --compare kubelet,qos
    """
    _check_usage(files, policy is not None and compare is not None, from_live, bool(signal) or only_prints)
    try:
        if from_live:
            from nodeguard.cli.live import print_scenarios, read_documents

            documents = read_documents(options, Signal(signal) if signal else None)
            if only_prints:
                return print_scenarios(documents, output)
        else:
            documents = manifest.read_documents(files)
        scenarios = read_scenarios(documents, files)
    except InvalidInput as e:
        if output == "text":
            raise
        return print_invalid(e, output)
    policies = compare or (VictimPolicy(policy) if policy else None,)
    results = [play(scenario, chosen) for scenario in scenarios for chosen in policies]
    if output != "text":
        answer = results[0] if len(results) == 1 else SimulationResultList(items=tuple(results))
        print_object(to_wire(answer), output)
    elif compare:
        for number in range(0, len(results), len(policies)):
            click.echo(_comparison(results[number : number + len(policies)]), nl=False)
    else:
        painted = color.enabled(sys.stdout)
        click.echo("\n".join("\n".join(_story(result, painted)) + "\n" for result in results), nl=False)
    return 0


def _check_usage(files: Sequence[str], is_contradiction: bool, from_live: bool, needs_live: bool) -> None:
    if is_contradiction:
        raise click.UsageError("--policy and --compare exclude each other")
    if from_live and files:
        raise click.UsageError("--from-live takes the place of FILE")
    if needs_live and not from_live:
        raise click.UsageError("--signal and --scenario need --from-live")
    if not files and not from_live:
        raise click.UsageError("Missing argument 'FILE...'.")


def read_scenarios(documents: Sequence[Document], files: Sequence[str]) -> list[Scenario]:
    """The scenarios in these documents.

    Raises:
        InvalidInput: with every finding.
    """
    findings: list[Finding] = []
    scenarios: list[Scenario] = []
    for document in documents:
        decoded = decode_scenario(document)
        findings += decoded.errors
        if decoded.scenario is not None:
            scenarios.append(decoded.scenario)
            findings += (_finding(document, path, message) for path, message in faults(decoded.scenario))
    if findings:
        raise InvalidInput(findings)
    if not scenarios:
        message = "no Scenario in the input"
        raise InvalidInput(
            [Finding(severity=Severity.ERROR, source=", ".join(files), line=0, path="", message=message)]
        )
    return scenarios


def _finding(document: Document, path: Path, message: str) -> Finding:
    return Finding(
        severity=Severity.ERROR,
        source=document.source,
        line=document.line(path),
        path=format_path(path),
        message=message,
    )


def _story(result: SimulationResult, painted: bool) -> Iterator[str]:
    yield color.paint(result.name or "scenario", color.Color.CYAN, painted) + f", policy {result.policy}"
    for step in result.steps:
        yield ""
        yield f"at {step.at:g} s: {', '.join(step.node_conditions) or 'no pressure'}"
        yield from (f"  {line}" for line in _step_lines(step, painted))


def _step_lines(step: StepResult, painted: bool) -> Iterator[str]:
    if step.thresholds_met:
        yield f"met: {', '.join(step.thresholds_met)}"
    if step.signal is not None:
        yield f"acts on {step.signal}: short of {step.resource}"
    if step.reclaim:
        enough = "" if step.ranking or step.evicted else ": that is enough"
        yield f"reclaims {', '.join(step.reclaim)} of the node{enough}"
    for candidate in step.candidates:
        yield f"  {candidate.rank}. {candidate.pod}: {candidate.why}"
    for eviction in step.evicted:
        head = color.paint(f"evicts {eviction.pod}", color.Color.RED, painted)
        when = f"within {eviction.grace_period_seconds} s" if eviction.grace_period_seconds else "at once"
        yield f"{head} {when}: {eviction.message.strip()}"
    for submitted in step.submitted:
        if submitted.admitted:
            others = f" in place of {', '.join(submitted.preempted)}" if submitted.preempted else ""
            yield f"admits {submitted.pod}{others}"
        else:
            yield f"rejects {submitted.pod}: {submitted.reason}: {submitted.message.strip()}"
    for judged in step.pressure_admission:
        verdict = "would admit" if judged.admitted else f"would reject ({judged.message.strip()})"
        yield f"{verdict} {judged.pod}"


def _comparison(results: Sequence[SimulationResult]) -> str:
    """Who is evicted at each step, one column per policy."""
    rows = [
        (f"{steps[0].at:g} s", *(", ".join(eviction.pod for eviction in step.evicted) or "-" for step in steps))
        for steps in zip(*(result.steps for result in results), strict=True)
    ]
    return format_table((results[0].name.upper() or "AT", *(str(result.policy).upper() for result in results)), rows)

"""Writes the JSON Schemas of nodeguard's own outputs into this directory: ``python docs/schemas/generate.py``."""

from __future__ import annotations

import json
from pathlib import Path

from nodeguard.agent.effective import EffectiveConfig
from nodeguard.model.decision import DecisionList, DecisionRecord
from nodeguard.model.summary import Summary
from nodeguard.model.wire import json_schema
from nodeguard.policy.explain import ExplanationList
from nodeguard.policy.simulation import SimulationResult, SimulationResultList

SCHEMAS = {
    "explanation-list.json": ExplanationList,
    "simulation-result.json": SimulationResult,
    "simulation-result-list.json": SimulationResultList,
    "effective-config.json": EffectiveConfig,
    "decision.json": DecisionRecord,
    "decision-list.json": DecisionList,
    "summary.json": Summary,
}

OMIT_UNKNOWN = {Summary}
"""Objects of Kubernetes' own: what is not known is left out, in ours it is null."""


def text_of(kind: type) -> str:
    """A schema file's content."""
    return json.dumps(json_schema(kind, omit_unknown=kind in OMIT_UNKNOWN), indent=2) + "\n"


if __name__ == "__main__":
    for name, kind in SCHEMAS.items():
        (Path(__file__).parent / name).write_text(text_of(kind))

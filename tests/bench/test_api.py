"""The verdicts of the API's measurement."""

from bench.api import MIB, verdicts
from bench.stats import summarize


def test_each_target_is_held_against_its_own_figure() -> None:
    figures = {
        "nodeguard get pods": summarize([0.040]),
        "kubectl get pods": summarize([0.050]),
        "list of 1000 pods": summarize([0.200]),
        "watch event": summarize([0.021]),
    }
    lines = verdicts(figures, {"agent": 30 * MIB, "API server": 34 * MIB}, 1000)
    assert [line.split()[0] for line in lines] == ["pass", "MISS", "MISS", "pass"]
    figures["nodeguard get pods"] = summarize([0.051])
    assert verdicts(figures, {"agent": 65 * MIB}, 1000)[0].startswith("MISS")
    assert verdicts(figures, {"agent": 65 * MIB}, 1000)[3].startswith("MISS")

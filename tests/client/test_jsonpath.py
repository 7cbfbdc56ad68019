"""JSONPath, as kubectl evaluates it."""

from typing import Any

import pytest

from nodeguard.client.jsonpath import evaluate, text_of
from nodeguard.errors import UsageError

POD = {
    "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "x"}},
    "spec": {"containers": [{"name": "a", "ports": [{"p": 1}]}, {"name": "b"}]},
    "status": {"phase": "Running", "ready": True, "conditions": [
        {"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.status.phase}", "Running"),
        (".status.phase", "Running"),
        ("status.phase", "Running"),
        ("{.spec.containers[*].name}", "a b"),
        ("{.spec.containers[0].name}", "a"),
        ("{.spec.containers[-1].name}", "b"),
        ("{.spec.containers[7].name}", ""),
        ("{.nothing.here}", ""),
        ("{.metadata.labels.app\\.kubernetes\\.io/name}", "x"),
        ("{.metadata.labels['app.kubernetes.io/name']}", "x"),
        ('{.status.conditions[?(@.type=="Ready")].status}', "True"),
        ("{.status.conditions[?(@.type!='Ready')].status}", "False"),
        ("{.spec.containers[?(@.ports)].name}", "a"),
        ("{.status.ready}", "true"),
        ("{.spec.containers[0].ports}", '[{"p":1}]'),
        ('{.metadata.name}{"\\t"}{.status.phase}{"\\n"}', "web\tRunning\n"),
        ("name={.metadata.name};", "name=web;"),
        ("{$.metadata.name}", "web"),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert text_of(evaluate(template, POD)) == text


@pytest.mark.parametrize("template", ["{.a", "{range .items[*]}", "{.a[}", "{.a[?(", "a}b{"])
def test_what_is_not_understood_is_told(template: str) -> None:
    value: Any = {"a": [1]}
    with pytest.raises(UsageError):
        evaluate(template, value)

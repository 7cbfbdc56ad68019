from __future__ import annotations

from nodeguard.model.finding import Finding, Severity, in_file_order


def finding(source: str, line: int, path: str = "") -> Finding:
    return Finding(severity=Severity.ERROR, source=source, line=line, path=path, message="wrong")


def test_text() -> None:
    assert str(finding("pod.yaml", 12, "spec.containers[0].foo")) == "pod.yaml:12: spec.containers[0].foo: wrong"
    assert str(finding("pod.yaml", 0)) == "pod.yaml: wrong"


def test_file_order_keeps_the_order_of_the_sources() -> None:
    findings = [finding("b", 3), finding("a", 2), finding("b", 1, "x"), finding("b", 1, "w")]
    assert [(item.source, item.line, item.path) for item in in_file_order(findings)] == [
        *(("b", 1, "x"), ("b", 1, "w"), ("b", 3, ""), ("a", 2, "")),
    ]

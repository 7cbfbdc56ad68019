"""Invalid input, for people and for programs."""

from __future__ import annotations

from typing import Any

import click

from nodeguard.cli.printer import print_object
from nodeguard.errors import InvalidInput
from nodeguard.model.finding import Finding


def print_invalid(error: InvalidInput, output: str) -> int:
    """Every finding on stderr and, as ``json`` or ``yaml``, a v1 Status on stdout; the exit code comes back."""
    for finding in error.findings:
        click.echo(f"Error: {finding}", err=True)
    print_object(_status_object(error), output)
    return error.exit_code


def _status_object(error: InvalidInput) -> dict[str, Any]:
    findings = [finding for finding in error.findings if isinstance(finding, Finding)]
    return {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "reason": "Invalid",
        "message": "; ".join(str(finding) for finding in findings),
        "details": {"causes": [{"field": finding.path, "message": finding.message} for finding in findings]},
        "code": 422,
    }

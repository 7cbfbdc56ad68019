"""Every exception nodeguard raises on purpose.

``exit_code`` is what the command line ends with when the error reaches it (docs: exit codes).
"""

from __future__ import annotations

from collections.abc import Sequence


class NodeguardError(Exception):
    """Something went wrong that has a name; the message is for the user."""

    exit_code = 1


class UsageError(NodeguardError):
    """The command line itself is wrong."""

    exit_code = 2


class InvalidInput(NodeguardError):
    """A manifest or a configuration is invalid; ``findings`` holds every fault, in file order."""

    exit_code = 3

    def __init__(self, findings: Sequence[object]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = tuple(findings)


class NotFound(NodeguardError):
    """A named object, file or process does not exist."""

    exit_code = 4


class Conflict(NodeguardError):
    """Something of that name already exists, or is not ours."""

    exit_code = 5


class PermissionDenied(NodeguardError):
    """Root, or a capability, is needed."""

    exit_code = 6


class AgentUnreachable(NodeguardError):
    """No agent answers on this host, or it went away in the middle of an answer."""

    exit_code = 7


class TimedOut(NodeguardError):
    """A bounded wait ran out."""

    exit_code = 8


class HostLacks(NodeguardError):
    """The host has no such controller, program or kernel feature; ``nodeguard doctor`` explains."""

    exit_code = 9


class Rejected(NodeguardError):
    """Admission refused the pod."""

    exit_code = 10


class HistoryDamaged(NodeguardError):
    """The file with past decisions and events cannot be made sense of."""


class Expired(NodeguardError):
    """What a watch or a list wants to go on from is too old: it has to begin anew."""


class LinkFault(NodeguardError):
    """What came over the link between agent and API server, or should go over it, is no message."""


class CgroupGone(NodeguardError):
    """The cgroup was removed meanwhile; normal at the end of a pod."""


class ControlMismatch(NodeguardError):
    """The kernel did not take a value as written."""

    def __init__(self, path: str, wanted: str, got: str) -> None:
        super().__init__(f"{path}: wanted {wanted!r}, the kernel has {got!r}")
        self.path, self.wanted, self.got = path, wanted, got


class RuntimeFailed(NodeguardError):
    """runc, crun, conmon, skopeo or umoci failed; ``reason`` is the Kubernetes waiting or terminated reason."""

    def __init__(self, message: str, *, reason: str = "CreateContainerError", exit_code: int = 128) -> None:
        super().__init__(message)
        self.reason, self.container_exit_code = reason, exit_code

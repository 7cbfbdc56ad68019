"""Why a patch cannot be applied."""

from __future__ import annotations

from nodeguard.errors import NodeguardError


class PatchFault(NodeguardError):
    """The patch makes no sense: with any object, or, when ``is_unprocessable``, with this one."""

    def __init__(self, message: str, *, is_unprocessable: bool = False) -> None:
        super().__init__(message)
        self.is_unprocessable = is_unprocessable

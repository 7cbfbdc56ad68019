"""Where the ``nodeguard`` command begins.

``main`` imports click, and click takes as long as the agent takes to answer; so the quick question is tried first.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit."""
    if sys.argv[1:2] == ["get"] and sys.stdout is not None:
        from nodeguard.cli.quick import answer

        if answer(sys.argv[2:]):
            try:
                sys.stdout.flush()
                os._exit(0)
            except OSError:  # nobody reads: the ordinary way knows what to say
                os._exit(128 + 13)
    from nodeguard.cli.main import main as ordinary

    ordinary()

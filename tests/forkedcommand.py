"""nodeguard without the start of an interpreter, for emulated machines, in which that takes two to three seconds.

The command is a fork of the test's own process, which has imported all of nodeguard before. Everything else is as after
an exec: streams, session, environment, signals and open files. Its command line in /proc is pytest's.
"""

from __future__ import annotations

import functools
import gc
import importlib
import logging
import os
import pkgutil
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from io import FileIO, TextIOWrapper

import nodeguard


@functools.cache
def _import_all() -> None:
    for module in pkgutil.walk_packages(nodeguard.__path__, "nodeguard."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)


def instead_of_exec(
    arguments: Sequence[str], environment: Mapping[str, str], *, first: Callable[[], None] = lambda: None
) -> Callable[[], None]:
    """A ``preexec_fn`` for ``subprocess`` that does not come back: the new process is nodeguard from there on.

    ``first`` is called in the new process before it is.
    """
    _import_all()

    def become_nodeguard() -> None:
        try:
            # Of pytest, and the pipe on which subprocess waits for the exec.
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            # What pytest had open is never closed again: its numbers are nodeguard's from now on.
            gc.freeze()
            os.environ.clear()
            os.environ.update(environment)
            sys.stdin = open(0, encoding="utf-8", errors="surrogateescape")  # noqa: SIM115 - for as long as it lives
            sys.stdout = _writer(1, "surrogateescape")
            sys.stderr = _writer(2, "backslashreplace")
            warnings.simplefilter("ignore")
            logging.root.handlers.clear()
            sys.argv = ["nodeguard", *arguments]
            from nodeguard.cli.main import main

            first()
            main()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)

    return become_nodeguard


def _writer(descriptor: int, errors: str) -> TextIOWrapper:
    """As with PYTHONUNBUFFERED."""
    return TextIOWrapper(FileIO(descriptor, "w"), encoding="utf-8", errors=errors, write_through=True)

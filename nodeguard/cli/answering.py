"""Commands that the agent answers where one runs, and the records of pods' processes where none does.

``get node`` has to work while nothing runs, and to agree with kubectl while the agent does. Which of both it is, is
settled before the options are read, because each has options of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from nodeguard.cli.agent_socket import agent_answers, socket_path
from nodeguard.client.kind import find

_RECORD_OPTIONS = ("--type", "--since", "--reason", "--for")
"""Of the records alone: who gives one of them asks for the past."""


class AnsweringCommand(click.Command):
    """``VERB TYPE``: one command for the API, and for some types another one for the records.

    ``api`` says where the command for the API is. ``records`` maps words for types to where their commands are;
    those in ``always`` are asked of the records even if an agent runs, as the API knows nothing of them.
    """

    def __init__(
        self, name: str, *, api: str, records: Mapping[str, str], always: frozenset[str] = frozenset(), **kwargs: Any
    ) -> None:
        super().__init__(name, **kwargs)
        self._api, self._records, self._always = api, records, always

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of the command that is meant."""
        api = _command(self._api)
        place = first_argument(args, _value_options(api))
        if place is not None:
            word, slash, name = args[place].partition("/")
            is_completion = extra.get("resilient_parsing")  # which wants the agent's names
            chosen = None if is_completion else self._chosen(word, args)
            if chosen is not None:
                rest = [*args[:place], *([name] if slash else []), *args[place + 1 :]]
                return _command(chosen).make_context(f"{info_name} {word}", rest, parent, **extra)
        return api.make_context(info_name, args, parent, **extra)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Those of the command for the API."""
        return _command(self._api).get_params(ctx)

    def _chosen(self, word: str, args: Sequence[str]) -> str | None:
        """Where the command for the records is; None when the API is to answer."""
        place = self._records.get(word)
        if word in self._always:
            return place
        asks_the_past = any(argument.partition("=")[0] in _RECORD_OPTIONS for argument in args)
        if place is not None and (asks_the_past or not agent_answers(socket_path(_config_file(args)))):
            return place
        if place is None and "," not in word and find(word) is None and word != "all":
            self._check_type(word, args)
        return None

    def _check_type(self, word: str, args: Sequence[str]) -> None:
        """Without an agent a wrong word is told at once; only the agent knows which others there are."""
        if not agent_answers(socket_path(_config_file(args))):
            from difflib import get_close_matches

            from nodeguard.client.kind import KINDS

            known = [*self._records, *(name for kind in KINDS for name in (kind.plural, kind.singular))]
            close = get_close_matches(word, known)
            meant = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
            raise click.UsageError(f"No such type {word!r}.{meant}")


def first_argument(args: Sequence[str], value_options: frozenset[str]) -> int | None:
    """The place of the first argument that is neither an option nor an option's value. Pure."""
    skip = False
    for place, argument in enumerate(args):
        if skip:
            skip = False
        elif argument == "--":
            return place + 1 if place + 1 < len(args) else None
        elif argument.startswith("-") and argument != "-":
            skip = argument in value_options
        else:
            return place
    return None


def _value_options(command: click.Command) -> frozenset[str]:
    found = {name for one in command.params if isinstance(one, click.Option) and not one.is_flag for name in one.opts}
    return frozenset({*found, *_RECORD_OPTIONS})


def _config_file(args: Sequence[str]) -> str | None:
    for place, argument in enumerate(args):
        name, equals, value = argument.partition("=")
        if name == "--config":
            return value if equals else next(iter(args[place + 1 :]), None)
    return None


def _command(place: str) -> click.Command:
    module, _, attribute = place.partition(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    return command

"""A command with only the options that are written: reading fifty that are not takes longer.

The parser looks at every option of a command, with all that its help says of them; most of a short
run's reading is for options that nobody wrote. A narrow command has the parameters of the whole one
whose names occur among the words, and takes the rest from their defaults. Whatever it does not
understand is read again by the whole command, whose complaint counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from inspect import Parameter, Signature, signature
from typing import Any

__all__ = ["narrow"]


def narrow(command: Callable[..., int], words: Sequence[str]) -> Callable[..., int]:
    """Return the command with the options that occur among the words.

    Groups of options (dataclasses as parameters) are taken apart and put together again.

    >>> def run(table: str, /, *, seed: int = 0, threads: int = 1) -> int: ...
    >>> list(signature(narrow(run, ["a.csv", "--seed=3"])).parameters)
    ['table', 'seed']
    """
    whole = signature(command, eval_str=True)
    written = {_name(word) for word in words if word.startswith("--")}
    groups: dict[str, tuple[Any, set[str]]] = {}
    kept: list[Parameter] = []
    for parameter in whole.parameters.values():
        if is_dataclass(parameter.annotation):
            own = [p for p in _options(parameter.annotation) if p.name in written]
            groups[parameter.name] = parameter.annotation, {p.name for p in own}
            kept += own
        elif parameter.default is Parameter.empty or parameter.name in written:
            kept.append(parameter)

    def narrowed(*args: Any, **kwargs: Any) -> int:
        together = {
            group: kind(**{name: kwargs.pop(name) for name in names & kwargs.keys()})
            for group, (kind, names) in groups.items()
        }
        return command(*args, **kwargs, **together)

    narrowed.__signature__ = Signature(  # type: ignore[attr-defined]
        kept, return_annotation=whole.return_annotation
    )
    return narrowed


def _name(word: str) -> str:
    option = word[2:].partition("=")[0].replace("-", "_")
    return option.removeprefix("no_")


def _options(group: Any) -> Iterator[Parameter]:
    for field in fields(group):
        yield Parameter(
            field.name, Parameter.KEYWORD_ONLY, default=_default(field), annotation=field.type
        )


def _default(field: Field[Any]) -> Any:
    return Parameter.empty if field.default is MISSING else field.default

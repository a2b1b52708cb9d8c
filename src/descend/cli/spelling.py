"""Errors in the words of the command line: `--missing drop`, not `missing="drop"`."""

from __future__ import annotations

import re

from descend.errors import DescendError
from descend.task.option_table import TABLE

__all__ = ["as_written", "spell"]

_WRITTEN = {row.name: row.written for row in TABLE if row.entries and row.commands}
_OPTIONS = "|".join(row.name for row in TABLE if row.name in _WRITTEN and not row.flag)
_SPELLED = "|".join(row.name for row in TABLE if row.flag)
_WHOLE = (
    (r'write fixed=\["(\w+)"\] to keep its start, or fixed=\{"\w+": ([^}]+)\}',
     r"write --fix \1 to keep its start, or --fix \1=\2"),
    (r'fixed=\{"(\w+)": ([^}]+)\}', r"--fix \1=\2"),
    (r'ties=\{"(\w+)": "([^"]+)"\}', r'--tie "\1 = \2"'),
    (r"start=dict\(([^()]+)\)", lambda found: "--start " + found[1].replace(", ", ",")),
    (r'optimizer="(\w+)" or descend\.SGD\(lr=…\)', r"--optimizer \1"),
    (r"descend\.SGD\(lr=([^()]+)\)", r"--optimizer sgd --lr \1"),
    (r"write None for no bound", "leave that side of the colon empty for no bound"),
)  # fmt: skip
_GIVEN = (
    rf"(?<![\w.(,-])(?<!--map )(?<!--race )({_OPTIONS})=(?=\S)(\"([^\"]*)\"|True\b)?"
)
_ALONE = (
    rf"^({_OPTIONS}|{_SPELLED})(?= (must|names|needs|has no|is in no|may|says)\b)"
    r"|(?<=leave out )(batch_size|validation_split|lr|keep_best|optimizer)\b"
)


def as_written(text: str) -> str:
    """Write the names of options as the command line has them.

    >>> as_written('leave such rows out with missing="drop"')
    'leave such rows out with --missing drop'
    >>> as_written("batch_size must be a whole number of at least 1, not 0")
    '--batch-size must be a whole number of at least 1, not 0'
    >>> as_written('write fixed={"a": 1.0}, or give it a start')
    'write --fix a=1.0, or give it a start'
    """
    for pattern, words in _WHOLE:
        text = re.sub(pattern, words, text)
    text = re.sub(_GIVEN, _option, text)
    return re.sub(_ALONE, lambda found: _flag(found[0]), text)


def _option(found: re.Match[str]) -> str:
    value = found[3] if found[3] is not None else ""
    if found[2] == "True":
        return _flag(found[1])
    return f"{_flag(found[1])} {value}"


def _flag(name: str) -> str:
    return _WRITTEN[name]


def spell(error: DescendError) -> None:
    """Put the error's message and its remedy into the words of the command line."""
    error.message = as_written(error.message)
    error.remedy = as_written(error.remedy) if error.remedy else error.remedy

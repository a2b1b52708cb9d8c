"""Texts as SQL and as a shell read them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

__all__ = ["identifier", "in_quotes", "in_shell", "quoted", "spelled"]

SIGNS = {"\t": "tab", " ": "space"}


def quoted(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A column in SQL."""
    return '"' + name.replace('"', '""') + '"'


def in_shell(option: str, value: str, windows: bool = os.name == "nt") -> str:
    """An option with its value, as a shell reads it whatever signs the value has.

    Double quotes serve both kinds of shell where the value has none of the signs that mean
    something between them.

    >>> in_shell("decimal", ","), in_shell("sql", 'SELECT "a b"', windows=False)
    ('--decimal ","', '--sql \\'SELECT "a b"\\'')
    >>> in_shell("sql", 'SELECT "a b"', windows=True)
    '--sql "SELECT \\\\"a b\\\\""'
    """
    name = "--" + option.replace("_", "-")
    if value.replace("-", "").replace("_", "").replace(".", "").isalnum() and value.isascii():
        return f"{name} {value}"
    return f"{name} {in_quotes(value, windows)}"


def in_quotes(text: str, windows: bool = os.name == "nt") -> str:
    """A text as a shell reads it, whatever signs it has; see `in_shell`."""
    if not set(text) & set('"$`\\!%'):
        return f'"{text}"'
    if windows:
        return '"' + text.replace('"', '\\"') + '"'
    return "'" + text.replace("'", "'\\''") + "'"


def spelled(options: Mapping[str, Any], shell: bool) -> str:
    """Options as they are written on the command line, or as arguments of `read`.

    >>> spelled({"decimal": ",", "header": 2}, True), spelled({"decimal": ","}, False)
    ('--decimal "," --header 2', 'decimal=","')
    """
    if shell:
        return " ".join(
            in_shell(
                name, ",".join(value) if isinstance(value, tuple) else SIGNS.get(value, str(value))
            )
            for name, value in options.items()
        )
    listed = {n: [*v] if isinstance(v, tuple) else v for n, v in options.items()}
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in listed.items())

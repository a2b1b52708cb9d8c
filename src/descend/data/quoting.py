"""Texts as SQL and as a shell read them."""

from __future__ import annotations

import os

__all__ = ["identifier", "in_shell", "quoted"]


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
    if not set(value) & set('"$`\\!%'):
        return f'{name} "{value}"'
    if windows:
        return f'{name} "' + value.replace('"', '\\"') + '"'
    return f"{name} '" + value.replace("'", "'\\''") + "'"

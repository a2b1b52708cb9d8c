"""Text that can be shown anywhere: characters that would steer a terminal are spelled out."""

from __future__ import annotations

import re

__all__ = ["visible"]

# Control characters but tab and new line, and marks that turn the direction of what follows.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)


def visible(text: str) -> str:
    r"""Spell out what no one could see: names, cells and paths come from files of others.

    >>> print(visible("\x1b[31mred\u202e"))
    \x1b[31mred\u202e
    """
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)

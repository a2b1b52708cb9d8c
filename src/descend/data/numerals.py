"""How numbers are written: with a point or a comma, with or without signs between thousands."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable
from typing import NamedTuple

__all__ = [
    "ABSENT",
    "KNOWN",
    "MISSING",
    "PLAIN",
    "Numerals",
    "admitted",
    "choose",
    "is_missing",
    "is_number",
]

MISSING = frozenset(
    [
        "", "NA", "N/A", "n/a", "na", "#N/A", "#NA", "<NA>", "NaN", "nan", "NAN", "null", "NULL",
        "Null", "None", "none", "-", "--", "---", "\u2013", "\u2014", ".",
    ]
)  # fmt: skip
"""What people and programs write where there is no number."""
ABSENT = ", ".join(f"'{text}'" for text in sorted(MISSING))  # in SQL
_MINUS = "\u2212\u2013"  # and the dash that word processors make of a minus
_SIGNED = f"-+{_MINUS}"
INFINITE = "[-+]?(?:inf|Inf|INF|infinity|Infinity)"
_PLAIN_MINUS = str.maketrans(_MINUS, "--")
# The option → all that is meant by it.
_SIGNS = {"": "", " ": "[ \u00a0\u2009\u202f]", "'": "['\u2019]"}


class Numerals(NamedTuple):
    """The sign before the decimals, and the sign between thousands (empty where there is none).

    >>> Numerals(",", ".").value("1.234,5"), Numerals().value("1.234,5")
    (1234.5, None)
    >>> Numerals(".", ",").value("3,929,000"), Numerals().value(" 2.5D-3 "), Numerals().value("NA")
    (3929000.0, 0.0025, nan)
    """

    decimal: str = "."
    thousands: str = ""

    def pattern(self) -> str:
        """A regular expression for Python and for RE2. A grouped number does not begin with 0."""
        point = re.escape(self.decimal)
        rest = f"(?:{point}[0-9]{'*' if self.decimal == '.' else '+'})?"
        whole = "[0-9]+"
        if self.thousands:
            sign = _SIGNS.get(self.thousands, re.escape(self.thousands))
            whole = f"(?:[1-9][0-9]{{0,2}}(?:{sign}[0-9]{{2,3}})*{sign}[0-9]{{3}}|[0-9]+)"
        return f"[{_SIGNED}]?(?:{whole}{rest}|{point}[0-9]+)(?:[eEdD][-+]?[0-9]+)?"

    def reads(self, text: str) -> bool:
        """Whether a text without blanks around it is a number."""
        return _compiled(self).fullmatch(text) is not None

    def value(self, cell: str) -> float | None:
        """The number in a cell, NaN where it is missing, None where it is something else."""
        if self == PLAIN and "_" not in cell and cell.isascii():
            try:
                return float(cell)
            except ValueError:
                pass
        text = cell.strip()
        if text in MISSING:
            return math.nan
        if self.reads(text):
            for sign in _SIGNS.get(self.thousands, self.thousands).strip("[]"):
                text = text.replace(sign, "")
            text = text if text.isascii() else text.translate(_PLAIN_MINUS)
            return float(text.replace(self.decimal, ".").replace("d", "e").replace("D", "e"))
        return float(text) if re.fullmatch(INFINITE, text) else None

    def sql(self, column: str, strict: bool = True) -> str:
        """The same for a whole column of texts; what is no number makes a strict query fail."""
        text = f"trim({column})"
        number = text
        for sign in _SIGNS.get(self.thousands, self.thousands).strip("[]"):
            number = f"replace({number}, {_quoted(sign)}, '')"
        if self.decimal != ".":
            number = f"replace({number}, '{self.decimal}', '.')"
        number = f"translate({number}, 'dD{_MINUS}', 'ee--')"
        return (
            f"{'CAST' if strict else 'TRY_CAST'}(CASE WHEN {text} IN ({ABSENT}) THEN NULL "
            f"WHEN regexp_full_match({text}, {_quoted(self.pattern())}) THEN {number} "
            f"WHEN regexp_full_match({text}, {_quoted(INFINITE)}) THEN {text} "
            f"ELSE 'no number: ' || {text} END AS DOUBLE)"
        )


PLAIN = Numerals()
KNOWN = (
    PLAIN,
    *(Numerals(*pair) for pair in [(",", ""), (".", ","), (",", "."), (".", " "), (",", " ")]),
    *(Numerals(*pair) for pair in [(".", "'"), (",", "'")]),
)
"""In the order in which they are tried: the plainest come first."""


def admitted(decimal: str | None, thousands: str | None) -> tuple[Numerals, ...]:
    """The ways of writing that the user's options leave.

    >>> admitted(None, ".")
    (Numerals(decimal=',', thousands='.'),)
    """
    found = [n for n in KNOWN if decimal in (None, n.decimal)]
    if thousands is not None:
        found = [n for n in found if n.thousands == thousands]
    return tuple(found)


def choose(
    cells: Iterable[str], ways: tuple[Numerals, ...], rivals: bool = False
) -> tuple[Numerals, Numerals | None]:
    """The way of writing that reads all cells, and another one that reads other numbers.

    Args:
        cells: what looks like a number in some way.
        ways: which are asked, in order.
        rivals: whether 1.234 may be a thousand and more, as where semicolons part the columns.

    >>> choose(["1,234", "0,5"], KNOWN)
    (Numerals(decimal=',', thousands=''), None)
    >>> choose(["1,234"], KNOWN)
    (Numerals(decimal=',', thousands=''), Numerals(decimal='.', thousands=','))
    """
    asked = {text for text in (cell.strip() for cell in cells) if not text.isdigit()}
    fit = [way for way in ways if all(map(way.reads, asked))]
    if not fit:
        count = {way: sum(map(way.reads, asked)) for way in ways}
        return max(ways, key=lambda way: count[way]), None
    first = fit[0]
    if first == PLAIN and not rivals:
        return first, None
    # With the same sign before decimals two ways that read a text read the same number.
    others = [way for way in fit if way.decimal != first.decimal]
    rival = (w for w in others if any(w.value(text) != first.value(text) for text in asked))
    return first, next(rival, None)


def is_number(text: str) -> bool:
    """Whether a text without blanks around it is a number in any way of writing.

    >>> is_number("1.234,5"), is_number("3 V"), is_number("")
    (True, False, False)
    """
    return _any().fullmatch(text) is not None


def is_missing(text: str) -> bool:
    """Whether a text without blanks around it stands for a number that is not there."""
    return text in MISSING


@functools.cache
def _compiled(way: Numerals) -> re.Pattern[str]:
    return re.compile(way.pattern())


@functools.cache
def _any() -> re.Pattern[str]:
    return re.compile("|".join([*(way.pattern() for way in KNOWN), INFINITE]))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

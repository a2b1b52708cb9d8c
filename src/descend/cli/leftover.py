"""Words of a command line that belong to nothing: what was meant, and how it is written."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from contextlib import suppress

from descend.data.quoting import in_quotes, in_shell
from descend.errors import FormulaError, UsageError
from descend.trace.formula import Formula

__all__ = ["apart", "left_over"]

NUMBER = r"[\w`]+=[-+\w.*/()]+"
VALUE = re.compile(rf"{NUMBER}(,{NUMBER})*")
TAKES = {
    "fit": "one table and one formula",
    "explain": "one formula, or one table and one formula",
    "minimize": "one formula",
    "grad": "one formula",
    "predict": "one saved fit and one table",
}


def left_over(command: str, words: Sequence[str], unused: Collection[str]) -> UsageError:
    """The error for words that no argument takes.

    Args:
        words: all words behind the command.

    >>> print(left_over("fit", ["t.csv", "y=a*x", "--start", "a=1,", "b=2"], ["b=2"]))
    "b=2" stands apart from --start
      do: write its value without blanks: --start "a=1,b=2"
    """
    cut = apart(words, unused)
    if cut is not None:
        return cut
    takes = f"descend {command} takes {TAKES[command]}"
    whole = _formula_in_pieces(words, unused)
    if whole is not None:
        return UsageError(
            f"the formula is cut at its blanks: {takes}",
            remedy=f"write it in quotes: {in_quotes(whole)}",
        )
    files = [word for word in words if os.path.isfile(word)]
    if len(files) > 1 and command == "fit":
        return UsageError(
            f'"{files[1]}" is one table too many: {takes}',
            remedy="name several files with the same columns by a pattern in quotes, such as "
            '"run*.csv"',
        )
    shown = ", ".join(f'"{word}"' for word in unused)
    quotes = "" if command == "predict" else "; a formula stands in quotes"
    return UsageError(f"{takes}, and not {shown} as well", remedy=f"leave it out{quotes}")


def _formula_in_pieces(words: Sequence[str], unused: Collection[str]) -> str | None:
    """The formula that words without quotes are pieces of."""
    told = list(words[: next((at for at, w in enumerate(words) if w[:2] == "--"), len(words))])
    if told and os.path.isfile(told[0]):
        del told[0]
    if len(told) > 1 and {*unused} <= {*told}:
        with suppress(FormulaError):
            Formula.parse(whole := " ".join(told))
            return whole
    return None


def apart(words: Sequence[str], unused: Collection[str]) -> UsageError | None:
    """Words that belong to the value of the option before them."""
    for at, option in enumerate(words):
        if not option.startswith("--"):
            continue
        for end in range(len(words), at + 2, -1):
            pieces = words[at + 1 : end]
            cut = any(piece.strip(",")[:1] == "=" or piece[-1:] == "=" for piece in pieces)
            values = filter(None, (piece.strip(",") for piece in pieces))
            joined = "".join(pieces) if cut else ",".join(values)
            if VALUE.fullmatch(joined):
                word = next((piece for piece in pieces[1:] if piece in unused), pieces[1])
                return UsageError(
                    f'"{word}" stands apart from {option}',
                    remedy=f"write its value without blanks: {in_shell(option[2:], joined)}",
                )
    return None

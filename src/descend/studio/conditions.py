"""When a question of a lesson is answered: comparisons of facts, joined by "and", read by a table.

    state == diverging and lr < 2
    loss < 0.1 * start
    epoch >= 10

On the left stands a fact; on the right a number, a fact, a number times a fact, or a word.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, TypeGuard

from descend.errors import UsageError, suggest

__all__ = ["COMPARISONS", "Condition", "Fact", "Facts", "read_condition"]

Fact = float | str
Facts = Mapping[str, Fact]

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge,
    "<": operator.lt, ">": operator.gt,
}  # fmt: skip
EQUALITIES = ("==", "!=")
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
NAME = r"[^\W\d][\w.]*"
FORM = re.compile(
    rf"\s*(?P<left>{NAME})\s*(?P<sign>[=!<>]+)\s*"
    rf"(?:(?P<times>{NUMBER})\s*\*\s*(?P<of>{NAME})|(?P<number>{NUMBER})|(?P<word>{NAME}))\s*"
)
LONGEST = 500


class _Comparison(NamedTuple):
    left: str
    sign: str
    times: float = 1.0
    fact: str | None = None  # what is multiplied; where None, the number itself
    word: str | None = None

    def holds(self, facts: Facts) -> bool:
        """Whether it does; not where a fact is missing or not known yet, or is a word."""
        left = facts.get(self.left)
        if self.word is not None:
            return left is not None and (left == self.word) == (self.sign == "==")
        right = 1.0 if self.fact is None else facts.get(self.fact)
        if not (_is_known(left) and _is_known(right)):
            return False
        return COMPARISONS[self.sign](left, self.times * right)


def _is_known(fact: Fact | None) -> TypeGuard[float]:
    """Whether it is a number, and one that there is already."""
    return isinstance(fact, int | float) and not math.isnan(fact)


class Condition(NamedTuple):
    """Comparisons that all have to hold."""

    text: str
    parts: tuple[_Comparison, ...]

    def holds(self, facts: Facts) -> bool:
        """Whether all do.

        >>> met = read_condition("loss < 0.5 * start and state != diverging", WORDED)
        >>> met.holds({"loss": 1.0, "start": 3.0, "state": "converging"})
        True
        >>> met.holds({"loss": 2.0, "start": 3.0, "state": "converging"})
        False
        """
        return all(part.holds(facts) for part in self.parts)


WORDED: Mapping[str, Collection[str]] = {
    "loss": (), "start": (), "state": ("converging", "diverging"),
}  # fmt: skip
"""Facts of the examples here: those that are words have their words beside them."""


def read_condition(text: str, facts: Mapping[str, Collection[str]]) -> Condition:
    """A condition from its text.

    Args:
        facts: every fact that may be named, with the words that it may be; numbers have none.

    Raises:
        UsageError: it is no condition, or names a fact or a word that there is not.

    >>> read_condition("stat == diverging", WORDED)
    Traceback (most recent call last):
    ...
    descend.errors.UsageError: "stat" is no fact (did you mean "state"?)
      do: name one of loss, start, state
    """
    if len(text) > LONGEST:
        raise UsageError(f"a condition of {len(text)} characters", remedy=f"{LONGEST} are enough")
    parts = re.split(r"\s+and\s+", text.strip())
    return Condition(text.strip(), tuple(_read(part, facts) for part in parts))


def _read(text: str, facts: Mapping[str, Collection[str]]) -> _Comparison:
    match = FORM.fullmatch(text)
    if match is None or match["sign"] not in COMPARISONS:
        raise UsageError(
            f'"{text}" is no comparison',
            remedy='write them as in "state == diverging and loss < 0.1 * start"',
        )
    left, sign = match["left"], match["sign"]
    words = _words_of(left, facts)
    if words:
        given = text.split(sign, 1)[1].strip()
        if given not in words:
            raise UsageError(
                f'"{left}" is never "{given}"{suggest(given, words)}',
                remedy=f"compare it with one of {', '.join(words)}",
            )
        if sign not in EQUALITIES:
            raise UsageError(f'"{left}" is a word, which has no order', remedy="write == or !=")
        return _Comparison(left, sign, word=given)
    fact = match["of"] or match["word"]
    if fact and _words_of(fact, facts):
        raise UsageError(
            f'"{left}" is a number, and "{fact}" is a word', remedy="compare it with a number"
        )
    return _Comparison(left, sign, float(match["times"] or match["number"] or 1), fact)


def _words_of(name: str, facts: Mapping[str, Collection[str]]) -> Collection[str]:
    if name not in facts:
        raise UsageError(
            f'"{name}" is no fact{suggest(name, facts)}', remedy=f"name one of {', '.join(facts)}"
        )
    return facts[name]

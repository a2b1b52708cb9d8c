"""What can be told of a single scalar before the program runs, so that it is not worked out there.

Nothing here changes a bit of any result: constants of integers and truths are worked out, a choice
by a constant is made, and truths that were counted to learn whether any or all hold are joined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.compile.loops import Let

__all__ = ["MakeLet", "combine", "folding"]

MakeLet = Callable[..., Let]
TRUTH = np.dtype(bool)
EXACT: Mapping[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "neg": np.negative,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
    "and": np.logical_and, "or": np.logical_or, "not": np.logical_not,
}  # fmt: skip
"""What operations on integers and truths mean."""


def combine(join: Callable[[Let, Let], Let], terms: Sequence[Let]) -> Let:
    """Combine terms pairwise, in an order that depends on their number alone."""
    terms = list(terms)
    while len(terms) > 1:
        paired = [join(terms[i], terms[i + 1]) for i in range(0, len(terms) - 1, 2)]
        terms = paired + terms[len(terms) - len(terms) % 2 :]
    return terms[0]


def folding(let: MakeLet) -> MakeLet:
    """What makes a let, or finds the one that it is equal to."""

    def made(op: str, args: tuple[Let, ...], attr: Any, dtype: np.dtype[Any]) -> Let:
        rule = RULES.get(op)
        found = None if rule is None else rule(args, let)
        if found is None and op in EXACT and args and all(map(_is_exact, args)):
            value = np.asarray(EXACT[op](*[a.attr for a in args]), dtype)
            found = let("const", (), value, dtype)
        return let(op, args, attr, dtype) if found is None else found

    return made


def _is_exact(let: Let) -> bool:
    return let.op == "const" and let.dtype.kind in "bi"


def _chosen(args: Sequence[Let], _let: MakeLet) -> Let | None:
    which, one, other = args
    return (one if which.attr else other) if which.op == "const" else None


def _times(args: Sequence[Let], _let: MakeLet) -> Let | None:
    for factor, other in (args, args[::-1]):
        if factor.op == "const" and factor.attr == 1:
            return other
    return None


def _some(args: Sequence[Let], let: MakeLet) -> Let | None:
    """Whether a count of truths is above 0: whether any holds."""
    zero, count = args
    truths = _counted(count) if _is_exact(zero) and zero.attr == 0 else []
    return _joined("or", truths, let)


def _none(args: Sequence[Let], let: MakeLet) -> Let | None:
    """Whether a count of truths is 0: whether none holds, or the opposite of each."""
    count, zero = args
    truths = _counted(count) if _is_exact(zero) and zero.attr == 0 else []
    if truths and all(t.op == "not" for t in truths):
        return _joined("and", [t.args[0] for t in truths], let)
    any_ = _joined("or", truths, let)
    return None if any_ is None else let("not", (any_,), None, TRUTH)


def _joined(op: str, truths: Sequence[Let], let: MakeLet) -> Let | None:
    join = lambda a, b: let(op, (a, b), None, TRUTH)  # noqa: E731
    return combine(join, truths) if truths else None


def _counted(count: Let) -> list[Let]:
    """The truths of which an integer is the number; empty if it is another."""
    found: list[Let] = []
    stack = [count]
    while stack:
        top = stack.pop()
        if top.op == "add" and top.dtype.kind == "i":
            stack += reversed(top.args)
        elif top.op == "cast" and top.dtype.kind == "i" and top.args[0].dtype == TRUTH:
            found.append(top.args[0])
        else:
            return []
    return found


RULES: Mapping[str, Callable[[Sequence[Let], MakeLet], Let | None]] = {
    "select": _chosen, "mul": _times, "lt": _some, "eq": _none,
}  # fmt: skip

"""Ready models in formulas: `y = gaussian(x) + linear(x)`. They are loaded where one is called."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence

from descend.trace.formula import Formula
from descend.trace.formula_functions import Ready

__all__ = ["READY", "formula_bounds", "parse_formula"]

class _Table:
    """What the reader of formulas asks for: names, and calls with parameters named apart."""

    def names(self) -> Collection[str]:
        from descend.models.table import KINDS

        return KINDS

    def calls(self, names: Sequence[str], taken: Collection[str]) -> list[Ready]:
        if not names:
            return []
        from descend.models.parts import Leaf
        from descend.models.table import KINDS
        from descend.models.tree import Single, prefixes_of

        singles = tuple(Single(KINDS[name]) for name in names)
        prefixes = prefixes_of(singles, frozenset(taken))
        return [
            Ready(s.kind.name, s.kind.function, len(s.kind.data), Leaf(s, prefix).names)
            for s, prefix in zip(singles, prefixes, strict=True)
        ]

    def __reduce__(self) -> str:
        return "READY"


READY = _Table()


@functools.lru_cache(maxsize=256)
def parse_formula(text: str) -> Formula:
    """Read a formula that may call the ready models; the last 256 are remembered.

    >>> parse_formula("y = sine(x) + sine(t) + c").names
    ('sine1_amplitude', 'sine1_frequency', 'sine1_shift', 'x', 'sine2_amplitude', ..., 't', 'c')
    """
    return Formula.parse(text, READY)


def formula_bounds(formula: Formula) -> dict[str, tuple[float, float]]:
    """The ranges in which the parameters of the ready models in a formula have their meaning.

    >>> formula_bounds(parse_formula("y = gaussian(x) + linear(x)"))
    {'sigma': (0.0, inf)}
    """
    calls = [step.value for step in formula.steps if isinstance(step.value, Ready)]
    if not calls:
        return {}
    from descend.models.kind import FREE
    from descend.models.table import KINDS

    found = {}
    for call in calls:
        kind = KINDS[call.name]
        for own, name in zip(kind.parameters, call.parameters, strict=True):
            if kind.bounds.get(own, FREE) != FREE:
                found[name] = kind.bounds[own]
    return found

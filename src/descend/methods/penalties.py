"""What is added to a loss to keep parameters small: L1 and L2, over a list of parameter arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from descend.lean import dataclass
from descend.methods.base import Array, Tunable

__all__ = ["L1", "L2", "Penalty", "Selected"]


@dataclass(frozen=True)
class Penalty(Tunable):
    """A scalar function of the parameters. Derive from it and give `value`."""

    def value(self, leaves: Sequence[Array]) -> Array:
        """Return the scalar to add to the loss, for a list of parameter arrays."""
        raise NotImplementedError(f"{type(self).__name__} has no value(leaves)")


@dataclass(frozen=True)
class L1(Penalty):
    """weight·Σ|p|, which draws parameters to zero exactly (Tibshirani, the lasso, 1996).

    >>> float(L1(0.5).value([np.array([1.0, -2.0]), np.array(3.0)]))
    3.0
    """

    weight: float = 1e-4
    ranges: ClassVar[Mapping[str, str]] = {"weight": "[0, inf)"}

    def value(self, leaves: Sequence[Array]) -> Array:
        return self.weight * sum(np.sum(np.abs(leaf)) for leaf in leaves)


@dataclass(frozen=True)
class L2(Penalty):
    """weight·Σp² (Hoerl and Kennard, ridge regression, 1970); its gradient is 2·weight·p.

    >>> float(L2(0.5).value([np.array([1.0, -2.0]), np.array(3.0)]))
    7.0
    """

    weight: float = 1e-4
    ranges: ClassVar[Mapping[str, str]] = {"weight": "[0, inf)"}

    def value(self, leaves: Sequence[Array]) -> Array:
        return self.weight * sum(np.sum(leaf * leaf) for leaf in leaves)


class Term(NamedTuple):
    """A penalty of some of the parameter arrays, by their numbers, and what these are called."""

    penalty: Penalty
    places: tuple[int, ...]
    name: str


@dataclass(frozen=True)
class Selected(Penalty):
    """The sum of penalties of some of the arrays each; the others are spared.

    >>> own = Selected((Term(L2(0.5), (1,), "w"),))
    >>> float(own.value([np.array([9.0]), np.array([1.0, 2.0])])), str(own)
    (2.5, 'L2(weight=0.5) of w')
    """

    terms: tuple[Term, ...]

    def value(self, leaves: Sequence[Array]) -> Array:
        return sum(t.penalty.value([leaves[i] for i in t.places]) for t in self.terms)

    def numbers(self) -> dict[str, float]:
        """Those of all terms."""
        return {
            f"{i}.{name}": number
            for i, term in enumerate(self.terms)
            for name, number in term.penalty.numbers().items()
        }

    def bind(self, values: Mapping[str, Array]) -> Self:
        """A copy with these numbers in its terms."""
        bound = []
        for i, term in enumerate(self.terms):
            begin = f"{i}."
            own = {n.removeprefix(begin): v for n, v in values.items() if n.startswith(begin)}
            bound.append(term._replace(penalty=term.penalty.bind(own)))
        copy = object.__new__(type(self))
        object.__setattr__(copy, "terms", tuple(bound))
        return copy

    def structure(self) -> tuple[Any, ...]:
        """Those of all terms, and which arrays they are of."""
        return "Selected", *((t.penalty.structure(), t.places) for t in self.terms)

    def __str__(self) -> str:
        return " + ".join(f"{term.penalty} of {term.name}" for term in self.terms)

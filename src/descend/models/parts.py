"""The parts of a composed model as the guesses see them: columns, values, names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.models.kind import Array
from descend.models.tree import Single, Term

__all__ = ["Known", "Leaf", "Product", "Rows", "Sum", "Unknown", "multiplied", "parts_of"]


class Rows(NamedTuple):
    """Columns of data, sorted by the first, with the target."""

    data: tuple[Array, ...]
    y: Array

    def where(self, kept: Any) -> Rows:
        return Rows(tuple(column[kept] for column in self.data), self.y[kept])

    def thinned(self, most: int) -> Rows:
        """At most so many rows, evenly spread."""
        n = self.y.size
        return self if n <= most else self.where(np.linspace(0, n - 1, most).astype(np.intp))


class Leaf(NamedTuple):
    """One ready model with its prefix, and which columns it is a function of."""

    single: Single
    prefix: str
    at: tuple[int, ...] = (0,)

    @property
    def linear(self) -> tuple[str, ...]:
        return tuple(self.prefix + name for name in self.single.kind.linear)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.prefix + name for name in self.single.kind.parameters)

    def columns(self, data: Sequence[Any], values: Mapping[str, Any]) -> list[Any]:
        """What each linear parameter is multiplied with."""
        kind, found = self.single.kind, []
        for own in kind.linear:
            given = [
                float(name == own) if name in kind.linear else values[self.prefix + name]
                for name in kind.parameters
            ]
            found.append(kind.function(*(data[k] for k in self.at), *given))
        return found

    def value(self, data: Sequence[Any], values: Mapping[str, Any]) -> Any:
        own = (values[name] for name in self.names)
        return self.single.kind.function(*(data[k] for k in self.at), *own)


class Unknown(NamedTuple):
    """A parameter by itself, as in `gaussian(x) + a*x + b`."""

    name: str

    @property
    def linear(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def columns(self, data: Sequence[Any], values: Mapping[str, Any]) -> list[Any]:
        return [np.ones_like(data[0])]

    def value(self, data: Sequence[Any], values: Mapping[str, Any]) -> Any:
        return values[self.name] + 0 * data[0]


class Known(NamedTuple):
    """Data or a number by itself: a column."""

    at: int
    linear: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def columns(self, data: Sequence[Any], values: Mapping[str, Any]) -> list[Any]:
        return []

    def value(self, data: Sequence[Any], values: Mapping[str, Any]) -> Any:
        return data[self.at]


class Product(NamedTuple):
    """Parts that are multiplied; the first one's linear parameters carry the height."""

    factors: tuple[Any, ...]

    @property
    def linear(self) -> tuple[str, ...]:
        found: tuple[str, ...] = self.factors[0].linear
        return found

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for factor in self.factors for name in factor.names)

    def columns(self, data: Sequence[Any], values: Mapping[str, Any]) -> list[Any]:
        others = multiplied(self.factors[1:], data, values)
        return [column * others for column in self.factors[0].columns(data, values)]

    def value(self, data: Sequence[Any], values: Mapping[str, Any]) -> Any:
        return multiplied(self.factors, data, values)


class Sum(NamedTuple):
    """Parts that are added."""

    parts: tuple[Any, ...]

    @property
    def linear(self) -> tuple[str, ...]:
        return tuple(name for part in self.parts for name in part.linear)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for part in self.parts for name in part.names)

    def columns(self, data: Sequence[Any], values: Mapping[str, Any]) -> list[Any]:
        return [column for part in self.parts for column in part.columns(data, values)]

    def value(self, data: Sequence[Any], values: Mapping[str, Any]) -> Any:
        return sum(part.value(data, values) for part in self.parts)


def multiplied(factors: Iterable[Any], data: Sequence[Any], values: Mapping[str, Any]) -> Any:
    total: Any = 1.0
    for factor in factors:
        total = total * factor.value(data, values)
    return total


def parts_of(tree: Any, prefixes: Iterable[str]) -> Any:
    """The parts of a tree of models whose leaves have these prefixes, from left to right."""
    names = iter(prefixes)

    def made(node: Any) -> Any:
        if isinstance(node, Term):
            inside = tuple(made(part) for part in node.parts)
            return Sum(inside) if node.sign == "+" else Product(inside)
        return Leaf(node, next(names), tuple(range(len(node.kind.data))))

    return made(tree)

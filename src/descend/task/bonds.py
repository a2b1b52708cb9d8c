"""What binds the parameters of a call: what of it decides the program, and the numbers.

Read is only what is plain: numbers by name, pairs of numbers, expressions as text. Whatever else
can be written, and every number that is to be refused, is left to `task/declared.py`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from operator import ge, le
from typing import Any, NamedTuple

import numpy as np

from descend.parameters.declare import Parameter, declared
from descend.parameters.reading import number_names
from descend.parameters.space import FIXED, LOWER, UPPER, Space, edge_name

__all__ = ["NUMBERS", "Bonds", "Bound", "BoundInput", "Numbers", "taken_apart"]

NUMBERS = (float, int, np.float64)
FLOAT = np.dtype(np.float64)
DECLARED = {Parameter, tuple}

Array = np.ndarray[Any, np.dtype[Any]]


# --- of a call


class Bonds(NamedTuple):
    """What a call says of its parameters.

    Attributes:
        form: all that decides the program.
        start: the values that parameters begin with, as far as they are given.
        held: the values that `fixed` gives.
        edges: names (None for all numbers one after the other) with lower and upper bounds.
    """

    form: tuple[Hashable, ...]
    start: Mapping[str, Any]
    held: Mapping[str, Any]
    edges: Sequence[tuple[str | None, Any, Any]]


def taken_apart(start: Any, fixed: Any, bounds: Any, ties: Any) -> Bonds | None:
    """What the options and the start say, or None if nothing binds the parameters.

    Raises:
        TypeError, ValueError, UsageError: it is written in a way that is not read here.

    >>> found = taken_apart({"a": (1.0, (0, None)), "b": 2.0}, ["b"], None, None)
    >>> found.start, found.edges
    ({'a': 1.0, 'b': 2.0}, [('a', 0.0, inf)])
    """
    declares = type(start) is dict and not DECLARED.isdisjoint(map(type, start.values()))
    if fixed is None and bounds is None and ties is None and not declares:
        return None
    if start is not None and type(start) is not dict:
        raise TypeError("start")
    said = declared(start or {}) if declares else None
    values = (start or {}) if said is None else said.values
    held = _held(fixed)
    edges = _edges(bounds)
    own_form: tuple[Hashable, ...] = ()
    if said is not None:
        own = _edges(said.bounds)
        if not {name for name, *_ in own}.isdisjoint(name for name, *_ in edges):
            raise TypeError("two bounds")
        # Bounds by name go before those of all numbers, wherever they stand.
        edges = [*edges, *own] if edges and edges[0][0] is None else [*own, *edges]
        own_form = tuple(said.fixed), tuple(said.ties.items()), tuple(said.scales.items())
    form = (
        start is None or frozenset(start), own_form, _ties(ties),
        tuple([(name, value is None) for name, value in held.items()]),
        tuple([(name, _is_finite(low, high)) for name, low, high in edges]),
    )
    return Bonds(form, values, {n: v for n, v in held.items() if v is not None}, edges)


def _held(fixed: Any) -> Mapping[str, Any]:
    kind = type(fixed)
    if fixed is None:
        return {}
    if kind is str:
        return {fixed: None}
    if kind is dict:
        if any(value is not None and type(value) not in NUMBERS for value in fixed.values()):
            raise TypeError("fixed")
        return dict(fixed)
    if kind in (list, tuple):
        return dict.fromkeys(fixed)
    raise TypeError("fixed")


def _ties(ties: Any) -> tuple[Hashable, ...]:
    if ties is None:
        return ()
    if type(ties) is str:
        return (ties,)
    return tuple(ties.items()) if type(ties) is dict else tuple(ties)


def _edges(bounds: Any) -> list[tuple[str | None, Any, Any]]:
    kind = type(bounds)
    if bounds is None:
        return []
    if kind is dict:
        return [(name, *_pair(pair)) for name, pair in bounds.items()]
    return [(None, *_pair(bounds))]


def _pair(pair: Any) -> tuple[Any, Any]:
    if type(pair) not in (tuple, list, np.ndarray) or len(pair) != 2:
        raise TypeError("bounds")
    return _edge(pair[0], -math.inf), _edge(pair[1], math.inf)


def _edge(value: Any, none: float) -> Any:
    """A bound as a number, or as an array of numbers."""
    kind = type(value)
    if value is None:
        return none
    if kind in NUMBERS and (kind is not int or -1e300 < value < 1e300):
        return float(value)
    if kind is np.ndarray and value.dtype is FLOAT:
        return value
    if kind in (list, tuple):
        return np.array([_edge(v, none) for v in value], FLOAT)
    raise TypeError("bounds")


def _is_finite(low: Any, high: Any) -> Hashable:
    """Which numbers have a bound: that decides the program, the bounds themselves do not."""
    if type(low) is float and type(high) is float:
        return math.isfinite(low) or math.isfinite(high)
    found = np.isfinite(low) | np.isfinite(high)
    return found.shape, found.tobytes()


# --- of a program


class Numbers(NamedTuple):
    """The start with the bounds, each number by number for all parameters."""

    begin: Array
    lower: Array
    upper: Array


class BoundInput(NamedTuple):
    """An input of the program, and which part of which vector belongs there."""

    view: Array
    source: int
    part: Any


class Bound:
    """The space of a plan: where start, bounds and fixed values belong, and what they give.

    Args:
        space, leaves: of a run like those that are to come.
    """

    def __init__(self, space: Space, leaves: Mapping[str, Array]) -> None:
        self.space = space
        self.shapes = {name: array.shape for name, array in leaves.items()}
        self.parts: dict[str, slice] = {}
        self.places: dict[str | None, Any] = {}
        at = 0
        for name, array in leaves.items():
            for i, number in enumerate(number_names(name, array.shape)):
                self.places[number] = slice(at + i, at + i + 1)
            self.parts[name] = self.places[name] = slice(at, at + array.size)
            at += array.size
        self.default = self._flat(leaves)
        ends = [np.full(at, -np.inf), np.full(at, np.inf)]
        self.free = self._numbers([n for n in leaves if n not in space.ties])
        self.places[None] = self.free
        self.varied = self._numbers([n for n in leaves if space.varies(n)])
        self.scaled = [n for n in leaves if n in space.scales and space.varies(n)]
        self.is_direct = not space.ties and not self.scaled
        self.unbounded = ends[0], ends[1]

    def inputs(self, views: Mapping[str, Array]) -> list[BoundInput]:
        """Where the numbers belong, of a program's own arrays for what `Space.inputs` gives."""
        return [BoundInput(view.reshape(-1), *self._source(n)) for n, view in views.items()]

    def _numbers(self, leaves: Sequence[str]) -> Array:
        found = [np.arange(self.parts[name].start, self.parts[name].stop) for name in leaves]
        return np.concatenate(found) if found else np.zeros(0, np.intp)

    def _source(self, name: str) -> tuple[int, Any]:
        """Where the value of an input comes from: see `enter`."""
        known: dict[str, tuple[int, Any]] = {LOWER: (3, self.varied), UPPER: (4, self.varied)}
        for leaf, part in self.parts.items():
            known[f"{FIXED} {leaf}"] = 0, part
            for i, side in enumerate((LOWER, UPPER)):
                known[edge_name(side, f"{leaf} itself")] = 1 + i, part
                known[edge_name(side, self.space.key(leaf))] = 3 + i, part
        return known[name]

    def _flat(self, leaves: Mapping[str, Any]) -> Array:
        return np.concatenate([np.reshape(leaves[name], -1) for name in self.shapes])

    def arrays(self, vector: Array) -> dict[str, Array]:
        """A vector of all numbers, leaf by leaf."""
        return {n: vector[self.parts[n]].reshape(shape) for n, shape in self.shapes.items()}

    # --- of a run

    def values(self, bonds: Bonds) -> list[Any] | None:
        """The start, parameter by parameter; None where it is not as plain as it seemed."""
        found, start = [], bonds.start
        for name, part in self.parts.items():
            if name in self.space.ties:
                if name in start:
                    return None
                found.append(np.zeros(self.shapes[name]) if self.shapes[name] else 0.0)
            elif name in bonds.held:
                other = start.get(name, 0.0)
                if type(other) not in NUMBERS or not -math.inf < other < math.inf:
                    return None
                found.append(bonds.held[name])
            else:
                found.append(start[name] if name in start else self._default(part, name))
        return found

    def _default(self, part: slice, name: str) -> Any:
        shape = self.shapes[name]
        return self.default[part].reshape(shape) if shape else self.default.item(part.start)

    def numbers(self, begin: Array, bonds: Bonds) -> Numbers | None:
        """Start and bounds, if they belong together; None where more is to be said."""
        lower, upper = self.unbounded
        if bonds.edges:
            lower, upper = lower.copy(), upper.copy()
            try:
                for name, low, high in bonds.edges:
                    self._enter_edges(name, low, lower)
                    self._enter_edges(name, high, upper)
            except ValueError:
                return None
        if self.space.ties:
            begin = self._flat(self.space.completed(self.arrays(begin)))
            if not math.isfinite(begin.dot(begin)):
                return None
        if bonds.edges:
            inside = (lower <= begin) & (begin <= upper) & (lower < upper)
            if not inside.all():
                return None
        for leaf in self.space.scales:
            part = self.parts[leaf]
            low, value, high = lower[part], begin[part], upper[part]
            if self.space.scales[leaf] == "log":
                fits = (value > 0) & (high > 0)
            else:
                fits = (low < value) & (value < high) & np.isfinite(low) & np.isfinite(high)
            if not fits.all():
                return None
        return Numbers(begin, lower, upper)

    def _enter_edges(self, name: str | None, edge: Any, whole: Array) -> None:
        if type(edge) is not float:
            shape = self.free.shape if name is None else self.shapes.get(name, ())
            if name is None and edge.shape != shape:
                raise ValueError("another number of bounds")
            edge = np.broadcast_to(edge, shape).reshape(-1)
        whole[self.places[name]] = edge

    def enter(self, numbers: Numbers, inputs: Sequence[BoundInput]) -> Array:
        """Write the inputs of a program, and return all numbers, then those that are moved."""
        begin, lower, upper = numbers
        moved, low, high = begin, lower, upper
        if self.scaled:
            space = self.at(numbers)
            moved, low, high = begin.copy(), lower.copy(), upper.copy()
            found = space.moved(self.arrays(begin))
            for leaf in self.scaled:
                part, ends = self.parts[leaf], space.moved_edges(leaf, FLOAT)
                moved[part] = found[space.key(leaf)].reshape(-1)
                low[part], high[part] = np.reshape(ends[0], -1), np.reshape(ends[1], -1)
        sources = begin, lower, upper, low, high
        for view, source, part in inputs:
            view[...] = sources[source][part]
        return np.concatenate([begin, moved[self.varied]])

    def at(self, numbers: Numbers) -> Space:
        """The space with these bounds."""
        lower, upper = self.arrays(numbers.lower), self.arrays(numbers.upper)
        own = self.space.lower
        return replace(
            self.space, lower={n: lower[n] for n in own}, upper={n: upper[n] for n in own}
        )

    def natural(self, moved: Mapping[str, Any], numbers: Numbers) -> dict[str, Any]:
        """Every parameter, where what is moved has these values."""
        if self.is_direct:
            return {
                name: moved[name] if name in moved else self._as_given(numbers.begin, name)
                for name in self.parts
            }
        own = {self.space.key(name): np.asarray(value) for name, value in moved.items()}
        found = self.at(numbers).natural(own, self.arrays(numbers.begin))
        return {name: a if a.ndim else a.item() for name, a in found.items()}

    def _as_given(self, begin: Array, name: str) -> Any:
        part, shape = self.parts[name], self.shapes[name]
        return begin[part].reshape(shape).copy() if shape else begin.item(part.start)

    def holds(self, end: Sequence[float], numbers: Numbers) -> bool:
        """Whether one of the varied numbers, on no other scale, lies on a bound."""
        _, lower, upper = numbers
        if len(end) < len(lower):
            lower, upper = lower[self.varied], upper[self.varied]
        return any(map(le, end, lower.tolist())) or any(map(ge, end, upper.tolist()))

"""The reference interpreter: what a graph means, in NumPy, one node at a time."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import descend.graph.black_box
import descend.graph.draws
import descend.graph.elementwise
import descend.graph.multilinear
import descend.graph.selection
import descend.graph.sound_solve
import descend.graph.special
import descend.graph.spectral  # noqa: F401  (the table must be whole)
from descend.errors import InternalError, UsageError
from descend.graph.node import Array, Dim, Node, mixing, postorder
from descend.graph.source import CONST, INPUT, value_of
from descend.graph.subgraph import Body, group_key

__all__ = ["Again", "OverBlocks", "Prepared", "bind_extents", "concrete", "evaluate"]

MOST_FOLDED = 100_000  # numbers of an array that is kept for the next time
SLICE = 8192  # rows that are evaluated at a time, where they know nothing of one another


def bind_extents(bindings: Mapping[Node, Array]) -> dict[Dim, int]:
    """Read the symbolic extents off the bound arrays; raises `UsageError` where they disagree."""
    extents: dict[Dim, int] = {}
    for node, value in bindings.items():
        if len(node.shape) != value.ndim:
            raise UsageError(f"{node.attrs['name']} has {value.ndim} axes, not {len(node.shape)}")
        for want, got in zip(node.shape, value.shape, strict=True):
            expected = extents.setdefault(want, got) if isinstance(want, Dim) else want
            if expected != got:
                raise UsageError(
                    f"{node.attrs['name']} has shape {value.shape}; expected {node.shape}"
                )
    return extents


def concrete(value: Any, extents: Mapping[Dim, int]) -> Any:
    """An attribute with its symbolic extents filled in."""
    if isinstance(value, Dim):
        return extents[value]
    if isinstance(value, tuple):
        return tuple(concrete(v, extents) for v in value)
    return value.bound_to(extents) if isinstance(value, Body) else value


def evaluate(
    outputs: Sequence[Node],
    bindings: Mapping[Node, Array],
    extents: Mapping[Dim, int] | None = None,
) -> list[Array]:
    """The values of the outputs, given the values of the inputs.

    Floating-point exceptions pass silently, as in the compiled program: infinities and NaN are
    values here, and judged where they matter.

    >>> from descend.graph.source import input_node
    >>> from descend.graph.elementwise import call
    >>> x = input_node("x")
    >>> evaluate([call("mul", x, x)], {x: np.array(3.0)})
    [array(9.)]
    """
    sizes = dict(extents or {}) | bind_extents(bindings)
    return Prepared(outputs, bindings)(list(bindings.values()), sizes)


class _Step(NamedTuple):
    """One node's turn: its meaning, the places of its arguments, and what can be dropped then."""

    node: Node
    place: int
    args: tuple[int, ...]
    attrs: Mapping[str, Any] | None
    group: Hashable
    dropped: tuple[int, ...]


class Prepared:
    """A graph in the order of evaluation, to be evaluated again and again.

    Args:
        inputs: the nodes whose values are given; what is below them is not looked at.
    """

    def __init__(self, outputs: Sequence[Node], inputs: Iterable[Node]) -> None:
        self.inputs = list(inputs)
        place = {node: i for i, node in enumerate(self.inputs)}
        given = len(place)
        order = postorder(outputs, stop=lambda n: n in place and place[n] < given)
        order = [node for node in order if node not in place]
        last = {arg: node for node in order for arg in node.args}
        kept = {*outputs, *self.inputs}
        self.steps: list[_Step] = []
        self.known: list[tuple[int, Array]] = []
        for node in order:
            place[node] = len(place)
            if node.op is INPUT:
                raise InternalError(f"input {node.attrs['name']} is not bound")
            if node.op is CONST:
                self.known.append((place[node], value_of(node)))
                continue
            done = {a for a in node.args if last[a] is node and a not in kept and a.op is not CONST}
            fixed = not any(_varies(v) for v in node.attrs.values())
            self.steps.append(
                _Step(
                    node, place[node], tuple(place[a] for a in node.args),
                    dict(node.attrs) if fixed else None,
                    None if node.op.several is None else group_key(node),
                    tuple(place[a] for a in done),
                )
            )  # fmt: skip
        self.size = len(place)
        self.outputs = [place[o] for o in outputs]
        self._ends = list(outputs)
        self._bound: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}

    def _attributes(self, extents: Mapping[Dim, int]) -> list[Mapping[str, Any]]:
        """The attributes of every step for these extents; the last few are remembered."""
        key = tuple(extents.items())
        found = self._bound.get(key)
        if found is None:
            found = [
                {k: concrete(v, extents) for k, v in s.node.attrs.items()}
                if s.attrs is None
                else s.attrs
                for s in self.steps
            ]
            if len(self._bound) > 3:
                self._bound.clear()
            self._bound[key] = found
        return found

    def __call__(self, arrays: Sequence[Any], extents: Mapping[Dim, int]) -> list[Array]:
        """The values of the outputs for these values of the inputs."""
        values: list[Any] = [None] * self.size
        for i, (node, array) in enumerate(zip(self.inputs, arrays, strict=True)):
            values[i] = np.asarray(array, node.dtype)
        for i, array in self.known:
            values[i] = array
        groups: dict[Hashable, tuple[Array, ...]] = {}
        with np.errstate(all="ignore"):
            for step, attrs in zip(self.steps, self._attributes(extents), strict=True):
                node, place, args, _, group, dropped = step
                operands = [values[a] for a in args]
                if node.op.several is None:
                    result = node.op.meaning(*operands, **attrs)
                else:
                    if group not in groups:
                        groups[group] = node.op.several.meaning(*operands, **attrs)
                    result = groups[group][attrs["index"]]
                values[place] = np.asarray(result, node.dtype)
                for i in dropped:
                    values[i] = None
        return [values[o] for o in self.outputs]

    def given(self, known: Mapping[Node, Array], extents: Mapping[Dim, int]) -> Prepared:
        """The same graph with some inputs known: what depends on nothing else is evaluated now."""
        same = set(known)
        ends: dict[Node, None] = {}
        for step in self.steps:
            if all(arg in same or arg.op is CONST for arg in step.node.args):
                same.add(step.node)
            else:
                ends |= dict.fromkeys(arg for arg in step.node.args if arg in same)
        ends |= dict.fromkeys(node for node in self._ends if node in same)
        values = Prepared([*ends], known)(list(known.values()), extents)
        others = [node for node in self.inputs if node not in known]
        rest = Prepared(self._ends, [*others, *ends])
        rest.inputs = others
        rest.known += [(len(others) + i, value) for i, value in enumerate(values)]
        return rest


class OverBlocks:
    """A graph of the rows of a block, whose number is symbolic, to be evaluated block after block.

    Rows that know nothing of one another are evaluated some at a time: arrays that fit a cache,
    and of which the allocator keeps the memory, take a fifth of the time where it gives large ones
    back to the system at once (as in the processes of Dask).

    Args:
        rows: the extent that is the number of rows.
        evaluate: what does it, called as `Prepared` is, into arrays that it overwrites at the next
            call; None is for the interpreter.
    """

    def __init__(
        self, outputs: Sequence[Node], inputs: Iterable[Node], rows: Any, evaluate: Any = None
    ) -> None:
        self.prepared, self.rows = evaluate or Prepared(outputs, inputs), rows
        self._lent = evaluate is not None
        self._tails = [n.shape[1:] if n.shape[:1] == (rows,) else None for n in outputs]
        made = [n for n in postorder(outputs) if not n.args and n.op not in (INPUT, CONST)]
        others = [t for t in self._tails if t] + [n.shape for n in made]
        others += [n.shape for n, t in zip(outputs, self._tails, strict=True) if t is None]
        self._apart = not (mixing(outputs, rows)[1] or any(rows in shape for shape in others))

    def __call__(self, known: Sequence[Any], block: Sequence[Any]) -> list[Array]:
        """The values of the outputs.

        Args:
            known: the values of the inputs that are no columns. block: those that are.
        """
        count = len(block[0])
        whole: list[Array] = []
        for number, found in enumerate(self.slices(known, block)):
            if not self._cuts(count):
                return [value.copy() for value in found] if self._lent else found
            begin = number * SLICE
            if not whole:
                whole = [
                    np.array(v) if tail is None else np.empty((count, *tail), v.dtype)
                    for v, tail in zip(found, self._tails, strict=True)
                ]
            for out, value, tail in zip(whole, found, self._tails, strict=True):
                if tail is not None:
                    out[begin : begin + SLICE] = value
        return whole

    def slices(self, known: Sequence[Any], block: Sequence[Any]) -> Iterator[list[Array]]:
        """The values of some rows after the others; those of the whole block where it must be."""
        count = len(block[0])
        size = SLICE if self._cuts(count) else count
        for begin in range(0, max(count, 1), max(size, 1)):
            part = [column[begin : begin + size] for column in block]
            extents = {self.rows: len(part[0])} if isinstance(self.rows, Dim) else {}
            yield self.prepared([*known, *part], extents)

    def _cuts(self, count: int) -> bool:
        return self._apart and isinstance(self.rows, Dim) and count > SLICE


class Again:
    """A graph that is evaluated again and again, with some inputs that stay as they are.

    What depends on these alone is evaluated once, unless it is large; by whoever comes again.

    Args:
        known: the inputs that stay.
        extents: symbolic ones that no input tells.
    """

    def __init__(
        self, prepared: Prepared, known: Mapping[Node, Array], extents: Mapping[Dim, int]
    ) -> None:
        self._prepared, self._known, self._extents = prepared, known, extents
        self._folds = all(a.size <= MOST_FOLDED for a in known.values())
        self._folded: Prepared | None = None
        self._sizes: dict[Dim, int] = {}
        self._shapes: list[tuple[int, ...]] | None = None

    def __call__(self, others: Mapping[Node, Array]) -> list[Array]:
        """The values of the outputs for these values of the other inputs."""
        shapes = [a.shape for a in others.values()]
        if shapes == self._shapes:
            if self._folds and self._folded is None:
                self._folded = self._prepared.given(self._known, self._sizes)
        else:
            self._sizes = {**self._extents, **bind_extents({**self._known, **others})}
            self._shapes, self._folded = shapes, None
        if self._folded is not None:
            return self._folded([others[node] for node in self._folded.inputs], self._sizes)
        values = {**self._known, **others}
        return self._prepared([values[node] for node in self._prepared.inputs], self._sizes)


def _varies(value: Any) -> bool:
    """Whether an attribute holds a symbolic extent."""
    if isinstance(value, tuple):
        return any(_varies(v) for v in value)
    return isinstance(value, Dim | Body)

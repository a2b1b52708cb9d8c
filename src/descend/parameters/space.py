"""From what the method moves to what the model sees: fixed, tied and rescaled parameters.

The model always has all of its leaves. Those that are fixed become inputs of the program, those
that are tied expressions of the others, and a leaf on another scale is a function of the number
that is moved in its place. What is left is what the method varies. Bounds, fixed values and the
edges of scales are run-time numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from descend.graph.elementwise import cast
from descend.graph.linear import broadcast
from descend.graph.node import Node, substitute
from descend.graph.source import input_node
from descend.lean import dataclass
from descend.parameters.scales import from_scale, to_scale
from descend.trace.context import tracing
from descend.trace.formula import Formula
from descend.trace.tensor import as_node, wrap

__all__ = ["FIXED", "LOWER", "UPPER", "Entered", "Space", "edge_name"]

Array = np.ndarray[Any, np.dtype[Any]]
Nodes = dict[str, Node]
Arrays = dict[str, Array]
LOWER, UPPER, FIXED = "lower bound", "upper bound", "fixed"
NUDGE = 8  # by so many roundings the bounds of a logarithm lie inside of those of the parameter


def edge_name(side: str, key: str) -> str:
    """What the bound of a moved number is called among the program's inputs.

    >>> edge_name(LOWER, "a")
    'lower bound of a'
    """
    return f"{side} of {key}"


@dataclass(frozen=True)
class Entered:
    """A space within a graph.

    Attributes:
        leaves: what is varied, by key.
        places: leaf of the model → what stands for it, where that is not the leaf itself.
        fixed: further inputs of the program, by name.
        bounded: the keys of what has bounds to keep within.
    """

    leaves: Nodes
    places: dict[Node, Node]
    fixed: Nodes
    bounded: frozenset[str]

    def placed(self, roots: Sequence[Node | None]) -> list[Any]:
        """The graphs over what is varied instead of the model's leaves; None stays None."""
        done = iter(substitute([n for n in roots if n is not None], self.places))
        return [None if node is None else next(done) for node in roots]

    def natural(self, leaves: Mapping[str, Node], values: Mapping[str, Node]) -> Nodes:
        """Every leaf of the model, where what is varied has these values."""
        ends = [self.places.get(leaf, leaf) for leaf in leaves.values()]
        known = {node: values[key] for key, node in self.leaves.items()}
        return dict(zip(leaves, substitute(ends, known), strict=True))


@dataclass(frozen=True)
class Space:
    """Which leaves are varied, and how.

    Attributes:
        fixed: leaves that keep their value.
        ties: leaf → expression, each after those that it depends on.
        scales: leaf → `"log"` or `"logit"`.
        lower, upper: leaf → bounds shaped like it, ±inf where there are none.
    """

    fixed: frozenset[str] = frozenset()
    ties: Mapping[str, Formula] = field(default_factory=dict)
    scales: Mapping[str, str] = field(default_factory=dict)
    lower: Mapping[str, Array] = field(default_factory=dict)
    upper: Mapping[str, Array] = field(default_factory=dict)

    def structure(self) -> tuple[Any, ...]:
        """What decides the program; the bounds' values and those of fixed leaves do not."""
        ties = tuple((name, formula.text) for name, formula in self.ties.items())
        return (
            tuple(sorted(self.fixed)), ties, tuple(sorted(self.scales.items())),
            tuple(sorted(self.lower)),
        )  # fmt: skip

    def varies(self, leaf: str) -> bool:
        """Whether the method moves it."""
        return leaf not in self.fixed and leaf not in self.ties

    def key(self, leaf: str) -> str:
        """What the moved leaf is called among the states.

        >>> Space(scales={"a": "log"}).key("a")
        'log a'
        """
        scale = self.scales.get(leaf)
        return leaf if scale is None else f"{scale} {leaf}"

    def edges(self, leaf: str) -> tuple[Any, Any]:
        """The bounds of a leaf."""
        return self.lower.get(leaf, -np.inf), self.upper.get(leaf, np.inf)

    def bounded(self, leaf: str) -> bool:
        """Whether the method must keep within bounds; on the logit scale it cannot leave them."""
        return leaf in self.lower and self.varies(leaf) and self.scales.get(leaf) != "logit"

    def held(self, leaf: str) -> Any:
        """Which numbers of a leaf two equal bounds hold fast, in its shape.

        >>> Space(lower={"w": np.array([1.0, 0.0])}, upper={"w": np.array([1.0, 9.0])}).held("w")
        array([ True, False])
        """
        low, high = self.edges(leaf)
        return np.equal(low, high)

    def count(self, arrays: Mapping[str, Array]) -> int:
        """How many numbers of these leaves can move."""
        moved = [leaf for leaf in arrays if self.varies(leaf)]
        return sum(arrays[leaf].size - int(np.sum(self.held(leaf))) for leaf in moved)

    # --- in numbers

    def completed(self, arrays: Mapping[str, Array]) -> Arrays:
        """The arrays with the tied ones as the others want them.

        >>> space = Space(ties={"b": Formula.parse("2*a")})
        >>> space.completed({"a": np.array(3.0), "b": np.array(0.0)})["b"]
        array(6.)
        """
        found = dict(arrays)
        with np.errstate(all="ignore"):
            for name, formula in self.ties.items():
                value = np.asarray(formula.evaluate(found))
                old = arrays.get(name)
                if old is not None and old.shape != value.shape:
                    value = np.broadcast_to(value, old.shape)
                dtype = value.dtype if old is None or not old.shape else old.dtype
                found[name] = np.array(value, dtype if dtype.kind == "f" else np.float64)
        return found

    def inside(self, leaf: str, array: Array) -> Array:
        """The nearest values within the bounds."""
        low, high = self.edges(leaf)
        return np.asarray(np.clip(array, low, high), array.dtype) if leaf in self.lower else array

    def moved(self, arrays: Mapping[str, Array]) -> Arrays:
        """What the method moves, at these parameters, by key."""
        found = {}
        for leaf, array in arrays.items():
            if not self.varies(leaf):
                continue
            scale = self.scales.get(leaf)
            if scale is not None:
                with np.errstate(all="ignore"):
                    moved = to_scale(scale, array, *self.edges(leaf))
                array = np.asarray(moved, array.dtype)
                low, high = self.moved_edges(leaf, array.dtype)
                array = np.asarray(np.clip(array, low, high), array.dtype)
            found[self.key(leaf)] = array
        return found

    def natural(self, moved: Mapping[str, Array], like: Mapping[str, Array]) -> Arrays:
        """The parameters where the method stands; `like` gives the fixed ones, and the order."""
        found = dict(like)
        for leaf, array in like.items():
            if self.varies(leaf):
                found[leaf] = self._natural(leaf, moved[self.key(leaf)], array.dtype)
        return self.completed(found)

    def _natural(self, leaf: str, u: Array, dtype: Any) -> Array:
        scale = self.scales.get(leaf)
        if scale is None:
            return np.array(u, dtype)
        low, high = self.edges(leaf)
        value = np.asarray(from_scale(scale, np.asarray(u), low, high))
        if scale == "log":
            least, most = self.moved_edges(leaf, dtype)
            value = np.where(u <= least, low, np.where(u >= most, high, value))
            value = np.clip(value, low, high)
        return np.array(value, dtype)

    def moved_edges(self, leaf: str, dtype: Any) -> tuple[Any, Any]:
        """The bounds of the number that is moved."""
        low, high = self.edges(leaf)
        scale = self.scales.get(leaf)
        if scale == "logit":
            return -np.inf, np.inf
        if scale is None or leaf not in self.lower:
            return low, high
        ends = []
        for edge, inward in ((low, 1.0), (high, -1.0)):
            with np.errstate(all="ignore"):
                u = np.where(np.asarray(edge) > 0, np.log(np.maximum(edge, 0.0)), -np.inf)
                room = NUDGE * np.finfo(dtype).eps * np.maximum(1.0, np.abs(u))
                ends.append(np.where(np.isfinite(u), u + inward * room, u))
        return ends[0], ends[1]

    def inputs(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """The values of the inputs that `enter` and the bounds of the descent ask for."""
        found: dict[str, Array] = {
            f"{FIXED} {name}": arrays[name] for name in self.fixed if name in arrays
        }
        varied = {leaf: array for leaf, array in arrays.items() if self.varies(leaf)}
        if not self.lower.keys() & varied.keys():
            return found
        sides: dict[str, list[Array]] = {LOWER: [], UPPER: []}
        for leaf, array in varied.items():
            ends = self.moved_edges(leaf, array.dtype)
            for side, edge, own in zip((LOWER, UPPER), ends, self.edges(leaf), strict=True):
                whole = np.full(array.shape, edge, np.float64)
                found[edge_name(side, self.key(leaf))] = whole
                sides[side].append(whole.reshape(-1))
                if self.scales.get(leaf) == "logit":
                    found[edge_name(side, f"{leaf} itself")] = own
        return found | {side: np.concatenate(parts) for side, parts in sides.items()}

    # --- in graphs

    def enter(self, leaves: Mapping[str, Node], scaled: bool = True) -> Entered:
        """Return what is varied, and what stands for the model's leaves.

        Args:
            scaled: False varies the parameters themselves, whatever their scale.
        """
        varied: Nodes = {}
        fixed: Nodes = {
            f"{FIXED} {name}": node for name, node in leaves.items() if name in self.fixed
        }
        whole: Nodes = dict(leaves)
        for name, leaf in leaves.items():
            scale = self.scales.get(name) if scaled else None
            if not self.varies(name):
                continue
            key = name if scale is None else self.key(name)
            varied[key] = leaf
            if scale is not None:
                varied[key] = input_node(key, leaf.shape, leaf.dtype)
                whole[name] = self._scaled(name, scale, varied[key], fixed)
        for name, formula in self.ties.items():
            whole[name] = _fitted(_traced(formula.evaluate, whole), leaves[name])
        places = {leaves[n]: node for n, node in whole.items() if node is not leaves[n]}
        bounded = frozenset(self.key(n) if scaled else n for n in leaves if self.bounded(n))
        return Entered(varied, places, fixed, bounded)

    def _scaled(self, leaf: str, scale: str, u: Node, fixed: Nodes) -> Node:
        edges = {}
        for side in (LOWER, UPPER):
            name = edge_name(side, f"{leaf} itself")
            edges[side] = input_node(name, u.shape, u.dtype)
            if scale == "logit":
                fixed[name] = edges[side]
        values = {"u": u, **edges}
        node = _traced(lambda v: from_scale(scale, v["u"], v[LOWER], v[UPPER]), values)
        return _fitted(node, u)


def _traced(function: Callable[[Mapping[str, Any]], Any], nodes: Mapping[str, Node]) -> Node:
    with tracing():
        return as_node(function({name: wrap(node) for name, node in nodes.items()}))


def _fitted(node: Node, like: Node) -> Node:
    if node.shape != like.shape:
        node = broadcast(node, like.shape, tuple(range(len(like.shape) - node.ndim, like.ndim)))
    return cast(node, like.dtype)


"""Random graphs, built by the constructors, one rule at a time.

A `Draft` asks a `Pick` for every decision: `pick(n)` gives a number below n. So hypothesis can
draw and shrink a graph, and a seeded generator can make the same kinds of graphs quickly.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from descend.graph.elementwise import call, cast, full_like, select
from descend.graph.linear import (
    broadcast,
    concatenate,
    cumsum,
    flip,
    pad,
    reduce_sum,
    reshape,
    set_slice,
    slice_,
    transpose,
)
from descend.graph.multilinear import contract
from descend.graph.node import PRIMITIVES, Dim, Node, Shape
from descend.graph.scan import scan_nodes
from descend.graph.selection import (
    argmax,
    argmin,
    argsort,
    put_add,
    reduce_max,
    reduce_min,
    take,
)
from descend.graph.source import const, input_node, iota, row_count
from descend.graph.subgraph import close_over
from fuzz.values import EXTREMES, TIES, values_for

Array = np.ndarray[Any, np.dtype[Any]]
Pick = Callable[[int], int]

EXTENTS = (1, 2, 3, 4, 5, 8, 17, 20)
ROWS = (1, 2, 3, 5, 8, 16, 17, 33)
MOST_ELEMENTS = 4000
FLOATS = (np.float64, np.float64, np.float64, np.float32)
OTHERS = (np.int64, np.int32, np.uint8, np.bool_)

SMOOTH_1 = (
    "neg", "sqrt", "cbrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos",
    "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh",
    "expit", "erf", "erfc", "gammaln", "digamma",
)  # fmt: skip
SMOOTH_2 = ("add", "sub", "mul", "div", "mul0", "pow", "hypot", "arctan2")
KINKED_1 = ("abs", "sign", "floor", "ceil", "rint", "trunc")
KINKED_2 = ("max", "min", "mod", "fmod", "floordiv", "copysign")
WHOLE_1 = ("neg", "abs", "sign", "not")
WHOLE_2 = (
    "add", "sub", "mul", "max", "min", "floordiv", "mod", "fmod", "and", "or", "xor",
    "shift_left", "shift_right", "pow",
)  # fmt: skip
TRUTH_2 = ("and", "or", "xor", "max", "min", "add", "mul")
COMPARISONS = ("lt", "le", "eq", "ne")
SQUASHED = frozenset({"exp", "exp2", "expm1", "sinh", "cosh", "pow", "gammaln", "digamma"})


def _native(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(n for n in names if PRIMITIVES[n].native)


@dataclass(frozen=True)
class Graph:
    """A random graph with values for its inputs."""

    outputs: list[Node]
    inputs: list[Node]
    values: list[Array]

    @property
    def bindings(self) -> dict[Node, Array]:
        return dict(zip(self.inputs, self.values, strict=True))


class Draft:
    """A graph that is being built: the nodes so far, and the rules that make one more.

    Args:
        smooth: only float64 and what has a derivative almost everywhere.
    """

    def __init__(self, pick: Pick, smooth: bool = False, rows: Dim | None = None) -> None:
        self.pick = pick
        self.smooth = smooth
        self.rows = rows or Dim()
        self.n_rows = ROWS[pick(len(ROWS))]
        self.extents = [EXTENTS[pick(len(EXTENTS))] for _ in range(3)]
        self.nodes: list[Node] = []
        self.inputs: list[Node] = []

    # Choices

    def of(self, options: Sequence[Any]) -> Any:
        return options[self.pick(len(options))]

    def chance(self, one_in: int) -> bool:
        return self.pick(one_in) == one_in - 1

    def node(self, fits: Callable[[Node], bool] = lambda n: True) -> Node | None:
        """One of the nodes that fit, the newest most easily."""
        fitting = [n for n in reversed(self.nodes) if fits(n)]
        return self.of(fitting) if fitting else None

    def extent(self, new: bool = False) -> int | Dim:
        """One of the extents; the rows only where an input tells their number."""
        known = new or any(self.rows in n.shape for n in self.inputs)
        return self.of([*self.extents, self.rows] if known else self.extents)

    def count(self, shape: Shape) -> int:
        total = 1
        for n in shape:
            total *= self.n_rows if isinstance(n, Dim) else n
        return total

    def order(self, n: int) -> tuple[int, ...]:
        left, order = list(range(n)), []
        while left:
            order.append(left.pop(self.pick(len(left))))
        return tuple(order)

    def some(self, n: int) -> tuple[int, ...]:
        """At least one of n places."""
        mask = 1 + self.pick(2**n - 1)
        return tuple(i for i in range(n) if mask >> i & 1)

    # Growth

    def add_input(self) -> None:
        ndim = self.of((0, 1, 1, 1, 2, 2, 3))
        shape = tuple(self.extent(new=True) for _ in range(ndim))
        if self.count(shape) > MOST_ELEMENTS:
            shape = shape[:1]
        others = () if self.smooth else OTHERS
        dtype = np.float64 if self.smooth else self.of((*FLOATS, *others))
        made = input_node(f"in{len(self.inputs)}", shape, dtype)
        self.inputs.append(made)
        self.nodes.append(made)

    def grow(self, rules: Sequence[Callable[[Draft], Node | None]]) -> None:
        made = self.of(rules)(self)
        if made is not None and self.count(made.shape) <= MOST_ELEMENTS:
            self.nodes.append(made)

    def fitted(self, x: Node, shape: Shape, dtype: Any) -> Node:
        """x, made to have a shape and dtype: by broadcasting where possible, else by a sum."""
        x = self.converted(x, np.dtype(dtype))
        if x.shape == shape:
            return x
        places = embeddings(x.shape, shape)
        if places:
            return broadcast(x, shape, self.of(places))
        return broadcast(reduce_sum(x, tuple(range(x.ndim))), shape, ())

    def converted(self, x: Node, dtype: np.dtype[Any]) -> Node:
        """A cast with a meaning: no float outside of the range of an integer."""
        if x.dtype.kind == "f" and dtype.kind in "iu":
            low, high = (0.0, 200.0) if dtype.kind == "u" else (-1e6, 1e6)
            bounded = call("min", call("max", x, low), high)
            x = select(call("eq", x, x), bounded, full_like(x, 0))
        return cast(x, dtype)


def embeddings(inner: Shape, outer: Shape) -> list[tuple[int, ...]]:
    """The ways to place the axes of one shape on axes of another."""
    places = itertools.permutations(range(len(outer)), len(inner))
    return [p for p in places if all(outer[k] == n for k, n in zip(p, inner, strict=True))]


# --- rules --------------------------------------------------------------------------------------


def unary(d: Draft) -> Node | None:
    x = d.node()
    assert x is not None
    if x.dtype.kind == "f":
        name = d.of(_native(SMOOTH_1) if d.smooth else _native((*SMOOTH_1, *KINKED_1)))
        if name in SQUASHED and d.chance(2):
            x = call("tanh", x)
        if name in ("gammaln", "digamma"):
            x = call("max", call("abs", x), 0.01)
    elif x.dtype.kind == "b":
        name = "not"
    else:
        name = d.of(WHOLE_1)
    return call(name, x)


def binary(d: Draft) -> Node | None:
    x = d.node()
    assert x is not None
    y = d.fitted(d.node() or x, x.shape, x.dtype)
    if x.dtype.kind == "f":
        name = d.of(_native(SMOOTH_2) if d.smooth else _native((*SMOOTH_2, *KINKED_2)))
        if name == "pow" and d.chance(2):
            y = full_like(x, d.of((2.0, 3.0, 0.5, -1.0, -2.0, 1.5, 0.0, 33.0)))
    elif x.dtype.kind == "b":
        name = d.of(TRUTH_2)
    else:
        name = d.of(WHOLE_2)
        if name == "pow":
            y = call("and", y, 7)
    return call(name, x, y) if d.chance(2) or name == "pow" else call(name, y, x)


def with_number(d: Draft) -> Node | None:
    x = d.node(lambda n: n.dtype.kind != "b")
    if x is None:
        return None
    number = d.of((1, 2, 0, -1, 3)) if x.dtype.kind != "f" else d.of((0.5, 1.0, 2.0, -1.0, 0.1))
    if x.dtype.kind == "u":
        number = abs(number)
    name = d.of(("add", "mul", "sub"))
    other = full_like(x, number)
    return call(name, x, other) if d.chance(2) else call(name, other, x)


def compare(d: Draft) -> Node | None:
    x = d.node()
    assert x is not None
    return call(d.of(COMPARISONS), x, d.fitted(d.node() or x, x.shape, x.dtype))


def choose(d: Draft) -> Node | None:
    x = d.node()
    assert x is not None
    other = d.fitted(d.node() or x, x.shape, x.dtype)
    pivot = d.node(lambda n: n.shape == x.shape)
    assert pivot is not None
    condition = pivot if pivot.dtype.kind == "b" else call("lt", pivot, full_like(pivot, 1))
    return select(condition, x, other)


def convert(d: Draft) -> Node | None:
    x = d.node()
    assert x is not None
    return d.converted(x, np.dtype(d.of((*FLOATS, *OTHERS))))


def reduction(d: Draft) -> Node | None:
    x = d.node(lambda n: n.ndim > 0)
    if x is None:
        return None
    reduce = d.of((reduce_sum, reduce_sum, reduce_sum, reduce_max, reduce_min))
    return reduce(x, d.some(x.ndim))


def repeat(d: Draft) -> Node | None:
    x = d.node()
    assert x is not None
    like = d.node(lambda n: n.ndim > x.ndim and bool(embeddings(x.shape, n.shape)))
    if like is None or d.chance(2):
        shape = (*x.shape, d.extent())
        order = d.order(len(shape))
        shape = tuple(shape[i] for i in order)
        if d.count(shape) > MOST_ELEMENTS:
            return None
        return broadcast(x, shape, tuple(order.index(i) for i in range(x.ndim)))
    return broadcast(x, like.shape, d.of(embeddings(x.shape, like.shape)))


def permute(d: Draft) -> Node | None:
    x = d.node(lambda n: n.ndim > 1)
    return None if x is None else transpose(x, d.order(x.ndim))


def reform(d: Draft) -> Node | None:
    """Merge two neighbouring axes, split one, or put in or take out an axis of extent 1."""
    x = d.node()
    assert x is not None
    shape = list(x.shape)
    ones = [i for i, n in enumerate(shape) if n == 1]
    pairs = [i for i in range(len(shape) - 1)
             if not isinstance(shape[i], Dim) and not isinstance(shape[i + 1], Dim)]  # fmt: skip
    even = [i for i, n in enumerate(shape) if not isinstance(n, Dim) and n % 2 == 0 and n > 2]
    kind = d.pick(4)
    if kind == 0 and pairs:
        i = d.of(pairs)
        shape[i : i + 2] = [shape[i] * shape[i + 1]]  # type: ignore[operator]
    elif kind == 1 and even:
        i = d.of(even)
        shape[i : i + 1] = d.of([[2, shape[i] // 2], [shape[i] // 2, 2]])  # type: ignore[operator]
    elif kind == 2 and ones:
        del shape[d.of(ones)]
    elif len(shape) < 4:
        shape.insert(d.pick(len(shape) + 1), 1)
    return reshape(x, tuple(shape))


def _cut(d: Draft, x: Node) -> tuple[list[int], list[int | Dim], list[int]]:
    starts, stops, steps = [], list(x.shape), [1] * x.ndim
    for i, n in enumerate(x.shape):
        start = 0 if isinstance(n, Dim) else d.pick(n)
        starts.append(start)
        if not isinstance(n, Dim):
            stops[i] = start + 1 + d.pick(n - start)
            steps[i] = 1 + d.pick(3)
    return starts, stops, steps


def cut(d: Draft) -> Node | None:
    x = d.node(lambda n: n.ndim > 0)
    return None if x is None else slice_(x, *_cut(d, x))


def write_into(d: Draft) -> Node | None:
    x = d.node(lambda n: n.ndim > 0)
    if x is None:
        return None
    starts, stops, steps = _cut(d, x)
    other = d.fitted(d.node() or x, x.shape, x.dtype)
    return set_slice(x, slice_(other, starts, stops, steps), starts, steps)


def reverse_axes(d: Draft) -> Node | None:
    x = d.node(lambda n: n.ndim > 0)
    return None if x is None else flip(x, d.some(x.ndim))


def padded(d: Draft) -> Node | None:
    x = d.node(lambda n: n.ndim > 0)
    if x is None:
        return None
    counts = [
        [0 if isinstance(n, Dim) else d.pick(3) for n in x.shape] for _ in range(3)
    ]
    return pad(x, *counts)


def join(d: Draft) -> Node | None:
    x = d.node(lambda n: any(not isinstance(k, Dim) for k in n.shape))
    if x is None:
        return None
    axis = d.of([i for i, n in enumerate(x.shape) if not isinstance(n, Dim)])
    def rest(n: Node) -> Shape:
        return n.shape[:axis] + n.shape[axis + 1 :]

    def fits(n: Node) -> bool:
        return (n.dtype == x.dtype and n.ndim == x.ndim and rest(n) == rest(x)
                and not isinstance(n.shape[axis], Dim))  # fmt: skip

    other = d.node(fits)
    assert other is not None
    return concatenate([x, other] if d.chance(2) else [other, x, x], axis)


def running_sum(d: Draft) -> Node | None:
    x = d.node(lambda n: n.ndim > 0 and n.dtype.kind != "b")
    return None if x is None else cumsum(x, d.pick(x.ndim), d.chance(2))


def find(d: Draft) -> Node | None:
    x = d.node(lambda n: n.ndim > 0)
    return None if x is None else d.of((argmax, argmin, argsort))(x, d.pick(x.ndim))


def _index_below(d: Draft, extent: int, fits: Callable[[Node], bool]) -> Node | None:
    """Positions below an extent, made of any integers there are."""
    raw = d.node(lambda n: fits(n) and n.dtype.kind in "iu")
    if raw is None or d.chance(3):
        raw = d.node(fits)
        if raw is None:
            return None
        raw = d.converted(raw, np.dtype(np.int64))
    return call("mod", cast(raw, np.int64), extent)


def gather(d: Draft) -> Node | None:
    x = d.node(lambda n: n.ndim > 0)
    if x is None:
        return None
    axis = d.pick(x.ndim)
    extent = x.shape[axis]
    if isinstance(extent, Dim):
        line = d.node(lambda n: n.shape == (extent,))
        return None if line is None else take(x, argsort(line, 0), axis)
    index = _index_below(d, extent, lambda n: n.ndim < 3)
    if index is None or d.count(x.shape) * d.count(index.shape) > MOST_ELEMENTS * extent:
        return None
    return take(x, index, axis)


def scatter(d: Draft) -> Node | None:
    g = d.node(lambda n: n.ndim > 0 and n.dtype.kind != "b")
    if g is None:
        return None
    axis = d.pick(g.ndim)
    k = 1 + d.pick(min(2, g.ndim - axis))
    shape = g.shape[axis : axis + k]
    extent = d.of(d.extents)
    index = _index_below(d, extent, lambda n: n.shape == shape)
    return None if index is None else put_add(g, index, axis, extent)


def product(d: Draft) -> Node | None:
    a = d.node(lambda n: n.ndim > 0)
    if a is None:
        return None
    b = d.node(lambda n: n.dtype == a.dtype)
    assert b is not None
    la, lb = list(range(a.ndim)), []
    for i, n in enumerate(b.shape):
        free = [x for x in la if x not in lb and (a.shape[x] is n or a.shape[x] == n)]
        chosen = d.pick(len(free) + 1)
        lb.append(free[-1 - chosen] if chosen < len(free) else a.ndim + i)
    extents = dict(zip(la, a.shape, strict=True)) | dict(zip(lb, b.shape, strict=True))
    shared = [x for x in la if x in lb]
    lo = [x for x in extents if x not in shared or d.chance(4)]
    lo = [lo[i] for i in d.order(len(lo))]
    if d.count(tuple(extents.values())) > 20 * MOST_ELEMENTS:
        return None
    return contract(a, b, la, lb, lo)


def leaf(d: Draft) -> Node | None:
    shape = tuple(d.extent() for _ in range(d.pick(3)))
    dtype = np.dtype(np.float64) if d.smooth else np.dtype(d.of(FLOATS))
    kind = d.pick(3)
    if kind == 0 and shape:
        return cast(iota(shape, d.pick(len(shape))), dtype)
    if kind == 1 and any(d.rows in n.shape for n in d.inputs):
        return row_count(d.rows, dtype)
    static = tuple(n for n in shape if not isinstance(n, Dim))
    return const(np.random.default_rng(d.pick(100)).normal(size=static), dtype)


def loop(d: Draft) -> Node | None:
    """A scan with a random body over the slices of a node."""
    xs = d.node(lambda n: n.ndim > 0 and n.dtype.kind == "f")
    if xs is None:
        return None
    start = d.node(lambda n: n.dtype.kind == "f")
    assert start is not None
    inner = Draft(d.pick, d.smooth, d.rows)
    inner.n_rows, inner.inputs = d.n_rows, d.inputs
    carry = input_node("carry", start.shape, start.dtype)
    part = input_node("part", xs.shape[1:], xs.dtype)
    inner.nodes = [*d.nodes[:1], part, carry]
    for _ in range(1 + d.pick(3)):
        inner.grow((unary, binary, binary, with_number, reduction, product))
    last = inner.fitted(inner.nodes[-1], carry.shape, carry.dtype)
    new = call("add", call("mul", carry, 0.5), call("tanh", last))
    out = inner.fitted(inner.nodes[-1 - d.pick(2)], part.shape, part.dtype)
    body, outer = close_over([carry, part], [new, out])
    if d.count(xs.shape) > 600:
        return None
    results = scan_nodes(body, [start], [xs], outer, xs.shape[0], d.chance(2))
    return d.of(results)


ELEMENTWISE = (unary, unary, binary, binary, with_number)
STRUCTURE = (reduction, reduction, repeat, permute, reform, cut, write_into, reverse_axes, padded,
             join, running_sum, gather, scatter, product, product)  # fmt: skip
ANY_RULES = (*ELEMENTWISE, *STRUCTURE, compare, choose, convert, find, leaf, loop)
SMOOTH_RULES = (*ELEMENTWISE, *ELEMENTWISE, *STRUCTURE, choose, leaf, loop)


def build_graph(pick: Pick, smooth: bool = False, finite: bool = False, steps: int = 9) -> Graph:
    """One random graph; `smooth` has derivatives, `finite` neither huge inputs nor −0."""
    d = Draft(pick, smooth)
    for _ in range(1 + pick(3)):
        d.add_input()
    for _ in range(1 + pick(steps)):
        d.grow(SMOOTH_RULES if smooth else ANY_RULES)
    kept = [d.nodes[-1]] + [d.of(d.nodes) for _ in range(pick(3))]
    special = () if smooth or not d.chance(2) else TIES if finite else EXTREMES
    return Graph(kept, d.inputs, values_for(d.inputs, d.n_rows, d.pick(1000), special))


@st.composite
def graphs(draw: Callable[..., Any], smooth: bool = False, finite: bool = False) -> Graph:
    """Random graphs as a hypothesis strategy."""
    return build_graph(lambda n: draw(st.integers(0, n - 1)), smooth, finite)

"""For each primitive that is not elementwise: applications, and the same in plain NumPy."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from descend.graph import selection
from descend.graph.elementwise import call, cast, select
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
from descend.graph.node import Node

RNG = np.random.default_rng(20)
Array = np.ndarray


def draw(*shape: int) -> Array:
    return RNG.normal(size=shape)


def distinct(*shape: int) -> Array:
    """Numbers in random order, far apart from one another."""
    size = int(np.prod(shape))
    return (RNG.permutation(size) + 0.3 * RNG.random(size)).reshape(shape)


@dataclass(frozen=True)
class Case:
    """An application of a primitive; `fixed` are arguments without derivatives."""

    name: str
    build: Callable[..., Node]
    reference: Callable[..., Array]
    inputs: tuple[Array, ...]
    fixed: tuple[Array, ...] = ()

    def __str__(self) -> str:
        shapes = "-".join("x".join(map(str, a.shape)) or "0d" for a in (*self.inputs, *self.fixed))
        return f"{self.name}-{shapes}"


def embedded(x: Array, low: int, high: int, inner: int) -> Array:
    out = np.zeros((x.shape[0], low + high + x.shape[1] + (x.shape[1] - 1) * inner), x.dtype)
    for k in range(x.shape[1]):
        out[:, low + k * (inner + 1)] = x[:, k]
    return out


def written(x: Array, v: Array) -> Array:
    out = x.copy()
    out[1:2, 0:5:2] = v
    return out


def added_at(g: Array, index: Array) -> Array:
    out = np.zeros((2, 4), g.dtype)
    for k, i in enumerate(index):
        out[:, i] += g[:, k]
    return out


def sorted_by_hand(x: Array) -> Array:
    return np.array([[sorted(range(4), key=lambda i: row[i]) for row in x]])[0]


INDEX = np.array([2, 0, 2])
TABLE_INDEX = np.array([[1, 3], [0, 1]])

CASES = [
    Case("sum", lambda x: reduce_sum(x, (1,)), lambda x: x.sum(1), (draw(2, 3),)),
    Case("sum", lambda x: reduce_sum(x, (0, 2)), lambda x: x.sum((0, 2)), (draw(2, 3, 4),)),
    Case(
        "broadcast",
        lambda x: broadcast(x, (3, 2, 4), (2, 0)),
        lambda x: np.repeat(x.T[:, None, :], 2, 1),
        (draw(4, 3),),
    ),
    Case("broadcast", lambda x: broadcast(x, (2, 3), ()), lambda x: x + 0 * draw(2, 3), (draw(),)),
    Case("reshape", lambda x: reshape(x, (3, 4)), lambda x: x.reshape(3, 4), (draw(2, 6),)),
    Case(
        "transpose",
        lambda x: transpose(x, (2, 0, 1)),
        lambda x: np.einsum("abc->cab", x),
        (draw(2, 3, 4),),
    ),
    Case(
        "slice",
        lambda x: slice_(x, (1, 0), (3, 5), (1, 2)),
        lambda x: x[1:3, 0:5:2],
        (draw(4, 6),),
    ),
    Case("slice", lambda x: slice_(x, (2,), (2,), (1,)), lambda x: x[2:2], (draw(4),)),
    Case(
        "pad",
        lambda x: pad(x, (0, 1), (0, 2), (0, 1)),
        lambda x: embedded(x, 1, 2, 1),
        (draw(2, 3),),
    ),
    Case(
        "concatenate",
        lambda x, y: concatenate([x, y], 1),
        lambda x, y: np.hstack([x, y]),
        (draw(2, 3), draw(2, 1)),
    ),
    Case(
        "set_slice",
        lambda x, v: set_slice(x, v, (1, 0), (1, 2)),
        written,
        (draw(3, 6), draw(1, 3)),
    ),
    Case("flip", lambda x: flip(x, (0, 1)), lambda x: x[::-1, ::-1], (draw(2, 3),)),
    Case("cumsum", lambda x: cumsum(x, 1), lambda x: x @ np.triu(np.ones((3, 3))), (draw(2, 3),)),
    Case(
        "cumsum",
        lambda x: cumsum(x, 0, reverse=True),
        lambda x: np.triu(np.ones((3, 3))) @ x,
        (draw(3, 2),),
    ),
    Case(
        "contract",
        lambda a, b: contract(a, b, (0, 1), (1, 2), (2, 0)),
        lambda a, b: (a @ b).T,
        (draw(2, 3), draw(3, 4)),
    ),
    Case(
        "contract",
        lambda a, b: contract(a, b, (0,), (1,), (1, 0)),
        lambda a, b: np.outer(b, a),
        (draw(2), draw(3)),
    ),
    Case(
        "contract",
        lambda a, b: contract(a, b, (0, 1, 2), (0, 2, 3), (0, 1, 3)),
        lambda a, b: np.stack([p @ q for p, q in zip(a, b, strict=True)]),
        (draw(2, 3, 4), draw(2, 4, 2)),
    ),
    Case(
        "reduce_max",
        lambda x: selection.reduce_max(x, (1,)),
        lambda x: np.sort(x, 1)[:, -1],
        (distinct(2, 4),),
    ),
    Case(
        "reduce_min",
        lambda x: selection.reduce_min(x, (0, 1)),
        lambda x: np.sort(x, None)[0],
        (distinct(2, 4),),
    ),
    Case(
        "argmax",
        lambda x: selection.argmax(x, 1),
        lambda x: np.array([list(r).index(max(r)) for r in x]),
        (distinct(2, 4),),
    ),
    Case(
        "argmin",
        lambda x: selection.argmin(x, 0),
        lambda x: np.array([list(c).index(min(c)) for c in x.T]),
        (distinct(2, 4),),
    ),
    Case("argsort", lambda x: selection.argsort(x, 1), sorted_by_hand, (distinct(2, 4),)),
    Case(
        "take",
        lambda x, i: selection.take(x, i, 1),
        lambda x, i: np.stack([x[:, k] for k in i], 1),
        (draw(2, 4),),
        (INDEX,),
    ),
    Case(
        "take",
        lambda x, i: selection.take(x, i, 0),
        lambda x, i: np.stack([np.stack([x[k] for k in row]) for row in i]),
        (draw(4, 3),),
        (TABLE_INDEX,),
    ),
    Case(
        "put_add",
        lambda g, i: selection.put_add(g, i, 1, 4),
        added_at,
        (draw(2, 3),),
        (INDEX,),
    ),
    Case(
        "select",
        lambda x, y, c: select(c, x, y),
        lambda x, y, c: c * x + (1 - c) * y,
        (draw(2, 3), draw(2, 3)),
        (draw(2, 3) > 0,),
    ),
    Case("cast", lambda x: cast(x, np.float64), lambda x: x, (draw(3),)),
    Case("cast", lambda x: cast(cast(x, np.int64), np.float64), np.trunc, (3 * draw(3),)),
    Case("stop_gradient", lambda x: call("stop_gradient", x), lambda x: x, (draw(3),)),
]

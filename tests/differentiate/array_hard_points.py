"""For each differentiable primitive of whole arrays: small arrays at which derivatives are hard.

Rows as those of the elementwise primitives (`hard_points`): the arguments are the elements, and the
function is a weighted sum of the results, or of their squares where signs are free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath as mp
import numpy as np

from descend.differentiate.batch import batch
from descend.graph import determinant, selection, spectral
from descend.graph.elementwise import cast, mul, select
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
from descend.graph.linear_algebra import cholesky, solve, triangular_solve
from descend.graph.multilinear import contract
from descend.graph.node import Node
from descend.graph.source import const, input_node
from differentiate.hard_points import Place, Row

Build = Callable[..., Node]
Meaning = Callable[..., Sequence[Any]]

LINEAR = {"sum", "broadcast", "reshape", "transpose", "slice", "pad", "concatenate", "set_slice",
          "flip", "cumsum", "cast", "select", "take", "put_add"}  # fmt: skip
SPREAD = (
    (0.0, 1e-200, -1e200, 3.0), (1.0, -2.0, 0.5, 4.0), (1e-310, 2e-310, 1e300, -1e300),
    (1e160, -1e160, 1e-160, 0.25),
)  # fmt: skip
TIES = ((2.0, 2.0, -1.0, -1.0), (0.0, 0.0, 0.0, 0.0), (1e300, 1e300, -1e300, -1e300))


def scaled(*forms: Place, scales: Sequence[float]) -> tuple[Place, ...]:
    return tuple(tuple(v * s for v in form) for form in forms for s in scales)


FORMS = ((2.0, 1.0, 0.5, 3.0), (2.0, 0.0, 0.0, 3.0), (1.0, 1e-9, -1e-9, 2.0))
MATRICES = scaled(*FORMS, scales=(1e-60, 1e-30, 1.0, 1e30, 1e60))
GRADED = ((1e100, 1.0, 0.5, 1e-90), (1e-120, 1.0, 1.0, 1e-120), (1e-90, 2.0, 3.0, 1e100))
SINGULAR = ((1.0, 2.0, 2.0, 4.0), (0.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 2.0))
SYMMETRIC = scaled(
    (2.0, 1.0, 3.0), (2.0, 0.0, 3.0), (1.0, 1e-6, 1.5), scales=(1e-140, 1e-30, 1.0, 1e30, 1e140)
)
EQUAL = ((1.0, 0.0, 1.0), (0.0, 0.0, 0.0))
SYSTEMS = tuple((*m, b, -2.0 * b) for m in (*MATRICES, *GRADED) for b in (1.0, 0.0, 1e100))


def weights(count: int) -> list[float]:
    return [(-1.0) ** k / (1.0 + 0.5 * k) for k in range(count)]


def _summed(out: Node, squares: bool) -> Node:
    if squares:
        out = mul(out, out)
    if out.ndim:
        w = np.reshape(weights(out.size), out.shape)
        out = reduce_sum(mul(out, const(w)), tuple(range(out.ndim)))
    return out


def row(
    name: str,
    shapes: Sequence[tuple[int, ...]],
    build: Build,
    meaning: Meaning,
    points: Sequence[Place],
    ends: Sequence[Place] = (),
    squares: bool = False,
    rounding: float = 0.0,
) -> Row:
    """Of arrays of these shapes, whose elements are the arguments one after the other."""
    single = [input_node(f"a{i}", shape) for i, shape in enumerate(shapes)]
    one = _summed(build(*single), squares)
    sizes = [int(np.prod(shape)) for shape in shapes]

    def stacked(*columns: Node) -> Node:
        (extent,) = columns[0].shape
        rest, many = list(columns), {}
        for node, size in zip(single, sizes, strict=True):
            parts = [reshape(c, (extent, 1)) for c in rest[:size]]
            rest = rest[size:]
            joined = parts[0] if size == 1 else concatenate(parts, 1)
            many[node] = reshape(joined, (extent, *node.shape))
        return batch([one], many, extent)[0]

    def exact(*elements: mp.mpf) -> mp.mpf:
        found = [e * e if squares else e for e in meaning(*elements)]
        return sum(mp.mpf(w) * e for w, e in zip(weights(len(found)), found, strict=True))

    every = [*points, *ends]
    return Row(
        name, every, exact, stacked, frozenset(), rounding=rounding, whole=name not in LINEAR,
        ends=frozenset(ends),
    )  # fmt: skip


# --- matrices of two rows -----------------------------------------------------------------------


def _cofactors(a: Any, b: Any, c: Any, d: Any) -> list[Any]:
    return [d, -c, -b, a]


def _solved(a: Any, b: Any, c: Any, d: Any, x: Any, y: Any) -> list[Any]:
    det = a * d - b * c
    return [(d * x - b * y) / det, (a * y - c * x) / det]


def _inverted(a: Any, b: Any, c: Any, d: Any) -> list[Any]:
    det = a * d - b * c
    return [d / det, -b / det, -c / det, a / det]


def _factor(a: Any, b: Any, c: Any) -> list[Any]:
    if a <= 0 or c - b * b / a <= 0:
        raise ValueError
    root = mp.sqrt(a)
    return [root, mp.mpf(0), b / root, mp.sqrt(c - b * b / a)]


def _symmetric(build: Build) -> Build:
    """Of [[a, b], [b, c]] for (a, b, c)."""

    def of(x: Node) -> Node:
        return build(reshape(selection.take(x, const(np.array([0, 1, 1, 2])), 0), (2, 2)))

    return of


def _shares(a: Any, b: Any, c: Any, w: Any) -> list[Any]:
    """The sizes of both parts of the eigenvector for w."""
    part = [b, w - a] if abs(w - a) > abs(w - c) else [w - c, b]
    norm = mp.sqrt(part[0] ** 2 + part[1] ** 2)
    return [abs(p) / norm for p in part]


def _eigen(a: Any, b: Any, c: Any) -> list[Any]:
    middle, gap = (a + c) / 2, mp.sqrt(((a - c) / 2) ** 2 + b * b)
    low, high = middle - gap, middle + gap
    u, v = _shares(a, b, c, low), _shares(a, b, c, high)
    return [low, high, u[0], v[0], u[1], v[1]]


def _singular(a: Any, b: Any, c: Any, d: Any) -> list[Any]:
    total, det = a * a + b * b + c * c + d * d, a * d - b * c
    gap = mp.sqrt(total**2 - 4 * det**2)
    squares = [(total + gap) / 2, (total - gap) / 2]
    right = [_shares(a * a + c * c, a * b + c * d, b * b + d * d, s) for s in squares]
    left = [_shares(a * a + b * b, a * c + b * d, c * c + d * d, s) for s in squares]
    values = [mp.sqrt(abs(s)) for s in squares]
    return [left[0][0], left[1][0], left[0][1], left[1][1], *values, *right[0], *right[1]]


def _orthogonal(a: Any, b: Any, c: Any, d: Any) -> list[Any]:
    size = mp.sqrt(a * a + c * c)
    q = [a / size, -c / size, c / size, a / size]
    return [*q, size, (a * b + c * d) / size, mp.mpf(0), (a * d - b * c) / size]


def _log_det(a: Any, b: Any, c: Any, d: Any) -> list[Any]:
    det = a * d - b * c
    return [mp.sign(det), mp.log(abs(det))]


def _along(a: Any, b: Any, c: Any, d: Any) -> list[Any]:
    """What cofactors change by along K = [[1, 2], [3, 5]]: they are linear for two rows."""
    return [mp.mpf(5), mp.mpf(-3), mp.mpf(-2), mp.mpf(1)]


K = const(np.array([[1.0, 2.0], [3.0, 5.0]]))
TWO = ((2, 2),)
ARRAYS: list[Row] = [
    row("sum", [(4,)], lambda x: reduce_sum(x, (0,)), lambda *x: [sum(x)], SPREAD),
    row("broadcast", [(2,)], lambda x: broadcast(x, (2, 2), (1,)), lambda a, b: [a, b, a, b],
        [p[:2] for p in SPREAD]),
    row("reshape", [(4,)], lambda x: reshape(x, (2, 2)), lambda *x: x, SPREAD),
    row("transpose", TWO, lambda x: transpose(x, (1, 0)), lambda a, b, c, d: [a, c, b, d], SPREAD),
    row("slice", [(4,)], lambda x: slice_(x, (1,), (4,), (2,)), lambda a, b, c, d: [b, d], SPREAD),
    row("pad", [(2,)], lambda x: pad(x, (1,), (0,), (1,)), lambda a, b: [0, a, 0, b],
        [p[:2] for p in SPREAD]),
    row("concatenate", [(2,), (2,)], lambda x, y: concatenate([y, x], 0),
        lambda a, b, c, d: [c, d, a, b], SPREAD),
    row("set_slice", [(3,), (1,)], lambda x, v: set_slice(x, v, (1,), (1,)),
        lambda a, b, c, d: [a, d, c], SPREAD),
    row("flip", [(4,)], lambda x: flip(x, (0,)), lambda *x: x[::-1], SPREAD),
    row("cumsum", [(4,)], lambda x: cumsum(x, 0),
        lambda a, b, c, d: [a, a + b, a + b + c, a + b + c + d], SPREAD),
    row("cast", [(4,)], lambda x: cast(cast(x, np.float32), np.float64), lambda *x: x,
        [(1.0, -2.0, 0.5, 2.0**100), (0.0, 2.0**-140, 2.0**-60, 3.0)], rounding=1e-7),
    row("select", [(4,)], lambda x: select(const(np.array([True, False, True, False])), x,
                                           mul(x, x)),
        lambda a, b, c, d: [a, b * b, c, d * d], SPREAD),
    row("take", [(4,)], lambda x: selection.take(x, const(np.array([3, 0, 3])), 0),
        lambda a, b, c, d: [d, a, d], SPREAD),
    row("put_add", [(4,)], lambda x: selection.put_add(x, const(np.array([1, 0, 1, 2])), 0, 3),
        lambda a, b, c, d: [b, a + c, d], SPREAD),
    row("reduce_max", [(4,)], lambda x: selection.reduce_max(x, (0,)), lambda *x: [max(x)],
        SPREAD, TIES),
    row("reduce_min", [(4,)], lambda x: selection.reduce_min(x, (0,)), lambda *x: [min(x)],
        SPREAD, TIES),
    row("contract", [(2, 2), (2,)], lambda a, b: contract(a, b, (0, 1), (1,), (0,)),
        lambda a, b, c, d, x, y: [a * x + b * y, c * x + d * y], SYSTEMS),
    row("det", TWO, determinant.DET.apply, lambda a, b, c, d: [a * d - b * c],
        [*MATRICES, *GRADED, *SINGULAR]),
    row("cofactors", TWO, determinant.COFACTORS.apply, _cofactors, MATRICES, SINGULAR),
    row("cofactors_along", TWO, lambda a: determinant.COFACTORS_ALONG.apply(a, K), _along,
        MATRICES, SINGULAR),
    row("slogdet", TWO, determinant.SLOGDET.apply, _log_det, [*MATRICES, *GRADED], SINGULAR),
    row("solve", [(2, 2), (2, 1)], solve, _solved, SYSTEMS),
    row("triangular_solve", [(2, 2), (2, 1)], lambda a, b: triangular_solve(a, b, True),
        lambda a, b, c, d, x, y: [x / a, (y - c * x / a) / d], SYSTEMS),
    row("pinv", TWO, lambda a: spectral.PINV.apply(a, rcond=1e-15), _inverted, MATRICES),
    row("cholesky", [(3,)], _symmetric(cholesky), _factor, SYMMETRIC, EQUAL[1:]),
    row("eigh", [(3,)], _symmetric(spectral.EIGH.apply), _eigen, SYMMETRIC, EQUAL, squares=True),
    row("svd", TWO, spectral.SVD.apply, _singular, MATRICES, SINGULAR, squares=True),
    row("qr", TWO, spectral.QR.apply, _orthogonal, MATRICES, SINGULAR, squares=True),
]  # fmt: skip

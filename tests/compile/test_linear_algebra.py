"""Linear algebra, compiled: written out for small matrices, by LAPACK for larger ones."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from descend.compile.function import compile_graph
from descend.compile.legalise import legalise
from descend.differentiate.reverse import reverse
from descend.graph.blocks import split
from descend.graph.determinant import DET, SLOGDET
from descend.graph.elementwise import add, mul
from descend.graph.evaluate import evaluate
from descend.graph.linear import reduce_sum
from descend.graph.linear_algebra import cholesky, inverse, solve, triangular_solve
from descend.graph.matrices import matmul, mt
from descend.graph.node import Dim, Node
from descend.graph.scan import scan_nodes
from descend.graph.source import const, input_node
from descend.graph.spectral import EIGH, PINV, QR, SVD
from descend.graph.subgraph import Body
from whole import sampled

Array = np.ndarray
RNG = np.random.default_rng(3)
R = Dim()


def tall(a: Node) -> Node:
    return matmul(a, mt(a))


BUILDS: dict[str, Callable[..., Node]] = {
    "solve": solve,
    "solve transposed": lambda a, b: solve(a, b, True),
    "inverse": lambda a, b: inverse(a),
    "lower": lambda a, b: triangular_solve(a, b, True),
    "lower transposed": lambda a, b: triangular_solve(a, b, True, True),
    "upper": lambda a, b: triangular_solve(a, b, False),
    "upper transposed": lambda a, b: triangular_solve(a, b, False, True),
    "cholesky": lambda a, b: cholesky(tall(a)),
    "det": lambda a, b: DET.apply(a),
    "slogdet": lambda a, b: SLOGDET.apply(a),
    "eigh": lambda a, b: EIGH.apply(tall(a)),
    "svd": lambda a, b: SVD.apply(a),
    "svd tall": lambda a, b: SVD.apply(b),
    "pinv": lambda a, b: PINV.apply(b, rcond=1e-12),
    "pinv wide": lambda a, b: PINV.apply(mt(b), rcond=1e-12),
    "qr": lambda a, b: QR.apply(a),
    "qr tall": lambda a, b: QR.apply(b),
}


def compared(outputs: list[Node], inputs: list[Node], values: list[Array]) -> None:
    want = evaluate(outputs, dict(zip(inputs, values, strict=True)))
    got = compile_graph(outputs, inputs)(values)
    for have, expected in zip(got, want, strict=True):
        assert have.shape == expected.shape and have.dtype == expected.dtype
        tolerance = 3e4 * np.finfo(have.dtype).eps
        size = np.abs(expected[np.isfinite(expected)]).max(initial=1.0)
        np.testing.assert_allclose(have, expected, rtol=tolerance, atol=tolerance * size)


LEADS = [((), "f8"), ((), "f4"), ((2,), "f8"), ((R, 2), "f8")]


@sampled("n, kind", itertools.product([6, 1, 3], LEADS), 3, ids=str)
def test_values_and_gradients(n: int, kind: tuple) -> None:
    """Squares, so that the signs of vectors do not matter, which libraries choose as they like."""
    lead, dtype = kind
    known = tuple(5 if e is R else e for e in lead)
    values = [
        (RNG.normal(size=(*known, n, n)) + 2 * np.eye(n)).astype(dtype),
        RNG.normal(size=(*known, n, 2 if n > 1 else 1)).astype(dtype),
    ]
    inputs = [input_node("x", (*lead, *v.shape[len(lead) :]), dtype) for v in values]
    outputs = [build(*inputs) for build in BUILDS.values()]
    squares = [mul(o, o) for o in outputs]
    sums = [reduce_sum(s, tuple(range(s.ndim))) for s in squares[1:9]]
    total = sums[0]
    for part in sums[1:]:
        total = add(total, part)
    compared([*squares, *reverse([total], [const(1.0, dtype)], inputs)], inputs, values)


@pytest.mark.parametrize("n", [2, 6])
@pytest.mark.parametrize("name", BUILDS)
def test_rows_keep_to_themselves_in_native_primitives_as_before(name: str, n: int) -> None:
    """Else a step on many rows would go through them in blocks, and its code could not."""
    made = BUILDS[name](*[input_node("x", (R, n, m)) for m in (n, max(1, n // 3))])
    total = reduce_sum(mul(made, made), tuple(range(made.ndim)))
    assert split([total], R) is not None
    assert split(legalise([total]), R) is not None


def test_more_rows_than_are_solved_one_by_one() -> None:
    n = 70
    values = [RNG.normal(size=(n, n)) + 20 * np.eye(n), RNG.normal(size=(n, 3))]
    inputs = [input_node("x", v.shape) for v in values]
    names = ("solve", "solve transposed", "lower", "upper transposed", "cholesky", "slogdet")
    compared([BUILDS[name](*inputs) for name in names], inputs, values)


@pytest.mark.parametrize("n", [3, 6])
def test_singular_matrices_are_nan_and_spoil_nothing_else(n: int) -> None:
    bad = np.ones((n, n))
    hole = np.eye(n)
    hole[2, 1] = np.nan
    a = np.stack([bad, np.eye(n), hole])
    x, b = input_node("x", a.shape), input_node("b", (3, n, 1))
    outputs = [solve(x, b), triangular_solve(mul(x, const(np.zeros(a.shape))), b, True),
               cholesky(x), DET.apply(x), EIGH.apply(tall(x)), SVD.apply(x)]  # fmt: skip
    found = compile_graph(outputs, [x, b])([a, np.ones((3, n, 1))])
    for value in (found[0], found[2], found[4], found[5]):
        assert np.isfinite(value[1]).all() and np.isnan(value[2]).all()
    assert np.isnan(found[0][0]).all() and np.isnan(found[2][0]).all()
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[3], [0.0, 1.0, np.nan])


@pytest.mark.parametrize("n", [2, 5])
def test_in_a_loop(n: int) -> None:
    """A Kalman filter's kind of recurrence: the carry is solved for again and again."""
    carry, step = input_node("carry", (n, n)), input_node("step", (n, n))
    body = Body((carry, step), (inverse(add(carry, tall(step))), DET.apply(carry)))
    start, steps = input_node("start", (n, n)), input_node("steps", (4, n, n))
    outputs = scan_nodes(body, [start], [steps], [], 4)
    values = [np.eye(n), RNG.normal(size=(4, n, n))]
    loss = reduce_sum(outputs[0], (0, 1))
    back = reverse([loss], [const(1.0)], [start, steps])
    compared([*outputs, *back], [start, steps], values)

"""Large arrays by bits and by pieces: the numbers of the plain ways."""

import itertools

import numpy as np
import pytest

from descend.graph.evaluate import evaluate
from descend.graph.large import MANY, PIECE, chosen, matrix_product
from descend.graph.multilinear import LARGE, contract
from descend.graph.source import input_node

RNG = np.random.default_rng(0)
SHAPES = [
    (1797, 64, 100), (64, 1797, 100), (5000, 7, 9), (9, 5000, 7), (300, 600, 500), (1, 900, 80),
]  # fmt: skip
ODD = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-320, -3.5]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.float16, bool])
@pytest.mark.parametrize("size", [7, 2 * MANY])
def test_choosing_by_bits_is_where(dtype, size):
    with np.errstate(all="ignore"):
        yes = RNG.choice(ODD, size).astype(dtype)
        no = np.broadcast_to(np.asarray(RNG.choice(ODD)).astype(dtype), size)
    condition = RNG.random(size) < 0.5
    for a, b in ((yes, no), (no, yes), (yes[::-1], yes)):
        found, known = chosen(condition, a, b), np.where(condition, a, b)
        assert found.dtype == known.dtype
        assert found.tobytes() == known.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_products_in_pieces(shape, dtype):
    m, k, n = shape
    a, b = RNG.standard_normal((m, k)).astype(dtype), RNG.standard_normal((k, n)).astype(dtype)
    known = np.einsum("ij,jk->ik", a, b, dtype=np.longdouble)
    error = np.abs(matrix_product(a, b) - known).max() / np.sqrt(k)
    assert error < 4 * np.finfo(dtype).eps * np.abs(known).max()
    for left, right in ((np.asfortranarray(a), b), (a, np.asfortranarray(b))):
        error = np.abs(matrix_product(left, right) - known).max() / np.sqrt(k)
        assert error < 4 * np.finfo(dtype).eps * np.abs(known).max()


@pytest.mark.parametrize("size", [3, 90])
def test_contractions_in_every_order_of_axes(size):
    a, b = RNG.standard_normal((size, size + 1)), RNG.standard_normal((size + 1, size + 2))
    work = a.size * b.shape[1]
    assert work < LARGE if size == 3 else work > PIECE
    for flip, turn, out in itertools.product((0, 1), (0, 1), ((0, 2), (2, 0))):
        left, right = (a.T if flip else a), (b.T if turn else b)
        x, y = input_node("x", left.shape), input_node("y", right.shape)
        made = contract(x, y, (1, 0) if flip else (0, 1), (2, 1) if turn else (1, 2), out)
        known = np.tensordot(a, b, 1)
        (found,) = evaluate([made], {x: left, y: right})
        known = known if out == (0, 2) else known.T
        np.testing.assert_allclose(found, known, rtol=1e-12, atol=1e-12)

"""Sums of products that are formed together, tile by tile, against NumPy."""

from __future__ import annotations

import itertools

import numpy as np

import descend
from descend.compile.function import compile_graph
from descend.compile.function_text import write_function
from descend.differentiate.gauss_newton import normal_equations
from descend.graph.elementwise import call
from descend.graph.linear import broadcast, reduce_sum
from descend.graph.node import Dim
from descend.graph.source import input_node
from whole import sampled

ROWS = Dim("rows")


def waves(p, dtype=np.float64):
    """Residuals Σ cₖ·tanh(k·x/9 + cₖ) − y, whose Jacobian has no column in common with another."""
    x, y = (input_node(name, (ROWS,), dtype) for name in "xy")
    leaves = [input_node(f"c{k}", (), dtype) for k in range(p)]
    total = call("neg", y)
    for k, leaf in enumerate(leaves):
        wide = broadcast(leaf, (ROWS,), ())
        inner = call("add", call("mul", x, (k + 1) / 9), wide)
        total = call("add", total, call("mul", wide, call("tanh", inner)))
    return total, leaves, [x, y, *leaves]


def jacobian(x, c):
    """The same with NumPy: one row a parameter, and the residuals without y."""
    inner = np.arange(1, c.size + 1)[:, None] / 9 * x + c[:, None]
    rows = np.tanh(inner) + c[:, None] * (1 - np.tanh(inner) ** 2)
    return rows, c @ np.tanh(inner)


ROW_COUNTS = [1, 7, 8, 63, 64, 65, 200, 4096, 4099]


@sampled("n, p", itertools.product(ROW_COUNTS, [9, 13, 20, 31]), 3)
def test_normal_equations_of_any_number_of_rows(p, n):
    residual, leaves, inputs = waves(p)
    squares = reduce_sum(call("mul", residual, residual), (0,))
    outputs = [*normal_equations(residual, leaves), squares]
    assert "@tiles" in write_function(outputs, inputs)[0]
    rng = np.random.default_rng(n)
    x, y, c = rng.normal(size=n), rng.normal(size=n), rng.normal(size=p)
    jtj, jtr, square = compile_graph(outputs, inputs)([x, y, *c])
    rows, value = jacobian(x, c)
    size = np.abs(rows) @ np.abs(rows).T
    np.testing.assert_allclose(jtj, rows @ rows.T, atol=1e-14 * size.max())
    np.testing.assert_array_equal(jtj, jtj.T)
    np.testing.assert_allclose(jtr, rows @ (value - y), atol=1e-13 * size.max())
    np.testing.assert_allclose(square, np.sum((value - y) ** 2), rtol=1e-13)


def test_single_precision():
    residual, leaves, inputs = waves(12, np.float32)
    outputs = normal_equations(residual, leaves)
    assert "@tiles" in write_function(outputs, inputs)[0]
    rng = np.random.default_rng(0)
    x, y, c = (rng.normal(size=n).astype(np.float32) for n in (150, 150, 12))
    jtj, jtr = compile_graph(outputs, inputs)([x, y, *c])
    rows, value = jacobian(x.astype(float), c.astype(float))
    assert jtj.dtype == np.float32
    np.testing.assert_allclose(jtj, rows @ rows.T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(jtr, rows @ (value - y), rtol=1e-4, atol=1e-3)


def test_weights_make_two_sets_of_factors():
    residual, leaves, inputs = waves(10)
    bend, slope = (input_node(name, (ROWS,)) for name in ("bend", "slope"))
    outputs = normal_equations(residual, leaves, slope, bend)
    rng = np.random.default_rng(0)
    x, y, b, g, c = (rng.normal(size=n) for n in (77, 77, 77, 77, 10))
    jtj, jtr = compile_graph(outputs, [*inputs, bend, slope])([x, y, *c, b, g])
    rows, _ = jacobian(x, c)
    np.testing.assert_allclose(jtj, (rows * b) @ rows.T, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(jtr, rows @ g, rtol=1e-11, atol=1e-11)


def test_a_row_that_is_not_finite_shows_in_its_sums_alone():
    """What fills a strip up is zero, and multiplied with zero only."""
    residual, leaves, inputs = waves(9)
    outputs = normal_equations(residual, leaves)
    x, c = np.linspace(-1, 1, 13), np.full(9, 0.5)
    y = np.where(np.arange(13) == 12, np.inf, 0.0)
    jtj, jtr = compile_graph(outputs, inputs)([x, y, *c])
    rows, _ = jacobian(x, c)
    np.testing.assert_allclose(jtj, rows @ rows.T, rtol=1e-13)
    assert not np.isfinite(jtr).any()


def test_text_grows_with_the_parameters_and_not_with_their_square():
    def lines(p):
        residual, leaves, inputs = waves(p)
        r = call("mul", residual, residual)
        return write_function([*normal_equations(residual, leaves), reduce_sum(r, (0,))], inputs)[
            0
        ].count("\n")

    short, middle, long = lines(10), lines(20), lines(30)
    assert long - middle < 1.5 * (middle - short)


def test_few_rows_of_known_number_and_batches():
    """Rows that are written out, and batches of a known size, whatever way their sums take."""
    x = np.linspace(-1, 1, 48)
    k = np.arange(10)

    def wave(x, c):
        return np.tanh(np.cos(np.pi * x[:, None] * k) @ c)

    truth = np.random.default_rng(0).normal(size=10) / 3
    for rows in (11, 16, 17, 48):
        y = wave(x[:rows], truth)
        fit = descend.fit(wave, x[:rows], y, start={"c": np.zeros(10)}, starts=1)
        assert fit.success
        np.testing.assert_allclose(wave(x[:rows], fit.params["c"]), y, atol=1e-9)

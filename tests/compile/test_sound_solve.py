"""`sound_solve`, interpreted, compiled and over several fits, against SciPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.linalg

import descend
from descend.compile.function import compile_graph
from descend.compile.many_native import NativeMany
from descend.graph.sound_solve import SOUND_SOLVE
from descend.graph.source import input_node
from descend.methods.linear_algebra import UNROLLED, sound_solve
from whole import sampled


def definite(n, seed, dtype=np.float64):
    """A well-conditioned matrix in units from 1e-3 to 1e3."""
    a = np.random.default_rng(seed).normal(size=(3 * n, n))
    units = 10.0 ** np.linspace(-3, 3, n)
    return (a.T @ a * units[:, None] * units).astype(dtype)


def sides_of(m, n, seed, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=(m, n)).astype(dtype)


def native(a, sides, shift, held, settled=False):
    arrays = [a, sides, shift, held, np.asarray(settled)]
    nodes = [input_node(f"x{i}", v.shape, v.dtype) for i, v in enumerate(arrays)]
    return compile_graph([SOUND_SOLVE.apply(*nodes)], nodes)(arrays)[0]


def held_like(sides):
    return np.full((len(sides) + 2, sides.shape[1]), 7.0, sides.dtype)


SIZES = [1, 2, 5, 8, 9, 14, 16, 17, 31, 33, 70]


@sampled("n, m, dtype", itertools.product(SIZES, [1, 2, 3], [np.float64, np.float32]), 5)
def test_native_and_numpy_solve_what_scipy_solves(n, m, dtype):
    a, sides, shift = definite(n, n, dtype), sides_of(m, n, n, dtype), sides_of(1, n, 1, dtype)[0]
    # Larger where float32 keeps fewer digits: the matrices have condition 1e12 by their units.
    close = {np.float64: 1e-9, np.float32: 2e-3}[dtype]
    expected = scipy.linalg.solve(a.astype(float), sides.T.astype(float), assume_a="pos").T
    size = np.sqrt(np.diagonal(a).astype(float))
    for found in (native(a, sides, shift, held_like(sides)),
                  SOUND_SOLVE.meaning(a, sides, shift, held_like(sides), False)):  # fmt: skip
        scale = np.abs(expected * size).max()
        np.testing.assert_allclose(found[1:-1] * size, expected * size, atol=close * scale)
        lower = np.linalg.cholesky(a.astype(float))
        half = scipy.linalg.solve_triangular(lower, shift + expected[0], lower=True)
        square = np.sum(found[0].astype(float) * found[-1].astype(float) ** 2)
        np.testing.assert_allclose(square, half @ half, rtol=10 * close)


@pytest.mark.parametrize("n", [6, 12, 40])
def test_what_the_others_determine_is_dropped_and_stands_still(n):
    a = definite(n, n)
    a[4], a[:, 4] = a[2], a[:, 2]
    a[4, 4] = a[2, 2]
    x = np.arange(1.0, n + 1)
    x[4] = 0
    sides, shift = (a @ x)[None], np.zeros(n)
    for found in (native(a, sides, shift, held_like(sides)),
                  SOUND_SOLVE.meaning(a, sides, shift, held_like(sides), False)):  # fmt: skip
        assert found[0, 4] == 0 and np.all(np.delete(found[0], 4) > 0)
        np.testing.assert_allclose(found[1], x, rtol=1e-6)


def test_a_settled_question_gets_the_answer_that_is_held():
    a, sides, shift = definite(9, 0), sides_of(2, 9, 0), np.zeros(9)
    held = np.arange(36.0).reshape(4, 9)
    np.testing.assert_array_equal(native(a, sides, shift, held, True), held)
    np.testing.assert_array_equal(SOUND_SOLVE.meaning(a, sides, shift, held, True), held)


@pytest.mark.parametrize("n", [UNROLLED, UNROLLED + 1])
def test_both_forms_say_the_same(n):
    a, b = definite(n, 3), sides_of(2, n, 3)
    found, x = sound_solve(a, list(b), b[1]), scipy.linalg.solve(a, b.T).T
    np.testing.assert_allclose(found.x, x, rtol=1e-8)
    moved = b[1] + x[0]
    np.testing.assert_allclose(found.square, moved @ scipy.linalg.solve(a, moved), rtol=1e-8)
    assert found.sound and not sound_solve(0 * a, list(b)).sound


def test_the_text_does_not_grow_with_the_matrix(monkeypatch):
    monkeypatch.setenv("DESCEND_CACHE", "off")
    from descend.compile.function_text import write_function

    def lines(n):
        shapes = [(n, n), (2, n), (n,), (4, n)]
        nodes = [input_node(f"x{i}", shape) for i, shape in enumerate(shapes)]
        nodes.append(input_node("settled", (), bool))
        return write_function([SOUND_SOLVE.apply(*nodes)], nodes)[0].count("\n")

    assert lines(400) == lines(100)


def test_fits_side_by_side_have_the_same_bits_in_any_number_of_lanes():
    x, k = np.linspace(-1, 1, 40), np.arange(7)
    rng = np.random.default_rng(0)
    y = np.tanh(rng.normal(size=(11, 7)) @ np.cos(k[:, None] * x))
    y += 0.01 * rng.normal(size=(11, 40))

    def wave(x, c):
        return np.tanh(np.cos(x[:, None] * k) @ c)

    found = []
    monkeypatched = NativeMany.__init__
    for width in (2, 8):

        def narrow(self, program, _width=None, width=width):
            monkeypatched(self, program, width)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(NativeMany, "__init__", narrow)
            patch.setenv("DESCEND_CACHE", "off")
            found.append(descend.fit_many(wave, x, y, start={"c": np.zeros(7)}, optimizer="lm"))
    np.testing.assert_array_equal(found[0].params["c"], found[1].params["c"])
    assert found[0].success.all()
    one = descend.fit(wave, x, y[3], start={"c": np.zeros(7)})
    np.testing.assert_allclose(found[0].params["c"][3], one.params["c"], rtol=1e-6)

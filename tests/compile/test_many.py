"""Many fits as one function: the same bits for any number of lanes, range and neighbour."""

import numpy as np
import pytest

import descend
from descend.compile.many_native import NativeMany
from descend.compile.places import aligned
from descend.methods.damped import LeanLevenbergMarquardt
from descend.methods.table import as_loss
from descend.run.many_job import ManyJob
from descend.task.datasets import read_many
from descend.task.problem import function_problem
from descend.task.starts import many_start


def bump(x, h, m, s, b):
    return h * np.exp(-(((x - m) / s) ** 2)) + b * np.tanh(x)


def job(counts):
    rng = np.random.default_rng(0)
    x = np.linspace(-3, 3, max(counts))
    datasets = []
    for n in counts:
        h, m, s, b = rng.uniform([1, -1, 0.5, 0], [3, 1, 1.5, 1])
        y = bump(x[:n], h, m, s, b) + 0.02 * rng.normal(size=n)
        datasets.append((x[:n], y))
    data = read_many(lambda x, y: function_problem(bump, x, y), datasets, None, {}, None)
    given = {"h": 2.0, "m": 0.1, "s": 1.0, "b": 0.5}
    return ManyJob(data, many_start(data.problem, given, len(counts)), as_loss("mse"))


def results(made, width, ranges):
    method = LeanLevenbergMarquardt()
    built = made.built(method)
    arrays = made.arrays(built, method, 200)
    worker = NativeMany(built.program, width).worker(arrays)
    for first, last in ranges:
        worker.run(first, last)
    return [*arrays.results, arrays.codes, arrays.iterations]


@pytest.mark.parametrize("counts", [[45] * 21, [45, 44, 9, 33, 32, 31, 64, 8, 17, 45, 60]])
def test_lanes_and_ranges_do_not_change_a_bit(counts):
    made, n = job(counts), len(counts)
    whole = results(made, 4, [(0, n)])
    assert np.all(whole[-1] > 0)
    for width, ranges in ((2, [(0, n)]), (8, [(0, n)]), (4, [(5, n), (0, 5)])):
        for one, other in zip(whole, results(made, width, ranges), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_single_lane_agrees():
    """One lane adds up its rows in another order: the same but for rounding."""
    made = job([45] * 5)
    for one, other in zip(results(made, 4, [(0, 5)]), results(made, 1, [(0, 5)]), strict=True):
        if one.dtype.kind == "f":
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_buffers_begin_with_a_cache_line():
    for shape in ((1, 4), (3, 8), (7, 4)):
        made = aligned(shape, np.dtype(np.float32))
        assert made.ctypes.data % 64 == 0 and made.shape == shape


def test_the_first_evaluation_of_each_fit_is_at_its_own_start():
    x = np.linspace(0, 1, 10)
    k = np.linspace(1, 2, 9)
    fits = descend.fit_many(
        lambda x, k: np.exp(-k * x), x, np.exp(-k[:, None] * x), start={"k": k}
    )
    np.testing.assert_array_equal(fits.params["k"], k)
    assert fits.iterations.tolist() == [1] * 9


def test_long_programs_are_cut_into_functions(monkeypatch):
    """The pieces hand on what they share: the same but for the rounding of fused products."""
    monkeypatch.setenv("DESCEND_CACHE", "off")
    made = job([45, 30, 45, 21, 45])
    whole = results(made, 4, [(0, 5)])
    monkeypatch.setattr("descend.compile.many_lanes.WHOLE", 100)
    monkeypatch.setattr("descend.compile.cache._loaded", {})
    for one, other in zip(whole, results(made, 4, [(0, 5)]), strict=True):
        if one.dtype.kind == "f":
            np.testing.assert_allclose(one, other, rtol=1e-6)

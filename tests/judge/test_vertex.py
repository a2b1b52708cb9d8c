"""Minima of losses with straight sides, against all places at which as many rows are met."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.optimize

from descend import DescendWarning, fit
from whole import sampled

N = 16


def parabola(x: Any, a: float, b: float, c: float) -> Any:
    return a + b * x + c * x**2


def decay(x: Any, a: float, k: float, c: float) -> Any:
    return a * np.exp(-k * x) + c


def data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.linspace(0.2, 3.0, N)
    return x, 1.0 - 2.0 * x + 0.7 * x**2 + 0.1 * rng.standard_t(2, N)


def height(r: np.ndarray, q: float, weight: Any) -> float:
    return float(np.mean(weight * np.where(r > 0, (1 - q) * r, -q * r)))


def lowest(x: np.ndarray, y: np.ndarray, q: float, weight: Any) -> tuple[float, np.ndarray]:
    """The best of all parabolas through three points: one of them is a minimum."""
    columns = np.stack([np.ones_like(x), x, x**2], axis=1)
    found = []
    for rows in itertools.combinations(range(N), 3):
        p = np.linalg.solve(columns[list(rows)], y[list(rows)])
        found.append((height(columns @ p - y, q, weight), p))
    return min(found, key=lambda pair: pair[0])


COLUMNS = ["", "sigma", "sample_weight"]


@sampled("q, column, seed", itertools.product([0.5, 0.2, 0.9], COLUMNS, [0, 1, 3]), 4)
def test_a_vertex_is_the_best_of_all(q: float, column: str, seed: int) -> None:
    x, y = data(seed)
    given = np.random.default_rng(seed + 50).uniform(0.5, 2.0, N)
    options = {column: given} if column else {}
    weight = {"": 1.0, "sigma": 1.0 / given, "sample_weight": given}[column]
    best, p = lowest(x, y, q, weight)
    start = {"a": 0.5, "b": -1.0, "c": 0.5}
    fits = [fit(parabola, x, y, start=start, loss=f"quantile({q})", **options) for _ in range(8)]
    assert {f.status for f in fits} == {"kink"} and all(f.success and f.arrived for f in fits)
    found = np.array([fits[0].params[name] for name in "abc"])
    assert found == pytest.approx(p, rel=1e-9)
    assert all(f.params == fits[0].params for f in fits)
    assert height(parabola(x, *found) - y, q, weight) == pytest.approx(best, rel=1e-12)
    assert "kink" in fits[7].message and fits[7].message == fits[0].message


def test_of_minima_along_an_edge_one_is_found() -> None:
    x, y = data(2)
    best, _ = lowest(x, y, 0.5, 1.0)
    for _ in range(8):
        found = fit(parabola, x, y, start={"a": 0.5, "b": -1.0, "c": 0.5}, loss="mae")
        assert found.success and found.loss == pytest.approx(2 * best, rel=1e-12)


def test_the_best_rows_of_a_curve_are_met() -> None:
    x, _ = data(0)
    y = 2.0 * np.exp(-1.5 * x) + 0.3 + 0.02 * np.random.default_rng(4).standard_t(2, N)
    found = [fit(decay, x, y, start={"a": 1.5, "k": 1.0, "c": 0.2}, loss="mae") for _ in range(8)]
    p = np.array([*found[0].params.values()])
    assert all(f.params == found[0].params for f in found)
    heights = []
    for rows in itertools.combinations(range(N), 3):
        through = scipy.optimize.root(
            lambda p, i=list(rows): decay(x[i], *p) - y[i], p, tol=1e-13
        )
        if through.success:
            heights.append(float(np.mean(np.abs(decay(x, *through.x) - y))))
    assert float(np.mean(np.abs(decay(x, *p) - y))) == pytest.approx(min(heights), rel=1e-12)
    assert np.sum(np.abs(decay(x, *p) - y) < 1e-14) == 3


@pytest.mark.parametrize("unit", [1e-12, 1e9])
def test_a_vertex_is_the_same_in_other_units(unit: float) -> None:
    x, y = data(1)
    start = {"a": 0.5, "b": -1.0, "c": 0.5}
    near = fit(parabola, x, y, start=start, loss="mae")
    far = fit(parabola, x, unit * y, start={n: unit * v for n, v in start.items()}, loss="mae")
    assert far.status == near.status == "kink"
    for name, value in near.params.items():
        assert far.params[name] == pytest.approx(unit * value, rel=1e-9)


def test_exact_data_are_met_everywhere() -> None:
    x, _ = data(2)
    y = parabola(x, 1.0, 2.0, -0.5)
    start = {"a": 0.5, "b": 1.0, "c": 0.5}
    found = [fit(parabola, x, y, start=start, loss="mae") for _ in range(8)]
    assert all(f.success and f.params == found[0].params for f in found)
    assert [*found[0].params.values()] == pytest.approx([1.0, 2.0, -0.5], rel=1e-12)


def test_what_explains_no_more_than_a_constant_is_not_cleared_at_once() -> None:
    x = np.linspace(0.0, 30.0, 60)
    y = np.sin(1.9 * x) + 0.05 * np.random.default_rng(3).normal(size=60)
    wave = lambda x, w: np.sin(w * x)  # noqa: E731
    for _ in range(8):
        with pytest.warns(DescendWarning, match="a side minimum"):
            found = fit(wave, x, y, start={"w": 0.7}, loss="mae", starts=1)
        assert found.status == "side_minimum_kept"

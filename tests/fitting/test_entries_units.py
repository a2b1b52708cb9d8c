"""Everyday fits in other units: by every entry the same parameters and the same verdict."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import descend
from fitting.units import decay
from whole import WHOLE, sampled

X = np.linspace(0, 4, 40)
Y = np.stack([decay(X, 2.5, 1.3, 0.5), decay(X, 2.0, 0.9, 0.3)])
Y += 0.05 * np.random.default_rng(1).standard_normal(Y.shape)
UNITS = [(u, v) for e in (1e-12, 1e12) for u, v in ((e, 1.0), (1.0, e), (e, 1 / e), (e, e))]


def free(u, v):
    return {}


def bounded(u, v):
    return dict(bounds=dict(a=(0.1 * v, 9 * v), k=(0.2 / u, 5 / u), c=(0.0, 2 * v)))


def met(u, v):
    return dict(bounds=dict(c=(0.0, 0.2 * v)))


def weighted(u, v):
    return dict(sigma=np.full(40, 0.05 * v))


def robust(u, v):
    return dict(loss=descend.Huber(delta=0.06 * v))


EVERYDAY = [
    (free, "mse", "minimum"), (free, "mae", "kink"), (free, "quantile(0.3)", "kink"),
    (robust, "", "minimum"), (bounded, "mse", "minimum"), (bounded, "mae", "kink"),
    (met, "mse", "bound"), (met, "mae", "kink"), (weighted, "mse", "minimum"),
    (weighted, "mae", "kink"), (weighted, "log_cosh", "minimum"),
]  # fmt: skip


def by_fit(u, v, start, options):
    fit = descend.fit(decay, X * u, Y[0] * v, start=start, **options)
    return fit.verdict, fit.params["a"], fit.params["k"], fit.params["c"]


def by_fit_many(u, v, start, options):
    fit = descend.fit_many(decay, X * u, Y * v, start=start, **options)[0]
    return fit.verdict, fit.params["a"], fit.params["k"], fit.params["c"]


def by_fit_global(u, v, start, options):
    if "sigma" in options:
        options["sigma"] = [options["sigma"]] * 2
    fit = descend.fit_global(decay, [X * u] * 2, [*(Y * v)], shared="k", start=start, **options)
    return fit.verdict, fit.params["a"][0], fit.params["k"], fit.params["c"][0]


ENTRIES = [by_fit, by_fit_many, by_fit_global]


@sampled("everyday, entry", itertools.product(EVERYDAY, ENTRIES), 2)
def test_an_everyday_fit_does_not_depend_on_units(everyday, entry):
    make, loss, verdict = everyday

    def found(u, v):
        options = {**(dict(loss=loss) if loss else {}), **make(u, v)}
        told, *params = entry(u, v, dict(a=v, k=1 / u, c=0.15 * v), options)
        return told, np.array(params) / [v, 1 / u, v]

    said, right = found(1.0, 1.0)
    assert said == verdict
    for unit in UNITS[:: 1 if WHOLE else 3]:
        told, params = found(*unit)
        np.testing.assert_allclose(params, right, rtol=1e-6, err_msg=str(unit))
        assert told == verdict, unit


METHODS, SIZES = ["bfgs", "lbfgs", "cg", "newton", "nelder_mead"], [1e-12, 1.0, 1e12]


@sampled("method, u, v", itertools.product(METHODS, SIZES, SIZES), 4)
def test_a_minimum_of_numbers_in_units_of_their_own(method, u, v):
    def valley(a, b):
        return (1 - a) ** 2 + 10 * (b - a**2) ** 2 + 2

    def found(u, v, w):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", descend.DescendWarning)
            made = descend.minimize(
                lambda a, b: w * valley(a / u, b / v), dict(a=-1.2 * u, b=1.5 * v),
                optimizer=method, max_iter=20_000,
            )  # fmt: skip
        return made.verdict, made.params["a"] / u, made.params["b"] / v

    told, a, b = found(u, v, v)
    assert told == "minimum"
    np.testing.assert_allclose([a, b], [1, 1], rtol=1e-6)


def test_residuals_far_below_one_have_their_curvature():
    """With least squares reweighted, a robust fit in units of 1e-20 is that in units of one."""
    start = dict(a=1.0, k=1.0, c=0.15)
    right = descend.fit(decay, X, Y[0], start=start, loss=descend.Huber(delta=0.06))
    unit = 1e-20
    fit = descend.fit(
        decay, X, Y[0] * unit, start=dict(a=unit, k=1.0, c=0.15 * unit),
        loss=descend.Huber(delta=0.06 * unit),
    )  # fmt: skip
    assert fit.verdict == right.verdict
    assert fit.params["k"] == pytest.approx(right.params["k"], rel=1e-6)
    assert fit.n_evaluations <= right.n_evaluations + 2

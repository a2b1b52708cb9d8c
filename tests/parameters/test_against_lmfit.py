"""Ties and fixed parameters against lmfit 1.3: numbers printed by `bench/lmfit_parameters.py`."""

import numpy as np
import pytest

import descend

X = np.linspace(0.0, 6.0, 61)
Y = (
    3.0 * np.exp(-((X - 2.0) ** 2) / 0.32)
    + 1.5 * np.exp(-((X - 3.5) ** 2) / 0.5)
    + 0.4
    + 0.05 * np.sin(37.0 * X + 1.0)
    + 0.03 * np.cos(91.0 * X)
)
START = dict(a=2.5, b=1.0, c=1.8, d=3.6, s=0.5, t=0.5, base=0.3)
WIDTHS_TIED = {
    "a": (2.9989080929580747, 0.022064799045705998),
    "b": (1.498534081771338, 0.019481177372332407),
    "c": (2.0000676748925597, 0.0034755622281865827),
    "d": (3.4997279167937023, 0.008106709887938752),
    "s": (0.3997669429602536, 0.003025874069953444),
    "t": (0.499708678700317, 0.003782342586480931),
    "base": (0.4015526415858317, 0.009461285509846191),
}
GAP = {
    "a": (2.9999998229144684, 0.021353134257508403),
    "b": (1.500000023528769, 0.019477028295659834),
    "c": (2.000000013372269, 0.004119446165313694),
    "d": (3.500000068685069, 0.009100275328659615),
    "s": (0.4000000704071977, 0.004195605266716193),
    "t": (0.49999993050800207, 0.009854405659233616),
    "base": (0.4, np.nan),
    "gap": (1.5000000553128001, 0.008093176374477672),
}


def model(x, a, b, c, d, s, t, base):
    one = a * np.exp(-((x - c) ** 2) / (2 * s**2))
    return one + b * np.exp(-((x - d) ** 2) / (2 * t**2)) + base


def agree(fit, expected):
    """The parameters to a ten-thousandth of their errors; lmfit differentiates numerically."""
    assert list(fit.params) == list(expected)
    for name, (value, error) in expected.items():
        assert fit.params[name] == pytest.approx(value, abs=1e-4 * error if error > 0 else 0)
        np.testing.assert_allclose(fit.stderr[name], error, rtol=2e-5)


def test_a_tied_width():
    start = {name: value for name, value in START.items() if name != "t"}
    fit = descend.fit(model, X, Y, start=start, ties={"t": "1.25*s"})
    agree(fit, WIDTHS_TIED)
    assert fit.chi2 == pytest.approx(0.11711526837843371, rel=1e-9)
    assert fit.dof == 61 - 6 and fit.covariance_names == ("a", "b", "c", "d", "s", "base")
    assert fit.ties == {"t": "1.25*s"} and "t is tied: t = 1.25*s." in fit.report()


def test_an_inequality_by_a_positive_difference():
    start = {**START, "base": 0.4, "gap": descend.Parameter(1.2, min=0)}
    start["d"] = descend.Parameter(tie="c + gap")
    fit = descend.fit(model, X, Y, start=start, fixed="base")
    agree(fit, GAP)
    assert fit.chi2 == pytest.approx(0.11717261300254403, rel=1e-9)
    assert fit.fixed == ("base",) and fit.bounds == {"gap": (0.0, np.inf)}


def test_a_parameter_on_its_bound():
    """The others as if it were fixed there; lmfit gives no errors at all."""
    fit = descend.fit(model, X, Y, start=START, bounds={"b": (None, 1.4)})
    assert fit.params["b"] == 1.4 and np.isnan(fit.stderr["b"])
    assert fit.chi2 == pytest.approx(0.16489796866708464, rel=1e-9)
    there = descend.fit(model, X, Y, start=START, fixed={"b": 1.4})
    for name in ("a", "c", "d", "s", "t", "base"):
        assert fit.params[name] == pytest.approx(there.params[name], rel=1e-7)
        # One degree of freedom more is left where b counts as fixed from the beginning.
        ratio = np.sqrt(there.dof / fit.dof)
        assert fit.stderr[name] == pytest.approx(there.stderr[name] * ratio, rel=1e-5)
    assert "b lies on its bound 1.4" in fit.report()

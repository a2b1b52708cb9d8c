"""Columns of J that are nearly parallel: JᵀJ cannot tell them apart, J can."""

import mpmath
import numpy as np
import pytest

import descend

COUNT = np.arange(50.0)


def line(x, a, b):
    return a * x + b


def parabola(x, a, b, c):
    return a * x**2 + b * x + c


def noisy(seed: int = 0) -> np.ndarray:
    return 2 * COUNT + 3 + 0.1 * np.random.default_rng(seed).normal(size=COUNT.size)


def exact(columns: list[np.ndarray], y: np.ndarray) -> tuple[list[float], list[float]]:
    """Linear least squares and its standard errors in 60 digits."""
    with mpmath.workdps(60):
        a = mpmath.matrix([[float(v) for v in row] for row in zip(*columns, strict=True)])
        b = mpmath.matrix([float(v) for v in y])
        inverse = (a.T * a) ** -1
        found = inverse * (a.T * b)
        rest = b - a * found
        spread = (rest.T * rest)[0] / (a.rows - a.cols)
        errors = [mpmath.sqrt(spread * inverse[i, i]) for i in range(a.cols)]
        return [float(v) for v in found], [float(v) for v in errors]


@pytest.mark.parametrize("offset", [1e7, 1.7e9, 1e11])
@pytest.mark.parametrize("start", [None, {"a": 1.0, "b": 1.0}])
def test_a_line_far_from_zero(offset: float, start) -> None:
    x, y = offset + COUNT, noisy()
    fit = descend.fit(line, x, y, start=start)
    values, errors = exact([x, np.ones_like(x)], y)
    assert fit.success and fit.n_starts == 1
    tolerance = 10 * np.finfo(float).eps * 2 * offset / x.std()  # ten roundings, by J's condition
    assert list(fit.params.values()) == pytest.approx(values, rel=tolerance)
    # An error is a product of two numbers with such roundings: of J and of the residuals.
    assert list(fit.stderr.values()) == pytest.approx(errors, rel=2 * tolerance)
    again = [descend.fit(line, x, y, start=start) for _ in range(3)]
    assert all(other.params == fit.params and other.stderr == fit.stderr for other in again)


def test_a_parabola_over_years() -> None:
    x = np.arange(1974.0, 2024.0)
    y = 0.02 * (x - 1950) ** 2 + 0.1 * np.random.default_rng(1).normal(size=x.size)
    fit = descend.fit(parabola, x, y)
    values, errors = exact([x**2, x, np.ones_like(x)], y)
    assert list(fit.params.values()) == pytest.approx(values, rel=1e-8)
    assert list(fit.stderr.values()) == pytest.approx(errors, rel=1e-8)


def test_what_is_on_a_bound_stays_there() -> None:
    x, y = 1.7e9 + COUNT, noisy()
    fit = descend.fit(parabola, x, y, bounds={"a": (0.0, 1e-30)})
    plain = descend.fit(line, x, y)
    assert 0 <= fit.params["a"] <= 1e-30 and fit.chi2 == pytest.approx(plain.chi2, rel=1e-6)


def test_the_message_counts_the_steps_by_j() -> None:
    fit = descend.fit(line, 1e9 + COUNT, noisy(), start={"a": 1.0, "b": 1.0})
    assert "by QR of J)" in fit.message and fit.n_evaluations > fit.epochs


def test_what_even_j_cannot_tell_is_said() -> None:
    fit = descend.fit(line, 1e17 + 64 * (COUNT > 25), noisy(), start={"a": 0.0, "b": 0.0})
    assert "do not determine" in fit.errors_note or "not arrived" in fit.errors_note

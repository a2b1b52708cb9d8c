"""A descent that begins at the minimum wobbles about it in the last digits: that is no growth."""

from __future__ import annotations

import numpy as np
import pytest

import descend
from fitting.units import decay

X = np.linspace(0, 4, 50)
NOISE = np.random.default_rng(0).standard_normal(50)


@pytest.mark.parametrize("noise", [0.05, 0.0])
@pytest.mark.parametrize("options", [{}, dict(batch_size=10)])
def test_adam_goes_on_from_the_minimum(noise, options):
    y = decay(X, 2.5, 1.3, 0.5) + noise * NOISE
    best = descend.fit(decay, X, y, start=dict(a=2.0, k=1.0, c=1.0))
    fit = descend.fit(decay, X, y, start=best, optimizer="adam", epochs=300, **options)
    assert fit.verdict == "rule", fit.message
    np.testing.assert_allclose(
        list(fit.params.values()), list(best.params.values()), rtol=3e-3
    )


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_what_shows_in_its_first_digits_has_grown(unit):
    y = (2.0 + 3.0 * X + 0.05 * NOISE) * unit
    best = descend.fit(lambda x, a, b: a + b * x, X, y, start=dict(a=unit, b=unit))
    start = dict(a=best.params["a"], b=1.01 * best.params["b"])
    with pytest.warns(descend.DescendWarning, match="grew"):
        fit = descend.fit(
            lambda x, a, b: a + b * x, X, y, start=start, optimizer=descend.SGD(lr=0.3), epochs=5
        )
    assert fit.verdict == "grew"


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_a_step_is_short_by_the_size_of_the_numbers(unit):
    """xtol is met after as many iterations whatever the unit of the numbers."""
    found = descend.minimize(
        lambda x: (x[0] / unit) ** 2 + 2 * (x[1] / unit) ** 2, np.array([1.0, -1.0]) * unit,
        optimizer=descend.SGD(lr=0.1 * unit**2), max_iter=5000,
    )  # fmt: skip
    assert found.status == "parameters_still"
    assert 100 < found.iterations < 300

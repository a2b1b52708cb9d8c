"""Sigmas and weights of many fits, in every form."""

import numpy as np
import pytest

import descend
from many.decays import START, X, agree, decay, decays


@pytest.mark.parametrize("form", ["points", "fits", "both"])
@pytest.mark.parametrize("absolute", [False, True])
def test_sigma(form, absolute):
    y = decays(5)
    rng = np.random.default_rng(2)
    shape = {"points": (50,), "fits": (5, 1), "both": (5, 50)}[form]
    sigma = rng.uniform(0.02, 0.1, shape)
    fits = descend.fit_many(decay, X, y, start=START, sigma=sigma, absolute_sigma=absolute)
    own = np.broadcast_to(sigma, (5, 50))[3]
    agree(
        fits, 3, descend.fit(decay, X, y[3], start=START, sigma=own, absolute_sigma=absolute)
    )


@pytest.mark.parametrize("form", ["points", "fits", "both"])
@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_weights(form, loss):
    y = decays(5)
    rng = np.random.default_rng(3)
    shape = {"points": (50,), "fits": (5, 1), "both": (5, 50)}[form]
    weight = rng.integers(0 if form == "both" else 1, 4, shape).astype(float)
    sigma = rng.uniform(0.5, 1.5, 50)
    given = {"start": START, "loss": loss, "sigma": sigma}
    fits = descend.fit_many(decay, X, y, sample_weight=weight, **given)
    own = np.broadcast_to(weight, (5, 50))[3]
    single = descend.fit(decay, X, y[3], sample_weight=own, **given)
    if loss == "mse":
        agree(fits, 3, single)
    for name, value in single.params.items():
        np.testing.assert_allclose(fits[3].params[name], value, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(fits[3].stderr[name], single.stderr[name], rtol=1e-4)


def test_a_weight_of_two_is_a_point_twice():
    y = decays(1)[0]
    weight = np.where(np.arange(50) < 20, 2.0, 1.0)
    weighted = descend.fit_many(decay, [(X, y)], start=START, sample_weight=[weight])
    twice = (np.concatenate([X, X[:20]]), np.concatenate([y, y[:20]]))
    repeated = descend.fit_many(decay, [twice], start=START)
    for name in START:
        np.testing.assert_allclose(weighted.params[name], repeated.params[name], rtol=1e-8)
    np.testing.assert_allclose(weighted.chi2, repeated.chi2, rtol=1e-9)

"""Decays to fit by the dozen, and what it means that one of them agrees with a single fit."""

import numpy as np

X = np.linspace(0.0, 4.0, 50)


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def decays(fits, seed=0, noise=0.05):
    rng = np.random.default_rng(seed)
    a, k, c = (rng.uniform(*ends, (fits, 1)) for ends in ((1, 3), (0.5, 2), (-1, 1)))
    return decay(X, a, k, c) + noise * rng.normal(size=(fits, 50))


START = {"a": 1.0, "k": 1.0, "c": 0.0}


def agree(fits, number, single, digits=1e-9):
    """One of many fits is the single fit: parameters to 1e-9 of their errors or themselves."""
    one = fits[number]
    assert one.success and single.success
    for name, value in single.params.items():
        np.testing.assert_allclose(one.params[name], value, rtol=digits, atol=digits)
        np.testing.assert_allclose(one.stderr[name], single.stderr[name], rtol=1e-6)
    np.testing.assert_allclose(one.chi2, single.chi2, rtol=1e-9)
    assert one.dof == single.dof

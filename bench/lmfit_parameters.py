"""Fits with lmfit 1.3, whose numbers stand in `tests/parameters/test_against_lmfit.py`.

Run with a Python that has lmfit: `python bench/lmfit_parameters.py`.
"""

import lmfit
import numpy as np

X = np.linspace(0.0, 6.0, 61)
Y = (
    3.0 * np.exp(-((X - 2.0) ** 2) / 0.32)
    + 1.5 * np.exp(-((X - 3.5) ** 2) / 0.5)
    + 0.4
    + 0.05 * np.sin(37.0 * X + 1.0)
    + 0.03 * np.cos(91.0 * X)
)


def model(x, a, b, c, d, s, t, base):
    one = a * np.exp(-((x - c) ** 2) / (2 * s**2))
    return one + b * np.exp(-((x - d) ** 2) / (2 * t**2)) + base


def fit(**changes):
    start = dict(a=2.5, b=1.0, c=1.8, d=3.6, s=0.5, t=0.5, base=0.3)
    params = lmfit.Model(model).make_params(**start)
    for name, options in changes.items():
        if name in params:
            params[name].set(**options)
        else:
            params.add(name, **options)
    for name in changes:
        if "expr" in changes[name]:
            params[name].set(**changes[name])
    found = lmfit.Model(model).fit(Y, params, x=X, fit_kws={"ftol": 1e-15, "xtol": 1e-15})
    for name, p in found.params.items():
        print(f"    {name!r}: ({p.value!r}, {p.stderr!r}),")
    print("   ", found.chisqr, found.nvarys)


print("widths tied")
fit(t={"expr": "1.25*s"})
print("base fixed, centre tied through a gap")
fit(base={"value": 0.4, "vary": False}, gap={"value": 1.2, "min": 0.0}, d={"expr": "c + gap"})
print("b at most 1.4")
fit(b={"max": 1.4})

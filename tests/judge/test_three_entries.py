"""`fit`, `fit_many` of one and `fit_global` of one say the same of the same data."""

import warnings

import numpy as np
import pytest

import descend

X = np.linspace(0.0, 4.0, 40)


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def product(x, a, b, c):
    return a * b * np.exp(-x) + c


def lorentzian(x, a, m, w):
    return a / (1 + ((x - m) / w) ** 2)


def line(x, a, b):
    return a * x + b


def saturation(x, v, k):
    return v * x / (k + x)


def bent(x, knot, level, left, right):
    return level + left * np.minimum(x - knot, 0) + right * np.maximum(x - knot, 0)


def stairs(x, low, high, p):
    return np.where(x < p, low, high)


TRUTHS = [
    (decay, dict(a=2.5, k=1.3, c=0.5)), (product, dict(a=2.0, b=1.2, c=0.5)),
    (lorentzian, dict(a=2.0, m=1.7, w=0.4)), (line, dict(a=1.0, b=0.3)),
    (saturation, dict(v=2.0, k=0.8)), (bent, dict(knot=2.05, level=1.0, left=-1.0, right=0.5)),
    (stairs, dict(low=1.0, high=2.0, p=2.1)),
]  # fmt: skip
LOSSES = ["mse", "mae", "huber(0.1)", "soft_l1(0.1)", "quantile(0.3)", "cauchy(0.1)"]


def of_all_three(model, y, **options):
    local = [*options.get("start", {"": 0})][:1]
    local = local if local != [""] else [model.__code__.co_varnames[1]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = descend.fit(model, X, y, **options)
        many = descend.fit_many(model, X, y[None], **options)
        whole = descend.fit_global(model, [X], [y], local=local, **options)
    others = [{n: a[0] for n, a in many.params.items()},
              {n: float(np.ravel(a)[0]) for n, a in whole.params.items()}]  # fmt: skip
    return one, [many[0], whole], others


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("model", "truth"), TRUTHS, ids=[m.__name__ for m, _ in TRUTHS])
def test_verdict_and_parameters_are_the_same(model, truth, loss, noise):
    seed = LOSSES.index(loss) + 10 * [m for m, _ in TRUTHS].index(model)
    rng = np.random.default_rng(seed)
    y = model(X, **truth) + noise * rng.normal(size=X.size)
    near, second = {n: 1.2 * v for n, v in truth.items()}, [*truth][1]
    bounded = dict(start={**near, second: 0.7 * truth[second]},
                   bounds={second: (None, 0.8 * truth[second])})  # fmt: skip
    for options in ({}, dict(start=near), bounded):
        one, ends, params = of_all_three(model, y, loss=loss, **options)
        for end, found in zip(ends, params, strict=True):
            assert (end.verdict, end.success) == (one.verdict, one.success)
            if one.verdict == "flat" and model is product:
                np.testing.assert_allclose(
                    model(X, **found), model(X, **one.params), rtol=0, atol=1e-7
                )
                continue
            for name, value in one.params.items():
                error = one.stderr.get(name, np.nan) if noise else np.nan
                size = error if np.isfinite(error) and error > 0 else 0.1 * abs(value)
                same = abs(abs(found[name]) - abs(value)) if name == "w" else found[name] - value
                assert abs(same) <= 1e-6 * size
    # Without a place the product is determined alone.
    if model is product:
        assert one.verdict in ("flat", "bound")


def test_a_global_fit_finds_what_its_datasets_show_where_a_start_is_far_out():
    y = 1.5 * np.sin(3.0 * X + 0.7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = descend.fit_global(
            lambda x, a, f, p: a * np.sin(f * x + p), [X], [y], local=["a"],
            start=dict(a=6.0, f=12.0, p=0.14),
        )  # fmt: skip
    assert fit.success and fit.loss < 1e-20

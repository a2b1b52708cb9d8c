"""What the data leave undetermined is said in plain words, and errors are kept where they hold."""

import numpy as np
import pytest

import descend

X = np.linspace(0, 4, 50)
Y = 2 * np.exp(-0.5 * X) + 0.01 * np.sin(37 * X)


def fit(model, **start):
    return descend.fit(model, X, Y, start=start)


@pytest.mark.parametrize(
    ("model", "start", "what"),
    [
        (lambda x, a, b, k: a * b * np.exp(-k * x), dict(a=1, b=2, k=1), "a·b"),
        (lambda x, a, b, k: a / b * np.exp(-k * x), dict(a=1, b=2, k=1), "a/b"),
        (lambda x, a, b, k: (a + b) * np.exp(-k * x), dict(a=1, b=2, k=1), "a + b"),
        (lambda x, a, b, k: (a - 2 * b) * np.exp(-k * x), dict(a=5, b=1, k=1), "a - 2·b"),
        (lambda x, a, b, k: np.exp(a * b**2 - k * x), dict(a=0.3, b=1, k=1), "a·b²"),
    ],
)
def test_pairs_that_act_as_one(model, start, what):
    found = fit(model, **start)
    assert found.findings[0].startswith(f"The data determine {what}, but not a and b apart")
    assert np.isnan([found.stderr["a"], found.stderr["b"]]).all()
    alone = fit(lambda x, c, k: c * np.exp(-k * x), c=1, k=1)
    assert found.stderr["k"] == pytest.approx(alone.stderr["k"] * np.sqrt(48 / 47), rel=1e-5)
    assert found.findings[0][:40] in " ".join(found.report().split())


def test_more_than_two():
    found = fit(lambda x, a, b, c, k: (a + b + c) * np.exp(-k * x), a=1, b=2, c=0.5, k=1)
    assert "only 1 of the 3 numbers a, b and c: fix 2 of them" in found.findings[0]


def test_what_the_model_does_not_use():
    found = fit(lambda x, a, k, q: a * np.exp(-k * x) + 0 * q, a=1, k=1, q=1)
    assert found.findings[0].startswith("The prediction does not depend on q")
    assert np.isnan(found.stderr["q"]) and found.stderr["a"] > 0
    assert "— no standard error: the prediction does not depend on q." in found.report()


def test_two_nearly_equal_rates_are_hardly_told_apart():
    def two(x, a, b, k, m):
        return a * np.exp(-k * x) + b * np.exp(-m * x)

    noise = np.random.default_rng(1).normal(0, 0.02, 50)
    y = np.exp(-0.5 * X) + np.exp(-0.6 * X) + noise
    found = descend.fit(two, X, y, start=dict(a=0.9, b=1.1, k=0.45, m=0.65))
    assert any(text.startswith("The data hardly determine") for text in found.findings)
    assert any("correlated" in text for text in found.findings)


def test_strong_correlations_are_named():
    x = np.linspace(100, 101, 20)
    y = 2 * x + np.random.default_rng(0).normal(0, 0.1, 20)
    found = descend.fit("y = a*x + b", {"x": x, "y": y}, start=dict(a=1, b=0))
    assert found.findings[-1].startswith("a and b are strongly correlated (-1.0000)")


def test_a_good_fit_has_no_findings():
    assert fit(lambda x, a, k: a * np.exp(-k * x), a=1, k=1).findings == []


def test_the_corrected_criterion():
    found = fit(lambda x, a, k: a * np.exp(-k * x), a=1, k=1)
    assert found.aicc == pytest.approx(found.aic + 12 / 47)

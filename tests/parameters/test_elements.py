"""Single numbers of an array that are fixed: the others are fitted as if these were constants."""

import numpy as np
import pytest

import descend
from descend.errors import UsageError

RNG = np.random.default_rng(8)
X = np.linspace(-1.0, 2.0, 30)
Y = 1.5 - 0.7 * X + 0.4 * X**2 + 0.1 * RNG.normal(size=30)
START = np.array([1.0, 0.25, 0.0])
METHODS = ("lm", "gauss_newton", "bfgs", "lbfgs", "cg", "newton", "nelder_mead")
SAME = ("chi2", "dof", "reduced_chi2", "r2", "aic", "aicc", "bic")


def curve(x, w, s=1.0):
    return s * (w[0] + w[1] * x + w[2] * x**2)


def without(x, p, q):
    return p + START[1] * x + q * x**2


HELD = (
    {"fixed": ["w[1]", "s"]},
    {"fixed": "s", "bounds": {"w[1]": (0.25, 0.25)}},
    {"fixed": ["s"], "bounds": {"w": ([None, 0.25, -9], [9, 0.25, np.inf])}},
    {"constants": ["s"], "bounds": ([-9, 0.25, -9], [9, 0.25, 9])},
)


@pytest.mark.parametrize("held", HELD)
def test_a_fixed_number_is_a_constant_of_the_model(held):
    fit = descend.fit(curve, X, Y, start={"w": START}, **held)
    other = descend.fit(without, X, Y, start={"p": 1.0, "q": 0.0})
    assert fit.params["w"][1] == 0.25 and "w[1]" in fit.fixed
    assert fit.params["w"][[0, 2]] == pytest.approx(list(other.params.values()), rel=1e-9)
    assert fit.stderr["w"][[0, 2]] == pytest.approx(list(other.stderr.values()), rel=1e-9)
    assert np.isnan(fit.stderr["w"][1])
    for name in SAME:
        assert getattr(fit, name) == pytest.approx(getattr(other, name), rel=1e-9), name
    line = next(line for line in str(fit).splitlines() if "w[1]" in line)
    assert "fixed" in line and "lies on its bound" not in str(fit)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_it(method):
    fit = descend.fit(curve, X, Y, start={"w": START}, fixed=["w[1]", "s"], optimizer=method)
    other = descend.fit(without, X, Y, start={"p": 1.0, "q": 0.0})
    assert fit.params["w"][1] == 0.25
    assert fit.params["w"][[0, 2]] == pytest.approx(list(other.params.values()), rel=1e-3)


@pytest.mark.parametrize("method", ["sgd", "adam", "rmsprop", "adagrad", "adamw"])
def test_methods_with_a_learning_rate_take_the_same_steps(method):
    own = {"optimizer": method, "lr": 0.01, "epochs": 20, "batch_size": 10, "shuffle": False}
    fit = descend.fit(curve, X, Y, start={"w": START}, fixed=["w[1]", "s"], **own)
    other = descend.fit(without, X, Y, start={"p": 1.0, "q": 0.0}, **own)
    assert fit.params["w"][1] == 0.25
    assert fit.params["w"][[0, 2]] == pytest.approx(list(other.params.values()), rel=1e-12)


def test_another_value_is_seen_in_every_fit():
    for value in (0.25, 0.25, 0.25, -0.5, 1.0):
        start = {"w": [1.0, value, 0.0]}
        fit = descend.fit(curve, X, Y, start=start, fixed=["w[1]"], constants=["s"])
        assert fit.params["w"][1] == value and np.isnan(fit.stderr["w"][1])
    for low, high in ((-1, 1), (-1, 1), (-1, 1), (0.25, 0.25), (0.25, 0.25), (-9, 9)):
        fit = descend.fit(curve, X, Y, start={"w": START}, bounds={"w[1]": (low, high)}, fixed="s")
        assert (fit.params["w"][1] == 0.25) == (low == high)


def test_an_array_whose_numbers_are_all_fixed_is_fixed():
    fit = descend.fit(curve, X, Y, start={"w": START}, fixed=["w[0]", "w[1]", "w[2]"])
    assert fit.fixed == ("w",) and fit.params["w"].tolist() == START.tolist()
    assert np.isfinite(fit.stderr["s"]) and fit.dof == 29


def test_a_poisson_fit_counts_only_what_is_free():
    counts = np.random.default_rng(2).poisson(np.exp(1.0 + 0.25 * X))
    own = {"loss": "poisson_log_rate"}
    fit = descend.fit(curve, X, counts, start={"w": START}, fixed=["w[1]", "s"], **own)
    other = descend.fit(without, X, counts, start={"p": 1.0, "q": 0.0}, **own)
    assert (fit.dof, fit.aic) == (other.dof, pytest.approx(other.aic, rel=1e-9))
    assert fit.stderr["w"][[0, 2]] == pytest.approx(list(other.stderr.values()), rel=1e-5)


def test_profiles_let_it_be():
    fit = descend.fit(curve, X, Y, start={"w": START}, fixed=["w[1]", "s"])
    other = descend.fit(without, X, Y, start={"p": 1.0, "q": 0.0})
    ours, theirs = fit.profile("w[2]"), other.profile("q")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-6)


def test_a_fit_that_goes_on_keeps_it():
    first = descend.fit(curve, X, Y, start={"w": START}, fixed=["w[1]", "s"], optimizer="adam",
                        lr=0.01, epochs=3)  # fmt: skip
    second = descend.fit(curve, X, Y, resume=first, optimizer="adam", lr=0.01, epochs=6)
    assert second.params["w"][1] == 0.25 and second.fixed == first.fixed


def test_minimize_keeps_it_too():
    found = descend.minimize(lambda w: np.sum((w - 2.0) ** 2), start=dict(w=START), fixed=["w[1]"])
    assert found.params["w"] == pytest.approx([2.0, 0.25, 2.0])


@pytest.mark.parametrize(
    "options, words",
    [
        ({"fixed": ["w[3]"]}, r'fixed names "w\[3\]", which is no parameter'),
        ({"fixed": {"w[1]": 2.0}}, r"gives w\[1\] the value 2.0, and it is a part of w"),
        ({"fixed": ["w[1]"], "bounds": {"w[1]": (1, 2)}},
         r"w\[1\] is fixed at 0.25, outside its bounds 1 to 2"),
        ({"bounds": {"w[1]": (1, 1)}}, r"w\[1\] starts at 0.25, outside its bounds 1 to 1"),
        ({"bounds": {"w[1]": (2, 1)}}, r"the bounds of w\[1\] are 2 and 1: nothing lies between"),
        ({"fixed": ["w[1]"], "ties": {"w": "s*w"}}, "w"),
        ({"start": {"w": descend.Parameter(START + 1, scale="log")}, "fixed": ["w[1]"]},
         "w has a log scale, and some of its numbers are fixed"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        descend.fit(curve, X, Y, **{"start": {"w": START}, **options})


def test_fit_many_fixes_single_numbers_as_fit_does():
    def parabola(x, w):
        return w[0] + w[1] * x + w[2] * x**2

    given = {"start": {"w": np.array([1.0, 0.25, 1.0])}, "fixed": ["w[1]"]}
    y = np.stack([np.sin(X), np.cos(2 * X)])
    made = descend.fit_many(parabola, X, y, **given)
    # With that number known, what is left is linear: NumPy solves it.
    base = np.stack([np.ones_like(X), X**2], axis=1)
    inverse = np.linalg.inv(base.T @ base)
    for number, target in enumerate(y - 0.25 * X):
        best = inverse @ base.T @ target
        chi2 = np.sum((target - base @ best) ** 2)
        errors = np.sqrt(np.diagonal(inverse) * chi2 / (len(X) - 2))
        assert made.success[number] and made.dof[number] == len(X) - 2
        np.testing.assert_allclose(made.params["w"][number], [best[0], 0.25, best[1]], rtol=1e-7)
        np.testing.assert_allclose(made.stderr["w"][number, ::2], errors, rtol=1e-6)
        assert np.isnan(made.stderr["w"][number, 1])

"""Bounds, fixed and tied parameters with every method: one contract."""

import numpy as np
import pytest
from scipy.optimize import least_squares

import descend
from descend.methods.table import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore:not converged after")
"""Few iterations suffice for what is looked at here."""

X = np.linspace(0.0, 4.0, 25)
Y = 2.0 * X - 1.0 + 0.1 * np.sin(7.0 * X)
RATES = {"sgd": 0.05, "adagrad": 0.5, "rmsprop": 0.01, "adam": 0.02, "adamw": 0.02}


class Newton(descend.Optimizer):
    """A vector method of the user's own that knows nothing of bounds."""

    scope = "vector"
    needs = "gauss_newton"

    def step(self, p, e, s, h):
        return p - np.linalg.solve(e.jtj, e.jtr), s


class Descent(descend.Optimizer):
    """A vector method with gradients, likewise."""

    scope = "vector"

    def step(self, p, e, s, h):
        return p - 0.05 * e.gradient, s


METHODS = {name: name for name in OPTIMIZERS if name != "levenberg_marquardt"}
METHODS |= {"own Newton": Newton(), "own descent": Descent()}


def line(x, a, b):
    return a * x + b


def run(optimizer, **options):
    lr = RATES.get(optimizer) if isinstance(optimizer, str) else None
    if isinstance(optimizer, str):
        optimizer = OPTIMIZERS[optimizer](**({} if lr is None else {"lr": lr}))
    return descend.fit(line, X, Y, optimizer=optimizer, epochs=4000, **options)


def oracle(lower, upper):
    found = least_squares(
        lambda p: line(X, *p) - Y, [1.0, 0.0], bounds=(lower, upper), xtol=1e-15, ftol=1e-15,
        gtol=1e-15,
    )  # fmt: skip
    return found.x


def tolerance(name):
    return {"rmsprop": 0.02, "adamw": 0.05, "adagrad": 1e-4, "adam": 1e-4}.get(name, 1e-6)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("lower", "upper"),
    [([-9, -9], [9, 9]), ([-9, -9], [1.5, 9]), ([-9, -0.5], [9, 9]), ([2.5, -9], [3.0, -2.0])],
    ids=["inside", "on the upper", "on the lower", "in a corner"],
)
def test_every_method_ends_where_scipy_does(name, lower, upper):
    start = dict(a=np.clip(1.0, lower[0], upper[0]), b=np.clip(0.0, lower[1], upper[1]))
    fit = run(METHODS[name], start=start, bounds=(lower, upper))
    expected = oracle([-9, -9], [9, 9])
    if not np.all((lower <= expected) & (expected <= upper)):
        expected = descending_oracle(lower, upper)
    found = np.array(list(fit.params.values()))
    np.testing.assert_allclose(found, expected, atol=tolerance(name))
    assert np.all(found >= lower) and np.all(found <= upper)


def descending_oracle(lower, upper):
    """The minimum of a bounded quadratic in two dimensions, face by face."""
    jacobian = np.stack([X, np.ones_like(X)], 1)
    corners = [np.linalg.lstsq(jacobian, Y, rcond=None)[0]]
    for i, j in ((0, 1), (1, 0)):
        for edge in (lower[i], upper[i]):
            p = np.empty(2)
            p[i] = edge
            rest = Y - jacobian[:, i] * edge
            p[j] = np.clip(rest @ jacobian[:, j] / (jacobian[:, j] ** 2).sum(), lower[j], upper[j])
            corners.append(p)
    inside = [p for p in corners if np.all((lower <= p) & (p <= upper))]
    return min(inside, key=lambda p: np.sum((jacobian @ p - Y) ** 2))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_leaves_fixed_parameters_and_keeps_ties(name):
    fit = run(METHODS[name], start=dict(a=1.0), fixed={"b": -0.5})
    slope = X @ (Y + 0.5) / (X @ X)
    assert fit.params["b"] == -0.5
    assert fit.params["a"] == pytest.approx(slope, abs=tolerance(name))
    fit = run(METHODS[name], start=dict(a=1.0), ties={"b": "-a/2"})
    slope = (X - 0.5) @ Y / ((X - 0.5) @ (X - 0.5))
    assert fit.params["b"] == -fit.params["a"] / 2
    assert fit.params["a"] == pytest.approx(slope, abs=tolerance(name))


@pytest.mark.parametrize("optimizer", ["lm", "bfgs"])
def test_no_trial_is_outside(optimizer):
    """The next point to be evaluated is part of the state after each epoch."""
    model = lambda x, a, k: a * np.exp(-k * x)  # noqa: E731
    y = 3.0 * np.exp(-1.5 * X)
    bounds = {"a": (0.5, 2.5), "k": (1e-3, 1.45)}
    seen = set()
    for epochs in range(1, 25):
        fit = descend.fit(
            model, X, y, start=dict(a=0.5, k=0.01), bounds=bounds, optimizer=optimizer,
            epochs=epochs,
        )  # fmt: skip
        a, k = fit._evidence.state.arrays["all parameters"]
        assert 0.5 <= a <= 2.5 and 1e-3 <= k <= 1.45
        seen.add((a, k))
    assert len(seen) > 3
    found = least_squares(
        lambda p: model(X, *p) - y, [0.6, 0.01], bounds=([0.5, 1e-3], [2.5, 1.45]),
        xtol=1e-15, ftol=1e-15, gtol=1e-15,
    ).x  # fmt: skip
    np.testing.assert_allclose(list(fit.params.values()), found, rtol=1e-5)


def test_arrays_have_bounds_of_their_own():
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(60, 3)), np.array([1.0, -2.0, 0.5])
    y = x @ w
    model = lambda x, w: x @ w  # noqa: E731
    fit = descend.fit(
        model, x, y, start=dict(w=np.zeros(3)), bounds={"w": ([-1, -1, -1], [None, None, 0.2])}
    )
    found = least_squares(
        lambda p: x @ p - y, np.zeros(3), bounds=([-1] * 3, [np.inf, np.inf, 0.2]), xtol=1e-15,
        ftol=1e-15, gtol=1e-15,
    ).x  # fmt: skip
    np.testing.assert_allclose(fit.params["w"], found, atol=1e-6)
    assert fit.params["w"][1] == -1 and fit.params["w"][2] == 0.2
    assert "w[1] lies on its bound -1" in fit.report()
    single = descend.fit(model, x, y, start=dict(w=np.zeros(3)), bounds={"w[1]": (-1, None)})
    assert single.params["w"][1] == -1 and single.bounds == {"w[1]": (-1.0, np.inf)}


@pytest.mark.parametrize("optimizer", [None, "bfgs", descend.Adam(lr=0.05)])
def test_scales_move_another_number_and_tell_the_parameter(optimizer):
    """Where it ends, and its errors, do not depend on the scale."""
    model = lambda x, a, k, c: a * np.exp(-k * x) + c  # noqa: E731
    y = model(X, 2.5, 1.3, 0.5) + 0.03 * np.cos(9.0 * X)
    plain = descend.fit(model, X, y, start=dict(a=1.0, k=1.0, c=1.0))
    start = dict(
        a=descend.Parameter(1.0, scale="log"),
        k=descend.Parameter(1.0, min=0.0, max=3.0, scale="logit"),
        c=(1.0, (0.0, None)),
    )
    fit = descend.fit(model, X, y, start=start, optimizer=optimizer, epochs=3000)
    for name in plain.params:
        error = plain.stderr[name]
        assert fit.params[name] == pytest.approx(plain.params[name], abs=1e-3 * error)
        assert fit.stderr[name] == pytest.approx(error, rel=1e-3)
    assert fit.scaled == {"a": "log", "k": "logit"}


def test_a_logarithm_ends_exactly_on_its_bound():
    start = dict(a=descend.Parameter(1.0, max=1.5, scale="log"), b=0.0)
    fit = descend.fit(line, X, Y, start=start)
    assert fit.params["a"] == 1.5
    assert fit.params["b"] == pytest.approx(np.mean(Y - 1.5 * X), rel=1e-9)


@pytest.mark.parametrize("start", [None, "random"])
def test_candidates_and_further_starts_respect_bounds(start):
    bounds = {"a": (5.0, 6.0), "b": (None, -300.0)}
    fit = descend.fit(line, X, Y, start=start, bounds=bounds, starts=4, epochs=1)
    assert 5.0 <= fit.start["a"] <= 6.0 and fit.start["b"] <= -300.0
    tied = descend.fit(line, X, Y, start=start, ties={"b": "-3*a"}, epochs=1)
    assert tied.start["b"] == -3 * tied.start["a"]


def test_changing_numbers_compiles_nothing():
    first = descend.fit(line, X, Y, start=dict(a=1.0), fixed={"b": 0.0}, bounds={"a": (0, 1)})
    second = descend.fit(line, X, Y, start=dict(a=1.0), fixed={"b": 1.0}, bounds={"a": (-3, 1.2)})
    assert second.compile_seconds == 0 and first.engine == "native"
    assert (first.params["a"], second.params["a"]) == (1.0, 1.2)


def test_where_nothing_varies_the_model_is_evaluated():
    fit = descend.fit(line, X, Y, fixed={"a": 2.0}, ties={"b": "a - 3"})
    assert fit.params == {"a": 2.0, "b": -1.0} and fit.success
    assert fit.loss == pytest.approx(np.mean((Y - 2.0 * X + 1.0) ** 2), rel=1e-12)
    assert "every parameter is fixed or tied: the model was only evaluated" in fit.report()


def test_saved_and_resumed(tmp_path):
    options = dict(optimizer=descend.Adam(lr=0.01))
    bonds = dict(fixed={"b": -0.7}, bounds={"a": (0, 1.8)})
    whole = descend.fit(line, X, Y, start=dict(a=1.0), epochs=60, **options, **bonds)
    half = descend.fit(line, X, Y, start=dict(a=1.0), epochs=30, **options, **bonds)
    half.save(tmp_path / "half.descend")
    loaded = descend.load(tmp_path / "half.descend")
    assert loaded.fixed == ("b",) and loaded.bounds == {"a": (0.0, 1.8)}
    for earlier in (half, loaded):
        resumed = descend.fit(line, X, Y, resume=earlier, epochs=60, **options)
        assert resumed.params == whole.params
        assert resumed.fixed == ("b",) and resumed.bounds == {"a": (0.0, 1.8)}
    free = descend.fit(line, X, Y, start=loaded)
    assert free.params["a"] > 1.8 and free.fixed == ()


def test_a_function_is_minimised_within_bounds():
    found = descend.minimize(
        lambda x: np.sum((x - np.arange(3.0)) ** 2), start=[1.0, 0.5, 1.0],
        bounds=[(0.5, None), (None, 0.9), (None, None)],
    )  # fmt: skip
    np.testing.assert_allclose(found.params, [0.5, 0.9, 2.0], atol=1e-9)
    assert "x[0] lies on its bound 0.5: beyond it the value falls further." in found.report()
    found = descend.maximize("-(a - 2)**2 - (b - 1)**2", start=dict(a=1.0), ties={"b": "2*a"})
    assert found.params["a"] == pytest.approx(0.8) and found.params["b"] == pytest.approx(1.6)


def test_a_method_that_goes_up_presses_the_other_way():
    """Up the gradient of −loss, from a bound that the gradient itself would press against."""
    fit = descend.fit(
        line, X, Y, start=dict(a=2.0, b=0.0), bounds={"a": (None, 3.0), "b": (None, 0.0)},
        loss=lambda prediction, target: -((prediction - target) ** 2),
        optimizer=descend.SGD(lr=0.05, maximize=True), epochs=3000,
    )  # fmt: skip
    np.testing.assert_allclose(list(fit.params.values()), np.polyfit(X, Y, 1), atol=1e-9)


def test_bounds_in_single_precision():
    """A bound is the nearest number of the parameter's kind: the fit is a start within it."""
    start, x, y = dict(a=np.float32(1.0), b=np.float32(0.0)), X.astype("f"), Y.astype("f")
    options = dict(bounds={"a": (0.0, 1.2)}, optimizer="adam", lr=0.02, epochs=2000)
    fit = descend.fit(line, x, y, start=start, **options)
    assert fit.params["a"] == np.float32(1.2) and "a lies on its bound 1.2" in fit.report()
    assert descend.fit(line, x, y, start=fit, **options).params["a"] == np.float32(1.2)


def test_fits_that_are_made_again_keep_their_bonds():
    start = dict(a=1.0, b=0.0)
    for _ in range(4):
        free = descend.fit(line, X, Y, start=start)
        held = descend.fit(line, X, Y, start={**start, "a": descend.Parameter(1.0, max=1.5)})
        bounded = descend.fit(line, X, Y, start=start, bounds={"a": (None, 1.4)})
        assert free.params["a"] > 1.9
        assert held.params["a"] == 1.5 and bounded.params["a"] == 1.4


def test_scales_and_ties_are_resumed(tmp_path):
    model = lambda x, a, k, c: a * np.exp(-k * x) + c  # noqa: E731
    y = model(X, 2.5, 1.3, 0.5)
    start = dict(
        a=descend.Parameter(1.0, scale="log"),
        k=descend.Parameter(1.0, min=0, max=3, scale="logit"),
    )
    options = dict(optimizer=descend.Adam(lr=0.01))
    whole = descend.fit(model, X, y, start=start, ties={"c": "a/5"}, epochs=40, **options)
    half = descend.fit(model, X, y, start=start, ties={"c": "a/5"}, epochs=20, **options)
    half.save(tmp_path / "half.descend")
    for earlier in (half, descend.load(tmp_path / "half.descend")):
        resumed = descend.fit(model, X, y, resume=earlier, epochs=40, **options)
        assert resumed.params == whole.params
        assert resumed.scaled == {"a": "log", "k": "logit"} and resumed.ties == {"c": "a/5"}

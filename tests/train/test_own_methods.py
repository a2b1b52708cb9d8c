"""Optimizers, schedules, losses and penalties of the user's own are traced and compiled alike."""

from dataclasses import dataclass

import numpy as np
import pytest

import descend

X = np.linspace(0.0, 2.0, 30)
Y = 2 * X + 1 + 0.1 * np.sin(9 * X)
ENGINES = ["native", "interpreted"]


def line(x, a, b):
    return a * x + b


def both(**options):
    fits = []
    for engine in ENGINES:
        fit = descend.fit(line, X, Y, start={"a": 0, "b": 0}, engine=engine, **options)
        assert fit.engine == engine
        fits.append(fit)
    native, plain = fits
    np.testing.assert_allclose(native.history["loss"], plain.history["loss"], rtol=1e-10)
    return native


@dataclass(frozen=True)
class Heavy(descend.Optimizer):
    """Heavy ball with a rate of its own for late updates."""

    lr: float = 0.1
    pull: float = 0.8

    def init(self, p):
        return {"speed": np.zeros_like(p)}

    def step(self, p, e, s, h):
        rate = np.where(h.t > 50, h.lr / 2, h.lr)
        speed = h.pull * s["speed"] - rate * e.gradient
        return p + speed, {"speed": speed}


def test_an_optimizer():
    fit = both(optimizer=Heavy(), epochs=120)
    p, speed = np.zeros(2), np.zeros(2)
    for t in range(1, 121):
        r = p[0] * X + p[1] - Y
        slope = np.array([np.mean(2 * r * X), np.mean(2 * r)])
        speed = 0.8 * speed - (0.05 if t > 50 else 0.1) * slope
        p = p + speed
    np.testing.assert_allclose(list(fit.params.values()), p, rtol=1e-10)
    assert fit.optimizer == "Heavy(lr=0.1)"
    assert both(optimizer=Heavy(pull=0.5), epochs=5).optimizer == "Heavy(lr=0.1, pull=0.5)"


@dataclass(frozen=True)
class Zigzag(descend.Schedule):
    low: float
    high: float

    def value(self, epoch):
        return np.where(np.floor(epoch) % 2 == 0, self.low, self.high)


def test_a_schedule():
    fit = both(optimizer=descend.SGD(lr=Zigzag(0.01, 0.1)), epochs=6)
    assert fit.history["lr"].tolist() == [0.01, 0.1] * 3
    same = both(optimizer=descend.SGD(lr=lambda e: 0.1 / (1 + e)), epochs=3)
    np.testing.assert_allclose(same.history["lr"], [0.1, 0.05, 0.1 / 3])


@dataclass(frozen=True)
class Power(descend.Loss):
    exponent: float = 3.0

    def per_row(self, prediction, target):
        return np.abs(prediction - target) ** self.exponent


def test_a_loss():
    fit = both(loss=Power(2.5), optimizer=descend.Adam(lr=0.05), epochs=400)
    r = fit.params["a"] * X + fit.params["b"] - Y
    assert fit.loss == pytest.approx(np.mean(abs(r) ** 2.5), rel=1e-9)
    assert fit.loss_name == "loss(2.5)"


@dataclass(frozen=True)
class Toward(descend.Penalty):
    goal: float = 0.0

    def value(self, leaves):
        return sum(np.sum((leaf - self.goal) ** 2) for leaf in leaves)


def test_a_penalty():
    fit = both(penalty=Toward(5.0), optimizer=descend.SGD(lr=0.05), epochs=3000)
    a = np.stack([X, np.ones(30)], 1)
    expected = np.linalg.solve(a.T @ a / 30 + np.eye(2), a.T @ Y / 30 + 5.0)
    np.testing.assert_allclose(list(fit.params.values()), expected, rtol=1e-8)


def test_a_function_that_captures_a_changing_number_is_traced_anew():
    power = 2.0

    def loss(prediction, target):
        return np.abs(prediction - target) ** power

    first = descend.fit(line, X, Y, loss=loss, optimizer="bfgs").params
    power = 4.0
    second = descend.fit(line, X, Y, loss=loss, optimizer="bfgs").params
    assert abs(first["a"] - second["a"]) > 1e-4


@pytest.mark.parametrize("engine", ENGINES)
def test_a_derivative_inside_the_model(engine):
    """The slope of a cubic, by `descend.grad` in the model itself."""

    def slope(x, a, b):
        return descend.grad(lambda t: np.sum(a * t**3 + b * t))(x)

    fit = descend.fit(slope, X, 6 * X**2 - 1, start={"a": 1.0, "b": 0.0}, engine=engine)
    assert fit.params == pytest.approx({"a": 2.0, "b": -1.0})


def test_a_loss_may_use_all_of_numpy():
    def loss(prediction, target):
        both = np.array([prediction - target, np.zeros_like(target)])
        both[1] = 2 * both[0]
        return np.sum(both**2, axis=0)

    fit = descend.fit(line, X, Y, loss=loss, optimizer="bfgs")
    assert fit.loss == pytest.approx(5 * descend.fit(line, X, Y).loss, rel=1e-9)


def test_a_loss_that_counts_the_rows():
    def loss(prediction, target):
        return (prediction - target) ** 2 * np.linspace(1, 1, len(target))

    fit = descend.fit(line, X, Y, loss=loss, optimizer="bfgs")
    assert fit.loss == pytest.approx(descend.fit(line, X, Y).loss, rel=1e-9)
    assert "made for 30 rows" in fit.warnings[0]
    with pytest.raises(descend.UsageError, match="couples the rows"):
        descend.fit(line, X, Y, loss=loss, optimizer="sgd", lr=0.1, batch_size=5)

"""Loops in batches: whether rows meet in a loop is read in its body, and nowhere else."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import descend
from whole import covered

X = np.random.default_rng(2).normal(size=(23, 4))
Y = np.tanh(X.sum(1))
START = {"a": 0.4, "c": 0.3}
Model = Callable[..., Any]


def carried(scan, x, a, c):
    return scan(lambda h, t: (np.tanh(a * h + c * x[:, t]), None), np.zeros(len(x)), np.arange(4))


def columns(scan, x, a, c):
    """The rows lie on the second axis of what is looped over."""
    return scan(lambda h, column: (np.tanh(a * h + c * column), None), 0 * x[:, 0], x.T)


def counted(scan, x, a, c):
    """A carry without rows beside one with rows."""

    def step(carry, t):
        h, n = carry
        return (np.sin(a * h + c * x[:, t] / (1 + n)), n + a), None

    (h, n), made = scan(step, (x[:, 0], 0.0), np.arange(4))
    return h + 0.01 * n, made


def stacked(scan, x, a, c):
    last, passed = scan(lambda h, t: (a * h + c * x[:, t], h * h), x[:, 0], np.arange(4))
    return last + passed.sum(axis=0) + passed[1], None


def nested(scan, x, a, c):
    def outer(h, t):
        return scan(lambda g, s: (np.tanh(a * g + c * x[:, s] * t), None), h, np.arange(3))[0], None

    return scan(outer, x[:, 0], np.arange(2.0))


def products(scan, x, a, c):
    w = np.linspace(-1, 1, 4 * 3).reshape(4, 3)
    u = a * np.eye(3) + c
    h, _ = scan(lambda h, _: (np.tanh(x @ w + h @ u), None), np.zeros((len(x), 3)), length=4)
    return h.sum(1), None


@descend.custom_derivative
def squashed(z):
    return np.tanh(z)


squashed.defvjp(lambda z: (np.tanh(z), z), lambda z, g: (g * (1 - np.tanh(z) ** 2),))


def with_a_rule(scan, x, a, c):
    return squashed(a * x[:, 0] + c), None


def loop(function, init, xs=None, length=None):
    """`descend.scan` as a loop of Python's."""
    carry, made = init, []
    for t in range(len(xs) if length is None else length):
        carry, y = function(carry, None if xs is None else xs[t])
        made.append(y)
    return carry, None if made[0] is None else np.stack(made)


APART: dict[str, Model] = {
    f.__name__: f for f in (carried, columns, counted, stacked, nested, products, with_a_rule)
}


def as_model(function: Model, scan: Callable[..., Any]) -> Model:
    return lambda x, a, c: function(scan, x, a, c)[0]


@covered("name, engine", APART, ["native", "interpreted"])
def test_rows_that_ride_along_go_in_batches(name: str, engine: str) -> None:
    given: dict[str, Any] = dict(
        start=START, optimizer="adam", lr=0.02, epochs=3, batch_size=5, shuffle=True
    )
    fit = descend.fit(as_model(APART[name], descend.scan), X, Y, **given, engine=engine)
    want = descend.fit(as_model(APART[name], loop), X, Y, **given)
    np.testing.assert_allclose(fit.history["loss"], want.history["loss"], rtol=1e-12)
    np.testing.assert_allclose(list(fit.params.values()), list(want.params.values()), rtol=1e-11)


@pytest.mark.parametrize("name", APART)
def test_other_rows_are_predicted_in_silence(name: str, tmp_path: Any) -> None:
    model = as_model(APART[name], descend.scan)
    fit = descend.fit(model, X, Y, start=START, optimizer="adam", epochs=3)
    fit.save(tmp_path / "f.descend")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for own in (fit, descend.load(tmp_path / "f.descend")):
            np.testing.assert_allclose(own.predict(X[3:5]), fit.predict(X)[3:5], rtol=1e-13)


def summed(x, a, c):
    def step(h, t):
        return np.tanh(a * h + c * x[:, t] - h.sum() / 40), None

    return descend.scan(step, np.zeros(len(x)), np.arange(4))[0]


def summed_within(x, a, c):
    def outer(h, t):
        return descend.scan(lambda g, s: (g * a + g.max() * c, None), h, length=2)[0], None

    return descend.scan(outer, x[:, 0], np.arange(2.0))[0]


def along_the_rows(x, a, c):
    return descend.scan(lambda h, row: (a * h + c * row.sum(), h), 0.0, x)[1]


@descend.custom_derivative
def less_all(z):
    return z - z.sum()


less_all.defvjp(lambda z: (z - z.sum(), None), lambda _, g: (g - g.sum(),))

MEETING: dict[str, tuple[Model, str]] = {
    "a sum": (summed, "sum in scan"),
    "an inner maximum": (summed_within, "reduce_max in scan in scan"),
    "along the rows": (along_the_rows, "scan along the rows"),
    "a rule": (lambda x, a, c: less_all(a * x[:, 0]) + c, "less_all(a * x[:, 0])"),
}


@pytest.mark.parametrize("what", MEETING)
def test_rows_that_meet_in_a_loop_are_refused_in_batches(what: str) -> None:
    model, word = MEETING[what]
    with pytest.raises(descend.UsageError, match="couples the rows") as caught:
        descend.fit(model, X, Y, start=START, optimizer="adam", batch_size=5)
    assert word in str(caught.value)
    fit = descend.fit(model, X, Y, start=START, optimizer="adam", epochs=3)
    with pytest.warns(descend.DescendWarning, match="company"):
        fit.predict(X[:3])

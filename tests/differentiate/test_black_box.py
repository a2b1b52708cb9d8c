"""Functions of which nothing is known but their values: derivatives by differences, in models."""

import math

import numpy as np
import pytest

import descend
from descend.differentiate.batch import batch
from descend.errors import UsageError
from descend.graph.black_box import BLACK_BOX, Opaque
from descend.graph.evaluate import evaluate
from descend.graph.source import input_node

X = np.linspace(0.0, 3.0, 25)


def by_loops(x: np.ndarray, a: float, b: float) -> np.ndarray:
    """Python that cannot be traced: it branches on values."""
    return np.array([a * math.exp(-b * t) if t < 9 else 0.0 for t in x])


decay = descend.black_box(by_loops)


def plain(x: np.ndarray, a: float, b: float) -> np.ndarray:
    return a * np.exp(-b * x)


def loss(model, a, b):
    return np.sum(model(X, a, b) ** 2)


def test_outside_of_models_it_is_the_function() -> None:
    np.testing.assert_array_equal(decay(X, 2.0, 0.5), by_loops(X, 2.0, 0.5))
    assert decay.__name__ == "by_loops" and "cannot be traced" in decay.__doc__


def test_first_and_second_derivatives() -> None:
    at = (2.0, 0.7)
    got = descend.grad(lambda a, b: loss(decay, a, b), argnums=(0, 1))(*at)
    want = descend.grad(lambda a, b: loss(plain, a, b), argnums=(0, 1))(*at)
    np.testing.assert_allclose(got, want, rtol=1e-9)
    got = descend.jvp(lambda a, b: loss(decay, a, b), at, (0.3, -1.0))[1]
    want = descend.jvp(lambda a, b: loss(plain, a, b), at, (0.3, -1.0))[1]
    np.testing.assert_allclose(got, want, rtol=1e-9)
    got = descend.hessian(lambda a, b: loss(decay, a, b), argnums=(0, 1))(*at)
    want = descend.hessian(lambda a, b: loss(plain, a, b), argnums=(0, 1))(*at)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_arrays_and_other_shapes() -> None:
    matrix = np.random.default_rng(0).normal(size=(3, 4))
    total = descend.black_box(lambda m, v: m @ np.sin(v), shape=lambda m, v: (m[0],))
    got = descend.jacobian(total, argnums=1)(matrix, np.arange(4.0))
    np.testing.assert_allclose(got, matrix * np.cos(np.arange(4.0)), rtol=1e-8)
    whole = descend.black_box(lambda v: float(np.prod(v)), shape=())
    got = descend.grad(whole)(np.array([2.0, 0.0, 3.0]))
    np.testing.assert_allclose(got, [0.0, 6.0, 0.0], atol=1e-9)


def test_elementwise_functions_are_moved_all_at_once() -> None:
    calls = []

    def counted(x, p):
        calls.append(np.shape(x))
        return np.tanh(x * p)

    box = descend.black_box(counted, elementwise=True)
    got = descend.grad(lambda x, p: np.sum(box(x, p)), argnums=(0, 1))(X, 0.6)
    np.testing.assert_allclose(got[0], 0.6 / np.cosh(0.6 * X) ** 2, rtol=1e-8)
    np.testing.assert_allclose(got[1], np.sum(X / np.cosh(0.6 * X) ** 2), rtol=1e-8)
    assert len(calls) == 4 and set(calls) == {(25,)}


def test_the_step_is_that_which_is_asked_for() -> None:
    seen = []

    def noted(x):
        seen.append(float(x))
        return x**2

    descend.grad(descend.black_box(noted, step=1e-3))(5.0)
    np.testing.assert_allclose(sorted(seen), [4.995, 5.005])


def test_a_new_leading_axis_is_a_loop() -> None:
    x, many = input_node("x", (2,)), input_node("many", (3, 2))
    opaque = Opaque("f", lambda v: v**2, None, False)
    out = BLACK_BOX.apply(x, opaque=opaque, shape=(2,), lead=0, which=(0,))
    values = np.arange(6.0).reshape(3, 2) + 1
    (got,) = evaluate(batch([out], {x: many}, 3), {many: values})
    np.testing.assert_allclose(got, [np.diag(2 * v) for v in values], atol=1e-9)


START = {"a": 1.0, "b": 1.0, "c": 0.0}


def test_a_fit_with_one_is_interpreted_and_says_so() -> None:
    y = plain(X, 2.0, 0.7)
    fit = descend.fit(decay, X, y, start={"a": 1.0, "b": 1.0})
    assert fit.params == pytest.approx({"a": 2.0, "b": 0.7}, rel=1e-8)
    assert "interpreted: there is no native code for the black box by_loops" in str(fit)
    shifted = lambda x, a, b, c: decay(x, a, b) + c  # noqa: E731
    inside = descend.fit(shifted, X, y + 1, start=START)
    assert list(inside.params.values()) == pytest.approx([2.0, 0.7, 1.0], rel=1e-7)


def test_what_is_refused() -> None:
    wrong = descend.black_box(lambda a: np.ones(3))
    with pytest.raises(UsageError, match=r"returned an array of shape \(3,\), not \(\)"):
        descend.grad(wrong)(1.0)
    cube = descend.black_box(lambda a: a**3)
    with pytest.raises(UsageError, match="differentiated three times or more"):
        descend.grad(descend.grad(descend.grad(cube)))(1.0)
    with pytest.raises(UsageError, match="takes a function, not 3"):
        descend.black_box(3)
    with pytest.raises(UsageError, match="step=2 is not between 0 and 1"):
        descend.black_box(abs, step=2)
    with pytest.raises(UsageError, match="exclude one another"):
        descend.black_box(abs, shape=(), elementwise=True)
    listed = descend.black_box(lambda parts: parts[0] + parts[1], shape=())
    with pytest.raises(UsageError, match="as its own arguments only"):
        descend.grad(lambda a: listed([a, 1.0]))(1.0)

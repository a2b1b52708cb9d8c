"""BFGS on the field's standard problems; optima are exact."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from descend.methods.base import STATUS
from descend.methods.quasi_newton import BFGS


def run(loss, gradient, start, method=None, steps=2000):
    method = method or BFGS()
    p = np.array(start)
    s, h = method.init(p), method.hyper(method.numbers(), t=1.0)
    evaluations = 0
    while int(method.status(s)) == 0 and evaluations < steps:
        with np.errstate(all="ignore"):
            e = SimpleNamespace(loss=p.dtype.type(loss(p)), gradient=gradient(p).astype(p.dtype))
        p, s = method.step(p, e, s, h)
        evaluations += 1
    return method.answer(p, s), STATUS[int(method.status(s))].name, evaluations


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_gradient(x):
    g = np.zeros_like(x)
    inner = x[1:] - x[:-1] ** 2
    g[:-1] = -400 * x[:-1] * inner - 2 * (1 - x[:-1])
    g[1:] += 200 * inner
    return g


def beale_terms(x):
    return [(c - x[0] + x[0] * x[1] ** k, k) for c, k in ((1.5, 1), (2.25, 2), (2.625, 3))]


def beale(x):
    return sum(r**2 for r, _ in beale_terms(x))


def beale_gradient(x):
    first = sum(2 * r * (x[1] ** k - 1) for r, k in beale_terms(x))
    second = sum(2 * r * x[0] * k * x[1] ** (k - 1) for r, k in beale_terms(x))
    return np.array([first, second])


WEIGHTS = 10.0 ** np.arange(0, 11, 2)

PROBLEMS = {
    # Moré, Garbow and Hillstrom, "Testing Unconstrained Optimization Software" (1981), problem 1.
    "rosenbrock": (rosenbrock, rosenbrock_gradient, [-1.2, 1.0], [1.0, 1.0], 60),
    "rosenbrock 10": (rosenbrock, rosenbrock_gradient, [-1.2, 1.0] * 5, [1.0] * 10, 150),
    # The same collection, problem 5.
    "beale": (beale, beale_gradient, [1.0, 1.0], [3.0, 0.5], 40),
    "ill-scaled": (
        lambda x: 0.5 * np.sum(WEIGHTS * (x - 1) ** 2),
        lambda x: WEIGHTS * (x - 1),
        [0.0] * 6,
        [1.0] * 6,
        150,
    ),
    "flat units": (
        lambda x: np.sum((x * 1e-6 - 1) ** 2) * 1e-3,
        lambda x: 2e-9 * (x * 1e-6 - 1),
        [0.0, 5e6],
        [1e6, 1e6],
        60,
    ),
    "large offset": (
        lambda x: 1e6 + np.cosh(x[0] - 3),
        lambda x: np.sinh(x - 3),
        [20.0],
        [3.0],
        60,
    ),
    "not finite below zero": (
        lambda x: x[0] - np.log(x[0]),
        lambda x: 1 - 1 / x,
        [50.0],
        [1.0],
        60,
    ),
}


@pytest.mark.parametrize(
    ("loss", "gradient", "start", "optimum", "most"), PROBLEMS.values(), ids=PROBLEMS.keys()
)
def test_reaches_the_optimum(loss, gradient, start, optimum, most):
    method = BFGS(gtol=1e-9 * min(1.0, np.max(np.abs(gradient(np.array(start))))))
    answer, status, evaluations = run(loss, gradient, start, method)
    np.testing.assert_allclose(answer, optimum, rtol=1e-8)
    assert STATUS[{"gtol": 3, "precision": 4}[status]].success
    assert evaluations <= most


@pytest.mark.parametrize("start", [[1.0, 0.5], [-2.0, 3.0], [0.1, 7.0]])
def test_a_fall_that_drowns_in_rounding_is_followed_by_its_slope(start):
    # Beside 1e9 the loss shows no difference of the parameters below 1e-4, and its sum jitters.
    weights = np.array([1.0, 7.0])
    answer, status, _ = run(
        lambda x: 1e9 + np.sum(np.cosh(weights * (x - 3.3))) + 2e-7 * np.sin(1e9 * x[0]),
        lambda x: weights * np.sinh(weights * (x - 3.3)),
        start,
    )
    np.testing.assert_allclose(answer, 3.3, rtol=1e-9)
    assert status in ("xtol", "gtol", "precision")


def test_a_start_that_is_not_finite_is_said():
    answer, status, evaluations = run(lambda x: np.nan, lambda x: x, [1.0, 2.0])
    assert (status, evaluations) == ("not_finite", 1)
    np.testing.assert_array_equal(answer, [1.0, 2.0])


def test_a_loss_without_minimum_is_said():
    assert run(lambda x: -x[0], lambda x: -np.ones(1), [0.0])[1] == "unbounded"


def test_a_wrong_gradient_stalls_at_the_best_point():
    answer, status, _ = run(lambda x: np.sum(x**2), lambda x: -2 * x, [1.0, 2.0])
    assert status == "stalled"
    np.testing.assert_array_equal(answer, [1.0, 2.0])


def test_the_answer_never_has_a_higher_loss_than_the_start():
    start = np.array([-1.2, 1.0])
    best = rosenbrock(start)
    for steps in range(1, 40):
        answer, _, _ = run(rosenbrock, rosenbrock_gradient, start, steps=steps)
        assert rosenbrock(answer) <= best
        best = rosenbrock(answer)


def test_single_precision_ends_at_its_own_precision():
    answer, status, _ = run(
        rosenbrock, rosenbrock_gradient, np.array([-1.2, 1.0], np.float32), BFGS(gtol=0.0)
    )
    assert answer.dtype == np.float32
    assert status in ("gtol", "precision")
    np.testing.assert_allclose(answer, 1, rtol=2e-3)


@pytest.mark.parametrize("option", ["ftol", "xtol"])
def test_looser_tolerances_end_earlier_under_their_name(option):
    _, status, evaluations = run(
        rosenbrock, rosenbrock_gradient, [-1.2, 1.0], BFGS(**{option: 0.05})
    )
    assert status == option
    assert evaluations < 40

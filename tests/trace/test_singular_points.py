"""Compositions at the points where a careless formula gives NaN, or a wrong second derivative."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from descend.differentiate.reverse import reverse
from descend.graph.evaluate import evaluate
from descend.graph.linear import reduce_sum
from descend.graph.source import const, input_node
from descend.trace.trace import trace_function


def derivatives(model: Callable[..., Any], at: Any) -> tuple[Any, Any]:
    """Gradient and Hessian of a scalar function of one array."""
    point = np.asarray(at, np.float64)
    x = input_node("x", point.shape)
    (value,) = trace_function(model, [x]).outputs
    (gradient,) = reverse([value], [const(1.0)], [x])
    rows = []
    for unit in np.eye(point.size).reshape(-1, *point.shape):
        (row,) = reverse([gradient], [const(unit)], [x])
        rows.append(row)
    first, *second = evaluate([gradient, *rows], {x: point})
    return first, np.array(second).reshape(point.size, point.size)


def spread(scale: Any) -> Any:
    """The diagonal of a symmetric matrix of two variables that only their difference moves."""
    return np.array([[scale, -scale], [-scale, scale]])


SPECIAL = [
    (lambda x: np.linalg.norm(x), [0.0, 0.0], [0, 0], np.zeros((2, 2))),
    (lambda x: np.std(x), [2.0, 2.0], [0, 0], None),
    (lambda x: np.hypot(x[0], x[1]), [0.0, 0.0], [0, 0], None),
    (lambda x: np.prod(x), [0.0, 3.0, 5.0], [15, 0, 0], [[0, 5, 3], [5, 0, 0], [3, 0, 0]]),
    (lambda x: np.prod(x), [0.0, 0.0, 5.0], [0, 0, 0], [[0, 5, 0], [5, 0, 0], [0, 0, 0]]),
    (lambda x: np.cumprod(x)[-1], [0.0, 3.0], [3, 0], [[0, 1], [1, 0]]),
    (lambda x: np.logaddexp(x[0], x[1]), [1.0, 1.0], [0.5, 0.5], spread(0.25)),
    (lambda x: np.logaddexp.reduce(x), [1.0, 1.0], [0.5, 0.5], spread(0.25)),
    (lambda x: special.logsumexp(x), [700.0, 700.0], [0.5, 0.5], spread(0.25)),
    (lambda x: special.logsumexp(x), [-np.inf, 0.0], [0, 1], np.zeros((2, 2))),
    (lambda x: special.softmax(x)[0], [0.0, 0.0], [0.25, -0.25], np.zeros((2, 2))),
    (lambda x: special.log_expit(x), 0.0, 0.5, [[-0.25]]),
    (lambda x: special.log_expit(x), -800.0, 1.0, [[0.0]]),
    (lambda x: special.logit(x), 0.5, 4.0, [[0.0]]),
    (lambda x: special.xlogy(x[0], x[1]), [0.0, 2.0], [math.log(2), 0.0], [[0, 0.5], [0.5, 0]]),
    (lambda x: np.sinc(x), 0.0, 0.0, [[-(math.pi**2) / 3]]),
    (lambda x: np.where(x > 0, np.sqrt(x), 0.0), 0.0, 0.0, [[0.0]]),
    (lambda x: np.where(x > 0, np.log(x), x), -1.0, 1.0, [[0.0]]),
    (lambda x: np.piecewise(x, [x > 0], [np.sqrt, 0.0]), -1.0, 0.0, [[0.0]]),
    (lambda x: np.select([x > 0], [1 / x], 2.0 * x), 0.0, 2.0, [[0.0]]),
    (lambda x: np.interp(x, [0.0, 1.0], [2.0, 5.0]), 0.5, 3.0, [[0.0]]),
    (lambda x: np.interp(x, [0.0, 1.0], [2.0, 5.0]), 9.0, 0.0, [[0.0]]),
    (lambda x: x**2, 0.0, 0.0, [[2.0]]),
    (lambda x: x**3, 0.0, 0.0, [[0.0]]),
    (lambda x: x**1, 0.0, 1.0, [[0.0]]),
    (lambda x: x**0, 0.0, 0.0, [[0.0]]),
    (lambda x: np.max(x), [3.0, 3.0], [0.5, 0.5], np.zeros((2, 2))),
    (lambda x: np.nansum(x), [np.nan, 1.0], [0, 1], np.zeros((2, 2))),
    (lambda x: np.nanmean(x), [np.nan, 1.0, 3.0], [0, 0.5, 0.5], np.zeros((3, 3))),
    (lambda x: np.median(x), [3.0, 1.0, 2.0], [0, 0, 1], np.zeros((3, 3))),
    (lambda x: np.abs(x), 0.0, 0.0, [[0.0]]),
    (lambda x: special.huber(1.0, x), 0.0, 0.0, [[1.0]]),
    (lambda x: special.kl_div(x[0], x[1]), [1.0, 1.0], [0, 0], spread(1.0)),
]


@pytest.mark.parametrize(("model", "at", "gradient", "hessian"), SPECIAL)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_singular_points(model: Any, at: Any, gradient: Any, hessian: Any) -> None:
    first, second = derivatives(model, at)
    np.testing.assert_allclose(first, gradient, atol=1e-14)
    if hessian is not None:
        np.testing.assert_allclose(second, hessian, atol=1e-14)


def test_a_sum_of_squares_at_a_perfect_fit() -> None:
    """The residual is zero, the curvature is not."""
    x = input_node("x")
    (loss,) = trace_function(lambda w: np.sum((w * np.ones(3) - 2.0) ** 2), [x]).outputs
    (g,) = reverse([loss], [const(1.0)], [x])
    (h,) = reverse([g], [const(1.0)], [x])
    assert [float(v) for v in evaluate([g, h, reduce_sum(loss, ())], {x: np.array(2.0)})] == [
        0,
        6,
        0,
    ]

"""Functions with a derivative rule of their own."""

from typing import Any

import numpy as np
import pytest

from descend.errors import UsageError
from descend.functions import custom_derivative, grad, hessian, jacobian, jvp, value_and_grad, vjp


def log1pexp(x: Any) -> Any:
    return np.log(1.0 + np.exp(x))


def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def forward_rule(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    return log1pexp(x), sigmoid(x) * t


def with_rule(kind: str) -> Any:
    f = custom_derivative(log1pexp)
    if kind == "jvp":
        f.defjvp(forward_rule)
    else:
        f.defvjp(lambda x: (log1pexp(x), sigmoid(x)), lambda s, g: (g * s,))
    return f


@pytest.mark.parametrize("kind", ["jvp", "vjp"])
def test_one_rule_serves_both_modes_and_all_orders(kind: str) -> None:
    f = with_rule(kind)
    x, s = 0.7, sigmoid(0.7)
    assert f(x) == log1pexp(x)
    value, slope = value_and_grad(f)(x)
    assert value == pytest.approx(log1pexp(x), rel=1e-15)
    assert slope == pytest.approx(s, rel=1e-15)
    assert jvp(f, (x,), (2.0,))[1] == pytest.approx(2 * s, rel=1e-15)
    assert vjp(f, x)[1](3.0)[0] == pytest.approx(3 * s, rel=1e-15)
    assert grad(grad(f))(x) == pytest.approx(s * (1 - s), rel=1e-14)
    assert hessian(f)(x) == pytest.approx(s * (1 - s), rel=1e-14)
    many = np.array([-1.0, 0.5, 2.0])
    np.testing.assert_allclose(jacobian(f)(many), np.diag(sigmoid(many)), rtol=1e-14)
    np.testing.assert_allclose(
        jacobian(lambda v: np.sum(f(v)[None, :] * v[:, None], 0))(many),
        np.diag(sigmoid(many) * many.sum()) + log1pexp(many)[:, None],
        rtol=1e-13,
    )


def test_the_rule_and_not_the_function_is_differentiated() -> None:
    f = custom_derivative(lambda x: x**2)
    f.defvjp(lambda x: (x**2, None), lambda _, g: (-1.0 * g,))
    assert grad(f)(5.0) == -1.0
    assert grad(lambda x: f(x) + x)(5.0) == 0.0


def test_several_arguments_and_results_in_trees() -> None:
    @custom_derivative
    def rotate(p: Any, angle: Any) -> Any:
        c, s = np.cos(angle), np.sin(angle)
        return {"x": c * p["x"] - s * p["y"], "y": s * p["x"] + c * p["y"]}

    @rotate.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (p, angle), (t, turn) = primals, tangents
        out = rotate.function(p, angle)
        moved = rotate.function(t, angle)
        return out, {"x": moved["x"] - turn * out["y"], "y": moved["y"] + turn * out["x"]}

    def loss(f: Any) -> Any:
        return lambda x, angle: np.sum(f({"x": x, "y": x**2}, angle)["x"] * np.sin(x))

    x = np.array([0.3, 1.2])
    for argnums in (0, 1, (0, 1)):
        got = grad(loss(rotate), argnums)(x, 0.4)
        expected = grad(loss(rotate.function), argnums)(x, 0.4)
        pairs = zip(got, expected, strict=True) if argnums == (0, 1) else [(got, expected)]
        for g, e in pairs:
            np.testing.assert_allclose(g, e, rtol=1e-13)


def test_constants_and_integers_need_no_cotangent() -> None:
    f = custom_derivative(lambda x, n, how: x**n)
    f.defvjp(lambda x, n, how: (x**n, (x, n)), lambda kept, g: (g * kept[1] * kept[0], None, None))
    assert grad(lambda x: f(x, 2, "plain"))(3.0) == 6.0


def test_large_captured_arrays_reach_the_rule() -> None:
    weights = np.linspace(0.0, 1.0, 30)
    f = custom_derivative(lambda x: np.sum(weights * x))
    f.defvjp(lambda x: (np.sum(weights * x), None), lambda _, g: (2 * g * np.sum(weights),))
    assert grad(lambda x: f(x) * x)(1.5) == pytest.approx(15 * 1.5 + 2 * 15 * 1.5)


def bent(kind: str) -> Any:
    f = custom_derivative(np.sin)
    if kind == "jvp":
        f.defjvp(lambda p, t: (np.sin(p[0]), t[0] * t[0]))
    else:
        f.defvjp(lambda x: (np.sin(x), None), lambda _, g: (g * g,))
    return f


def outside() -> Any:
    def model(w: Any) -> Any:
        f = custom_derivative(lambda x: x * w)
        f.defvjp(lambda x: (x * w, None), lambda _, g: (g * w,))
        return f(2.0 * w)

    return grad(model)(1.0)


def shape_mistake() -> Any:
    f = custom_derivative(np.sin)
    f.defvjp(lambda x: (np.sin(x), x), lambda x, g: (np.sum(g),))
    return grad(lambda x: np.sum(f(x)))(np.ones(3))


def too_few() -> Any:
    f = custom_derivative(lambda x, y: x * y)
    f.defvjp(lambda x, y: (x * y, y), lambda y, g: (g * y,))
    return grad(f)(1.0, 2.0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: grad(custom_derivative(np.sin))(1.0), "sin has no rule yet"),
        (lambda: grad(bent("jvp"))(1.0), "jvp rule of sin is not linear in its tangents"),
        (lambda: jvp(bent("vjp"), (1.0,), (1.0,)), "vjp rule of sin is not linear in its cotang"),
        (outside, "takes a value that is being differentiated from outside"),
        (shape_mistake, r"cotangents of the arguments of shapes .\(\). expected|expected .\(3,\)"),
        (too_few, "bwd returns 1 cotangents for 2 arguments"),
    ],
)
def test_wrong_rules_are_answered_in_words(call: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        call()


def test_a_rule_may_call_the_function_itself() -> None:
    @custom_derivative
    def softplus(z: Any) -> Any:
        return np.log1p(np.exp(z))

    softplus.defvjp(lambda z: (softplus(z), z), lambda z, g: (g / (1 + np.exp(-z)),))
    value, slope = value_and_grad(softplus)(0.3)
    assert value == pytest.approx(np.log1p(np.exp(0.3)), rel=1e-15)
    assert slope == pytest.approx(1 / (1 + np.exp(-0.3)), rel=1e-15)

"""The public transformations: forms, modes, nesting, errors."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der, rosen_hess, rosen_hess_prod

from descend.errors import UsageError
from descend.functions import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    scan,
    stop_gradient,
    value_and_grad,
    vjp,
)

POINT = np.array([-0.8, 1.1, 0.4, 1.7])


def valley(x: Any) -> Any:
    """Rosenbrock's function, written out as in SciPy."""
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0)


def test_rosenbrock_against_scipys_derivatives() -> None:
    v = np.array([1.0, -2.0, 0.5, 3.0])
    value, gradient = value_and_grad(valley)(POINT)
    np.testing.assert_allclose(value, rosen(POINT), rtol=1e-14)
    np.testing.assert_allclose(gradient, rosen_der(POINT), rtol=1e-13)
    found = hessian(valley)(POINT)
    np.testing.assert_allclose(found, rosen_hess(POINT), rtol=1e-13)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(hvp(valley, [POINT], [v]), rosen_hess_prod(POINT, v), rtol=1e-13)
    np.testing.assert_allclose(jvp(valley, [POINT], [v])[1], rosen_der(POINT) @ v, rtol=1e-13)
    assert gradient.dtype == np.float64


def test_the_lessons_gradients() -> None:
    assert grad(lambda x: 3 * x**2)(1.0) == 6.0
    result = grad(lambda x1, x2, x3: 3 * x1**2 + 4 * x2**2 + 5 * x3**2, (0, 1, 2))(1, 1, 1)
    assert result == (6.0, 8.0, 10.0)


def test_derivatives_nest_to_any_order() -> None:
    f = np.sin
    signs = [np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin]
    for order in range(1, 6):
        f = grad(f)
        assert f(0.7) == pytest.approx(signs[(order - 1) % 4](0.7), rel=1e-14)
    mixed = grad(lambda x: jvp(lambda y: grad(lambda z: z**3 * y)(x), (x,), (1.0,))[1])
    assert mixed(2.0) == pytest.approx(12.0)  # d/dx of 3x²


def test_inner_and_outer_variables_do_not_mix() -> None:
    """The classic of perturbation confusion: d/dx (x · d/dy (x + y))."""
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert grad(lambda x: x * grad(lambda y: x * y)(x))(3.0) == 6.0


def test_trees_and_names() -> None:
    def model(p: dict[str, Any], x: Any, scale: float = 1.0) -> Any:
        return scale * np.sum(p["layers"][0] * x) + p["bias"] ** 2

    parameters = {"layers": [np.array([1.0, 2.0])], "bias": 3}
    x = np.array([5.0, 7.0])
    found = grad(model)(parameters, x)
    assert list(found) == ["layers", "bias"]
    np.testing.assert_array_equal(found["layers"][0], x)
    assert found["bias"] == 6.0
    by_name, by_place = grad(model, "x")(parameters, x), grad(model, 1)(parameters, x)
    np.testing.assert_array_equal(by_name, [1.0, 2.0])
    np.testing.assert_array_equal(by_place, by_name)
    both = grad(model, ("scale", 1))(parameters, x, scale=2.0)
    assert both[0] == 19.0
    np.testing.assert_array_equal(both[1], [2.0, 4.0])
    np.testing.assert_array_equal(grad(model, -1)(parameters, x), by_name)


def test_other_results_are_handed_on() -> None:
    def f(x: Any) -> Any:
        y = x * x
        return np.sum(y), {"y": y}

    found, aux = grad(f, has_aux=True)(np.array([1.0, 2.0]))
    np.testing.assert_array_equal(found, [2.0, 4.0])
    np.testing.assert_array_equal(aux["y"], [1.0, 4.0])
    (value, _), again = value_and_grad(f, has_aux=True)(np.array([1.0, 2.0]))
    assert value == 5.0
    np.testing.assert_array_equal(again, found)
    with pytest.raises(UsageError, match="does not return a pair, as has_aux=True says"):
        grad(np.sum, has_aux=True)(np.ones(2))


def wide(x: Any) -> Any:
    return np.array([x[0] * x[1], np.sin(x[2])])


def tall(x: Any) -> Any:
    return np.stack([x * x[0], np.exp(x), x[::-1]])


@pytest.mark.parametrize("f", [wide, tall])
def test_jacobian_in_both_modes(f: Any) -> None:
    x = np.array([0.3, -1.2, 0.8])
    columns = []
    for k in range(3):
        z = x.astype(complex)
        z[k] += 1e-40j
        columns.append(np.asarray(f(z)).imag / 1e-40)
    expected = np.stack(columns, -1)
    found = jacobian(f)(x)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    value, back = vjp(f, x)
    g = np.arange(1.0, 1 + value.size).reshape(value.shape)
    np.testing.assert_allclose(back(g)[0], np.tensordot(g, expected, value.ndim), rtol=1e-13)
    v = np.array([1.0, 2.0, -1.0])
    np.testing.assert_allclose(jvp(f, (x,), (v,))[1], expected @ v, rtol=1e-13)


def test_the_cheaper_mode_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    from descend.differentiate import transforms

    seen = []
    for name in ("_by_rows", "_by_columns"):
        plain = getattr(transforms, name)
        monkeypatch.setattr(
            transforms, name, lambda *a, _n=name, _p=plain: (seen.append(_n), _p(*a))[1]
        )
    jacobian(wide)(np.ones(3))
    jacobian(tall)(np.ones(3))
    assert seen == ["_by_rows", "_by_columns"]


def test_hessian_of_trees() -> None:
    def f(p: dict[str, Any]) -> Any:
        return p["a"] ** 2 * np.sum(p["b"] ** 3)

    found = hessian(f)({"a": 2.0, "b": np.array([1.0, 3.0])})
    assert found["a"]["a"] == pytest.approx(56.0)
    np.testing.assert_allclose(found["a"]["b"], [12.0, 108.0])
    np.testing.assert_allclose(found["b"]["a"], [12.0, 108.0])
    np.testing.assert_allclose(found["b"]["b"], np.diag([24.0, 72.0]))
    pair = hessian(lambda x, y: x * y**2, argnums=(0, 1))(2.0, 3.0)
    np.testing.assert_allclose(np.array(pair), [[0.0, 6.0], [6.0, 4.0]])


def test_float32_stays_float32() -> None:
    found = grad(lambda x: np.sum(x**2))(np.ones(3, np.float32))
    assert found.dtype == np.float32


def test_captured_arrays_are_read_anew() -> None:
    data = np.arange(40.0)
    slope = grad(lambda w: np.sum(w * data))
    assert slope(1.0) == 780.0
    data[:] = 1.0
    assert slope(1.0) == 40.0


def test_derivatives_inside_a_model_capture_arrays_too() -> None:
    data = np.linspace(0.0, 1.0, 50)

    def inner(w: Any) -> Any:
        return np.sum(np.sin(w * data))

    step = grad(lambda w: (w - 0.1 * grad(inner)(w)) ** 2)
    w = 0.7
    first = np.sum(data * np.cos(w * data))
    second = -np.sum(data**2 * np.sin(w * data))
    assert step(w) == pytest.approx(2 * (w - 0.1 * first) * (1 - 0.1 * second), rel=1e-13)


def test_stopped_gradients() -> None:
    assert grad(lambda x: stop_gradient(x) * x)(3.0) == 3.0
    assert stop_gradient({"a": 1.0}) == {"a": 1.0}
    assert grad(lambda x: stop_gradient(np.sin(x)) + 2 * x)(1.0) == 2.0


def power_iteration(matrix: Any, start: Any, loop: Any) -> Any:
    def step(v: Any, _: Any) -> Any:
        w = matrix @ v
        return w / np.sqrt(np.sum(w * w)), v[0]

    v, firsts = loop(step, start, None, length=6)
    return v @ matrix @ v + np.sum(firsts)


def unrolled(step: Any, carry: Any, xs: Any, length: int) -> Any:
    rows = []
    for _ in range(length):
        carry, y = step(carry, None)
        rows.append(y)
    return carry, np.stack(rows)


def test_scan_in_a_model_equals_the_unrolled_loop() -> None:
    rng = np.random.default_rng(0)
    matrix, start = rng.normal(size=(3, 3)), rng.normal(size=3)
    for derivative in (grad, hessian):
        got = derivative(lambda m: power_iteration(m, start, scan))(matrix)
        expected = derivative(lambda m: power_iteration(m, start, unrolled))(matrix)
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    plain = power_iteration(matrix, start, scan)
    assert plain == pytest.approx(power_iteration(matrix, start, unrolled), rel=1e-14)


def test_scan_over_trees_and_backwards() -> None:
    xs = {"a": np.array([1.0, 2.0, 3.0]), "b": np.arange(6.0).reshape(3, 2)}

    def step(carry: Any, x: Any) -> Any:
        total, last = carry
        total = total + x["a"] * last
        return (total, x["b"][1] + 0 * last), {"seen": total}

    def loss(w: Any) -> Any:
        (total, last), out = scan(step, (w, 1), xs, reverse=True)
        return total * last + np.sum(out["seen"])

    def by_hand(w: Any) -> Any:
        total, last, seen = w, 1.0, []
        for t in (2, 1, 0):
            total = total + xs["a"][t] * last
            last = xs["b"][t][1]
            seen.append(total)
        return total * last + sum(seen)

    assert loss(2.0) == by_hand(2.0)
    value, slope = value_and_grad(loss)(2.0)
    assert value == by_hand(2.0)
    assert slope == 1.0 * 1.0 + 3.0


def ends_in_none(x: Any) -> None:
    return None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: grad(lambda x: x)(np.ones(3)), r"returns one number; <lambda> returns an array "
         r"of shape \(3,\)[\s\S]*descend.jacobian"),
        (lambda: grad(lambda x: (x, x))(1.0), "returns 2 arrays"),
        (lambda: grad(np.sum)(np.arange(3)), r"sum cannot be differentiated for argument 0: it "
         r"holds integers[\s\S]*dtype=float"),
        (lambda: grad(np.sum)(np.ones(3) * 1j), "argument 0: it is complex"),
        (lambda: grad(lambda p: p["w"])({"w": True}), r"argument 0.w: it is a truth value"),
        (lambda: grad(lambda w: w, "v")(w=1.0), 'not given an argument \'v\''),
        (lambda: grad(lambda weight: weight, "wieght")(1.0), 'did you mean "weight"'),
        (lambda: grad(lambda w: w, 1)(1.0), "argnums=1, but <lambda> is called with 1 positional"),
        (lambda: grad(lambda x: x > 0)(1.0), "returns truth values, which have no derivative"),
        (lambda: jacobian(lambda x: np.argmax(x))(np.ones(3)), "returns integers"),
        (lambda: grad(3), "takes a function, not 3"),
        (lambda: jvp(np.sin, [np.ones(3)], [np.ones(2)]), r"shape \(2,\), its array \(3,\)"),
        (lambda: vjp(np.sin, np.ones(3))[1](1.0), r"cotangents has shape \(\), its array \(3,\)"),
        (lambda: scan(lambda c, x: c, 0.0, np.ones(3)), "must return a pair"),
        (lambda: scan(lambda c, x: (c, x), 0.0), "neither xs nor length is given"),
        (lambda: scan(lambda c, x: (c, x), 0.0, np.ones(3), length=4), "lengths .4, 3. differ"),
        (lambda: grad(lambda w: scan(lambda c, x: (np.stack([c, c]), c), w, np.ones(3))[0])(1.0),
         r"turns a carry of shape \(\) into one of shape \(2,\)"),
        (lambda: grad(lambda w: scan(lambda c, x: ({"c": c}, c), w, np.ones(3))[0])(1.0),
         "returns a carry of another form"),
    ],
)  # fmt: skip
def test_wrong_use_is_answered_in_words(call: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        call()

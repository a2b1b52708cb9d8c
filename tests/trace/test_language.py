"""The model as a copy of itself: plain NumPy code of every kind, and NumPy decides."""

import functools
import math
import warnings
from math import exp as math_exp
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.linalg as la
import pytest
import scipy
from numpy import exp, linspace
from numpy import sin as sine
from scipy import special
from scipy.special import logsumexp

from descend.errors import TraceError
from descend.graph.evaluate import evaluate
from descend.graph.source import input_node
from descend.trace.trace import trace_function

X = np.linspace(-1.0, 2.0, 7)
FACTOR = 3.0
ACTIVATIONS = {
    "tanh": np.tanh,
    "relu": lambda v: np.maximum(v, 0),
    "softplus": lambda v: logsumexp([v, 0]),
}
LAYERS = [np.sin, lambda v: v * FACTOR]


def helper(a: Any, b: Any) -> Any:
    return np.array([a, b]) * FACTOR


def collected(x: Any, w: Any, b: Any) -> Any:
    """Everything that NumPy's own protocols do not dispatch."""
    z = np.zeros(3)
    z[0] = w
    z[1:] = [b, w * b]
    return (
        np.array([w, b]), z, np.full(3, w), np.sum([w, b]), np.dot([w, b], x[:2]),
        np.polyval([w, b], x), np.vectorize(lambda u: u * w)(x), logsumexp([w, b]),
        special.softmax(np.array([w, b, 0.0])), math.exp(w), scipy.special.erf(x),
        helper(w, b), la.norm([w, b]), np.linalg.norm(x), np.max([w, b]), math_exp(b),
    )  # fmt: skip


def comprehended(x: Any, w: Any, b: Any) -> Any:
    powers = [w * x**k for k in range(3)]
    table = {k: math.sqrt(k + 1) * w for k in (0, 1)}
    pairs = {k: v * 2 for k, v in zip("ab", (w, b), strict=True)}
    total = sum(np.array([p, p]) for p in powers)
    return total, table, pairs, [np.array([w, k]) for k in range(2)], sum(k * b for k in range(3))


def imported(x: Any, w: Any, b: Any) -> Any:
    import numpy
    from numpy import array, cos
    from scipy.special import expit

    return cos(array([w, b])), numpy.sum([w, b]), expit(x), exp(w) + sine(b), linspace(w, b, 3)


def nested(x: Any, w: Any, b: Any) -> Any:
    calls = 0

    def inner(v: Any, depth: int) -> Any:
        nonlocal calls
        calls += 1
        return v if depth == 0 else inner(np.array([v[0] * w, v[1] + b]), depth - 1)

    result = inner(np.array([w, b]), 3)
    return result, calls * w, (lambda q: np.array([q, w]))(b)


def tabled(x: Any, w: Any, b: Any) -> Any:
    out = [ACTIVATIONS[name](w * x) for name in ("tanh", "relu")]
    for layer in LAYERS:
        x = layer(x)
    return out, x, ACTIVATIONS["softplus"](b)


def looped(x: Any, w: Any, b: Any) -> Any:
    h = w
    trajectory = np.empty(6)
    for i in range(6):
        h = np.tanh(h * w + b)
        trajectory[i] = h
    i = 0
    while i < 3:
        h += trajectory[-i]
        i += 1
    return trajectory, h, trajectory[::-1].cumsum()


def keyworded(x: Any, w: Any, b: Any) -> Any:
    def f(v: Any, *, scale: Any = FACTOR, shift: Any = np.pi, power: Any = np.exp) -> Any:
        return power(v * scale + shift)

    def g(*args: Any, **kwargs: Any) -> Any:
        return f(*args, **kwargs)

    return (
        g(x, scale=w),
        functools.partial(f, scale=b)(x),
        np.sum(a=x, axis=0),
        f(x, shift=[0.0] * 7),
    )


def generated(x: Any, w: Any, b: Any) -> Any:
    def terms() -> Any:
        for k in range(4):
            yield np.array([w * k, b])

    first, *rest = terms()
    head, tail = np.array([w, b])
    return first, np.stack(rest), head * tail, [np.sum([v, w]) for v in x], list(x[:2])


def mutated(x: Any, w: Any, b: Any) -> Any:
    a = w
    a += 1
    v = x.copy()
    v += w
    v[1:3] *= b
    row = np.zeros((2, 3))
    row[0] = w
    row[1, ::2] = [b, w]
    corner = row[1:, 1:]
    corner += 5
    flat = row.reshape(-1)
    flat[0] = 7 * b
    turned = row.T
    turned[2, 0] = -w
    reversed_ = v[::-1]
    reversed_[0] = b
    w_again = w
    return a, v, row, corner, flat, turned, reversed_, w_again


def choosing(x: Any, w: Any, b: Any) -> Any:
    y = np.where(x > 0, np.sqrt(np.abs(x)), w)
    y[y > 1] = 0.0
    y[x < -0.5] = b
    z = np.zeros_like(x)
    z[[0, 2]] = w
    z[np.array([True, False, False, False, False, False, True])] = [b, w]
    z[-2] = z[2] + 1
    return y, z, x[[0, -1]], x[X > 0], max(w, b), min(x[0], 0.0), np.abs(w), (x > 0) & ~(x > 1)


def formatted(x: Any, w: Any, b: Any) -> Any:
    text = f"{w} {x:} {x.shape}"
    return w * (len(text) > 0) * (x.ndim + x.size + x.shape[0]) * isinstance(x, np.ndarray)


MODELS = (
    collected, comprehended, imported, nested, tabled, looped, keyworded, generated, mutated,
    choosing, formatted,
)  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.filterwarnings("ignore::descend.errors.DescendWarning")
def test_model_agrees_with_numpy(model: Any, dtype: str, agree: Any) -> None:
    agree(model, X.astype(dtype), np.dtype(dtype).type(0.75), np.dtype(dtype).type(-0.5))


class Network:
    scale = 2.0

    def __init__(self) -> None:
        self.size = 3

    def layer(self, x: Any, w: Any) -> Any:
        return np.tanh(x * w) * self.scale

    def forward(self, x: Any, w: Any) -> Any:
        return self.layer(x, w) + np.sum([w, self.size])

    @staticmethod
    def loss(x: Any, w: Any) -> Any:
        return np.mean(x * w)

    @classmethod
    def scaled(cls, x: Any, w: Any) -> Any:
        return np.array([w, cls.scale]).sum() * x

    def __call__(self, x: Any, w: Any) -> Any:
        return np.array([w, w]).sum() + self.forward(x, w)


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return np.array([function(*args), 1.0])

    return wrapper


@decorated
def with_decoration(w: Any) -> Any:
    return np.sum([w, w])


NETWORK = Network()


@pytest.mark.parametrize(
    "model",
    [
        NETWORK.forward,
        NETWORK,
        Network.loss,
        Network.scaled,
        functools.partial(Network.forward, NETWORK),
        lambda x, w: NETWORK(x, w) * NETWORK.layer(x, w),
        lambda x, w: with_decoration(w) * x[0],
        functools.lru_cache(lambda x, w: np.array([w, w]).sum()),
    ],
)
def test_methods_objects_and_decorators(model: Any, agree: Any) -> None:
    bare = getattr(model, "__wrapped__", model)
    node_x, node_w = input_node("x", (7,)), input_node("w")
    done = trace_function(model, [node_x, node_w])
    (got,) = evaluate(done.outputs, {node_x: X, node_w: np.float64(0.3)})
    np.testing.assert_allclose(got, bare(X, 0.3), rtol=1e-14)


def test_methods_called_inside_run_as_copies_too(agree: Any) -> None:
    class Model:
        def collect(self, w: Any) -> Any:
            return np.array([w, 1.0])

        def __call__(self, w: Any) -> Any:
            return self.collect(w) * np.sum([w, w])

    agree(Model(), 0.3)
    model = Model()
    agree(lambda w: model(w) + model.collect(w), 0.3)


calls = 0
kept = None


@np.vectorize
def bent(u: Any) -> Any:
    return np.array([u, 1.0]).sum()


def test_a_decorated_function_works_on_whole_arrays(agree: Any) -> None:
    agree(lambda x: bent(x[0]) + bent(x[1]), X)


def test_what_the_model_assigns_to_globals_reaches_the_module() -> None:
    def counting(w: Any) -> Any:
        global calls
        calls += 1
        return w * 2

    def leaking(w: Any) -> Any:
        global kept
        kept = w
        return w

    trace_function(counting, [input_node("w")])
    assert calls == 1
    with pytest.raises(TraceError, match="keeps a traced value in the global kept"):
        trace_function(leaking, [input_node("w")])
    assert kept is None


def test_numpy_is_left_alone_and_so_is_the_user_function() -> None:
    before = {name: getattr(np, name) for name in dir(np) if not name.startswith("__")}
    names, cells = dict(helper.__globals__), collected.__closure__
    trace_function(collected, [input_node("x", (7,)), input_node("w"), input_node("b")])
    assert {n: getattr(np, n) for n in before} == before
    assert helper.__globals__ == names
    assert collected.__closure__ is cells
    assert np.array([1.0, 2.0]).__class__ is np.ndarray


def test_protocols_serve_where_no_copy_is_possible(agree: Any) -> None:
    compiled = SimpleNamespace(
        f=eval("lambda x: np.exp(x) + np.where(x > 0, x, 0).sum()", {"np": np})
    )
    agree(lambda x: compiled.f(x), X)


def test_a_failing_trace_leaves_no_trace_behind() -> None:
    from descend.trace.context import current

    with pytest.raises(ZeroDivisionError):
        trace_function(lambda x: 1 / 0, [input_node("x")])
    assert current() is None


def test_nested_traces(agree: Any) -> None:
    """A function traced inside a model sees the model's stand-ins through its closure."""

    def outer(x: Any, w: Any) -> Any:
        def inner(v: Any) -> Any:
            return np.array([v, w]).sum() * x

        inside = trace_function(inner, [w.node])
        from descend.trace.tensor import wrap

        return wrap(inside.outputs[0])

    node_x, node_w = input_node("x", (7,)), input_node("w")
    done = trace_function(outer, [node_x, node_w])
    (got,) = evaluate(done.outputs, {node_x: X, node_w: np.float64(0.5)})
    np.testing.assert_allclose(got, X)


def test_weak_scalars_of_math_stay_weak() -> None:
    node = input_node("x", (3,), np.float32)
    w = input_node("w", (), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = trace_function(lambda x, w: math.exp(w) * x, [node, w])
    assert done.outputs[0].dtype == np.float32

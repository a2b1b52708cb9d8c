"""Derivatives called with numbers: plans that are kept, when they are made anew, engines."""

import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import descend
from descend import plans
from descend.compile.native import NotNative

TABLE = np.arange(40.0)
RATE = 2.0
LISTED = [1.0]
RNG = np.random.default_rng(3)


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the functions traced from now on, one entry a trace."""
    seen: list[str] = []
    original = plans.trace_at

    def counted(function: Callable[..., Any], *rest: Any) -> Any:
        seen.append(getattr(function, "__name__", "?"))
        return original(function, *rest)

    monkeypatch.setattr(plans, "trace_at", counted)
    return seen


def bowl(x: Any) -> Any:
    return 3 * x[0] ** 2 + 4 * x[1] ** 2 + 5 * x[2] ** 2


def test_the_next_calls_run_what_was_compiled_to_the_same_bits(traces: list[str]) -> None:
    gradient = descend.grad(lambda x: np.sum(np.exp(np.sin(x)) / (1 + x**2)))
    points = [RNG.normal(size=7) for _ in range(3)]
    first = [gradient(x) for x in points]
    again = [gradient(x) for x in points]
    assert len(traces) == 1
    for a, b in zip(first, again, strict=True):
        assert a.tobytes() == b.tobytes()
        assert a is not b
    kept = first[0].copy()
    first[0][:] = 0.0
    np.testing.assert_array_equal(gradient(points[0]), kept)
    gradient(np.ones(8))
    gradient(np.ones(7, np.float32))
    assert len(traces) == 3


@pytest.mark.parametrize("engine", ["native", "interpreted"])
def test_every_derivative_is_kept(engine: str, traces: list[str]) -> None:
    x, v = np.ones(3), np.array([1.0, 0.0, 2.0])
    wrappers = [
        make(bowl, engine=engine)
        for make in (descend.grad, descend.value_and_grad, descend.jacobian, descend.hessian)
    ]
    for _ in range(3):
        results = [w(x) for w in wrappers]
    np.testing.assert_array_equal(results[0], [6.0, 8.0, 10.0])
    assert results[1][0] == 12.0
    np.testing.assert_array_equal(results[2], [6.0, 8.0, 10.0])
    np.testing.assert_array_equal(results[3], np.diag([6.0, 8.0, 10.0]))
    assert len(traces) == 5  # the Hessian traces the gradient
    for _ in range(3):
        assert descend.jvp(bowl, [x], [v], engine=engine) == (12.0, 26.0)
        np.testing.assert_array_equal(descend.hvp(bowl, [x], [v], engine=engine), [6.0, 0.0, 20.0])
        value, back = descend.vjp(bowl, x, engine=engine)
        assert value == 12.0
        np.testing.assert_array_equal(back(0.5)[0], [3.0, 4.0, 5.0])
    assert len(traces) == 8


def test_both_engines_agree_and_others_are_refused() -> None:
    def model(x: Any) -> Any:
        return np.log(np.sum(np.cosh(x) ** 1.5)) * np.tanh(x[0])

    x = RNG.normal(size=5)
    native = descend.hessian(model)(x)
    np.testing.assert_allclose(
        native, descend.hessian(model, engine="interpreted")(x), rtol=1e-12, atol=1e-14
    )
    with pytest.raises(descend.UsageError, match=r"'natve' is neither .*did you mean"):
        descend.grad(model, engine="natve")


def test_what_has_no_native_code_is_interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*_: Any) -> Any:
        raise NotNative("this")

    monkeypatch.setattr(plans, "compile_graph", without)
    np.testing.assert_array_equal(descend.grad(bowl)(np.ones(3)), [6.0, 8.0, 10.0])


# --- what the function takes from outside -------------------------------------------------------


def over_globals(x: Any) -> Any:
    return RATE * np.sum(x * TABLE[:3])


def test_changed_globals_and_arrays_are_seen(
    monkeypatch: pytest.MonkeyPatch, traces: list[str]
) -> None:
    gradient = descend.grad(over_globals)
    x = np.ones(3)
    np.testing.assert_array_equal(gradient(x), [0.0, 2.0, 4.0])
    gradient(x)
    assert len(traces) == 1
    monkeypatch.setitem(globals(), "RATE", 3.0)
    np.testing.assert_array_equal(gradient(x), [0.0, 3.0, 6.0])
    monkeypatch.setitem(globals(), "TABLE", TABLE + 1)
    np.testing.assert_array_equal(gradient(x), [3.0, 6.0, 9.0])
    TABLE[0] = 5.0
    np.testing.assert_array_equal(gradient(x), [15.0, 6.0, 9.0])
    gradient(x)
    assert len(traces) == 4


def test_a_large_captured_array_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.ones(1 << 18)
    gradient = descend.grad(lambda w: np.sum(w * data))
    assert gradient(1.0) == data.size
    compiled: list[int] = []
    monkeypatch.setattr(plans, "compile_graph", lambda *_: compiled.append(1))
    data[:10] = 2.0
    assert gradient(1.0) == data.size + 10
    assert not compiled


def test_lists_clocks_and_objects_are_looked_at_each_time(traces: list[str]) -> None:
    gradient = descend.grad(lambda x: x * LISTED[0])
    assert gradient(1.0) == 1.0
    LISTED[0] = 4.0
    assert gradient(1.0) == 4.0
    LISTED[0] = 1.0
    clock = descend.grad(lambda x: x * time.perf_counter())
    assert clock(1.0) < clock(1.0)
    assert len(traces) == 4


def test_derivatives_inside_of_functions_see_changes_too() -> None:
    scale = 2.0
    inner = descend.grad(lambda x: scale * x**3)
    outer = descend.grad(lambda x: inner(x) * x)
    assert outer(1.0) == 18.0
    scale = 1.0
    assert outer(1.0) == 9.0


# --- arguments that are not differentiated ------------------------------------------------------


def loss(w: Any, x: Any, y: Any, power: int = 2, scale: float = 1.0) -> Any:
    return scale * np.mean((x @ w - y) ** power)


def test_other_arguments_may_change_from_call_to_call(traces: list[str]) -> None:
    gradient = descend.grad(loss)
    w = RNG.normal(size=3)
    for scale in (1.0, 0.5, 2.0):
        x, y = RNG.normal(size=(20, 3)), RNG.normal(size=20)
        expected = scale * 2 * x.T @ (x @ w - y) / 20
        np.testing.assert_allclose(gradient(w, x, y, scale=scale), expected, rtol=1e-13)
    assert len(traces) == 1
    expected = 4 * x.T @ (x @ w - y) ** 3 / 20
    np.testing.assert_allclose(gradient(w, x, y, 4), expected, rtol=1e-12)
    np.testing.assert_allclose(gradient(w, x, y, power=4), expected, rtol=1e-12)
    assert len(traces) == 3


def branching(x: Any, side: float, ends: Any) -> Any:
    if side > 0:
        return np.sum(x**2) * ends[0]
    return np.sum(x**3) * ends[1]


def test_values_that_decide_the_way_belong_to_the_key(traces: list[str]) -> None:
    gradient = descend.grad(branching)
    x, ends = np.array([1.0, 2.0]), np.array([1.0, 10.0])
    for _ in range(2):
        np.testing.assert_array_equal(gradient(x, 1.0, ends), [2.0, 4.0])
        np.testing.assert_array_equal(gradient(x, -1.0, ends), [30.0, 120.0])
    assert len(traces) <= 4
    np.testing.assert_array_equal(gradient(x, 1.0, 2 * ends), [4.0, 8.0])
    wide = np.linspace(1, 2, 1000)
    np.testing.assert_array_equal(gradient(x, 1.0, wide), [2.0, 4.0])
    wide[0] = 3.0
    np.testing.assert_array_equal(gradient(x, 1.0, wide), [6.0, 12.0])
    with pytest.raises(TypeError, match="unexpected keyword"):
        gradient(x, 1.0, ends, nothing=2)


def test_a_float_argument_leaves_single_precision_alone() -> None:
    found = descend.grad(lambda x, c: np.sum(c * x * x))(np.ones(3, np.float32), 0.5)
    assert found.dtype == np.float32
    swapped = np.arange(3.0).astype(">f8")[::-1]
    found = descend.grad(lambda x, c: np.sum(c * x * x))(swapped, swapped)
    np.testing.assert_array_equal(found, [8.0, 2.0, 0.0])
    assert found.dtype == np.float64 and found.dtype.isnative


def picked(x: Any, index: Any) -> Any:
    return np.sum(x[index] ** 2)


@pytest.mark.parametrize("engine", ["native", "interpreted"])
def test_an_index_out_of_bounds_is_refused_at_its_line(engine: str) -> None:
    gradient = descend.grad(picked, engine=engine)
    x = np.arange(1.0, 5.0)
    np.testing.assert_array_equal(gradient(x, np.array([0, 3, 3])), [2.0, 0.0, 0.0, 16.0])
    np.testing.assert_array_equal(gradient(x, np.array([-1, 1, 1])), [0.0, 8.0, 0.0, 8.0])
    with pytest.raises(IndexError, match="index 4 is out of bounds"):
        gradient(x, np.array([0, 4, 1]))
    with pytest.raises(IndexError, match=r"index -\d is out of bounds"):
        gradient(x, np.array([0, -5, 1]))


def test_the_line_of_an_index_is_named() -> None:
    with pytest.raises(IndexError, match=r"test_functions.py:\d+: x\[index\]"):
        descend.grad(picked)(np.ones(3), np.array([3, 3]))


def test_the_order_of_a_dict_does_not_matter_to_tangents() -> None:
    def model(p: dict[str, Any]) -> Any:
        return {"s": p["a"] ** 2 * p["b"], "t": p["b"] ** 3}

    p = {"a": 2.0, "b": 3.0}
    for _ in range(2):
        _, moved = descend.jvp(model, [p], [{"b": 0.0, "a": 1.0}])
        assert moved == {"s": 12.0, "t": 0.0}
        turned = descend.hvp(lambda p: model(p)["s"], [p], [{"b": 1.0, "a": 0.0}])
        assert turned == {"a": 4.0, "b": 0.0}
    _, back = descend.vjp(model, p)
    assert back({"t": 1.0, "s": 0.0})[0] == {"a": 0.0, "b": 27.0}
    with pytest.raises(descend.UsageError, match="1 tangents given for 2 arrays"):
        descend.jvp(model, [p], [{"a": 1.0}])


# --- memory and threads -------------------------------------------------------------------------


def test_large_arrays_go_in_and_out() -> None:
    def model(x: Any, y: Any) -> Any:
        return np.sum(np.sin(x) * y), {"x": x, "y": y, "z": x + y}

    gradient = descend.grad(model, (0, 1), has_aux=True)
    for _ in range(2):
        x, y = RNG.normal(size=(100, 50)), RNG.normal(size=(50, 100)).T
        (by_x, by_y), aux = gradient(x, y)
        np.testing.assert_allclose(by_x, np.cos(x) * y, rtol=1e-14)
        np.testing.assert_allclose(by_y, np.sin(x), rtol=1e-14)
        np.testing.assert_array_equal(aux["x"], x)
        np.testing.assert_array_equal(aux["y"], y)
        np.testing.assert_array_equal(aux["z"], x + y)
        assert not any(np.shares_memory(a, b) for a in aux.values() for b in (x, y, by_x, by_y))


def test_the_pullback_holds_on_to_where_it_was_made() -> None:
    x = np.array([1.0, 2.0])
    _, back = descend.vjp(lambda x: x**2, x)
    x[:] = 10.0
    np.testing.assert_array_equal(back(np.ones(2))[0], [2.0, 4.0])
    _, other = descend.vjp(lambda x: x**2, np.array([3.0, 4.0]))
    np.testing.assert_array_equal(other(np.ones(2))[0], [6.0, 8.0])
    np.testing.assert_array_equal(back(np.ones(2))[0], [2.0, 4.0])
    traced = descend.grad(lambda t: np.sum(back(t * np.ones(2))[0]))
    assert traced(1.0) == 6.0


def test_threads_share_a_plan() -> None:
    gradient = descend.grad(lambda x: np.sum(np.sin(x) ** 2))
    wrong: list[Any] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(60):
            x = rng.normal(size=200)
            if not np.allclose(gradient(x), np.sin(2 * x), rtol=1e-12, atol=1e-14):
                wrong.append(x)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


def test_plans_are_bounded_and_die_with_their_function() -> None:
    planner = plans.Planner(descend.functions.transforms.gradient, 0, engine="interpreted")
    for n in range(1, plans.MOST_PLANS + 20):
        planner(np.sum, (np.ones(n),), {})
    assert len(planner._plans) == plans.MOST_PLANS
    assert len(planner._finished) == plans.MOST_PLANS

    def short_lived(x: Any) -> Any:
        return x**2

    assert descend.hvp(short_lived, [2.0], [1.0]) == 2.0
    gone = weakref.ref(short_lived)
    del short_lived
    gc.collect()
    assert gone() is None


def test_a_repeated_call_takes_microseconds() -> None:
    """Far above the few that it takes on an idle machine, and far below one trace."""
    gradient, x = descend.grad(bowl), np.ones(3)
    gradient(x)

    def best(call: Callable[[], Any]) -> float:
        times = []
        for _ in range(5):
            begin = time.thread_time()
            for _ in range(200):
                call()
            times.append((time.thread_time() - begin) / 200)
        return min(times)

    assert best(lambda: gradient(x)) < 60e-6

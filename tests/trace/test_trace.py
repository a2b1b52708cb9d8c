"""What a trace records: origins, captured arrays, purity; and that its size stays linear."""

import functools
import time
from typing import Any

import numpy as np
import pytest

from descend.graph.evaluate import evaluate
from descend.graph.node import Dim, postorder
from descend.graph.source import input_node, is_const
from descend.trace.context import current
from descend.trace.trace import trace_function
from descend.trace.tree import flatten, leaf_names, unflatten

LARGE = np.arange(100.0)
SMALL = np.arange(3.0)
LIMIT = 2.5


def origins_model(x: Any, w: Any) -> Any:
    hidden = np.tanh(w * x)
    scaled = hidden / len(x)
    out = np.zeros(2)
    out[1] = np.sum(scaled) - 1
    return out


def test_origins_name_file_line_text_and_variable() -> None:
    x, w = input_node("x", (Dim(),)), input_node("w")
    done = trace_function(origins_model, [x, w])
    origins = list(done.trace.origins.values())
    first = origins_model.__code__.co_firstlineno
    found = {(o.line - first, o.text, o.name) for o in origins}
    assert {
        (1, "w * x", None),
        (1, "np.tanh(w * x)", "hidden"),
        (2, "hidden / len(x)", "scaled"),
        (4, "np.sum(scaled)", None),
        (4, "np.sum(scaled) - 1", None),
    } <= found
    assert all(o.file == __file__ for o in origins)
    assert str(origins[0]) == f"test_trace.py:{first + 1}: w * x"


def test_the_first_line_wins_for_a_shared_node() -> None:
    def model(w: Any) -> Any:
        first = w * 2.0
        second = w * 2.0
        return first + second

    done = trace_function(model, [input_node("w")])
    product = done.outputs[0].args[0]
    assert done.outputs[0].args[1] is product
    origin = done.trace.origin(product)
    assert origin is not None
    assert (origin.name, origin.text) == ("first", "w * 2.0")
    assert done.trace.origin(input_node("z")) is None


def test_large_captured_arrays_are_inputs_and_small_ones_constants() -> None:
    done = trace_function(lambda w: w * LARGE + (LARGE + w).sum() + SMALL[0] * w, [input_node("w")])
    ((node, array),) = done.captured
    assert array is LARGE
    assert node.op.name == "input"
    done = trace_function(lambda w: w * SMALL, [input_node("w")])
    assert done.captured == []
    assert any(is_const(n) and n.shape == (3,) for n in postorder(done.outputs))


def test_temporaries_that_change_later_are_captured_as_they_were(agree: Any) -> None:
    def model(w: Any) -> Any:
        table = LARGE * 2
        a = table * w
        table += 1
        filled = np.arange(50.0)
        b = filled * w
        filled[3] = 99.0
        return a, table * w, b, filled * w

    agree(model, 0.5)


def test_a_captured_array_is_the_users_own_and_read_anew() -> None:
    table = np.ones(20)
    w = input_node("w")
    done = trace_function(lambda v: v * table, [w])
    table[:] = 7.0
    (value,) = evaluate(done.outputs, {w: np.float64(2.0), **dict(done.captured)})
    assert (value == 14.0).all()


def test_uniform_arrays_made_in_the_model_cost_one_number() -> None:
    done = trace_function(lambda w: w * np.ones((1000, 1000)), [input_node("w")])
    assert done.captured == []
    assert max(n.size for n in postorder(done.outputs) if is_const(n)) == 1


def pure(w: Any) -> Any:
    return w * LIMIT + np.sin(w) * len((1, 2)) + nested_pure(w)


def nested_pure(w: Any, factor: float = 2.0) -> Any:
    return w * factor


def over_array(w: Any) -> Any:
    return w * SMALL[0]


def clocked(w: Any) -> Any:
    return w * time.perf_counter()


def test_purity_and_whether_captures_are_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    done = trace_function(pure, [input_node("w")])
    assert done.trace.is_pure_capture
    assert done.trace.unchanged()
    monkeypatch.setitem(pure.__globals__, "LIMIT", 4.0)
    assert not done.trace.unchanged()
    monkeypatch.undo()
    assert done.trace.unchanged()
    monkeypatch.setattr(nested_pure, "__defaults__", (3.0,))
    assert not done.trace.unchanged()
    assert not trace_function(clocked, [input_node("w")]).trace.is_pure_capture
    settings = {"k": 2.0}
    assert not trace_function(lambda w: w * settings["k"], [input_node("w")]).trace.is_pure_capture


def test_an_array_written_to_is_seen() -> None:
    done = trace_function(over_array, [input_node("w")])
    assert done.trace.unchanged()
    SMALL[1] += 1.0
    assert not done.trace.unchanged()
    SMALL[1] -= 1.0
    assert done.trace.unchanged()
    given = functools.partial(lambda w, s: w * s[0], s=np.ones(3))
    done = trace_function(given, [input_node("w")])
    assert done.trace.unchanged()
    given.keywords["s"][0] = 2.0
    assert not done.trace.unchanged()
    large = np.ones(1 << 18)
    assert not trace_function(lambda w: w * large, [input_node("w")]).trace.is_pure_capture


def test_a_changed_closure_is_seen() -> None:
    k = 2.0

    def model(w: Any) -> Any:
        return w * k

    done = trace_function(model, [input_node("w")])
    assert done.trace.unchanged()
    k = 3.0
    assert not done.trace.unchanged()


def test_a_long_chain_is_no_recursion() -> None:
    def chain(w: Any) -> Any:
        for _ in range(50_000):
            w = np.sin(w) * 1.01
        return w

    done = trace_function(chain, [input_node("w")])
    assert len(postorder(done.outputs)) > 100_000


def recurrent(w: Any, steps: int) -> Any:
    state = np.zeros(2)
    path = np.zeros((steps + 1, 2))
    for i in range(steps):
        state = np.tanh(np.array([state[0] * w + 0.1, state[1] - w * state[0]]))
        path[i + 1] = 0.5 * path[i] + state
    return path, path[::100].sum()


def test_a_recurrent_loop_of_2000_steps_is_linear(agree: Any) -> None:
    agree(lambda w: recurrent(w, 20), 0.3)
    w = input_node("w")
    done = trace_function(lambda w: recurrent(w, 2000), [w])
    order = postorder(done.outputs)
    edges = sum(len(n.args) for n in order)
    assert edges < 2000 * 40, "the graph must grow with the steps, not with their square"
    assert sum(n.op.name == "set_slice" for n in order) <= 1, "all rows are joined at once"


def test_trees_of_arguments_and_results() -> None:
    layers = {
        "first": {"weight": input_node("a", (2, 3)), "bias": input_node("b", (2,))},
        "rest": [(input_node("c"), None), input_node("d")],
        "name": "layer",
    }

    def model(p: Any, x: Any) -> Any:
        assert p["name"] == "layer"
        hidden = p["first"]["weight"] @ x + p["first"]["bias"]
        return {"z": hidden * p["rest"][0][0], "a": [p["rest"][1], 3.0], "none": None}

    done = trace_function(model, [layers, input_node("x", (3,))])
    assert list(done.result) == ["z", "a", "none"]
    assert done.result["z"].shape == (2,)
    assert done.result["a"][0] is layers["rest"][1]
    assert is_const(done.result["a"][1])


@pytest.mark.parametrize(
    ("tree", "names"),
    [
        (1.0, [""]),
        ({"w": 1.0, "b": 2.0}, ["w", "b"]),
        ({"b": [1.0, {"x": 2.0}], "a": (3.0,)}, ["b[0]", "b[1].x", "a[0]"]),
        ([1.0, 2.0], ["[0]", "[1]"]),
    ],
)
def test_trees_keep_the_order_of_insertion(tree: Any, names: list[str]) -> None:
    leaves, form = flatten(tree)
    assert leaf_names(form) == names
    assert unflatten(form, leaves) == tree
    assert leaves == sorted(leaves)
    assert hash(form) == hash(flatten(tree)[1])


def test_there_is_no_trace_outside() -> None:
    assert current() is None


def test_known_arrays_are_numpys_own_until_written_to(agree: Any) -> None:
    def model(w: Any) -> Any:
        grid = np.arange(6).reshape(2, 3)
        if grid[1, 2] == 5 and grid.sum() > 3:
            grid = grid * 2
        for k in grid[0]:
            assert isinstance(k, np.integer)
        nodes, weights = np.polynomial.legendre.leggauss(3)
        view = grid.T
        table = np.zeros((3, 2))
        before = table[1:]
        table[0, 0] = 1.5
        table[2, 1] = w
        total = sum(v * w for v in weights) + float(np.ones(3)[0])
        return grid + w, view * w, before, table, total, nodes @ np.full(3, w), np.zeros(()) + w

    agree(model, 0.25)


def test_zero_dimensional_arrays_are_written_in_place(agree: Any) -> None:
    def model(w: Any) -> Any:
        a = np.zeros(())
        b = a
        a += w
        a[()] = a + w
        return a, b

    agree(model, 0.5)

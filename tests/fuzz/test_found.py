"""What random graphs and functions have found, each reduced to the smallest case."""

import numpy as np
import pytest

from descend.compile.function import compile_graph
from descend.compile.native import NotNative
from descend.differentiate.reverse import reverse
from descend.graph.elementwise import call
from descend.graph.evaluate import evaluate
from descend.graph.linear import broadcast, reduce_sum, slice_
from descend.graph.multilinear import contract
from descend.graph.node import Dim, Node
from descend.graph.selection import put_add, take
from descend.graph.source import const, input_node, row_count
from descend.simplify.driver import simplify
from descend.trace.trace import trace_function
from fuzz.rounding import check_close, expect

R = Dim()


def both(outputs: list[Node], given: dict[Node, np.ndarray]) -> None:
    """Simplified and compiled, against the interpreter."""
    simple = simplify(outputs)
    want = expect(outputs, given, also=[simple])
    check_close(evaluate(simple, given), want)
    check_close(compile_graph(outputs, list(given))(list(given.values())), want)


def test_a_broadcast_that_only_exchanges_axes() -> None:
    x = input_node("x", (R, R))
    value = np.arange(9.0).reshape(3, 3)
    (turned,) = evaluate([broadcast(x, (R, R), (1, 0))], {x: value})
    np.testing.assert_array_equal(turned, value.T)
    loss = contract(x, x, (0, 1), (1, 0), ())
    both(reverse([loss], [const(1.0)], [x]), {x: value})


def test_small_results_that_look_into_computed_arrays() -> None:
    x, k = input_node("x", (40,)), input_node("k", (40,), np.int64)
    near, far = call("mod", k, 3), call("mod", call("add", k, 5), 40)
    outputs = [
        put_add(call("exp", x), near, 0, 3),
        take(call("sin", x), slice_(far, (0,), (2,), (1,)), 0),
    ]
    both(outputs, {x: np.linspace(-1, 1, 40), k: np.arange(40) * 7})


@pytest.mark.parametrize("shape", [(5, 1, 5), (1, R), (R, 1), (1, 1), (1,)])
def test_the_sum_of_an_array_with_axes_of_extent_one(shape: tuple[int | Dim, ...]) -> None:
    x = input_node("x", shape)
    size = tuple(7 if n is R else n for n in shape)
    both([reduce_sum(call("sin", x), tuple(range(x.ndim)))], {x: np.ones(size)})


@pytest.mark.parametrize("rows", [300, R])
def test_sums_of_copies_wrap_in_small_integers(rows: int | Dim) -> None:
    x, y = input_node("x", (), np.uint8), input_node("y", (R,))
    copies = reduce_sum(broadcast(x, (rows,), ()), (0,))
    both([copies, row_count(R, np.uint8)], {x: np.uint8(2), y: np.zeros(300)})


def test_there_is_no_native_half_precision() -> None:
    x = input_node("x", (3,), np.float16)
    with pytest.raises(NotNative, match="float16"):
        compile_graph([call("add", x, x)], [x])


# --- functions ----------------------------------------------------------------------------------

MODELS = {
    "a float and a scalar are no Python float": lambda m, f: (1.0 * np.sum(m)) * f,
    "an int and a scalar are no Python int": lambda m, f: (1 + np.argmax(m)) * f,
    "slopes keep the dtype": lambda m, f: np.gradient(f),
    "slopes over steps keep the dtype": lambda m, f: np.gradient(f, np.float64(0.5)),
    "a scalar convolved": lambda m, f: np.convolve(np.sum(m), f),
    "a block of matrices and a deeper array": lambda m, f: np.block([m, m[None]]),
    "polynomials of lists": lambda m, f: np.polyval([3, 1, -2], f),
    "one axis of a scalar": lambda m, f: np.sum(np.max(m), axis=-1),
}


@pytest.mark.filterwarnings("ignore::descend.errors.DescendWarning")
@pytest.mark.parametrize("name", MODELS)
def test_functions_give_what_numpy_gives(name: str) -> None:
    m, f = np.arange(12.0).reshape(3, 4), np.array([0.5, 2.0, -1.0], np.float32)
    nodes = [input_node("m", m.shape), input_node("f", f.shape, f.dtype)]
    (out,) = trace_function(MODELS[name], nodes).outputs
    (got,) = evaluate([out], dict(zip(nodes, (m, f), strict=True)))
    want = np.asarray(MODELS[name](m, f))
    assert out.dtype == want.dtype
    np.testing.assert_array_equal(got, want)

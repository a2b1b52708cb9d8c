"""Each rule: what it makes, and that it keeps every bit where it says so."""

from collections.abc import Callable

import numpy as np
import pytest

from descend.graph import selection
from descend.graph.check import check_graph
from descend.graph.elementwise import call, cast, full_like, select
from descend.graph.evaluate import evaluate
from descend.graph.linear import (
    broadcast,
    broadcast_like,
    concatenate,
    cumsum,
    flip,
    pad,
    reduce_sum,
    reshape,
    set_slice,
    slice_,
    transpose,
    zeros,
)
from descend.graph.multilinear import contract
from descend.graph.node import Dim, Node, postorder
from descend.graph.source import const, input_node, row_count
from descend.graph.text import graph_text
from descend.simplify.driver import simplify

SPECIAL = np.array([0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan, 5e-324, 1e308])


def bits_equal(a: np.ndarray, b: np.ndarray) -> bool:
    nan = np.isnan(a) & np.isnan(b)
    return bool(np.all(nan | ((a == b) & (np.signbit(a) == np.signbit(b)))))


EXACT: dict[str, tuple[Callable[[Node, Node], Node], str]] = {
    "x · 1": (lambda x, y: call("mul", x, 1.0), "input"),
    "1 · x": (lambda x, y: call("mul", full_like(x, 1.0), x), "input"),
    "x · −1": (lambda x, y: call("mul", x, -1.0), "neg"),
    "x + −0": (lambda x, y: call("add", x, -0.0), "input"),
    "x − 0": (lambda x, y: call("sub", x, 0.0), "input"),
    "−0 − x": (lambda x, y: call("sub", full_like(x, -0.0), x), "neg"),
    "x + −y": (lambda x, y: call("add", x, call("neg", y)), "sub"),
    "−x + y": (lambda x, y: call("add", call("neg", x), y), "sub"),
    "x − −y": (lambda x, y: call("sub", x, call("neg", y)), "add"),
    "−x − x": (lambda x, y: call("sub", call("neg", x), x), "mul"),
    "x + x": (lambda x, y: call("add", x, x), "mul"),
    "−−x": (lambda x, y: call("neg", call("neg", x)), "input"),
    "−x · −y": (lambda x, y: call("mul", call("neg", x), call("neg", y)), "mul"),
    "−x · 3": (lambda x, y: call("mul", call("neg", x), 3.0), "mul"),
    "−(x · 3)": (lambda x, y: call("neg", call("mul", x, 3.0)), "mul"),
    "−(3 / x)": (lambda x, y: call("neg", call("div", full_like(x, 3.0), x)), "div"),
    "x / 1": (lambda x, y: call("div", x, 1.0), "input"),
    "x / 8": (lambda x, y: call("div", x, 8.0), "mul"),
    "x / −¼": (lambda x, y: call("div", x, -0.25), "mul"),
    "−x / −y": (lambda x, y: call("div", call("neg", x), call("neg", y)), "div"),
    "x²": (lambda x, y: call("pow", x, 2.0), "mul"),
    "x¹": (lambda x, y: call("pow", x, 1.0), "input"),
    "x⁰": (lambda x, y: call("pow", x, 0.0), "broadcast"),
    "x⁻¹": (lambda x, y: call("pow", x, -1.0), "div"),
    "|−x|": (lambda x, y: call("abs", call("neg", x)), "abs"),
    "||x||": (lambda x, y: call("abs", call("abs", x)), "abs"),
    "cos(−x)": (lambda x, y: call("cos", call("neg", x)), "cos"),
    "max(x, x)": (lambda x, y: call("max", x, x), "input"),
    "mul0(0, x)": (lambda x, y: call("mul0", full_like(x, 0.0), x), "broadcast"),
    "mul0(3, x)": (lambda x, y: call("mul0", full_like(x, 3.0), x), "mul"),
    "select(c, x, x)": (lambda x, y: select(call("lt", x, y), x, x), "input"),
    "select(true, x, y)": (
        lambda x, y: select(call("le", zeros(x.shape, float), 0.0), x, y), "input"),
    "select(not c, x, y)": (lambda x, y: select(call("not", call("lt", x, y)), x, y), "select"),
    "float64 via float64": (lambda x, y: cast(cast(x, np.float32), np.float64), "cast"),
    "constants": (lambda x, y: call("exp", full_like(x, 0.0)), "broadcast"),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_elementwise_rules_keep_every_bit(name: str) -> None:
    build, kind = EXACT[name]
    x, y = input_node("x", (9, 9)), input_node("y", (9, 9))
    out = build(x, y)
    (smaller,) = simplify([out])
    check_graph([smaller])
    assert smaller.op.name == kind, graph_text([smaller])
    grid = np.meshgrid(SPECIAL, SPECIAL)
    given = dict(zip((x, y), grid, strict=True))
    before, after = evaluate([out], given)[0], evaluate([smaller], given)[0]
    assert bits_equal(before, after), (before, after)
    cost = [sum(n.op.name not in ("const", "broadcast") for n in postorder([o]))
            for o in (smaller, out)]  # fmt: skip
    assert cost[0] <= cost[1]


KEPT = {
    "x + 0": lambda x, y: call("add", x, 0.0),
    "x · 0": lambda x, y: call("mul", x, 0.0),
    "x − x": lambda x, y: call("sub", x, x),
    "x / x": lambda x, y: call("div", x, x),
    "0 − x": lambda x, y: call("sub", full_like(x, 0.0), x),
    "x / 3": lambda x, y: call("div", x, 3.0),
    "−(x − y)": lambda x, y: call("neg", call("sub", x, y)),
    "mul0(x, y)": lambda x, y: call("mul0", x, call("log", y)),
    "float32 and back": lambda x, y: cast(cast(x, np.float32), np.float64),
    "x^40": lambda x, y: call("pow", x, 40.0),
    "x^0.3": lambda x, y: call("pow", x, 0.3),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_would_change_bits_stays(name: str) -> None:
    x, y = input_node("x", (3,)), input_node("y", (3,))
    out = KEPT[name](x, y)
    assert simplify([out]) == [out]


POWERS = [2, 3, 5, 7, 16, 31, 32, -2, -3, 0.5, 1.5, -0.5, 2.5]


@pytest.mark.parametrize("power", POWERS)
def test_powers_become_products(power: float) -> None:
    x = input_node("x", (5,))
    (smaller,) = simplify([call("pow", x, float(power))])
    names = [n.op.name for n in postorder([smaller])]
    assert "pow" not in names
    assert names.count("mul") <= 9
    values = np.array([0.3, 0.99, 1.7, 12.5, 1e-3])
    (got,) = evaluate([smaller], {x: values})
    np.testing.assert_allclose(got, values ** float(power), rtol=2e-14)


def test_scalings_meet() -> None:
    x = input_node("x", (4,))
    scaled = call("div", call("mul", call("mul", x, 3.0), 0.1), 7.0)
    (smaller,) = simplify([scaled])
    assert [n.op.name for n in postorder([smaller])] == ["input", "const", "broadcast", "mul"]
    huge = call("mul", call("mul", x, 1e200), 1e-200)
    assert simplify([huge]) == [huge]


def test_integers_keep_their_own_algebra() -> None:
    n = input_node("n", (3,), np.int64)
    assert simplify([call("add", call("mul", n, 1), 0)]) == [n]
    assert simplify([call("add", n, n)]) == [call("add", n, n)]
    values = np.array([2**62 + 1, -5, 0])
    out = call("mul", call("neg", n), 3)
    got, want = (evaluate(o, {n: values})[0] for o in (simplify([out]), [out]))
    np.testing.assert_array_equal(got, want)


ROWS = Dim()
SHAPES: dict[str, tuple[tuple[int, ...], Callable[[Node], Node], list[str]]] = {
    "broadcast twice": (
        (3,), lambda x: broadcast(broadcast(x, (2, 3), (1,)), (2, 3, 4), (0, 1)), ["broadcast"]),
    "broadcast ones": ((3,), lambda x: broadcast(x, (1, 3, 1), (1,)), ["reshape"]),
    "reshape twice": ((2, 3), lambda x: reshape(reshape(x, (6,)), (3, 2)), ["reshape"]),
    "reshape back": ((2, 3), lambda x: reshape(reshape(x, (6,)), (2, 3)), []),
    "transpose twice": (
        (2, 3, 4), lambda x: transpose(transpose(x, (2, 0, 1)), (1, 2, 0)), []),
    "transpose of a row": ((1, 3), lambda x: transpose(x, (1, 0)), ["reshape"]),
    "transpose of copies": (
        (3,), lambda x: transpose(broadcast(x, (2, 3), (1,)), (1, 0)), ["broadcast"]),
    "flip twice": ((2, 3), lambda x: flip(flip(x, (0, 1)), (1,)), ["flip"]),
    "flip of one": ((1, 3), lambda x: flip(x, (0,)), []),
    "cumsum of one": ((1, 3), lambda x: cumsum(x, 0), []),
    "sum twice": ((2, 3, 4), lambda x: reduce_sum(reduce_sum(x, (1,)), (1,)), ["sum"]),
    "sum of one": ((2, 1), lambda x: reduce_sum(x, (1,)), ["reshape"]),
    "sum of a transpose": (
        (2, 3, 4), lambda x: reduce_sum(transpose(x, (2, 0, 1)), (0,)), ["sum"]),
    "sum of a reshape": ((2, 3), lambda x: reduce_sum(reshape(x, (6,)), (0,)), ["sum"]),
    "sum of padding": ((3,), lambda x: reduce_sum(pad(x, (1,), (2,), (1,)), (0,)), ["sum"]),
    "slice twice": (
        (9,), lambda x: slice_(slice_(x, (1,), (9,), (2,)), (1,), (4,), (2,)), ["slice"]),
    "slice of copies": (
        (3,), lambda x: slice_(broadcast(x, (4, 3), (1,)), (1, 1), (3, 2), (1, 1)),
        ["slice", "broadcast"]),
    "slice of padding": (
        (3,), lambda x: slice_(pad(x, (2,), (1,), (1,)), (2,), (7,), (2,)), []),
    "slice beside": ((3,), lambda x: slice_(pad(x, (2,), (1,), (0,)), (0,), (2,), (1,)), ["zero"]),
    "slice of a part": (
        (3,), lambda x: slice_(concatenate([const(np.arange(2.0)), x], 0), (3,), (5,), (1,)),
        ["slice"]),
    "slice of a write": (
        (3,), lambda x: slice_(set_slice(const(np.arange(9.0)), x, (2,), (2,)), (2,), (7,), (2,)),
        []),
    "slice beside a write": (
        (6,), lambda x: slice_(set_slice(x, const(np.arange(2.0)), (1,), (1,)), (4,), (6,), (1,)),
        ["slice"]),
    "pad twice": ((3,), lambda x: pad(pad(x, (1,), (0,), (0,)), (1,), (2,), (0,)), ["pad"]),
    "concatenate flat": (
        (3,), lambda x: concatenate([concatenate([x, flip(x, (0,))], 0), x], 0),
        ["flip", "concatenate"]),
    "neighbours": (
        (6,), lambda x: concatenate(
            [slice_(x, (0,), (2,), (1,)), slice_(x, (2,), (6,), (1,))], 0), []),
    "write all": ((3,), lambda x: set_slice(zeros((3,), float), x, (0,), (1,)), []),
    "write into zeros": (
        (2,), lambda x: set_slice(zeros((3,), float), x, (1,), (1,)),
        ["broadcast", "concatenate"]),
    "outer product": (
        (3,), lambda x: contract(x, x, (0,), (1,), (0, 1)), ["broadcast", "broadcast", "mul"]),
    "take in steps": (
        (7,), lambda x: selection.take(x, const(np.array([1, 3, 5])), 0), ["slice"]),
    "take one": ((7,), lambda x: selection.take(x, const(2), 0), ["slice", "reshape"]),
    "put in steps": (
        (2,), lambda x: selection.put_add(x, const(np.array([1, 3])), 0, 6), ["pad"]),
    "largest of one": ((1, 3), lambda x: selection.reduce_max(x, (0,)), ["reshape"]),
    "below copies": (
        (), lambda x: call("mul", broadcast(x, (4,), ()), broadcast(call("sin", x), (4,), ())),
        ["sin", "mul", "broadcast"]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shape_rules(name: str) -> None:
    shape, build, kinds = SHAPES[name]
    x = input_node("x", shape)
    out = build(x)
    (smaller,) = simplify([out])
    check_graph([smaller])
    names = [n.op.name for n in postorder([smaller]) if n.op.name not in ("input", "const")]
    assert names == (["broadcast"] if kinds == ["zero"] else kinds), graph_text([smaller])
    values = np.random.default_rng(0).normal(size=shape)
    before, after = evaluate([out], {x: values})[0], evaluate([smaller], {x: values})[0]
    np.testing.assert_allclose(after, before, rtol=1e-15)
    assert simplify([smaller]) == [smaller]


def test_elements_written_one_by_one_are_joined() -> None:
    scalars = [input_node(f"s{i}") for i in range(20)]
    out = zeros((20,), np.float64)
    for i, s in enumerate(scalars):
        out = set_slice(out, reshape(s, (1,)), (i,), (1,))
    (smaller,) = simplify([out])
    assert smaller.op.name == "concatenate"
    assert len(smaller.args) == 20
    third = slice_(out, (3,), (4,), (1,))
    assert simplify([reshape(third, ())]) == [scalars[3]]


def test_copies_along_unknown_rows_are_counted() -> None:
    w = input_node("w")
    (smaller,) = simplify([reduce_sum(broadcast(w, (ROWS, 2), ()), (0, 1))])
    names = {n.op.name for n in postorder([smaller])}
    assert names == {"input", "const", "row_count", "mul"}
    (value,) = evaluate([smaller], {w: np.array(0.5)}, {ROWS: 7})
    assert value == 7.0


def test_unknown_rows_pass_every_rule() -> None:
    x, w = input_node("x", (ROWS, 3)), input_node("w", (3,))
    moved = call("mul", x, broadcast(w, x.shape, (1,)))
    moved = call("add", moved, broadcast_like(call("div", const(1.0), row_count(ROWS)), x))
    turned = transpose(transpose(moved, (1, 0)), (1, 0))
    part = slice_(turned, (0, 1), (ROWS, 3), (1, 1))
    back = reduce_sum(pad(part, (0, 1), (0, 0), (0, 0)), (0,))
    (smaller,) = simplify([back])
    check_graph([smaller])
    values = {x: np.arange(12.0).reshape(4, 3), w: np.array([1.0, 2.0, 3.0])}
    np.testing.assert_allclose(*(evaluate([o], values)[0] for o in (smaller, back)), rtol=1e-15)


def test_long_chains_are_ordinary() -> None:
    x = input_node("x")
    node = x
    for i in range(30_000):
        node = call("mul", call("add", node, 0.0), 1.0) if i % 2 else call("sin", node)
    (smaller,) = simplify([node])
    assert len(postorder([smaller])) == 30_000 + 2


def test_final_form_has_no_barriers() -> None:
    x = input_node("x")
    out = call("mul", call("stop_gradient", x), 1.0)
    assert simplify([out]) == [call("stop_gradient", x)]
    assert simplify([out], final=True) == [x]

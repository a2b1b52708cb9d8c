"""What is told of a scalar before the program runs is what it would have been."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from descend.compile.folding import combine, folding
from descend.compile.function import compile_graph
from descend.compile.loops import Let
from descend.graph.evaluate import evaluate
from descend.graph.source import input_node
from descend.trace.trace import trace_function

TRUTH, WHOLE, FLOAT = np.dtype(bool), np.dtype(np.int64), np.dtype(np.float64)


def plain(op: str, args: tuple[Let, ...], attr: Any, dtype: np.dtype[Any]) -> Let:
    return Let(op, args, attr, dtype)


def constant(value: Any) -> Let:
    array = np.asarray(value)
    return Let("const", (), array, array.dtype)


make = folding(plain)
X, Y = (Let("load", (), name, FLOAT) for name in "xy")
P, Q, R = (Let("load", (), name, TRUTH) for name in "pqr")


@pytest.mark.parametrize(
    ("op", "values", "result"),
    [("add", (2, 3), 5), ("mul", (4, -3), -12), ("eq", (2, 2), True), ("lt", (3, 2), False),
     ("and", (True, False), False), ("not", (False,), True)],
)  # fmt: skip
def test_whole_numbers_and_truths_are_worked_out(op, values, result):
    dtype = TRUTH if isinstance(result, bool) else WHOLE
    made = make(op, tuple(constant(v) for v in values), None, dtype)
    assert made.op == "const" and made.attr == result and made.dtype == dtype


@pytest.mark.parametrize("op", ["add", "mul", "div"])
def test_floats_are_left_to_the_program(op):
    made = make(op, (constant(0.1), constant(0.2)), None, FLOAT)
    assert made.op == op


def test_a_known_choice_is_made_and_a_factor_of_one_is_dropped():
    assert make("select", (constant(True), X, Y), None, FLOAT) is X
    assert make("select", (constant(False), X, Y), None, FLOAT) is Y
    assert make("select", (P, X, Y), None, FLOAT).op == "select"
    assert make("mul", (constant(1.0), X), None, FLOAT) is X
    assert make("mul", (X, constant(1.0)), None, FLOAT) is X
    assert make("mul", (X, constant(0.0)), None, FLOAT).op == "mul"  # x may be infinite


def counted(*truths: Let) -> Let:
    casts = [plain("cast", (t,), {"dtype": "<i8"}, WHOLE) for t in truths]
    return combine(lambda a, b: plain("add", (a, b), None, WHOLE), casts)


def meaning(let: Let, known: dict[Let, bool]) -> bool:
    if let in known:
        return known[let]
    values = [meaning(a, known) for a in let.args]
    return {"and": all, "or": any, "not": lambda v: not v[0]}[let.op](values)


def test_truths_that_were_counted_are_joined():
    some = make("lt", (constant(0), counted(P, Q, R)), None, TRUTH)
    none = make("eq", (counted(P, Q, R), constant(0)), None, TRUTH)
    turned = [plain("not", (t,), None, TRUTH) for t in (P, Q, R)]
    every = make("eq", (counted(*turned), constant(0)), None, TRUTH)
    for bits in np.ndindex(2, 2, 2):
        known = dict(zip((P, Q, R), map(bool, bits), strict=True))
        assert meaning(some, known) == any(bits)
        assert meaning(none, known) == (not any(bits))
        assert meaning(every, known) == all(bits)


def test_other_counts_stay():
    one = make("lt", (constant(1), counted(P, Q)), None, TRUTH)
    mixed = plain("add", (counted(P, Q), Let("load", (), "n", WHOLE)), None, WHOLE)
    assert one.op == "lt" and make("eq", (mixed, constant(0)), None, TRUTH).op == "eq"


def choices(x: Any, m: Any) -> Any:
    known = np.where(np.eye(3, dtype=bool), m, 0.0) + np.where(np.arange(3) > 0, x, 2.0)[None, :]
    return known * (np.any(x > 1) + 2.0 * np.all(x > 0)) + np.diagonal(m)[:, None]


@pytest.mark.parametrize("seed", range(6))
def test_a_compiled_graph_is_what_it_means(seed):
    rng = np.random.default_rng(seed)
    x, m = input_node("x", (3,)), input_node("m", (3, 3))
    (node,) = trace_function(choices, [x, m]).outputs
    values = tuple(rng.integers(-2, 3 + seed, shape) * 1.0 for shape in ((3,), (3, 3)))
    (native,) = compile_graph([node], [x, m])(values)
    (means,) = evaluate([node], {x: values[0], m: values[1]})
    assert np.array_equal(native, means) and np.array_equal(means, choices(*values))
    (soon,) = compile_graph([node], [x, m], soon=True)(values)
    assert np.array_equal(soon, native)

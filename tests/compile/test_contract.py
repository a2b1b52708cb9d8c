"""Multiply-adds: which sums take in which products, and that LLVM makes no others."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from compile.descents import descent
from compile.interpreter import Machine
from descend.compile.contract import contract
from descend.compile.descent import write_descent
from descend.compile.legalise import legal_program
from descend.compile.loops import Address, Axis, Block, Index, Let, Nest, Place, Reduction, Store

F8 = np.dtype(np.float64)
A, B, C, D = NUMBERS = 1 + 2.0**-30, 1 - 2.0**-30, -1.0, 3.0  # A · B is not a float64
OUT = Place("scratch", 0, (1,), F8)


def let(op: str, *args: Let, attr: Any = None) -> Let:
    return Let(op, args, attr, F8)


def block_of(make: Any) -> tuple[Block, Let]:
    inputs = [let("const", attr=np.asarray(x)) for x in NUMBERS]
    made: list[Let] = []

    def one(op: str, *args: Let) -> Let:
        made.append(let(op, *args))
        return made[-1]

    result = make(one, *inputs)
    where = Address(OUT, (Index(0),))
    return Block([*inputs, *made, Store(where, result)], [result]), result


def once(a: float, b: float, c: float) -> float:
    return float(Fraction(a) * Fraction(b) + Fraction(c))


CASES = {
    "x·y + z": (lambda o, a, b, c, _: o("add", o("mul", a, b), c), once(A, B, C), 1),
    "z + x·y": (lambda o, a, b, c, _: o("add", c, o("mul", a, b)), once(A, B, C), 1),
    "x·y − z": (lambda o, a, b, c, _: o("sub", o("mul", a, b), o("neg", c)), once(A, B, C), 1),
    "z − x·y": (lambda o, a, b, c, _: o("sub", o("neg", c), o("mul", a, b)), once(-A, B, -C), 1),
    "two products": (
        lambda o, a, b, c, d: o("add", o("mul", a, b), o("mul", c, a)), once(A, B, C * A), 1,
    ),
    "a product that is needed again": (
        lambda o, a, b, c, d: (lambda p: o("add", o("add", p, c), p))(o("mul", a, b)), A * B, 0,
    ),
    "a square": (lambda o, a, b, c, d: (lambda p: o("add", p, p))(o("mul", a, b)), 2.0, 0),
}  # fmt: skip


@pytest.mark.parametrize(("make", "want", "count"), CASES.values(), ids=CASES)
def test_a_sum_takes_in_the_product_that_nothing_else_needs(
    make: Any, want: float, count: int
) -> None:
    block, result = block_of(make)
    contract(block)
    assert sum(isinstance(s, Let) and s.op == "fma" for s in block.statements) == count
    machine = Machine({("scratch", 0): np.zeros(1)}, {})
    machine.run(block)
    assert machine.arrays["scratch", 0][0] == want
    assert machine.values[result] == want


@pytest.mark.parametrize("stored", [False, True])
def test_a_sum_over_an_axis_takes_in_a_product_unless_it_is_stored(stored: bool) -> None:
    axis = Axis("i", 4)
    at = Address(Place("scratch", 1, (4,), F8), (Index(0, ((axis, 1),)),))
    x = Let("load", (), at, F8, 1)
    product = Let("mul", (x, x), None, F8, 1)
    sums = [Reduction("add", product, Let("reduced", (), None, F8))]
    nest = Nest((axis,), 0, [x, product], [Store(at, product, 1)] if stored else [], sums)
    contract(Block([nest]))
    assert nest.reductions[0].fused is not stored
    assert product in nest.lets


@pytest.mark.parametrize("divided", [False, True])
def test_llvm_makes_no_multiply_adds_where_threads_may_divide(divided: bool) -> None:
    d = descent("network", 5, True, rows=12)
    text = write_descent(legal_program(d.program), "remainder", divided).text
    assert " contract " not in text
    assert "llvm.fma" in text

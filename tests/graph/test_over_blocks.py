"""Rows of a block that are evaluated some at a time: the bits of all at once."""

import numpy as np
import pytest

from descend.compile.function import compile_graph
from descend.graph.elementwise import call
from descend.graph.evaluate import SLICE, OverBlocks, Prepared
from descend.graph.linear import broadcast, reduce_sum
from descend.graph.multilinear import contract
from descend.graph.node import Dim
from descend.graph.source import const, input_node
from descend.run.passes import Native

ROWS = Dim("rows")


@pytest.mark.parametrize("n", [1, SLICE, SLICE + 1, 3 * SLICE + 77])
def test_slices_give_what_all_rows_give(n):
    x, a = input_node("x", (ROWS,)), input_node("a")
    table, w = input_node("table", (ROWS, 3)), input_node("w", (3,))
    wide = call("exp", call("mul", x, broadcast(a, (ROWS,), ())))
    whole = reduce_sum(call("mul", wide, wide), (0,))
    outputs = [wide, contract(table, w, (0, 1), (1,), (0,)), const(2.5), a, table]
    rng = np.random.default_rng(n)
    known = [np.array(0.7), rng.normal(size=3)]
    block = [rng.normal(size=n), rng.normal(size=(n, 3))]
    for asked in (outputs, [wide, whole]):  # a sum over the rows is of all of them
        found = OverBlocks(asked, [a, w, x, table], ROWS)(known, block)
        wanted = Prepared(asked, [a, w, x, table])([*known, *block], {ROWS: n})
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n", [SLICE - 1, SLICE + 1])
def test_what_native_code_gives_stays_when_it_is_called_again(n):
    x, a = input_node("x", (ROWS,)), input_node("a")
    outputs = [call("mul", x, broadcast(a, (ROWS,), ())), call("mul", a, a)]
    code = Native(compile_graph(outputs, [a, x]), ROWS)
    over = OverBlocks(outputs, [a, x], ROWS, code)
    row = np.arange(float(n))
    one, other = (over([np.array(factor)], [row]) for factor in (2.0, 3.0))
    for found, factor in ((one, 2.0), (other, 3.0)):
        np.testing.assert_array_equal(found[0], factor * row)
        assert found[1] == factor**2

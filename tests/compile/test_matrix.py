"""Matrix products in tiles: one accumulator an element, in order, whatever the tile."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

import descend
from descend.compile.function import compile_graph
from descend.compile.loops import Product, block_text
from descend.compile.lower import lower
from descend.compile.matrix import starts_of, tile_of, width_of
from descend.compile.native import load_object
from descend.compile.places import Place
from descend.graph.elementwise import call
from descend.graph.linear import broadcast, reduce_sum, transpose
from descend.graph.multilinear import contract
from descend.graph.node import Dim
from descend.graph.source import input_node
from whole import sampled

ROWS = Dim("rows")
SHAPES = [
    (1, 17, 20), (2, 9, 24), (3, 33, 11), (5, 10, 64), (6, 16, 23), (7, 100, 25), (12, 31, 9),
    (13, 8, 30), (32, 20, 40), (29, 3, 70), (64, 100, 12),
]  # fmt: skip
WAYS = {"ab": ((0, 1), (1, 2)), "a'b": ((1, 0), (1, 2)), "ab'": ((0, 1), (2, 1)),
        "a'b'": ((1, 0), (2, 1))}  # fmt: skip


def operands(m, n, k, way, dtype=np.float64):
    """Two inputs, their product, and arrays for them."""
    extents, rng = dict(enumerate((m, k, n))), np.random.default_rng([m, n, k])
    labels = WAYS[way]
    nodes = [
        input_node(name, tuple(extents[x] for x in own), dtype)
        for name, own in zip("ab", labels, strict=True)
    ]
    arrays = [rng.normal(size=node.shape).astype(dtype) for node in nodes]
    return nodes, contract(*nodes, *labels, (0, 2)), arrays


def in_order(a, b):
    """a @ b with each product added, unrounded, to what has been summed up before it."""
    total = np.zeros((len(a), b.shape[1]))
    for i, j in np.ndindex(total.shape):
        own = 0.0
        for left, right in zip(a[i].tolist(), b[:, j].tolist(), strict=True):
            own = float(Fraction(left) * Fraction(right) + Fraction(own))
        total[i, j] = own
    return total


def plain(arrays, way):
    (a, b), (la, lb) = arrays, WAYS[way]
    return (a if la == (0, 1) else a.T), (b if lb == (1, 2) else b.T)


@sampled("shape, way", itertools.product(SHAPES, WAYS), 3, ids=str)
def test_the_same_bits_as_one_accumulator_in_order(shape, way):
    m, n, k = shape
    nodes, product, arrays = operands(m, n, k, way)
    (found,) = compile_graph([product], nodes)(arrays)
    np.testing.assert_array_equal(found, in_order(*plain(arrays, way)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
def test_single_precision(m, n, k, way):
    nodes, product, arrays = operands(m, n, k, way, np.float32)
    (found,) = compile_graph([product], nodes)(arrays)
    a, b = (x.astype(np.float64) for x in plain(arrays, way))
    assert found.dtype == np.float32
    assert np.all(np.abs(found - a @ b) <= k * np.finfo(np.float32).eps * (np.abs(a) @ np.abs(b)))


@pytest.mark.parametrize("k", [511, 513, 1024, 1301])
@pytest.mark.parametrize("way", ["ab", "ab'"])
def test_a_long_sum_is_made_of_parts(k, way):
    nodes, product, arrays = operands(3, 11, k, way)
    (found,) = compile_graph([product], nodes)(arrays)
    a, b = plain(arrays, way)
    parts = [in_order(a[:, n : n + 512], b[n : n + 512]) for n in range(0, k, 512)]
    np.testing.assert_array_equal(found, sum(parts[1:], parts[0]))


def test_a_sum_over_many_rows_keeps_its_digits():
    """In single precision one accumulator would lose 1e-5 of these sums."""
    rows = 60_000
    x, g = (input_node(name, (ROWS, n), np.float32) for name, n in (("x", 10), ("g", 17)))
    back = contract(x, g, (0, 1), (0, 2), (1, 2))
    rng = np.random.default_rng(8)
    arrays = [rng.uniform(0.5, 1, (rows, n)).astype(np.float32) for n in (10, 17)]
    (found,) = compile_graph([back], [x, g])(arrays)
    exact = arrays[0].T.astype(float) @ arrays[1].astype(float)
    np.testing.assert_allclose(found, exact, rtol=1e-6)


MANY = {  # labels of both operands and of the result; 0 are rows, 1 … 4 have 9, 20, 11 and 17
    "each by the same matrix": ((0, 1, 2), (2, 4), (0, 1, 4)),
    "each by its own": ((0, 1, 2), (0, 2, 4), (0, 1, 4)),
    "each by its own, turned": ((0, 1, 2), (0, 4, 2), (0, 1, 4)),
    "from the left": ((3, 2), (0, 2, 4), (0, 3, 4)),
    "columns of the first": ((2, 4), (0, 1, 2), (0, 1, 4)),
    "added up": ((0, 1, 2), (0, 1, 4), (2, 4)),
    "added up, over what is known": ((1, 0, 2), (1, 0, 4), (2, 4)),
    "twice": ((0, 3, 1, 2), (3, 2, 4), (0, 3, 1, 4)),
}
EXTENTS = {1: 9, 2: 20, 3: 11, 4: 17}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("rows", [1, 13, 40])
@pytest.mark.parametrize("way", MANY)
def test_many_products(way, rows, known):
    la, lb, lo = MANY[way]
    extents, rng = {**EXTENTS, 0: rows}, np.random.default_rng(rows)
    symbols = extents if known else {**EXTENTS, 0: ROWS}
    nodes = [
        input_node(name, tuple(symbols[x] for x in own))
        for name, own in zip("ab", (la, lb), strict=True)
    ]
    arrays = [rng.normal(size=[extents[x] for x in own]) for own in (la, lb)]
    product = contract(*nodes, la, lb, lo)
    bent = call("tanh", product)
    if rows > 1 or not known:
        places = {n: Place("data", i, n.shape, n.dtype) for i, n in enumerate(nodes)}
        assert "sum over" in block_text(lower([product], places).block)
    found, curved = compile_graph([product, bent], nodes)(arrays)
    exact = np.einsum(arrays[0], list(la), arrays[1], list(lb), list(lo))
    np.testing.assert_allclose(found, exact, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(curved, np.tanh(found), rtol=1e-14)


def test_many_products_over_many_rows_keep_their_digits():
    rng = np.random.default_rng(1)
    arrays = [rng.uniform(0.5, 1, (20_000, 3, n)).astype(np.float32) for n in (10, 17)]
    x, g = (input_node(name, (ROWS, 3, n), np.float32) for name, n in (("x", 10), ("g", 17)))
    (found,) = compile_graph([contract(x, g, (0, 1, 2), (0, 1, 3), (2, 3))], [x, g])(arrays)
    exact = np.einsum("abc,abd->cd", *(a.astype(float) for a in arrays))
    np.testing.assert_allclose(found, exact, rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_models_of_products_in_each_row_descend_as_numpy_says(threads):
    """Attention of a kind: scores, weights, values; a step against one in plain NumPy."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 9, 12))
    y = rng.normal(size=40)
    start = {n: 0.3 * rng.normal(size=s) for n, s in (("q", (12, 8)), ("v", (12, 10)), ("o", 10))}

    def model(x, q, v, o):
        keys = x @ q
        scores = np.tanh(keys @ np.swapaxes(keys, 1, 2))
        return np.mean(scores @ (x @ v), axis=1) @ o

    fit = descend.fit(model, x, y, start=start, optimizer="sgd", lr=0.01, batch_size=20,
                      shuffle=False, epochs=2, threads=threads)  # fmt: skip
    held = {name: a.copy() for name, a in start.items()}
    for _ in range(2):
        for rows in (slice(0, 20), slice(20, 40)):
            steps = {}
            for name, at in ((n, i) for n in held for i in np.ndindex(held[n].shape)):
                moved = {n: a.astype(complex) for n, a in held.items()}
                moved[name][at] += 1e-30j
                loss = np.mean((model(x[rows], **moved) - y[rows]) ** 2)
                steps[name, at] = 0.01 * loss.imag / 1e-30
            for (name, at), step in steps.items():
                held[name][at] -= step
    for name, value in held.items():
        np.testing.assert_allclose(fit.params[name], value, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("rows", [1, 2, 5, 6, 7, 40, 41])
def test_any_number_of_rows_of_the_result_and_along_the_sum(rows):
    rng = np.random.default_rng(rows)
    x, w, g = input_node("x", (ROWS, 9)), input_node("w", (9, 21)), input_node("g", (ROWS, 21))
    forward = contract(x, w, (0, 1), (1, 2), (0, 2))
    back = contract(x, g, (0, 1), (0, 2), (1, 2))
    arrays = [rng.normal(size=s) for s in ((rows, 9), (9, 21), (rows, 21))]
    found = compile_graph([forward, back], [x, w, g])(arrays)
    np.testing.assert_array_equal(found[0], in_order(arrays[0], arrays[1]))
    np.testing.assert_array_equal(found[1], in_order(arrays[0].T, arrays[2]))


def test_what_is_made_of_a_product_is_worked_out_upon_its_tiles():
    nodes, product, arrays = operands(19, 26, 40, "ab")
    bias = input_node("bias", (26,))
    shifted = call("add", product, broadcast(bias, (19, 26), (1,)))
    hidden = call("max", shifted, broadcast(input_node("floor", ()), (19, 26), ()))
    floor = hidden.args[1].args[0]
    total = reduce_sum(hidden, (0,))
    inputs = [*nodes, bias, floor]
    leaves = {n: Place("fixed", i, n.shape, n.dtype) for i, n in enumerate(inputs)}
    block = lower([hidden, total], leaves).block
    (one,) = [s for s in block.statements if isinstance(s, Product)]
    assert len(one.stores) == 1  # the sums alone are asked for by nobody
    assert "sum over" in block_text(block)
    more = [np.linspace(-1, 1, 26), np.float64(0.25)]
    found, summed = compile_graph([hidden, total], inputs)([*arrays, *more])
    want = np.maximum(in_order(*arrays) + more[0], 0.25)
    np.testing.assert_array_equal(found, want)
    np.testing.assert_allclose(summed, want.sum(0), rtol=1e-13)


def test_a_product_that_others_need_is_kept():
    nodes, product, arrays = operands(19, 26, 40, "ab")
    other = transpose(product, (1, 0))
    found = compile_graph([call("neg", product), call("exp", other)], nodes)(arrays)
    want = in_order(*arrays)
    np.testing.assert_array_equal(found[0], -want)
    np.testing.assert_allclose(found[1], np.exp(want.T), rtol=1e-14)


def test_products_of_products_and_of_what_is_computed():
    def model(a, b, c):
        return np.tanh(a @ b) @ (c + 1) + (b.T @ a.T).T @ c

    rng = np.random.default_rng(3)
    a, b, c = rng.normal(size=(11, 23)), rng.normal(size=(23, 20)), rng.normal(size=(20, 17))
    gradient = descend.grad(lambda c: np.sum(model(a, b, c) ** 2))(c)
    left = np.tanh(a @ b) + a @ b
    np.testing.assert_allclose(gradient, 2 * left.T @ model(a, b, c), rtol=1e-11)


def test_rows_in_an_order():
    """Shuffled batches, and the remainder: descent by native code as by the interpreter."""
    rng = np.random.default_rng(5)
    x, w = rng.normal(size=(53, 20)), rng.normal(size=(20, 19))
    y = np.tanh(x @ w)
    start = {"u": 0.1 * rng.normal(size=(20, 19)), "v": 0.1 * rng.normal(size=(19, 19))}
    fits = [
        descend.fit(
            lambda x, u, v: np.tanh(x @ u) @ v, x, y, start=start, optimizer="adam", batch_size=8,
            epochs=3, engine=engine,
        )
        for engine in ("native", "interpreted")
    ]
    for name in start:
        np.testing.assert_allclose(fits[0].params[name], fits[1].params[name], rtol=1e-9)


@pytest.mark.parametrize("extent", range(1, 80))
def test_tiles_cover_everything(extent):
    for lanes in (4, 8, 16):
        width = width_of(extent, lanes)
        starts = starts_of(extent, width)
        assert {j + n for j in starts for n in range(width)} == set(range(extent))
        assert len(starts) == -(-extent // width)


@pytest.mark.parametrize("registers", [16, 32])
@pytest.mark.parametrize("rows", [1, 2, 5, 32, 100, 512])
@pytest.mark.parametrize("vectors", [1, 2, 3, 13, 128])
@pytest.mark.parametrize("terms", [9, 200])
def test_a_tile_is_held_in_registers(rows, vectors, registers, terms):
    high, wide = tile_of(rows, vectors, terms, registers)
    assert 1 <= high <= rows
    assert 1 <= wide <= vectors
    assert high * wide + wide + 1 <= registers
    if vectors > 1:  # where two vectors of a row overlap, they are worked out together
        assert tile_of(rows, vectors, terms, registers, 2)[1] > 1


def test_no_kernel_for_a_short_sum():
    a, b = input_node("a", (40, 5)), input_node("b", (5, 40))
    leaves = {n: Place("fixed", i, n.shape, n.dtype) for i, n in enumerate((a, b))}
    block = lower([contract(a, b, (0, 1), (1, 2), (0, 2))], leaves).block
    assert not any(isinstance(s, Product) for s in block.statements)


PROCESSORS = [(64, 32), (16, 32), (16, 16)]
PRODUCTS = [(5, 7, 12), (30, 3, 9), (6, 16, 23), (32, 20, 40), (29, 37, 70)]


@sampled("shape, processor, way", itertools.product(PRODUCTS, PROCESSORS, WAYS), 7, ids=str)
def test_processors_with_other_registers(shape, processor, way, monkeypatch):
    """The kernels of wider and of narrower vectors, as LLVM takes them to this processor."""

    def compiled(_key, make):
        about, image = make()
        return about, load_object(image)

    width, registers = processor
    monkeypatch.setattr("descend.compile.function.cached_code", compiled)
    monkeypatch.setattr("descend.compile.module.cpu_lanes", lambda: width)
    monkeypatch.setattr("descend.compile.matrix.vector_registers", lambda: registers)
    nodes, product, arrays = operands(*shape, way)
    (found,) = compile_graph([product], nodes)(arrays)
    np.testing.assert_array_equal(found, in_order(*plain(arrays, way)))

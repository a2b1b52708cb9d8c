"""Random words and draws: certified numbers, distributions, independence, native code."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from descend.compile.function import compile_graph
from descend.graph import draws
from descend.graph.draws import ITERATION, STREAM, drawn, folded, key_of
from descend.graph.elementwise import call
from descend.graph.evaluate import evaluate
from descend.graph.node import Node, Shape
from descend.graph.scan import scan_nodes
from descend.graph.source import const, input_node, iota
from descend.graph.subgraph import close_over
from descend.simplify.driver import simplify
from oracles import draws as plain

WORDS = {
    # key, counter, words: kat_vectors of Random123 1.14, threefry2x32 with 20 rounds
    ((0, 0), (0, 0)): (0x6B200159, 0x99BA4EFE),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF)): (0x1CB996FC, 0xBB002BE7),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3)): (0xC4923A9C, 0x483DF7A0),
}
MANY = 1 << 20
TINY = 1e-4  # a p value below which a generator would be doubted


@pytest.mark.parametrize(("given", "words"), WORDS.items())
def test_certified_words(given: tuple[tuple[int, int], ...], words: tuple[int, int]) -> None:
    arrays = [np.full(19, n, np.uint32) for n in itertools.chain(*given)]
    inputs = [input_node(f"x{i}", (19,), np.uint32) for i in range(4)]
    outputs = [call("threefry", *inputs, word=i) for i in (0, 1)]
    for found in (evaluate(outputs, dict(zip(inputs, arrays, strict=True))),
                  compile_graph(outputs, inputs)(arrays)):  # fmt: skip
        assert [set(a.tolist()) for a in found] == [{w} for w in words]
    assert plain.cipher(*given) == words


def sample(
    make: draws.Make, shape: Shape, seed: int = 0, step: int = 0, stream: int = 0,
    iteration: int | None = None, dtype: type = np.float64, native: bool = True,
) -> np.ndarray:  # fmt: skip
    """Draws with rows along the first axis, by native code or by the interpreter."""
    row = input_node("row", shape[:1], np.uint32)
    s, t, i = (input_node(n, (), np.int64) for n in "sti")
    key = key_of(s, t)
    if iteration is not None:
        key = folded(key, call("cast", i, dtype="<u4"), ITERATION)
    node = drawn(make, folded(key, stream, STREAM), shape, row, np.dtype(dtype))
    given: dict[Node, np.ndarray] = {
        row: np.arange(shape[0], dtype=np.uint32), s: np.array(seed), t: np.array(step),
        i: np.array(iteration or 0),
    }  # fmt: skip
    if native:
        return compile_graph([node], list(given))(list(given.values()))[0]
    return evaluate([node], given)[0]


MAKES: dict[str, tuple[draws.Make, Callable[..., np.ndarray]]] = {
    "uniform": (draws.uniform, plain.uniform),
    "normal": (draws.normal, plain.normal),
    "bernoulli": (draws.bernoulli(0.3), lambda *a: plain.bernoulli(0.3, *a)),
}


@pytest.mark.parametrize("name", MAKES)
@pytest.mark.parametrize("native", [True, False])
def test_draws_are_those_of_their_description(name: str, native: bool) -> None:
    make, reference = MAKES[name]
    for seed, step, stream, t in ((0, 0, 0, None), (2**40 + 7, 3, 1, None), (5, 2**33, 2, 6)):
        found = sample(make, (5, 3, 7), seed, step, stream, t, native=native)
        iterations = () if t is None else (t,)
        want = reference(range(5), 21, seed, step, stream, iterations).reshape(5, 3, 7)
        np.testing.assert_allclose(found, want, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("native", [False, True])
def test_a_loop_and_its_iterations_written_out_draw_the_same_bits(
    native: bool, backward: bool
) -> None:
    row, s, t = (input_node(n, m, k) for n, m, k in
                 (("row", (6,), np.uint32), ("s", (), np.int64), ("t", (), np.int64)))  # fmt: skip
    counter = input_node("iteration", (), np.uint32)
    key = folded(folded(key_of(s, t), counter, ITERATION), 0, STREAM)
    outputs = [drawn(make, key, (6,), row, np.dtype(float)) for make, _ in MAKES.values()]
    body, outer = close_over([counter], outputs)
    rolled = scan_nodes(body, [], [iota((5,), 0, np.uint32)], outer, 5, backward)
    written = [n for i in range(5) for n in body.applied([const(i, np.uint32), *outer])]
    given = [np.arange(6, dtype=np.uint32) + 3, np.array(2), np.array(9)]
    if native:
        one = compile_graph(simplify(rolled, final=True), [row, s, t])(given)
        other = compile_graph(simplify(written, final=True), [row, s, t])(given)
    else:
        one, other = (evaluate(n, dict(zip((row, s, t), given, strict=True)))
                      for n in (rolled, written))  # fmt: skip
    assert np.array_equal(np.stack(one, 1).reshape(15, 6), np.stack(other))
    assert len(np.unique(np.stack(one[:2]))) == 60


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_uniform_draws_are_even(dtype: type) -> None:
    u = sample(draws.uniform, (MANY // 64, 64), dtype=dtype).ravel()
    assert u.dtype == dtype and u.min() >= 0 and u.max() < 1
    assert stats.chisquare(np.histogram(u, 1024, (0, 1))[0]).pvalue > TINY
    assert stats.kstest(u[:200_000], "uniform").pvalue > TINY
    last = (u * 2**24 % 256).astype(int)  # the lowest bits of float32
    assert stats.chisquare(np.bincount(last, minlength=256)).pvalue > TINY


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_normal_draws_are_normal(dtype: type) -> None:
    z = sample(draws.normal, (MANY // 64, 64), dtype=dtype).ravel()
    assert z.dtype == dtype and np.isfinite(z).all() and np.abs(z).max() > 4.3
    z = z.astype(np.float64)
    n = z.size
    for power, spread in ((1, 1), (2, 2), (3, 15), (4, 96), (6, 10_170)):
        mean = 0 if power % 2 else float(np.prod(np.arange(1, power, 2)))
        assert abs((z**power).mean() - mean) < 4 * np.sqrt(spread / n)
    assert stats.kstest(z[:200_000], "norm").pvalue > TINY


@pytest.mark.parametrize("p", [0.0, 1e-3, 0.5, 0.8, 1.0])
def test_bernoulli_draws_have_their_share(p: float) -> None:
    b = sample(draws.bernoulli(p), (MANY // 64, 64))
    assert set(np.unique(b)) <= {0.0, 1.0}
    assert abs(b.mean() - p) <= 4 * np.sqrt(p * (1 - p) / b.size)
    per_row = np.bincount(b.sum(1).astype(int), minlength=65)
    want = stats.binom(64, p).pmf(np.arange(65)) * len(b)
    some = want > 5
    assert abs(per_row[~some].sum() - want[~some].sum()) < 5 * np.sqrt(want[~some].sum() + 1)
    if some.sum() > 1:
        z = (per_row[some] - want[some]) ** 2 / want[some]
        assert stats.chi2(some.sum() - 1).sf(z.sum()) > TINY


def test_both_widths_draw_the_same_truths() -> None:
    one, other = (sample(draws.bernoulli(0.5), (50, 9), dtype=d) for d in (np.float64, np.float32))
    assert np.array_equal(one, other)


NEIGHBOURS: dict[str, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "rows": lambda u: (u[:-1], u[1:]),
    "places": lambda u: (u[:, :-1], u[:, 1:]),
    "streams": lambda u: (u, sample(draws.uniform, u.shape, stream=1)),
    "steps": lambda u: (u, sample(draws.uniform, u.shape, step=1)),
    "seeds": lambda u: (u, sample(draws.uniform, u.shape, seed=1)),
    "iterations": lambda u: (u, sample(draws.uniform, u.shape, iteration=0)),
    "a stream and an iteration": lambda u: (
        sample(draws.uniform, u.shape, iteration=0, stream=1),
        sample(draws.uniform, u.shape, iteration=1, stream=0),
    ),
}


@pytest.mark.parametrize("what", NEIGHBOURS)
def test_neighbours_know_nothing_of_one_another(what: str) -> None:
    a, b = NEIGHBOURS[what](sample(draws.uniform, (MANY // 64, 64)))
    pairs = np.histogram2d(a.ravel(), b.ravel(), 32, [(0, 1), (0, 1)])[0]
    assert stats.chisquare(pairs.ravel()).pvalue > TINY
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / np.sqrt(a.size)
    same = (a.ravel() == b.ravel()).sum()
    assert same == 0, "of 2⁵³ numbers, none is drawn twice in a row"


def test_the_words_of_a_counter_know_nothing_of_one_another() -> None:
    inputs = [input_node(f"x{i}", (MANY,), np.uint32) for i in range(4)]
    outputs = [call("threefry", *inputs, word=i) for i in (0, 1)]
    zero = np.zeros(MANY, np.uint32)
    first, second = compile_graph(outputs, inputs)([zero, zero, zero, np.arange(MANY, dtype="u4")])
    pairs = np.histogram2d(first >> 27, second >> 27, 32, [(0, 32), (0, 32)])[0]
    assert stats.chisquare(pairs.ravel()).pvalue > TINY
    bits = np.unpackbits((first ^ second).view(np.uint8)).mean()
    assert abs(bits - 0.5) < 4 * 0.5 / np.sqrt(32 * MANY)


@pytest.mark.parametrize("bit", [0, 5, 31])
def test_one_bit_of_a_counter_changes_half_of_the_word(bit: int) -> None:
    n = 1 << 16
    inputs = [input_node(f"x{i}", (n,), np.uint32) for i in range(4)]
    count = np.arange(n, dtype=np.uint32)
    run = compile_graph([call("threefry", *inputs, word=0)], inputs)
    given = [count * 0, count * 0, count * 0, count]
    (before,) = run(given)
    for i in range(4):
        changed = [a ^ np.uint32(1 << bit) if i == j else a for j, a in enumerate(given)]
        share = np.unpackbits((run(changed)[0] ^ before).view(np.uint8)).mean()
        assert abs(share - 0.5) < 5 * 0.5 / np.sqrt(32 * n)

"""The primitive table, entry by entry: values, dtypes, derivatives in both modes, batching.

The oracles know nothing of the rules: mpmath's differentiation for elementwise primitives; for the
others a complex step through the same thing written in plain NumPy.
"""

from collections.abc import Sequence

import mpmath as mp
import numpy as np
import pytest

import descend.graph.determinant  # noqa: F401  (its primitives are entered)
from descend.differentiate.batch import batch
from descend.differentiate.forward import forward
from descend.differentiate.reverse import reverse
from descend.graph.check import check_graph
from descend.graph.custom import CUSTOM
from descend.graph.elementwise import call, cast
from descend.graph.evaluate import evaluate
from descend.graph.linear import reduce_sum
from descend.graph.matrices import LINEAR_ALGEBRA
from descend.graph.node import PRIMITIVES, Node
from descend.graph.scan import SCAN
from descend.graph.shared import SHARED
from descend.graph.source import const, input_node, iota, row_count
from descend.simplify.driver import simplify
from differentiate.array_cases import CASES, Case
from differentiate.elementwise_cases import ATTRIBUTES, EXACT, SMOOTH

ELSEWHERE = {
    "input": "test_sources",
    "const": "test_sources",
    "iota": "test_sources",
    "row_count": "test_sources",
    SCAN.name: "tests/graph/test_scan.py",
    CUSTOM.name: "tests/differentiate/test_custom.py",
    "black_box": "tests/differentiate/test_black_box.py",
    **dict.fromkeys(("threefry", "drawn"), "tests/graph/test_draws.py"),
    "sound_solve": "tests/compile/test_sound_solve.py",
    SHARED.name: "tests/compile/test_shared.py",
    **dict.fromkeys(LINEAR_ALGEBRA, "tests/differentiate/test_linear_algebra.py"),
}
FLAT = {"argmax", "argmin", "argsort", "stop_gradient"}


def test_every_primitive_has_its_cases() -> None:
    covered = set(SMOOTH) | set(EXACT) | {case.name for case in CASES} | set(ELSEWHERE)
    assert set(PRIMITIVES) == covered, "a primitive of the table has no test inputs"


def fresh(arrays: Sequence[np.ndarray]) -> list[Node]:
    return [input_node(f"x{i}", a.shape, a.dtype) for i, a in enumerate(arrays)]


def compute(outputs: list[Node], inputs: list[Node], arrays: Sequence[np.ndarray]) -> list:
    """Evaluate, and require that simplification changes nothing."""
    given = dict(zip(inputs, arrays, strict=True))
    plain = evaluate(outputs, given)
    smaller = simplify(outputs, final=True)
    check_graph(outputs)
    check_graph(smaller)
    for a, b in zip(plain, evaluate(smaller, given), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-300)
        assert a.dtype == b.dtype
    return plain


# --- elementwise --------------------------------------------------------------------------------


def points(name: str) -> list[np.ndarray]:
    return [np.array(column) for column in zip(*SMOOTH[name][1], strict=True)]


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_elementwise_values(name: str, dtype: type) -> None:
    arrays = [a.astype(dtype) for a in points(name)]
    inputs = fresh(arrays)
    (got,) = compute([call(name, *inputs, **ATTRIBUTES.get(name, {}))], inputs, arrays)
    with mp.workdps(40):
        rows = zip(*arrays, strict=True)
        expected = [float(SMOOTH[name][0](*(mp.mpf(float(v)) for v in row))) for row in rows]
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected, rtol=20 * np.finfo(dtype).eps)


def exact_partial(name: str, row: Sequence[float], orders: Sequence[int]) -> float:
    function = SMOOTH[name][0]
    with mp.workdps(60):
        place = tuple(mp.mpf(v) for v in row)
        if len(place) == 1:
            return float(mp.diff(function, place[0], orders[0]))
        return float(mp.diff(function, place, tuple(orders)))


@pytest.mark.parametrize("name", SMOOTH)
def test_elementwise_first_derivatives(name: str) -> None:
    arrays = points(name)
    inputs = fresh(arrays)
    out = call(name, *inputs, **ATTRIBUTES.get(name, {}))
    one = const(np.ones(out.shape))
    back = reverse([out], [one], inputs)
    ahead = [forward([out], [x], [one])[0] for x in inputs]
    results = compute([*back, *ahead], inputs, arrays)
    for i in range(len(inputs)):
        orders = [int(i == j) for j in range(len(inputs))]
        expected = [exact_partial(name, row, orders) for row in zip(*arrays, strict=True)]
        for got in (results[i], results[len(inputs) + i]):
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", SMOOTH)
def test_elementwise_second_derivatives(name: str) -> None:
    arrays = points(name)
    inputs = fresh(arrays)
    out = call(name, *inputs, **ATTRIBUTES.get(name, {}))
    one = const(np.ones(out.shape))
    for i, first in enumerate(reverse([out], [one], inputs)):
        twice = reverse([first], [one], inputs)
        over = [forward([first], [x], [one])[0] for x in inputs]
        results = compute([*twice, *over], inputs, arrays)
        for j in range(len(inputs)):
            orders = [int(i == k) + int(j == k) for k in range(len(inputs))]
            expected = [exact_partial(name, row, orders) for row in zip(*arrays, strict=True)]
            for got in (results[j], results[len(inputs) + j]):
                np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", EXACT)
def test_exact_elementwise_values(name: str) -> None:
    reference, samples = EXACT[name]
    for arrays in samples:
        inputs = fresh(arrays)
        (got,) = compute([call(name, *inputs)], inputs, arrays)
        expected = reference(*arrays)
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == expected.dtype


# --- the others ---------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values(case: Case, dtype: type) -> None:
    arrays = [*(a.astype(dtype) for a in case.inputs), *case.fixed]
    inputs = fresh(arrays)
    out = case.build(*inputs)
    (got,) = compute([out], inputs, arrays)
    expected = case.reference(*arrays)
    np.testing.assert_allclose(got, expected, rtol=8 * np.finfo(dtype).eps, atol=0)
    assert got.shape == out.shape
    assert got.dtype == (np.int64 if case.name.startswith("arg") else out.dtype)


def weighted(case: Case, out: Node) -> tuple[Node, np.ndarray]:
    """A loss with curvature: Σ w · sin(out)."""
    w = np.random.default_rng(1).uniform(0.5, 1.5, out.shape)
    return reduce_sum(call("mul", call("sin", out), const(w)), tuple(range(out.ndim))), w


def complex_gradient(case: Case, arrays: list[np.ndarray], w: np.ndarray, which: int) -> np.ndarray:
    """The derivative of the loss, one complex step per element, through plain NumPy."""
    found = np.zeros(arrays[which].shape)
    for k in range(arrays[which].size):
        moved = [a.astype(complex) for a in arrays]
        moved[which].flat[k] += 1e-40j
        found.flat[k] = np.sum(np.sin(case.reference(*moved, *case.fixed)) * w).imag / 1e-40
    return found


SMOOTH_CASES = [
    case for case in CASES if case.name not in FLAT and "trunc" not in str(case.reference)
]


@pytest.mark.parametrize("case", SMOOTH_CASES, ids=str)
def test_derivatives(case: Case) -> None:
    arrays = list(case.inputs)
    inputs = fresh([*arrays, *case.fixed])
    given = [*arrays, *case.fixed]
    loss, w = weighted(case, case.build(*inputs))
    movers = inputs[: len(arrays)]
    gradients = reverse([loss], [const(1.0)], movers)
    rng = np.random.default_rng(2)
    directions = [rng.normal(size=a.shape) for a in arrays]
    (slope,) = forward([loss], movers, [const(d) for d in directions])
    expected = [complex_gradient(case, arrays, w, i) for i in range(len(arrays))]
    *found, along = compute([*gradients, slope], inputs, given)
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)
    total = sum(np.sum(e * d) for e, d in zip(expected, directions, strict=True))
    np.testing.assert_allclose(along, total, rtol=1e-12, atol=1e-13)
    second = forward(gradients, movers, [const(d) for d in directions])
    third = reverse(gradients, [const(d) for d in directions], movers)
    results = compute([*second, *third], inputs, given)
    step = 1e-5
    ends = [
        [np.asarray(a + s * step * d) for a, d in zip(arrays, directions, strict=True)]
        for s in (1, -1)
    ]
    for i in range(len(arrays)):
        above, below = (complex_gradient(case, end, w, i) for end in ends)
        for got in (results[i], results[len(arrays) + i]):
            np.testing.assert_allclose(got, (above - below) / (2 * step), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", sorted(FLAT - {"stop_gradient"}))
def test_an_index_has_no_derivative(name: str) -> None:
    (case,) = (c for c in CASES if c.name == name)
    inputs = fresh(case.inputs)
    out = cast(case.build(*inputs), np.float64)
    for made in (
        reverse([out], [const(np.ones(out.shape))], inputs),
        forward([out], inputs, [const(np.ones(case.inputs[0].shape))]),
    ):
        assert not np.any(evaluate(made, dict(zip(inputs, case.inputs, strict=True)))[0])


def test_sources() -> None:
    x = input_node("x", (2, 3))
    nodes = [iota((2, 3), 1), row_count(7), const([[1.5, 2.5]]), reduce_sum(x, (0,))]
    got = evaluate(nodes, {x: np.ones((2, 3))})
    for value, expected in zip(got, [[[0, 1, 2]] * 2, 7.0, [[1.5, 2.5]], [2, 2, 2]], strict=True):
        np.testing.assert_array_equal(value, expected)


# --- batching -----------------------------------------------------------------------------------


def batch_cases() -> list[tuple[str, Case]]:
    listed = [(str(case), case) for case in CASES]
    for name in SMOOTH:
        attrs = ATTRIBUTES.get(name, {})
        build = lambda *n, _name=name, _attrs=attrs: call(_name, *n, **_attrs)  # noqa: E731
        listed.append((name, Case(name, build, build, tuple(points(name)))))
    for name, (_, samples) in EXACT.items():
        build = lambda *n, _name=name: call(_name, *n)  # noqa: E731
        listed.append((name, Case(name, build, build, samples[0])))
    return listed


@pytest.mark.parametrize("case", [c for _, c in batch_cases()], ids=str)
def test_batching_equals_a_loop(case: Case) -> None:
    arrays = [*case.inputs, *case.fixed]
    inputs, extent = fresh(arrays), 3
    out = case.build(*inputs)
    rng = np.random.default_rng(3)
    for chosen in range(1, 2 ** len(arrays)):
        flags = [bool(chosen >> i & 1) for i in range(len(arrays))]
        stacks = [np.stack([rng.permutation(a.ravel()).reshape(a.shape) for _ in range(extent)])
                  for a in arrays]  # fmt: skip
        many = {n: input_node("many", s.shape, s.dtype)
                for n, s, f in zip(inputs, stacks, flags, strict=True) if f}  # fmt: skip
        given = dict(zip(inputs, arrays, strict=True))
        stacked = dict(zip(inputs, stacks, strict=True))
        together = batch([out], many, extent)
        check_graph(together)
        (got,) = evaluate(together, given | {many[n]: stacked[n] for n in many})
        for k in range(extent):
            (alone,) = evaluate([out], given | {n: stacked[n][k] for n in many})
            np.testing.assert_array_equal(got[k], alone, err_msg=f"case {k}, batched {flags}")

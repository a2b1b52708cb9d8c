"""Every primitive, compiled: values, dtypes and shapes as the interpreter has them.

Groups of outputs are compiled together, which also merges them into common loops.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from descend.compile.function import compile_graph
from descend.compile.operations import is_outlined
from descend.differentiate.reverse import reverse
from descend.graph.custom import custom_nodes
from descend.graph.elementwise import call, cast, select
from descend.graph.linear import (
    broadcast,
    concatenate,
    cumsum,
    flip,
    pad,
    reduce_sum,
    reshape,
    set_slice,
    slice_,
    transpose,
)
from descend.graph.matrices import LINEAR_ALGEBRA
from descend.graph.multilinear import contract
from descend.graph.node import PRIMITIVES, Dim, Node, Shape
from descend.graph.scan import scan_nodes
from descend.graph.selection import (
    argmax,
    argmin,
    argsort,
    put_add,
    reduce_max,
    reduce_min,
    take,
)
from descend.graph.source import const, input_node, iota, row_count
from descend.graph.special import BESSEL
from descend.graph.subgraph import Body
from fuzz.rounding import check_close, expect
from whole import WHOLE, sampled

Array = np.ndarray[Any, np.dtype[Any]]
R = Dim()
ROW_COUNTS = (1, 2, 3, 7, 8, 9, 16, 17, 100, 4095, 4096, 4097, 4098, 4099, 8192, 10_001)
ODD = (0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, 1e300, -1e-310, 2.0, -2.5)


def concrete(shape: Shape, rows: int) -> tuple[int, ...]:
    return tuple(rows if n is R else int(n) for n in shape)  # type: ignore[arg-type]


def draw(shape: Shape, dtype: Any, rows: int = 17, odd: bool = False, seed: int = 0) -> Array:
    """Values of a dtype; with `odd` every third is a zero, a tie, an infinity, a NaN."""
    rng = np.random.default_rng([seed, *concrete(shape, rows)])
    kind, size = np.dtype(dtype).kind, concrete(shape, rows)
    if kind == "b":
        return rng.random(size) < 0.5
    if kind in "iu":
        return rng.integers(0 if kind == "u" else -9, 10, size).astype(dtype)
    value = rng.normal(size=size) * 2
    if odd:
        value = np.where(rng.random(size) < 0.33, rng.choice(ODD, size), value)
    with np.errstate(over="ignore"):
        return value.astype(dtype)


def agree(outputs: Sequence[Node], inputs: Sequence[Node], values: Sequence[Array]) -> None:
    """Compile all outputs together and compare each with what the interpreter gives."""
    want = expect(outputs, dict(zip(inputs, values, strict=True)))
    got = compile_graph(outputs, inputs)(values)
    check_close(got, want, outputs)


# --- elementwise --------------------------------------------------------------------------------

LAYOUTS: tuple[Shape, ...] = ((), (3,), (41,), (R, 3), (3, R))
FLOATS, SIGNED = ("f8", "f4"), ("i8", "i4", "i2", "i1")
INTEGERS = (*SIGNED, "u1", "u4", "u8")
FLOAT_ONLY = {
    "div", "mul0", "mul_sat", "if_finite", "one_less_square", "over_one_and_square",
    "root_square_less_one", "sqrt",
    "copysign",
}  # fmt: skip
ELEMENTARY = {n for n, p in PRIMITIVES.items() if is_outlined(n) or p.native == "library"}
FLOAT_ONLY |= ELEMENTARY - {"pow", "mod", "fmod", "floordiv"}
BITS = frozenset({"and", "or", "xor", "not", "shift_left", "shift_right"})
WITH_TRUTH = frozenset({
    "and", "or", "xor", "not", "add", "mul", "max", "min", "lt", "le", "eq", "ne", "stop_gradient",
})  # fmt: skip
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "mul_sat": {"both": True}, "if_finite": {"infinite": True},
    "polygamma": {"order": 1}, "expn": {"order": 3}, "zeta": {"order": 2.0},
    **{name: {"order": float(i % 3)} for i, name in enumerate(BESSEL)},
}  # fmt: skip
SEPARATE = frozenset({"cast", "select"})
# Where SciPy's own value is not the limit of the function.
OWN_LIMITS = {"gammaln": lambda x: (x == -np.inf) | ((x != 0) & (np.abs(x) < 1e-300))}
ELEMENTWISE = sorted(
    n for n, p in PRIMITIVES.items() if p.kind == "elementwise" and p.native and n not in SEPARATE
)


def dtypes_of(name: str) -> tuple[str, ...]:
    if name == "threefry":
        return ("u4",)
    if name in FLOAT_ONLY:
        return FLOATS
    truth = ("?",) if name in WITH_TRUTH else ()
    return (*(() if name in BITS else FLOATS), *INTEGERS, *truth)


def dtypes_and_layouts(name: str) -> list[tuple[str, Shape]]:
    """All of them; elsewhere the first dtype in all layouts, each of the others in one."""
    dtypes = dtypes_of(name)
    if WHOLE:
        return list(itertools.product(dtypes, LAYOUTS))
    others = zip(dtypes[1:], itertools.cycle(LAYOUTS), strict=False)
    return [*((dtypes[0], shape) for shape in LAYOUTS), *others]


@pytest.mark.fuzz
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name: str) -> None:
    partials = PRIMITIVES[name].partials
    assert partials is not None
    outputs, inputs, values = [], [], []
    for dtype, shape in dtypes_and_layouts(name):
        some = [input_node(f"x{i}", shape, dtype) for i in range(len(partials))]
        arrays = [draw(shape, dtype, 17, True, i) for i in range(len(some))]
        if name == "pow" and dtype not in FLOATS:
            arrays[1] = np.abs(arrays[1])
        if name in OWN_LIMITS:
            arrays[0] = np.where(OWN_LIMITS[name](arrays[0]), arrays[0].dtype.type(1.5), arrays[0])
        inputs += some
        values += arrays
        outputs.append(call(name, *some, **ATTRIBUTES.get(name, {})))
    for at in range(0, len(outputs), 20):
        agree(outputs[at : at + 20], inputs, values)


@pytest.mark.parametrize("source", [*FLOATS, *INTEGERS, "?"])
def test_casts(source: str) -> None:
    inputs = [input_node("x", shape, source) for shape in LAYOUTS]
    values = [draw(shape, source) for shape in LAYOUTS]
    targets = [*FLOATS, *INTEGERS, "?"]
    if source in FLOATS:
        values = [np.abs(v) for v in values]  # a negative float as unsigned has no meaning
    agree([cast(x, t) for t in targets for x in inputs], inputs, values)


@pytest.mark.parametrize("dtype", [*FLOATS, "i8", "u1", "?"])
def test_select(dtype: str) -> None:
    outputs, inputs, values = [], [], []
    for shape in LAYOUTS:
        some = [input_node(n, shape, t) for n, t in (("c", "?"), ("x", dtype), ("y", dtype))]
        inputs += some
        values += [draw(shape, n.dtype, 17, True, i) for i, n in enumerate(some)]
        outputs.append(select(*some))
    agree(outputs, inputs, values)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 31, 62, 63, 64, 65, 100])
def test_integer_powers_wrap(exponent: int) -> None:
    x, p = input_node("x", (40,), "i8"), input_node("p", (40,), "i8")
    values = [np.arange(40) - 20, np.full(40, exponent)]
    agree([call("pow", x, p), call("pow", x, exponent)], [x, p], values)


# --- reductions ---------------------------------------------------------------------------------

REDUCED: tuple[Shape, ...] = (
    (1,), (5,), (16,), (17,), (40,), (R,), (2, 3), (4, 4), (3, 40), (40, 3), (R, 3), (3, R),
    (R, 20), (20, R), (R, R), (2, 3, 2), (4, 5, 6), (R, 2, 5), (2, 5, R), (5, R, 2), (9, R, 9),
    (2, 3, 4, 5), (R, 2, 3, 4),
)  # fmt: skip


def subsets(n: int) -> Iterable[tuple[int, ...]]:
    for k in range(1, n + 1):
        yield from itertools.combinations(range(n), k)


@sampled("shape", REDUCED, 2, ids=str)
def test_reductions_over_every_axis_subset(shape: Shape) -> None:
    kinds = ("f8", "f8", "f4", "i8", "u1", "?") if len(shape) < 3 else ("i8", "f8")
    inputs = [input_node("x", shape, t) for t in kinds]
    values = [draw(shape, n.dtype, 17, odd=i == 1, seed=i) for i, n in enumerate(inputs)]
    reduces = (reduce_sum, reduce_max, reduce_min)
    for axes in subsets(len(shape)):
        agree([r(x, axes) for x in inputs for r in reduces], inputs, values)


@sampled("shape", REDUCED, 2, ids=str)
def test_positions_along_every_axis(shape: Shape) -> None:
    kinds = ("f4", "f8", "f8", "i8") if len(shape) < 3 else ("f8", "f8")
    inputs = [input_node("x", shape, t) for t in kinds]
    values = [draw(shape, n.dtype, 17, odd=i == 1, seed=i) for i, n in enumerate(inputs)]
    values[0] = np.round(values[0])  # ties
    finds = (argmax, argmin, argsort)
    outputs = [f(x, k) for k in range(len(shape)) for x in inputs for f in finds]
    sums = [cumsum(x, k, b) for k in range(len(shape)) for x in inputs for b in (False, True)]
    agree(outputs, inputs, values)
    agree(sums, inputs, values)


# --- contractions -------------------------------------------------------------------------------


def label_patterns(rank_a: int, rank_b: int) -> Iterable[tuple[tuple[int, ...], ...]]:
    """All ways for two operands to share labels, keep shared ones, and order the result."""
    la = tuple(range(rank_a))
    fresh = range(rank_a, rank_a + rank_b)
    for choice in itertools.product(*[(*la, None)] * rank_b):
        shared = [c for c in choice if c is not None]
        if len(set(shared)) < len(shared):
            continue
        lb = tuple(f if c is None else c for c, f in zip(choice, fresh, strict=True))
        loose = [x for x in (*la, *lb) if x not in shared]
        for kept in itertools.chain([()], subsets(len(shared))):
            out = [*loose, *(shared[i] for i in kept)]
            orders = list(itertools.permutations(out))
            some = orders if len(out) < 4 else orders[:: len(orders) - 1]
            yield from ((la, lb, order) for order in some)


EXTENT_SETS: tuple[tuple[Any, ...], ...] = (
    (2, 3, 2, 3, 2, 3), (5, 17, 3, 20, 2, 9), (R, 3, 17, 2, 20, 1), (3, R, 2, 20, 5, 2),
)  # fmt: skip


@sampled("rank_b, rank_a, extents", itertools.product(range(3), range(4), EXTENT_SETS), 5, ids=str)
def test_contractions_of_every_pattern(rank_a: int, rank_b: int, extents: tuple[Any, ...]) -> None:
    outputs, inputs, values = [], [], []
    for la, lb, lo in label_patterns(rank_a, rank_b):
        pairs = zip("ab", (la, lb), strict=True)
        some = [input_node(name, [extents[x] for x in labels]) for name, labels in pairs]
        inputs += some
        values += [draw(n.shape, "f8", 17, seed=i) for i, n in enumerate(some)]
        outputs.append(contract(*some, la, lb, lo))
    for at in range(0, len(outputs), 30):
        part = slice(2 * at, 2 * at + 60)
        agree(outputs[at : at + 30], inputs[part], values[part])


@pytest.mark.parametrize("dtype", ["f4", "i8", "u1", "?"])
def test_contractions_of_other_dtypes(dtype: str) -> None:
    a, b = input_node("a", (R, 7), dtype), input_node("b", (7, 20), dtype)
    small = [input_node("c", (3, 2), dtype), input_node("d", (2, 3), dtype)]
    values = [draw(n.shape, dtype, 17, seed=i) for i, n in enumerate((a, b, *small))]
    outputs = [
        contract(a, b, (0, 1), (1, 2), (0, 2)),
        contract(a, a, (0, 1), (0, 1), ()),
        contract(a, a, (0, 1), (0, 2), (1, 2)),
        contract(*small, (0, 1), (1, 2), (2, 0)),
    ]
    agree(outputs, [a, b, *small], values)


# --- every kind of operand into every kind of consumer ------------------------------------------

Make = Callable[[Node], Node]


def rows_first(x: Node) -> bool:
    return isinstance(x.shape[0], Dim)


OPERANDS: dict[str, Make] = {
    "plain": lambda x: x,
    "transposed": lambda x: transpose(x, (1, 0)),
    "flipped": lambda x: flip(x, (0, 1)),
    "sliced": lambda x: slice_(x, (0, 1), x.shape, (1, 2)),
    "broadcast": lambda x: broadcast(reduce_max(x, (0,)), x.shape, (1,)),
    "turned": lambda x: broadcast(reduce_max(x, (1,)), (4, x.shape[0]), (1,)),
    "computed": lambda x: call("exp", call("mul", x, 0.25)),
    "reshaped": lambda x: reshape(x, (x.shape[0], 2, x.shape[1] // 2)),  # type: ignore[operator]
    "with a one": lambda x: reshape(x, (x.shape[0], 1, x.shape[1])),
    "padded": lambda x: pad(x, (0, 1), (0, 2), (0, 1)),
    "joined": lambda x: concatenate([x, flip(x, (1,)), x], 1),
    "written": lambda x: set_slice(
        x, slice_(call("neg", x), (0, 2), x.shape, (1, 3)), (0, 1), (1, 3)
    ),
    "running": lambda x: cumsum(x, 1),
    "sorted": lambda x: take(x, argsort(slice_(x, (0, 0), (*x.shape[:1], 1), (1, 1)), 1)
                             if False else argsort(reduce_sum(x, (0,)), 0), 1),
    "counting": lambda x: call("add", x, cast(iota(x.shape, 1), x.dtype)),
}  # fmt: skip


def consumers(x: Node) -> list[Node]:
    """One use of each kind."""
    last = x.ndim - 1
    labels = tuple(range(x.ndim))
    line = reduce_sum(x, labels[1:])
    found = [
        call("add", x, 1.0),
        call("mul", x, flip(x, (last,))),
        *(reduce_sum(x, axes) for axes in subsets(x.ndim)),
        *(reduce_min(x, (k,)) for k in range(x.ndim)),
        *(cumsum(x, k, True) for k in range(x.ndim)),
        *(argsort(x, k) for k in range(x.ndim)),
        *(argmax(x, k) for k in range(x.ndim)),
        transpose(x, labels[::-1]),
        flip(x, labels),
        reshape(x, (1, *x.shape)),
        broadcast(x, (*x.shape, 3), labels),
        broadcast(x, (2, *x.shape), tuple(i + 1 for i in labels)),
        contract(x, line, labels, (0,), labels[1:]),
        contract(x, x, labels, tuple(i + 9 if i == last else i for i in labels), (last, last + 9)),
        contract(x, x, labels, labels, ()),
    ]
    extent = x.shape[last]
    if isinstance(extent, int):
        index = call("mod", cast(iota((5, 3), 0), np.int64), extent)
        near = call("mod", iota((extent,), 0), 3)
        starts = tuple(0 if i < last else extent // 2 for i in labels)
        found += [
            take(x, index, last),
            put_add(x, near, last, 3),
            slice_(x, starts, x.shape, (1,) * x.ndim),
            concatenate([x, x], last),
            pad(x, (0,) * x.ndim, tuple(2 * (i == last) for i in labels), (0,) * x.ndim),
            set_slice(x, slice_(call("neg", x), starts, x.shape, (1,) * x.ndim), starts,
                      (1,) * x.ndim),
        ]  # fmt: skip
    return found


SHAPES: tuple[Shape, ...] = ((2, 4), (20, 6), (R, 20))


@sampled("shape, operand", itertools.product(SHAPES, OPERANDS), 2, ids=str)
def test_operands_of_every_kind_in_every_use(shape: Shape, operand: str) -> None:
    x = input_node("x", shape)
    outputs = consumers(OPERANDS[operand](x))
    agree(outputs, [x], [draw(shape, "f8", 17)])


# --- numbers of rows ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def row_program() -> tuple[list[Node], list[Node], Any]:
    x, y = input_node("x", (R,)), input_node("y", (R,), "f4")
    z, w = input_node("z", (R, 3)), input_node("w", (3, 20))
    k = input_node("k", (R,), "i8")
    layer = call("max", contract(z, w, (0, 1), (1, 2), (0, 2)), 0.0)
    column = broadcast(x, (R, 20), (0,))
    outputs = [
        call("add", call("mul", x, x), 1.0), call("exp", y), reduce_sum(x, (0,)),
        reduce_sum(call("sin", x), (0,)), reduce_sum(y, (0,)), reduce_max(x, (0,)),
        reduce_min(y, (0,)), reduce_sum(k, (0,)), argmax(x, 0), contract(x, x, (0,), (0,), ()),
        layer, reduce_sum(layer, (0,)), contract(layer, column, (0, 1), (0, 1), ()),
        contract(z, layer, (0, 1), (0, 2), (1, 2)), transpose(z, (1, 0)), flip(z, (0,)),
        cumsum(x, 0), cumsum(z, 0, True), argsort(x, 0), take(z, argsort(y, 0), 0),
        put_add(x, call("mod", k, 20), 0, 20), take(w, call("mod", k, 20), 1),
        call("div", reduce_sum(z, (0, 1)), row_count(R)), cast(iota((R,)), np.float64),
        select(call("lt", x, 0.0), x, call("neg", x)), reduce_sum(reshape(z, (R, 1, 3)), (0, 1)),
    ]  # fmt: skip
    inputs = [x, y, z, w, k]
    return outputs, inputs, compile_graph(outputs, inputs)


@pytest.mark.parametrize("rows", ROW_COUNTS)
def test_any_number_of_rows(row_program: tuple[list[Node], list[Node], Any], rows: int) -> None:
    outputs, inputs, function = row_program
    values = [draw(n.shape, n.dtype, rows) for n in inputs]
    want = expect(outputs, dict(zip(inputs, values, strict=True)))
    check_close(function(values), want, outputs)


def test_no_rows_at_all() -> None:
    x, z = input_node("x", (R,)), input_node("z", (R, 20))
    outputs = [
        reduce_sum(x, (0,)), reduce_sum(z, (0,)), reduce_sum(z, (1,)), call("exp", x),
        cumsum(x, 0), argsort(x, 0), contract(z, z, (0, 1), (0, 2), (1, 2)), row_count(R),
    ]  # fmt: skip
    agree(outputs, [x, z], [np.zeros(0), np.zeros((0, 20))])


# --- loops and functions with derivatives of their own -----------------------------------------


def loop_over(shape: Shape, length: int | Dim, backward: bool) -> tuple[list[Node], list[Node]]:
    carry, count = input_node("c", shape), input_node("n", (), "i8")
    part, fixed = input_node("x", shape), input_node("k", shape)
    new = call("add", call("mul", carry, fixed), call("tanh", part))
    body = Body((carry, count, part, fixed), (new, call("add", count, 1), call("mul", new, part)))
    inputs = [input_node("C", shape), input_node("N", (), "i8"),
              input_node("X", (length, *shape)), input_node("K", shape)]  # fmt: skip
    return scan_nodes(body, inputs[:2], inputs[2:3], inputs[3:], length, backward), inputs


LOOPS = itertools.product([(), (3,), (30,), (R,), (2, 20)], [1, 4, 30, R], [False, True])


@sampled("shape, length, backward", LOOPS, 7, ids=str)
def test_loops_that_stay_loops(shape: Shape, length: int | Dim, backward: bool) -> None:
    outputs, inputs = loop_over(shape, length, backward)
    values = [draw(n.shape, n.dtype, 17, seed=i) * 1 for i, n in enumerate(inputs)]
    floats = [inputs[0], inputs[2], inputs[3]]
    loss = reduce_sum(outputs[2], tuple(range(outputs[2].ndim)))
    gradients = reverse([loss], [const(1.0)], floats)
    agree([*outputs, *gradients], inputs, values)


def test_functions_with_a_rule_are_their_bodies() -> None:
    x, t = input_node("x", (R,)), input_node("t", (R,))
    body = Body((x,), (call("sin", x), reduce_sum(x, (0,))))
    rule = Body((x, t), (call("mul", t, 2.0), reduce_sum(t, (0,))))
    a = input_node("a", (R,))
    outputs = custom_nodes(body, rule, "jvp", [a], [], "f")
    seeds = [call("cos", a), const(1.0)]
    agree([*outputs, *reverse(outputs, seeds, [a])], [a], [draw((R,), "f8")])


WALKED = frozenset({
    "sum", "broadcast", "reshape", "transpose", "slice", "pad", "concatenate", "set_slice", "flip",
    "cumsum", "contract", "reduce_max", "reduce_min", "argmax", "argmin", "argsort", "take",
    "put_add", "iota", "row_count", "const", "input", "scan", "custom",
})  # fmt: skip


def test_no_primitive_is_left_out() -> None:
    """A primitive that is new in the table needs a place in these tests."""
    import_module("descend.graph.shared")
    # test_linear_algebra.py, test_sound_solve.py, test_shared.py; a black box is Python.
    elsewhere = {*LINEAR_ALGEBRA, "sound_solve", "shared", "black_box"}
    assert set(PRIMITIVES) == WALKED | SEPARATE | set(ELEMENTWISE) | elsewhere


# --- forms of a function ------------------------------------------------------------------------


def test_outputs_that_are_inputs_constants_or_the_same() -> None:
    x, y = input_node("x", (R, 3)), input_node("y", (2,), "i4")
    table = np.arange(60.0).reshape(3, 20)
    double = call("mul", x, 2.0)
    outputs = [x, y, double, double, const(7), const(np.arange(3)), const(table), x,
               broadcast(const(1.5), (R, 2), ())]  # fmt: skip
    agree(outputs, [x, y], [draw((5, 3), "f8"), np.array([3, -4], "i4")])


def test_results_do_not_share_memory_with_arguments_or_each_other() -> None:
    x = input_node("x", (40,))
    double, table = call("mul", x, 2.0), const(np.arange(40.0))
    given = draw((40,), "f8")
    outputs = [x, x, double, double, reshape(double, (5, 8)), table, table]
    results = compile_graph(outputs, [x])([given])
    arrays = [given, *results]
    for a, b in itertools.combinations(arrays, 2):
        assert not np.shares_memory(a, b)
    assert all(a.flags.writeable for a in results)


def test_arguments_of_any_memory_order() -> None:
    x = input_node("x", (5, 8))
    function = compile_graph([call("mul", x, 2.0), reduce_sum(x, (0,))], [x])
    wide = draw((10, 16), "f8")
    for given in (wide[::2, ::2], wide.T[:8, :5].T, np.asfortranarray(wide[:5, :8]),
                  wide[4::-1, :8], wide[:5, :8].astype("f4")):  # fmt: skip
        got = function([given])
        np.testing.assert_array_equal(got[0], given * 2.0)
        np.testing.assert_allclose(got[1], given.sum(0, dtype=float), rtol=1e-14)


def test_no_arguments() -> None:
    agree([const(2.5), reduce_sum(cast(iota((100,)), np.float64), (0,))], [], [])


@pytest.mark.parametrize("length", [1, 10, 280, 330, 1000])
def test_long_chains_are_cut_and_stay_right(length: int) -> None:
    x, y = input_node("x"), input_node("y", (3,))
    a, b = x, y
    kept = []
    for i in range(length):
        a = call("add", call("mul", a, 0.999), reduce_sum(b, (0,)) if i % 7 == 0 else 1e-3)
        b = call("sub", b, call("mul", b, 1.0 / (i + 2)))
        if i % 100 == 0:
            kept += [a, b]
    agree([a, b, *kept], [x, y], [np.array(1.0), np.array([0.1, -0.2, 0.3])])


def test_long_chains_of_large_arrays() -> None:
    x = input_node("x", (R,))
    a, sums = x, []
    for i in range(400):
        a = call("add", call("mul", a, 0.999), 1e-3)
        if i % 40 == 0:
            sums.append(reduce_sum(call("mul", a, a), (0,)))
            a = call("sub", a, broadcast(sums[-1], (R,), ()))
    agree([a, *sums], [x], [draw((R,), "f8", 50) * 0.01])

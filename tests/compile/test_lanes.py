"""The emitter's operations against NumPy's, over every kind and at several widths."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from descend.compile.kinds import literal
from descend.compile.lanes import Emitter, Value
from descend.errors import InternalError

INTEGERS = {
    "i64": np.int64, "i32": np.int32, "i16": np.int16, "i8": np.int8,
    "u64": np.uint64, "u32": np.uint32, "u16": np.uint16, "u8": np.uint8,
}  # fmt: skip
FLOATS = {"f64": np.float64, "f32": np.float32}
KINDS = INTEGERS | FLOATS | {"i1": np.bool_}
WIDTHS = (1, 4)


def _integers(kind: str) -> tuple[np.ndarray, np.ndarray]:
    info = np.iinfo(INTEGERS[kind])
    edges = np.array(
        [0, 1, 2, 3, 7, 100, info.min, info.min + 1, info.max, info.max - 1], info.dtype
    )
    edges = np.concatenate(
        [edges, np.array([-1, -2, -3, -7], info.dtype) if info.min else edges[:0]]
    )
    a, b = np.meshgrid(edges, edges)
    return a.ravel(), b.ravel()


def _floats(kind: str) -> tuple[np.ndarray, np.ndarray]:
    values = [0.0, -0.0, 0.5, -0.5, 1.5, -1.5, 2.5, 3.0, 1e10, -1e10, np.inf, -np.inf, np.nan]
    a, b = np.meshgrid(np.array(values, FLOATS[kind]), np.array(values, FLOATS[kind]))
    return a.ravel(), b.ravel()


def _quiet(function, *args):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*args)


INTEGER_OPERATIONS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "floordiv": np.floor_divide,
    "mod": np.mod, "remainder": np.fmod, "and_": np.bitwise_and, "or_": np.bitwise_or,
    "xor": np.bitwise_xor, "min": np.minimum, "max": np.maximum, "lt": np.less,
    "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal,
    "ne": np.not_equal,
}  # fmt: skip


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", INTEGERS)
def test_integers(kind, width, lanewise):
    a, b = _integers(kind)
    for name, exact in INTEGER_OPERATIONS.items():
        got = lanewise(getattr(Emitter, name), (kind, kind), width)(a, b)
        np.testing.assert_array_equal(got, _quiet(exact, a, b), err_msg=name)
    for name, exact in {
        "neg": np.negative,
        "abs": np.abs,
        "sign": np.sign,
        "not_": np.invert,
    }.items():
        got = lanewise(getattr(Emitter, name), (kind,), width)(a)
        np.testing.assert_array_equal(got, exact(a), err_msg=name)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", INTEGERS)
def test_shifts_by_any_count(kind, width, lanewise):
    info = np.iinfo(INTEGERS[kind])
    counts = np.array([0, 1, 3, info.bits - 1, info.bits, info.bits + 1, 100], info.dtype)
    a, count = (g.ravel() for g in np.meshgrid(_integers(kind)[0][:14], counts))
    for name, exact in {"shl": np.left_shift, "shr": np.right_shift}.items():
        got = lanewise(getattr(Emitter, name), (kind, kind), width)(a, count)
        np.testing.assert_array_equal(got, exact(a, count), err_msg=name)


FLOAT_OPERATIONS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "min": np.minimum,
    "max": np.maximum, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal, "copysign": np.copysign,
}  # fmt: skip
FLOAT_FUNCTIONS = {
    "neg": np.negative, "abs": np.abs, "sqrt": np.sqrt, "floor": np.floor, "ceil": np.ceil,
    "rint": np.rint, "trunc": np.trunc, "sign": np.sign, "isnan": np.isnan,
}  # fmt: skip


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", FLOATS)
def test_floats(kind, width, lanewise, same_bits):
    a, b = _floats(kind)
    for name, exact in FLOAT_OPERATIONS.items():
        got = lanewise(getattr(Emitter, name), (kind, kind), width)(a, b)
        want = _quiet(exact, a, b)
        np.testing.assert_array_equal(got, want, err_msg=name)
        if name not in ("min", "max"):  # which of two zeros is left open
            np.testing.assert_array_equal(same_bits(got), same_bits(want), err_msg=name)
    for name, exact in FLOAT_FUNCTIONS.items():
        got = lanewise(getattr(Emitter, name), (kind,), width)(a)
        np.testing.assert_array_equal(got, _quiet(exact, a), err_msg=name)


@pytest.mark.parametrize("name", ["min", "max"])
def test_nan_propagates_past_a_constant(name, lanewise):
    x = np.array([np.nan, 1.0, 3.0])
    for flip in (False, True):

        def emit(e, v, flip=flip):
            return getattr(e, name)(*((2.0, v) if flip else (v, 2.0)))

        got = lanewise(emit, ("f64",), 4)(x)
        np.testing.assert_array_equal(got, getattr(np, f"{name}imum")(x, 2.0))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("source", KINDS)
def test_conversion_from(source, width, lanewise):
    if source in INTEGERS:
        values = _integers(source)[0]
    elif source in FLOATS:
        values = np.array([0, -0.5, 0.5, 1.9, -1.9, 100.7, -100.7, 127.0], FLOATS[source])
    else:
        values = np.array([True, False])
    for kind, dtype in KINDS.items():
        chosen = values
        if source in FLOATS and kind in INTEGERS and kind[0] == "u":
            chosen = values[values > -1]
        got = lanewise(lambda e, v, kind=kind: e.convert(v, kind), (source,), width)(chosen)
        np.testing.assert_array_equal(got, chosen.astype(dtype), err_msg=kind)


def test_conversion_of_floats_out_of_range_saturates(lanewise):
    values = np.array([1e300, -1e300, np.inf, -np.inf, np.nan, 3e9])
    got = lanewise(lambda e, v: e.convert(v, "i32"), ("f64",), 4)(values)
    info = np.iinfo(np.int32)
    np.testing.assert_array_equal(got, [info.max, info.min, info.max, info.min, 0, info.max])


def test_truth_values_add_and_multiply_as_or_and_and(lanewise):
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    np.testing.assert_array_equal(lanewise(Emitter.add, ("i1", "i1"), 4)(a, b), a + b)
    np.testing.assert_array_equal(lanewise(Emitter.mul, ("i1", "i1"), 4)(a, b), a * b)
    np.testing.assert_array_equal(lanewise(Emitter.not_, ("i1",), 4)(a), ~a)


def test_fma_rounds_once(lanewise):
    x = np.array([1.0 + 2.0**-30])
    got = lanewise(lambda e, v: e.fma(v, v, -1.0), ("f64",), 1)(x)
    assert got[0] == 2.0**-29 + 2.0**-60


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_lanes_can_be_taken_apart_and_put_together(width, lanewise):
    def reverse_and_number(e, v):
        lanes = [e.extract(v, i) for i in range(width)]
        out = v
        for i, lane in enumerate(reversed(lanes)):
            out = e.insert(out, lane, i)
        shuffled = e.shuffle(out, None, list(reversed(range(width))))
        first = e.splat(e.extract(shuffled, 0), width)
        return e.add(e.add(shuffled, e.lane_numbers("i64", width)), first)

    x = np.arange(16, dtype=np.int64) * 10
    blocks = x.reshape(-1, width)
    want = blocks + np.arange(width) + blocks[:, :1]
    np.testing.assert_array_equal(lanewise(reverse_and_number, ("i64",), width)(x), want.ravel())


@pytest.mark.parametrize("width", [1, 4])
def test_rare_blocks_run_only_where_needed(width, lanewise):
    def emit(e, v):
        big = e.gt(v, 10.0)

        def rare():
            inner = e.when_any(e.gt(v, 20.0), [v], lambda: [e.min(v, 20.0)])
            return [e.select(big, e.neg(inner[0]), v)]

        return e.when_any(big, [v], rare)[0]

    x = np.linspace(0, 30, 31)
    got = lanewise(emit, ("f64",), width)(x)
    np.testing.assert_array_equal(got, np.where(x > 10, -np.minimum(x, 20), x))


def test_constants_are_exact():
    e = Emitter([], 2)
    assert e.const(0.1, "f64", 1).name == "0x3FB999999999999A"
    assert e.const(0.1, "f32").name == "<float 0x3FB99999A0000000, float 0x3FB99999A0000000>"
    assert literal(-1, "u16") == "65535"
    assert literal(200, "i8") == "-56"
    assert literal(1e300, "f32") == literal(float("inf"), "f32")


def test_mixed_operands_are_refused():
    e = Emitter([])
    with pytest.raises(InternalError, match="operands differ in kind or width"):
        e.add(Value("%a", "f64", 1), Value("%b", "f64", 4))
    with pytest.raises(InternalError, match="shift of i32 by 32"):
        e.shl(Value("%a", "i32", 1), 32)

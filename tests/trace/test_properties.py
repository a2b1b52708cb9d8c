"""Dtypes, broadcasting, indexing and writing, for whatever hypothesis thinks of: NumPy decides."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.filterwarnings("ignore::descend.errors.DescendWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]
share = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "u4", "?"]
OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.pow, operator.lt, operator.ge, operator.eq, operator.ne, operator.and_, operator.xor,
]  # fmt: skip
FUNCTIONS = [
    np.add, np.maximum, np.arctan2, np.hypot, np.logaddexp, np.equal, np.logical_and, np.fmod,
    lambda a, b: np.where(a > 0, a, b), lambda a, b: np.concatenate([np.ravel(a), np.ravel(b)]),
    lambda a, b: np.array([np.sum(a), np.sum(b)]), lambda a, b: np.clip(a, b, None),
]  # fmt: skip
SCALARS = [2, 3.5, True, -1, 0.5, 1, 0]
NUMBERS = [np.float32(1.5), np.float64(2.5), np.int8(3), np.int64(2), np.bool_(True)]


def array_of(dtype: str, shape: tuple[int, ...]) -> Any:
    """Small positive numbers, so that no operation leaves its dtype's range."""
    values = 1 + np.arange(np.prod(shape, dtype=int)) % 3
    return values.reshape(shape).astype(dtype)


def same_or_both_fail(agree: Callable[..., Any], model: Callable[..., Any], *arrays: Any) -> None:
    try:
        with np.errstate(all="ignore"):
            model(*arrays)
    except REFUSALS:
        with pytest.raises(REFUSALS):
            agree(model, *arrays)
        return
    agree(model, *arrays)


REFUSALS = (TypeError, ValueError, OverflowError, IndexError)


@share
@given(
    st.sampled_from(OPERATORS), st.sampled_from(DTYPES), st.sampled_from(DTYPES),
    hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3),
)  # fmt: skip
def test_operators_between_arrays(agree: Any, op: Any, a: str, b: str, shapes: Any) -> None:
    first, second = shapes.input_shapes
    same_or_both_fail(agree, lambda x, y: op(x, y), array_of(a, first), array_of(b, second))


@share
@given(
    st.sampled_from(OPERATORS), st.sampled_from(DTYPES), st.sampled_from(SCALARS + NUMBERS),
    st.booleans(),
)  # fmt: skip
def test_operators_with_numbers(agree: Any, op: Any, dtype: str, number: Any, left: bool) -> None:
    def model(x: Any) -> Any:
        return op(number, x) if left else op(x, number)

    same_or_both_fail(agree, model, array_of(dtype, (2,)))


@share
@given(
    st.sampled_from(FUNCTIONS), st.sampled_from(DTYPES), st.sampled_from(DTYPES),
    st.sampled_from(SCALARS),
)  # fmt: skip
def test_functions(agree: Any, function: Any, a: str, b: str, number: Any) -> None:
    x, y = array_of(a, (2, 3)), array_of(b, (3,))
    same_or_both_fail(agree, lambda x, y: function(x, y), x, y)
    same_or_both_fail(agree, lambda x: function(x, number), x)


@share
@given(st.sampled_from([operator.iadd, operator.imul, operator.itruediv, operator.ipow]),
       st.sampled_from(DTYPES), st.sampled_from(DTYPES), st.sampled_from(SCALARS))  # fmt: skip
def test_in_place(agree: Any, op: Any, a: str, b: str, number: Any) -> None:
    def with_array(x: Any, y: Any) -> Any:
        x = x.copy()
        x = op(x, y)
        return x

    def with_number(x: Any) -> Any:
        x = x.copy()
        view = x[:1]
        view = op(view, number)
        return x

    x, y = array_of(a, (2, 3)), array_of(b, (3,))
    same_or_both_fail(agree, with_array, x, y)
    same_or_both_fail(agree, with_number, x)


SHAPES = st.sampled_from([(5,), (3, 4), (2, 3, 4), (1, 3), (4, 1, 2)])


@st.composite
def indexed(draw: Any, advanced: bool) -> tuple[tuple[int, ...], Any]:
    shape = draw(SHAPES)
    index = draw(hnp.basic_indices(shape, allow_newaxis=True))
    if advanced:
        kind = draw(st.sampled_from(["integers", "mask", "mixed"]))
        if kind == "integers":
            index = draw(
                hnp.integer_array_indices(
                    shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3)
                )
            )
        elif kind == "mask":
            axes = draw(st.integers(1, len(shape)))
            index = draw(hnp.arrays(bool, shape[:axes]))
        else:
            parts: list[Any] = []
            for n in shape:
                parts.append(
                    draw(
                        st.one_of(
                            st.integers(-n, n - 1),
                            st.just(slice(None)),
                            st.lists(st.integers(-n, n - 1), min_size=2, max_size=2),
                        )
                    )
                )
            if draw(st.booleans()):
                parts.insert(draw(st.integers(0, len(parts))), None)
            index = tuple(parts)
    return shape, index


@share
@given(st.one_of(indexed(False), indexed(True)))
def test_reading(agree: Any, what: Any) -> None:
    shape, index = what
    agree(lambda x: x[index], np.arange(float(np.prod(shape))).reshape(shape))


@share
@given(st.one_of(indexed(False), indexed(True)), st.booleans())
def test_writing(agree: Any, what: Any, whole: bool) -> None:
    shape, index = what
    base = np.arange(float(np.prod(shape))).reshape(shape)
    value = -np.arange(float(base[index].size)).reshape(base[index].shape) - 1

    def model(x: Any, v: Any) -> Any:
        out = x.copy()
        view = out[..., ::-1]
        out[index] = v
        return out, view, out[index]

    agree(model, base, value if whole else np.float64(-1.0))


@share
@given(
    st.lists(
        st.tuples(st.integers(-4, 3), st.integers(-4, 3), st.sampled_from("erscn")), max_size=8
    )
)
def test_interleaved_writes_and_reads(agree: Any, steps: Any) -> None:
    """Elements, rows, columns, strides and reads between them, in any order."""

    def model(x: Any, w: Any) -> Any:
        out = np.zeros((4, 4))
        seen = []
        for i, j, kind in steps:
            if kind == "e":
                out[i, j] = w + i
            elif kind == "r":
                out[i] = x * j
            elif kind == "c":
                out[:, j] = x + i
            elif kind == "s":
                out[::2, 1:3] = w * j
            else:
                out[i][j] = out[j, i] + 1
            seen.append((out[j, i], out[i], out[1:3, j], out[:, j].sum()))
        return out, seen

    agree(model, np.arange(4.0), np.float64(0.5))


@share
@given(
    SHAPES,
    st.data(),
    st.sampled_from(["sum", "mean", "max", "prod", "var", "any", "argmax", "cumsum"]),
)
def test_reductions(agree: Any, shape: Any, data: Any, name: str) -> None:
    axis = data.draw(st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1)))
    dtype = data.draw(st.sampled_from(DTYPES))
    agree(lambda x: getattr(np, name)(x, axis=axis), array_of(dtype, shape))

"""NaN and numbers that an integer cannot hold are no index; and every real dtype at the door."""

from typing import Any

import numpy as np
import pytest

import descend

TABLE = np.arange(1.0, 6.0)
KINDS = [np.int64, np.int32, np.int16, np.int8, np.uint8, np.uint16, np.uint32]


@pytest.mark.parametrize("engine", ["native", "interpreted"])
@pytest.mark.parametrize("factor", [np.nan, np.inf, -np.inf, 1e30, -1e30], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_integer_is_no_index(kind: Any, factor: float, engine: str) -> None:
    def model(x: Any) -> Any:
        return np.array(TABLE)[(x * factor).astype(kind)] * x

    with pytest.raises(IndexError, match="out of bounds"):
        descend.grad(model, engine=engine)(2.0)


@pytest.mark.parametrize("engine", ["native", "interpreted"])
@pytest.mark.parametrize(
    "read",
    [
        lambda x: np.take(TABLE, x.astype(int)),
        lambda x: np.array(TABLE)[np.array([x, 1.0]).astype(int)].sum(),
        lambda x: np.array(TABLE)[x.astype(int) + 1],
        lambda x: np.array(TABLE)[np.floor(x).astype(np.int64)],
        lambda x: np.array(TABLE)[np.asarray(x, dtype=int)],
        lambda x: np.array(TABLE)[np.clip(x, 0, 4).astype(int)],
        lambda x: np.eye(5)[x.astype(int), 0],
        lambda x: np.take_along_axis(np.array(TABLE), x.astype(int)[None], 0)[0],
    ],
)
def test_nan_is_no_index_on_any_way(read: Any, engine: str) -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        descend.grad(lambda x: read(x * np.nan) * x, engine=engine)(2.0)


@pytest.mark.parametrize("engine", ["native", "interpreted"])
def test_numbers_in_range_are_cut_towards_zero(engine: str) -> None:
    at = np.array([0.0, 0.9, 3.999, 4.0, 4.999])

    def model(x: Any) -> Any:
        return np.sum(np.array(TABLE)[x.astype(int)] * x)

    assert np.array_equal(descend.grad(model, engine=engine)(at), TABLE[at.astype(int)])
    lowest, highest = np.float64(-(2.0**63)), np.nextafter(2.0**63, 0)
    ends = np.array([lowest, highest, -0.9, 127.5])
    found = descend.value_and_grad(
        lambda x: (np.sum(x), x.astype(np.int64)), has_aux=True, engine=engine
    )(ends)[0][1]
    assert np.array_equal(found, ends.astype(np.int64))


REAL = ["f2", "f4", "f8", "g", ">f8", ">f4", ">f2"]
WHOLE = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4", "?"]
ROWS = np.arange(40) % 7


def line(x: Any, a: Any, b: Any) -> Any:
    return a * x + b


@pytest.mark.filterwarnings("ignore:.*of float32 and float64:descend.DescendWarning")
@pytest.mark.parametrize("dtype", REAL + WHOLE)
def test_columns_of_every_real_dtype(dtype: str) -> None:
    x = ROWS.astype(dtype)
    y = 3.0 * x.astype(float) + 2.0
    start = dict(a=1.0, b=1.0)
    assert descend.fit(line, x, y, start=start).params == pytest.approx(dict(a=3, b=2))
    target = (ROWS % 2).astype(dtype)
    found = descend.fit(line, ROWS.astype(float), target, start=start)
    slope, base = np.polyfit(ROWS, ROWS % 2, 1)
    assert found.params == pytest.approx(dict(a=slope, b=base), rel=1e-9, abs=1e-9)


@pytest.mark.filterwarnings("ignore:.*of float32 and float64:descend.DescendWarning")
@pytest.mark.parametrize("dtype", REAL)
def test_starts_and_arguments_of_every_float(dtype: str) -> None:
    kind = np.dtype(dtype)
    x, y = ROWS.astype(float), 3.0 * ROWS + 2.0
    start = dict(w=np.ones(2, kind))
    found = descend.fit(lambda x, w: w[0] * x + w[1], x, y, start=start).params["w"]
    assert found == pytest.approx([3, 2], rel=1e-6)
    lowest = descend.minimize(lambda v: np.sum((v - 3) ** 2), np.ones(2, kind)).params
    assert lowest == pytest.approx([3, 3], rel=1e-6)
    assert descend.grad(lambda v: np.sum(v**2))(np.ones(2, kind)) == pytest.approx([2, 2])
    assert descend.grad(lambda v: v**2)(kind.type(1)) == 2
    assert descend.grad(lambda v, w: np.sum(v * w))(np.ones(2), np.ones(2, kind))[0] == 1
    assert descend.grad(lambda v: np.sum(v * np.ones(20, kind)))(np.ones(20))[0] == 1


@pytest.mark.parametrize("engine", ["native", "interpreted"])
def test_long_doubles_are_computed_in_double(engine: str) -> None:
    wide = np.array([[2.0, 0.5], [0.5, 1.0]], np.longdouble)
    slope = descend.grad(lambda k: np.sum(np.linalg.inv(k)), engine=engine)(wide)
    assert slope.dtype == np.float64
    narrow = descend.grad(lambda k: np.sum(np.linalg.inv(k)), engine=engine)(wide.astype(float))
    assert np.array_equal(slope, narrow)


# --- indices outside of their own axis, or of the place that is written ---------------------------

PAGE = np.arange(6.0).reshape(3, 2)


def written(z: Any, place: Any) -> Any:
    z = z.copy()
    z[place] = 7.0
    return np.sum(z * np.arange(1.0, 1.0 + z.size).reshape(z.shape))


READS_AND_WRITES = [
    lambda x, v: x[0, v.astype(int)] * v,
    lambda x, v: x[v.astype(int), v.astype(int)] * v,
    lambda x, v: np.sum(x[[0, 2], v.astype(int)]) * v,
    lambda x, v: np.sum(np.take(x, v.astype(int), axis=1)) * v,
    lambda x, v: np.choose(v.astype(int), [x[0, 1], x[1, 1]]) * v,
    lambda x, v: written(x[0], v.astype(int)) * v,
    lambda x, v: written(x, v.astype(int)) * v,
    lambda x, v: written(x, (slice(None), v.astype(int))) * v,
]


@pytest.mark.parametrize("at", [0.0, 1.0, -1.0, -2.0, 2.0, 3.0, -3.0, 7.0, np.nan, 2.0**62])
@pytest.mark.parametrize("model", READS_AND_WRITES)
def test_an_index_beyond_its_own_axis_is_refused_where_numpy_refuses_it(
    model: Any, at: float
) -> None:
    try:
        with np.errstate(invalid="ignore"):
            right = model(PAGE, np.float64(at))
    except (IndexError, ValueError):
        with pytest.raises(IndexError, match="out of bounds"):
            descend.value_and_grad(model)(PAGE, np.float64(at))
    else:
        assert descend.value_and_grad(model)(PAGE, np.float64(at))[0] == right


def test_the_index_is_named_as_it_was_given() -> None:
    with pytest.raises(IndexError, match="index -9 is out of bounds for an axis of 5"):
        descend.grad(lambda x: np.array(TABLE)[x.astype(int)] * x)(-9.0)

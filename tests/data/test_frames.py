"""Arrays, dicts and frames bind to a model's arguments."""

import subprocess
import sys

import narwhals
import numpy as np
import pandas as pd
import polars as pl
import pytest

from descend.data.frames import bind_inputs, column_names, is_table, take_columns
from descend.errors import DataError, UsageError

COLUMNS = {"x": [1, 2, 3], "t": [0.5, None, 1.5]}
TABLES = {
    "dict": COLUMNS,
    "pandas": pd.DataFrame(COLUMNS),
    "polars": pl.DataFrame(COLUMNS),
    "lazy": pl.LazyFrame(COLUMNS),
    "narwhals": narwhals.from_native(pl.DataFrame(COLUMNS)),
    "nullable": pd.DataFrame(COLUMNS).convert_dtypes(),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_give_the_same_columns(kind: str) -> None:
    table = TABLES[kind]
    assert is_table(table)
    assert column_names(table) == ["x", "t"]
    found = take_columns(table, ["t", "x"])
    np.testing.assert_array_equal(found["x"], [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(found["t"], [0.5, np.nan, 1.5])
    assert {column.dtype for column in found.values()} == {np.dtype(np.float64)}


@pytest.mark.parametrize("series", [[1, 2], pd.Series([1, 2]), pl.Series([1, 2]), np.array([1, 2])])
def test_one_array_is_the_first_argument(series: object) -> None:
    bound = bind_inputs(series, ["x", "w"])
    assert list(bound) == ["x"]
    assert bound["x"].tolist() == [1.0, 2.0]


def test_tuple_and_table_bind() -> None:
    assert list(bind_inputs(([1.0], [2.0]), ["a", "b", "w"])) == ["a", "b"]
    assert list(bind_inputs({"b": [1.0], "a": [2.0]}, ["a", "b", "w"])) == ["a", "b"]
    frame = pd.DataFrame({"b": [1.0], "unused": ["text"]})
    assert list(bind_inputs(frame, ["w", "b"])) == ["b"]


@pytest.mark.parametrize(
    ("error", "x", "words"),
    [
        (UsageError, ([1.0], [2.0], [3.0]), "x has 3 arrays, and the model takes 2 arguments"),
        (UsageError, {"X": [1.0]}, 'called "X" (did you mean "x"?)'),
        (UsageError, pd.DataFrame({"X": [1.0]}), 'called "X" (did you mean "x"?)'),
        (UsageError, {"x": [1.0], "z": [1.0]}, 'no argument of the model is called "z"'),
        (UsageError, pd.DataFrame({"q": [1.0]}), "none of the columns q is an argument"),
        (UsageError, pd.DataFrame({0: [1.0]}), "the column 0 has a name that is no text"),
        (DataError, {"x": ["a", "b"]}, 'the column "x" holds text, such as "a"'),
        (DataError, pd.DataFrame({"x": ["a", "b"]}), 'the column "x" holds text'),
        (DataError, pl.DataFrame({"x": ["a", "b"]}), 'the column "x" holds text'),
        (DataError, [1j], "x holds complex numbers"),
    ],
)
def test_what_cannot_bind(error: type[Exception], x: object, words: str) -> None:
    with pytest.raises(error) as caught:
        bind_inputs(x, ["x", "w"])
    assert words in str(caught.value)


def test_absent_column_and_no_table() -> None:
    with pytest.raises(DataError, match=r'no column "tt" \(did you mean "t"\?\)'):
        take_columns({"tx": [1.0], "t": [1.0]}, ["tt"])
    with pytest.raises(UsageError, match="a table is a dict of columns or a frame, not list"):
        column_names([1.0])


def test_arrays_and_dicts_import_no_frame_library() -> None:
    code = (
        "import sys, numpy as np; from descend.data.frames import *; "
        "bind_inputs(np.ones(2), ['x']); bind_inputs({'x': [1.0]}, ['x']); "
        "print([name for name in ('narwhals', 'duckdb', 'pandas') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

"""What data is refused for, in which words, and what remains when rows are dropped."""

import warnings
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descend.data.validate import (
    check_positive,
    check_prediction,
    clean_rows,
    real_array,
    rows_in_words,
)
from descend.errors import DataError, DescendWarning, UsageError


def told(error: type[Exception], call: object, *args: object, **options: object) -> str:
    with pytest.raises(error) as caught:
        call(*args, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 2], [1.0, 2.0]),
        ([True, False], [1.0, 0.0]),
        ([1, None, 3], [1.0, np.nan, 3.0]),
        ([Decimal("1.5"), 2], [1.5, 2.0]),
        (np.ma.masked_array([1, 2], [False, True]), [1.0, np.nan]),
        (np.array([1, 2], np.float16), [1.0, 2.0]),
    ],
)
def test_becomes_float64(value: object, expected: list[float]) -> None:
    array = real_array(value, "x")
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, expected)


def test_float32_and_labels_keep_their_type() -> None:
    assert real_array(np.ones(2, np.float32), "x").dtype == np.float32
    assert real_array([0, 1], "y", integers=True).dtype == np.int64


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (["a", "b"], 'x holds text, such as "a"'),
        ([1.0, "b"], "x holds text"),
        (np.array([1.0, "b"], object), 'x holds text: "b" in row 1'),
        ([1j, 2], "x holds complex numbers"),
        (np.array([None, 1j], object), "give .real and .imag"),
        (np.array(["2020-01-01"], "M8[D]"), "x holds dates, such as 2020-01-01"),
        ([[1, 2], [3]], "unequal lengths"),
        (np.array([{}, 1], object), "x holds dict"),
    ],
)
def test_no_numbers(value: object, words: str) -> None:
    assert words in told(DataError, real_array, value, "x")


X, Y = np.arange(4.0), np.arange(4.0)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"x": X, "y": np.array([0, np.nan, 2, 3])}, "y is missing (NaN) in row 1 (rows count"),
        ({"x": np.array([0, 1, np.inf, -np.inf]), "y": Y}, "x is infinite in rows 2, 3"),
        ({"x": X, "y": np.arange(3.0)}, "x has 4 rows, y has 3"),
        ({"x": X, "y": np.arange(8.0)}, "(4, 2), and np.stack([…], axis=1) in the model"),
        ({"x": X, "y": np.arange(12.0)}, "3 columns: y of the shape (4, 3)"),
        ({"x": np.ones((2, 4)), "y": Y}, "give tuple(x) for 2 arguments"),
        ({"x": np.ones((2, 4)), "y": Y}, "its last axis matches the 4 rows of y"),
        ({"x": np.ones((4, 0))[:0], "y": Y[:0]}, "the table is empty: it has no rows"),
        ({"x": X[:1], "y": Y[:1]}, "there is only one row; at least 2 rows are needed"),
        ({"x": np.float64(3), "y": Y}, "x is a single number"),
    ],
)
def test_refused_rows(columns: dict[str, np.ndarray], words: str) -> None:
    columns = {name: np.asarray(column) for name, column in columns.items()}
    assert words in told(DataError, clean_rows, columns)


def test_both_faults_of_both_columns_are_told() -> None:
    columns = {"x": np.array([np.nan, np.inf]), "y": np.array([0.0, np.nan])}
    message = told(DataError, clean_rows, columns)
    assert message.startswith(
        "x is missing (NaN) in row 0; x is infinite in row 1; y is missing (NaN) in row 1"
    )
    assert 'missing="drop"' in message


def test_drop_counts_and_keeps_the_order() -> None:
    columns = {"x": np.array([0, np.nan, 2, 3]), "y": np.array([[1.0], [2], [np.inf], [4]])}
    clean = clean_rows(columns, missing="drop")
    assert (clean.n_rows, clean.n_dropped) == (2, 2)
    assert clean.columns["x"].tolist() == [0, 3]
    assert clean.kept.tolist() == [0, 3]
    columns["x"][:] = np.nan
    assert "no row is left after 4 rows" in told(DataError, clean_rows, columns, missing="drop")


def test_unknown_missing_is_suggested() -> None:
    assert 'did you mean "drop"?' in told(UsageError, clean_rows, {"x": X}, missing="drp")


def test_huge_finite_numbers_are_not_mistaken_for_infinite() -> None:
    assert clean_rows({"x": np.full(4, 1.7e308)}).n_dropped == 0


@given(st.lists(st.sampled_from([0.0, 1.0, np.nan, np.inf]), min_size=2, max_size=30))
def test_drop_keeps_exactly_the_finite(values: list[float]) -> None:
    column = np.array(values)
    expected = column[np.isfinite(column)]
    clean = clean_rows({"x": column}, missing="drop", least=0)
    np.testing.assert_array_equal(clean.columns["x"], expected)
    assert clean.n_dropped == len(values) - len(expected)


def test_rows_in_words() -> None:
    assert rows_in_words(np.arange(5)) == "rows 0, 1, 2, 3, 4"
    assert rows_in_words(np.arange(6)) == "rows 0, 1, 2, 3, 4, … (6 in all)"


def test_positive() -> None:
    column = np.array([1.0, 0.0, 2.0])
    assert check_positive(column, "w", zero=True) is column
    assert "must be positive, and is not in row 1" in told(DataError, check_positive, column, "w")
    assert "zero in every row" in told(DataError, check_positive, 0 * column, "w", zero=True)
    assert "must not be negative" in told(DataError, check_positive, -column, "w", zero=True)


@pytest.mark.parametrize(
    ("prediction", "target", "words"),
    [
        ((9, 1), (9,), "return prediction[:, 0] from the model, or give y[:, None]"),
        ((9,), (9, 1), "give y[:, 0]"),
        ((3, 9), (9, 3), "transpose one of them"),
        ((9, 2), (9,), "one value for each value of y"),
    ],
)
def test_prediction_shape(prediction: tuple, target: tuple, words: str) -> None:
    assert words in told(UsageError, check_prediction, prediction, target)


def test_prediction_that_fits() -> None:
    check_prediction((), (9,))
    check_prediction((9, 2), (9, 2))


def test_whole_numbers_that_floats_do_not_hold_are_told():
    with pytest.warns(DescendWarning, match=r"x holds whole numbers beyond 2\*\*53"):
        real_array(np.array([2**53 + 1, 1]), "x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        real_array(np.array([2**60, 1]), "x")

"""What data must be before a run begins: real numbers, finite, as many rows everywhere."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from descend.errors import DataError, DescendWarning, UsageError, suggest
from descend.quantities import refuse_units

__all__ = [
    "Clean",
    "Missing",
    "check_enough",
    "check_members",
    "check_missing",
    "check_positive",
    "check_prediction",
    "clean_rows",
    "real_array",
    "refuse_kind",
    "refuse_low",
    "refuse_places",
    "refuse_zero",
    "rows_in_words",
]

Array = NDArray[Any]
Missing = Literal["raise", "drop"]
MOST_ROWS = 5
EXACT = 2.0**53
_NOT_NUMBERS = {
    "M": ("dates", "give numbers, for instance (dates - dates[0]) / np.timedelta64(1, 'D'): "
        "days since the first, so that a rate is one per day"),
    "m": ("time differences", "give numbers, for instance differences / np.timedelta64(1, 's')"),
    "U": ("text", ""),
    "S": ("text", ""),
    "O": ("categories or other values", "number them from 0"),
    "V": ("records with fields", "give one array a field"),
    "c": ("complex numbers", "give .real and .imag as two columns: a loss needs real numbers"),
}


class Clean(NamedTuple):
    """Checked columns of equal length; `kept` are the rows that remain, or None for all."""

    columns: dict[str, Array]
    n_rows: int
    n_dropped: int
    kept: Array | None


def real_array(value: Any, name: str, *, integers: bool = False) -> Array:
    """Return data as an array of floats; None becomes NaN, whose rows `clean_rows` refuses.

    Args:
        value: anything that NumPy makes an array of; masked entries count as missing.
        name: what the user calls it, for the message.
        integers: leave integers as they are (labels); otherwise they become float64.

    Raises:
        DataError: text, dates, complex numbers, ragged lists or other objects, with a sample.

    >>> real_array([1, 2, None], "x")
    array([ 1.,  2., nan])
    """
    if type(value) is np.ndarray and value.dtype == np.float64:
        return value
    refuse_units(value, name)
    if hasattr(value, "toarray"):
        raise DataError(
            f"{name} is a sparse matrix", remedy="write it out as an array: .toarray()"
        )
    mask = getattr(value, "mask", None)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(
            f"{name} is a list whose rows have unequal lengths", remedy="give each row as many"
        ) from error
    kind = array.dtype.kind
    if kind == "O":
        array = _from_objects(array, name)
    elif kind in _NOT_NUMBERS:
        refuse_kind(name, kind, array)
    elif kind == "b" and name == "sigma":
        raise DataError(
            "sigma holds True and False", remedy="give the standard deviation of each value of y"
        )
    elif kind == "b" or (kind in "iu" and not integers) or array.dtype.itemsize == 2:
        floats = array.astype(np.float64)
        if array.dtype.itemsize == 8 and kind in "iu" and floats.size:
            _warn_of_lost_digits(floats, array, name)
        array = floats
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if isinstance(mask, np.ndarray) and mask.any():
        array = np.where(mask, np.nan, array)
    return array


def _warn_of_lost_digits(floats: Array, whole: Array, name: str) -> None:
    largest = max(abs(float(floats.max())), abs(float(floats.min())))
    if largest >= EXACT and (floats.astype(object) != whole.astype(object)).any():
        warnings.warn(
            DescendWarning(
                f"{name} holds whole numbers beyond 2**53, which floats do not hold exactly; "
                f"subtract a common part from them first: {name} - {name}.min()"
            ),
            stacklevel=2,
        )


def refuse_kind(name: str, kind: str, array: Array | None = None) -> None:
    """Refuse what is no number.

    Args:
        kind: NumPy's letter for it.
        array: what is refused, for a sample.
    """
    what, remedy = _NOT_NUMBERS[kind]
    if array is None:
        raise DataError(f"{name} holds {what}, no numbers", remedy=remedy)
    if kind == "U" and array.ndim == 0:
        remedy = f'give the numbers themselves: table["{array}"] for a column of a table'
        raise DataError(f'{name} is the text "{array}"', remedy=remedy)
    if kind in "US" and array.size:
        remedy = _remedy_for_text(name, array)
    sample = f", such as {_shown(array.flat[0])}" if array.size else ""
    raise DataError(f"{name} holds {what}{sample}", remedy=remedy)


def _remedy_for_text(name: str, array: Array) -> str:
    """What makes numbers of texts: reading them, where they are numbers, or numbering labels."""
    numbers = [_is_number(value) for value in array.flat]
    call = name if name.isidentifier() else "…"
    if all(numbers):
        return f"read the numbers: np.asarray({call}, dtype=float)"
    if any(numbers):
        return "give numbers only; leave out what is no number"
    return f"number the labels: np.unique({call}, return_inverse=True)[1]"


def _is_number(value: Any) -> bool:
    try:
        return value is not None and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else text[:38] + "…"


def _from_objects(array: Array, name: str) -> Array:
    """Numbers and missing values that stand in an object array; anything else is refused."""
    numbers = np.full(array.shape, np.nan)
    flat = numbers.reshape(-1)
    for index, value in enumerate(array.flat):
        if value is None or type(value).__name__ in ("NAType", "NaTType"):
            continue
        if isinstance(value, complex | np.complexfloating):
            refuse_kind(name, "c", np.array([value]))
        refuse_units(value, name)
        try:
            flat[index] = math.nan if isinstance(value, str | bytes) else float(value)
            refused = isinstance(value, str | bytes)
        except (TypeError, ValueError, OverflowError):
            refused = True
        if refused:
            row = np.unravel_index(index, array.shape)[0] if array.ndim else 0
            what = "text" if isinstance(value, str | bytes) else type(value).__name__
            message = f"{name} holds {what}: {_shown(value)} in row {row} (counting from 0)"
            remedy = "give numbers only; leave out what is no number"
            if all(isinstance(v, str | bytes) for v in array.flat):
                remedy = _remedy_for_text(name, array)
            raise DataError(message, remedy=remedy)
    return numbers


def clean_rows(
    columns: Mapping[str, Array], *, missing: Missing = "raise", least: int = 2
) -> Clean:
    """Check that all columns have equally many rows, and that every number in them is finite.

    Args:
        columns: name → array whose first axis are the rows; all names appear in messages.
        missing: `"drop"` leaves out rows in which any column is NaN or infinite.
        least: how many rows must remain.

    Raises:
        DataError: unequal lengths, no rows, too few rows, missing or infinite values.
        UsageError: `missing` is neither `"raise"` nor `"drop"`.

    >>> clean_rows({"x": np.array([1.0, 2.0, 3.0]), "y": np.array([1.0, np.nan, 3.0])})
    Traceback (most recent call last):
    descend.errors.DataError: y is missing (NaN) in row 1 (rows count from 0)
      do: correct the data, or leave such rows out with missing="drop"
    """
    check_missing(missing)
    n_rows = _common_length(columns)
    bad = {name: column for name, column in columns.items() if not _all_finite(column)}
    if not bad:
        check_enough(n_rows, 0, least)
        return Clean(dict(columns), n_rows, 0, None)
    if missing == "raise":
        _refuse_rows(bad)
    keep = np.ones(n_rows, dtype=bool)
    for column in bad.values():
        keep &= _finite_rows(column)
    kept = np.flatnonzero(keep)
    check_enough(len(kept), n_rows - len(kept), least)
    clean = {name: column[kept] for name, column in columns.items()}
    return Clean(clean, len(kept), n_rows - len(kept), kept)


def check_missing(missing: str) -> None:
    """Refuse what `missing` cannot be."""
    if missing not in ("raise", "drop"):
        raise UsageError(
            f'missing="{missing}" is not known{suggest(str(missing), ["raise", "drop"])}',
            remedy='write missing="raise" or missing="drop"',
        )


def _common_length(columns: Mapping[str, Array]) -> int:
    for name, column in columns.items():
        if column.ndim == 0:
            raise DataError(
                f"{name} is a single number, and data has one entry a row",
                remedy=f"give an array; if {name} is a fixed number, name it in constants=",
            )
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) <= 1:
        return next(iter(lengths.values()), 0)
    _refuse_lengths(columns, lengths)
    return 0


def _refuse_lengths(columns: Mapping[str, Array], lengths: dict[str, int]) -> None:
    reference = "y" if "y" in lengths else max(lengths, key=lambda name: lengths[name])
    rows = lengths[reference]
    name = next(name for name, length in lengths.items() if length != rows)
    column = columns[name]
    remedy = "rows come first, and every array has one entry for each"
    if column.ndim > 1 and column.shape[-1] == rows:
        message = (
            f"{name} has the shape {column.shape}: its last axis matches the {rows} rows of "
            f"{reference}, but rows come first"
        )
        remedy = f"give tuple({name}) for {len(column)} arguments of the model, or {name}.T for one"
        raise DataError(message, remedy=remedy)
    message = f"{name} has {_rows(lengths[name])}, {reference} has {rows}"
    if reference == "y" and lengths[name] > 1 and rows % lengths[name] == 0:
        n, k = lengths[name], rows // lengths[name]
        remedy += (
            f"; if y joins {k} values a row, such as real and imaginary parts, give them as {k} "
            f"columns: y of the shape ({n}, {k}), and np.stack([…], axis=1) in the model"
        )
    raise DataError(message, remedy=remedy)


def _rows(count: int) -> str:
    return "one row" if count == 1 else f"{count} rows"


def check_enough(n_rows: int, n_dropped: int, least: int) -> None:
    """Refuse fewer rows than `least`.

    Args:
        n_dropped: how many were left out before.
    """
    if n_rows >= least:
        return
    left = f" after {_rows(n_dropped)} with missing or infinite values were dropped"
    after = left if n_dropped else ""
    if n_rows == 0:
        what = "no row is left" if n_dropped else "the table is empty: it has no rows"
    else:
        what = f"there is only {_rows(n_rows)}" if n_rows == 1 else f"there are {_rows(n_rows)}"
    need = f"at least {_rows(least)} are needed" if least > 1 else "at least one row is needed"
    raise DataError(f"{what}{after}; {need}")


def _all_finite(column: Array) -> bool:
    """The sum is finite only if every entry is; where it overflows, each entry is looked at."""
    if column.dtype.kind in "iub":
        return True
    with np.errstate(all="ignore"):
        total = column.sum()
    return bool(np.isfinite(total)) or bool(np.isfinite(column).all())


def _finite_rows(column: Array) -> NDArray[np.bool_]:
    finite = np.isfinite(column).reshape(len(column), -1)
    return np.logical_and.reduce(finite, axis=1)  # type: ignore[no-any-return]


def _refuse_rows(bad: Mapping[str, Array]) -> None:
    places = []
    for name, column in bad.items():
        flat = column.reshape(len(column), -1)
        for what, found in (("missing (NaN)", np.isnan(flat)), ("infinite", np.isinf(flat))):
            rows = np.flatnonzero(found.any(axis=1))
            if len(rows):
                places.append((name, what, rows, len(rows)))
    refuse_places(places)


def refuse_places(places: Sequence[tuple[str, str, Array, int]]) -> NoReturn:
    """Say where values are missing or infinite.

    Args:
        places: name of the column, what is wrong in it, the first rows, and how many there are.
    """
    parts = [f"{name} is {what} in {rows_in_words(rows, n)}" for name, what, rows, n in places]
    raise DataError(
        "; ".join(parts) + " (rows count from 0)",
        remedy='correct the data, or leave such rows out with missing="drop"',
    )


def rows_in_words(rows: Array, count: int | None = None) -> str:
    """Name the first few rows, and how many there are.

    Args:
        count: of all of them, where `rows` are but the first.

    >>> rows_in_words(np.array([3])), rows_in_words(np.array([3, 7]))
    ('row 3', 'rows 3, 7')
    >>> rows_in_words(np.arange(100))
    'rows 0, 1, 2, 3, 4, … (100 in all)'
    """
    count = len(rows) if count is None else count
    if count == 1:
        return f"row {rows[0]}"
    first = ", ".join(str(row) for row in rows[:MOST_ROWS])
    return f"rows {first}" + (f", … ({count} in all)" if count > MOST_ROWS else "")


def check_positive(
    column: Array, name: str, *, zero: bool = False, places: Array | None = None
) -> Array:
    """Return `column` if all of it is positive (or zero, where allowed).

    Args:
        places: which of the rows given these are, where some have been left out.

    Raises:
        DataError: with the first rows that are not, or if all of it is zero.

    >>> check_positive(np.array([1.0, -2.0]), "sigma")
    Traceback (most recent call last):
    descend.errors.DataError: sigma must be positive, and is not in row 1 (rows count from 0)
      do: correct the data, or leave these rows out before the fit
    """
    wrong = np.flatnonzero(column < 0 if zero else column <= 0)
    if len(wrong):
        refuse_low(name, wrong if places is None else places[wrong], zero=zero)
    if zero and not column.any():
        refuse_zero(name)
    return column


def refuse_low(
    name: str, rows: Array, count: int | None = None, *, zero: bool, counted: str = "from 0"
) -> NoReturn:
    """Say where values are not positive, or negative; see `rows_in_words`."""
    kind = "must not be negative, and is" if zero else "must be positive, and is not"
    raise DataError(
        f"{name} {kind} in {rows_in_words(rows, count)} (rows count {counted})",
        remedy="correct the data, or leave these rows out before the fit",
    )


def refuse_zero(name: str) -> NoReturn:
    """Say that weights leave nothing."""
    raise DataError(f"{name} is zero in every row: nothing would be fitted")


def check_prediction(prediction: tuple[Any, ...], target: tuple[Any, ...]) -> None:
    """Refuse a prediction whose shape is not the target's; a scalar is spread over all rows.

    Args:
        prediction, target: shapes; the rows may be a number or a symbol.

    >>> check_prediction((100, 1), (100,))
    Traceback (most recent call last):
    descend.errors.UsageError: the model returns the shape (100, 1), and y has the shape (100,)
      do: return prediction[:, 0] from the model, or give y[:, None]
    """
    if prediction in ((), target):
        return
    message = (
        f"the model returns the shape {_shape(prediction)}, and y has the shape {_shape(target)}"
    )
    if prediction == (*target, 1):
        remedy = "return prediction[:, 0] from the model, or give y[:, None]"
    elif target == (*prediction, 1):
        remedy = "give y[:, 0], or return prediction[:, None] from the model"
    elif len(prediction) == len(target) and prediction[::-1] == target:
        remedy = "rows come first: transpose one of them with .T"
    else:
        remedy = "return one value for each value of y"
    raise UsageError(message, remedy=remedy)


def _shape(shape: tuple[Any, ...]) -> str:
    inner = ", ".join(str(length) for length in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def check_members(column: Array, count: int, name: str) -> None:
    """Refuse what is no whole number from 0 to count - 1, with its row.

    Raises:
        DataError: the first such row, counted from 0.

    >>> check_members(np.array([0, 7]), 7, "x")
    Traceback (most recent call last):
    descend.errors.DataError: x holds 7 in row 1, and only whole numbers from 0 to 6 are known \
(rows count from 0)
      do: number from 0 what it tells apart: np.unique(x, return_inverse=True)[1]
    """
    a = np.asarray(column)
    wrong = ~((a >= 0) & (a < count) & (a == np.floor(a)))
    rows = np.flatnonzero(wrong.reshape(len(a), -1).any(axis=1)) if a.ndim else [0] * bool(wrong)
    if len(rows):
        row = int(rows[0])
        value = a.reshape(-1)[np.flatnonzero(wrong)[0]]
        error = DataError(
            f"{name} holds {value:g} in row {row}, and only whole numbers from 0 to {count - 1} "
            "are known (rows count from 0)",
            remedy="number from 0 what it tells apart: "
            f"np.unique({name if name.isidentifier() else '…'}, return_inverse=True)[1]",
        )
        error.row = row
        raise error

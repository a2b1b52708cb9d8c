"""Data in memory: arrays, lists, dicts of columns, pandas and polars frames."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.data.table import TableFile
from descend.data.validate import real_array
from descend.errors import DataError, UsageError, suggest

__all__ = [
    "as_matrix", "bind_inputs", "column_names", "column_of", "is_source", "is_table",
    "take_columns",
]  # fmt: skip

Array = NDArray[Any]
HELD = (np.ndarray, Mapping, Sequence, int, float, np.generic, type(None))


def is_table(data: Any) -> bool:
    """Whether `data` has named columns: a dict, or a frame that narwhals knows.

    >>> is_table({"x": [1.0]}), is_table([1.0]), is_table(np.ones(2))
    (True, False, False)
    """
    return isinstance(data, Mapping) or _frame(data) is not None


def _frame(data: Any) -> Any:
    """The narwhals face of a frame, or None; plain arrays and sequences never import narwhals."""
    if isinstance(data, np.ndarray | Mapping | list | tuple | str | int | float | np.generic):
        return None
    if not hasattr(type(data), "columns"):
        return None
    import narwhals

    if type(data).__module__.startswith("pandas") and not data.columns.is_unique:
        twice = data.columns[data.columns.duplicated()][0]
        raise DataError(f'two columns are called "{twice}"', remedy="rename one of them")
    frame = narwhals.from_native(data, pass_through=True)
    if isinstance(frame, narwhals.LazyFrame):
        frame = frame.collect()
    return frame if isinstance(frame, narwhals.DataFrame) else None


def is_source(x: Any) -> bool:
    """Whether rows come from it, rather than being there as arrays or a frame in memory.

    >>> is_source("runs.parquet"), is_source(iter([])), is_source([1.0]), is_source({"x": [1.0]})
    (True, True, False, False)
    """
    if isinstance(x, str | os.PathLike | TableFile) or _is_lazy(x):
        return True
    if isinstance(x, HELD) or hasattr(x, "__array__") or hasattr(x, "columns"):
        return False
    return callable(x) or hasattr(x, "__arrow_c_stream__") or hasattr(x, "__iter__")


def _is_lazy(x: Any) -> bool:
    kind = type(x)
    lazy = {"DuckDBPyRelation", "LazyFrame"}
    return kind.__name__ in lazy or kind.__module__.split(".")[0] in ("dask", "dask_expr")


def column_names(table: Any) -> list[str]:
    """Return the names of a table's columns.

    Raises:
        UsageError: `table` has no named columns, or names that are not text.

    >>> column_names({"x": [1.0], "y": [2.0]})
    ['x', 'y']
    """
    names = list(table) if isinstance(table, Mapping) else None
    if names is None:
        frame = _frame(table)
        if frame is None:
            raise UsageError(
                f"a table is a dict of columns or a frame, not {type(table).__name__}",
                remedy='name the columns: {"x": x, "y": y}',
            )
        names = list(frame.columns)
    for name in names:
        if not isinstance(name, str):
            raise UsageError(
                f"the column {name!r} has a name that is no text",
                remedy='rename it: formulas and models know columns by names such as "x"',
            )
    return names


def take_columns(table: Any, names: Iterable[str], *, integers: bool = False) -> dict[str, Array]:
    """Return the columns `names` of a dict or frame as float arrays, missing values as NaN.

    Raises:
        DataError: a column is absent (with the nearest name), or holds no numbers.

    >>> take_columns({"x": [1, 2], "name": ["a", "b"]}, ["x"])
    {'x': array([1., 2.])}
    """
    known = column_names(table)
    frame = None if isinstance(table, Mapping) else _frame(table)
    found = {}
    for name in names:
        _check_column(name, known)
        values = table[name] if frame is None else frame[name].to_numpy()
        found[name] = real_array(_plain(values), f'the column "{name}"', integers=integers)
    return found


def as_matrix(table: Any, names: Sequence[str]) -> Array:
    """Columns of a table, each one number a row, side by side; of single numbers, that row.

    Raises:
        DataError: a column is absent, or holds no numbers.

    >>> as_matrix({"a": [1, 2], "b": [3, 4], "c": [5, 6]}, ["a", "b"])
    array([[1., 3.],
           [2., 4.]])
    """
    columns = take_columns(table, names)
    if columns and not any(column.ndim for column in columns.values()):
        return np.array(list(columns.values()))
    for name, column in columns.items():
        if column.ndim != 1:
            raise DataError(
                f'the column "{name}" has the shape {column.shape}: one number a row is needed',
                remedy="give an array instead of a table",
            )
    return np.column_stack(list(columns.values()))


def column_of(table: Any, name: str) -> Any:
    """One column of a dict or frame as it is, labels included.

    Raises:
        DataError: there is none of that name.

    >>> column_of({"y": ["a", "b"]}, "y")
    ['a', 'b']
    """
    _check_column(name, column_names(table))
    return table[name] if isinstance(table, Mapping) else _plain(_frame(table)[name])


def _check_column(name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise DataError(
            f'the table has no column "{name}"{suggest(name, known)}',
            remedy=f"its columns are {', '.join(known[:12])}{' …' if len(known) > 12 else ''}",
        )


def _plain(values: Any) -> Any:
    """A series of pandas or polars as what NumPy understands; the rest as it is."""
    if isinstance(values, np.ndarray | list | tuple) or not hasattr(values, "to_numpy"):
        return values
    return values.to_numpy()


def bind_inputs(x: Any, arguments: Sequence[str], *, integers: bool = False) -> dict[str, Array]:
    """Bind data to a model's arguments.

    Args:
        x: one array (the first argument), a tuple of arrays (the first arguments), or a dict or
            frame whose columns bind by name.
        arguments: the names of the model's arguments, in order.
        integers: leave integer arrays as they are.

    Returns:
        argument → array; the arguments that are absent from it are parameters.

    Raises:
        UsageError: more arrays than arguments, or columns that no argument takes.
        DataError: what is given holds no numbers.

    >>> bind_inputs(([1, 2], [3, 4]), ["u", "v", "slope"])
    {'u': array([1., 2.]), 'v': array([3., 4.])}
    """
    if isinstance(x, tuple):
        if len(x) > len(arguments):
            raise UsageError(
                f"x has {len(x)} arrays, and the model takes {len(arguments)} arguments "
                f"({', '.join(arguments)})",
                remedy="give a tuple with one array for each of the model's first arguments",
            )
        pairs = zip(arguments, x, strict=False)
        return {name: real_array(_plain(value), name, integers=integers) for name, value in pairs}
    if is_table(x):
        return take_columns(x, _matching(x, arguments), integers=integers)
    if not arguments:
        raise UsageError("the model takes no argument for x", remedy="write def model(x, …)")
    return {arguments[0]: real_array(_plain(x), arguments[0], integers=integers)}


def _matching(table: Any, arguments: Sequence[str]) -> list[str]:
    """The arguments that are columns. A dict is given on purpose, so all of it must be used."""
    names = column_names(table)
    takes = f"the model takes {', '.join(arguments)}"
    for name in names:
        twin = next((a for a in arguments if a.casefold() == name.casefold()), None)
        if name in arguments or (twin is None and not isinstance(table, Mapping)):
            continue
        hint = f' (did you mean "{twin}"?)' if twin else suggest(name, arguments)
        none = not any(n in arguments for n in names)
        raise UsageError(
            f'no argument of the model is called "{name}"{hint}',
            remedy=takes + (_beside(names, arguments) if none and not hint else ""),
        )
    found = [name for name in arguments if name in names]
    if not found:
        raise UsageError(
            f"none of the columns {', '.join(names[:12])} is an argument of the model",
            remedy=f"{takes}; name its first arguments as the columns are named"
            + _beside(names, arguments),
        )
    return found


def _beside(names: Sequence[str], arguments: Sequence[str]) -> str:
    """How columns become the only data argument of a model, a matrix."""
    shown = ", ".join(f'table["{name}"]' for name in names[:2])
    more = ", …" if len(names) > 2 else ""
    return f"; where {arguments[0]} is a matrix, give np.column_stack([{shown}{more}])"

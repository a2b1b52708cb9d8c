"""The data of many fits: rows of all of them, one fit after the other, and columns in common.

Three forms are read: arrays `(fits, points)` with an x in common or of their own, a list of
datasets `[(x1, y1), …]` of unequal lengths, and a table with a column that says which rows belong
together.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from descend.data.frames import column_names, is_table
from descend.data.validate import real_array
from descend.errors import DataError, UsageError, suggest
from descend.lean import dataclass
from descend.task.columns import column_key
from descend.task.problem import Problem
from descend.task.rows import Rows

__all__ = [
    "ManyData", "ManyMissing", "grouped", "grouped_by", "key_names", "read_many", "without_missing",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]
ManyMissing = Literal["skip", "drop", "raise"]
Read = Callable[[Any, Any], Problem]


@dataclass
class ManyData:
    """The columns of many fits.

    Attributes:
        problem: the model with all rows as if they were of one fit.
        columns: every column under the name that the program knows it by: the rows of all fits
            one after the other, or the rows of one if it is shared.
        shared: the names of the columns that all fits have in common.
        offsets: (fits + 1,) where the rows of each fit begin.
        keys: what each fit is called; None where they are just counted.
    """

    problem: Problem
    columns: dict[str, Array]
    shared: tuple[str, ...]
    offsets: Array
    keys: Array | None = None

    @property
    def n_fits(self) -> int:
        return len(self.offsets) - 1

    @functools.cached_property
    def counts(self) -> Array:
        """(fits,) how many points each fit has."""
        return np.diff(self.offsets)

    def weighty(self) -> Array:
        """(fits,) how many rows of each have a weight that is not zero."""
        weight = self.columns.get("sample_weight")
        if weight is None:
            return self.counts
        if "sample_weight" in self.shared:
            return np.full(self.n_fits, np.count_nonzero(weight))
        before = np.concatenate([[0], np.cumsum(weight > 0)])
        return np.asarray(np.diff(before[self.offsets]))

    def some(self, fits: Array) -> ManyData:
        """The rows of some fits."""
        counts = self.counts[fits]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[fits] - offsets[:-1], counts)
        columns = {
            name: array if name in self.shared else np.ascontiguousarray(array[rows])
            for name, array in self.columns.items()
        }
        keys = None if self.keys is None else self.keys[fits]
        return replace(self, columns=columns, offsets=offsets, keys=keys)

    def joined(self) -> dict[str, Array]:
        """The data arguments of the model, with the rows of all fits one after the other."""
        found = {n: self.columns[column_key(n)] for n in self.problem.columns}
        return {
            n: np.concatenate([a] * self.n_fits) if column_key(n) in self.shared else a
            for n, a in found.items()
        }

    def one(self, fit: int) -> Rows:
        """The rows of a single fit."""
        part = slice(int(self.offsets[fit]), int(self.offsets[fit + 1]))
        own = {n: a if n in self.shared else a[part] for n, a in self.columns.items()}
        names = {column_key(n): n for n in self.problem.columns}
        columns = {plain: own.pop(key) for key, plain in names.items()}
        return Rows(columns, own, part.stop - part.start, 0)


def read_many(
    read: Read, x: Any, y: Any, weights: Mapping[str, Any], by: str | Sequence[str] | None
) -> ManyData:
    """Read the data of many fits in any of the three forms.

    Args:
        read: makes a problem of x and y, as `fit` does.
        weights: `sigma` and `sample_weight`, if they were given: a number, an array `(points,)`,
            `(fits, 1)` or `(fits, points)`; a list of such for a list of datasets; a column of the
            table.
        by: the column, or the columns, that say which rows belong to one fit.

    Raises:
        UsageError, DataError: shapes that do not belong together.
    """
    if by is not None:
        return _from_table(read, x, y, weights, by)
    if _are_parallel(x, y):
        x, y = list(zip(x, y, strict=True)), None
    if _is_datasets(x, y):
        return _from_list(read, x, y, weights)
    return _from_arrays(read, x, y, weights)


# --- arrays -------------------------------------------------------------------------------------


def _from_arrays(read: Read, x: Any, y: Any, weights: Mapping[str, Any]) -> ManyData:
    problem = read(x, y)
    target = problem.y
    assert target is not None
    if target.ndim < 2:
        raise UsageError(
            f"{problem.target} has the shape {target.shape}: many fits need (fits, points)",
            remedy="write fit for a single one; give unequal datasets as [(x1, y1), (x2, y2), …]",
        )
    fits, points = target.shape[:2]
    columns: dict[str, Array] = {}
    shared: list[str] = []
    for name, array in problem.columns.items():
        key = column_key(name)
        if array.shape[:2] == (fits, points):
            columns[key] = _flat(array, fits * points)
        elif array.shape[:1] == (points,):
            columns[key] = np.ascontiguousarray(array)
            shared.append(key)
        else:
            raise DataError(
                f"{name} has the shape {array.shape}, and {problem.target} {target.shape}: "
                f"({points},) would be shared, ({fits}, {points}) each fit's own",
                remedy="give rows of fits and columns of points",
            )
    columns["target"] = _flat(target, fits * points)
    for name, given in weights.items():
        columns[name], is_shared = _spread(name, given, fits, points)
        shared += [name] if is_shared else []
    return ManyData(problem, columns, tuple(shared), np.arange(fits + 1) * points)


def _flat(array: Array, rows: int) -> Array:
    return np.ascontiguousarray(array.reshape(rows, *array.shape[2:]))


def _spread(name: str, given: Any, fits: int, points: int) -> tuple[Array, bool]:
    """Sigmas or weights as a column, and whether it is shared."""
    array = real_array(given, name).astype(np.float64, copy=False)
    if array.ndim == 0:
        array = np.full(points, float(array))
    if array.shape == (points,):
        return np.ascontiguousarray(array), True
    if array.shape in ((fits, 1), (fits, points)):
        return np.ascontiguousarray(np.broadcast_to(array, (fits, points))).reshape(-1), False
    hint = f"; write {name}[:, None] for one number a fit" if array.shape == (fits,) else ""
    raise DataError(
        f"{name} has the shape {array.shape}: a number, ({points},), ({fits}, 1) or "
        f"({fits}, {points}) is needed{hint}"
    )


# --- a list of datasets -------------------------------------------------------------------------


def _are_parallel(x: Any, y: Any) -> bool:
    """Whether x and y are lists of datasets of unequal lengths, side by side."""
    if not (isinstance(x, list) and isinstance(y, list) and len(x) == len(y) > 1):
        return False
    return all(np.ndim(v) == 1 for v in y) and len({len(v) for v in y}) > 1


def _is_datasets(x: Any, y: Any) -> bool:
    """Whether x is a list of datasets rather than an array written as a list."""
    if y is not None or not isinstance(x, list) or not x:
        return False
    return all(isinstance(d, tuple | Mapping) for d in x)


def _from_list(
    read: Read, datasets: Sequence[Any], y: Any, weights: Mapping[str, Any]
) -> ManyData:
    pairs = [_pair(i, d, len(datasets)) for i, d in enumerate(datasets)]
    whole = _joined([p[0] for p in pairs])
    targets = [real_array(p[1], f"y of dataset {i}") for i, p in enumerate(pairs)]
    problem = read(whole, np.concatenate(targets))
    counts = [len(t) for t in targets]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    columns = {column_key(n): a for n, a in problem.columns.items()}
    assert problem.y is not None
    columns["target"] = problem.y
    for name, array in columns.items():
        if len(array) != offsets[-1]:
            raise DataError(f"{name} has {len(array)} points in all, and the targets {offsets[-1]}")
    columns |= {name: _listed(name, given, counts) for name, given in weights.items()}
    return ManyData(problem, columns, (), offsets)


def _pair(number: int, dataset: Any, total: int) -> tuple[Any, Any]:
    if not isinstance(dataset, tuple) or len(dataset) != 2:
        raise UsageError(
            f"dataset {number} is no pair (x, y)",
            remedy="give a list of pairs: [(x1, y1), (x2, y2), …]; several inputs are a tuple or "
            "dict in the place of x",
        )
    given, target = dataset
    lengths = {len(np.atleast_1d(np.asarray(part))) for part in _parts(given)}
    if lengths != {len(np.atleast_1d(np.asarray(target)))}:
        raise DataError(
            f"dataset {number} of {total} has {sorted(lengths)} values of x and "
            f"{len(np.atleast_1d(np.asarray(target)))} of y"
        )
    return given, target


def _parts(x: Any) -> list[Any]:
    if isinstance(x, Mapping):
        return list(x.values())
    return list(x) if isinstance(x, tuple) else [x]


def _joined(parts: Sequence[Any]) -> Any:
    """The x of all datasets one after the other, in the form that each of them has."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {name: np.concatenate([np.asarray(p[name]) for p in parts]) for name in first}
    if isinstance(first, tuple):
        return tuple(
            np.concatenate([np.asarray(p[i]) for p in parts]) for i in range(len(first))
        )
    return np.concatenate([np.asarray(p) for p in parts])


def _listed(name: str, given: Any, counts: Sequence[int]) -> Array:
    if not isinstance(given, list | tuple) and np.ndim(given) == 0:
        return np.full(sum(counts), float(given))
    if len(given) != len(counts):
        raise DataError(f"{name} has {len(given)} entries for {len(counts)} datasets")
    spread = []
    for number, (one, count) in enumerate(zip(given, counts, strict=True)):
        array = real_array(one, f"{name} of dataset {number}").astype(np.float64, copy=False)
        if array.shape not in ((), (1,), (count,)):
            raise DataError(f"{name} of dataset {number} has {array.shape} for {count} points")
        spread.append(np.broadcast_to(array, (count,)))
    return np.concatenate(spread)


# --- a table with groups ------------------------------------------------------------------------


def _from_table(
    read: Read, table: Any, y: Any, weights: Mapping[str, Any], by: str | Sequence[str]
) -> ManyData:
    columns_of_keys = key_names(by)
    if not is_table(table):
        raise UsageError(
            f'by="{columns_of_keys[0]}" names a column, and x is no table',
            remedy='give a dict of columns or a frame, such as {"x": x, "y": y, "id": id}',
        )
    known = column_names(table)
    for key in columns_of_keys:
        if key not in known:
            raise DataError(
                f'the table has no column "{key}"{suggest(key, known)}',
                remedy=f"its columns are {', '.join(known[:12])}",
            )
    named = [given for given in weights.values() if isinstance(given, str)]
    for column in named:
        if column not in known:
            raise DataError(f'the table has no column "{column}"{suggest(column, known)}')
    apart, rest = _divided(table, list(dict.fromkeys([*columns_of_keys, *named])))
    labels = {key: np.asarray(apart[key]) for key in columns_of_keys}
    for key in columns_of_keys:
        _check_labels(labels[key], key)
    keys, order, offsets = grouped_by(labels)
    problem = read(rest, y)
    assert problem.y is not None
    columns = {column_key(n): np.ascontiguousarray(a[order]) for n, a in problem.columns.items()}
    columns["target"] = np.ascontiguousarray(problem.y[order])
    for name, given in weights.items():
        spread = apart[given] if isinstance(given, str) else given
        array = real_array(spread, name).astype(np.float64)
        columns[name] = np.ascontiguousarray(np.broadcast_to(array, order.shape)[order])
    return ManyData(problem, columns, (), offsets, keys)


def _check_labels(labels: Array, by: str) -> None:
    """Refuse rows that belong to no group, as files with such rows are."""
    absent = np.zeros(len(labels), bool)
    if labels.dtype.kind == "O":
        absent = np.array([v is None or v != v for v in labels.tolist()], bool)
    elif labels.dtype.kind in "fM":
        absent = np.asarray(labels != labels)
    for row in np.flatnonzero(absent)[:1]:
        raise DataError(
            f'the column "{by}" says no group in row {row}, counting from 0',
            remedy="leave out such rows, or name a group for them",
        )


def _divided(table: Any, names: Sequence[str]) -> tuple[dict[str, Any], Any]:
    """Some columns by name, and the table without them."""
    if isinstance(table, Mapping):
        rest = {name: column for name, column in table.items() if name not in names}
        return {name: table[name] for name in names}, rest
    import narwhals

    frame: Any = narwhals.from_native(table)
    if isinstance(frame, narwhals.LazyFrame):
        frame = frame.collect()
    return {name: frame[name].to_numpy() for name in names}, frame.drop(*names).to_native()


def grouped(labels: Array) -> tuple[Array, Array, Array]:
    """The groups in the order in which they first appear, the rows sorted by them, and offsets.

    >>> keys, order, offsets = grouped(np.array(["b", "a", "b"]))
    >>> keys.tolist(), order.tolist(), offsets.tolist()
    (['b', 'a'], [0, 2, 1], [0, 2, 3])
    """
    if labels.dtype.kind == "O":
        labels = np.array([str(v) for v in labels])
    keys, first, number = np.unique(labels, return_index=True, return_inverse=True)
    place = np.argsort(first, kind="stable")
    rank = np.empty_like(place)
    rank[place] = np.arange(len(place))
    group = rank[number.reshape(-1)]
    order = np.argsort(group, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=len(keys)))])
    return keys[place], order, offsets.astype(np.int64)


def grouped_by(columns: Mapping[str, Array]) -> tuple[Array, Array, Array]:
    """The same by one or several columns; of several, keys have a field for each.

    >>> a, b = np.array([1, 1, 1]), np.array(["u", "v", "u"])
    >>> keys, order, offsets = grouped_by({"a": a, "b": b})
    >>> keys.tolist(), order.tolist(), offsets.tolist()
    ([(1, 'u'), (1, 'v')], [0, 2, 1], [0, 2, 3])
    """
    own = {n: np.array([str(v) for v in c]) if c.dtype.kind == "O" else c
           for n, c in columns.items()}  # fmt: skip
    if len(own) == 1:
        return grouped(*own.values())
    joint: Any = 0
    for column in own.values():
        _, number = np.unique(column, return_inverse=True)
        joint = joint * (int(number.max(initial=0)) + 1) + number.reshape(-1)
        joint = np.unique(joint, return_inverse=True)[1].reshape(-1)
    _, order, offsets = grouped(joint)
    first = order[offsets[:-1]]
    keys = np.empty(len(first), [(name, column.dtype) for name, column in own.items()])
    for name, column in own.items():
        keys[name] = column[first]
    return keys, order, offsets


def key_names(by: Any) -> tuple[str, ...]:
    """The columns that `by` names.

    Raises:
        UsageError: it names none, or one of them twice.

    >>> key_names("a"), key_names(["a", "b"])
    (('a',), ('a', 'b'))
    """
    found = (by,) if isinstance(by, str) else tuple(by) if isinstance(by, Sequence) else ()
    if not found or not all(isinstance(name, str) for name in found):
        raise UsageError(
            f"by={by!r} names no columns", remedy='write by="a", or by=["a", "b"] of several'
        )
    for name in found:
        if found.count(name) > 1:
            raise UsageError(f'by names the column "{name}" twice', remedy="name each once")
    return found


# --- points that are missing --------------------------------------------------------------------


def without_missing(data: ManyData) -> ManyData:
    """The data without the points where a value is missing or not finite, fit by fit."""
    rows = int(data.offsets[-1])
    whole = {
        name: _repeated(array, data) if name in data.shared else array
        for name, array in data.columns.items()
    }
    keep = np.ones(rows, bool)
    for array in whole.values():
        keep &= np.isfinite(array).reshape(rows, -1).all(axis=1)
    if keep.all():
        return data
    kept = np.concatenate([[0], np.cumsum(keep)])
    columns = {name: np.ascontiguousarray(array[keep]) for name, array in whole.items()}
    return ManyData(
        data.problem, columns, (), kept[data.offsets].astype(np.int64), data.keys
    )


def _repeated(array: Array, data: ManyData) -> Array:
    """A shared column for every fit: only where all fits have as many points."""
    shape = (data.n_fits, *array.shape)
    return np.broadcast_to(array, shape).reshape(-1, *array.shape[1:])


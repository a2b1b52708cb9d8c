"""Rows that are not trained on, and how much those that are weigh by their class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from descend.data.frames import (
    as_matrix,
    bind_inputs,
    column_names,
    column_of,
    is_table,
    take_columns,
)
from descend.data.streams.apart import chosen_rows
from descend.data.validate import check_members, real_array
from descend.errors import DataError, UsageError
from descend.graph.blocks import BLOCK
from descend.methods.links import class_numbers
from descend.task.beyond import Beyond
from descend.task.columns import TARGET, WHITENING, column_key
from descend.task.problem import Problem
from descend.task.rows import Rows, prepared_rows

__all__ = [
    "check_not_single", "check_share", "class_weights", "counted_classes", "given_rows",
    "rows_apart", "split_rows",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]


def split_rows(
    rows: Rows, share: float, seed: int, classes: Array | None = None
) -> tuple[Rows, Rows | None]:
    """Hold back a share of the rows, drawn by the seed; the others keep their order.

    Of more than a block, whether a row is held back depends on its number, as of rows that come.

    Args:
        classes: labels, of each of which the same share is held back; the target holds their
            numbers.

    Raises:
        UsageError: the share leaves nothing on one of the two sides.
        DataError: a class has a single row.
    """
    if not share:
        return rows, None
    if WHITENING in rows.extra:
        raise UsageError(
            "rows cannot be held back where sigma is a covariance matrix: they know of one another",
            remedy="leave out validation_split",
        )
    held = check_share(share, rows.n_rows)
    if rows.n_rows > BLOCK:
        chosen = chosen_rows(rows.n_rows, share, seed, _labels(rows, classes))
        return rows.take(np.flatnonzero(~chosen)), rows.take(np.flatnonzero(chosen))
    order = np.random.default_rng([seed, 1]).permutation(rows.n_rows)
    if classes is not None:
        order = _by_classes(order, rows, held, classes)
    return rows.take(np.sort(order[held:])), rows.take(np.sort(order[:held]))


def check_share(share: float, n_rows: int) -> int:
    """How many rows a share is; refuse one that leaves nothing on one of the two sides.

    Raises:
        UsageError: so.
    """
    held = round(n_rows * share)
    if not 0 < share < 1 or not 0 < held < n_rows:
        raise UsageError(
            f"validation_split={share!r} holds back {held} of {n_rows} rows",
            remedy="give a share between 0 and 1 that leaves rows on both sides, such as 0.2",
        )
    return held


def _labels(rows: Rows, classes: Array | None) -> Array | None:
    """(rows,) the classes' numbers, of each of which there are two or more."""
    if classes is None:
        return None
    number = class_numbers(rows.extra["target"])
    check_not_single(np.bincount(number, minlength=len(classes)), classes)
    return np.asarray(number, np.float64)


def check_not_single(counts: Array, classes: Array) -> None:
    """Refuse classes of a single row.

    Raises:
        DataError: so.
    """
    if (counts == 1).any():
        label = classes.tolist()[int(np.argmax(counts == 1))]
        raise DataError(
            f"the class {label!r} has a single row, which cannot be trained on and held back",
            remedy="give more rows of it, leave it out, or give rows of your own as "
            "validation_data=(x, y)",
        )


def _by_classes(order: Array, rows: Rows, held: int, classes: Array) -> Array:
    """The same rows in an order of which the first ones hold as large a share of every class.

    Each class's rows are set at even distances, in the order drawn; so no class gains or loses
    more than a row against its share, and where both sides can have one of it, both have.
    """
    number = class_numbers(rows.extra["target"])
    counts = np.bincount(number, minlength=len(classes))
    check_not_single(counts, classes)
    place = np.empty(len(order))
    for k in range(len(classes)):
        own = np.flatnonzero(number[order] == k)
        place[own] = (np.arange(len(own)) + 0.5) / max(len(own), 1)
    chosen = order[np.argsort(place, kind="stable")]
    taken = np.bincount(number[chosen[:held]], minlength=len(classes))
    short = np.flatnonzero((taken == 0) & (counts > 0))
    if held >= 2 * len(short):  # a small share that misses a class takes one row of it
        for k in short.tolist():
            give = int(np.argmax(np.bincount(number[chosen[:held]], minlength=len(classes))))
            out = int(np.flatnonzero(number[chosen[:held]] == give)[-1])
            come = held + int(np.flatnonzero(number[chosen[held:]] == k)[0])
            chosen[[out, come]] = chosen[[come, out]]
    return chosen


def given_rows(problem: Problem, given: Any, weighted: bool) -> Rows:
    """The rows of `validation_data`, checked as those of the fit.

    Args:
        given: a pair (x, y), or a table that has the target too.
        weighted: whether the rows of the fit have weights; these then weigh 1 each.

    Raises:
        UsageError: it is neither. DataError: a label that no row of the fit has, or as those.
    """
    pair = isinstance(given, tuple | list) and len(given) == 2
    if not pair and not (is_table(given) and problem.target in column_names(given)):
        raise UsageError(
            f"validation_data is a pair (x, y), not {type(given).__name__}",
            remedy="write validation_data=(x_new, y_new)",
        )
    x, y = given if pair else (given, column_of(given, problem.target))
    names = list(problem.columns)
    if problem.matrix and is_table(x):
        columns = {names[0]: as_matrix(x, problem.matrix)}
    else:
        columns = take_columns(x, names) if is_table(x) else bind_inputs(x, names)
    missing = [name for name in names if name not in columns]
    if missing:
        raise UsageError(f"the x of validation_data lacks {', '.join(missing)}")
    for name, array in columns.items():
        if array.shape[1:] != problem.columns[name].shape[1:]:
            raise UsageError(
                f"{name} of validation_data has the shape {array.shape}, and that of the fit "
                f"{problem.columns[name].shape}"
            )
    if problem.network_indices:
        for name, array in columns.items():
            check_members(array, problem.network_indices, f"{name} of validation_data")
    target = _numbered(problem, y) if problem.classes is not None else real_array(y, "y")
    own = replace(problem, columns=columns, y=target)
    rows = prepared_rows(own, None, None, "raise")
    if not weighted:
        return rows
    return rows._replace(extra={**rows.extra, "sample_weight": np.ones(rows.n_rows)})


def rows_apart(problem: Problem, beyond: Beyond) -> Rows | None:
    """The rows that are held back of those that come."""
    if beyond.apart is None:
        return None
    found = beyond.assembly.all(beyond.apart.columns)
    columns = {name: found.pop(column_key(name)) for name in problem.columns}
    if problem.network_indices:
        try:
            for name, array in columns.items():
                check_members(array, problem.network_indices, name)
        except DataError as error:
            assert error.row is not None
            raise error.renumbered(f"row {beyond.apart.places[error.row]}") from None
    return Rows(columns, found, len(found[TARGET]), 0, beyond.apart.places)


def _numbered(problem: Problem, y: Any) -> Array:
    """Class numbers of labels that were met before."""
    classes, labels = problem.classes, np.asarray(y)
    assert classes is not None
    if labels.ndim > 1 and labels.shape[1] > 1:
        return real_array(y, "y")
    labels = labels.reshape(len(labels))
    known = {label: number for number, label in enumerate(classes.tolist())}
    found = [known.get(label, -1) for label in labels.tolist()]
    if -1 in found:
        row = found.index(-1)
        raise DataError(
            f"validation_data has the label {labels.tolist()[row]!r} in row {row}, which no row "
            "of the training data has",
            remedy=f"the labels trained on are {', '.join(map(repr, classes.tolist()[:20]))}",
        )
    return np.array(found, np.float64)


def counted_classes(target: Array, classes: Array | None) -> tuple[Array, Array]:
    """The values of a target and how many rows have each.

    Args:
        target: (rows,) class numbers, or (rows, classes) with a 1 in the column of each row's.

    Returns:
        none of either where the target has several columns that are no classes.
    """
    if classes is not None:
        target = class_numbers(target)
    if target.ndim > 1:
        return np.empty(0), np.empty(0)
    return np.unique(target, return_counts=True)


def class_weights(given: Any, labels: Array, counts: Array, classes: Array | None) -> Array:
    """The weight of each class, by its number, from `class_weight`.

    Args:
        given: "balanced" (rows / (classes · rows of the class)), or a dict label → weight; labels
            that it does not name weigh 1.
        labels, counts: the class numbers, ascending, and how many rows have each.

    Raises:
        UsageError: it is neither, or the target holds no classes. DataError: a weight below 0.

    >>> class_weights("balanced", np.array([0.0, 1.0]), np.array([3, 1]), None)
    array([0.66666667, 2.        ])
    """
    if not len(labels) or not np.array_equal(labels, np.floor(labels)) or labels[0] < 0:
        raise UsageError(
            "class_weight weights classes, and the target holds none",
            remedy="write sample_weight=… to weight rows",
        )
    size = int(labels[-1]) + 1 if classes is None else len(classes)
    whole = np.zeros(size)
    whole[labels.astype(np.intp)] = counts
    if isinstance(given, str) and given == "balanced":
        return np.asarray(whole.sum() / (np.count_nonzero(whole) * np.maximum(whole, 1.0)))
    if not isinstance(given, Mapping):
        raise UsageError(
            f'class_weight is "balanced" or a dict label → weight, not {given!r}',
            remedy='write class_weight="balanced"',
        )
    numbers = labels if classes is None else np.arange(size)
    known = numbers.tolist() if classes is None else classes.tolist()
    found = np.ones(size)
    for label, weight in given.items():
        if label not in known:
            raise UsageError(
                f"class_weight names the label {label!r}, which the target has not",
                remedy=f"its labels are {', '.join(map(repr, known[:20]))}",
            )
        if not np.isfinite(weight) or weight < 0:
            raise DataError(f"class_weight gives {label!r} the weight {weight!r}, which is none")
        found[int(numbers[known.index(label)])] = float(weight)
    return found

"""What a network is to predict: labels, counts or numbers, and which loss suits them."""

from __future__ import annotations

from numbers import Number
from typing import Any, NamedTuple

import numpy as np

from descend.data.validate import real_array
from descend.errors import DataError
from descend.methods.losses import Loss
from descend.methods.table import as_loss
from descend.methods.targets import OF_CLASSES

__all__ = ["Goal", "goal_of"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_CLASSES = 20  # so many whole numbers, one after the other from 0 or 1, are taken for classes
TEXT, LABELS = "OUS", "OUSb"  # kinds of arrays: words or objects; and truth values


class Goal(NamedTuple):
    """The target as the loss takes it, and what follows from it.

    Attributes:
        y: (rows,) or (rows, outputs).
        loss: as it is written, or as it was given.
        classes: the labels in the order of their numbers, or None where the target has none.
        said: what the report says of a loss that nobody named.
        shares: whether the target holds how probable classes are, and not which it is.
    """

    y: Array
    loss: Any
    classes: Array | None = None
    said: str = ""
    shares: bool = False

    @property
    def outputs(self) -> int:
        """How many numbers a row of the prediction has."""
        if self.y.ndim > 1:
            return int(self.y.shape[1])
        if self.classes is not None and as_loss(self.loss).domain in OF_CLASSES:
            return len(self.classes)
        return 1

    @property
    def flat(self) -> bool:
        """Whether the prediction is one number a row, of a target without columns."""
        return self.y.ndim == 1 and self.outputs == 1


def goal_of(given: Any, loss: Any, name: str = "y", missing: str = "raise") -> Goal:
    """What a target means, with the loss that was named or, where none was, with one that suits.

    Text, truth values and categories are labels. So are whole numbers from 0 or 1 on, each of at
    most 20 present, and -1 and 1; others from 0 on are counts. Rows of zeros and ones are labels
    of which a row may have several. All else are numbers.

    Args:
        missing: whether rows without a label are left out later, `"drop"`: they are NaN in y.

    Raises:
        DataError: labels for a loss of numbers, one class only, a label that is missing.

    >>> goal_of(["b", "a", "b"], None)
    Goal(y=array([1, 0, 1]), loss='bce_with_logits', classes=array(['a', 'b'], dtype='<U1'), \
said='y holds 2 classes (a, b)', shares=False)
    >>> goal_of([0.5, 1.5], None).loss, goal_of([0, 3, 7, 50], None).loss
    ('mse', 'poisson_log_rate')
    """
    array = _as_array(given)
    kind = array.dtype.kind
    if array.ndim == 2 and array.shape[1] == 1 and kind in LABELS:
        array = array[:, 0]
    if loss is not None:
        return _for_loss(array, loss, name, missing)
    if kind in LABELS and array.ndim == 1:
        return _of_labels(array, None, name, missing)
    y = real_array(array, name, integers=True)
    if y.ndim == 2 and y.shape[1] > 1 and np.isin(y, (0, 1)).all():
        return _of_columns(y, None, name)
    present = y[~np.isnan(y)] if kind not in "iu" else y
    if y.ndim != 1 or not present.size or not _is_whole(present):
        return Goal(_floats(y), "mse", None, f"{name} holds numbers")
    found = np.unique(present)
    first = int(found[0])
    if _are_classes(found) or (kind in "iu" and len(found) == 1 and first in (0, 1)):
        return _of_labels(_whole(y), None, name, missing)
    if first == 0 and len(found) > 1:
        said = f"{name} holds counts (whole numbers from 0 to {int(found[-1])})"
        return Goal(_floats(y), "poisson_log_rate", None, said)
    return Goal(_floats(y), "mse", None, f"{name} holds numbers")


def _as_array(given: Any) -> Array:
    """The target as an array; categories become their labels, and numbers no objects."""
    if hasattr(given, "to_numpy") and not isinstance(given, np.ndarray):
        given = given.to_numpy()
    array = np.asarray(given)
    if array.dtype.kind != "O":
        return array
    values = [value for value in array.flat if not _is_missing(value)]
    if not values or not all(map(_is_number, values)):
        return array
    numbers = real_array(array, "y")
    return numbers.astype(np.int64) if _is_whole(numbers) else numbers


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def _is_number(value: Any) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool | np.bool_ | complex)


def _are_classes(found: Array) -> bool:
    """Whether whole numbers, sorted, are taken for classes."""
    if np.array_equal(found, (-1, 1)):
        return True
    first, count = int(found[0]), len(found)
    return first in (0, 1) and 2 <= count <= MOST_CLASSES and found[-1] == first + count - 1


def _is_whole(y: Array) -> bool:
    return bool(y.dtype.kind in "iu" or (np.isfinite(y).all() and (y == np.floor(y)).all()))


def _whole(y: Array) -> Array:
    """As integers, where none is missing."""
    return y if np.isnan(y).any() else y.astype(np.int64)


def _floats(y: Array) -> Array:
    return y.astype(np.float64)


def _of_labels(labels: Array, loss: Any, name: str, missing: str) -> Goal:
    """Labels of any kind, numbered in their order."""
    classes, y = _numbered(labels, name, missing)
    shown = ", ".join(map(str, classes[:6].tolist())) + (", …" if len(classes) > 6 else "")
    said = "" if loss is not None else f"{name} holds {len(classes)} classes ({shown})"
    if loss is None:
        loss = "bce_with_logits" if len(classes) == 2 else "cross_entropy"
    return Goal(y, loss, classes, said)


def _numbered(labels: Array, name: str, missing: str) -> tuple[Array, Array]:
    present = np.ones(len(labels), bool)
    if labels.dtype.kind in "Of":
        present = np.array([not _is_missing(value) for value in labels.tolist()], bool)
    if missing == "raise" and not present.all():
        raise DataError(
            f"{name} has no label in row {int(present.argmin())} (rows count from 0)",
            remedy='correct the data, or leave such rows out with missing="drop"',
        )
    told = labels[present]
    if told.dtype.kind == "f" and _is_whole(told):
        told = told.astype(np.int64)
    try:
        classes, y = np.unique(told, return_inverse=True)
    except TypeError:
        kinds = sorted({type(value).__name__ for value in told.tolist()})
        what = "of several kinds" if len(kinds) > 1 else "without an order"
        raise DataError(
            f"{name} holds labels {what} ({', '.join(kinds)})",
            remedy="make texts of them: [str(label) for label in y]",
        ) from None
    if not len(classes):
        raise DataError(f"{name} has no {'label in any row' if len(labels) else 'rows'}")
    if len(classes) < 2:
        raise DataError(
            f"every row of {name} has the label {classes.tolist()[0]!r}: there is nothing to tell "
            "apart",
            remedy="give rows of at least two classes",
        )
    if classes.dtype.kind == "O" and {type(c) for c in classes.tolist()} <= {str, bool}:
        classes = np.array(classes.tolist())
    if present.all():
        return classes, y.reshape(-1).astype(np.int64)
    numbers = np.full(len(labels), np.nan)
    numbers[present] = y.reshape(-1)
    return classes, numbers


def _of_columns(y: Array, loss: Any, name: str) -> Goal:
    """Zeros and ones in several columns: one class a row, or several labels."""
    if (y.sum(axis=1) == 1).all():
        classes = np.arange(y.shape[1])
        said = f"{name} holds {len(classes)} classes, a column each"
        return Goal(_floats(y), loss or "cross_entropy", classes, "" if loss else said)
    said = f"{name} holds {y.shape[1]} labels, of which a row may have several"
    return Goal(_floats(y), "bce_with_logits", None, said)


def _for_loss(array: Array, loss: Any, name: str, missing: str) -> Goal:
    """The target of a loss that was named."""
    named: Loss = as_loss(loss)
    of_classes = named.domain in OF_CLASSES
    of_two = named.tells_classes and not of_classes
    text = array.dtype.kind in LABELS
    if array.ndim == 1 and (of_classes or (of_two and text)):
        if not text:
            whole = real_array(array, name, integers=True)
            if not _is_whole(whole[~np.isnan(whole)]):
                raise DataError(
                    f'loss "{named.spelling}" needs class labels, and {name} holds other numbers',
                    remedy='leave loss out, or write loss="mse" for numbers',
                )
            array = _whole(whole)
        goal = _of_labels(array, loss, name, missing)
        count = 0 if goal.classes is None else len(goal.classes)
        if of_two and count != 2:
            raise DataError(
                f'loss "{named.spelling}" tells two classes apart, and {name} holds {count}',
                remedy='write loss="cross_entropy"',
            )
        return goal
    if array.dtype.kind in TEXT:
        raise DataError(
            f'{name} holds text, and loss "{named.spelling}" needs numbers',
            remedy="leave loss out: labels are told apart by the loss that suits them",
        )
    y = _floats(real_array(array, name))
    if not named.tells_classes:
        return Goal(y, loss)
    if not np.isin(y[~np.isnan(y)], (0, 1)).all():
        return Goal(y, loss, shares=True)
    if y.ndim == 1 and of_two:
        return Goal(y, loss, np.array([0, 1]))
    if y.ndim == 2 and of_classes and (y.sum(axis=1) == 1).all():
        return _of_columns(y, loss, name)
    return Goal(y, loss)

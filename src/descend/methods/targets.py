"""What the targets of a loss may be: one table, and the words where they are something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from descend.errors import DataError, UsageError

__all__ = ["ANY", "OF_CLASSES", "check_outputs", "check_values"]

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]

ANY = "numbers"
WHOLE = 1e-3  # by so much the probabilities of a row may miss one: they are often rounded


class Named(Protocol):
    """What is asked of a loss here."""

    @property
    def spelling(self) -> str:
        """What one writes to ask for it."""

    @property
    def axis(self) -> str:
        """What becomes of the prediction's last axis."""

    @property
    def domain(self) -> str:
        """What its targets may be."""


class Kind(NamedTuple):
    """What targets may be: which are not, and what they have to be, in words.

    Attributes:
        wrong: (rows, …) of the targets. need: after the word "needs".
    """

    wrong: Callable[[Array], Array]
    need: str
    remedy: str = ""


def _interval(loss: Named) -> Kind:
    text = loss.domain
    try:
        low, high = (float(end) for end in text[1:-1].split(","))
        below, above = BELOW[text[0]], ABOVE[text[-1]]
    except (ValueError, LookupError, TypeError):
        known = ", ".join(f'"{name}"' for name in (ANY, *KINDS, *OF_CLASSES))
        raise UsageError(
            f"the domain of the loss {loss.spelling} is {text!r}, which says no targets",
            remedy=f'write an interval such as "(0, inf)" or "[0, 1]", or one of {known}',
        ) from None
    return Kind(lambda t: below(t, low) | above(t, high), f"targets in {text}")


KINDS: Mapping[str, Kind] = {
    "signs": Kind(
        lambda t: np.abs(t) != 1, "targets -1 or 1",
        "of targets 0 and 1, 2*y - 1 are such",
    ),
}  # fmt: skip
"""Besides `ANY`, which any are, intervals such as `"[0, 1]"`, and `OF_CLASSES`."""
OF_CLASSES = ("classes", "distributions")
"""What can only be judged beside the classes of a model."""
BELOW = {"[": np.less, "(": np.less_equal}
ABOVE = {"]": np.greater, ")": np.greater_equal}
TWO = "number them 0 and 1: np.unique(y, return_inverse=True)[1]"


def check_values(loss: Named, target: Array) -> None:
    """Refuse targets that no prediction can meet.

    Raises:
        DataError: with the first such row, counted from 0. UsageError: a domain that is none.
    """
    if loss.domain not in ("", ANY, *OF_CLASSES):
        kind = KINDS.get(loss.domain) or _interval(loss)
        wrong, remedy = kind.wrong(np.asarray(target)), kind.remedy
        if loss.domain == "[0, 1]" and wrong.any() and len(np.unique(target)) == 2:
            remedy = TWO
        refuse_rows(loss, target, wrong, kind.need, remedy)


def refuse_rows(loss: Named, target: Array, wrong: Array, need: str, remedy: str = "") -> None:
    """Name the first row of those that are wrong, if there are any."""
    rows = np.flatnonzero(np.atleast_1d(wrong).reshape(len(target), -1).any(axis=1))
    if len(rows):
        row = int(rows[0])
        more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
        text = f'loss "{loss.spelling}" needs {need}: row {row} has {target[row]}{more}'
        error = DataError(f"{text} (rows count from 0)", remedy=remedy or None)
        error.row = row
        raise error


def check_outputs(loss: Named, outputs: Sequence[Shape], target: Array) -> None:
    """Refuse targets that do not belong to what the model returns, by shape and by value.

    Args:
        outputs: the shapes of the model's arrays, with the number of rows first.

    Raises:
        UsageError: a shape. DataError: a row.
    """
    shapes = [tuple(shape) for shape in outputs]
    if loss.domain in OF_CLASSES:
        _check_classes(loss, shapes, target)
    elif loss.axis == "pair":
        _check_pair(loss, shapes, target)


def _check_classes(loss: Named, outputs: Sequence[Shape], target: Array) -> None:
    numbered = loss.domain == "classes"
    what = f'loss "{loss.spelling}" needs a number for each class, (rows, classes)'
    if len(outputs) > 1:
        raise UsageError(
            f"{what}, and the model returns {len(outputs)} arrays",
            remedy="return them as one: np.stack([…], axis=-1)",
        )
    (shape,) = outputs
    if len(shape) < 2 or shape[-1] == 1:
        raise UsageError(
            f"{what}, and the model returns the shape {shape}",
            remedy='for two classes with one log-odds a row, write loss="bce_with_logits"',
        )
    classes, of_rows = shape[-1], shape[:-1]
    if target.shape == shape:
        _check_probabilities(loss, target, numbered)
    elif numbered and target.shape == of_rows:
        _check_numbers(loss, target, classes)
    else:
        column = target.shape == (*of_rows, 1)
        wanted = f"{of_rows} of class numbers, or {shape} of probabilities" if numbered else shape
        raise UsageError(
            f'y has the shape {target.shape}, and loss "{loss.spelling}" needs {wanted}',
            remedy="give y[:, 0]" if column and numbered else
            "give a row for each row of the prediction, with a number for each of its classes",
        )  # fmt: skip


def _check_numbers(loss: Named, target: Array, classes: int) -> None:
    t = np.asarray(target)
    wrong = ((t < 0) | (t >= classes) | (t != np.floor(t))) & ~np.isnan(t)
    last = f"class numbers 0 to {classes - 1}"
    remedy = ""
    if wrong.any():
        found = np.unique(t)
        if len(found) <= classes:
            remedy = "number them from 0: np.unique(y, return_inverse=True)[1]"
        if np.array_equal(found, np.arange(1, classes + 1)):
            remedy = "number them from 0: y - 1"
    refuse_rows(loss, target, wrong, last, remedy)


def _check_probabilities(loss: Named, target: Array, numbered: bool) -> None:
    need = "probabilities for the classes of a row, which are not below 0 and sum to 1"
    below, total = (target < 0).any(axis=-1), target.sum(axis=-1)
    ones = bool(np.isin(target, (0, 1)).all()) and numbered
    remedy = 'where a row may have several labels, write loss="bce_with_logits"' if ones else (
        "" if below.any() else "divide them by their sum: y / y.sum(axis=-1, keepdims=True)"
    )  # fmt: skip
    refuse_rows(loss, target, below | (np.abs(total - 1) > WHOLE), need, remedy)


def _check_pair(loss: Named, outputs: Sequence[Shape], target: Array) -> None:
    own = target.shape
    pair = [s for s in outputs if s in ((), own)]
    if len(outputs) == 2 == len(pair) or list(outputs) == [(*own, 2)]:
        return
    returned = " and ".join(map(str, outputs))
    raise UsageError(
        f'loss "{loss.spelling}" needs a pair (mean, log variance) for each value of y, which has '
        f"the shape {own}; the model returns {returned}",
        remedy="return mean, log_variance, two arrays shaped like y",
    )

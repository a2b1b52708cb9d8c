"""Metrics of every epoch: a mean over rows beside the loss, which nobody descends.

A metric is a function of (prediction, target, link) in traced NumPy that gives a number a row, or
a table, and what is made of its mean at the end: so one pass over the rows serves all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.errors import UsageError, suggest
from descend.methods.losses import Loss, log_softmax

__all__ = ["METRICS", "Metric", "as_metric"]

Array = Any


class Metric(NamedTuple):
    """One row of the table.

    Attributes:
        per_row: (prediction, target, link) → a number a row, or a row's entry.
        of_classes: whether it is of classes, or of numbers.
        table: whether a row gives a table, whose mean is one.
        final: (mean, unit, variance) → the metric; the unit is the target's spread where it was
            rescaled, the variance that of the target in these units.
    """

    per_row: Callable[[Array, Array, str], Array]
    of_classes: bool
    final: Callable[[Array, float, float], Array] = lambda mean, unit, variance: mean
    table: bool = False


def _number(target: Array, prediction: Array) -> Array:
    """The class of each row, of numbers or of probabilities."""
    return np.argmax(target, axis=-1) if target.ndim == prediction.ndim else target


def _hit(prediction: Array, target: Array, link: str) -> Array:
    if link == "softmax":
        return np.argmax(prediction, axis=-1) == _number(target, prediction)
    return (prediction > (0.0 if link == "logistic" else 0.5)) == (target > 0.5)


def _among(k: int) -> Callable[[Array, Array, str], Array]:
    """Whether the true class is one of the k likeliest."""

    def hit(prediction: Array, target: Array, link: str) -> Array:
        number = _number(target, prediction)
        chosen = number[..., None] == np.arange(prediction.shape[-1])
        own = np.sum(np.where(chosen, prediction, 0), axis=-1, keepdims=True)
        return np.sum(prediction > own, axis=-1) < k

    return hit


def _surprise(prediction: Array, target: Array, link: str) -> Array:
    """Minus the logarithm of the probability that the true class was given."""
    if link == "softmax":
        number = _number(target, prediction)
        chosen = number[..., None] == np.arange(prediction.shape[-1])
        return -np.sum(np.where(chosen, log_softmax(prediction), 0), axis=-1)
    if link == "logistic":
        return np.logaddexp(0 * prediction, np.where(target > 0.5, -prediction, prediction))
    return -np.log(np.where(target > 0.5, prediction, 1 - prediction))


def _confusion(prediction: Array, target: Array, link: str) -> Array:
    """(rows, classes, classes): 1 where a row of this class, down, is taken for that one, across.

    Raises:
        UsageError: a row may have several labels.
    """
    if link != "softmax" and prediction.ndim > 1 and prediction.shape[-1] > 1:
        raise UsageError(
            "rows that may have several labels have no table of classes",
            remedy='choose from the metrics "accuracy" and "log_loss"',
        )
    if link == "softmax":
        classes = np.arange(prediction.shape[-1])
        taken, own = np.argmax(prediction, axis=-1), _number(target, prediction)
    else:
        classes = np.arange(2)
        flat, own = (part.reshape(part.shape[0]) for part in (prediction, target))
        taken = np.where(flat > (0.0 if link == "logistic" else 0.5), 1, 0)
    down = (own[:, None] == classes)[:, :, None]
    return np.where(down, (taken[:, None] == classes)[:, None, :], False)


def _of_each(hits: Array, whole: Array) -> Array:
    """Shares of each class; NaN of those that there are none of."""
    return np.divide(hits, whole, out=np.full(np.shape(hits), np.nan), where=whole > 0)


def _balanced(table: Array, unit: float, variance: float) -> Array:
    """The mean over classes of the share that is recognised."""
    return np.nanmean(_of_each(np.diagonal(table, 0, -2, -1), table.sum(axis=-1)), axis=-1)


def _f1(table: Array, unit: float, variance: float) -> Array:
    """Of the second of two classes, or the mean of all; see `trust.metrics`."""
    whole = table.sum(axis=-1) + table.sum(axis=-2)
    each = _of_each(2 * np.diagonal(table, 0, -2, -1), whole)
    if each.shape[-1] == 2:
        return np.nan_to_num(each[..., 1])
    return np.nanmean(each, axis=-1)


METRICS: Mapping[str, Metric] = {
    "accuracy": Metric(_hit, True),
    "log_loss": Metric(_surprise, True),
    "balanced_accuracy": Metric(_confusion, True, _balanced, True),
    "f1": Metric(_confusion, True, _f1, True),
    "mse": Metric(lambda p, t, _: (p - t) ** 2, False, lambda m, unit, _: m * unit**2),
    "rmse": Metric(lambda p, t, _: (p - t) ** 2, False, lambda m, unit, _: np.sqrt(m) * unit),
    "mae": Metric(lambda p, t, _: np.abs(p - t), False, lambda m, unit, _: m * unit),
    "r2": Metric(
        lambda p, t, _: (p - t) ** 2, False,
        lambda m, unit, variance: 1 - m / variance if variance > 0 else m * math.nan,
    ),
}  # fmt: skip
"""Name → metric; `top_3` and the like beside them."""


def as_metric(name: Any, loss: Loss) -> Metric:
    """Return the metric of a name.

    Raises:
        UsageError: there is none, or it does not belong to the loss.

    >>> from descend.methods.losses import CrossEntropy
    >>> metric = as_metric("top_2", CrossEntropy())
    >>> metric.per_row(np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), np.array([1, 2]), "softmax")
    array([ True, False])
    """
    top = re.fullmatch(r"top_?(\d+)(?:_accuracy)?", name) if isinstance(name, str) else None
    if top is not None and int(top[1]) > 0 and loss.link == "softmax":
        return Metric(_among(int(top[1])), True)
    found = METRICS.get(name) if isinstance(name, str) else None
    if found is None:
        raise UsageError(
            f"there is no metric {name!r} of every epoch{suggest(str(name), METRICS)}",
            remedy=f"choose from {', '.join(METRICS)}, or top_3 of many classes; fit.metrics has "
            "others at the end",
        )
    if found.of_classes != loss.tells_classes:
        kind = "classes" if found.of_classes else "numbers"
        own = "classes apart" if loss.tells_classes else "no classes apart"
        raise UsageError(
            f'the metric "{name}" is of {kind}, and the loss {loss.spelling} tells {own}',
            remedy="choose from "
            + ", ".join(n for n, m in METRICS.items() if m.of_classes == loss.tells_classes),
        )
    return found

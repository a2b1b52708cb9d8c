"""Metrics: how well classes are told apart, and how near numbers are; from predictions alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from descend.methods.links import class_numbers, rows_of_classes

__all__ = [
    "OF_CLASSES", "OF_NUMBERS", "ClassSums", "confusion", "explained", "metrics_of_classes",
    "metrics_of_numbers", "score_bits", "without_classes",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]


def confusion(y: Array, chosen: Array, classes: int, weight: Array | None = None) -> Array:
    """Return (classes, classes): how many rows of each class, down, are taken for each, across.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    array([[1., 1.],
           [0., 1.]])
    """
    counted = np.bincount(y * classes + chosen, weights=weight, minlength=classes * classes)
    return counted.astype(np.float64, copy=False).reshape(classes, classes)


def _accuracy(y: Array, p: Array, w: Array) -> float:
    return float(np.average(p.argmax(1) == y, weights=w))


def _balanced(y: Array, p: Array, w: Array) -> float:
    """The mean over classes of the share that is recognised."""
    return _balanced_of(confusion(y, p.argmax(1), p.shape[1], w))


def _balanced_of(table: Array) -> float:
    rows = table.sum(axis=1)
    return float(np.mean(np.diag(table)[rows > 0] / rows[rows > 0]))


def _f1(y: Array, p: Array, w: Array) -> float:
    """2·hits/(2·hits + misses + false alarms): of the second of two classes, or the mean of all."""
    return _f1_of(confusion(y, p.argmax(1), p.shape[1], w))


def _f1_of(table: Array) -> float:
    hits, whole = np.diag(table), table.sum(axis=0) + table.sum(axis=1)
    each = np.divide(2 * hits, whole, out=np.zeros(len(hits)), where=whole > 0)
    return float(each[1] if len(each) == 2 else np.mean(each[whole > 0]))


def _auc_of(yes: Array, score: Array, w: Array) -> float:
    """The share of pairs, one of the class and one not, that are in order; ties count half."""
    if yes.all() or not yes.any():
        return float("nan")
    _, place = np.unique(score, return_inverse=True)
    return _area(np.bincount(place, weights=w * yes), np.bincount(place, weights=w * ~yes))


def _area(ours: Array, others: Array) -> float:
    """The same by the weights at each score, ascending: of the class, and of the others."""
    pairs = ours.sum() * others.sum()
    below = np.cumsum(others) - others
    return float(np.sum(ours * (below + others / 2)) / pairs) if pairs > 0 else float("nan")


def _auc(y: Array, p: Array, w: Array) -> float:
    """Of two classes; of more, the mean over each against the rest."""
    if p.shape[1] == 2:
        return _auc_of(y == 1, p[:, 1], w)
    return _mean_area([_auc_of(y == k, p[:, k], w) for k in range(p.shape[1])])


def _mean_area(each: list[float]) -> float:
    known = [a for a in each if a == a]
    return float(np.mean(known)) if known else float("nan")


def _log_loss(y: Array, p: Array, w: Array) -> float:
    return float(np.average(_surprise(y, p), weights=w))


def _surprise(y: Array, p: Array) -> Array:
    """Minus the logarithm of the probability of each row's own class."""
    least = np.finfo(np.float64).tiny
    return np.asarray(-np.log(np.maximum(p[np.arange(len(y)), y], least)))


def _base_rate(y: Array, p: Array, w: Array) -> float:
    """What always answering the most frequent class would come to."""
    return float(np.bincount(y, weights=w, minlength=p.shape[1]).max() / w.sum())


def without_classes(weight: Array, number: Array, by_class: Array) -> Array:
    """(rows,) weights without what each row weighs in training by the number of its class."""
    own = by_class[number]
    return np.divide(weight, own, out=np.zeros_like(weight), where=own > 0)


OF_CLASSES: Mapping[str, Callable[[Array, Array, Array], float]] = {
    "accuracy": _accuracy,
    "base_rate": _base_rate,
    "balanced_accuracy": _balanced,
    "f1": _f1,
    "auc": _auc,
    "log_loss": _log_loss,
}
"""Name → of class numbers, probabilities (rows, classes) and weights."""


def explained(y: Array, fitted: Array, w: Array) -> float:
    """R²: the share of the squares about the mean that is saved; NaN where there are none."""
    mean = np.average(y, axis=0, weights=w)
    total = np.average((y - mean) ** 2, axis=0, weights=w).sum()
    left = np.average((y - fitted) ** 2, axis=0, weights=w).sum()
    return float(1 - left / total) if total > 0 else float("nan")


OF_NUMBERS: Mapping[str, Callable[[Array, Array, Array], float]] = {
    "r2": explained,
    "rmse": lambda y, f, w: float(np.sqrt(np.average((y - f) ** 2, axis=0, weights=w).mean())),
    "mae": lambda y, f, w: float(np.average(np.abs(y - f), axis=0, weights=w).mean()),
}
"""Name → of targets, fitted values of the same shape, and weights."""


def metrics_of_classes(y: Array, p: Array, weight: Array | None = None) -> dict[str, float]:
    """How well classes are told apart.

    Args:
        y: (rows,) class numbers, or (rows, classes) of zeros and ones, one or several a row.
        p: (rows, classes) probabilities.

    >>> metrics_of_classes(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4]]))
    {'accuracy': 0.666..., 'base_rate': 0.666..., 'balanced_accuracy': 0.75, 'f1': 0.666..., \
'auc': 1.0, 'log_loss': 0.510...}
    """
    w = np.ones(len(y)) if weight is None else weight
    number = class_numbers(y)
    if number.ndim > 1:
        hits = (p > 0.5) == (y > 0.5)
        each = np.average(hits, axis=0, weights=w)
        areas = [_auc_of(y[:, k] > 0.5, p[:, k], w) for k in range(len(each))]
        return {
            "accuracy": float(each.mean()),
            "all_labels_right": float(np.average(hits.all(axis=1), weights=w)),
            "auc": float(np.nanmean(areas)),
        }
    return {name: metric(number, p, w) for name, metric in OF_CLASSES.items()}


def metrics_of_numbers(y: Array, fitted: Array, weight: Array | None = None) -> dict[str, float]:
    """How near numbers are to their targets.

    >>> metrics_of_numbers(np.array([1.0, 3.0]), np.array([1.0, 2.0]))
    {'r2': 0.5, 'rmse': 0.707..., 'mae': 0.5}
    """
    w = np.ones(len(y)) if weight is None else weight
    return {name: metric(y, fitted, w) for name, metric in OF_NUMBERS.items()}


# --- by blocks of rows

MOST_BITS, LEAST_BITS = 12, 4
LOWEST = 64  # scores below 2^-64, or as near to 1, are alike


def score_bits(classes: int) -> int:
    """To how many bits p and 1 - p are known to the AUC of rows that come in blocks: of many
    classes to fewer, so that what is kept does not grow with them."""
    return max(LEAST_BITS, MOST_BITS - (classes - 1).bit_length() + 1)


class ClassSums:
    """What the metrics of classes are made of, gathered block by block.

    All are those of `metrics_of_classes` up to rounding but the AUC, to which rows with scores
    that agree in `score_bits` bits are ties.

    Args:
        link: from the model's output to probabilities.

    >>> sums = ClassSums("identity")
    >>> for p, y in (([0.1, 0.6], [0.0, 1.0]), ([0.4], [1.0])):
    ...     sums.add(np.array(p), np.array(y))
    >>> sums.told()
    {'accuracy': 0.666..., 'base_rate': 0.666..., 'balanced_accuracy': 0.75, 'f1': 0.666..., \
'auc': 1.0, 'log_loss': 0.510...}
    """

    def __init__(self, link: str) -> None:
        self.link, self.known = link, True
        self._table: Array = np.zeros(0)
        self._scores: Array = np.zeros(0)
        self._lost = 0.0

    def add(self, output: Array, y: Array, weight: Array | None = None) -> None:
        """Take some rows; where one has no class, or no probability, nothing can be told."""
        self.known = self.known and bool(np.isfinite(output).all())
        if not self.known:
            return
        number, p = rows_of_classes(self.link, output, y)
        w = np.ones(len(y)) if weight is None else weight
        self.known = number.ndim == 1 and number.dtype.kind == "i"
        if not self.known:
            return
        classes = p.shape[1]
        own = range(1, 2) if classes == 2 else range(classes)
        bits = score_bits(classes)
        if not self._table.size:
            self._table = np.zeros((classes, classes))
            self._scores = np.zeros((len(own), 2, 2 * (LOWEST - 1 << bits) + 1))
        self._table += confusion(number, p.argmax(1), classes, w)
        self._lost += float(np.sum(w * _surprise(number, p)))
        for scores, k in zip(self._scores, own, strict=True):
            place, yes = _place(p[:, k], bits), number == k
            np.add.at(scores.reshape(-1), place + scores.shape[1] * yes, w)

    def told(self) -> dict[str, float]:
        """The metrics; none where rows have shares of classes, or outputs are not finite."""
        if not self.known or not self._table.size:
            return {}
        table, whole = self._table, float(self._table.sum())
        return {
            "accuracy": float(np.trace(table)) / whole,
            "base_rate": float(table.sum(axis=1).max()) / whole,
            "balanced_accuracy": _balanced_of(table),
            "f1": _f1_of(table),
            "auc": _mean_area([_area(each[1], each[0]) for each in self._scores]),
            "log_loss": self._lost / whole,
        }


def _place(p: Array, bits: int) -> Array:
    """Where probabilities stand among all that differ in so many bits of p, or of 1 - p."""
    near = np.clip(np.minimum(p, 1 - p), 2.0**-LOWEST, 0.5)
    place = (near.view(np.int64) >> (52 - bits)) - (1023 - LOWEST << bits)
    return np.asarray(np.where(p > 0.5, 2 * (LOWEST - 1 << bits) - place, place))

"""Links: what a model's output, such as a logit, says of the mean of a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["LINKS", "class_numbers", "expected", "probabilities", "rows_of_classes"]

Array = np.ndarray[Any, np.dtype[Any]]


def _logistic(z: Array) -> Array:
    small = np.exp(-np.abs(z))
    return np.where(z < 0, small, 1.0) / (1.0 + small)


def _softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


LINKS: Mapping[str, Callable[[Array], Array]] = {
    "identity": lambda z: z,
    "logistic": _logistic,
    "softmax": _softmax,
    "log": np.exp,
}
"""Name of a link → its inverse."""


def expected(link: str, output: Any) -> Array:
    """Return the mean of the target at a model's output, in double precision.

    >>> expected("logistic", [0.0, -1000.0]), expected("softmax", [[0.0, 0.0]])
    (array([0.5, 0. ]), array([[0.5, 0.5]]))
    """
    with np.errstate(over="ignore"):
        return LINKS[link](np.asarray(output, np.float64))


def probabilities(mean: Array) -> Array:
    """Return (rows, classes): of one probability a row, that of either class.

    >>> probabilities(np.array([0.25]))
    array([[0.75, 0.25]])
    """
    return np.stack([1.0 - mean, mean], axis=-1) if mean.ndim == 1 else mean


def class_numbers(y: Array) -> Array:
    """Return (rows,) integers, where each row of a target is of one class; else the target.

    A single column is what it is without its axis; several are classes where each row has a 1 in
    one of them and zeros in the others.

    >>> class_numbers(np.array([[0.0, 1.0], [1.0, 0.0]]))
    array([1, 0])
    >>> class_numbers(np.array([[1.0], [0.0]])), class_numbers(np.array([0.5, 0.5]))
    (array([1, 0]), array([0.5, 0.5]))
    """
    if y.shape[1:] == (1,):
        y = y[:, 0]
    if y.ndim > 1:
        one = bool(np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())
        return y.argmax(axis=1).astype(np.int64) if one else y
    return y.astype(np.int64) if np.array_equal(y, np.floor(y)) else y


def rows_of_classes(link: str, output: Array, y: Array) -> tuple[Array, Array]:
    """Return the class number of each row, and (rows, classes) the probabilities.

    Where a row may have several labels, or shares of classes, the target comes back as it is.

    >>> rows_of_classes("identity", np.array([0.25]), np.array([1.0]))
    (array([1]), array([[0.75, 0.25]]))
    """
    p = probabilities(expected(link, output))
    return class_numbers(y), probabilities(p[:, 0]) if p.shape[1:] == (1,) else p

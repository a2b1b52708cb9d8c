"""All numbers of parameters one after the other, and leaf by leaf again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from descend.parameters.reading import number_names

__all__ = ["flat", "leaf_by_leaf", "names_of"]

Array = np.ndarray[Any, np.dtype[Any]]


def flat(leaves: Mapping[str, Any]) -> Array:
    """The numbers of all leaves, one after the other."""
    return np.concatenate([np.reshape(leaf, -1) for leaf in leaves.values()])


def leaf_by_leaf(vector: Array, like: Mapping[str, Any]) -> dict[str, Array]:
    """A vector of all numbers, or vectors (..., numbers), cut as these leaves are.

    >>> leaf_by_leaf(np.arange(3.0), {"a": 0.0, "w": np.ones(2)})
    {'a': array(0.), 'w': array([1., 2.])}
    """
    found, at = {}, 0
    for name, leaf in like.items():
        size, shape = np.size(leaf), np.shape(leaf)
        found[name] = np.reshape(vector[..., at : at + size], (*vector.shape[:-1], *shape))
        at += size
    return found


def names_of(leaves: Mapping[str, Any]) -> list[str]:
    """The names of all numbers."""
    return [name for leaf, a in leaves.items() for name in number_names(leaf, np.shape(a))]

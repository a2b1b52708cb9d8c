"""All numbers of parameters one after the other, and leaf by leaf again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from descend.parameters.reading import number_names

__all__ = ["flat", "leaf_by_leaf", "names_of"]

Array = np.ndarray[Any, np.dtype[Any]]


def flat(leaves: Mapping[str, Array]) -> Array:
    """The numbers of all leaves, one after the other."""
    return np.concatenate([leaf.reshape(-1) for leaf in leaves.values()] or [np.zeros(0)])


def leaf_by_leaf(vector: Array, like: Mapping[str, Array]) -> dict[str, Array]:
    """A vector of all numbers, or vectors (..., numbers), cut as these leaves are.

    >>> leaf_by_leaf(np.arange(3.0), {"a": np.zeros(()), "w": np.ones(2)})
    {'a': array(0.), 'w': array([1., 2.])}
    """
    found, at, outer = {}, 0, vector.shape[:-1]
    for name, leaf in like.items():
        found[name] = vector[..., at : at + leaf.size].reshape(outer + leaf.shape)
        at += leaf.size
    return found


def names_of(leaves: Mapping[str, Array]) -> list[str]:
    """The names of all numbers."""
    return [name for leaf, a in leaves.items() for name in number_names(leaf, a.shape)]

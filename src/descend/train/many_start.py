"""Where many fits begin: one start for all, or one for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.errors import UsageError
from descend.train.problem import Problem
from descend.train.start import Start, given_start

__all__ = ["ManyStart", "many_start"]

Array = np.ndarray[Any, np.dtype[Any]]


class ManyStart(NamedTuple):
    """The parameters at the start of many fits.

    Attributes:
        sample: the start of the first fit, as `fit` reads it.
        each: leaf → (fits, …) where the fits begin differently.
    """

    sample: Start
    each: dict[str, Array]

    def matrix(self, fits: int, dtype: Any) -> Array:
        """All numbers, (fits, p), or (1, p) if all fits begin alike."""
        count = fits if self.each else 1
        parts = []
        for name, array in self.leaves().items():
            own = self.each.get(name, array[None])
            parts.append(np.broadcast_to(own, (count, *array.shape)).reshape(count, array.size))
        return np.ascontiguousarray(np.concatenate(parts, axis=1), dtype)

    def leaves(self) -> dict[str, Array]:
        """The leaves in the order of the signature; 0 for what is still missing."""
        arrays, zero = self.sample.arrays, np.zeros(())
        return {leaf: arrays.get(leaf, zero) for own in self.sample.names.values() for leaf in own}


def many_start(problem: Problem, start: Any, fits: int) -> ManyStart:
    """Read `start=`: an array whose first axis counts the fits gives each fit its own value.

    Raises:
        UsageError: as for `fit`; or a value that is not finite, with the fit.
    """
    given = start if isinstance(start, Mapping) else getattr(start, "params", start)
    if not isinstance(given, Mapping):
        return ManyStart(_sample(problem, given), {})
    first, each = {}, {}
    for name, value in given.items():
        array = value if isinstance(value, np.ndarray | list | tuple) else None
        if array is not None and not _is_tree(array) and np.shape(array)[:1] == (fits,):
            whole = np.asarray(array, np.result_type(np.asarray(array), np.float32))
            bad = np.flatnonzero(~np.isfinite(whole.reshape(fits, -1)).all(axis=1))
            if bad.size:
                raise UsageError(
                    f'the parameter "{name}" of fit {bad[0]} starts as {whole[bad[0]]}; it must be '
                    "finite"
                )
            first[name], each[str(name)] = whole[0] if whole.ndim > 1 else float(whole[0]), whole
        else:
            first[name] = value
    return ManyStart(_sample(problem, first), each)


def _sample(problem: Problem, start: Any) -> Start:
    return given_start(problem.parameters, start, problem.defaults, problem.columns)


def _is_tree(value: Any) -> bool:
    """Whether a list holds arrays or dicts of parameters rather than numbers."""
    return isinstance(value, list | tuple) and any(
        isinstance(v, Mapping | np.ndarray) for v in value
    )

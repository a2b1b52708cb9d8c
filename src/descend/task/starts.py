"""Where many fits begin and what binds their parameters: one start for all, or one for each."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.errors import UsageError
from descend.parameters.declare import Parameter
from descend.parameters.space import Space
from descend.task.declared import begin, check_inside, settled
from descend.task.problem import Problem
from descend.task.start import Start

__all__ = ["ManyStart", "many_start"]

Array = np.ndarray[Any, np.dtype[Any]]


class ManyStart(NamedTuple):
    """The parameters at the start of many fits.

    Attributes:
        problem: the model with the parameters that ties add to it.
        sample: the start of the first fit, as `fit` reads it.
        space: which parameters are varied, and how; None for all as they are.
        each: leaf → (fits, …) where the fits begin differently, or are fixed differently.
    """

    problem: Problem
    sample: Start
    space: Space | None
    each: dict[str, Array]

    def leaves(self) -> dict[str, Array]:
        """The leaves in the order of the signature; 0 for what is still missing."""
        arrays, zero = self.sample.arrays, np.zeros(())
        return {leaf: arrays.get(leaf, zero) for own in self.sample.names.values() for leaf in own}

    def varied(self) -> dict[str, Array]:
        """What the method moves, at the start of the first fit."""
        leaves = self.leaves()
        return leaves if self.space is None else self.space.moved(leaves)

    def free(self) -> tuple[str, ...]:
        """The leaves that are not fixed, tied ones among them."""
        fixed = () if self.space is None else self.space.fixed
        return tuple(n for n in self.leaves() if n not in fixed)

    def scalars(self) -> tuple[str, ...]:
        """The leaves that are varied, if all of them are single numbers; else none."""
        own = {n: a for n, a in self.leaves().items() if self.space is None or self.space.varies(n)}
        return tuple(own) if all(a.ndim == 0 for a in own.values()) else ()

    def held(self) -> dict[str, Array]:
        """The fixed leaves that each fit has a value of its own for."""
        return {} if self.space is None else {
            name: array for name, array in self.each.items() if name in self.space.fixed
        }  # fmt: skip

    def matrix(self, fits: int, dtype: Any) -> Array:
        """All numbers that the method moves, (fits, p), or (1, p) if all fits begin alike."""
        count = fits if self.each else 1
        whole = {
            name: np.broadcast_to(self.each.get(name, array[None]), (count, *array.shape))
            for name, array in self.leaves().items()
        }
        moved = whole if self.space is None else self.space.moved(whole)
        parts = [array.reshape(count, -1) for array in moved.values()]
        return np.ascontiguousarray(np.concatenate(parts, axis=1), dtype)


def many_start(
    problem: Problem, start: Any, fits: int, fixed: Any = None, bounds: Any = None,
    ties: Any = None,
) -> ManyStart:  # fmt: skip
    """Read `start=`: an array whose first axis counts the fits gives each fit its own value.

    Raises:
        UsageError: as for `fit`; or a value that is not finite or out of bounds, with the fit.
    """
    given = start if isinstance(start, Mapping) else getattr(start, "params", start)
    each: dict[str, Array] = {}
    first = _firsts(given, fits, each)
    held = _firsts(fixed, fits, each) if isinstance(fixed, Mapping) else fixed
    begun = begin(problem, first, held, bounds, ties)
    sample = settled(begun.start, begun.space)
    for name, array in each.items():
        _check_each(name, array, begun.space, sample)
    return ManyStart(begun.problem, sample, begun.space, each)


def _firsts(given: Any, fits: int, each: dict[str, Array]) -> Any:
    """The values of the first fit; what each fit has its own of is entered."""
    if not isinstance(given, Mapping):
        return given
    found = {}
    for name, value in given.items():
        plain = value.value if isinstance(value, Parameter) else value
        if not isinstance(plain, np.ndarray | list) or _is_tree(plain):
            found[name] = value
            continue
        if np.shape(plain)[:1] != (fits,):
            found[name] = value
            continue
        whole = np.asarray(plain)
        whole = whole if whole.dtype.kind == "f" else whole.astype(np.float64)
        each[str(name)] = whole
        own = whole[0] if whole.ndim > 1 else float(whole[0])
        found[name] = _with_value(value, own) if isinstance(value, Parameter) else own
    return found


def _with_value(declared: Parameter, value: Any) -> Parameter:
    made = copy.copy(declared)
    made.value = value
    return made


def _check_each(name: str, array: Array, space: Space | None, sample: Start) -> None:
    bad = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
    if bad.size:
        raise UsageError(
            f'the parameter "{name}" of fit {bad[0]} starts as {array[bad[0]]}; it must be finite'
        )
    if space is None or name not in sample.arrays:
        return
    low, high = space.edges(name)
    outside = ((array < low) | (array > high)).reshape(len(array), -1).any(axis=1)
    if space.scales.get(name) == "log":
        outside |= (array <= 0).reshape(len(array), -1).any(axis=1)
    for fit in np.flatnonzero(outside)[:1]:
        try:
            check_inside(space, name, np.asarray(array[fit]))
        except UsageError as error:
            raise UsageError(f"fit {fit}: {error.message}", remedy=error.remedy) from error


def _is_tree(value: Any) -> bool:
    """Whether a list holds arrays or dicts of parameters rather than numbers."""
    return isinstance(value, list) and any(isinstance(v, Mapping | np.ndarray) for v in value)

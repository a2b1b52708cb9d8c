"""Whether a minimum that was found is one: whether the function still falls farther out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.parameters.reading import number_names
from descend.run.finished import Finished

__all__ = ["falling", "has_gone"]

Array = np.ndarray[Any, np.dtype[Any]]

GONE = 30.0  # times its start, or 1: from here on a number is looked after
STEPS = 2.0 ** np.arange(-6, 7)  # times the way it went
MOST = 64  # numbers that are looked after one by one


def has_gone(begin: Sequence[float], end: Sequence[float]) -> bool:
    """Whether a number went so far that it may have no end.

    >>> has_gone([1.0, 0.0], [2.0, -3.0]), has_gone([1.0, 0.0], [2.0, -300.0])
    (False, True)
    """
    return any(abs(b) >= GONE * max(abs(a), 1.0) for a, b in zip(begin, end, strict=True))


def falling(run: Finished) -> list[str]:
    """The numbers that the function falls with, as far as one can see; none at a minimum.

    Those that have gone far are moved on, each by itself and then all of them, by shares and
    multiples of the way they went: at a minimum a small share already raises the function.
    """
    begin, end = run.begin, run.leaves()
    space = run.job.space
    free = [n for n in end if space is None or space.varies(n)]
    far = {n: np.abs(end[n]) >= GONE * np.maximum(np.abs(begin[n]), 1.0) for n in free}
    names = [
        (leaf, i, name)
        for leaf in free
        for i, name in enumerate(number_names(leaf, end[leaf].shape))
        if far[leaf].reshape(-1)[i]
    ]
    if not names:
        return []
    loss = run.job.loss_at(run.built, end)
    least = loss({})

    def falls(moved: Sequence[tuple[str, int, str]]) -> bool:
        values = [loss(_beyond(run, end, moved, step)) for step in STEPS]
        return least == -np.inf or (
            all(value <= least for value in values) and any(value < least for value in values)
        )

    with np.errstate(all="ignore"):
        alone = [entry for entry in names[:MOST] if falls([entry])]
        return [name for *_, name in alone or (names if len(names) > 1 and falls(names) else [])]


def _beyond(
    run: Finished, end: dict[str, Array], moved: Sequence[tuple[str, int, str]], step: float
) -> dict[str, Array]:
    """Some numbers moved on by a multiple of the way they went, as far as their bounds allow."""
    found: dict[str, Array] = {}
    for leaf, i, _ in moved:
        array = found.setdefault(leaf, np.array(end[leaf]))
        way = np.asarray(end[leaf]).reshape(-1)[i] - np.asarray(run.begin[leaf]).reshape(-1)[i]
        array.reshape(-1)[i] += step * way
    space = run.job.space
    return found if space is None else {n: space.inside(n, a) for n, a in found.items()}

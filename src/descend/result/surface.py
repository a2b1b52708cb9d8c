"""What the picture of a fit's loss is drawn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.parameters.flat import flat, leaf_by_leaf, names_of
from descend.records.record import History
from descend.run.finished import Finished

__all__ = ["Surface", "surface_of"]

Array = np.ndarray[Any, np.dtype[Any]]


class Surface(NamedTuple):
    """The loss of all numbers of a fit, and the way of the descent.

    Attributes:
        names: of all numbers; `varied` are those that the descent moves.
        way: (m, numbers) from the start to the end; these two alone where it was not recorded.
        loss: of (numbers,), on the rows of the fit.
    """

    names: list[str]
    varied: list[str]
    way: Array
    loss: Callable[[Array], float]


def surface_of(run: Finished, end: Mapping[str, Array], history: History) -> Surface:
    """What there is of a run that returned these leaves."""
    job = run.job
    names = names_of(end)
    varied = names_of({n: a for n, a in end.items() if job.space is None or job.space.varies(n)})
    columns = history.columns()
    way = [flat({n: run.begin[n] for n in end})]
    if history.params is not None and set(names) <= columns.keys():
        way += list(np.stack([columns[name] for name in names], axis=1))
    way.append(flat(end))
    evaluated = job.loss_at(run.built, dict(end))

    def loss(numbers: Array) -> float:
        leaves = leaf_by_leaf(numbers, end)
        own = {n: np.asarray(a, end[n].dtype) for n, a in leaves.items()}
        return evaluated(own) * job.loss_factor

    return Surface(names, varied, np.array(way, np.float64), loss)

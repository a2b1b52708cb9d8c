"""The prediction of a model and its derivatives at the rows of a run, for a look at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.differentiate.gauss_newton import jacobian_columns
from descend.graph.evaluate import Prepared, bind_extents
from descend.graph.node import Node, postorder
from descend.run.build import Built
from descend.run.job import Job
from descend.simplify.driver import simplify

__all__ = ["Slopes", "is_straight", "slopes_of_prediction"]

Array = np.ndarray[Any, np.dtype[Any]]


def slopes_of_prediction(built: Built) -> list[Node]:
    """The only prediction and its derivatives, one a number; made once for a program."""
    extras, model = built.extras, built.model
    if "prediction's jacobian" not in extras:
        columns = jacobian_columns(model.nodes[0], list(model.leaves.values()))
        extras["prediction's jacobian"] = simplify([*model.nodes, *columns], final=True)
    return list(extras["prediction's jacobian"])


def is_straight(built: Built) -> bool:
    """Whether no derivative of the prediction depends on a parameter."""
    if "prediction is straight" not in built.extras:
        slopes = slopes_of_prediction(built)[1:]
        straight = not {*built.model.leaves.values()} & {*postorder(slopes)}
        built.extras["prediction is straight"] = straight
    return bool(built.extras["prediction is straight"])


class Slopes:
    """The prediction and its derivatives by all parameters at the columns of a run.

    Args:
        data: the columns in the order of the program.
    """

    def __init__(self, job: Job, built: Built, data: Sequence[Array]) -> None:
        made, leaves = built.descent, job.leaf_arrays()
        bound, extents = job.inputs_at(built, leaves)
        bound |= {made.inputs[name]: a for name, a in zip(made.data, data, strict=True)}
        self.x = np.concatenate([a.reshape(-1) for a in leaves.values()])
        at = 0
        for name, array in leaves.items():
            bound[built.model.leaves[name]] = self.x[at : at + array.size].reshape(array.shape)
            at += array.size
        if "prepared slopes" not in built.extras:
            built.extras["prepared slopes"] = Prepared(slopes_of_prediction(built), bound)
        self._prepared: Prepared = built.extras["prepared slopes"]
        self._values = [bound[n] for n in self._prepared.inputs]
        self._extents = extents | bind_extents(bound)
        self._slopes = np.empty((self.x.size, len(data[0])))

    def __call__(self, x: Array) -> tuple[Array, Array]:
        """The prediction (n,) and its derivatives (p, n) at x (p,), which are overwritten next."""
        self.x[:] = x
        prediction, *columns = self._prepared(self._values, self._extents)
        for slope, column in zip(self._slopes, columns, strict=True):
            slope[:] = column
        return prediction, self._slopes

"""The prediction of a model and its derivatives at the rows of a run, for a look at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.compile.function import NativeFunction, compile_graph
from descend.compile.native import NotNative
from descend.differentiate.gauss_newton import jacobian_columns
from descend.errors import UsageError
from descend.graph.evaluate import Prepared, bind_extents
from descend.graph.node import Node, postorder
from descend.parameters.flat import flat, leaf_by_leaf
from descend.run.build import Built
from descend.run.job import Job
from descend.simplify.driver import simplify

__all__ = ["Slopes", "is_straight", "slopes_of_prediction"]

Array = np.ndarray[Any, np.dtype[Any]]
MANY_ROWS = 50_000  # from which on code is to be fast rather than to be had soon


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

    They are compiled once for a program, so that all runs have the same bits; interpreted where
    there is no native code.

    Args:
        data: the columns in the order of the program.
    """

    def __init__(self, job: Job, built: Built, data: Sequence[Array]) -> None:
        made, leaves = built.descent, job.leaf_arrays()
        bound, extents = job.inputs_at(built, leaves)
        bound |= {made.inputs[name]: a for name, a in zip(made.data, data, strict=True)}
        self.x = flat(leaves)
        # Views of x, by which it is set.
        bound |= {built.model.leaves[n]: view for n, view in leaf_by_leaf(self.x, leaves).items()}
        nodes = slopes_of_prediction(built)
        used = {*postorder(nodes)}
        values = {node: a for node, a in bound.items() if node in used}
        if "native slopes" not in built.extras:
            built.extras["native slopes"] = _compiled(nodes, list(values), len(data[0]))
        native: NativeFunction | None = built.extras["native slopes"]
        self._bound = None if native is None else native.bind(
            [np.asarray(a, node.dtype, order="C") for node, a in values.items()]
        )  # fmt: skip
        self._prepared = None if self._bound is not None else Prepared(nodes, values)
        self._values, self._extents = values, extents | bind_extents(values)
        self._slopes = np.empty((self.x.size, len(data[0])))

    def __call__(self, x: Array) -> tuple[Array, Array]:
        """The prediction (n,) and its derivatives (p, n) at x (p,), which are overwritten next."""
        self.x[:] = x
        if self._bound is not None:
            self._bound.run()
            prediction, *columns = self._bound.results
        else:
            assert self._prepared is not None
            values = [self._values[n] for n in self._prepared.inputs]
            prediction, *columns = self._prepared(values, self._extents)
        for slope, column in zip(self._slopes, columns, strict=True):
            slope[:] = column
        return prediction, self._slopes


def _compiled(nodes: list[Node], inputs: list[Node], rows: int) -> NativeFunction | None:
    try:
        return compile_graph(nodes, inputs, soon=rows < MANY_ROWS)
    except (NotNative, UsageError):
        return None

"""Networks in `fit`: how they are read, their sizes, and where they begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from descend.errors import DataError, UsageError
from descend.methods.table import as_loss
from descend.networks.network import Network
from descend.task.problem import Problem, function_problem

__all__ = ["network_problem"]

Array = np.ndarray[Any, np.dtype[Any]]
OF_CLASSES = ("classes", "distributions")


def network_problem(model: Network, x: Any, y: Any, loss: Any, seed: int) -> Problem:
    """Read the call `fit(mlp(100), x, y)`: columns and parameters are single precision.

    Raises:
        UsageError: x is no matrix, or the last layer has another size than the target.
    """
    problem = function_problem(model, x, y)
    (column,) = problem.columns.values()
    target = problem.y
    assert target is not None
    if column.ndim != 2:
        raise UsageError(
            f"x has the shape {column.shape}, and {model!r} takes a matrix, a row of numbers for "
            "each row of the target",
            remedy="write x[:, None] for one column, or np.column_stack([…]) for several",
        )
    size, flat = _outputs(target, as_loss(loss))
    begun = model.begin(np.random.default_rng(seed), column.shape[1], size)
    problem.columns = {name: _single(array) for name, array in problem.columns.items()}
    problem.defaults = {
        "weights": {layer: {n: _single(a) for n, a in own.items()} for layer, own in begun.items()}
    }
    if flat:
        problem.function = _Flat(model)
    return problem


def _outputs(target: Array, loss: Any) -> tuple[int, bool]:
    """How many numbers a row of the network has at its end, and whether they are one column."""
    if target.ndim > 1:
        return target.shape[1], False
    if loss.domain not in OF_CLASSES:
        return 1, True
    if not np.array_equal(target, np.floor(target)):
        raise DataError(
            f'loss "{loss.spelling}" needs class numbers, and y has others',
            remedy="number the classes from 0: np.unique(y, return_inverse=True)[1]",
        )
    return int(target.max()) + 1, False


class _Flat:
    """A network whose only number a row is that of a target without columns."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.__name__, self.__signature__ = network.__name__, network.__signature__

    def __call__(self, x: Any, weights: Mapping[str, Mapping[str, Any]]) -> Any:
        return self.network(x, weights)[:, 0]


def _single(array: Array) -> Array:
    return array.astype(np.float32) if array.dtype.kind == "f" else array

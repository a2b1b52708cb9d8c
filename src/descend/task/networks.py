"""Networks in `fit`: how they are read, what they are to predict, and where they begin."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.methods.table import as_optimizer
from descend.networks.network import Network
from descend.task.goals import Goal, goal_of
from descend.task.problem import Problem, Signature, function_problem

__all__ = ["network_function", "network_problem"]

Array = np.ndarray[Any, np.dtype[Any]]

BATCH, EPOCHS, METHOD = 200, 200, "adam"


def network_problem(model: Network, x: Any, y: Any, options: Any) -> Problem:
    """Read the call `fit(mlp([100]), x, y)`.

    Columns are standardised, and all is in single precision; what else was not said is what
    networks are usually trained with.

    Raises:
        UsageError: x is no matrix, or the last layer has another size than the target.
    """
    goal = goal_of(y, options.loss)
    problem = function_problem(network_function(model, goal.flat), x, goal.y)
    (column,) = problem.columns.values()
    if column.ndim < 2:
        raise UsageError(
            f"x has the shape {column.shape}, and a network takes a row of numbers for each row "
            "of the target",
            remedy="write x[:, None] for one column, or np.column_stack([…]) for several",
        )
    seed = int(options.seed)
    begun = model.begin(np.random.default_rng(seed), column.shape[1:], goal.outputs)
    _check_outputs(model, column, begun, goal)
    problem.name = repr(model)
    problem.defaults = {name: array.astype(np.float32) for name, array in begun.items()}
    problem.begins = f"drawn by the layers (seed {seed})"
    problem.usual = _usual(options, goal, len(column))
    problem.network = model
    problem.classes = goal.classes
    problem.binding = goal.said and f"{goal.said}: loss {goal.loss}"
    return problem


def _usual(options: Any, goal: Goal, n_rows: int) -> dict[str, Any]:
    """What stands for the options that were not said."""
    method = METHOD if options.optimizer is None else options.optimizer
    steps = method != "auto" and as_optimizer(method).scope != "vector"
    return {
        "loss": goal.loss, "optimizer": method, "epochs": EPOCHS, "standardize": True,
        "starts": 1, "batch_size": min(BATCH, n_rows) if steps else None,
    }  # fmt: skip


def _check_outputs(model: Network, x: Array, begun: Mapping[str, Array], goal: Goal) -> None:
    size = np.shape(model(np.zeros((2, *x.shape[1:])), begun))[1:]
    if size != (goal.outputs,):
        shown = size[0] if len(size) == 1 else f"the shape {size}"
        raise UsageError(
            f"{model!r} ends with {shown} numbers a row, and the target needs {goal.outputs}",
            remedy="end with Linear(), which takes the number from the target",
        )


@functools.lru_cache(maxsize=256)
def network_function(network: Network, flat: bool) -> Callable[..., Any]:
    """The network as a function of x and of each parameter by name, made once.

    Args:
        flat: whether its only number a row is that of a target without columns.
    """

    def evaluated(x: Any, **params: Any) -> Any:
        found = network(x, params)
        return found[:, 0] if flat else found

    evaluated.__name__ = repr(network)
    evaluated.signature = Signature(("x",), network.params, {})  # type: ignore[attr-defined]
    return evaluated

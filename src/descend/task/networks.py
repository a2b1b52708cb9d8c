"""Networks in `fit`: how they are read, what they are to predict, and where they begin."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from descend.data.frames import as_matrix, column_names, column_of, is_table
from descend.data.validate import check_members
from descend.errors import DataError, UsageError
from descend.methods.table import as_optimizer
from descend.networks.network import Network
from descend.task.goals import Goal, goal_of
from descend.task.problem import Problem, Signature, function_problem

__all__ = ["network_function", "network_problem"]

Array = np.ndarray[Any, np.dtype[Any]]

BATCH, EPOCHS, METHOD = 200, 200, "adam"


def network_problem(
    model: Network, x: Any, y: Any, options: Any, known: Array | None = None
) -> Problem:
    """Read the call `fit(mlp([100]), x, y)`.

    Columns are standardised, and all is in single precision; what else was not said is what
    networks are usually trained with.

    Raises:
        UsageError: x is no matrix, or the last layer has another size than the target.
    """
    x, y, target, names = _taken(x, y)
    if known is None:
        goal = goal_of(y, options.loss, target, options.missing)
    else:
        goal = goal_of(np.concatenate([known, y]), options.loss, target, options.missing)
        goal = goal._replace(y=goal.y[len(known) :])
    problem = function_problem(network_function(model, goal.flat), x, goal.y)
    problem.target, problem.matrix = target, names
    (column,) = problem.columns.values()
    if column.ndim < 2 and not model.indices:
        raise UsageError(
            f"x has the shape {column.shape}, and a network takes a row of numbers for each row "
            "of the target",
            remedy="write x[:, None] for one column, or np.column_stack([…]) for several",
        )
    if not all(column.shape[1:]):
        raise DataError(f"x has the shape {column.shape}: a row of it holds nothing to learn from")
    if model.indices:
        check_members(column, model.indices, "x")
    seed = int(options.seed)
    problem.network, problem.name = model, repr(model)
    problem.draws = functools.partial(_drawn, model, column.shape[1:], goal)
    problem.defaults = problem.draws(seed)
    problem.begins = f"drawn by the layers (seed {seed})"
    problem.usual = _usual(model, options, goal, len(column))
    problem.classes, problem.shares = goal.classes, goal.shares
    problem.binding = goal.said and f"{goal.said}: loss {goal.loss}"
    return problem


def _drawn(network: Network, shape: tuple[int, ...], goal: Goal, seed: int) -> dict[str, Array]:
    """The parameters at a start that is drawn by a seed, in single precision."""
    drawn, size = network.laid_out(np.random.default_rng(seed), shape, goal.outputs)
    if size != (goal.outputs,):
        remedy = "end with Linear(), which takes the number from the target"
        if len(size) == 1:
            shown = f"{size[0]} number{'s' * (size[0] != 1)} a row"
            if size[0] == 2 and goal.classes is not None and len(goal.classes) == 2:
                remedy += ', or write loss="cross_entropy", which takes one for each of two classes'
        else:
            shown = f"rows of the shape {size}"
            remedy += f"; before it, Flatten() makes one axis of {len(size)}"
        raise UsageError(
            f"{network!r} ends with {shown}, and the target needs {goal.outputs}", remedy=remedy
        )
    return {name: array.astype(np.float32) for name, array in drawn.items()}


def _taken(x: Any, y: Any) -> tuple[Any, Any, str, tuple[str, ...]]:
    """x, y, what y is called, and of a table, which becomes a matrix, the names of its columns."""
    if not is_table(x):
        if y is None:
            raise UsageError("there is no target y", remedy="write fit(network, x, y)")
        if isinstance(y, str):
            raise UsageError(
                f'y="{y}" names a column, and x is no table', remedy="give y as an array"
            )
        return x, y, "y", ()
    if y is None:
        raise UsageError("there is no target y", remedy='name its column: fit(network, table, "y")')
    names = tuple(column_names(x))
    target = "y"
    if isinstance(y, str):
        target, y = y, column_of(x, y)
        names = tuple(name for name in names if name != target)
    try:
        return as_matrix(x, names), y, target, names
    except DataError as error:
        if "text" not in error.message:
            raise
        raise DataError(
            f"{error.message}; a network takes numbers",
            remedy="leave the column out, number it for an Embedding, or make a column of zeros "
            "and ones for each of its words, as pandas.get_dummies does",
        ) from None


def _usual(model: Network, options: Any, goal: Goal, n_rows: int) -> dict[str, Any]:
    """What stands for the options that were not said."""
    method = METHOD if options.optimizer is None else options.optimizer
    steps = method != "auto" and as_optimizer(method).scope != "vector"
    return {
        "loss": goal.loss, "optimizer": method, "epochs": EPOCHS,
        "standardize": model.indices == 0, "starts": 1,
        "batch_size": min(BATCH, n_rows) if steps else None,
    }  # fmt: skip


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

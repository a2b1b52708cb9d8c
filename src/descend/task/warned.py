"""What is said before a run: of data that cannot tell what is asked, of parameters without use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from descend.errors import warn
from descend.graph.node import postorder
from descend.parameters.space import Space
from descend.task.problem import Problem
from descend.task.rows import Rows
from descend.trace.model import Model

__all__ = ["is_constant", "warn_of_data", "warn_of_unused"]

Array = np.ndarray[Any, np.dtype[Any]]

WILD = 100.0  # spreads of a target's columns that are too unlike for one loss


def is_constant(array: Array) -> bool:
    """Whether all rows of a column are the same; quick where two of them are not.

    >>> is_constant(np.array([1.0, 1.0])), is_constant(np.array([1.0, 2.0, 1.0]))
    (True, False)
    """
    if array.ndim != 1 or len(array) < 2 or array[0] != array[-1] or array[0] != array[1]:
        return False
    return bool((array == array[0]).all())


def warn_of_data(problem: Problem, rows: Rows, count: int, is_vector: bool) -> list[str]:
    """Warn of rows that cannot determine the parameters, and return what was said.

    Args:
        count: how many numbers are varied.
        is_vector: whether the method is one for few parameters, which the data should determine.
    """
    said = list(_doubts(problem, rows, count if is_vector else 0))
    for text in said:
        warn(text)
    return said


def _doubts(problem: Problem, rows: Rows, count: int) -> Iterator[str]:
    y = rows.extra["target"]
    if count > rows.counted:
        yield (
            f"There are {count} parameters and only {rows.counted} values of {problem.target}: "
            "more than one set of parameters fits them. Fix some of them, or measure more."
        )
    if problem.columns and all(is_constant(a) for a in problem.columns.values()):
        names = " and ".join(problem.columns)
        value = ", ".join(f"{float(a[0]):g}" for a in problem.columns.values())
        yield (
            f"All rows have the same {names} ({value}): they tell nothing of how {problem.target} "
            "depends on it."
        )
    if is_constant(y) and not _is_equation(problem, y):
        yield (
            f"{problem.target} is {float(y[0]):g} in every row: there is nothing that a model "
            "could explain."
        )
    if problem.network is not None:
        yield from _doubts_of_network(problem, y)


def _doubts_of_network(problem: Problem, y: Array) -> Iterator[str]:
    (x,) = problem.columns.values()
    if x.ndim == 2 and not problem.network_indices:
        still = [k for k in range(x.shape[1]) if is_constant(x[:, k])]
        names = [problem.matrix[k] if problem.matrix else str(k) for k in still]
        if names and len(names) < x.shape[1]:
            one = len(names) == 1
            yield (
                f"column{'s' * (not one)} {', '.join(names[:8])}{' …' * (len(names) > 8)} of x "
                f"{'is' if one else 'are'} the same in every row, and {'tells' if one else 'tell'} "
                "nothing: leave out what does not vary."
            )
    if y.ndim == 2 and problem.classes is None:
        spread = y.std(axis=0)
        large, small = int(np.argmax(spread)), int(np.argmin(spread))
        if spread[large] > WILD * spread[small] > 0:
            yield (
                f"column {large} of {problem.target} spreads {spread[large] / spread[small]:.3g} "
                f"times as far as column {small}, whose errors will not count beside its: divide "
                f"{problem.target} by {problem.target}.std(0), and multiply predictions by it."
            )


def _is_equation(problem: Problem, y: Array) -> bool:
    """Whether a constant target may be the right-hand side of an equation between columns.

    So an implicit curve is fitted: the model is what has to be the same in every row.
    """
    several = len(problem.columns) > 1 or any(a.ndim > 1 for a in problem.columns.values())
    return several or float(y[0]) == 0.0


def warn_of_unused(model: Model, space: Space | None = None) -> list[str]:
    """Warn of parameters that the prediction does not contain, and return what was said.

    What only ties use is used; what is fixed or tied is not asked for.
    """
    nodes, leaves = list(model.nodes), dict(model.leaves)
    if space is not None:
        entered = space.enter(leaves, scaled=False)
        nodes, leaves = entered.placed(nodes), entered.leaves
    used = set(postorder(nodes))
    idle = [name for name, leaf in leaves.items() if leaf not in used]
    if not idle:
        return []
    its = ("its start is", "it is") if len(idle) == 1 else ("their starts are", "they are")
    text = (
        f"The model does not use {', '.join(idle)}: {its[0]} returned as {its[1]}. Leave "
        f"{'it' if len(idle) == 1 else 'them'} out of the model."
    )
    warn(text)
    return [text]

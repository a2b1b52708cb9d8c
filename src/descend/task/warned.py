"""What is said before a run: of data that cannot tell what is asked, of parameters without use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from descend.errors import warn
from descend.graph.evaluate import evaluate
from descend.graph.node import Dim, Node, postorder, sizes
from descend.methods.losses import Loss
from descend.parameters.space import Space
from descend.task.problem import Problem
from descend.task.rows import Rows
from descend.trace.model import Model

__all__ = ["is_constant", "warn_of_data", "warn_of_links", "warn_of_unused"]

Array = np.ndarray[Any, np.dtype[Any]]

TRIED, FEW_ROWS = (0.3, 3.0, 30.0), 64  # sizes of random parameters, and rows they are tried on
LEVEL = 1e-5  # of 1: what a sum of probabilities may be off
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
    if is_constant(y) and (problem.network is not None or not _is_equation(problem, y)):
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
        if len(names) == x.shape[1]:
            yield (
                f"All rows of x are the same: they tell nothing of how {problem.target} depends on "
                "it."
            )
        elif names:
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


def warn_of_links(model: Model, loss: Loss, rows: Rows) -> list[str]:
    """Warn of a model that gives probabilities to a loss of logits, and return what was said.

    That a model gives nothing else shows at random parameters of any size.
    """
    classes = loss.axis == "classes"
    if loss.link not in ("softmax", "logistic") and not getattr(loss, "from_logits", False):
        return []
    if len(model.nodes) != 1 or not (model.nodes[0].ndim > 1 or not classes):
        return []
    found = [p for size in TRIED for p in (_at_random(model, rows, size),) if p is not None]
    if not found or not all(map(_sums_to_1 if classes else _is_between, found)):
        return []
    if classes:
        k = int(model.nodes[0].shape[-1])  # type: ignore[arg-type]
        least = np.log(1 + (k - 1) * np.exp(-1.0))
        text = (
            "The model ends in a softmax: what it returns is at least 0 and sums to 1 in every "
            f'row. Loss "{loss.spelling}" takes logits and applies a softmax itself, so that here '
            f"it cannot fall below {least:.3f}. Return what stands before the softmax."
        )
    else:
        text = (
            "The model ends in a sigmoid: what it returns lies between 0 and 1 whatever the "
            f'parameters are. Loss "{loss.spelling}" takes log-odds and applies a sigmoid itself. '
            f'Return what stands before the sigmoid, or write loss="{loss.name}".'
        )
    warn(text)
    return [text]


def _at_random(model: Model, rows: Rows, size: float) -> Array | None:
    """The prediction of some rows at random parameters; None where it is not finite."""
    rng = np.random.default_rng(0)
    few = slice(None, FEW_ROWS) if isinstance(model.rows, Dim) else slice(None)
    bound: dict[Node, Array] = {model.data[n]: a[few] for n, a in rows.columns.items()}
    bound |= {node: np.asarray(array) for node, array in model.trace.captured}
    if model.training is not None:
        bound |= {one.form: one.begin for one in model.training.effects.running.values()}
    for node in model.leaves.values():
        bound[node] = np.asarray(size * rng.normal(size=sizes(node.shape)), node.dtype)
    extents = {model.rows: len(rows.extra["target"][few])} if isinstance(model.rows, Dim) else {}
    try:
        with np.errstate(all="ignore"):
            (found,) = evaluate(list(model.nodes), bound, extents)
    except (IndexError, np.linalg.LinAlgError):
        return None
    return found if np.isfinite(found).all() else None


def _sums_to_1(p: Array) -> bool:
    return bool((p >= 0).all() and np.abs(p.sum(axis=-1, dtype=float) - 1).max() <= LEVEL)


def _is_between(p: Array) -> bool:
    return bool(((p >= 0) & (p <= 1)).all())


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

"""Where in a model the numbers stop being finite: the operation, the user's line, the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.graph.evaluate import evaluate
from descend.graph.node import Dim, Node, postorder
from descend.graph.source import INPUT

if TYPE_CHECKING:
    from descend.run.finished import Finished

__all__ = ["first_not_finite"]

MOST_NUMBERS = 10_000_000

Array = np.ndarray[Any, np.dtype[Any]]


def first_not_finite(run: Finished) -> str:
    """Words for the first operation of the model that makes NaN or ∞ out of finite numbers.

    The model is evaluated in the interpreter at the parameters of the run; an empty string where
    all of it is finite there, or where it is too large to be looked through.
    """
    bound = run.bound
    if bound is None:
        return ""
    if bound.stream is None:
        return _among(run, bound.data, bound.n_rows, 0)
    pieces = (_among(run, data, len(data[0]), first) for first, data in bound.blocks())
    return next(filter(None, pieces), "")


def _among(run: Finished, data: Sequence[Array], n_rows: int, first: int) -> str:
    """The same of some rows, by the number of the first."""
    model = run.built.model
    columns = dict(zip(run.built.descent.program.data, data, strict=True))
    values: dict[Node, Any] = {n: columns[n] for n in model.data.values() if n in columns}
    last = run.leaves(best=False)
    values |= {node: np.asarray(last[name], node.dtype) for name, node in model.leaves.items()}
    values |= dict(model.trace.captured)
    extents = {model.rows: n_rows} if isinstance(model.rows, Dim) else {}
    order = [n for n in postorder(model.nodes) if n.dtype.kind == "f" and n.op is not INPUT]
    missing = any(n.op is INPUT and n not in values for n in postorder(model.nodes))
    if missing or len(order) * n_rows > MOST_NUMBERS:
        return ""
    try:
        found = dict(zip(order, evaluate(order, values, extents), strict=True)) | values
    except IndexError:  # an index beyond its array, which is told elsewhere
        return ""
    for i, node in enumerate(order):
        bad = ~np.isfinite(found[node])
        if bad.any() and all(np.isfinite(found[a]).all() for a in node.args if a in found):
            return _words(run, node, bad, order[i:], first)
    return ""


def _words(
    run: Finished, node: Node, bad: Array, following: Sequence[Node], first: int
) -> str:
    place, reached = None, {node}
    for later in following:  # a step of the user's may be several operations
        if later is node or any(a in reached for a in later.args):
            reached.add(later)
            place = run.built.model.origin(later)
            if place is not None:
                break
    what = node.op.fails or f"{node.op.name} is not finite"
    row = ""
    if node.shape and node.shape[0] is run.built.model.rows and not bad.all():
        row = f", first in row {first + int(np.argwhere(bad)[0][0])}"
    return f"{what}{row}, at {place}" if place is not None else what + row

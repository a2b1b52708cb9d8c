"""The start of scalars that have none: the best of candidates, most of which their data suggest.

A parameter that enters linearly need not be guessed: for any values of the others least squares
give it. So candidates are drawn for the others alone, and a share of them where the columns lie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.differentiate.gauss_newton import jacobian_columns
from descend.graph.evaluate import Prepared
from descend.graph.node import Node, postorder
from descend.parameters.space import Space
from descend.run.build import Built
from descend.simplify.driver import simplify
from descend.task.start import CANDIDATES, draw, lowest

__all__ = ["Linear", "best_candidate", "linear_part", "spans_of"]

Array = np.ndarray[Any, np.dtype[Any]]
MOST_SPANS = 8  # columns that candidates are drawn after
MOST_LINEAR = 32


def best_candidate(
    missing: Sequence[str], seed: int, loss: Callable[[Mapping[str, Array]], float],
    space: Space | None = None, ones: bool = True, spans: Sequence[tuple[float, float]] = (),
    solved: Callable[[dict[str, Array]], dict[str, Array]] | None = None,
) -> dict[str, Array]:  # fmt: skip
    """Return the best of 32 candidates by the loss; the first is one for every parameter.

    Args:
        ones: whether it is: without it, no two seeds have a candidate in common.
        spans: from where to where the columns go.
        solved: enters what is best for the parameters that enter linearly.

    >>> best_candidate(["a"], 0, lambda c: abs(float(c["a"]) - 1.0))
    {'a': array(1.)}
    """
    rng = np.random.default_rng(seed)
    candidates = [draw(missing, rng, space, spans) for _ in range(CANDIDATES - ones)]
    if ones:
        first = {name: np.array(1.0) for name in missing}
        inside = first if space is None else {n: space.inside(n, a) for n, a in first.items()}
        candidates = [inside, *candidates]
    if solved is not None:
        candidates = [solved(candidate) for candidate in candidates]
    return lowest(candidates, loss)


def spans_of(columns: Iterable[Array]) -> list[tuple[float, float]]:
    """From where to where each column of numbers goes, if it goes anywhere.

    >>> spans_of([np.array([3.0, 1.0, 2.0]), np.ones(3), np.array([True, False])])
    [(1.0, 3.0)]
    """
    found = []
    for column in columns:
        if column.ndim == 1 and column.dtype.kind in "fiu" and column.size:
            low, high = float(column.min()), float(column.max())
            if low < high < np.inf:
                found.append((low, high))
    return found[:MOST_SPANS]


class Linear(NamedTuple):
    """The parameters that the residual is linear in, all together, whatever the others are.

    Attributes:
        names: of these parameters.
        prepared: the residual and its derivatives by each of them.
    """

    names: tuple[str, ...]
    prepared: Prepared

    def solved(
        self, values: Mapping[Node, Array], leaves: Mapping[str, Node], extents: Any,
        candidate: dict[str, Array],
    ) -> dict[str, Array]:  # fmt: skip
        """The candidate with the least squares solution for the linear parameters.

        Args:
            values: of every input of the graph, but for the candidate's.
        """
        own = {leaves[name]: array for name, array in candidate.items()}
        own |= {leaves[name]: np.array(0.0) for name in self.names}
        bound = {**values, **own}
        with np.errstate(all="ignore"):
            try:
                residual, *columns = self.prepared(
                    [bound[n] for n in self.prepared.inputs], extents
                )
            except IndexError:  # told of before the run
                return candidate
            slopes = np.stack([np.broadcast_to(c, residual.shape).ravel() for c in columns], 1)
            lengths = np.sqrt(np.sum(slopes * slopes, axis=0))
            usable = np.isfinite(residual).all() and np.isfinite(lengths).all()
            if not usable or not lengths.any():
                return candidate
            lengths[lengths == 0] = 1.0
            found = np.linalg.lstsq(slopes / lengths, -residual.ravel(), rcond=None)[0] / lengths
        if not np.isfinite(found).all():
            return candidate
        return candidate | {n: np.array(v) for n, v in zip(self.names, found, strict=True)}


def linear_part(
    built: Built, missing: Sequence[str], values: Iterable[Node], space: Space | None
) -> Linear | None:
    """Which of the missing scalars enter linearly together; None where none can be told.

    Args:
        values: the inputs of the graph besides the missing scalars.
    """
    key = tuple(missing)
    kept = built.extras.get("linear")
    if kept is None or kept[0] != key:
        kept = built.extras["linear"] = key, _linear_part(built, missing, list(values), space)
    found: Linear | None = kept[1]
    return found


def _linear_part(
    built: Built, missing: Sequence[str], values: list[Node], space: Space | None
) -> Linear | None:
    residual = built.descent.residual
    if residual is None or (space is not None and (space.ties or space.scales)):
        return None
    names = [n for n in missing if space is None or not space.bounded(n)]
    leaves = {name: built.model.leaves[name] for name in names}
    if not names or len(names) > MOST_LINEAR or residual.dtype.kind != "f":
        return None
    columns = simplify(jacobian_columns(residual, list(leaves.values())), final=True)
    below = {name: set(postorder([c])) for name, c in zip(names, columns, strict=True)}
    against = {
        a: {b for b in names if leaves[b] in below[a] or leaves[a] in below[b]} for a in names
    }
    chosen: list[str] = []
    for name in sorted(names, key=lambda n: (len(against[n]), names.index(n))):
        if name not in against[name] and not against[name] & set(chosen):
            chosen.append(name)
    if not chosen:
        return None
    outputs = [residual, *(c for n, c in zip(names, columns, strict=True) if n in chosen)]
    inputs = [*values, *(built.model.leaves[n] for n in missing)]
    used = set(postorder(outputs))
    return Linear(
        tuple(n for n in names if n in chosen), Prepared(outputs, [n for n in inputs if n in used])
    )

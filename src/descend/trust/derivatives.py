"""The gradient of a fit's loss on all its rows, compiled, and how sharply the loss bends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from descend.compile.function import NativeFunction, compile_graph
from descend.compile.native import NotNative
from descend.differentiate.reverse import reverse
from descend.errors import UsageError
from descend.graph.evaluate import Prepared, bind_extents
from descend.graph.node import Node, RowsAsked, postorder
from descend.graph.source import const, input_node
from descend.parameters.flat import flat, leaf_by_leaf
from descend.run.build import Built
from descend.run.job import Job
from descend.run.view import view_of
from descend.simplify.driver import simplify

__all__ = ["LossSlopes"]

Array = np.ndarray[Any, np.dtype[Any]]
MOST_WHOLE = 64  # numbers of which the Hessian is written out
TOLERANCE = {4: 1e-3, 8: 1e-9}  # of an eigenvalue that is searched for, by bytes of a number


class LossSlopes:
    """The loss of a fit as a function of what it varies: its gradient, and its largest curvature.

    Both are of what the method descends: penalties included, in the units that the program sees.

    Args:
        leaves: all parameters; fixed ones stay as they are here.
    """

    def __init__(self, job: Job, built: Built, leaves: Mapping[str, Array]) -> None:
        view = view_of(job, built, leaves)
        self.leaves = view.leaves
        self._inputs = {name: view.built.model.leaves[name] for name in self.leaves}
        self._bound, self._extents = view.job.inputs_at(view.built, self.leaves)
        objective = view.built.descent.objective
        self._slopes = reverse(
            [objective], [const(1, objective.dtype)], [*self._inputs.values()]
        )
        self._gradient = _Compiled(self._slopes, self._bound, self._extents)
        self._product: _Compiled | None = None

    def gradient(self, leaves: Mapping[str, Array]) -> dict[str, Array]:
        """The gradient by each varied leaf, at other values of these."""
        found = self._gradient(self._at(leaves))
        return dict(zip(self._inputs, found, strict=True))

    def times(self, leaves: Mapping[str, Array], direction: Array) -> Array:
        """The Hessian there times a direction (p,): the derivative of the gradient along it."""
        if self._product is None:
            self._seeds = {
                n: input_node(f"direction of {n}", node.shape, node.dtype)
                for n, node in self._inputs.items()
            }
            nodes = reverse(self._slopes, [*self._seeds.values()], [*self._inputs.values()])
            seeds = dict.fromkeys(self._seeds.values(), np.zeros(()))
            self._product = _Compiled(nodes, self._bound | seeds, self._extents)
        parts = leaf_by_leaf(direction, self.leaves)
        given = {self._seeds[n]: np.asarray(a, self._seeds[n].dtype) for n, a in parts.items()}
        found = self._product(self._at(leaves) | given)
        return np.concatenate([np.asarray(a, np.float64).reshape(-1) for a in found])

    def sharpness(self, leaves: Mapping[str, Array]) -> float:
        """The largest eigenvalue of the Hessian there; NaN where it is not finite.

        Of few numbers the matrix is taken apart, of many it is found by Lanczos' method.
        """
        size = flat(self.leaves).size
        if size <= MOST_WHOLE:
            matrix = np.array([self.times(leaves, unit) for unit in np.eye(size)])
            if not np.isfinite(matrix).all():
                return float("nan")
            return float(np.linalg.eigvalsh((matrix + matrix.T) / 2)[-1])
        from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

        operator = LinearOperator(
            (size, size), matvec=lambda v: self.times(leaves, v.reshape(-1)), dtype=np.float64
        )
        single = min(a.dtype.itemsize for a in self.leaves.values())
        start = np.random.default_rng(0).normal(size=size)
        try:
            (found,) = eigsh(
                operator, k=1, which="LA", v0=start, tol=TOLERANCE[single],
                return_eigenvectors=False,
            )  # fmt: skip
        except (ArpackError, ValueError):
            return float("nan")
        return float(found)

    def _at(self, leaves: Mapping[str, Array]) -> dict[Node, Array]:
        return {
            node: np.asarray(leaves[name], node.dtype) for name, node in self._inputs.items()
        }


class _Compiled:
    """Some nodes as a function of their inputs: native, or interpreted where they cannot be."""

    def __init__(
        self, nodes: Sequence[Node], bound: Mapping[Node, Array], extents: Mapping[Any, int]
    ) -> None:
        outputs = simplify(list(nodes), final=True)
        used = {*postorder(outputs)}
        self._known = {node: a for node, a in bound.items() if node in used}
        self._extents = extents
        self._native: NativeFunction | None = None
        try:
            self._native = compile_graph(outputs, [*self._known])
        except (NotNative, RowsAsked, UsageError):
            self._prepared = Prepared(outputs, self._known)

    def __call__(self, given: Mapping[Node, Array]) -> list[Array]:
        values = {node: given.get(node, a) for node, a in self._known.items()}
        if self._native is not None:
            return self._native([*values.values()])
        extents = {**self._extents, **bind_extents(values)}
        with np.errstate(all="ignore"):
            return list(self._prepared([*values.values()], extents))

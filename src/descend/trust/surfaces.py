"""From a fit to the surface that its refits walk on: S with gradient and curvature, compiled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from descend.compile.function import compile_graph
from descend.compile.native import NotNative
from descend.differentiate.batch import batch
from descend.differentiate.gauss_newton import jacobian_columns, normal_equations
from descend.differentiate.reverse import reverse
from descend.graph.elementwise import call
from descend.graph.evaluate import Prepared, bind_extents
from descend.graph.linear import concatenate, reduce_sum, reshape
from descend.graph.node import Dim, Node
from descend.graph.source import const, input_node
from descend.parameters.flat import flat, leaf_by_leaf, names_of
from descend.program.pipeline import DescentBuilder
from descend.program.recipe import Recipe
from descend.simplify.driver import simplify
from descend.trust.complete import Completion
from descend.trust.surface import Local, Slope, Surface

__all__ = ["Landscape"]

Array = np.ndarray[Any, np.dtype[Any]]
LIKELIHOODS = ("poisson", "gaussian_nll", "bce", "cross_entropy")
MOST_NUMBERS, FEW, MANY = 1 << 21, 8, 512


class Landscape:
    """Makes the surface of a finished fit, and the programs that evaluate it.

    A program takes as many points at once as fit into the cache; there is one for points alone,
    and one each for points with targets or weights of their own.
    """

    def __init__(
        self, evidence: Completion, bounds: Mapping[str, tuple[float, float]]
    ) -> None:
        self.job, self.built, self.leaves = evidence.job, evidence.built, evidence.leaves
        self.absolute, self.rows, self.bounds = evidence.absolute, evidence.rows, bounds
        self.names = tuple(names_of(self.leaves))
        loss, plain = self.job.settings.loss, self.job.settings.penalty is None
        rows = loss is not None and loss.axis != "kept"
        self.count = int(self.rows.n_rows if rows else self.rows.extra["target"].size)
        self.squares = self.built.descent.residual is not None and plain

    @property
    def is_likelihood(self) -> bool:
        """Whether twice the loss is the deviance of a likelihood."""
        loss = self.job.settings.loss
        return loss is not None and loss.name in LIKELIHOODS and self.job.settings.penalty is None

    def surface(self) -> Surface:
        """The surface, with the data of the fit and with others."""
        edges = [self.bounds.get(name, (-math.inf, math.inf)) for name in self.names]
        lower, upper = (np.array(side, np.float64) for side in zip(*edges, strict=True))
        local = self.others(None, None)
        best = np.asarray(flat(self.leaves), np.float64)
        spread, dof = 1.0, math.inf
        if not self.absolute and not self.is_likelihood:
            value = float(local(best[None], np.zeros(1, np.intp)).value[0])
            dof = self.rows.counted - int((lower < upper).sum())
            spread = value / dof if dof > 0 else math.nan
        return Surface(
            self.names, best, lower, upper, self.count, spread, dof, local, self.others,
            not self.squares,
        )  # fmt: skip

    # --- programs

    def others(self, targets: Array | None, weights: Array | None) -> Local:
        """S with other targets or row weights; see `Surface`."""
        given = {"target": targets, "sample_weight": weights}
        own = {name: array for name, array in given.items() if array is not None}
        known = self._known()

        def local(points: Array, which: Array) -> Slope:
            parts = []
            lanes = self._lanes(len(points))
            program = self._program(lanes, tuple(own))
            for at in range(0, len(points), lanes):
                chosen = np.arange(at, min(at + lanes, len(points)))
                padded = np.resize(chosen, lanes) if len(chosen) < lanes else chosen
                cases = {name: array[which[padded]] for name, array in own.items()}
                found = program(points[padded], {**known, **cases}, self.leaves)
                parts.append([part[: len(chosen)] for part in found])
            value, gradient, curvature = (np.concatenate(p) for p in zip(*parts, strict=True))
            if not self.squares:
                value, gradient, curvature = (
                    self.count * part for part in (2 * value, gradient, curvature)
                )
            return Slope(value, gradient, curvature)

        return local

    def _program(self, lanes: int, own: tuple[str, ...]) -> _Program:
        """The program for so many points at once, kept as long as that of the descent."""
        key = f"surface of {lanes}, {', '.join(own)}"
        if key not in self.built.extras:
            self.built.extras[key] = _Program(self, lanes, own)
        program: _Program = self.built.extras[key]
        return program

    def _lanes(self, points: int) -> int:
        """How many points go at once: few or many, within a bounded memory."""
        most = MOST_NUMBERS // max(1, self.count)
        wanted = FEW if points <= 4 * FEW else MANY
        return max(1, min(wanted, 1 << max(0, most.bit_length() - 1)))

    def _known(self) -> dict[str, Any]:
        """Every input that the cases share, by name."""
        rows = self.rows
        found = {**rows.all(), **self.job.numbers()}
        found.setdefault("sample_weight", np.ones(rows.n_rows))
        return found

    def recipe(self) -> Recipe:
        """The recipe of the fit, with a weight for every row."""
        return replace(self.job.recipe(None), weighted=True)


class _Program:
    """S, half its gradient and half its second derivatives, for several points at once."""

    def __init__(self, of: Landscape, lanes: int, own: Sequence[str]) -> None:
        model = of.built.model
        building = DescentBuilder(model, of.recipe())
        building.loss()
        self.leaves = list(model.leaves.values())
        one = _slope(building, self.leaves) if of.squares else _exact_slope(building, self.leaves)
        inputs = {**building.data, **building.fixed}
        self.captured = building.captured
        self.names = list(inputs)
        many = {n: input_node("points", (lanes, *n.shape), n.dtype) for n in self.leaves}
        for name in own:
            node = inputs[name]
            many[node] = input_node(f"{name}s", (lanes, *node.shape), node.dtype)
        outputs = simplify(batch(one, many, lanes), final=True)
        self.inputs = [many.get(n, n) for n in (*self.leaves, *inputs.values())]
        try:
            self.run: Any = compile_graph(outputs, self.inputs)
        except NotNative:
            prepared = Prepared(outputs, self.inputs)
            self.run = lambda values: prepared(values, _extents(self.inputs, values))

    def __call__(
        self, points: Array, known: Mapping[str, Any], like: Mapping[str, Array]
    ) -> list[Array]:
        values = [*leaf_by_leaf(points, like).values()]
        values += [np.asarray(self.captured.get(n, known.get(n))) for n in self.names]
        return [np.asarray(part, np.float64) for part in self.run(values)]


def _extents(inputs: Sequence[Node], values: Sequence[Array]) -> Mapping[Dim, int]:
    arrays = [np.asarray(v, n.dtype) for n, v in zip(inputs, values, strict=True)]
    return bind_extents(dict(zip(inputs, arrays, strict=True)))


def _slope(building: DescentBuilder, leaves: Sequence[Node]) -> list[Node]:
    """rᵀr, Jᵀr and JᵀJ of the residuals."""
    residual = building.residual
    assert residual is not None
    value = reduce_sum(call("mul", residual, residual), tuple(range(residual.ndim)))
    matrix, side = normal_equations(residual, leaves)
    return [value, side, matrix]


def _exact_slope(building: DescentBuilder, leaves: Sequence[Node]) -> list[Node]:
    """The mean loss with its gradient and its second derivatives: reverse, then forward mode."""
    objective = building.objective
    found = reverse([objective], [const(1, objective.dtype)], leaves)
    gradient = concatenate([reshape(g, (g.size,)) for g in found], 0)
    columns = jacobian_columns(gradient, leaves)
    width = gradient.size
    flat = [reshape(c, (width, 1)) for c in columns]
    return [objective, gradient, concatenate(flat, 1)]

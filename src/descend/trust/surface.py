"""The surface that a fit has found the lowest place of: S and its slopes, at many points at once.

Profiles, contours and bootstraps all walk on it.
"""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np

from descend.compile.function import compile_graph
from descend.compile.native import NotNative
from descend.differentiate.batch import batch
from descend.differentiate.gauss_newton import jacobian_columns, normal_equations
from descend.differentiate.reverse import reverse
from descend.graph.elementwise import call
from descend.graph.evaluate import Prepared, bind_extents
from descend.graph.linear import concatenate, reduce_sum, reshape
from descend.graph.node import Node
from descend.graph.source import const, input_node
from descend.parameters.flat import flat, leaf_by_leaf, names_of
from descend.program.pipeline import DescentBuilder
from descend.simplify.driver import simplify
from descend.trust.complete import Completion

__all__ = ["Cases", "Slope", "Surface"]

Array = np.ndarray[Any, np.dtype[Any]]
Cases = Mapping[str, Array]
"""Data sets of their own for some columns: `target` (m, ...) or `sample_weight` (m, rows)."""
MOST_NUMBERS, FEW, MANY = 1 << 21, 8, 512


class Slope(NamedTuple):
    """S ≈ value + 2·gradient·δ + δᵀ·curvature·δ, for k points at once.

    Attributes:
        value: (k,) the sum of squares, or twice the negative logarithm of the likelihood.
        gradient: (k, p) half its gradient: Jᵀr.
        curvature: (k, p, p) half its second derivatives: JᵀJ.
    """

    value: Array
    gradient: Array
    curvature: Array


class Surface:
    """S over the free parameters of a finished fit, which is lowest at `best`.

    Attributes:
        names: one a free number.
        best, lower, upper: (p,) the lowest place, and the bounds.
        count: the number n of residuals.
        squares: whether S is a sum of squares; else its curvature may be indefinite.
        spread: s², by which S is divided to be compared with quantiles.
        dof: degrees of freedom of s²; infinite where the scale is known.
    """

    def __init__(self, evidence: Completion, bounds: Mapping[str, tuple[float, float]]) -> None:
        self.evidence = evidence
        self.loss = evidence.job.settings.loss
        self.squares = evidence.squares
        plain = evidence.job.settings.penalty is None
        self.is_likelihood = plain and self.loss is not None and self.loss.is_likelihood
        self.count = evidence.n_entries()
        self.names = tuple(names_of(evidence.leaves))
        edges = [bounds.get(name, (-math.inf, math.inf)) for name in self.names]
        self.lower, self.upper = (np.array(side, np.float64) for side in zip(*edges, strict=True))
        self.best = np.asarray(flat(evidence.leaves), np.float64)
        self.spread, self.dof = 1.0, math.inf
        if not evidence.absolute and not self.is_likelihood:
            self.dof = evidence.rows.counted - int((self.lower < self.upper).sum())
            self.spread = self.value / self.dof if self.dof > 0 else math.nan

    def moved(self, best: Array) -> Self:
        """The same surface with another place as its lowest."""
        other = copy.copy(self)
        for name in ("at_best", "held", "inverse"):
            vars(other).pop(name, None)
        other.best = best
        return other

    # --- at the lowest place

    @functools.cached_property
    def at_best(self) -> Slope:
        """The slope at the lowest place."""
        return self.slope(self.best[None])

    @property
    def value(self) -> float:
        """S at the lowest place."""
        return float(self.at_best.value[0])

    @functools.cached_property
    def held(self) -> Array:
        """(p,) which parameters lie on a bound that keeps them from going on."""
        slope = self.at_best.gradient[0]
        low, high = self.best <= self.lower, self.best >= self.upper
        return np.asarray((low & (slope >= 0)) | (high & (slope <= 0)))

    @functools.cached_property
    def inverse(self) -> Array:
        """(p, p) the inverse of the curvature; zero for those that are held."""
        free = np.flatnonzero(~self.held)
        matrix = self.at_best.curvature[0][np.ix_(free, free)]
        scale = np.sqrt(np.maximum(np.diag(matrix), np.finfo(float).tiny))
        found = np.zeros((self.best.size, self.best.size))
        inner = np.linalg.pinv(matrix / np.outer(scale, scale), rcond=1e-14, hermitian=True)
        found[np.ix_(free, free)] = inner / np.outer(scale, scale)
        return found

    # --- anywhere

    def slope(self, points: Array, cases: Cases | None = None, which: Any = None) -> Slope:
        """S around points (k, p), with the data of the fit or with others.

        Args:
            cases: data sets of their own. which: (k,) whose each point is.
        """
        cases = cases or {}
        parts = []
        lanes = self._lanes(len(points))
        program = self._program(lanes, tuple(cases))
        for at in range(0, len(points), lanes):
            chosen = np.arange(at, min(at + lanes, len(points)))
            padded = np.resize(chosen, lanes) if len(chosen) < lanes else chosen
            own = {name: array[which[padded]] for name, array in cases.items()}
            found = program(points[padded], {**self._shared, **own}, self.evidence.leaves)
            parts.append([part[: len(chosen)] for part in found])
        value, gradient, curvature = (np.concatenate(p) for p in zip(*parts, strict=True))
        if not self.squares:
            n = self.count
            value, gradient, curvature = 2 * n * value, n * gradient, n * curvature
        return Slope(value, gradient, curvature)

    def _lanes(self, points: int) -> int:
        """How many points go at once: few or many, within a bounded memory."""
        most = MOST_NUMBERS // max(1, self.count)
        wanted = FEW if points <= 4 * FEW else MANY
        return max(1, min(wanted, 1 << max(0, most.bit_length() - 1)))

    def _program(self, lanes: int, own: tuple[str, ...]) -> _Program:
        """The program for so many points at once, kept as long as that of the descent."""
        key, extras = f"surface of {lanes}, {', '.join(own)}", self.evidence.built.extras
        if key not in extras:
            extras[key] = _Program(self, lanes, own)
        program: _Program = extras[key]
        return program

    @functools.cached_property
    def _shared(self) -> dict[str, Any]:
        """Every input that the points share, by name."""
        rows = self.evidence.rows
        found = {**rows.all(), **self.evidence.job.numbers()}
        found.setdefault("sample_weight", np.ones(rows.n_rows))
        return found


class _Program:
    """S, half its gradient and half its second derivatives, for several points at once.

    It takes as many as fit into the cache; which columns are a point's own is part of it.
    """

    def __init__(self, of: Surface, lanes: int, own: Sequence[str]) -> None:
        model = of.evidence.built.model
        recipe = replace(of.evidence.job.recipe(None), weighted=True)
        building = DescentBuilder(model, recipe)
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
            self.run = lambda values: prepared(values, self._extents(values))

    def __call__(
        self, points: Array, known: Mapping[str, Any], like: Mapping[str, Array]
    ) -> list[Array]:
        values = [*leaf_by_leaf(points, like).values()]
        values += [np.asarray(self.captured.get(n, known.get(n))) for n in self.names]
        return [np.asarray(part, np.float64) for part in self.run(values)]

    def _extents(self, values: Sequence[Array]) -> Any:
        pairs = zip(self.inputs, values, strict=True)
        return bind_extents({n: np.asarray(v, n.dtype) for n, v in pairs})


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

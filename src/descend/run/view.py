"""A fit as its varied parameters see it: what is fixed is data, and ties are part of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from descend.differentiate.gauss_newton import jacobian_columns
from descend.graph.evaluate import evaluate
from descend.parameters.space import FIXED, Space
from descend.program.objective import Curvature
from descend.run.build import Built
from descend.run.job import Job

__all__ = ["View", "free_count", "on_bounds", "tied_errors", "view_of"]

Array = np.ndarray[Any, np.dtype[Any]]
GRAPHS = ("jacobian", "curved", "observed", "prepared")
"""What is made later for a view and holds no values."""


class View(NamedTuple):
    """A job, what was built for it, and its leaves, where all leaves are varied."""

    job: Job
    built: Built
    leaves: dict[str, Array]


def view_of(job: Job, built: Built, leaves: Mapping[str, Array]) -> View:
    """Return the fit with nothing but its varied parameters, each on its own scale."""
    space = job.space
    if space is None:
        return View(job, built, dict(leaves))
    values = {name: leaves[name] for name in leaves if name in space.fixed}
    key = tuple((name, a.tobytes()) for name, a in values.items())
    kept = built.extras.get("view")
    if kept is None:
        kept = built.extras["view"] = key, _viewed(space, built, values)
    elif kept[0] != key:
        kept = built.extras["view"] = key, _holding(kept[1], built, values)
    varied = {name: a for name, a in leaves.items() if space.varies(name)}
    return View(replace(job, space=None), kept[1], varied)


def _viewed(space: Space, built: Built, values: Mapping[str, Array]) -> Built:
    model, made, c = built.model, built.descent, built.descent.curvature
    entered = space.enter(model.leaves, scaled=False)
    parts = [] if c is None else [getattr(c, f.name) for f in fields(c)]
    objective, residual, *others = entered.placed(
        [made.objective, made.residual, *parts, *model.nodes]
    )
    held = {f"{FIXED} {name}": a for name, a in values.items()}
    trace = model.trace.capturing([(entered.fixed[name], a) for name, a in held.items()])
    nodes = tuple(others[len(parts) :])
    return replace(
        built,
        model=replace(model, leaves=entered.leaves, nodes=nodes, trace=trace),
        descent=replace(
            made, objective=objective, residual=residual,
            curvature=None if c is None else Curvature(*others[: len(parts)]),
            inputs={**made.inputs, **{name: entered.fixed[name] for name in held}},
            captured={**made.captured, **held},
        ),
        extras={},
    )  # fmt: skip


def _holding(view: Built, built: Built, values: Mapping[str, Array]) -> Built:
    """The same view with other fixed values; the graphs that were made for it serve again."""
    held = {f"{FIXED} {name}": a for name, a in values.items()}
    made, inputs = view.descent, view.descent.inputs
    trace = built.model.trace.capturing([(inputs[name], a) for name, a in held.items()])
    return replace(
        view,
        model=replace(view.model, trace=trace),
        descent=replace(made, captured={**built.descent.captured, **held}),
        extras={name: view.extras[name] for name in GRAPHS if name in view.extras},
    )


def on_bounds(space: Space | None, leaves: Mapping[str, Array]) -> Array:
    """Which numbers of these leaves lie on a bound, one after the other."""
    found = []
    for leaf, array in leaves.items():
        low, high = (-np.inf, np.inf) if space is None else space.edges(leaf)
        found.append(np.reshape((array <= low) | (array >= high), -1))
    return np.concatenate(found) if found else np.zeros(0, bool)


def free_count(space: Space | None, leaves: Mapping[str, Array]) -> int:
    """How many numbers of varied leaves nothing holds fast."""
    return sum(a.size for a in leaves.values()) if space is None else space.count(leaves)


def tied_errors(
    job: Job, built: Built, leaves: Mapping[str, Array], covariance: Array
) -> dict[str, Array]:
    """The standard errors of tied leaves, by the derivatives of their expressions.

    Args:
        leaves: every leaf of the model.
        covariance: of the varied numbers; NaN for those that have none.
    """
    space = job.space
    if space is None or not space.ties:
        return {}
    entered = space.enter(built.model.leaves, scaled=False)
    own = list(entered.leaves.values())
    bound = {node: leaves[name] for name, node in built.model.leaves.items()}
    known = ~np.isnan(np.diag(covariance))
    found = {}
    for name in space.ties:
        node = entered.places[built.model.leaves[name]]
        shape = np.shape(leaves[name])
        columns = evaluate(jacobian_columns(node, own), bound) if own else []
        slopes = np.stack([np.broadcast_to(c, shape).reshape(-1) for c in columns], 1)
        inner = slopes[:, known]
        square = np.einsum("ij,jk,ik->i", inner, covariance[np.ix_(known, known)], inner)
        unknown = (slopes[:, ~known] != 0).any(axis=1)
        errors = np.where(unknown | (square == 0), np.nan, np.sqrt(square))
        found[name] = errors.reshape(shape)
    return found

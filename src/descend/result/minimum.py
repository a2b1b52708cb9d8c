"""What `minimize` returns: a record that can also be drawn, and the run that stands behind it."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.differentiate.reverse import reverse
from descend.errors import UsageError, ends_at_users_line
from descend.graph.evaluate import Prepared, concrete, evaluate
from descend.graph.node import Dim, Node
from descend.graph.source import const
from descend.judge.ending import plainly_said
from descend.judge.verdict import judged
from descend.lean import dataclass
from descend.methods.base import STATUS, UNBOUNDED
from descend.parameters.flat import flat, leaf_by_leaf, names_of
from descend.records.record import Minimum, defaults_of, values_of
from descend.result.finish import warn_of_end
from descend.result.fit import Evident
from descend.result.graph_json import graph_from_json, model_parts
from descend.result.story import run_fields
from descend.run.build import Built
from descend.run.finished import Finished
from descend.run.job import Job
from descend.run.plan import Run
from descend.run.predictor import Predictor
from descend.run.view import on_bounds, tied_errors, view_of
from descend.trust.covariance import NOT_ARRIVED
from descend.trust.curved import observed_errors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MinimumFound", "finish_clear_minimum", "finish_minimum"]

Array = np.ndarray[Any, np.dtype[Any]]
UPWARDS = {
    STATUS[UNBOUNDED].message: "the value rises without end: there is no maximum there",
    "the loss still falls": "the value still rises",
    "the loss falls from there": "the value rises from there",
    "no minimum there": "no maximum there",
    "lowers the loss": "raises the value",
    "the loss would fall": "the value would rise",
    "the loss": "the value",
}
"""What the words of a descent are for `maximize`."""


def finish_minimum(run: Finished) -> MinimumFound:
    """Make the record of a finished run, and warn where it did not go well."""
    run.judgement = judged(run)
    values = _parts_of(run)
    warn_of_end(run.judgement._replace(message=values["message"]))
    return MinimumFound(MinimumEvidence(run), **values)


def finish_clear_minimum(run: Run, status: str) -> MinimumFound:
    """The record of a run whose end leaves no doubt."""
    params = _bare(run.params(), run.plan.job)
    return MinimumFound(MinimumEvidence(run), params, status)


def _parts_of(run: Finished) -> dict[str, Any]:
    """The fields of the record."""
    assert run.judgement is not None
    leaves, sign = run.leaves(), run.job.settings.sign
    status, message, arrived, *_ = run.judgement
    for down, up in UPWARDS.items() if sign < 0 else ():
        message = message.replace(down, up)
    value, gradient = _value_and_gradient(run.job, run.built, leaves)
    found = run_fields(run)
    if sign < 0:
        found["history"].loss = -found["history"].loss
    trees = {
        "params": leaves, "gradient": {n: sign * g for n, g in gradient.items()},
        "start": run.begin,
    }  # fmt: skip
    return {
        **found, **_errors_of(run, leaves, arrived),
        **{name: _bare(run.trees(own), run.job) for name, own in trees.items()},
        "function": run.job.problem.name, "value": sign * value, "maximize": sign < 0,
        "status": status, "message": message, "arrived": arrived,
        "iterations": run.control.epoch,
    }  # fmt: skip


def _errors_of(run: Finished, leaves: Mapping[str, Array], arrived: str) -> dict[str, Any]:
    """The fields of the standard errors of a likelihood; none of any other function."""
    if not run.options.likelihood:
        return {}
    if arrived == "no":
        return {"errors_note": NOT_ARRIVED}
    view = view_of(run.job, run.built, leaves)
    bound, extents = view.job.inputs_at(view.built, view.leaves, 1)
    found = observed_errors(
        view.built, flat(view.leaves), names_of(view.leaves), on_bounds(run.job.space, view.leaves),
        lambda nodes: evaluate(nodes, bound, extents), 1,
    )  # fmt: skip
    if found.covariance is None:
        return {"errors_note": found.note}
    errors = {n: np.full(np.shape(a), np.nan) for n, a in leaves.items()}
    errors |= leaf_by_leaf(np.sqrt(np.diag(found.covariance)), view.leaves)
    errors |= tied_errors(run.job, run.built, {**leaves}, found.covariance)
    return {
        "covariance": found.covariance, "errors_note": found.note,
        "stderr": _bare(run.trees(errors), run.job),
    }  # fmt: skip


def _bare(tree: Mapping[str, Any], job: Job) -> Any:
    """Parameters as they were given: those of the only argument may stand without its name."""
    return next(iter(tree.values())) if job.problem.bare else tree


def _value_and_gradient(
    job: Job, built: Built, leaves: Mapping[str, Array]
) -> tuple[float, dict[str, Array]]:
    """The function (negated to maximise) and its gradient at a place; the graph is kept."""
    made, model = built.descent, built.model
    given, _ = job.inputs_at(built, leaves, 1)
    prepared: Prepared | None = built.extras.get("slopes")
    if prepared is None:
        seed, objective = const(1, made.objective.dtype), _objective(job, built)
        slopes = reverse([objective], [seed], list(model.leaves.values()))
        prepared = Prepared([made.objective, *slopes], list(given))
        built.extras["slopes"] = prepared
    value, *found = prepared([np.asarray(a) for a in given.values()], {})
    return float(value), dict(zip(model.leaves, found, strict=True))


def _objective(job: Job, built: Built) -> Node:
    """What is minimised, with ties in their places."""
    objective = built.descent.objective
    if job.space is not None:
        (objective,) = job.space.enter(built.model.leaves, scaled=False).placed([objective])
    return objective


class MinimumEvidence:
    """What stands behind a minimum: the run, asked when somebody looks."""

    def __init__(self, run: Run | Finished) -> None:
        self._run = run

    @property
    def finished(self) -> Finished:
        """The run."""
        if isinstance(self._run, Finished):
            return self._run
        found = self._run.finished()
        # An end that was clear is told as it is.
        found.judgement = found.judgement or plainly_said(found)._replace(arrived="not judged")
        return found

    @functools.cached_property
    def graph(self) -> Predictor:
        """The function as a graph, with what it has captured."""
        run, model = self.finished, self.finished.built.model
        given, _ = run.job.inputs_at(run.built, run.begin, 1)
        captured = [(node, a) for node, a in given.items() if node not in model.leaves.values()]
        return Predictor((_objective(run.job, run.built),), {}, model.leaves, captured, model.rows)

    def fields(self, name: str, record: Any) -> Mapping[str, Any]:
        """A field of the record, with those that are worked out together with it."""
        if name == "value" and isinstance(self._run, Run) and self._run.plan.bound is None:
            plan, leaves = self._run.plan, self._run.leaves()
            found, _ = _value_and_gradient(plan.job, plan.built, leaves)
            return {"value": plan.job.settings.sign * found}
        return defaults_of(Minimum, OF_RUN) | _parts_of(self.finished)


KNOWN = ("params", "status", "success", "verdict")
OF_RUN = tuple(f.name for f in fields(Minimum) if f.name not in KNOWN)


class MinimumFound(Evident, Minimum):
    """A finished minimisation (or maximisation)."""

    __slots__ = ("_evidence",)

    _record = Minimum
    _evidence: MinimumEvidence | Kept

    def _told(self) -> tuple[str, list[Any]]:
        from descend.show.report import minimum_told

        return minimum_told(self)

    @ends_at_users_line
    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw the way taken and the course of the value.

        Raises:
            UsageError: the path cannot be written.
        """
        from descend.show.paths import plot_minimum

        graph, sign = self._evidence.graph, -1.0 if self.maximize else 1.0
        return plot_minimum(self, path, None if graph is None else _of_numbers(graph, sign))

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle holds the numbers and words, and the function as a list of operations."""
        graph = self._evidence.graph
        try:
            parts = None if graph is None else model_parts(graph)
        except UsageError:  # what cannot be written down is left out
            parts = None
        return _of_parts, (values_of(self), parts)


def _of_numbers(graph: Predictor, sign: float) -> Callable[[Array], float]:
    """The function of all numbers in one flat array, as pictures want it."""
    captured = dict(graph.captured)
    prepared = Prepared(graph.outputs, [*graph.leaves.values(), *captured])
    extents = {graph.rows: 1} if isinstance(graph.rows, Dim) else {}
    like = {n: np.zeros(concrete(node.shape, extents)) for n, node in graph.leaves.items()}

    def value(numbers: Array) -> float:
        leaves = leaf_by_leaf(np.asarray(numbers), like)
        try:
            (found,) = prepared([*leaves.values(), *captured.values()], extents)
        except IndexError:
            return math.nan
        return sign * float(found)

    return value


@dataclass(frozen=True)
class Kept:
    """What stands behind a minimum that was pickled: its record is whole, the run is gone."""

    graph: Predictor | None

    def fields(self, name: str, record: Any) -> Mapping[str, Any]:
        """What an older pickle does not know has its default."""
        return defaults_of(Minimum, [name])


def _of_parts(values: Mapping[str, Any], parts: tuple[Any, ...] | None) -> MinimumFound:
    return MinimumFound(Kept(None if parts is None else graph_from_json(*parts)), **values)

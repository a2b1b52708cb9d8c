"""What `minimize` returns: a record that can also be drawn, and the run that stands behind it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.differentiate.reverse import reverse
from descend.graph.evaluate import Prepared, evaluate
from descend.graph.source import const
from descend.judge.ending import plainly_said
from descend.judge.verdict import judged
from descend.methods.base import STATUS, UNBOUNDED
from descend.parameters.flat import flat, leaf_by_leaf, names_of
from descend.records.record import Minimum, defaults_of
from descend.result.finish import warn_of_end
from descend.result.fit import Evident
from descend.result.story import run_fields
from descend.run.build import Built
from descend.run.finished import Finished
from descend.run.job import Job
from descend.run.plan import Run
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
    status, message, arrived, _ = run.judgement
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
        lambda nodes: evaluate(nodes, bound, extents), lambda: 1,
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
        seed, space, objective = const(1, made.objective.dtype), job.space, made.objective
        if space is not None:
            (objective,) = space.enter(model.leaves, scaled=False).placed([objective])
        slopes = reverse([objective], [seed], list(model.leaves.values()))
        prepared = Prepared([made.objective, *slopes], list(given))
        built.extras["slopes"] = prepared
    value, *found = prepared([np.asarray(a) for a in given.values()], {})
    return float(value), dict(zip(model.leaves, found, strict=True))


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

    def function(self, numbers: Array) -> float:
        """The function of all numbers in one flat array, as pictures want it."""
        run = self.finished
        leaves = leaf_by_leaf(np.asarray(numbers), run.begin)
        return run.job.settings.sign * run.job.loss_at(run.built, run.begin)(leaves)

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
    _evidence: MinimumEvidence | OfNumbers

    def _told(self) -> tuple[str, list[Any]]:
        from descend.show.report import minimum_told

        return minimum_told(self)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw the way taken and the course of the value.

        Raises:
            UsageError: the path cannot be written.
        """
        from descend.show.paths import plot_minimum

        return plot_minimum(self, path, self._evidence.function)

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle holds the numbers and words; the function stays behind."""
        values = {f.name: getattr(self, f.name) for f in fields(Minimum) if f.init}
        return _of_numbers, (values,)


class OfNumbers:
    """What stands behind a minimum that was pickled: nothing but its record."""

    function: Any = None

    def fields(self, name: str, record: Any) -> Mapping[str, Any]:
        """What an older pickle does not know has its default."""
        return defaults_of(Minimum, [name])


def _of_numbers(values: Mapping[str, Any]) -> MinimumFound:
    return MinimumFound(OfNumbers(), **values)

"""The record of a minimisation, and which minimisations have a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from descend.differentiate.reverse import reverse
from descend.graph.evaluate import Prepared
from descend.graph.source import const
from descend.judge.ending import plainly_said
from descend.judge.verdict import judged
from descend.methods.base import STATUS, UNBOUNDED
from descend.records.record import Minimum, defaults_of
from descend.result.story import bond_fields, history_of, start_source
from descend.run.build import Built
from descend.run.finished import Finished, method_name
from descend.run.job import Job
from descend.run.plan import Plan, Run
from descend.run.plan_table import Plans, can_be_planned
from descend.task.options import Options
from descend.task.values import Values

__all__ = ["PLANS", "MinimumFacts", "MinimumPlan", "parts_of", "planned"]

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


# --- the record


def parts_of(run: Finished, single: str | None) -> dict[str, Any]:
    """The fields of the record; those of the only argument stand bare if it was given so."""
    leaves, sign = run.leaves(), run.job.settings.sign
    run.judgement = run.judgement or judged(run)
    status, message, arrived, _ = run.judgement
    for down, up in UPWARDS.items() if sign < 0 else ():
        message = message.replace(down, up)
    value, gradient = value_and_gradient(run.job, run.built, leaves)
    history = history_of(run)
    if sign < 0:
        history.loss = -history.loss
    assert run.ending is not None
    trees = {
        "params": leaves,
        "gradient": {n: sign * g for n, g in gradient.items()},
        "start": run.begin,
    }
    bare = {name: _bare(run.trees(leaves), single) for name, leaves in trees.items()}
    return {
        **bare,
        "function": run.job.problem.name,
        "value": sign * value,
        "start_source": start_source(run),
        "maximize": sign < 0,
        "optimizer": method_name(run.job.settings.optimizer),
        "chosen_for": run.job.settings.why,
        "seed": run.control.seed,
        "status": status,
        "message": message,
        "arrived": arrived,
        "iterations": run.control.epoch,
        "n_evaluations": run.control.steps,
        "seconds": run.ending.seconds,
        "compile_seconds": run.built.compile_seconds if run.fresh else 0.0,
        "engine": run.built.engine,
        "warnings": [*run.job.notes, *run.built.notes],
        "history": history,
        **bond_fields(run),
    }


def _bare(tree: Mapping[str, Any], single: str | None) -> Any:
    return tree if single is None else tree[single]


def function_of(run: Finished) -> Callable[[Array], float]:
    """The function of all numbers in one flat array, as pictures want it."""

    def value(flat: Array) -> float:
        leaves, at = {}, 0
        for name, array in run.begin.items():
            leaves[name] = np.asarray(flat[at : at + array.size]).reshape(array.shape)
            at += array.size
        return run.job.settings.sign * run.job.loss_at(run.built, run.begin)(leaves)

    return value


def value_and_gradient(
    job: Job, built: Built, leaves: Mapping[str, Array]
) -> tuple[float, dict[str, Array]]:
    """The function (negated to maximise) and its gradient at a place; the graph is kept."""
    made, model = built.descent, built.model
    fixed = job.fixed(built)
    given = {node: fixed[name] for name, node in made.inputs.items() if name in fixed}
    given |= {model.leaves[name]: array for name, array in leaves.items()}
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


class MinimumPlan(Plan):
    """A plan that also knows the only argument, where it is given bare."""

    single: str | None = None


PLANS: Plans[MinimumPlan] = Plans()
"""The plans of all calls of `minimize` and `maximize`."""


def planned(
    values: Values, job: Job, built: Built, options: Options, single: str | None
) -> MinimumPlan | None:
    """The plan of a task, which is entered in the table; None where there can be none."""
    if not values.is_known or not options.may_be_planned:
        return None
    if job.start.missing or not _binds_plainly(values, job):
        return None
    if not can_be_planned(values.model, job, built):
        return None
    kept = options.but(start=None, bounds=None)
    plan = MinimumPlan(values.model, job, built, kept, int(options.max_iter), {})
    plan.single = single
    if not plan.is_complete:
        return None
    PLANS.enter(values, plan)
    return plan


def _binds_plainly(values: Values, job: Job) -> bool:
    """Whether what binds the parameters are fixed values, ties and bounds with room between."""
    space = job.space
    if space is None:
        return True
    if values.bonds is None or space.scales or any(np.any(space.held(n)) for n in space.lower):
        return False
    return list(job.start.names) == list(job.leaf_arrays())


class MinimumFacts:
    """What stands behind a minimum: the run, asked when somebody looks."""

    def __init__(self, run: Run | Finished, single: str | None) -> None:
        self._run, self._single = run, single

    @property
    def finished(self) -> Finished:
        """The run."""
        if isinstance(self._run, Finished):
            return self._run
        found = self._run.finished()
        # An end that was clear is told as it is.
        found.judgement = found.judgement or plainly_said(found)._replace(arrived="not judged")
        return found

    @property
    def function(self) -> Callable[[Array], float]:
        """The function of all numbers in one flat array, as pictures want it."""
        return function_of(self.finished)

    def fields(self, name: str, record: Any) -> Mapping[str, Any]:
        """A field of the record, with those that are worked out together with it."""
        if name == "value" and isinstance(self._run, Run) and self._run.plan.bound is None:
            plan, leaves = self._run.plan, self._run.leaves()
            found, _ = value_and_gradient(plan.job, plan.built, leaves)
            return {"value": plan.job.settings.sign * found}
        return defaults_of(Minimum, OF_RUN) | parts_of(self.finished, self._single)


KNOWN = ("params", "status", "success", "verdict")
OF_RUN = tuple(f.name for f in fields(Minimum) if f.name not in KNOWN)

"""The record of a minimisation, and minimisations that are made again with other numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from descend.differentiate.reverse import reverse
from descend.graph.evaluate import Prepared
from descend.graph.source import const
from descend.judge.ending import QUIET
from descend.judge.runaway import has_gone
from descend.judge.verdict import judged
from descend.methods.base import STATUS, UNBOUNDED
from descend.result.finish import bonds_told, history_of, start_source
from descend.result.fit import MinimumFound
from descend.run.build import Built
from descend.run.finished import Finished, method_name
from descend.run.job import Job
from descend.train.plan import Leftover, Plan, Plans, can_be_planned, has_defaults

__all__ = ["again", "function_of", "parts_of", "remember"]

Array = np.ndarray[Any, np.dtype[Any]]
ORDINARY = (
    "start", "optimizer", "lr", "max_iter", "seed", "xtol", "ftol", "gtol", "patience",
    "min_delta", "clip", "record", "engine",
)  # fmt: skip
"""Options that a plan may have; all others must be as they are by default."""
UPWARDS = {
    STATUS[UNBOUNDED].message: "the value rises without end: there is no maximum there",
    "the loss still falls": "the value still rises",
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
        **bonds_told(run),
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


# --- again


class _MinimumPlan(Plan):
    """A plan that also knows whether the only argument is given bare."""

    single: str | None = None


_plans: Plans[_MinimumPlan] = Plans()


def _key(function: Any, given: Mapping[str, Any], sign: int) -> tuple[Any, ...]:
    options = [item for item in given.items() if item[0] != "start"]
    kinds = [type(value) for _, value in options]
    return function, sign, type(given["start"]), *options, *kinds


def again(function: Any, given: Mapping[str, Any], sign: int) -> MinimumFound | None:
    """The minimum, if the call is like one before; None if it must take the long way."""
    start = given["start"]
    try:
        plan = _plans.get(_key(function, given, sign))
    except TypeError:
        return None
    if plan is None or start is None:
        return None
    values = [start]
    if plan.single is None:
        if type(start) is not dict or len(start) != len(plan.parameters):
            return None
        values = [start.get(name) for name in plan.parameters]
    left = plan.run(function, (), values)
    if left is None or has_gone(left.begin.tolist(), left.flat()):
        return None
    return MinimumFound.later(_Left(left), _bare(left.params(), plan.single), QUIET[left.code])


def remember(function: Any, given: Mapping[str, Any], run: Finished, single: str | None) -> None:
    """Keep a plan of a minimisation that has taken the long way, when it comes again."""

    def planned() -> _MinimumPlan | None:
        plain = has_defaults(run.options, but=ORDINARY)
        if not plain or run.job.space is not None or not can_be_planned(function, run):
            return None
        plan = _MinimumPlan(function, run, {})
        plan.single = single
        return plan if plan.is_complete else None

    _plans.remember(_key(function, given, run.job.settings.sign), planned)


class _Left:
    """What a minimisation left, as its record asks for it."""

    __slots__ = ("left",)

    def __init__(self, left: Leftover) -> None:
        self.left = left

    def value(self) -> float:
        """The function at the place that was found."""
        plan = self.left.plan
        found, _ = value_and_gradient(plan.job, plan.built, self.left.leaves())
        return plan.job.settings.sign * found

    def parts(self) -> tuple[Callable[[Array], float], dict[str, Any]]:
        """Everything that the long way would have said."""
        run = self.left.finished()
        plan: Any = self.left.plan
        return function_of(run), parts_of(run, plan.single)

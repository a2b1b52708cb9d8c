"""Which calls have a plan, and where in a program their arrays belong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from descend.judge.clear import FORMULAS
from descend.judge.thresholds import is_broken, staircases_of
from descend.parameters.declare import Parameter
from descend.run.build import Built
from descend.run.job import Job
from descend.run.plan import Plan
from descend.run.plan_table import Plans, can_be_planned
from descend.task.columns import TARGET, column_key
from descend.task.options import Options
from descend.task.values import BONDS, Values
from descend.train.reading import Reading

__all__ = ["MINIMA", "PLANS", "planned", "planned_minimum"]

PLANS, MINIMA = Plans(), Plans()
"""The plans of all calls of `fit`, and of `minimize` and `maximize`."""


def planned(
    given: Mapping[str, Any], values: Values, read: Reading, built: Built
) -> Plan | None:
    """The plan of a task, which is entered in the table; None where there can be none."""
    o, job = read.options, read.job
    plain = all(v is None or type(v) is np.ndarray for v in (o.sigma, o.sample_weight))
    if not plain or o.starts not in (None, 1) or not o.may_be_planned:
        return None
    places = _places(given, values, job)
    if places is None or places.keys() != set(built.descent.data):
        return None
    if not _can_be_planned(values, job, built) or not _starts_plainly(values, job):
        return None
    begun: Any = None if values.start is None else {}  # which is all that is asked of it later
    kept = o.but(start=begun, sigma=None, sample_weight=None, bounds=None)
    broken = staircases_of(built, job.space) or is_broken(built)
    formulas = None if broken and o.starts != 1 else FORMULAS
    plan = Plan(values.model, job, built, kept, o.epochs, places, formulas)
    return _entered(PLANS, values, plan)


def planned_minimum(values: Values, job: Job, built: Built, options: Options) -> Plan | None:
    """The plan of a minimisation, likewise."""
    scaled = job.space is not None and bool(job.space.scales)
    if job.start.missing or scaled or not options.may_be_planned:
        return None
    if not _can_be_planned(values, job, built):
        return None
    kept = options.but(start=None, bounds=None)
    return _entered(MINIMA, values, Plan(values.model, job, built, kept, options.max_iter, {}))


def _entered(plans: Plans, values: Values, plan: Plan) -> Plan | None:
    if not plan.is_complete:
        return None
    plans.enter(values, plan)
    return plan


def _can_be_planned(values: Values, job: Job, built: Built) -> bool:
    """Whether a task can be looked up, and its bonds leave room and bind plain parameters."""
    if not values.is_known or not can_be_planned(values.model, job, built):
        return False
    if job.space is None:
        return True
    if values.bonds is None or any(np.any(job.space.held(leaf)) for leaf in job.space.lower):
        return False
    return list(job.start.names) == list(job.leaf_arrays())


def _starts_plainly(values: Values, job: Job) -> bool:
    """Whether every parameter is given, or stands in the signature, or is tied to such."""
    if values.start is not None and type(values.start) is not dict:
        return False
    if any(isinstance(value, Parameter) for value in job.problem.defaults.values()):
        return False
    if job.space is None or values.bonds is None:
        return True
    known = {*job.problem.defaults, *values.bonds.start, *values.bonds.held, *job.space.ties}
    return known >= job.start.names.keys()


def _places(given: Mapping[str, Any], values: Values, job: Job) -> dict[str, int] | None:
    """Column of the program → which of the call's arrays it is; None if that cannot be told."""
    x, y, arrays = given["x"], given["y"], values.arrays
    own = list(job.problem.columns)
    at = {name: i for i, name in enumerate(x if type(x) is dict else own)}
    if type(x) is not dict and len(own) != (1 if type(x) is np.ndarray else len(x)):
        return None
    if any(name not in at for name in own):
        return None
    found = {column_key(name): at[name] for name in own}
    others = [name for name, value in given.items() if type(value) is np.ndarray]
    others = [name for name in others if name not in ("x", *BONDS)]
    for i, name in enumerate(reversed(others)):
        found[TARGET if name == "y" else name] = len(arrays) - 1 - i
    if type(y) is not np.ndarray:
        if job.problem.target not in at:
            return None
        found[TARGET] = at[job.problem.target]
    columns = {} if job.rows is None else job.rows.all()
    same = found.keys() == columns.keys() and all(
        arrays[found[name]].shape == a.shape for name, a in columns.items()
    )
    return found if same else None

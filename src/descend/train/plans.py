"""The plan of a call, and where in its program the call's arrays belong."""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType
from typing import Any

import numpy as np

from descend.judge.clear import FORMULAS
from descend.judge.thresholds import is_broken, staircases_of
from descend.parameters.declare import Parameter
from descend.run.build import Built
from descend.run.job import Job
from descend.run.plan import Plan, Run
from descend.run.plan_table import Plans, can_be_planned
from descend.task.columns import TARGET, column_key
from descend.task.option_table import names_of
from descend.task.options import Options
from descend.task.values import BONDS, Values
from descend.trace.formula import Formula
from descend.train.reading import Reading

__all__ = ["MINIMA", "PLANS", "planned", "planned_minimum"]

OF_CALL = ("start", "sigma", "sample_weight", "bounds", "fixed", "ties", "epochs", "seed")
"""Options that are values of a call, or say nothing where there are no bonds."""

PLANS, MINIMA = Plans(), Plans()
"""The plans of all calls of `fit`, and of `minimize` and `maximize`."""


def planned(
    given: Mapping[str, Any], values: Values | None, read: Reading, built: Built, fresh: bool
) -> Run | None:
    """A run of the plan of a call that was read in full; None where there can be none.

    Its values are those of the call, where it says them plainly, or those that were read.
    """
    o, job = read.options, read.job
    if o.starts not in (None, 1) or not o.may_be_planned or not can_be_planned(job, built):
        return None
    plain = all(v is None or type(v) is np.ndarray for v in (o.sigma, o.sample_weight))
    if values is not None and plain and _is_plain(values, job):
        places = _places(given, values, job)
    else:
        values, places = _values_read(read, built), {n: i for i, n in enumerate(built.descent.data)}
    if values is None or places is None or places.keys() != {*built.descent.data}:
        return None
    plan = PLANS.found(values)
    if plan is None:
        begun: Any = None if o.start is None else {}  # which is all that is asked of it later
        kept = o.but(start=begun, sigma=None, sample_weight=None, bounds=None)
        broken = staircases_of(built, job.space) or is_broken(built)
        formulas = None if broken and o.starts != 1 else FORMULAS
        plan = Plan(values.model, job, built, kept, o.epochs, places, formulas)
        plan = _entered(PLANS, values, plan)
    return None if plan is None else plan.bind(values, fresh)


def planned_minimum(
    values: Values | None, job: Job, built: Built, fresh: bool, options: Options
) -> Run | None:
    """A run of the plan of a minimisation, likewise."""
    scaled = job.space is not None and bool(job.space.scales)
    if values is None or job.start.missing or scaled or not options.may_be_planned:
        return None
    if not can_be_planned(job, built) or not _has_plain_bonds(values, job):
        return None
    kept = options.but(start=None, bounds=None)
    plan = Plan(values.model, job, built, kept, options.max_iter, {})
    entered = _entered(MINIMA, values, plan)
    return None if entered is None else entered.bind(values, fresh)


def _values_read(read: Reading, built: Built) -> Values | None:
    """The values of a call as they were read: for one whose data, or model, are not plain.

    Its task is the program, and what of the options and of the names a report says.
    """
    o, job = read.options, read.job
    problem, start, rows = job.problem, job.start, job.rows
    if job.space is not None or job.scaling is not None or rows is None:
        return None
    if read.held is not None or read.whole.n_dropped:
        return None
    if o.start is not None and not isinstance(o.start, Mapping):
        return None  # an earlier fit, or draws
    said = [o.start is None, *(getattr(o, name) for name in names_of("fit") if name not in OF_CALL)]
    arrays = rows.all()
    task = (
        id(built), problem.name, problem.target, *problem.columns, start.sources, start.missing,
        *said, *map(type, said), *(arrays[name].shape for name in built.descent.data),
    )  # fmt: skip
    begin = {n: a if a.shape else a.item() for n, a in start.arrays.items()}
    values = Values(
        problem.function, task, [arrays[n] for n in built.descent.data], begin, o.epochs, read.seed
    )
    return values if values.is_known else None


def _entered(plans: Plans, values: Values, plan: Plan) -> Plan | None:
    if not plan.is_complete:
        return None
    plans.enter(values, plan)
    return plan


def _is_plain(values: Values, job: Job) -> bool:
    """Whether start and bonds are plain, and no ready model guesses from the data."""
    if job.problem.ready is not None or not _has_plain_bonds(values, job):
        return False
    if values.start is not None and type(values.start) is not dict:
        return False
    if any(isinstance(value, Parameter) for value in job.problem.defaults.values()):
        return False
    if job.space is None or values.bonds is None:
        return True
    known = {*job.problem.defaults, *values.bonds.start, *values.bonds.held, *job.space.ties}
    return known >= job.start.names.keys()


def _has_plain_bonds(values: Values, job: Job) -> bool:
    """Whether a task can be looked up, and its bonds leave room and bind plain parameters."""
    if not values.is_known or type(values.model) not in (FunctionType, str, Formula):
        return False
    if job.space is None:
        return True
    if values.bonds is None or any(np.any(job.space.held(leaf)) for leaf in job.space.lower):
        return False
    return list(job.start.names) == list(job.leaf_arrays())


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

"""A fit that is made again with other numbers: straight from the arrays to the compiled program.

A call of `fit` that is like one before (the same model with unchanged captures, arrays of the same
shapes, the same parameters, the same options) needs none of the stages: a plan knows where in the
program's memory data and start belong. Only what every call must check is checked: that all numbers
are finite, and sigmas positive. The record is made of what the run left when somebody looks at it.
Whatever is not plain (a run that warns, that is watched, that lasts) takes the long way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.judge.ending import QUIET
from descend.parameters.declare import Parameter
from descend.result.finish import parts_of
from descend.result.fit import Fit, Remains
from descend.run.finished import NORMAL, Finished, Normal
from descend.run.job import Job
from descend.task.columns import column_key
from descend.train.bonds import taken_apart
from descend.train.plan import FLOAT, Leftover, Plan, Plans, can_be_planned, has_defaults
from descend.trust.complete import Completion
from descend.trust.normal_errors import covariance_told

__all__ = ["again", "remember"]

ORDINARY = (
    "start", "loss", "optimizer", "lr", "batch_size", "shuffle", "epochs", "seed", "stop_loss",
    "xtol", "ftol", "gtol", "patience", "min_delta", "missing", "params", "penalty", "clip",
    "threads", "record", "engine", "absolute_sigma", "starts",
)  # fmt: skip
"""Options that a plan may have; all others must be as they are by default."""
WEIGHTS = ("sigma", "sample_weight")
BONDS = ("fixed", "bounds", "ties")
OF_VALUES = (
    "loss", "residuals", "fitted", "chi2", "reduced_chi2", "dof", "r2", "aic", "aicc", "bic",
)  # fmt: skip
"""Fields that need no derivatives."""
UNREADABLE = (TypeError, ValueError, UsageError)


class _Call:
    """What a call of `fit` gives, taken apart: its key, its arrays, its start."""

    __slots__ = ("arrays", "bonds", "key", "model", "start")

    def __init__(self, given: Mapping[str, Any]) -> None:
        """Take the arguments apart; one of `UNREADABLE` where there is no plan for such."""
        self.model, x, y, self.start, *options = given.values()
        if options.pop():
            raise TypeError("unknown options")
        self.bonds = taken_apart(self.start, *[given[name] for name in BONDS])
        bound: Any = None
        if self.bonds is not None:
            bound, names = self.bonds.form, [*given][4:-1]
            options = [o for name, o in zip(names, options, strict=True) if name not in BONDS]
        kind = type(x)
        form: Any = None
        if kind is np.ndarray:
            arrays = [x]
        elif kind is tuple:
            arrays = [*x]
        elif kind is dict:
            arrays, form = [*x.values()], tuple(x)
        else:
            raise TypeError("x")
        if type(y) is np.ndarray:
            arrays.append(y)
            y = None
        elif form is None:
            raise TypeError("y")
        for i, option in enumerate(options):
            if type(option) is np.ndarray:
                arrays.append(option)
                options[i] = np.ndarray
        shapes = [a.shape for a in arrays if type(a) is np.ndarray and a.dtype is FLOAT]
        if len(shapes) < len(arrays):
            raise TypeError("arrays")
        self.arrays = arrays
        self.key = (
            self.model, kind, form, bound, y, self.start is None, *shapes, *options,
            *map(type, options),
        )  # fmt: skip


_plans: Plans[_FitPlan] = Plans()


def again(given: Mapping[str, Any]) -> Fit | None:
    """The fit, if it is like one before and goes as plainly; None if it must take the long way.

    Args:
        given: the arguments of `fit` by name, in the order of its signature.
    """
    try:
        call = _Call(given)
        plan = _plans.get(call.key)
    except UNREADABLE:
        return None
    if plan is None:
        return None
    values: list[Any] | None = []
    if plan.bound is not None and call.bonds is not None:
        values = plan.bound.values(call.bonds)
    elif call.start is not None:
        if type(call.start) is not dict or len(call.start) != len(plan.parameters):
            return None
        values = [call.start.get(name) for name in plan.parameters]
    if values is None:
        return None
    left = plan.run(call.model, call.arrays, values, call.bonds)
    return None if left is None else Fit.later(_Left(left), left.params(), QUIET[left.code])


def remember(given: Mapping[str, Any], run: Finished) -> None:
    """Keep a plan of a fit that has taken the long way, when it comes for the second time."""
    try:
        call = _Call(given)
    except UNREADABLE:
        return
    _plans.remember(call.key, lambda: _planned(call, given, run))


def _planned(call: _Call, given: Mapping[str, Any], run: Finished) -> _FitPlan | None:
    names = _places(call, given, run.job)
    weights = [getattr(run.options, name) for name in WEIGHTS]
    ordinary = has_defaults(run.options, but=(*ORDINARY, *WEIGHTS, *BONDS)) and all(
        value is None or type(value) is np.ndarray for value in weights
    )
    if run.options.starts not in (None, 1):
        return None
    if names is None or names.keys() != set(run.built.descent.data) or not ordinary:
        return None
    if not can_be_planned(call.model, run):
        return None
    if not _starts_plainly(call, run.job):
        return None
    plan = _FitPlan(call.model, run, names)
    return plan if plan.is_complete else None


def _starts_plainly(call: _Call, job: Job) -> bool:
    """Whether every parameter is given, or stands in the signature, or is tied to such."""
    known, names = {*job.problem.defaults}, job.start.names
    if any(isinstance(value, Parameter) for value in job.problem.defaults.values()):
        return False
    if job.space is None:
        return call.start is not None or known >= names.keys()
    assert call.bonds is not None
    if any(np.any(job.space.held(leaf)) for leaf in job.space.lower):
        return False
    known |= {*call.bonds.start, *call.bonds.held, *job.space.ties}
    return known >= names.keys() and list(names) == list(job.leaf_arrays())


def _places(call: _Call, given: Mapping[str, Any], job: Job) -> dict[str, int] | None:
    """Column of the program → which of the call's arrays it is; None if that cannot be told."""
    x, y = given["x"], given["y"]
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
        found["target" if name == "y" else name] = len(call.arrays) - 1 - i
    if type(y) is not np.ndarray:
        if job.problem.target not in at:
            return None
        found["target"] = at[job.problem.target]
    columns = {} if job.rows is None else job.rows.all()
    same = found.keys() == columns.keys() and all(
        call.arrays[found[name]].shape == a.shape for name, a in columns.items()
    )
    return found if same else None


class _FitPlan(Plan):
    """A plan that also knows where the normal equations are, and the degrees of freedom.

    Attributes:
        normal: at which numbers of an image JᵀJ, Jᵀr and the loss are; empty if nowhere.
        count: how many numbers are moved.
        residuals: how many there are, where standard errors follow from these alone; else None.
    """

    def __init__(self, model: Any, run: Finished, places: Mapping[str, int]) -> None:
        super().__init__(model, run, places)
        names = list(run.built.descent.state)
        at = [names.index(f"method/{name}") for name in NORMAL if run.has_normal()]
        self.normal = [self.standing.parts["state", i].begin // 8 for i in at]
        self.count = sum(math.prod(read.shape) for read in self.reads)
        self.residuals = _residuals(self, run)


def _residuals(plan: _FitPlan, run: Finished) -> int | None:
    rows, residual, bound = run.job.rows, run.built.descent.residual, plan.bound
    assert rows is not None
    target = rows.extra["target"]
    if not (plan.scalar and plan.normal) or residual is None:
        return None
    if residual.ndim != target.ndim or residual.shape[1:] != target.shape[1:]:
        return None
    return None if bound is not None and bound.space.ties else int(target.size)


class _Left:
    """What a fit left, as its record asks for it."""

    __slots__ = ("completion", "left")

    def __init__(self, left: Leftover) -> None:
        self.left = left
        self.completion: Completion | None = None

    @property
    def _plan(self) -> _FitPlan:
        plan = self.left.plan
        assert isinstance(plan, _FitPlan)
        return plan

    def tell(self, fit: Fit, name: str) -> None:
        """Enter a field that is made later, and maybe others, if it can be told at once."""
        errors = self._stderr() if name == "stderr" else None
        if errors is not None:
            fit.stderr = errors
            return
        if self.completion is None:
            left, job = self.left, self.left.job()
            assert job.rows is not None
            self.completion = Completion(
                job, left.plan.built, left.leaves(), left.plan.options.absolute_sigma, job.rows,
                self._normal(),
            )  # fmt: skip
        if name in OF_VALUES:
            self.completion.values(fit)
        else:
            self.completion.errors(fit)

    def _normal(self) -> Normal | None:
        """The normal equations, where the last state of the method holds them."""
        left, plan = self.left, self._plan
        bound, numbers = plan.bound, left.numbers
        if not plan.normal or (bound and numbers and bound.touches(left.moved(), numbers)):
            return None
        p, (jtj, jtr, loss) = plan.count, plan.normal
        state = memoryview(left.content).cast("d")
        return Normal(
            state[jtj : jtj + p * p].tolist(), state[jtr : jtr + p].tolist(), state[loss]
        )

    def _stderr(self) -> dict[str, Any] | None:
        """Standard errors by parameter, where the last state of the method gives them."""
        plan = self._plan
        normal = None if plan.residuals is None else self._normal()
        if normal is None or plan.residuals is None:
            return None
        rows = covariance_told(
            normal, plan.residuals, plan.options.absolute_sigma, self.left.factor
        )
        if rows is None:
            return None
        errors = {read.name: math.sqrt(rows[i][i]) for i, read in enumerate(plan.reads)}
        return {name: errors.get(name, math.nan) for name in plan.parameters}

    def parts(self) -> tuple[Remains, dict[str, Any]]:
        """Everything that the long way would have said."""
        return parts_of(self.left.finished())

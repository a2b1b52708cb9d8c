"""`minimize` and `maximize`: the lowest and the highest place of a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Never, ParamSpec, TypeVar

import numpy as np

from descend.errors import UsageError, ends_at_users_line
from descend.judge.clear import clear_minimum
from descend.methods.base import Optimizer
from descend.methods.choice import Task
from descend.program.stopping import Rules
from descend.result.minimum import MinimumFound, finish_clear_minimum, finish_minimum
from descend.run.finished import Moment
from descend.run.job import Job
from descend.run.plan import Run
from descend.run.settings import Settings
from descend.show.progress import Progress
from descend.task.declared import Begun, begin
from descend.task.foreign import refuse_unknown
from descend.task.option_table import TOLERANCES, names_of
from descend.task.options import Options, read_options
from descend.task.problem import Problem, called, is_setting
from descend.task.start import Start
from descend.task.values import values_of_function
from descend.trace.formula import Formula
from descend.train.descents import Descents, PlannedRun, walked
from descend.train.plans import MINIMA as PLANS
from descend.train.plans import planned_minimum as planned
from descend.train.reading import method_of

__all__ = ["maximize", "minimize"]

P = ParamSpec("P")
T = TypeVar("T")


@ends_at_users_line
def minimize(
    function: Callable[..., Any] | str, start: Any = None, *,
    optimizer: str | Optimizer | None = None, lr: Any = None, max_iter: int = 1000,
    seed: int = 0, xtol: float | None = None, ftol: float | None = None,
    gtol: float | None = None, patience: int | None = None, min_delta: float = 0.0,
    max_seconds: float | None = None, clip: Any = None, starts: int = 1,
    callback: Callable[[Moment], Any] | None = None, progress: Progress | None = None,
    verbose: bool = False, record: Iterable[str] = (), engine: str = "native",
    fixed: Any = None, bounds: Any = None, ties: Any = None, likelihood: bool = False,
    **unknown: Never,
) -> MinimumFound:  # fmt: skip
    """Find where a function is lowest, by descending from a start.

    Args:
        function: plain NumPy code that returns one number, or a formula.
        start: a number, an array or a tree for a function of one argument; for several
            arguments, and for formulas, a dict of their values. Numbers without a start begin at
            the best of 32 candidates, which `start` and `start_source` of the result tell.
        optimizer: `"auto"` (or None) takes BFGS, and L-BFGS for many parameters; or one by name.
        max_iter, xtol, ftol, gtol, patience, min_delta, max_seconds: when to stop.
        lr, seed, clip, callback, progress, verbose, record, engine: as for `fit`.
        starts: as many descents, of which the one that ends lowest is returned.
        fixed, ties: as for `fit`. bounds: likewise by name, or SciPy's sequence of (lower, upper)
            for every number; a single pair holds for all.
        likelihood: the function is a negative log-likelihood of all data (with `maximize`, a
            log-likelihood): the result has `covariance` and `stderr`, from the inverse of its
            second derivatives.

    Raises:
        UsageError: something that cannot be meant, with what to do instead.

    >>> found = minimize(lambda x: 3*x[0]**2 + 4*x[1]**2 + 5*x[2]**2, start=[1., 1., 1.])
    >>> bool(np.abs(found.params).max() < 1e-6)
    True
    """
    given = locals()
    refuse_unknown(given.pop("unknown"), "minimize")
    return _found(given.pop("function"), given, 1)


def _typed_as(_other: Callable[P, T]) -> Callable[[Callable[..., T]], Callable[P, T]]:
    """To type checkers, the arguments of the function below are those of another one."""
    return lambda function: function


@_typed_as(minimize)
@ends_at_users_line
def maximize(function: Callable[..., Any] | str, start: Any = None, **options: Any) -> MinimumFound:
    """Find where a function is highest; everything else is as for `minimize`.

    >>> maximize(lambda x: 1.0 - (x - 2.0) ** 2, start=0.0).params
    2.0
    """
    unknown = [name for name in options if name not in names_of("minimize")]
    refuse_unknown(unknown, "minimize", "maximize")
    return _found(function, {"start": start, **options}, -1)


def _found(function: Any, given: Mapping[str, Any], sign: int) -> MinimumFound:
    if given.get("bounds") is not None:
        given = {**given, "bounds": _sides(given["bounds"])}
    values = values_of_function(function, given, sign)
    return walked(values, PLANS, _clear, finish_minimum, _read, function, given, sign)


def _read(
    function: Any, given: Mapping[str, Any], sign: int
) -> tuple[Descents, PlannedRun]:
    """The descents of a call, read in full, and what runs by their plan."""
    options = read_options("minimize", given)
    problem, start, space = _begun(function, options)
    job = Job(problem, _settings(options, start, sign), start, space=space)
    built, fresh = job.build()
    descents = Descents(job, built, fresh, options)
    return descents, lambda values: planned(values, job, built, fresh, options)


def _clear(run: Run) -> MinimumFound | None:
    """The minimum of a run whose end leaves no doubt; None of any other."""
    status = clear_minimum(run)
    return None if status is None else finish_clear_minimum(run, status)


def _begun(function: Any, o: Options) -> Begun:
    """The problem and its start."""
    start = o.start
    if isinstance(start, str) and start != "random":
        raise UsageError(
            f'start="{start}" is no start of a minimum',
            remedy="write start=[1.0, 2.0], or by name start=dict(a=1, b=2)",
        )
    if not isinstance(function, str | Formula) and not callable(function):
        raise UsageError(f"minimize takes a function or a formula, not {type(function).__name__}")
    own, call, name = called(function)
    constants = {n: v for n, v in own.defaults.items() if is_setting(v)}
    names = tuple(n for n in own.names if n not in constants)
    if not names:
        raise UsageError(f"{name} has no arguments to be varied")
    bare = not _is_by_name(start, names)
    if bare:
        if len(names) > 1:
            raise UsageError(
                f"{name} has {len(names)} arguments ({', '.join(names)}), and start names none",
                remedy=f"write start=dict({', '.join(f'{n}=…' for n in names)})",
            )
        start = {names[0]: start}
    problem = Problem(name, call, own, {}, None, "", names, constants, own.defaults, bare=bare)
    return begin(problem, start, o.fixed, o.bounds, o.ties)


def _sides(bounds: Any) -> Any:
    """SciPy's sequence of pairs as all lower and all upper bounds; other forms as they are.

    Two sequences that are no pairs are all lower and all upper bounds already.
    """
    if isinstance(bounds, Mapping | str) or not isinstance(bounds, Sequence | np.ndarray):
        return bounds
    pairs = list(bounds)
    by_two = [type(side) in (list, np.ndarray) and np.shape(side) == (2,) for side in pairs]
    if isinstance(bounds, tuple) and by_two == [True, True]:
        raise UsageError(
            f"bounds={bounds!r} may be two pairs, or all lower and all upper bounds",
            remedy="write a list of pairs: bounds=[(lower, upper), (lower, upper)]",
        )
    if len(pairs) == 2 and all(edge is None or np.ndim(edge) == 0 for edge in pairs):
        return bounds
    if len(pairs) == 2 and not any(np.ndim(side) == 1 and len(side) == 2 for side in pairs):
        return bounds
    if not all(isinstance(pair, Sequence | np.ndarray) and len(pair) == 2 for pair in pairs):
        raise UsageError(
            f"bounds={bounds!r} is no sequence of pairs",
            remedy='write bounds=[(0, 1), (None, 5)], a pair for each number, or bounds={"x": '
            "(0, 1)} by name",
        )
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _is_by_name(start: Any, names: tuple[str, ...]) -> bool:
    """Whether start gives values by the arguments' names, rather than the one argument."""
    if start is None or (isinstance(start, str) and start == "random"):
        return True
    if not isinstance(start, Mapping):
        return isinstance(getattr(start, "params", None), Mapping)
    return len(names) > 1 or set(start) >= set(names)


def _settings(o: Options, start: Start, sign: int) -> Settings:
    size = sum(a.size for a in start.arrays.values()) + len(start.missing)
    optimizer, why, limits = method_of(o, Task(size))
    if optimizer.needs == "gauss_newton":
        raise UsageError(
            f"{type(optimizer).__name__} is for sums of squares over data",
            remedy="leave out optimizer (BFGS then), or write descend.fit(model, x, y)",
        )
    if o.optimizer is not None and optimizer.scope == "leaf" and not {*limits} & {*TOLERANCES}:
        limits["xtol"] = 1e-12
    rules = Rules(limits, False, o.record)
    return Settings(
        None, optimizer, rules, None, False, None, o.clip, int(o.seed), o.engine, sign, why
    )

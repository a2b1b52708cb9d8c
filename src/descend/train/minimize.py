"""`minimize` and `maximize`: the lowest and the highest place of a function."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.graph.program import RUNNING, Control
from descend.judge.clear import clear_minimum
from descend.methods.base import Optimizer
from descend.methods.choice import Task, chosen, is_auto
from descend.methods.table import as_optimizer
from descend.program.stopping import Rules
from descend.result.finish import warn_of_end
from descend.result.fit import MinimumFound
from descend.run.build import Built
from descend.run.course import Course
from descend.run.drive import Watch, drive
from descend.run.finished import Finished, Moment
from descend.run.job import Job
from descend.run.plan import Run
from descend.run.settings import Settings
from descend.show.progress import Progress, Verbose
from descend.task.declared import Begun, begin
from descend.task.options import TOLERANCES, Options, names_of, read_options, refuse_unknown
from descend.task.problem import Problem, Signature, parsed_formula, signature_of
from descend.task.start import Start
from descend.task.values import values_of_function
from descend.trace.formula import Formula
from descend.train.minimum import PLANS, MinimumFacts, parts_of, planned

__all__ = ["maximize", "minimize"]

Array = np.ndarray[Any, np.dtype[Any]]


def minimize(
    function: Callable[..., Any] | str, start: Any = None, *,
    optimizer: str | Optimizer | None = None, lr: Any = None, max_iter: int = 1000,
    seed: int = 0, xtol: float | None = None, ftol: float | None = None,
    gtol: float | None = None, patience: int | None = None, min_delta: float = 0.0,
    max_seconds: float | None = None, clip: Any = None, starts: int = 1,
    callback: Callable[[Moment], Any] | None = None, progress: Progress | None = None,
    verbose: bool = False, record: Iterable[str] = (), engine: str = "native",
    fixed: Any = None, bounds: Any = None, ties: Any = None, **unknown: Any,
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

    Raises:
        UsageError: something that cannot be meant, with what to do instead.

    >>> found = minimize(lambda x: 3*x[0]**2 + 4*x[1]**2 + 5*x[2]**2, start=[1., 1., 1.])
    >>> bool(np.abs(found.params).max() < 1e-6)
    True
    """
    given = locals()
    refuse_unknown(given.pop("unknown"), "minimize")
    return _found(given.pop("function"), given, 1)


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
    known = None if values is None else PLANS.found(values)
    run = None if values is None or known is None else known.bind(values)
    if run is not None and known is not None:
        return _planned(run, known.single)
    options = read_options("minimize", given)
    (problem, start, space), single = _read(function, options)
    job = Job(problem, _settings(options, start, sign), start, space=space)
    built, fresh = job.build()
    if values is not None and known is None:
        plan = planned(values, job, built, options, single)
        run = None if plan is None else plan.bind(values, fresh)
    if run is not None:
        return _planned(run, single)
    meter = Verbose(sys.stdout) if options.verbose and not options.progress else options.progress
    message = ""
    try:
        best: Finished | None = None
        for attempt in range(options.starts):
            leaves = job.find_start(built, options.start == "random", attempt)
            found = _begun(job, built, fresh, leaves, options)
            _drive(found, meter)
            if best is None or found.final_loss() < best.final_loss():
                best = found
        assert best is not None
        minimum = _recorded(best, single)
        message = minimum.message
    finally:
        if meter is not None:
            meter.close(message)
    return minimum


def _planned(run: Run, single: str | None) -> MinimumFound:
    """Run what was bound, and say how it went."""
    run.go()
    status = clear_minimum(run)
    if status is not None:
        params = run.params()
        bare = params if single is None else params[single]
        return MinimumFound(MinimumFacts(run, single), params=bare, status=status)
    finished = run.finished()
    _drive(finished, None)
    return _recorded(finished, single)


def _recorded(run: Finished, single: str | None) -> MinimumFound:
    values = parts_of(run, single)
    assert run.judgement is not None
    warn_of_end(run.judgement._replace(message=values["message"]), stacklevel=5)
    return MinimumFound(MinimumFacts(run, single), **values)


def _read(function: Any, o: Options) -> tuple[Begun, str | None]:
    """The problem, its start, and the name of the only argument where it was given bare."""
    start = o.start
    if isinstance(start, str) and start != "random":
        raise UsageError(
            f'start="{start}" is no start of a minimum',
            remedy="write start=[1.0, 2.0], or by name start=dict(a=1, b=2)",
        )
    if isinstance(function, str | Formula):
        formula = parsed_formula(function) if isinstance(function, str) else function
        own = Signature((), formula.names, {})
        name, call = formula.text, formula
    elif callable(function):
        own, call = signature_of(function), function
        name = getattr(function, "__name__", type(function).__name__)
        name = f"{'lambda' if name == '<lambda>' else name}({', '.join(own.names)})"
    else:
        raise UsageError(f"minimize takes a function or a formula, not {type(function).__name__}")
    constants = {
        n: v for n, v in own.defaults.items() if v is None or isinstance(v, str | bool)
    }
    names = tuple(n for n in own.names if n not in constants)
    if not names:
        raise UsageError(f"{name} has no arguments to be varied")
    single = None
    if not _is_by_name(start, names):
        if len(names) > 1:
            raise UsageError(
                f"{name} has {len(names)} arguments ({', '.join(names)}), and start names none",
                remedy=f"write start=dict({', '.join(f'{n}=…' for n in names)})",
            )
        (single,) = names
        start = {single: start}
    problem = Problem(name, call, own, {}, None, "", names, constants, own.defaults)
    return begin(problem, start, o.fixed, o.bounds, o.ties), single


def _sides(bounds: Any) -> Any:
    """SciPy's sequence of pairs as all lower and all upper bounds; other forms as they are."""
    if isinstance(bounds, Mapping | str) or not isinstance(bounds, Sequence | np.ndarray):
        return bounds
    pairs = list(bounds)
    if len(pairs) == 2 and all(edge is None or np.ndim(edge) == 0 for edge in pairs):
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
    why = ""
    if is_auto(o.optimizer):
        if o.lr is not None:
            raise UsageError(
                "lr needs an optimizer: by default the method chooses its own steps",
                remedy=f"write optimizer=descend.SGD(lr={o.lr!r}), or leave lr out",
            )
        optimizer, why = chosen(Task(size))
    else:
        optimizer = as_optimizer(o.optimizer, **({} if o.lr is None else {"lr": o.lr}))
    if optimizer.needs == "gauss_newton":
        raise UsageError(
            f"{type(optimizer).__name__} is for sums of squares over data",
            remedy="leave out optimizer (BFGS then), or write descend.fit(model, x, y)",
        )
    own = {
        t: float(getattr(o, t)) for t in TOLERANCES
        if hasattr(optimizer, t) and getattr(o, t) is not None
    }  # fmt: skip
    if own:
        optimizer = dataclasses.replace(optimizer, **own)
    limits = {
        t: float(getattr(o, t)) for t in TOLERANCES if getattr(o, t) is not None and t not in own
    }
    if o.optimizer is not None and optimizer.scope == "leaf" and not limits:
        limits["xtol"] = 1e-12
    if o.patience is not None:
        limits |= {"patience": float(o.patience), "min_delta": float(o.min_delta)}
    rules = Rules(limits, False, o.record)
    return Settings(
        None, optimizer, rules, None, False, None, o.clip, int(o.seed), o.engine, sign, why
    )


def _begun(
    job: Job, built: Built, fresh: bool, leaves: Mapping[str, Array], o: Options
) -> Finished:
    """A descent before its first step."""
    control = Control(1 if job.idle else int(o.max_iter), int(o.seed))
    run = Finished(
        job, built, fresh, o, None, dict(leaves), control, Course(built.descent.records)
    )
    run.bound = job.bindings(built, job.first_state(built, leaves))
    return run


def _drive(run: Finished, meter: Progress | None) -> None:
    """Go on to the end."""
    o, before = run.options, 0.0 if run.ending is None else run.ending.seconds
    if run.ending is not None and run.control.status != RUNNING:
        return
    assert run.bound is not None
    callback = None if o.callback is None else run.moment(o.callback)
    sign = float(run.job.settings.sign)
    watch = Watch(meter, o.max_seconds, callback, unit="iteration", loss_factor=sign)
    budget = 1000 if run.built.engine == "native" else 20
    ending = drive(run.built.runner, run.bound, run.control, run.course, 1, watch, budget)
    run.ending = dataclasses.replace(ending, seconds=before + ending.seconds)

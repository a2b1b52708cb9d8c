"""`fit`: a model, data, and everything else by name."""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from descend.data.validate import Missing
from descend.errors import UsageError
from descend.graph.program import Control
from descend.judge.attempts import Unasked, attempted, unasked
from descend.judge.polish import polished
from descend.lean import dataclass
from descend.methods.base import Optimizer
from descend.methods.choice import Task, chosen, is_auto
from descend.methods.losses import FunctionLoss, Loss
from descend.methods.table import as_loss, as_optimizer, as_penalty
from descend.program.stopping import Rules
from descend.result.finish import finish, save_to
from descend.result.fit import Fit
from descend.result.resume import resumed, seed_of
from descend.run.course import Course
from descend.run.drive import Watch, drive
from descend.run.finished import Finished, Moment
from descend.run.indices import check_indices, warn_of_indices
from descend.run.job import Job, Settings
from descend.run.view import free_count
from descend.show.progress import Progress, Verbose
from descend.task.columns import WHITENING
from descend.task.declared import Begun, begin, bonds_of, model_starts, settled
from descend.task.options import (
    check_choice,
    check_count,
    check_function,
    check_number,
    check_seed,
    check_switch,
    refuse_unknown,
)
from descend.task.problem import Problem, formula_problem, function_problem
from descend.task.rows import prepared_rows, split_rows
from descend.task.warned import warn_of_data
from descend.trace.formula import Formula
from descend.train.again import again, remember

if TYPE_CHECKING:
    from descend.show.explain import Explanation
    from descend.task.scaling import Scaling

__all__ = ["FitOptions", "fit"]

TOLERANCES = ("xtol", "ftol", "gtol")
SWITCHES = ("shuffle", "keep_best", "absolute_sigma", "standardize", "verbose")


@dataclass(frozen=True)
class FitOptions:
    """The options of `fit` as they were given; see there."""

    start: Any = None
    loss: Any = "mse"
    optimizer: Any = None
    lr: Any = None
    batch_size: int | None = None
    shuffle: bool | None = None
    epochs: int = 1000
    seed: int = 0
    stop_loss: float | None = None
    xtol: float | None = None
    ftol: float | None = None
    gtol: float | None = None
    patience: int | None = None
    min_delta: float = 0.0
    keep_best: bool | None = None
    max_seconds: float | None = None
    validation_split: float = 0.0
    sample_weight: Any = None
    sigma: Any = None
    absolute_sigma: bool = False
    missing: Missing = "raise"
    constants: Any = None
    params: Iterable[str] | None = None
    penalty: Any = None
    clip: Any = None
    starts: int | None = None
    standardize: bool = False
    threads: int | None = None
    fixed: Any = None
    bounds: Any = None
    ties: Any = None
    resume: Any = None
    callback: Callable[[Moment], Any] | None = None
    checkpoint: str | os.PathLike[str] | None = None
    progress: Progress | None = None
    verbose: bool = False
    record: tuple[str, ...] = ()
    engine: str = "native"

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        check_count("epochs", self.epochs)
        check_seed(self.seed)
        check_choice("engine", self.engine, ["native", "interpreted"])
        for name in ("batch_size", "patience", "threads", "starts"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        for name in ("stop_loss", "min_delta", *TOLERANCES):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name))
        if self.max_seconds is not None:
            check_number("max_seconds", self.max_seconds, above=True)
        for name in self.record:
            check_choice("record", name, ["params", "gradient"])
        for name in SWITCHES:
            if getattr(self, name) is not None:
                check_switch(name, getattr(self, name))
        if self.validation_split is not None:
            check_number("validation_split", self.validation_split)
        check_function("callback", self.callback)
        check_function("clip", self.clip)
        if self.min_delta and self.patience is None:
            raise UsageError("min_delta belongs to patience", remedy="write patience=10 as well")
        if self.checkpoint is not None:
            from descend.show.output import check_output_path

            check_output_path(self.checkpoint, "checkpoint")


OPTIONS = tuple(f.name for f in dataclasses.fields(FitOptions))


def fit(
    model: Callable[..., Any] | str, x: Any = None, y: Any = None, *, start: Any = None,
    loss: str | Loss | Callable[..., Any] = "mse", optimizer: str | Optimizer | None = None,
    lr: Any = None, batch_size: int | None = None, shuffle: bool | None = None,
    epochs: int = 1000, seed: int = 0, stop_loss: float | None = None,
    xtol: float | None = None, ftol: float | None = None, gtol: float | None = None,
    patience: int | None = None, min_delta: float = 0.0, keep_best: bool | None = None,
    max_seconds: float | None = None, validation_split: float = 0.0, sample_weight: Any = None,
    sigma: Any = None, absolute_sigma: bool = False, missing: Missing = "raise",
    constants: Any = None, params: Iterable[str] | None = None, penalty: Any = None,
    clip: Any = None, starts: int | None = None, standardize: bool = False,
    threads: int | None = None, fixed: Any = None, bounds: Any = None, ties: Any = None,
    resume: Any = None, callback: Callable[[Moment], Any] | None = None,
    progress: Progress | None = None, checkpoint: str | os.PathLike[str] | None = None,
    verbose: bool = False, record: Iterable[str] = (), engine: str = "native", **unknown: Any,
) -> Fit:  # fmt: skip
    """Fit a model to data by descending the gradient of a loss.

    Args:
        model: a plain NumPy function of data and parameters, or a formula `"y = a*x + b"`.
        x: an array, a tuple of arrays (the first arguments), or a dict or frame of columns.
        y: the target, rows first; or the name of a column of x.
        start: a dict of parameters, another fit, or `"random"`.
        loss: `"mse"`, `"huber(1)"`, …, or a function of (prediction, target).
        optimizer: `"auto"` (or None) takes Levenberg–Marquardt for sums of squares, else BFGS,
            L-BFGS or Adam, and the report says why; or one by name, with lr as learning rate.
        batch_size, shuffle, seed: all rows at once, unless smaller batches are asked for.
        epochs: at most; before: stop_loss, xtol, ftol, gtol, patience, min_delta, max_seconds.
        keep_best, validation_split: return the best parameters; hold back a share of the rows.
        sample_weight: multiplies each row's loss. sigma: standard deviations of y, in its unit if
            absolute_sigma, else relative (as in SciPy).
        fixed: parameters that keep their start, `["a", "w[0]"]`, or have a value, `{"a": 3}`.
        bounds: `{"a": (0, None)}`, `{"w": ([0, 1], 9)}`, or SciPy's pair of all bounds.
        ties: parameters that are expressions of others, `{"b": "2*a"}`. See also `Parameter`.
        missing: `"drop"` leaves out rows with missing values. constants: arguments that are
            neither data nor parameters. params: parameters named nearly as a column is.
        penalty, clip: what is added to the loss; a limit on gradients.
        starts: as many descents, of which the best is returned with how many agree. Where it is
            not said, one, and up to 32 more if that fails (or, without a start, looks wrong).
        standardize: the model and its parameters see rescaled columns; else units are kept.
        resume: a fit to go on with: the same optimizer, rows and seed; other changes are said.
        callback, progress, verbose: who is told of epochs. checkpoint: a file to resume from.
        record: what the history keeps besides the loss: `"params"`, `"gradient"`.
        engine: `"interpreted"` runs the reference interpreter. threads: changes nothing yet.

    Raises:
        UsageError, DataError: what cannot be meant, or used as it is, with what to do instead.

    >>> import numpy as np
    >>> x = np.linspace(0.0, 1.0, 20)
    >>> fit(lambda x, a, k: a * np.exp(-k * x), x, 2 * np.exp(-3 * x)).params["k"]
    3.0
    """
    given = locals()
    quick = again(given)
    if quick is not None:
        return quick
    found, run = _Fitting(model, x, y, _read_options(given)).result()
    remember(given, run)
    return found


def _read_options(given: Mapping[str, Any]) -> FitOptions:
    refuse_unknown(given["unknown"], OPTIONS)
    named = {name: given[name] for name in OPTIONS}
    options = FitOptions(**{**named, "record": _listed(given["record"])})
    options.check()
    return options


def explain_row(
    model: Any, data: tuple[Any, ...], row: int, options: Mapping[str, Any]
) -> Explanation:
    """Explain one row of the data of a fit that is not run; the options are those of `fit`."""
    from descend.result.explaining import METHOD, explain_at, stepping

    refuse_unknown([name for name in options if name not in OPTIONS], OPTIONS)
    x, y, *_ = (*data, None, None)
    method = {name: options.get(name) for name in METHOD}
    plain = {"optimizer": stepping(method["optimizer"] or "sgd", method["lr"]), "lr": None}
    fitting = _Fitting(model, x, y, FitOptions(**{**options, **plain}))
    built, _ = fitting.job.build()
    leaves = fitting.job.find_start(built, options.get("start") == "random", 0)
    return explain_at(fitting.job, built, fitting.whole, leaves, row)


def _listed(record: Iterable[str]) -> tuple[str, ...]:
    return (record,) if isinstance(record, str) else tuple(record)


class _Fitting:
    """The stages of a call of `fit`."""

    def __init__(self, model: Any, x: Any, y: Any, options: FitOptions) -> None:
        self.options = options
        self.began = 0.0
        self.meter = options.progress
        if self.meter is None and options.verbose:
            self.meter = Verbose(sys.stdout)
        self.problem = _read(model, x, y, options)
        rows = prepared_rows(
            self.problem, options.sample_weight, options.sigma, options.missing
        )
        self.whole = rows
        self.seed = int(options.seed)
        if options.resume is not None:
            self.seed = seed_of(options.resume, self.seed)
        self.rows, self.held = split_rows(rows, options.validation_split, self.seed)
        self.original = self.rows
        self.problem, self.start, space = self._start()
        settings, scaling = self._settings(), None
        if options.standardize:
            settings, scaling = self._standardize(settings)
        if options.start != "random":
            self._guess()
        self.start = settled(self.start, space)
        self.job = Job(
            self.problem, settings, self.start, self.rows, self.held, scaling, space=space
        )
        if scaling is not None:
            self.job.notes.append(scaling.note(self.problem.target))

    def _start(self) -> Begun:
        o = self.options
        if o.resume is not None:
            return begin(self.problem, o.resume, *bonds_of(o.resume, o.fixed, o.bounds, o.ties))
        return begin(self.problem, o.start, o.fixed, o.bounds, o.ties)

    def _guess(self) -> None:
        """Let ready models say where to start."""
        if self.problem.ready is not None:
            from descend.task.ready import with_guesses

            self.start = with_guesses(self.start, self.problem, self.rows)

    def _warn(self) -> None:
        """Say what the data cannot tell."""
        count = free_count(self.job.space, self.job.leaf_arrays())
        is_vector = self.job.settings.optimizer.scope == "vector"
        self.job.notes += warn_of_data(self.problem, self.rows, count, is_vector)

    def _settings(self) -> Settings:
        o, n = self.options, self.rows.n_rows
        loss = _loss_named(o.loss) if isinstance(o.loss, str) else as_loss(o.loss)
        loss.check(self.rows.extra["target"])
        size = None if o.batch_size is None or o.batch_size >= n else int(o.batch_size)
        count = sum(a.size for a in self.start.arrays.values()) + len(self.start.missing)
        optimizer, why = _chosen_optimizer(o, loss, count, size)
        own = [t for t in TOLERANCES if hasattr(optimizer, t) and getattr(o, t) is not None]
        if own:
            optimizer = dataclasses.replace(optimizer, **{t: float(getattr(o, t)) for t in own})
        _check_method(optimizer, loss, size, o)
        shuffle = size is not None if o.shuffle is None else bool(o.shuffle)
        penalty = None if o.penalty is None else as_penalty(o.penalty)
        return Settings(
            loss, optimizer, _rules(o, size, own), size, shuffle and size is not None, penalty,
            o.clip, self.seed, o.engine, why=why,
        )  # fmt: skip

    def _standardize(self, settings: Settings) -> tuple[Settings, Scaling]:
        """Rescale all rows by the training rows, and the limits on the loss with them."""
        from descend.task.scaling import measured

        assert settings.loss is not None
        if WHITENING in self.rows.extra:
            raise UsageError(
                "standardize has no meaning beside a covariance matrix, which is in y's unit",
                remedy="leave standardize out",
            )
        scaling = measured(self.rows, settings.loss.name)
        factor = scaling.loss_factor("sigma" in self.rows.extra)
        self.rows, self.whole = scaling.apply(self.rows), scaling.apply(self.whole)
        self.held = None if self.held is None else scaling.apply(self.held)
        rules = settings.rules
        limits = {
            name: value / factor if name in ("stop_loss", "min_delta") else value
            for name, value in rules.limits.items()
        }
        rules = dataclasses.replace(rules, limits=limits)
        return dataclasses.replace(settings, rules=rules), scaling

    def result(self) -> tuple[Fit, Finished]:
        """Build, run, and say how it went."""
        built, fresh = self.job.build()
        self._warn()
        message = ""
        try:
            best = attempted(
                lambda attempt, most: self._attempt(built, fresh, attempt, most),
                lambda attempt: self._glance(built, attempt),
                self.options.starts or 1, unasked(self.options, self.job),
                self._spent, lambda: self.job.evaluations,
            )  # fmt: skip
            found = finish(best)
            warn_of_indices(built, self.rows.columns, found._remains.leaves)
            message = found.message
        finally:
            if self.meter is not None:
                self.meter.close(message)
        return found, best

    def _spent(self) -> bool:
        """Whether max_seconds are over, counted from the first descent on."""
        o, now = self.options, time.perf_counter()
        return o.max_seconds is not None and now - self.began >= float(o.max_seconds)

    def _glance(self, built: Any, attempt: int) -> Finished:
        """One evaluation at a random point, which nobody is told of."""
        job = self.job
        leaves = job.find_start(built, True, attempt, wide=True)
        control, course = Control(1, self.seed), Course(built.descent.records)
        seen = Finished(
            job, built, False, self.options, self.whole, leaves, control, course, self.original
        )
        seen.bound = job.bindings(built, job.first_state(leaves))
        seen.ending = drive(built.runner, seen.bound, control, course, 1, Watch(), 1)
        return seen

    def _attempt(
        self, built: Any, fresh: bool, attempt: int, most: int | None
    ) -> Finished:
        # Where starts are asked for, every second one looks farther: a descent is quick enough.
        quick = self.job.settings.optimizer.needs == "gauss_newton" and self.options.starts
        wide = unasked(self.options, self.job) is Unasked.FAILED or bool(quick and attempt % 2)
        leaves = self.job.find_start(built, self.options.start == "random", attempt, wide)
        check_indices(built, self.rows.columns, leaves)
        return self._run(built, fresh, leaves, most)

    def _run(
        self, built: Any, fresh: bool, leaves: Mapping[str, Any], most: int | None = None
    ) -> Finished:
        o, job = self.options, self.job
        state = job.first_state(leaves)
        epochs = int(o.epochs) if most is None else min(int(o.epochs), most)
        control = Control(1 if job.idle else epochs, self.seed)
        course = Course(built.descent.records)
        finished = Finished(
            job, built, fresh, o, self.whole, dict(leaves), control, course, self.original
        )
        if o.resume is not None:
            state |= resumed(finished, o.resume)
        finished.bound = job.bindings(built, state)
        steps = -(-self.rows.n_rows // (job.settings.batch_size or self.rows.n_rows))
        finished.ending = drive(
            built.runner, finished.bound, control, course, steps, self._watch(finished),
            _first_budget(built, self.rows.n_rows, steps),
        )  # fmt: skip
        polished(finished)
        return finished

    def _watch(self, finished: Finished) -> Watch:
        o, now = self.options, time.perf_counter()
        self.began = self.began or now
        return Watch(
            self.meter,
            None if o.max_seconds is None else max(self.began + float(o.max_seconds) - now, 0.0),
            None if o.callback is None else finished.moment(o.callback),
            None if o.checkpoint is None else save_to(finished, o.checkpoint),
            unit="iteration" if self.job.settings.optimizer.scope == "vector" else "epoch",
            loss_factor=self.job.loss_factor,
        )


def _read(model: Any, x: Any, y: Any, o: FitOptions) -> Problem:
    if isinstance(model, str | Formula):
        return formula_problem(model, x, y, model_starts(model, o), o.params)
    from descend.models.model import Model

    if isinstance(model, Model):
        from descend.task.ready import ready_problem

        return ready_problem(model, x, y, o.constants)
    if not callable(model):
        raise UsageError(
            f"the model is a function or a formula, not {type(model).__name__}",
            remedy='write def model(x, a, b): …, or "y = a*x + b"',
        )
    return function_problem(model, x, y, o.constants)


def _chosen_optimizer(
    o: FitOptions, loss: Loss, count: int, batch_size: int | None
) -> tuple[Optimizer, str]:
    """The optimizer that was asked for, or the one that suits, and why."""
    if is_auto(o.optimizer):
        if o.lr is not None:
            raise UsageError(
                "lr needs an optimizer: by default the method chooses its own steps",
                remedy=f"write optimizer=descend.SGD(lr={o.lr!r}), or leave lr out",
            )
        bare = o.penalty is None and o.clip is None
        return chosen(Task(count, batch_size, _is_square(loss), loss.curved, bare, loss.kinked))
    return as_optimizer(o.optimizer, **({} if o.lr is None else {"lr": o.lr})), ""


@functools.lru_cache(maxsize=64)
def _loss_named(name: str) -> Loss:
    return as_loss(name)


def _is_square(loss: Loss) -> bool:
    return type(loss).residual is not Loss.residual


def _check_method(optimizer: Optimizer, loss: Loss, size: int | None, o: FitOptions) -> None:
    """Refuse combinations that have no meaning."""
    name = type(optimizer).__name__
    if optimizer.scope == "vector" and size is not None:
        raise UsageError(
            f"{name} needs all rows at once, not batches of {size}",
            remedy='leave out batch_size, or choose optimizer="adam" or descend.SGD(lr=…)',
        )
    if optimizer.needs == "gauss_newton":
        if not (_is_square(loss) or loss.curved or isinstance(loss, FunctionLoss)):
            raise UsageError(
                f"{name} needs two derivatives of each row's loss, and the loss is {loss.name}",
                remedy='leave out optimizer (BFGS then), or choose loss="mse" or "huber"',
            )
        for what in ("penalty", "clip"):
            if getattr(o, what) is not None:
                raise UsageError(f"{name} knows no {what}", remedy="leave out optimizer: BFGS does")
    if o.sigma is not None and not loss.of_residual:
        raise UsageError(
            f"sigma belongs to losses of prediction − target, and the loss is {loss.name}",
            remedy="write sample_weight=… to weight the rows",
        )
    if o.absolute_sigma and o.sigma is None:
        raise UsageError(
            "absolute_sigma says something of sigma, and there is none", remedy="write sigma=…"
        )
    if o.absolute_sigma and not _is_square(loss):
        raise UsageError(
            f"absolute_sigma has no say with the loss {loss.name}: its errors come from the "
            "scatter of the rows",
            remedy="leave it out",
        )


def _rules(o: FitOptions, size: int | None, own: list[str]) -> Rules:
    """The stopping rules that are on; tolerances that the optimizer has itself are not."""
    limits: dict[str, float] = {}
    for name in ("stop_loss", *TOLERANCES):
        value = getattr(o, name)
        if value is not None and name not in own:
            limits[name] = float(value)
    if o.patience is not None:
        limits |= {"patience": float(o.patience), "min_delta": float(o.min_delta)}
    keep = o.keep_best
    if keep is None:
        keep = o.patience is not None and bool(o.validation_split)
    if keep and size is not None and not o.validation_split:
        raise UsageError(
            "keep_best needs a loss that belongs to one set of parameters; the running mean over "
            "batches does not",
            remedy="add validation_split=0.2, or use all rows at once",
        )
    return Rules(limits, bool(keep), o.record)


def _first_budget(built: Any, n_rows: int, steps: int) -> int:
    """Steps for the first entry: about a millisecond, if an operation takes about a nanosecond."""
    operations = 50.0 * max(1, n_rows // steps)
    if built.engine == "interpreted":
        operations += 1e5
    return max(1, int(2e6 / operations))



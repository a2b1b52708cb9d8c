"""`fit`: a model, data, and everything else by name."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Never

from descend.data.frames import is_source
from descend.data.validate import Missing
from descend.errors import UsageError, ends_at_users_line
from descend.judge.clear import first_look, learnt_plainly
from descend.judge.doubts import correlated
from descend.methods.base import Optimizer
from descend.methods.losses import Loss
from descend.result.finish import finish, finish_clear, finish_plainly
from descend.result.fit import Fit
from descend.run.finished import Moment
from descend.run.plan import Run
from descend.show.progress import Progress
from descend.task.options import read_options
from descend.task.values import Values, values_of
from descend.train.descents import Descents, PlannedRun, bound, walked
from descend.train.plans import PLANS, planned
from descend.train.reading import Reading

__all__ = ["clear_fit", "fit", "plain_fit", "read_call"]


@ends_at_users_line
def fit(
    model: Callable[..., Any] | str, x: Any = None, y: Any = None, *, start: Any = None,
    loss: str | Loss | Callable[..., Any] | None = None, optimizer: str | Optimizer | None = None,
    lr: Any = None, batch_size: int | None = None, shuffle: bool | None = None,
    epochs: int | None = None, seed: int = 0, stop_loss: float | None = None,
    xtol: float | None = None, ftol: float | None = None, gtol: float | None = None,
    patience: int | None = None, min_delta: float = 0.0, keep_best: bool | None = None,
    max_seconds: float | None = None, validation_split: float = 0.0, validation_data: Any = None,
    class_weight: Any = None, sample_weight: Any = None, sigma: Any = None,
    absolute_sigma: bool = False, missing: Missing = "raise", constants: Any = None,
    params: Iterable[str] | None = None, penalty: Any = None, clip: Any = None,
    starts: int | None = None, standardize: bool | None = None, likelihood: bool = False,
    threads: int | None = None, fixed: Any = None, bounds: Any = None, ties: Any = None,
    resume: Any = None, callback: Callable[[Moment], Any] | None = None,
    progress: Progress | None = None, checkpoint: str | os.PathLike[str] | None = None,
    verbose: bool = False, record: Iterable[str] = (), metrics: Iterable[str] = (),
    accumulate: int = 1, ema: float | None = None, lr_factors: Any = None, engine: str = "native",
    stream: bool | None = None, scratch: str | os.PathLike[str] | None = None, on: Any = None,
    **unknown: Never,
) -> Fit:  # fmt: skip
    """Fit a model to data by descending the gradient of a loss.

    Args:
        model: a plain NumPy function of data and parameters, or a formula `"y = a*x + b"`.
        x: an array, a tuple of them, a dict or frame of columns; or a file, a relation, a stream.
        y: the target, rows first; or the name of a column of x.
        start: a dict of parameters, another fit, or `"random"`.
        loss: `"mse"` (of networks, what suits the target), `"huber(1)"`, …, or a function of
            (prediction, target). likelihood: it is a negative log-likelihood, which has errors.
        optimizer: `"auto"` takes Levenberg–Marquardt for sums of squares, else BFGS, L-BFGS or
            Adam, and the report says why; or one by name, with lr as learning rate.
        batch_size, shuffle, seed: all rows at once, unless smaller batches are asked for, of which
            accumulate make an update. ema: return a moving average; this share stays at each.
        lr_factors: by what lr is multiplied for some parameters or layers, `{"0.weight": 0.1}`.
        epochs: at most (1000; of networks 200). stop_loss, xtol, ftol, gtol, patience, min_delta,
            max_seconds: what ends it before.
        keep_best, validation_split, validation_data: return the best parameters; hold back a share
            of the rows, or give (x, y). class_weight: `"balanced"`, or a dict label → weight.
        sample_weight: multiplies each row's loss. sigma, absolute_sigma: spreads of y, as in SciPy.
        fixed: parameters that keep their start, `["a", "w[0]"]`, or have a value, `{"a": 3}`.
        bounds: `{"a": (0, None)}`, `{"w": ([0, 1], 9)}`, or SciPy's pair of all bounds.
        ties: parameters that are expressions of others, `{"b": "2*a"}`. See also `Parameter`.
        missing: `"drop"` leaves out rows with missing values. constants: arguments that are neither
            data nor parameters. params: parameters named nearly as a column is.
        penalty, clip: what is added to the loss (`{"w": "l2(1)"}` of some); a limit on gradients.
        starts: of so many descents the best is returned; else of one, or of 33 if that fails.
        standardize: the model sees rescaled columns. resume: a fit to go on with, of the same
            optimizer, rows and seed; other changes are said.
        callback, progress, verbose: who is told of epochs. checkpoint: a file to resume from.
        record, metrics: what the history keeps besides: `"params"`, `"gradient"`; `"accuracy"`, ….
        stream: rows come in passes; else if memory is short. scratch: copies. on: a Dask client.
        engine: `"interpreted"` does without native code. threads: how many work, for the same bits.

    Raises:
        UsageError, DataError: what cannot be meant, or used as it is, with what to do instead.

    >>> fit(lambda x, a, b: a / (x + b), [0.0, 1.0, 2.0, 4.0], [6.0, 4.0, 3.0, 2.0]).params["a"]
    12.0
    """
    return _fitted(locals())


def _fitted(given: Mapping[str, Any]) -> Fit:
    """The same, here or with the help of others."""
    if given["on"] is None:
        return walked(values_of(given), PLANS, _clear, finish, _read, given)
    from descend.cluster.pool import at_work

    with at_work(given["on"]) as pool:
        return walked(None, PLANS, _clear, finish, _read, {**given, "on": pool})


def _read(
    given: Mapping[str, Any], longest: int | None = None
) -> tuple[Descents, PlannedRun]:
    """The descents of a call, read in full, and what runs by their plan."""
    options, n_dropped = read_options("fit", given), 0
    if is_source(given["x"]):
        from descend.train.streams import in_passes, read_source

        given, beyond, n_dropped = read_source(given, options)
        options = read_options("fit", given)
        if beyond is not None:
            own = Reading(given["model"], given["x"], given["y"], options, beyond=beyond)
            return in_passes(own, beyond), _not_planned
    elif asked := [n for n in ("stream", "scratch", "on") if getattr(options, n)]:
        raise UsageError(
            f"{asked[0]} belongs to rows that come from a source, and x holds them in memory",
            remedy="leave it out, or give a file, a function that gives blocks, …",
        )
    asked_of = given["model"], given["x"], given["y"], options
    own = Reading(*asked_of, n_dropped=n_dropped).in_places()
    if longest is not None:
        own.job = own.job.with_batches(longest)
    built, fresh = own.job.build()
    own.warn()
    descents = Descents(own.job, built, fresh, own.options, own.whole, own.original)
    return descents, lambda values: planned(given, values, own, built, fresh)


def _not_planned(_values: Values | None) -> None:
    """What runs in passes has no plan."""


def read_call(
    model: Any, x: Any, y: Any, options: Mapping[str, Any], longest: int | None = None
) -> tuple[Descents, Any]:
    """A call of `fit` that is read in full, of the options that are given.

    Args:
        longest: the program takes batches of any size up to this one.

    Raises:
        UsageError: an option that there is not, or what `fit` refuses.
    """
    known = _defaults()
    unknown = {name: value for name, value in options.items() if name not in known}
    given = known | {name: value for name, value in options.items() if name in known}
    return _read(given | {"model": model, "x": x, "y": y, "unknown": unknown}, longest)


def _clear(run: Run) -> Fit | None:
    """The fit of a run whose end leaves no doubt; None of any other."""
    status = first_look(run)
    if status is None or (run.plan.looks_at_rows and correlated(run.finished())):
        return None
    if run.plan.learns and not learnt_plainly(run) and _has_diagnoses(run):
        return None
    return finish_clear(run, status)


def _has_diagnoses(run: Run) -> bool:
    """Whether there is something to be said of what was learnt."""
    from descend.judge.diagnoses import diagnoses_of

    return bool(diagnoses_of(run.finished()))


def clear_fit(**given: Any) -> Fit | None:
    """A fit by its plan, as `fit` makes it, if its end leaves no doubt; None of any other."""
    given = _defaults() | given
    run, _ = bound(values_of(given), PLANS, _read, given)
    if run is None:
        return None
    run.go()
    return _clear(run)


def plain_fit(**given: Any) -> Fit:
    """A fit of whose end nothing is judged, for who has words of their own: it warns of nothing."""
    given = _defaults() | given
    return walked(values_of(given), PLANS, _clear, finish_plainly, _read, given)


@functools.cache
def _defaults() -> dict[str, Any]:
    """The arguments of `fit` where nothing is said, in their order."""
    return {
        name: {} if argument.kind is argument.VAR_KEYWORD else argument.default
        for name, argument in inspect.signature(fit).parameters.items()
    }

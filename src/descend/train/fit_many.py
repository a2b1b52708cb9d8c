"""`fit_many`: one model, many datasets."""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Never, overload

import numpy as np

from descend.data.cubes import Cube, is_cube, read_cube
from descend.data.frames import is_source
from descend.data.validate import check_positive
from descend.errors import DataError, UsageError, ends_at_users_line
from descend.judge.attempts import Unasked
from descend.judge.many_attempts import Made, further
from descend.judge.many_doubts import as_good_outside, doubtful, plainly_well
from descend.methods.base import Optimizer
from descend.methods.choice import is_auto
from descend.methods.damped import LeanLevenbergMarquardt
from descend.methods.least_squares import LevenbergMarquardt
from descend.methods.losses import Loss
from descend.methods.table import as_loss, as_optimizer
from descend.models.model import Model
from descend.models.reading import parse_formula
from descend.quantities import refuse_other_rows
from descend.records.many import JUDGED
from descend.result.groups import GroupFits
from descend.result.many import ManyFits, recorded
from descend.run.candidates import solves_linear
from descend.run.indices import check_many, warn_of_many
from descend.run.many_candidates import found_starts, with_ready_guesses
from descend.run.many_drive import ManyDrive
from descend.run.many_job import CONVERGED, ManyJob, among
from descend.run.threads import Share, run_many
from descend.show.progress import Progress
from descend.task.datasets import ManyData, ManyMissing, read_many, without_missing
from descend.task.declared import problem_of
from descend.task.option_table import TOLERANCES
from descend.task.options import Options, read_options
from descend.task.problem import signature_of
from descend.task.rows import WEIGHTS
from descend.task.starts import many_start
from descend.trace.formula import Formula
from descend.train.closer import looked_at

__all__ = ["fit_many"]

Array = np.ndarray[Any, np.dtype[Any]]

Closer = Callable[[Array], tuple[Array, int]]
"""Doubtful fits of some groups of more, those first at which is looked closer, and how many."""
Place = str | os.PathLike[str] | None
MOST_LEAN = 12  # numbers: with more, the model costs more than the method


@overload
def fit_many(
    model: Callable[..., Any] | str | Model, x: Any = None, y: Any = None, *, start: Any = None,
    fixed: Any = None, bounds: Any = None, ties: Any = None, by: str | Sequence[str] | None = None,
    dim: Any = None, sigma: Any = None, absolute_sigma: bool = False, sample_weight: Any = None,
    loss: str | Loss = "mse", optimizer: str | Optimizer | None = None, max_iter: int = 1000,
    xtol: float | None = None, ftol: float | None = None, gtol: float | None = None,
    missing: ManyMissing = "skip", covariance: bool = False, constants: Any = None,
    params: Iterable[str] | None = None, likelihood: bool = False, threads: int | None = None,
    seed: int = 0,
    starts: int | None = None, progress: Progress | None = None, to: None = None,
    restart: bool = False, scratch: Place = None, on: Any = None, **unknown: Never,
) -> ManyFits: ...  # fmt: skip


@overload
def fit_many(
    model: Callable[..., Any] | str | Model, x: Any = None, y: Any = None, *, start: Any = None,
    fixed: Any = None, bounds: Any = None, ties: Any = None, by: str | Sequence[str] | None = None,
    dim: Any = None, sigma: Any = None, absolute_sigma: bool = False, sample_weight: Any = None,
    loss: str | Loss = "mse", optimizer: str | Optimizer | None = None, max_iter: int = 1000,
    xtol: float | None = None, ftol: float | None = None, gtol: float | None = None,
    missing: ManyMissing = "skip", covariance: bool = False, constants: Any = None,
    params: Iterable[str] | None = None, likelihood: bool = False, threads: int | None = None,
    seed: int = 0,
    starts: int | None = None, progress: Progress | None = None, to: str | os.PathLike[str],
    restart: bool = False, scratch: Place = None, on: Any = None, **unknown: Never,
) -> GroupFits: ...  # fmt: skip


@ends_at_users_line
def fit_many(
    model: Callable[..., Any] | str | Model, x: Any = None, y: Any = None, *, start: Any = None,
    fixed: Any = None, bounds: Any = None, ties: Any = None, by: str | Sequence[str] | None = None,
    dim: Any = None, sigma: Any = None, absolute_sigma: bool = False, sample_weight: Any = None,
    loss: str | Loss = "mse", optimizer: str | Optimizer | None = None, max_iter: int = 1000,
    xtol: float | None = None, ftol: float | None = None, gtol: float | None = None,
    missing: ManyMissing = "skip", covariance: bool = False, constants: Any = None,
    params: Iterable[str] | None = None, likelihood: bool = False, threads: int | None = None,
    seed: int = 0,
    starts: int | None = None, progress: Progress | None = None, to: Place = None,
    restart: bool = False, scratch: Place = None, on: Any = None, **unknown: Never,
) -> ManyFits | GroupFits:  # fmt: skip
    """Fit one model to many datasets, each by itself, as one compiled program.

    The fits lie in the lanes of the processor's vector registers and on several threads; a lane
    that has finished takes the next fit. Each fit comes out as `fit` would give it (to rounding),
    with the same bits whatever its neighbours and however many threads.

    Args:
        model: a plain NumPy function of data and parameters, or a formula `"y = a*x + b"`.
        x: (points,) in common or (fits, points); a tuple or dict of such; or a list of datasets
            `[(x1, y1), (x2, y2), …]` of any lengths; or a table, or a source of rows, with `by`.
        y: (fits, points); with a table, the name of its column.
        start: name → a number for all fits, or an array (fits, …) with one for each.
        fixed: parameters that keep their start, `["a"]`, or have a value, `{"a": 3}`, which may be
            an array (fits, …) too. bounds, ties: as in `fit`.
        by: the column of the table that says which rows belong to one fit, or a list of several.
        dim: of an `xarray.DataArray` as x, or a Dataset with y as the name of its variable: the
            dimension along which the points of one fit lie, or several. All others make fits.
            Arguments of the model that are called as coordinates along it are data, or else the
            first ones; start, fixed, sigma and sample_weight may be DataArrays. See `to_xarray`.
        sigma: standard deviations of y: a number, (points,), (fits, 1), (fits, points), one entry
            a dataset, or a column of the table. absolute_sigma: they are in the unit of y.
        sample_weight: what multiplies the loss of each point, in the forms of sigma.
        loss, optimizer, xtol, ftol, gtol: as in `fit`. max_iter: steps of one fit at most.
        missing: what becomes of points whose values are missing: `"skip"` leaves their fits out,
            with the status bad_data; `"drop"` leaves out the points; `"raise"` refuses the data.
        covariance: keep the covariance of each fit.
        constants, params, likelihood: as in `fit`.
        threads: how many may work (by default one a core).
        seed: of the candidates for scalars that have no start: each fit takes the best of a search
            in its own data.
        starts: from how many starts each fit descends; the best is kept. Where it is not said, one,
            and more for those fits that fail (or, without a start, look wrong), as in `fit`.
        progress: who is told how many fits are done. on: a Dask client, whose workers do them.
        to: a Parquet file for the results, in the order of the keys. What is done is kept beside
            it, and the same call goes on; restart: from the beginning. scratch: where copies go.

    Raises:
        UsageError, DataError: what cannot be meant, or used as it is, with what to do instead.

    >>> import numpy as np
    >>> x = np.linspace(0.0, 1.0, 20)
    >>> k = np.array([[1.0], [2.0], [3.0]])
    >>> fits = fit_many(lambda x, a, k: a * np.exp(-k * x), x, 2 * np.exp(-k * x),
    ...                 start=dict(a=1, k=1))
    >>> fits.params["k"].round(9), fits.success
    (array([1., 2., 3.]), array([ True,  True,  True]))
    """
    return _called(model, x, y, read_options("fit_many", locals()))


def _called(model: Any, x: Any, y: Any, options: Options) -> ManyFits | GroupFits:
    """The fits of a call, here or on the workers of others."""
    if options.on is None:
        return _of_any(model, x, y, options)
    if options.to is not None or is_source(x):
        raise UsageError(
            "on= has workers do the fits of data in memory, and the rows come from a source"
            if is_source(x) else "on= gives the fits as they are, and to= writes them to a file",
            remedy="leave out on: groups of rows are fitted on all cores of this machine",
        )
    from descend.cluster.pool import at_work

    with at_work(options.on) as pool:
        return _of_any(model, x, y, options.but(on=pool))


def _of_any(model: Any, x: Any, y: Any, options: Options) -> ManyFits | GroupFits:
    """The fits of plain arrays, of those with named dimensions, or of rows that come."""
    if options.dim is not None or is_cube(x):
        cube, options = _of_cube(model, x, y, options)
        found = _Many(model, options, *_read(model, cube.x, cube.y, options)).result()
        found.layout = cube.layout
        return found
    if options.to is not None or is_source(x):
        from descend.train.groups import fit_groups

        return fit_groups(model, x, y, options, _of_groups)
    for name in ("restart", "scratch"):
        if getattr(options, name):
            raise UsageError(
                f"{name} belongs to rows that come from a source, and x holds them in memory",
                remedy='leave it out, or name a file for the results: to="fits.parquet"',
            )
    return _Many(model, options, *_read(model, x, y, options)).result()


def _of_cube(model: Any, x: Any, y: Any, options: Options) -> tuple[Cube, Options]:
    """The arrays and options of a call on data with named dimensions."""
    if not (is_cube(x) or is_cube(y)):
        raise UsageError(
            f"dim names a dimension of a DataArray or Dataset, and x is {type(x).__name__}",
            remedy="leave it out, or name the dimensions: xarray.DataArray(values, dims=…)",
        )
    if options.by is not None:
        raise UsageError(
            "by names a column of a table, and the data have named dimensions",
            remedy="say along which the points of a fit lie: dim=…",
        )
    arguments, written = _arguments(model)
    weights = {n: getattr(options, n) for n in WEIGHTS if getattr(options, n) is not None}
    values = {n: getattr(options, n) for n in ("start", "fixed")}
    skips = options.missing == "skip"
    cube = read_cube(x, y, options.dim, arguments, written, weights, values, skips)
    return cube, options.but(dim=None, **cube.weights, **cube.values)


def _arguments(model: Any) -> tuple[Sequence[str], str | None]:
    """The names that a model takes, and what a formula calls its left side."""
    if hasattr(model, "as_layer"):  # refused where it is read
        return (), None
    if isinstance(model, str | Formula):
        formula = parse_formula(model) if isinstance(model, str) else model
        return [n for n in formula.names if n not in formula.own], formula.target or ""
    return (signature_of(model).names if callable(model) else ()), None


def _read(model: Any, x: Any, y: Any, options: Options) -> tuple[ManyData, Sequence[str]]:
    """The data of all fits, and the names of their weights."""
    if hasattr(model, "as_layer"):
        raise UsageError(
            "fit_many fits one function to many sets of data, and is for few parameters",
            remedy="train a network many times on the same rows by descend.trainings(network, "
            "x, y, over=…), or on others by descend.fit(network, x, y) in a loop",
        )
    weights = {name: getattr(options, name) for name in WEIGHTS}
    weights = {name: given for name, given in weights.items() if given is not None}
    by_rows = [("x", x), ("y", y), *weights.items()]
    refuse_other_rows((name, a) for name, a in by_rows if type(a) is not list)
    read = functools.partial(problem_of, model, options=options)
    return read_many(read, x, y, weights, options.by), [*weights]


def _of_groups(
    model: Any, data: ManyData, options: Options, closer: Closer
) -> tuple[ManyFits, ManyJob, ManyDrive]:
    """The fits of some groups of more, with what made them."""
    weights = [name for name in WEIGHTS if name in data.columns]
    own = _Many(model, options, data, weights, closer)
    return own.result(), own.job, own.drive


class _Many:
    """The stages of a call of `fit_many`."""

    def __init__(
        self, model: Any, options: Options, data: ManyData, weights: Sequence[str],
        closer: Closer | None = None,
    ) -> None:  # fmt: skip
        self.options, self.model, self.closer = options, model, closer
        dropped = False
        if options.missing != "skip":
            whole = without_missing(data)
            if options.missing == "raise" and whole is not data:
                _refuse_missing(data)
            dropped, data = whole is not data, whole
        if not data.n_fits:
            raise DataError("there are no fits: the data are empty")
        for name in weights:
            array = data.columns[name]
            zero = name == "sample_weight"
            if zero or not (array.min(initial=1.0) > 0 and array.max(initial=1.0) < np.inf):
                check_positive(array[np.isfinite(array)], name, zero=zero)
        # Of groups of more nothing is given one by one: no array counts them.
        fits = data.n_fits if closer is None else -1
        start = many_start(
            data.problem, options.start, fits, options.fixed, options.bounds, options.ties
        )
        self.unsaid = start.sample.missing
        start = with_ready_guesses(start, data)
        loss = as_loss(options.loss, options.likelihood)
        asked = options.absolute_sigma, options.covariance, int(options.seed)
        self.job = ManyJob(data, start, loss, *asked)
        if dropped:
            self.job.refuse_coupling()
        self.drive = ManyDrive(
            self._optimizer(), options.optimizer is not None, int(options.max_iter),
            options.threads, data.n_fits, _runs(options.on),
        )  # fmt: skip
        self.searched = np.zeros(data.n_fits, np.int64)
        if start.sample.missing:
            self.job, self.searched = self._found(self.job, start.sample.missing, 0)

    def _found(
        self, job: ManyJob, missing: tuple[str, ...], attempt: int
    ) -> tuple[ManyJob, Array]:
        """The job where each fit begins at its best candidate, and (fits,) evaluations for that."""
        solves = solves_linear(self.drive.optimizer, job.loss)
        return found_starts(job, missing, solves, attempt, self.drive.run)

    def _optimizer(self) -> Optimizer:
        o = self.options
        plain: Optimizer = as_optimizer("bfgs")
        if self.job.has_equations:
            size = sum(a.size for a in self.job.start.varied().values())
            plain = LeanLevenbergMarquardt() if size <= MOST_LEAN else LevenbergMarquardt()
        chosen = plain if o.optimizer is None else as_optimizer(o.optimizer)
        if chosen.scope != "vector":
            raise UsageError(
                f"{type(chosen).__name__} needs a learning rate and never ends by itself",
                remedy='leave out optimizer, or choose "lm" or "bfgs"',
            )
        own = {t: getattr(o, t) for t in TOLERANCES if getattr(o, t) is not None}
        for name in own:
            if not hasattr(chosen, name):
                raise UsageError(f"{type(chosen).__name__} has no {name}")
        return dataclasses.replace(chosen, **{t: float(v) for t, v in own.items()})

    # --- the run

    def result(self) -> ManyFits:
        """Build, run, and say how each fit went."""
        begin, job, drive, o = time.perf_counter(), self.job, self.drive, self.options
        own = drive.ready(job)
        if own.built.model is not None:
            check_many(own.built.model, job.data, job.start)
        compiled, tries = time.perf_counter(), None
        try:
            drive.descend(own, o.progress)
            made = dict(zip(own.built.results, own.arrays.results, strict=True))
            odd = np.flatnonzero(~plainly_well(job, made, own.arrays.codes))
            if not drive.stopped:
                first = Made(own.built, own.arrays, self.searched)
                tries = further(
                    job, first, o.starts or 1, self._unasked(), self._anew,
                    lambda part, ends: part.neighbours(drive.run, ends), odd,
                )  # fmt: skip
        finally:
            if o.progress is not None:
                o.progress.close()
        by = "fit" if o.by is None else o.by if isinstance(o.by, str) else tuple(o.by)
        found = recorded(job, own.built, own.arrays, by)
        if not drive.stopped:
            which = doubtful(
                job, found.status, made, lambda ends: job.neighbours(drive.run, ends), odd
            )
            if not (job.is_square or job.loss.kinked):
                which = np.union1d(which, as_good_outside(job, found.status, made, self._ends))
            meets = job.loss.kinked and job.loss.of_residual
            if meets or own.built.compares:
                which = np.arange(len(found))  # lanes do not tell which rows they have met
            kept = o.starts == 1 and not self.unsaid
            which, most = (which, None) if self.closer is None else self.closer(which)
            left = looked_at(found, job, self.model, o, which, kept, most)
            if meets:  # as those do that were looked at
                found.status[left[among(found.status[left], CONVERGED)]] = JUDGED["kink"]
            on = among(found.status, CONVERGED) & found.pressed(job.start.space)
            found.status[on] = JUDGED["bound"]
        found.seconds, found.compile_seconds = time.perf_counter() - compiled, compiled - begin
        found.threads, found.lanes = len(own.workers), own.workers[0].width
        found.interrupted = drive.stopped
        if own.built.model is not None:
            warn_of_many(own.built.model, job.data, found.params)
        if tries is not None:
            found.starts, found.agreed = tries.starts, tries.agreed
            found.n_further, found.n_mended = tries.needed, tries.mended
            found.n_cut = tries.cut
        return found

    def _unasked(self) -> Unasked:
        """Whether fits that look wrong are begun again, as `fit` does it."""
        o, start = self.options, self.options.start
        meant = start is not None and not isinstance(start, Mapping)
        if meant or o.starts is not None or not o.is_default("max_iter"):
            return Unasked.NEVER
        if self.drive.optimizer.needs != "gauss_newton" and not is_auto(o.optimizer):
            return Unasked.NEVER
        searched = self.unsaid or (self.job.start.problem.ready is not None and not start)
        return Unasked.DOUBTED if searched else Unasked.FAILED

    def _ends(self, job: ManyJob) -> Mapping[str, Array]:
        """What the program leaves of other fits, or of the same from another start."""
        own = self.drive.ready(job)
        self.drive.descend(own)
        return dict(zip(own.built.results, own.arrays.results, strict=True))

    def _anew(self, job: ManyJob, attempt: int, most: int | None) -> Made:
        """The descents of one more attempt, of so many steps at most."""
        searched = np.zeros(job.data.n_fits, np.int64)
        missing = self.unsaid
        # Every second start that is asked for looks farther; of unasked ones, every one.
        if not missing and (most is not None or attempt % 2 == 0):
            missing = job.start.scalars()
        if missing:
            job, searched = self._found(job, missing, attempt)
        own = self.drive.ready(job, most)
        self.drive.descend(own, None, most)
        return Made(own.built, own.arrays, searched, self.drive.stopped)


def _runs(pool: Any) -> Callable[..., Share]:
    """What runs fits: threads of this process, or the workers of a cluster."""
    if pool is None:
        return run_many
    from descend.cluster.many import Spread

    return Spread(pool)


def _refuse_missing(data: ManyData) -> None:
    for fit in range(data.n_fits):
        for name, array in data.one(fit).all().items():
            bad = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
            if bad.size:
                raise DataError(
                    f"{name} of fit {fit} is not finite in point {bad[0]} (counting from 0)",
                    remedy='write missing="drop" to leave out such points, or "skip" such fits',
                )

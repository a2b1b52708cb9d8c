"""`fit_many`: one model, many datasets."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import numpy as np

from descend.compile.many_native import ManyArrays, NativeMany
from descend.data.validate import check_positive
from descend.errors import DataError, UsageError
from descend.graph.node import Dim, RowsAsked
from descend.lean import dataclass
from descend.methods.base import Optimizer
from descend.methods.damped import LeanLevenbergMarquardt
from descend.methods.losses import Loss
from descend.methods.table import as_loss, as_optimizer
from descend.pipeline import Model, Recipe, Spec, trace_model
from descend.show.progress import Progress
from descend.trace.formula import Formula
from descend.train.many_build import ManyBuilt, build_many
from descend.train.many_data import ManyData, ManyMissing, read_many, without_missing
from descend.train.many_results import BAD_DATA, SINGULAR, SPENT, TOO_FEW, ManyFits
from descend.train.many_run import run_many
from descend.train.many_start import many_start
from descend.train.options import check_choice, check_count, check_number, refuse_unknown
from descend.train.problem import Problem, formula_problem, function_problem

__all__ = ["fit_many"]

Array = np.ndarray[Any, np.dtype[Any]]

MISSING = ("skip", "drop", "raise")
LEAST_PIVOT = 1e-13
MOST_KEPT = 32


@dataclass(frozen=True)
class ManyOptions:
    """The options of `fit_many` as they were given; see there."""

    start: Any = None
    by: str | None = None
    sigma: Any = None
    absolute_sigma: bool = False
    loss: Any = "mse"
    optimizer: Any = None
    max_iter: int = 1000
    xtol: float | None = None
    ftol: float | None = None
    gtol: float | None = None
    missing: ManyMissing = "skip"
    covariance: bool = False
    constants: Any = None
    params: Iterable[str] | None = None
    threads: int | None = None
    progress: Progress | None = None

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        check_count("max_iter", self.max_iter)
        check_choice("missing", self.missing, MISSING)
        if self.threads is not None:
            check_count("threads", self.threads)
        for name in ("xtol", "ftol", "gtol"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name))
        if self.absolute_sigma and self.sigma is None:
            raise UsageError("absolute_sigma says something of sigma, and there is none")


OPTIONS = tuple(f.name for f in dataclasses.fields(ManyOptions))


def fit_many(
    model: Callable[..., Any] | str, x: Any = None, y: Any = None, *, start: Any = None,
    by: str | None = None, sigma: Any = None, absolute_sigma: bool = False,
    loss: str | Loss = "mse", optimizer: str | Optimizer | None = None, max_iter: int = 1000,
    xtol: float | None = None, ftol: float | None = None, gtol: float | None = None,
    missing: ManyMissing = "skip", covariance: bool = False, constants: Any = None,
    params: Iterable[str] | None = None, threads: int | None = None,
    progress: Progress | None = None, **unknown: Any,
) -> ManyFits:  # fmt: skip
    """Fit one model to many datasets, each by itself, as one compiled program.

    The fits lie in the lanes of the processor's vector registers and on several threads; a lane
    that has finished takes the next fit. Each fit comes out as `fit` would give it (to rounding),
    with the same bits whatever its neighbours and however many threads.

    Args:
        model: a plain NumPy function of data and parameters, or a formula `"y = a*x + b"`.
        x: (points,) in common or (fits, points); a tuple or dict of such; or a list of datasets
            `[(x1, y1), (x2, y2), …]` of any lengths; or a table, with `by`.
        y: (fits, points); with a table, the name of its column.
        start: name → a number for all fits, or an array (fits, …) with one for each.
        by: the column of the table that says which rows belong to one fit.
        sigma: standard deviations of y: a number, (points,), (fits, 1), (fits, points), one entry
            a dataset, or a column of the table. absolute_sigma: they are in the unit of y.
        loss, optimizer, xtol, ftol, gtol: as in `fit`. max_iter: steps of one fit at most.
        missing: what becomes of points whose values are missing: `"skip"` leaves their fits out,
            with the status bad_data; `"drop"` leaves out the points; `"raise"` refuses the data.
        covariance: keep the covariance of each fit.
        constants, params: as in `fit`. threads: how many may work (by default one a core).
        progress: who is told how many fits are done.

    Raises:
        UsageError: something that cannot be meant, with what to do instead.
        DataError: data that cannot be used as they are.

    >>> import numpy as np
    >>> x = np.linspace(0.0, 1.0, 20)
    >>> k = np.array([[1.0], [2.0], [3.0]])
    >>> fits = fit_many(lambda x, a, k: a * np.exp(-k * x), x, 2 * np.exp(-k * x),
    ...                 start=dict(a=1, k=1))
    >>> fits.params["k"].round(9), fits.success
    (array([1., 2., 3.]), array([ True,  True,  True]))
    """
    given = {name: value for name, value in locals().items() if name in OPTIONS}
    refuse_unknown(unknown, OPTIONS, "fit_many")
    options = ManyOptions(**given)
    options.check()
    return _Many(model, x, y, options).result()


class _Many:
    """The stages of a call of `fit_many`."""

    def __init__(self, model: Any, x: Any, y: Any, options: ManyOptions) -> None:
        self.options, self.model = options, model
        data = read_many(self._read, x, y, options.sigma, options.by)
        if options.missing != "skip":
            whole = without_missing(data)
            if options.missing == "raise" and whole is not data:
                _refuse_missing(data)
            data = whole
        if not data.n_fits:
            raise DataError("there are no fits: the data are empty")
        self.data = data
        if "sigma" in data.columns:
            finite = data.columns["sigma"]
            check_positive(finite[np.isfinite(finite)], "sigma")
        self.start = many_start(data.problem, options.start, data.n_fits)
        if self.start.sample.missing:
            missing = ", ".join(self.start.sample.missing)
            raise UsageError(
                f"{missing} has no start", remedy=f"give start=dict({missing.split(', ')[0]}=…)"
            )
        self.loss = as_loss(options.loss)
        self.loss.check(data.columns["target"])
        self.optimizer = self._optimizer()

    def _read(self, x: Any, y: Any) -> Problem:
        o = self.options
        if isinstance(self.model, str | Formula):
            return formula_problem(self.model, x, y, o.start, o.params)
        if not callable(self.model):
            raise UsageError(
                f"the model is a function or a formula, not {type(self.model).__name__}",
                remedy='write def model(x, a, b): …, or "y = a*x + b"',
            )
        return function_problem(self.model, x, y, o.constants)

    def _optimizer(self) -> Optimizer:
        o = self.options
        square = type(self.loss).residual is not Loss.residual
        plain = LeanLevenbergMarquardt() if square else as_optimizer("bfgs")
        chosen = plain if o.optimizer is None else as_optimizer(o.optimizer)
        if chosen.scope != "vector":
            raise UsageError(
                f"{type(chosen).__name__} needs a learning rate and never ends by itself",
                remedy='leave out optimizer, or choose "lm" or "bfgs"',
            )
        own = {t: getattr(o, t) for t in ("xtol", "ftol", "gtol") if getattr(o, t) is not None}
        for name in own:
            if not hasattr(chosen, name):
                raise UsageError(f"{type(chosen).__name__} has no {name}")
        return dataclasses.replace(chosen, **{t: float(v) for t, v in own.items()})

    # --- the program

    def key(self) -> Hashable | None:
        """What the program depends on, or None if that cannot be told."""
        d, leaves = self.data, self.start.leaves()
        key = (
            d.problem.function, tuple(d.problem.constants.items()),
            tuple((n, a.shape[1:], a.dtype.str, n in d.shared) for n, a in d.columns.items()),
            tuple((n, a.shape, a.dtype.str) for n, a in leaves.items()),
            tuple(self.start.sample.trees.items()), self.loss.structure(),
            self.optimizer.structure(), self.options.absolute_sigma, self.options.covariance,
        )  # fmt: skip
        try:
            hash(key)
        except TypeError:
            return None
        return key

    def built(self) -> ManyBuilt:
        """The graphs, from the store of built ones if the model has not changed."""
        key, counts = self.key(), self.data.counts
        found = None if key is None else _kept.get(key)
        if found is not None and found.serves(counts):
            return found
        made = self._build()
        if key is not None and made.keepable():
            with _lock:
                _kept[key] = made
                while len(_kept) > MOST_KEPT:
                    _kept.popitem(last=False)
        return made

    def _build(self) -> ManyBuilt:
        try:
            return self._made(self._traced(known=False))
        except RowsAsked:
            return self._made(self._traced(known=True))

    def _made(self, model: Model) -> ManyBuilt:
        d = self.data
        counts = d.counts
        if not isinstance(model.rows, Dim) and np.any(counts != model.rows):
            raise UsageError(
                f"the model asks for the number of rows ({model.why_rows}), and the fits have "
                f"{counts.min()} to {counts.max()} points",
                remedy="write the model without the number of rows, or fit equally long ones",
            )
        recipe = Recipe(
            self.optimizer, self.loss, lambda _: None,
            target=Spec.of(d.columns["target"], rows=True), scaled="sigma" in d.columns,
        )  # fmt: skip
        built = build_many(
            model, recipe, d.shared, self.options.absolute_sigma, self.options.covariance
        )
        built.runner = NativeMany(built.program)
        return built

    def _traced(self, known: bool) -> Model:
        sample, problem = self.start.sample, self.data.problem
        leaves = {name: Spec.of(a) for name, a in self.start.leaves().items()}
        first = self.data.one(0)
        specs = {name: Spec.of(a, rows=True) for name, a in first.columns.items()}
        arrange = problem.arrange(sample.trees, sample.names)
        return trace_model(problem.function, arrange, specs, leaves, first.n_rows, known)

    # --- the run

    def arrays(self, built: ManyBuilt) -> ManyArrays:
        """The numbers of all fits, as the program wants them."""
        d, p = self.data, built.program
        numbers = {f"optimizer.{n}": v for n, v in self.optimizer.numbers().items()}
        numbers |= {f"loss.{n}": v for n, v in self.loss.numbers().items()}
        fixed: Mapping[str, Any] = numbers | built.captured
        columns = [
            np.ascontiguousarray(d.columns[name], node.dtype)
            for name, node in zip(built.data, p.data, strict=True)
        ]
        return ManyArrays(
            own=[self.start.matrix(d.n_fits, built.dtype)],
            columns=columns,
            offsets=np.ascontiguousarray(d.offsets, np.int64),
            fixed=[
                np.asarray(fixed[name], node.dtype, order="C")
                for name, node in zip(built.fixed, p.fixed, strict=True)
            ],
            results=[np.full((d.n_fits, *n.shape), *_empty(n.dtype)) for n in p.results],
            codes=np.zeros(d.n_fits, np.int64),
            iterations=np.zeros(d.n_fits, np.int64),
            most_steps=int(self.options.max_iter),
        )

    def result(self) -> ManyFits:
        """Build, run, and say how each fit went."""
        begin = time.perf_counter()
        built = self.built()
        arrays = self.arrays(built)
        count = self.options.threads or len(os.sched_getaffinity(0))
        count = max(1, min(count, -(-self.data.n_fits // FEWEST)))
        workers = [built.runner.worker(arrays) for _ in range(count)]
        compiled = time.perf_counter()
        meter = self.options.progress
        try:
            share = run_many(workers, self.data.n_fits, meter)
        finally:
            if meter is not None:
                meter.close()
        seconds = time.perf_counter() - compiled
        found = self._record(built, arrays)
        found.seconds, found.compile_seconds = seconds, compiled - begin
        found.threads, found.lanes = count, built.runner.width
        found.interrupted = share.done < self.data.n_fits
        return found

    def _record(self, built: ManyBuilt, arrays: ManyArrays) -> ManyFits:
        d = self.data
        made = dict(zip(built.results, arrays.results, strict=True))
        p = sum(a.size for a in self.start.leaves().values())
        entries = d.counts * int(np.prod(d.columns["target"].shape[1:]))
        dof = entries - p
        status = self._status(arrays, made, dof)
        for name in ("loss", "chi2"):
            if name in made:
                made[name][np.isin(status, (0, 6, BAD_DATA))] = np.nan
        sound = np.isin(status, (1, 2, 3, 4)) & made.get("arrived", np.zeros(d.n_fits, bool))
        leaves = list(self.start.leaves())
        errors = {n: made[f"stderr.{n}"] for n in leaves if f"stderr.{n}" in made}
        for array in errors.values():
            array[~sound] = np.nan
        covariance = made.get("covariance")
        if covariance is not None:
            covariance[~sound] = np.nan
        return ManyFits(
            {n: made[f"params.{n}"] for n in leaves}, errors, status.astype(np.int8),
            arrays.iterations, made["loss"], made.get("chi2", np.full(d.n_fits, np.nan)), dof,
            covariance, d.keys, self.options.by or "fit", d.problem.name, d.problem.target,
        )  # fmt: skip

    def _status(self, arrays: ManyArrays, made: Mapping[str, Array], dof: Array) -> Array:
        """The codes of the optimizer, with what only all of a fit can tell."""
        status, done = arrays.codes, arrays.iterations > 0
        status[done & (status == 0)] = SPENT
        if "pivot" in made:
            status[np.isin(status, (1, 2, 3, 4)) & ~(made["pivot"] > LEAST_PIVOT)] = SINGULAR
        for fit in np.flatnonzero(status == 6):
            rows = self.data.one(int(fit))
            if not all(np.isfinite(a).all() for a in rows.all().values()):
                status[fit] = BAD_DATA
        status[done & (dof < 0)] = TOO_FEW
        return status


FEWEST = 16
_kept: OrderedDict[Hashable, ManyBuilt] = OrderedDict()
_lock = threading.Lock()


def _empty(dtype: Any) -> tuple[Any, Any]:
    return (np.nan if dtype.kind == "f" else 0), dtype


def _refuse_missing(data: ManyData) -> None:
    for fit in range(data.n_fits):
        for name, array in data.one(fit).all().items():
            bad = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
            if bad.size:
                raise DataError(
                    f"{name} of fit {fit} is not finite in point {bad[0]} (counting from 0)",
                    remedy='write missing="drop" to leave out such points, or "skip" such fits',
                )

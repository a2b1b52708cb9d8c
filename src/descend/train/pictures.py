"""Pictures of several runs: beside one another, over learning rates, over sizes of batches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.errors import UsageError, ends_at_users_line
from descend.graph.program import DIVERGED
from descend.methods.first_order import SGD
from descend.records.record import FitRecord
from descend.run.finished import Finished, method_name
from descend.train.start import start
from descend.train.trainings import Trainings, trainings
from descend.trust.derivatives import LossSlopes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from descend.show.rates import Series

__all__ = ["plot_batch_sizes", "plot_race", "plot_rates"]

Array = np.ndarray[Any, np.dtype[Any]]
Place = str | os.PathLike[str] | None
BELOW, ABOVE, RATES = 300.0, 3.0, 49
"""Rates that are tried by default: from the limit over `BELOW` to `ABOVE` times it."""
WIDE = (1e-4, 1.0)
"""And those of a method without such a limit."""


@ends_at_users_line
def plot_race(runs: Mapping[str, Any] | Trainings, path: Place = None) -> Figure:
    """Draw the losses of several fits in one picture, with a table of what each came to.

    Args:
        runs: name → fit, or trainings, which are named by what differs among them; at most 16.
        path: where to write the picture (.png, .svg, .pdf, .jpg, .webp); None only returns it.

    Raises:
        UsageError: no runs or too many, something that is no fit, or a path that cannot be written.

    >>> import descend
    >>> x = np.linspace(-1.0, 1.0, 20)
    >>> def line(x, a): return a * x
    >>> runs = {
    ...     f"lr={lr}": descend.fit(line, x, 2 * x, start=dict(a=0.0), optimizer="sgd", lr=lr,
    ...                             epochs=9)
    ...     for lr in (0.1, 1.0)
    ... }
    >>> len(plot_race(runs).axes[0].lines)
    2
    """
    from descend.show.race import MOST_RUNS, plot_race

    if isinstance(runs, Trainings) and len(runs) <= MOST_RUNS:
        names = [", ".join(f"{n} {v:.4g}" for n, v in own.items()) for own in runs.settings]
        runs = dict(zip(names, runs, strict=True))
    if not isinstance(runs, Mapping | Trainings) or not runs:
        raise UsageError(
            "a race is between named fits, and there are none",
            remedy='write plot_race({"sgd": fit, "adam": other})',
        )
    if len(runs) > MOST_RUNS:
        raise UsageError(
            f"{len(runs)} runs cannot be told apart in one picture",
            remedy=f"choose at most {MOST_RUNS}, or write descend.plot_rates",
        )
    assert isinstance(runs, Mapping)
    for name, run in runs.items():
        if not isinstance(run, FitRecord):
            raise UsageError(
                f'"{name}" is no fit, but {type(run).__name__}', remedy="give what fit returns"
            )
    return plot_race({str(name): run for name, run in runs.items()}, path)


@ends_at_users_line
def plot_rates(
    model: Any, x: Any = None, y: Any = None, *, lr: Iterable[float] | None = None,
    path: Place = None, **options: Any,
) -> Figure:  # fmt: skip
    """Draw what the loss comes to after some epochs, over the learning rate.

    Each rate is a training of its own, by one program (`trainings`). Marked are the edge beyond
    which the loss no longer falls, with the epoch in which each lost run was lost, and for
    gradient descent the limit that theory names: 2/λmax, λmax being the largest eigenvalue of the
    Hessian of the loss on all rows where the best training ended. With momentum μ (Polyak's) it is
    2(1 + μ)/λmax. Batches smaller than all rows diverge earlier.

    Args:
        model, x, y, options: as of `fit`; the optimizer is plain gradient descent if none is given.
        lr: the rates; by default about the limit at the start, or from 0.0001 to 1.
        path: where to write the picture; None only returns it.

    Raises:
        UsageError, DataError: as `fit`; rates that are not above 0; a path that cannot be written.

    >>> x = np.linspace(-1.0, 1.0, 20)
    >>> def line(x, a): return a * x
    >>> figure = plot_rates(line, x, 2 * x, start=dict(a=0.0), epochs=50)
    >>> figure.axes[0].get_ylabel()
    'loss after 50 epochs'
    """
    from descend.show.output import check_output_path
    from descend.show.rates import plot_series

    if path is not None:
        check_output_path(path, "plot")  # before the trainings, not after them
    options = {"optimizer": "sgd", **options}
    run = start(model, x, y, **options)._run
    rates = _rates(run) if lr is None else _checked("lr", lr)
    found = trainings(model, x, y, over={"lr": rates.tolist()}, **options)
    series = series_of(found, "lr", rates, _limit)
    said = _without_rate(run)
    return plot_series(series, f"The learning rate of {run.job.problem.name}", [said], path)


@ends_at_users_line
def plot_batch_sizes(
    model: Any, x: Any = None, y: Any = None, *, batch_size: Iterable[int] | None = None,
    path: Place = None, **options: Any,
) -> Figure:  # fmt: skip
    """Draw what the loss comes to after some epochs, over the size of the batches.

    Args:
        model, x, y, options: as of `fit`; the optimizer is plain gradient descent if none is given.
        batch_size: the sizes; by default 1, 2, 4, … up to all rows.
        path: where to write the picture; None only returns it.

    Raises:
        UsageError, DataError: as `fit`, or a path that cannot be written.
    """
    from descend.show.output import check_output_path
    from descend.show.rates import plot_series

    if path is not None:
        check_output_path(path, "plot")  # before the trainings, not after them
    options = {"optimizer": "sgd", **options}
    run = start(model, x, y, **options)._run
    n_rows = run.job.n_rows()
    if batch_size is None:
        batch_size = [*(2 ** np.arange(int(np.log2(n_rows)) + 1)), n_rows]
    sizes = _checked("batch_size", batch_size)
    found = trainings(
        model, x, y, over={"batch_size": [int(size) for size in sizes]}, **options
    )
    series = series_of(found, "batch_size", sizes.astype(float))
    shuffled = ", rows shuffled" if run.job.settings.shuffle else ""
    said = f"{method_name(run.job.settings.optimizer)}{shuffled}"
    return plot_series(series, f"The size of batches of {run.job.problem.name}", [said], path)


def _checked(name: str, given: Iterable[float]) -> Array:
    """Values in ascending order."""
    values = np.unique(np.asarray(list(given), np.float64))
    if values.size < 2 or not (values > 0).all() or not np.isfinite(values).all():
        raise UsageError(
            f"{name} takes two or more numbers above 0, not {given!r}",
            remedy=f"write {name}=np.geomspace(…, …, 40)" if name == "lr" else f"{name}=[1, 10]",
        )
    return values


def _rates(run: Finished) -> Array:
    limit, _ = _limit(run)
    if not np.isfinite(limit):
        return np.geomspace(*WIDE, RATES)
    return np.geomspace(limit / BELOW, ABOVE * limit, RATES)


def _limit(run: Finished) -> tuple[float, str]:
    """The rate beyond which the method diverges where a run stands, and how it is written."""
    method, job = run.job.settings.optimizer, run.job
    mu = getattr(method, "momentum", 0.0)
    plain = type(method) is SGD and not (method.weight_decay or method.nesterov or method.dampening)
    unlike = job.settings.lr_factors or job.settings.clip is not None
    if not plain or unlike or (job.space is not None and job.space.scales):
        return float("nan"), ""
    leaves = run.leaves(False)
    sharpness = LossSlopes(job, run.built, leaves).sharpness(leaves)
    if not sharpness > 0:
        return float("nan"), ""
    return 2 * (1 + mu) / sharpness, "2(1 + μ)/λmax" if mu else "2/λmax"


def series_of(found: Trainings, name: str, values: Array, limit: Any = None) -> Series:
    """Trainings over one number, with where each left; the limit is that where the best ended."""
    from descend.show.rates import Series

    losses, lost = [], []
    for run in found._runs:
        column = run.column("loss")
        finite = np.flatnonzero(np.isfinite(column))
        losses.append(float(column[finite[-1]]) if finite.size else float("nan"))
        gone = run.control.status == DIVERGED or finite.size < column.size
        lost.append(float(run.control.epoch) if gone else float("nan"))
    first = found._runs[0]
    begun = first.job.loss_at(first.built, first.begin, most=1 << 62)({}) * first.job.loss_factor
    epochs = max(run.control.epoch for run in found._runs)
    series = Series(name, values, np.array(losses), np.array(lost), begun, epochs)
    if limit is None or not series.fell.any():
        return series
    best = int(np.where(series.fell, series.loss, np.inf).argmin())
    place, said = limit(found._runs[best])
    return series._replace(limit=place, said=said)


def _without_rate(run: Finished) -> str:
    """The method without its rate, and its batches."""
    job = run.job
    name = method_name(job.settings.optimizer)
    rate = getattr(job.settings.optimizer, "lr", None)
    if isinstance(rate, float):
        name = name.replace(f"lr={rate:g}, ", "").replace(f"lr={rate:g}", "").replace("()", "")
    size, n_rows = job.settings.batch_size, job.n_rows()
    return f"{name}, " + (
        f"batches of {size} of {n_rows} rows" if size and size < n_rows else f"all {n_rows} rows"
    )

"""From a finished run to the record that `fit` returns."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.errors import DescendWarning, DivergedWarning
from descend.graph.program import RUNNING
from descend.judge.ending import ending_of
from descend.records.record import History
from descend.result.fit import Fit, Remains
from descend.result.resume import saved_state
from descend.run.build import Built
from descend.run.drive import Ending
from descend.run.finished import Finished, Search, loss_name, method_name
from descend.run.job import Job
from descend.task.columns import WHITENING
from descend.task.declared import told_bounds, told_fixed
from descend.task.rows import Rows
from descend.trust.complete import Completion

if TYPE_CHECKING:
    from descend.show.explain import Explanation

__all__ = [
    "bonds_told", "finish", "history_of", "parts_of", "save_to",
    "start_source",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]

MOST_COPIED_BYTES = 1 << 18
def finish(run: Finished) -> Fit:
    """Make the record of a finished run, and warn where it did not go well."""
    return _record(run, warn=True)


def save_to(run: Finished, path: str | os.PathLike[str]) -> Callable[[], None]:
    """What the driver calls to write a checkpoint."""

    def save() -> None:
        kept, run.ending = run.ending, run.ending or Ending(RUNNING, "interrupted", 0.0)
        _record(run, warn=False).save_checkpoint(path)
        run.ending = kept

    return save


def _record(run: Finished, warn: bool) -> Fit:
    status, message = ending_of(run)
    if warn and status == "diverged":
        warnings.warn(DivergedWarning(message), stacklevel=5)
    elif warn and status == "not_converged":
        warnings.warn(DescendWarning(message), stacklevel=5)
    elif warn and run.search is not None and run.search.left:
        warnings.warn(DescendWarning(_left(run.search)), stacklevel=5)
    if warn:
        _keep_data(run)
    remains, values = parts_of(run, status, message)
    return Fit(remains, **values)


def _left(search: Search) -> str:
    return (
        f"the parameters come from another start than the one that was given: {search.why}, and "
        f"{search.agreed} of {search.starts} starts agree on a lower minimum (starts=1 keeps to "
        "the start given)"
    )


def _keep_data(run: Finished) -> None:
    """Copy data that are small, so that the user may change his arrays afterwards."""
    kept: dict[int, Array] = {}

    def copied(rows: Rows | None) -> Rows | None:
        if rows is None or sum(a.nbytes for a in rows.all().values()) > MOST_COPIED_BYTES:
            return rows
        own = [
            {name: kept.setdefault(id(a), a.copy()) for name, a in part.items()}
            for part in (rows.columns, rows.extra)
        ]
        return rows._replace(columns=own[0], extra=own[1])

    run.job = replace(run.job, rows=copied(run.job.rows))
    run.original, run.whole = copied(run.original), copied(run.whole)


def parts_of(
    run: Finished, status: str = "", message: str = ""
) -> tuple[Remains, dict[str, Any]]:
    """What a `Fit` is made of."""
    if not status:
        status, message = ending_of(run)
    leaves = run.leaves()
    values = {"params": run.trees(leaves), "status": status, "message": message}
    return _remains(run, leaves), {**values, **_task(run), **_course(run)}


def _remains(run: Finished, leaves: dict[str, Array]) -> Remains:
    """The fitted model, and what will be worked out when somebody looks."""
    job, built = run.job, run.built
    assert run.original is not None
    predictor = run.predictor()
    later = Completion(
        job, built, leaves, run.options.absolute_sigma, run.original, run.normal(leaves)
    )
    explain = None
    if run.whole is not None:
        explain = functools.partial(_explained, job, built, run.whole, run.begin)
    return Remains(
        predictor, leaves, later, explain, saved_state(run), evidence=later,
        ready=job.problem.ready,
    )  # fmt: skip


def _explained(
    job: Job, built: Built, rows: Rows, begin: Mapping[str, Array], row: int
) -> Explanation:
    from descend.result.explaining import explain_at

    return explain_at(job, built, rows, begin, row)


def _task(run: Finished) -> dict[str, Any]:
    """The fields that say what was to be done."""
    job, original = run.job, run.original
    assert original is not None
    target = original.extra["target"]
    return {
        "model": job.problem.name,
        "n_rows": original.n_rows,
        "n_dropped": original.n_dropped,
        "n_weightless": original.n_rows - original.counted * original.n_rows // max(target.size, 1),
        "target": job.problem.target,
        "inputs": tuple(job.problem.columns),
        "loss_name": loss_name(job),
        "optimizer": method_name(job.settings.optimizer),
        "chosen_for": job.settings.why,
        "batch_size": job.settings.batch_size,
        "shuffle": job.settings.shuffle,
        "seed": run.control.seed,
        "start": run.trees(run.begin),
        "start_source": start_source(run),
        "n_starts": 1 if run.search is None else run.search.starts,
        "n_agreed": 1 if run.search is None else run.search.agreed,
        "stop_loss": run.options.stop_loss,
        **bonds_told(run),
        "sigma_given": "sigma" in original.extra or WHITENING in original.extra,
        "sigma_is_matrix": WHITENING in original.extra,
        "absolute_sigma": bool(run.options.absolute_sigma),
        "scales": {} if job.scaling is None else job.scaling.told(job.problem.target),
        "unit": "iteration" if job.settings.optimizer.scope == "vector" else "epoch",
        "x": dict(original.columns),
        "y": original.extra["target"],
    }


def bonds_told(run: Finished) -> dict[str, Any]:
    """The fields that say how the parameters were bound."""
    space, leaves = run.job.space, run.begin
    if space is None:
        return {}
    return {
        "fixed": told_fixed(space, leaves),
        "bounds": told_bounds(space, leaves),
        "ties": {name: space.ties[name].text for name in leaves if name in space.ties},
        "scaled": dict(space.scales),
    }


def _course(run: Finished) -> dict[str, Any]:
    """The fields that say how it went."""
    assert run.ending is not None
    return {
        "running_loss": _last(run, "loss"),
        "validation_loss": _validation_loss(run),
        "best_epoch": run.best_epoch(),
        "epochs": run.control.epoch,
        "n_updates": run.control.steps,
        "n_evaluations": run.control.steps if run.search is None else run.search.evaluations,
        "seconds": run.ending.seconds if run.search is None else run.search.seconds,
        "compile_seconds": run.built.compile_seconds if run.fresh else 0.0,
        "engine": run.built.engine,
        "warnings": [*run.job.notes, *run.built.notes],
        "history": history_of(run),
    }


def _last(run: Finished, name: str) -> float:
    column = run.column(name) if name in run.course.names else np.zeros(0)
    return float(column[-1]) if column.size else float("nan")


def _validation_loss(run: Finished) -> float:
    """On the rows held back, at the returned parameters."""
    if run.best_epoch() is None:
        return _last(run, "validation_loss")
    if "validation_loss" not in run.course.names:
        return float("nan")
    return float(run.state()["best loss"]) * run.job.loss_factor


def history_of(run: Finished) -> History:
    """The course of a run as the history that its record keeps."""
    names = run.built.descent.records
    plain = {n: run.column(n) for n in names if not n.startswith("params.")}
    kept = {n.removeprefix("params."): run.column(n) for n in names if n.startswith("params.")}
    epoch = run.course.epochs() if run.course.every > 1 else None
    return History(**plain, epoch=epoch, params=kept or None)


def start_source(run: Finished) -> str:
    """Where the descent began, in words."""
    missing = run.job.start.missing
    parts = list(run.job.start.sources)
    if run.options.resume is not None:
        return "resumed"
    if missing:
        drawn = run.options.start == "random"
        how = "drawn at random" if drawn else run.job.how_found(run.built)
        parts.append(f"{', '.join(missing)} {how} (seed {run.control.seed})")
    if run.search is not None:
        parts.append(str(run.search))
    return "; ".join(parts)

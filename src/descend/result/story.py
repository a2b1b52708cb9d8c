"""What a record says of a finished run: the task, how the parameters were bound, the course."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.records.record import History
from descend.run.finished import METRIC, Finished, loss_name, method_name
from descend.task.columns import WHITENING
from descend.task.declared import bound_pairs, fixed_names

__all__ = ["course_fields", "history_of", "run_fields", "task_fields"]


def task_fields(run: Finished) -> dict[str, Any]:
    """The fields that say what was to be done."""
    job, original = run.job, run.original
    assert original is not None
    target, beyond = original.extra["target"], original.beyond
    tried = run.job.start.tried if run.search is None else (run.search.starts, run.search.agreed)
    return {
        "model": job.problem.name,
        "n_rows": original.total,
        "n_dropped": original.n_dropped,
        "n_weightless": original.total - original.counted * original.n_rows // max(target.size, 1),
        "target": job.problem.target,
        "inputs": tuple(job.problem.columns),
        "loss_name": loss_name(job),
        "goal": "" if job.problem.network is None else job.problem.binding,
        "n_classes": _class_count(run),
        "batch_size": job.settings.batch_size,
        "shuffle": job.settings.shuffle or (beyond is not None and beyond.shuffles),
        "accumulate": job.settings.accumulate,
        "ema": job.settings.ema,
        "lr_factors": job.settings.lr_factors,
        "start": run.trees(run.begin),
        "n_starts": tried[0],
        "n_agreed": tried[1],
        "stop_loss": run.options.stop_loss,
        "sigma_given": "sigma" in original.extra or WHITENING in original.extra,
        "sigma_is_matrix": WHITENING in original.extra,
        "absolute_sigma": bool(run.options.absolute_sigma),
        "scales": {} if job.scaling is None else job.scaling.told(job.problem.target),
        "unit": "iteration" if job.settings.optimizer.scope == "vector" else "epoch",
        "x": dict(original.columns),
        "y": original.extra["target"],
    }


def _class_count(run: Finished) -> int:
    """How many classes the model tells apart: as many as it gives numbers, or two."""
    loss = run.job.settings.loss
    if loss is None or not loss.tells_classes:
        return 0
    (shape,) = run.built.model.outputs(1)
    return int(shape[-1]) if len(shape) > 1 else 2


def run_fields(run: Finished) -> dict[str, Any]:
    """The fields that a minimum has as well: method, seed, bonds, what it took."""
    assert run.ending is not None
    space, leaves, search = run.job.space, run.begin, run.search
    return {
        "optimizer": method_name(run.job.settings.optimizer),
        "chosen_for": run.job.settings.why,
        "seed": run.control.seed,
        "start_source": _start_source(run),
        "n_evaluations": run.control.steps if search is None else search.evaluations,
        "seconds": run.ending.seconds if search is None else search.seconds,
        "compile_seconds": run.built.compile_seconds if run.fresh else 0.0,
        "engine": run.built.engine,
        "warnings": [*run.job.notes, *run.built.notes],
        "history": history_of(run),
        **({} if space is None else {
            "fixed": fixed_names(space, leaves),
            "bounds": bound_pairs(space, leaves),
            "ties": {name: space.ties[name].text for name in leaves if name in space.ties},
            "scaled": dict(space.scales),
        }),
    }  # fmt: skip


def course_fields(run: Finished) -> dict[str, Any]:
    """The fields that say how it went."""
    return {
        "running_loss": _last(run, "loss"),
        "validation_loss": _validation_loss(run),
        "best_epoch": run.best_epoch(),
        **run.built.effects(),
        "epochs": run.control.epoch,
        "n_updates": run.updates,
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
    plain = {n: run.column(n) for n in names if not n.startswith(("params.", METRIC))}
    kept = {n.removeprefix("params."): run.column(n) for n in names if n.startswith("params.")}
    epoch = run.course.epochs() if run.course.every > 1 else None
    return History(**plain, epoch=epoch, params=kept or None, metrics=run.metrics() or None)


def _start_source(run: Finished) -> str:
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

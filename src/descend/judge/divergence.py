"""When a descent leaves the finite numbers: who left first, and a learning rate to try."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.graph.evaluate import evaluate
from descend.graph.program import DIVERGED, Control, permutation
from descend.judge.not_finite import first_not_finite

if TYPE_CHECKING:
    from descend.run.finished import Finished

__all__ = ["divergence_message", "rate_to_try"]

FACTORS = tuple(m * 10.0**k for k in range(40) for m in (2.0, 5.0, 10.0))
MOST_TRIAL_STEPS = 20_000
FINITE = {
    "bce": 'predictions from 0 to 1: end the model in a sigmoid, or write loss="bce_with_logits"',
    "poisson": 'predictions above 0: end the model in np.exp, or write loss="poisson_log_rate"',
}
"""Losses that are finite of some predictions alone, and what makes such."""

Array = np.ndarray[Any, np.dtype[Any]]


def divergence_message(run: Finished, unit: str) -> str:
    """Say in which epoch, which parameter left first, which column is largest, what to try."""
    parts = [f"diverged in {unit} {run.control.epoch + 1}: {_first_to_leave(run)}"]
    where = first_not_finite(run)
    if where:
        parts.append(where)
    largest = _largest_column(run)
    if largest:
        parts.append(largest)
    parts.append("the last finite parameters are returned")
    rate, loss = rate_to_try(run), run.job.settings.loss
    text = "; ".join(parts) + "."
    if rate is not None:
        text += f" Try lr={rate:.3g}."
    elif loss is not None and loss.spelling in FINITE:
        text += f' Loss "{loss.spelling}" is finite of {FINITE[loss.spelling]}.'
    return text


def _first_to_leave(run: Finished) -> str:
    """Take the step again in the interpreter, and see what is not finite."""
    program, made = run.built.descent.program, run.built.descent
    bound, control = run.bound, run.control
    assert bound is not None
    new: dict[str, Array] = {}
    if bound.stream is None or bound.batch_size is not None:
        n = bound.n_rows
        size = bound.batch_size or n
        window = np.arange(control.batch * size, min((control.batch + 1) * size, n))
        if program.plan.shuffle:
            window = permutation(n, control.seed, control.epoch)[window]
        data: Sequence[Array] = bound.data
        if bound.stream is not None:
            data, window = bound.window.columns, window - bound.window.first
        values = dict(zip(program.state, bound.state, strict=True))
        values |= dict(zip(program.fixed, bound.fixed, strict=True))
        values |= {node: a[window] for node, a in zip(program.data, data, strict=True)}
        heads = [slot.step for slot in program.slots]
        after = evaluate(heads, values, {program.rows: len(window)})
        new = dict(zip(made.state, after, strict=True))
    left = [name for name in run.begin if name in new and not np.isfinite(new[name]).all()]
    last = run.leaves(best=False)
    if left:
        return f"{left[0]} was the first to leave the finite numbers, from {_short(last[left[0]])}"
    growth = {name: _growth(last[name], run.begin[name]) for name in last}
    name = max(growth, key=lambda n: growth[n])
    return f"the loss is no longer finite, and {name} grew most, to {_short(last[name])}"


def _growth(now: Array, before: Array) -> float:
    return float(np.max(np.abs(now)) / max(1.0, float(np.max(np.abs(before)))))


def _short(array: Array) -> str:
    return f"{float(array):.4g}" if array.ndim == 0 else f"at most {np.max(np.abs(array)):.4g}"


def _largest_column(run: Finished) -> str:
    rows = run.job.rows
    if rows is None or not rows.columns:
        return ""
    size = {name: float(np.max(np.abs(a))) for name, a in rows.columns.items() if a.size}
    name = max(size, key=lambda n: size[n])
    hint = ", which a smaller scale would help" if size[name] > 10 else ""
    return f"the column with the largest values is {name} (up to {size[name]:.4g}{hint})"


def rate_to_try(run: Finished) -> float | None:
    """The first smaller learning rate that is tried and does not diverge from the same start."""
    optimizer = run.job.settings.optimizer
    rate = getattr(optimizer, "lr", None)
    if not isinstance(rate, int | float):
        return None
    steps = min(2 * run.control.steps + 100, MOST_TRIAL_STEPS)
    if run.built.engine == "interpreted":
        steps = min(steps, 300)
    first = run.job.loss_at(run.built, run.begin)({})
    for factor in FACTORS:
        tried = dataclasses.replace(optimizer, lr=rate / factor)  # type: ignore[call-arg]
        settings = dataclasses.replace(run.job.settings, optimizer=tried)
        job = dataclasses.replace(run.job, settings=settings)
        bound = job.bindings(run.built, job.first_state(run.built, run.begin))
        control = Control(run.control.max_epochs, run.control.seed)
        run.built.runner.run(bound, control, steps)
        if control.status != DIVERGED and _loss_after(run, job, bound) < first:
            return float(rate / factor)
    return None


def _loss_after(run: Finished, job: Any, bound: Any) -> float:
    state = dict(zip(run.built.descent.state, bound.state, strict=True))
    value = job.loss_at(run.built, {name: state[name] for name in run.begin})({})
    return float(value) if np.isfinite(value) else float("inf")

"""Going on with an earlier run: what must be the same, what may change, and what is said then."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.run.finished import Finished, loss_name, method_name
from descend.run.state import SavedState
from descend.task.columns import SCHEDULE, UPDATES

__all__ = ["resumed", "saved_state", "seed_of"]

Array = np.ndarray[Any, np.dtype[Any]]
MAY_BE_NEW = ("average", "best", "rule")
"""Kinds of slots that a run may take up anew: averages, stopping rules and schedules may change."""
ANEW = "write start=fit instead, which takes over the parameters only"


def state_of(earlier: Any) -> SavedState:
    """The state that an earlier run left.

    Raises:
        UsageError: it is no fit, or one without a state.
    """
    evidence = getattr(earlier, "_evidence", None)
    state: SavedState | None = getattr(evidence, "state", None)
    if state is None:
        raise UsageError(
            f"resume is a fit or a loaded checkpoint, not {type(earlier).__name__}",
            remedy='write resume=fit, or resume=descend.load("run.checkpoint")',
        )
    return state


def seed_of(earlier: Any, seed: int) -> int:
    """The seed of a resumed run, which is that of the earlier one.

    Raises:
        UsageError: another seed is asked for.
    """
    own = state_of(earlier).seed
    if seed not in (0, own):
        raise UsageError(
            f"the run to be resumed has the seed {own}, and seed={seed} would be another run",
            remedy=f"leave out seed; or {ANEW}",
        )
    return own


def saved_state(run: Finished) -> SavedState:
    """The state of a run as it stands, with the course so far."""
    course = {name: run.course.column(name) for name in run.course.names}
    return SavedState.of(
        run.control, run.state(), _structure(run), course, run.course.every, _settings(run)
    )


def _settings(run: Finished) -> dict[str, Any]:
    """What a run that goes on with this one is compared by."""
    s, rows = run.job.settings, run.job.rows
    windows = run.job.beyond is not None and run.job.beyond.shuffles
    return {
        "rows": 1 if rows is None else rows.total,
        "optimizer": method_name(s.optimizer),
        "loss": "" if s.loss is None else loss_name(run.job),
        "batch_size": s.batch_size,
        "shuffle": "within windows" if windows else s.shuffle,
        "accumulate": s.accumulate,
        "ema": s.ema,
        "lr_factors": s.lr_factors,
    }


def _structure(run: Finished) -> str:
    """What a state belongs to: the optimizer and what it carries from step to step."""
    kind = type(run.job.settings.optimizer).__name__
    slots = run.built.descent.program.slots
    names = [slot.name for slot in slots if slot.kind not in MAY_BE_NEW]
    return f"{kind}: {', '.join(names)}"


def resumed(run: Finished, earlier: Any) -> dict[str, Array]:
    """The states of an earlier run by name; the control and the course are set to where it was.

    What has changed without harm (the learning rate, the loss, the size of batches between two
    epochs) is noted.

    Raises:
        UsageError: it was another descent, on other rows, or has done these epochs already.
    """
    state = state_of(earlier)
    _check(run, state)
    changes = [
        f"{name} was {state.settings[name]} and is {now}"
        for name, now in _settings(run).items()
        if name in state.settings and state.settings[name] != now
    ]
    if changes:
        run.job.notes.append(f"resume: from epoch {state.epoch + 1} on, {', '.join(changes)}.")
    c = run.control
    c.epoch, c.batch, c.loss_sum = state.epoch, state.batch, state.loss_sum
    c.steps, c.seed = state.steps, state.seed
    run.course.resume(state.course, state.epoch, state.every)
    names = run.built.descent.state
    arrays = {n: a for n, a in state.arrays.items() if n in names}
    if UPDATES in names and UPDATES not in arrays:
        arrays[UPDATES] = np.asarray(float(state.steps))
    elif UPDATES in state.arrays and UPDATES not in names:
        c.steps = int(state.arrays[UPDATES])
    rate: Any = getattr(run.job.settings.optimizer, "lr", None)
    if hasattr(rate, "value") and (changes or "learning rate" not in arrays):
        s = {n: float(arrays.get(f"{SCHEDULE}{n}", x)) for n, x in rate.begin().items()}
        arrays["learning rate"] = np.asarray(float(rate.rate(float(state.epoch), s)))
    return arrays


def _check(run: Finished, state: SavedState) -> None:
    own, earlier = _structure(run), state.structure
    if own != earlier:
        was, _, carried = earlier.partition(": ")
        now, _, needed = own.partition(": ")
        told = f"{was}, and this one is {now}"
        if was == now:
            told = f"{was} with {carried}, and this one has {needed}"
        raise UsageError(
            "resume continues the same descent, and this one is another: the earlier run was "
            + told,
            remedy="give the same model and optimizer, or start=fit for its parameters only",
        )
    rows = _settings(run)["rows"]
    if state.settings.get("rows", rows) != rows:
        raise UsageError(
            f"the run to be resumed had {state.settings['rows']} training rows, and there are "
            f"{rows} now",
            remedy=f"give the same data; or {ANEW}",
        )
    for name, what in (
        ("batch_size", "cut the rows anew"), ("accumulate", "join its batches otherwise")
    ):  # fmt: skip
        now = _settings(run)[name]
        was = state.settings.get(name, now)
        if state.batch and was != now:
            raise UsageError(
                f"the run to be resumed stopped within an epoch, after {state.batch} batches of "
                f"{state.settings['batch_size']} rows: {name}={now} would {what}",
                remedy=f"give {name}={was}; or {ANEW}",
            )
    if state.epoch >= run.control.max_epochs:
        raise UsageError(
            f"the run to be resumed has done {state.epoch} epochs, and epochs="
            f"{run.control.max_epochs} counts them too",
            remedy=f"give more in all, such as epochs={2 * state.epoch}",
        )

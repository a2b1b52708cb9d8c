"""The ways in which a run can end, and what is said of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from descend.errors import InternalError, suggest

__all__ = ["STATUSES", "Status", "status_message", "status_named"]


class Status(NamedTuple):
    """One way a run can end: whether that is a success, the exit code, the sentence to say."""

    success: bool
    exit_code: int
    sentence: str


STATUSES: Mapping[str, Status] = {
    "converged": Status(True, 0, "converged after {epochs}: no step lowers the loss further"),
    "stop_loss": Status(True, 0, "the running loss {loss} fell below stop_loss={stop} in {epoch}"),
    "epochs_spent": Status(True, 0, "all {epochs} were spent; no stopping rule was met before"),
    "no_improvement": Status(True, 0, "the loss no longer improved; stopped in {epoch}"),
    "parameters_still": Status(True, 0, "the parameters no longer moved; stopped in {epoch}"),
    "gradient_small": Status(True, 0, "the gradient is as good as zero; stopped in {epoch}"),
    "time_spent": Status(True, 0, "the time allowed was spent; stopped in {epoch}"),
    "interrupted": Status(False, 130, "interrupted; the last completed update is returned"),
    "diverged": Status(False, 4, "diverged in {epoch}; the last finite parameters are returned"),
    "not_converged": Status(False, 4, "not converged after {epochs}"),
}


def status_message(
    status: str,
    epochs: int,
    *,
    unit: str = "epoch",
    loss: float = math.nan,
    stop_loss: float | None = None,
) -> str:
    """Say in plain words how a run ended.

    >>> status_message("epochs_spent", 1000)
    'all 1000 epochs were spent; no stopping rule was met before'
    >>> status_message("stop_loss", 4830, loss=9.99145e-06, stop_loss=1e-5)
    'the running loss 9.99145e-06 fell below stop_loss=1e-05 in epoch 4830'
    """
    number = f"{epochs:,}" if epochs >= 10_000 else str(epochs)
    return status_named(status).sentence.format(
        epochs=f"{number} {unit}" + ("" if epochs == 1 else "s"),
        epoch=f"{unit} {number}",
        loss=f"{loss:.6g}",
        stop="?" if stop_loss is None else f"{stop_loss:g}",
    )


def status_named(status: str) -> Status:
    """The way to end of that name; a contradiction inside of descend where there is none."""
    if status not in STATUSES:
        raise InternalError(f'unknown status "{status}"' + suggest(status, STATUSES))
    return STATUSES[status]

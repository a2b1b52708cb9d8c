"""The ways in which a run can end: one table, from which everything that is said of it follows.

A status says what ended the run; its row says what that means: the verdict, whether the run did
what was asked, whether it can have arrived at a best value, the exit code, and what stands at the
head of the last line of a report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from descend.errors import InternalError, suggest

__all__ = [
    "ARRIVALS", "STATUSES", "VERDICTS", "Status", "status_message", "status_named",
]  # fmt: skip

VERDICTS = (
    "minimum", "kink", "bound", "flat", "runaway", "side minimum", "threshold", "rule",
    "not converged", "not moved", "grew", "diverged", "interrupted",
)  # fmt: skip
ARRIVALS = ("yes", "no", "not judged")
FAILED, STOPPED, CTRL_C = 4, 0, 130


class Status(NamedTuple):
    """One way a run can end.

    Attributes:
        verdict: what the end means, one of `VERDICTS`.
        success: whether the run did what was asked.
        arrived: which of `ARRIVALS` the end may have.
        exit_code: of the command line.
        headline: the word before the message in a report, and in a picture's title if it failed.
        sentence: the message, where nothing more particular is to be said.
    """

    verdict: str
    success: bool
    arrived: tuple[str, ...]
    exit_code: int
    headline: str
    sentence: str


YES, NO, EITHER = ("yes", "not judged"), ("no", "not judged"), ARRIVALS


def _good(verdict: str, arrived: tuple[str, ...], sentence: str) -> Status:
    return Status(verdict, True, arrived, STOPPED, "stopped", sentence)


def _bad(verdict: str, arrived: tuple[str, ...], sentence: str) -> Status:
    return Status(verdict, False, arrived, FAILED, "FAILED", sentence)


STATUSES: Mapping[str, Status] = {
    "converged": _good("minimum", YES, "converged after {epochs}: no step lowers the loss further"),
    "kink": _good(
        "kink", YES, "converged after {epochs} at a kink: the loss rises to every side of it"
    ),
    "bound": _good("bound", YES, "converged after {epochs} on a bound"),
    "flat": _good("flat", YES, "converged after {epochs}: the data do not determine everything"),
    "runaway": _bad(
        "runaway", NO, "no finite best value: the loss falls farther and farther out ({epochs})"
    ),
    "side_minimum": _bad(
        "side minimum", YES,
        "a side minimum: it explains no more than a constant would ({epochs})",
    ),
    "side_minimum_kept": _good(
        "side minimum", YES,
        "a side minimum, kept to as asked: it explains no more than a constant would ({epochs})",
    ),
    "constant": _bad(
        "side minimum", EITHER, "every row has the same prediction, as of a constant ({epochs})"
    ),
    "threshold": _bad("threshold", NO, "a parameter acts only through comparisons ({epochs})"),
    "threshold_kept": _good(
        "threshold", NO,
        "a parameter acts only through comparisons, and keeps its start as asked ({epochs})",
    ),
    "stop_loss": _good(
        "rule", EITHER, "the running loss {loss} fell below stop_loss={stop} in {epoch}"
    ),
    "epochs_spent": _good(
        "rule", EITHER, "all {epochs} were spent; no stopping rule was met before"
    ),
    "no_improvement": _good("rule", EITHER, "the loss no longer improved; stopped in {epoch}"),
    "parameters_still": _good("rule", EITHER, "the parameters no longer moved; stopped in {epoch}"),
    "gradient_small": _good("rule", EITHER, "the gradient is as good as zero; stopped in {epoch}"),
    "time_spent": _good("rule", EITHER, "the time allowed was spent; stopped in {epoch}"),
    "not_converged": _bad("not converged", NO, "not converged after {epochs}"),
    "not_moved": _bad("not moved", NO, "the run ended where it began ({epochs})"),
    "grew": _bad("grew", NO, "the loss is larger than at the start, after {epochs}"),
    "diverged": _bad(
        "diverged", NO, "diverged in {epoch}; the last finite parameters are returned"
    ),
    "paused": Status(
        "interrupted", False, EITHER, CTRL_C, "stands", "stands after {epochs}, and may go on"
    ),
    "interrupted": Status(
        "interrupted", False, EITHER, CTRL_C, "stopped",
        "interrupted; the last completed update is returned",
    ),
}  # fmt: skip


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

"""How a run has ended, in a word of the table of ends and a sentence."""

from __future__ import annotations

from descend.graph.program import DIVERGED, EPOCHS_SPENT, RUNNING
from descend.methods.base import STATUS, Outcome
from descend.program.stopping import RULES
from descend.records.statuses import status_message
from descend.run.finished import Finished, Judgement

__all__ = ["QUIET", "ending_of", "plainly_said"]

RULE_STATUS = {rule.code: rule.status for rule in RULES}
QUIET = {
    EPOCHS_SPENT: "epochs_spent",
    **{code: "converged" for code, outcome in STATUS.items() if outcome.success},
    **{r.code: "no_improvement" if r.status == "loss_level" else r.status for r in RULES},
}
"""Codes of endings that need no warning, and their status."""


def _own_status(outcome: Outcome) -> str:
    """The record's word for an optimizer's own verdict."""
    if outcome.success:
        return "converged"
    return "diverged" if outcome.name == "not_finite" else "not_converged"


def _why_diverged(run: Finished, unit: str) -> str:
    from descend.judge.divergence import divergence_message

    return divergence_message(run, unit)


def _first_not_finite(run: Finished) -> str:
    from descend.judge.not_finite import first_not_finite

    return first_not_finite(run)


def ending_of(run: Finished) -> tuple[str, str]:
    """The status and its sentence."""
    assert run.ending is not None
    code, epochs = run.control.status, run.control.epoch
    unit = run.unit
    loss = float(run.course.last) * run.job.loss_factor
    if run.job.idle and code in (RUNNING, EPOCHS_SPENT):
        return "converged", "every parameter is fixed or tied: the model was only evaluated"
    if run.ending.outside == "callback":
        return "interrupted", f"stopped by the callback after {unit} {epochs}"
    if run.ending.outside and code == RUNNING:
        status = run.ending.outside
    elif code == DIVERGED:
        return "diverged", _why_diverged(run, unit)
    elif code == EPOCHS_SPENT:
        status = "epochs_spent"
    elif code in STATUS:
        more = f", and {run.facts.steps} by QR of J" if run.facts and run.facts.steps else ""
        status = _own_status(STATUS[code])
        words = f"{STATUS[code].message} ({unit} {epochs}{more})"
        where = _first_not_finite(run) if status == "diverged" else ""
        return status, f"{words}: {where}" if where else words
    else:
        status = RULE_STATUS[code]
    if status == "loss_level":
        return "no_improvement", f"the loss changed by less than ftol of itself; {unit} {epochs}"
    return status, status_message(
        status, epochs, unit=unit, loss=loss, stop_loss=run.options.stop_loss
    )


def plainly_said(run: Finished) -> Judgement:
    """What is said of a run whose end is clear, or is not judged: what ended it."""
    status, message = ending_of(run)
    normal = run.job.settings.optimizer.needs == "gauss_newton"
    squares = status == "converged" and normal and run.built.descent.residual is not None
    return Judgement(status, message, "yes" if squares else "not judged")

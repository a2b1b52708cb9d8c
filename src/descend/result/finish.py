"""From a finished run to the record that `fit` returns."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from descend.errors import DescendWarning, DivergedWarning, UsageError, warn
from descend.graph.program import RUNNING
from descend.judge.ending import plainly_said
from descend.judge.verdict import judged
from descend.records.statuses import STATUSES
from descend.result.evidence import FitEvidence
from descend.result.fit import Fit
from descend.run.drive import Ending
from descend.run.finished import Finished, Judgement, Search
from descend.run.indices import warn_of_indices
from descend.run.plan import Run
from descend.task.rows import Rows

__all__ = ["finish", "finish_clear", "finish_plainly", "save_to", "warn_of_end"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_COPIED_BYTES = 1 << 18
KEPT = ("side minimum", "threshold")
"""Verdicts that are a success only where the user asked to keep to his start."""


def finish(run: Finished) -> Fit:
    """Make the record of a finished run, and warn where it did not go well."""
    return _record(run, told=True)


def finish_clear(run: Run, status: str) -> Fit:
    """The record of a run whose end leaves no doubt: there is nothing to warn of."""
    return Fit(FitEvidence(run, status), run.params(), status)


def finish_plainly(run: Finished) -> Fit:
    """The record of a finished run that says what ended it, without a judgement or a warning."""
    return _record(run, told=False)


def save_to(run: Finished, path: str | os.PathLike[str]) -> Callable[[], None]:
    """What the driver calls to write a checkpoint; one that cannot be written ends no run."""
    failed: list[UsageError] = []

    def save() -> None:
        kept, run.ending = run.ending, run.ending or Ending(RUNNING, "interrupted", 0.0)
        try:
            _record(run, told=False).save_checkpoint(path)
        except UsageError as error:
            if not failed:
                warn(f"{error.message}: the run goes on without it")
            failed.append(error)
        run.ending = kept

    return save


def _record(run: Finished, told: bool) -> Fit:
    run.settle()
    run.judgement = judged(run) if told else plainly_said(run)
    run.walk = run.seen = None
    warned = told and warn_of_end(run.judgement)
    for text in run.judgement.warned if told else ():
        warn(text)
    if told and not warned and run.search is not None and run.search.left:
        warn(_left(run.search))
    if told:
        _keep_data(run)
    evidence = FitEvidence(run)
    _ = evidence.completion  # large data are not copied: a change of them is seen from here on
    params = run.trees(evidence.leaves)
    if told and run.job.rows is not None:
        warn_of_indices(run.built, run.job.rows.columns, evidence.leaves)
    said = run.judgement
    known = {} if said.arrived == "not judged" else {"arrived": said.arrived}
    return Fit(evidence, params, said.status, message=said.message, **known)


def warn_of_end(judgement: Judgement) -> bool:
    """Warn of an end that is no success, or is one only since it was asked for; whether it was."""
    row = STATUSES[judgement.status]
    if judgement.status in ("interrupted", "paused") or (row.success and row.verdict not in KEPT):
        return False
    kind = DivergedWarning if row.verdict in ("diverged", "grew") else DescendWarning
    warn(kind(judgement.message))
    return True


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

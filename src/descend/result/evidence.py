"""What stands behind a result: the run, of which each field is worked out when somebody looks.

There is one way for all: a field that is not there yet is asked for by its name, and the evidence
answers with the fields that are worked out together. Nothing of it changes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.errors import UsageError
from descend.judge.ending import plainly_said
from descend.judge.verdict import bound_said, kink_said
from descend.lean import dataclass
from descend.records.record import STATUSES, FitRecord, defaults_of
from descend.result.resume import saved_state
from descend.result.story import course_fields, run_fields, task_fields
from descend.run.finished import Finished, Judgement
from descend.run.look import Look
from descend.run.plan import Run
from descend.run.predictor import Predictor
from descend.run.state import SavedState
from descend.trust.complete import OF_ERRORS, OF_VALUES, Completion
from descend.trust.covariance import NOT_ARRIVED
from descend.trust.normal_errors import covariance_of_fit

if TYPE_CHECKING:
    from descend.show.explain import Explanation

__all__ = ["OF_DATA", "Evidence", "FitEvidence", "FromFile", "PlannedEvidence"]

Array = np.ndarray[Any, np.dtype[Any]]
OF_DATA = frozenset((*OF_VALUES, *OF_ERRORS))
"""Fields that are worked out of the data."""
OF_RUN = tuple(
    f.name for f in fields(FitRecord)
    if f.name not in (*OF_DATA, "params", "status", "success", "verdict")
)


class FitEvidence:
    """A finished run, as a fit asks it."""

    def __init__(self, finished: Finished) -> None:
        self._run = finished

    @property
    def finished(self) -> Finished:
        """The run."""
        return self._run

    @functools.cached_property
    def said(self) -> Judgement:
        """What the end means."""
        return self.finished.judgement or plainly_said(self.finished)

    @functools.cached_property
    def leaves(self) -> dict[str, Array]:
        """The parameters, leaf by leaf."""
        return self.finished.leaves()

    @functools.cached_property
    def predictor(self) -> Predictor:
        """The fitted model."""
        return self.finished.predictor()

    @functools.cached_property
    def state(self) -> SavedState:
        """The whole state of the run."""
        return saved_state(self.finished)

    @functools.cached_property
    def completion(self) -> Completion:
        """The data with the fitted model."""
        run = self.finished
        assert run.original is not None
        return Completion(
            run.job, run.built, self.leaves, run.options.absolute_sigma, run.original,
            run.normal(self.leaves), {"yes": True, "no": False}.get(self.said.arrived),
            self.said.findings,
        )  # fmt: skip

    @property
    def ready(self) -> Any:
        """The ready models of the model."""
        return self.finished.job.problem.ready

    def fields(self, name: str, record: Any) -> Mapping[str, Any]:
        """A field of the record, with those that are worked out together with it."""
        open_still = name == "arrived" and self.said.arrived == "not judged"
        if name in OF_DATA or open_still:
            return self._of_data("stderr" if open_still else name, record)
        run, told = self.finished, defaults_of(FitRecord, OF_RUN)
        said: dict[str, Any] = {"message": self.said.message}
        if self.said.arrived != "not judged":
            said["arrived"] = self.said.arrived
        else:
            told.pop("arrived")
        return told | said | {**task_fields(run), **course_fields(run), **run_fields(run)}

    def _of_data(self, name: str, record: Any) -> Mapping[str, Any]:
        """Fields that are worked out of the data; whether an end has arrived is one, if not judged.

        A run of epochs may end anywhere, and its standard errors say whether that is a minimum.
        """
        found = self.completion.fields(name, record.params, record.status)
        if "errors_note" not in found or self.said.arrived != "not judged":
            return found
        allowed = STATUSES[record.status].arrived
        seen = "yes" if found["covariance"] is not None else "not judged"
        if found["errors_note"] == NOT_ARRIVED:
            seen = "no"
        return {**found, "arrived": seen if seen in allowed else "not judged"}

    def explain(self, row: int) -> Explanation:
        """One step of backpropagation at a row."""
        from descend.result.explaining import explain_at

        run = self.finished
        assert run.whole is not None
        return explain_at(run.job, run.built, run.whole, run.begin, row)


class PlannedEvidence(FitEvidence):
    """A planned run that has ended clearly: standard errors follow from what it left at once."""

    def __init__(self, run: Run, status: str) -> None:
        self._planned, self._status = run, status

    @property
    def finished(self) -> Finished:
        """The run, told only if somebody asks."""
        return self._planned.finished()

    @functools.cached_property
    def said(self) -> Judgement:
        """What ended the run, and whether it has arrived, where that was looked at."""
        if self._status == "bound":
            return bound_said(self.finished)
        if self._status == "kink":
            return kink_said(self.finished)
        arrived = "yes" if self._has_arrived else "not judged"
        return plainly_said(self.finished)._replace(arrived=arrived)

    @property
    def _has_arrived(self) -> bool:
        return self._status == "kink" or self._planned.plan.look is Look.SQUARES

    @functools.cached_property
    def completion(self) -> Completion:
        """The data with the fitted model, for which the course need not be told."""
        run, plan = self._planned, self._planned.plan
        job = run.job()
        assert job.rows is not None
        return Completion(
            job, plan.built, run.leaves(), plan.options.absolute_sigma, job.rows,
            run.normal_equations(), self._has_arrived or None,
        )  # fmt: skip

    def fields(self, name: str, record: Any) -> Mapping[str, Any]:
        """As of any run; standard errors may be had at once."""
        errors = self._stderr() if name == "stderr" else None
        return super().fields(name, record) if errors is None else {"stderr": errors}

    def _stderr(self) -> dict[str, Any] | None:
        """Standard errors by parameter, where the last state of the method gives them."""
        run, plan = self._planned, self._planned.plan
        normal = run.normal_equations() if plan.tells_errors else None
        if normal is None or plan.residuals is None:
            return None
        rows = covariance_of_fit(normal, plan.residuals, plan.options.absolute_sigma)
        if rows is None:
            return None
        errors = {read.name: math.sqrt(rows[i][i]) for i, read in enumerate(plan.layout.reads)}
        return {name: errors.get(name, math.nan) for name in plan.parameters}


@dataclass(frozen=True)
class FromFile:
    """What a file keeps of the evidence: all fields are in the record already."""

    predictor: Predictor
    leaves: Mapping[str, Array]
    state: SavedState | None = None
    ready: Any = None
    completion: None = None

    def fields(self, name: str, record: Any) -> Mapping[str, Any]:
        """What an older file does not know has its default."""
        return defaults_of(FitRecord, [name])

    def explain(self, row: int) -> Explanation:
        """Refused: the rows are not in the file."""
        raise UsageError(
            "a loaded fit has no rows to explain",
            remedy="write descend.explain(model, x, y, row=…, start=fit)",
        )


Evidence = FitEvidence | FromFile
"""What stands behind a fit."""

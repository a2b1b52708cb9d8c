"""What stands behind a result: the run, of which each field is worked out when somebody looks.

There is one way for all: a field that is not there yet is asked for by its name, and the evidence
answers with the fields that are worked out together. Nothing of it changes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.errors import UsageError
from descend.judge.ending import plainly_said
from descend.judge.verdict import bound_said, kink_said
from descend.lean import dataclass
from descend.records.record import FitRecord, defaults_of
from descend.records.statuses import STATUSES
from descend.result.resume import saved_state
from descend.result.story import course_fields, run_fields, task_fields
from descend.result.surface import Surface, surface_of
from descend.run.finished import Finished, Judgement
from descend.run.look import Look
from descend.run.plan import Run
from descend.run.predictor import Predictor
from descend.run.state import SavedState
from descend.trust.complete import OF_ERRORS, OF_LAYERS, OF_VALUES, Completion
from descend.trust.covariance import NOT_ARRIVED
from descend.trust.normal_errors import covariance_of_fit
from descend.trust.passes import completion_of

if TYPE_CHECKING:
    from descend.show.explain import Explanation

__all__ = ["OF_DATA", "Evidence", "FitEvidence", "FromFile"]

Array = np.ndarray[Any, np.dtype[Any]]
SAID = {"bound": bound_said, "kink": kink_said}
"""What is said of a run that has ended clearly, by its status; of others, what ended them."""
OF_DATA = frozenset((*OF_VALUES, *OF_ERRORS, *OF_LAYERS))
"""Fields that are worked out of the data."""
OF_RUN = tuple(
    f.name for f in fields(FitRecord)
    if f.name not in (*OF_DATA, "params", "status", "success", "verdict")
)


class FitEvidence:
    """A run, as a fit asks it: one that was looked at closer, or a planned one that ended clearly.

    Of a planned one the story is told only if somebody asks, and standard errors follow from what
    it left at once.

    Args:
        status: of a planned run.
    """

    def __init__(self, run: Run | Finished, status: str = "") -> None:
        self._run, self._status = run, status

    @property
    def finished(self) -> Finished:
        """The run with its story."""
        return self._run if isinstance(self._run, Finished) else self._run.finished()

    @functools.cached_property
    def said(self) -> Judgement:
        """What the end means."""
        run = self.finished
        if isinstance(self._run, Finished):
            return run.judgement or plainly_said(run)
        if self._status in SAID:
            return SAID[self._status](run)
        arrived = "yes" if _has_arrived(self._run) else "not judged"
        return plainly_said(run)._replace(arrived=arrived)

    @functools.cached_property
    def leaves(self) -> dict[str, Array]:
        """The parameters, leaf by leaf."""
        return self.finished.leaves()

    @functools.cached_property
    def predictor(self) -> Predictor:
        """The fitted model."""
        return self.finished.predictor()

    def has_rows(self, columns: Mapping[str, Array]) -> bool:
        """Whether these are the rows of the fit."""
        own = self.completion.original.columns
        return all(np.array_equal(columns[name], array) for name, array in own.items())

    @functools.cached_property
    def state(self) -> SavedState:
        """The whole state of the run."""
        return saved_state(self.finished)

    @functools.cached_property
    def completion(self) -> Completion:
        """The data with the fitted model, for which the story need not be told."""
        run = self._run
        if isinstance(run, Finished):
            assert run.original is not None
            return completion_of(
                run.job, run.built, self.leaves, run.options.absolute_sigma, run.original,
                run.normal(self.leaves), {"yes": True, "no": False}.get(self.said.arrived),
                self.said.findings,
            )  # fmt: skip
        job = run.job()
        assert job.rows is not None
        return completion_of(
            job, run.plan.built, run.leaves(), run.plan.options.absolute_sigma, job.rows,
            run.normal_equations(), _has_arrived(run) or None,
        )  # fmt: skip

    @property
    def ready(self) -> Any:
        """The ready models of the model."""
        return self.finished.job.problem.ready

    def fields(self, name: str, record: Any) -> Mapping[str, Any]:
        """A field of the record, with those that are worked out together with it."""
        errors = self._stderr() if name == "stderr" else None
        if errors is not None:
            return {"stderr": errors}
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

    def _stderr(self) -> dict[str, Any] | None:
        """Standard errors by parameter, where the last state of the method gives them."""
        if isinstance(self._run, Finished):
            return None
        run, plan = self._run, self._run.plan
        normal = run.normal_equations() if plan.tells_errors else None
        if normal is None or plan.residuals is None:
            return None
        rows = covariance_of_fit(normal, plan.residuals, plan.options.absolute_sigma)
        if rows is None:
            return None
        errors = {read.name: math.sqrt(rows[i][i]) for i, read in enumerate(plan.layout.reads)}
        return {name: errors.get(name, math.nan) for name in plan.parameters}

    def explain(self, row: int, parameter: str, lang: str) -> Explanation:
        """One step of backpropagation at a row."""
        from descend.result.explaining import explain_at, told_as

        run = self.finished
        assert run.whole is not None
        told = explain_at(run.job, run.built, run.whole, run.begin, row)
        return told_as(told, lang, parameter)

    def surface(self, record: Any) -> Surface:
        """The loss of all numbers, and the way of the descent."""
        return surface_of(self.finished, self.leaves, record.history)

    def ran(self, what: str) -> Finished:
        """The run, by whose rows something is worked out."""
        return self.finished


def _has_arrived(run: Run) -> bool:
    """Whether that was looked at when the run ended clearly."""
    return run.plan.look in (Look.SQUARES, Look.VERTEX)


@dataclass(frozen=True)
class FromFile:
    """What a file keeps of the evidence: all fields are in the record already."""

    predictor: Predictor
    leaves: Mapping[str, Array]
    state: SavedState | None = None
    ready: Any = None
    rows: Mapping[str, Array] = field(default_factory=dict)
    completion: None = None

    def fields(self, name: str, record: Any) -> Mapping[str, Any]:
        """What an older file does not know has its default."""
        return defaults_of(FitRecord, [name])

    def has_rows(self, columns: Mapping[str, Array]) -> bool:
        """Whether these are the rows of the fit; a file, unlike a pickle, does not know them."""
        own = self.rows
        return bool(own) and all(np.array_equal(columns[name], own[name]) for name in own)

    def explain(self, row: int, parameter: str, lang: str) -> Explanation:
        """Refused: the rows are not in the file."""
        raise UsageError(
            "a loaded fit has no rows to explain",
            remedy="write descend.explain(model, x, y, row=…, start=fit)",
        )

    def surface(self, record: Any) -> Surface:
        """Refused: the rows are not in the file."""
        raise UsageError(
            "a loaded fit has no rows, over which the loss could be drawn",
            remedy="write descend.fit(model, x, y, start=fit).plot_surface()",
        )

    def ran(self, what: str) -> Finished:
        """Refused: the rows are not in the file."""
        raise UsageError(
            f"a loaded fit has no rows, on which {what} could be worked out",
            remedy="fit again with start=fit, which is quick from there",
        )


Evidence = FitEvidence | FromFile
"""What stands behind a fit."""

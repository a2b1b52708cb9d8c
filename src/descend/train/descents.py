"""The descents of a call of `fit`: as many as it takes, and what is made of them."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Mapping
from typing import Any

from descend.graph.blocks import BLOCK
from descend.graph.program import RUNNING, Control
from descend.judge.attempts import Unasked, attempted, unasked
from descend.judge.polish import polished
from descend.result.finish import finish, save_to
from descend.result.fit import Fit
from descend.result.resume import resumed
from descend.run.build import Built
from descend.run.course import Course
from descend.run.drive import Watch, drive
from descend.run.finished import Finished
from descend.run.indices import check_indices, warn_of_indices
from descend.run.job import Job
from descend.run.threads import threads_for
from descend.show.progress import Verbose
from descend.task.options import Options
from descend.task.rows import Rows

__all__ = ["Descents"]


class Descents:
    """The descents of a call of `fit`, and what is made of them."""

    def __init__(
        self, job: Job, built: Built, fresh: bool, options: Options, whole: Rows | None,
        original: Rows | None,
    ) -> None:  # fmt: skip
        assert job.rows is not None
        self.job, self.built, self.fresh, self.options = job, built, fresh, options
        self.rows, self.whole, self.original = job.rows, whole, original
        self.seed = job.settings.seed
        self.began = 0.0
        self.meter = options.progress
        if self.meter is None and options.verbose:
            self.meter = Verbose(sys.stdout)

    def result(self, first: Finished | None = None) -> Fit:
        """Descend from as many starts as it takes, and say how it went.

        Args:
            first: the first descent, where it has been made, as far as one entry went.
        """
        message = ""
        try:
            best = attempted(
                lambda attempt, most: self._attempt(attempt, None if attempt else first, most),
                self._glance, self.options.starts or 1, unasked(self.options, self.job),
                self._spent, lambda: self.job.evaluations,
            )  # fmt: skip
            found = finish(best)
            warn_of_indices(self.built, self.rows.columns, found._evidence.leaves)
            message = found.message
        finally:
            if self.meter is not None:
                self.meter.close(message)
        return found

    def _spent(self) -> bool:
        """Whether max_seconds are over, counted from the first descent on."""
        o, now = self.options, time.perf_counter()
        return o.max_seconds is not None and now - self.began >= float(o.max_seconds)

    def _glance(self, attempt: int) -> Finished:
        """One evaluation at a random point, which nobody is told of."""
        seen = self._begun(self.job.glanced(self.built, attempt), False)
        assert seen.bound is not None
        seen.control = Control(1, self.seed)
        seen.ending = drive(self.built.runner, seen.bound, seen.control, seen.course, 1, Watch(), 1)
        return seen

    def _attempt(
        self, attempt: int, first: Finished | None, most: int | None = None
    ) -> Finished:
        if first is None:
            # Where starts are asked for, every second one looks farther: a descent is quick enough.
            quick = self.job.settings.optimizer.needs == "gauss_newton" and self.options.starts
            wide = unasked(self.options, self.job) is Unasked.FAILED or bool(quick and attempt % 2)
            leaves = self.job.find_start(
                self.built, self.options.start == "random", attempt, wide
            )
            check_indices(self.built, self.rows.columns, leaves)
            first = self._begun(leaves, self.fresh)
            if most is not None:
                first.control.max_epochs = min(first.control.max_epochs, most)
        self._drive(first)
        polished(first)
        return first

    def _begun(self, leaves: Mapping[str, Any], fresh: bool) -> Finished:
        """A descent before its first step."""
        o, job = self.options, self.job
        state = job.first_state(self.built, leaves)
        control = Control(1 if job.idle else int(o.epochs), self.seed)
        control.threads = threads_for(o.threads, -(-self.rows.n_rows // BLOCK))
        begun = Finished(
            job, self.built, fresh, o, self.whole, dict(leaves), control,
            Course(self.built.descent.records), self.original,
        )  # fmt: skip
        if o.resume is not None:
            state |= resumed(begun, o.resume)
        begun.bound = job.bindings(self.built, state)
        return begun

    def _drive(self, run: Finished) -> None:
        """Go on to the end."""
        before = 0.0 if run.ending is None else run.ending.seconds
        if run.ending is not None and run.control.status != RUNNING:
            return
        assert run.bound is not None
        steps = -(-self.rows.n_rows // (self.job.settings.batch_size or self.rows.n_rows))
        ending = drive(
            self.built.runner, run.bound, run.control, run.course, steps, self._watch(run),
            _first_budget(self.built, self.rows.n_rows, steps),
        )  # fmt: skip
        run.ending = dataclasses.replace(ending, seconds=before + ending.seconds)

    def _watch(self, finished: Finished) -> Watch:
        o, now = self.options, time.perf_counter()
        self.began = self.began or now
        return Watch(
            self.meter,
            None if o.max_seconds is None else max(self.began + float(o.max_seconds) - now, 0.0),
            None if o.callback is None else finished.moment(o.callback),
            None if o.checkpoint is None else save_to(finished, o.checkpoint),
            unit="iteration" if self.job.settings.optimizer.scope == "vector" else "epoch",
            loss_factor=self.job.loss_factor,
        )


def _first_budget(built: Any, n_rows: int, steps: int) -> int:
    """Steps for the first entry: about a millisecond, if an operation takes about a nanosecond."""
    operations = 50.0 * max(1, n_rows // steps)
    if built.engine == "interpreted":
        operations += 1e5
    return max(1, int(2e6 / operations))

"""The way of every call: by a known plan or read in full, then as many descents as it takes."""

from __future__ import annotations

import dataclasses
import functools
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np

from descend.graph.program import RUNNING, Control
from descend.judge.attempts import Unasked, attempted, unasked
from descend.judge.between import back_on_the_way
from descend.judge.polish import polished
from descend.judge.runaway import at_edges
from descend.judge.thresholds import over_steps, staircases_of
from descend.methods.choice import Task, chosen
from descend.parameters.space import Space
from descend.program.stopping import Rules
from descend.result.finish import save_to
from descend.result.resume import resumed
from descend.run.build import Built
from descend.run.cores import threads_for
from descend.run.course import Course
from descend.run.drive import Watch, drive
from descend.run.finished import Finished
from descend.run.indices import check_indices
from descend.run.job import Job
from descend.run.plan import Run
from descend.run.plan_table import Plans
from descend.show.progress import Verbose
from descend.task.options import Options
from descend.task.rows import Rows
from descend.task.values import Values

__all__ = ["Descents", "PlannedRun", "bound", "walked"]

MOST_STEPS = 1000  # of a descent that finds thresholds for a method of epochs


class _Told(Protocol):
    """A result, which says how it went."""

    message: str


T = TypeVar("T", bound=_Told)
PlannedRun = Callable[[Values | None], Run | None]
"""What gives a run of the plan of a call that was read, of its values if it says them plainly."""


def walked(
    values: Values | None, plans: Plans, clear: Callable[[Run], T | None],
    finish: Callable[[Finished], T],
    read: Callable[..., tuple[Descents, PlannedRun]], *given: Any,
) -> T:  # fmt: skip
    """Bind the values of a known task, or read the call in full; run, and say how it went.

    Args:
        values: of the call; None where it says something that no task can hold.
        clear: the result of a run whose end leaves no doubt; None of any other.
        finish: the result of a run that is to be looked at closer.
        read: what is given as descents, checked, and what runs by their plan, which is entered in
            the table if there can be one.
    """
    run, descents = bound(values, plans, read, *given)
    if run is None:
        assert descents is not None
        return descents.result(finish)
    run.go()
    found = clear(run)
    if found is not None:
        return found
    first = run.finished()
    own = first.job, first.built, first.fresh, first.options, first.whole, first.original
    return Descents(*own).result(finish, first)


def bound(
    values: Values | None, plans: Plans, read: Callable[..., tuple[Descents, PlannedRun]],
    *given: Any,
) -> tuple[Run | None, Descents | None]:  # fmt: skip
    """A run by the plan of a call, or None; and its descents, where it was read in full."""
    known = None if values is None else plans.found(values)
    run = None if values is None or known is None else known.bind(values)
    if run is not None:
        return run, None
    descents, planned = read(*given)
    return (None if known is not None else planned(values)), descents


class Descents:
    """The descents of a call, on rows or of a function, and what is made of them."""

    def __init__(
        self, job: Job, built: Built, fresh: bool, options: Options, whole: Rows | None = None,
        original: Rows | None = None,
    ) -> None:  # fmt: skip
        self.job, self.built, self.fresh, self.options = job, built, fresh, options
        self.whole, self.original = whole, original
        self.columns = {} if job.rows is None else job.rows.columns
        self.began = 0.0
        self.meter = options.progress
        if self.meter is None and options.verbose:
            self.meter = Verbose(sys.stdout)

    def result(self, finish: Callable[[Finished], T], first: Finished | None = None) -> T:
        """Descend from as many starts as it takes, and say how it went.

        Args:
            finish: makes the result of the best descent.
            first: the first descent, where it has been made, as far as one entry went.
        """
        message = ""
        try:
            best = attempted(
                lambda attempt, most: self._attempt(attempt, None if attempt else first, most),
                self._glance, self.options.starts or 1, unasked(self.options, self.job),
                self._spent, lambda: self.job.evaluations,
            )  # fmt: skip
            found = finish(self._at_edges(best))
            message = found.message
        finally:
            if self.meter is not None:
                self.meter.close(message)
        return found

    def _at_edges(self, run: Finished) -> Finished:
        """The same descent within the edges of the loss's domain, where it has ended beside one."""
        o, job = self.options, self.job
        space = job.space or Space()
        if not (self._is_vector and job.settings.optimizer.bounded) or job.idle:
            return run
        if o.starts == 1 or o.resume is not None:
            return run
        sides = {n: side for n, side in at_edges(run).items() if n not in space.lower}
        if not sides or space.scales or not all(map(space.varies, sides)):
            return run
        edges = {n: (0.0, np.inf) if side > 0 else (-np.inf, 0.0) for n, side in sides.items()}
        low, high = ({n: np.array(e[i]) for n, e in edges.items()} for i in (0, 1))
        lower, upper = {**space.lower, **low}, {**space.upper, **high}
        inside = dataclasses.replace(
            job, space=dataclasses.replace(space, lower=lower, upper=upper),
            start=job.start._replace(arrays=dict(run.begin), missing=()),
        )  # fmt: skip
        again = Descents(inside, *inside.build(), o, self.whole, self.original)
        again.began = self.began
        other = again._attempt(0, None)
        return other if other.final_loss() <= run.final_loss() else run

    def _spent(self) -> bool:
        """Whether max_seconds are over, counted from the first descent on."""
        o, now = self.options, time.perf_counter()
        return o.max_seconds is not None and now - self.began >= float(o.max_seconds)

    def _glance(self, attempt: int) -> Finished:
        """One evaluation at a random point, which nobody is told of."""
        seen = self._begun(self.job.glanced(self.built, attempt), False, 1)
        assert seen.bound is not None
        seen.ending = drive(self.built.runner, seen.bound, seen.control, seen.course, 1, Watch(), 1)
        return seen

    def _attempt(
        self, attempt: int, first: Finished | None, most: int | None = None
    ) -> Finished:
        if first is None or self.steps:
            # Where starts are asked for, every second one looks farther: a descent is quick enough.
            quick = self.job.settings.optimizer.needs == "gauss_newton" and self.options.starts
            wide = bool(quick and attempt % 2) or (
                unasked(self.options, self.job) is not Unasked.NEVER and not self.job.start.missing
            )
            leaves = self.job.find_start(
                self.built, self.options.start == "random", attempt, wide
            )
            leaves |= self.steps[0] if self.steps else {}
            check_indices(self.built, self.columns, leaves)
            first = self._begun(leaves, self.fresh, most)
        self._drive(first)
        if self._is_vector:
            first = back_on_the_way(over_steps(first, self._again), self._again)
        elif self.steps:
            first.searched = self.steps[1]
        polished(first)
        return first

    @property
    def _is_vector(self) -> bool:
        """Whether the method ends by a test of its own."""
        return self.job.idle or self.job.settings.optimizer.scope == "vector"

    def _again(self, leaves: Mapping[str, Any]) -> Finished:
        """A descent from elsewhere, as far as the first went, which nobody is told of."""
        run = self._begun(leaves, self.fresh, None, resumes=False)
        watch = dataclasses.replace(self._watch(run), meter=None, callback=None, checkpoint=None)
        self._drive(run, watch)
        return run

    @functools.cached_property
    def steps(self) -> tuple[dict[str, Any], tuple[str, ...]] | None:
        """For a method of epochs, the numbers that act through steps as another method finds them.

        Also the ranges in which they may be; None where there is no such number.
        """
        o, job = self.options, self.job
        names = staircases_of(self.built, job.space) if job.rows is not None else ()
        random = self.built.model.training is not None
        if self._is_vector or random or not names or o.starts == 1 or o.resume is not None:
            return None
        loss, s = job.settings.loss, job.settings
        assert loss is not None
        count = sum(a.size for a in job.leaf_arrays().values())
        task = Task(count, None, loss.is_square, loss.curved, s.penalty is None, loss.kinked)
        settings = dataclasses.replace(
            s.bare(chosen(task)[0]), rules=Rules({}), batch_size=None, shuffle=False, clip=None
        )
        other = dataclasses.replace(job, settings=settings)
        options = o.but(epochs=MOST_STEPS, callback=None, progress=None, checkpoint=None)
        own = Descents(other, *other.build(), options, self.whole, self.original)
        found = own._attempt(0, None)
        leaves = found.leaves()
        return {name: leaves[name] for name in names}, found.searched

    def begun(self, leaves: Mapping[str, Any]) -> Finished:
        """The descent before its first step."""
        return self._begun(leaves, self.fresh, None)

    def _begun(
        self, leaves: Mapping[str, Any], fresh: bool, most: int | None, resumes: bool = True
    ) -> Finished:
        """A descent before its first step, of so many epochs or iterations at most."""
        o, job = self.options, self.job
        state = job.first_state(self.built, leaves)
        epochs = 1 if job.idle else int(o.max_iter if job.rows is None else o.epochs)
        control = Control(epochs if most is None else min(epochs, most), job.settings.seed)
        if job.rows is not None:
            enough = self.built.descent.program.most_threads(job.n_rows())
            control.threads = threads_for(o.threads, enough)
        begun = Finished(
            job, self.built, fresh, o, self.whole, dict(leaves), control,
            Course(self.built.descent.records), self.original,
        )  # fmt: skip
        if resumes and o.resume is not None:
            state |= resumed(begun, o.resume)
        begun.bound = job.bindings(self.built, state)
        return begun

    def _drive(self, run: Finished, watch: Watch | None = None) -> None:
        """Go on to the end."""
        before = 0.0 if run.ending is None else run.ending.seconds
        if run.ending is not None and run.control.status != RUNNING:
            return
        assert run.bound is not None
        n_rows = self.job.n_rows()
        steps = -(-n_rows // (self.job.settings.batch_size or n_rows))
        ending = drive(
            self.built.runner, run.bound, run.control, run.course, steps,
            watch or self._watch(run), self._first_budget(n_rows, steps),
        )  # fmt: skip
        run.ending = ending._replace(seconds=before + ending.seconds)
        run.settle()

    def _watch(self, finished: Finished) -> Watch:
        o, now = self.options, time.perf_counter()
        self.began = self.began or now
        return Watch(
            self.meter,
            None if o.max_seconds is None else max(self.began + float(o.max_seconds) - now, 0.0),
            None if o.callback is None else finished.moment(o.callback),
            None if o.checkpoint is None else save_to(finished, o.checkpoint),
            unit=finished.unit,
            loss_factor=self.job.loss_factor * self.job.settings.sign,
        )

    def _first_budget(self, n_rows: int, steps: int) -> int:
        """Steps of the first entry: a millisecond, if an operation takes about a nanosecond.

        What a function costs is not known by its rows.
        """
        operations = 2000.0 if self.job.rows is None else 50.0 * max(1, n_rows // steps)
        if self.built.engine == "interpreted":
            operations += 1e5
        return max(1, int(2e6 / operations))

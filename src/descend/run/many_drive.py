"""How many fits are driven: by the lean method, by the full one where that fails, at last by J."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.compile.many_native import ManyArrays, Worker
from descend.compile.native import NotNative
from descend.errors import UsageError
from descend.methods.base import FTOL, NOT_FINITE, Optimizer
from descend.methods.damped import LeanLevenbergMarquardt
from descend.methods.least_squares import LevenbergMarquardt
from descend.program.lanes import ManyBuilt
from descend.program.orthogonal import MOST_STEPS, LastSteps
from descend.run.cores import threads_for
from descend.run.many_job import LEAST_PIVOT, UNSOLVED, ManyJob, among
from descend.run.threads import Share, run_many
from descend.show.progress import Progress

__all__ = ["ManyDrive", "Ready"]

Array = np.ndarray[Any, np.dtype[Any]]

FEWEST = 16  # fits a thread
LEAN_STEPS = 200  # after so many the full method takes over
WORSE = 1e-10  # the smallest pivot from which J is asked: below, x·a + b may cancel within xtol


class Ready(NamedTuple):
    """A job that is ready to run: its program, its arrays, and a worker a thread."""

    job: ManyJob
    built: ManyBuilt
    arrays: ManyArrays
    workers: Sequence[Worker]


class ManyDrive:
    """Drives many fits.

    Args:
        chosen: whether the method was asked for: then no other takes over.
        most: steps of one fit at most.
        threads: how many may work; None for one a core.
        fits: how many there are.
        run: what runs fits on such workers; as `run_many` does, or in other processes.

    Attributes:
        stopped: whether Ctrl-C came.
    """

    def __init__(
        self, optimizer: Optimizer, chosen: bool, most: int, threads: int | None, fits: int,
        run: Callable[..., Share] = run_many,
    ) -> None:  # fmt: skip
        self._run_many = run
        self.optimizer, self.most, self.stopped = optimizer, most, False
        self.second: Optimizer | None = None
        if isinstance(optimizer, LeanLevenbergMarquardt) and not chosen:
            own = {t: getattr(optimizer, t) for t in ("xtol", "ftol", "gtol")}
            self.second = LevenbergMarquardt(**own)
        self.threads = threads_for(threads, -(-fits // FEWEST))

    def ready(self, job: ManyJob, limit: int | None = None) -> Ready:
        """A job with its program, its arrays, and what works on them, compiled."""
        built, most = job.built(self.optimizer), self._most(limit)
        steps = most if self.second is None else min(most, LEAN_STEPS)
        arrays = job.arrays(built, self.optimizer, steps)
        return Ready(job, built, arrays, self._workers(built, arrays))

    def descend(
        self, own: Ready, meter: Progress | None = None, limit: int | None = None
    ) -> None:
        """Every fit of a job, of so many steps at most."""
        if not self.stopped:
            self._run(own.workers, own.job.data.n_fits, None, meter)
        if not self.stopped:
            self._again(own, limit)

    def run(self, built: ManyBuilt, arrays: ManyArrays, chosen: Array | None = None) -> None:
        """Run all fits of a program, or some of them, without a word."""
        fits = len(arrays.codes) if chosen is None else len(chosen)
        self._run(self._workers(built, arrays), fits, chosen)

    def _run(
        self, workers: Sequence[Worker], fits: int, chosen: Array | None,
        meter: Progress | None = None,
    ) -> None:  # fmt: skip
        self.stopped = self._run_many(workers, fits, meter, chosen).stopped or self.stopped

    def _most(self, limit: int | None) -> int:
        return self.most if limit is None else max(1, min(self.most, limit))

    def _workers(self, built: ManyBuilt, arrays: ManyArrays) -> list[Worker]:
        try:
            return [built.runner.worker(arrays) for _ in range(self.threads)]
        except NotNative as missing:
            raise UsageError(
                f"there is no native code for {missing}, which many fits need",
                remedy="call fit for each dataset: it interprets what is not native",
            ) from missing

    def _again(self, own: Ready, limit: int | None) -> None:
        """Give the fits that the lean method left to the full one, and the last steps to J."""
        job, arrays = own.job, own.arrays
        made = dict(zip(own.built.results, arrays.results, strict=True))
        arrived = made.get("arrived", np.ones(len(arrays.codes), bool))
        begun = arrays.iterations > 0
        chosen = np.flatnonzero((among(arrays.codes, UNSOLVED) | ~arrived) & begun)
        if self.second is not None and chosen.size:
            built = job.built(self.second)
            again = job.arrays(built, self.second, self._most(limit), arrays)
            self.run(built, again, chosen)
        if "pivot" in made and not self.stopped:
            lost = ~(made["pivot"] > WORSE) | ~arrived
            self._by_columns(job, arrays, made, np.flatnonzero(lost & begun))

    def _by_columns(
        self, job: ManyJob, arrays: ManyArrays, made: Mapping[str, Array], chosen: Array
    ) -> None:
        """Go on by J itself where JᵀJ has lost too many digits."""
        chosen = chosen[~among(arrays.codes[chosen], (NOT_FINITE,))]
        built = job.by_columns() if chosen.size else None
        if built is None:
            return
        ends = {n: made[f"params.{n}"] for n in job.start.free() if f"params.{n}" in made}
        there = job.starting(job.start._replace(each={**job.start.each, **ends}))
        own = there.arrays(built, LastSteps(), MOST_STEPS)
        self.run(built, own, chosen)
        found = dict(zip(built.results, own.results, strict=True))
        better = chosen[(own.codes == FTOL)[chosen] & (found["pivot"] > LEAST_PIVOT)[chosen]]
        for name, array in made.items():
            array[better] = found[name][better]
        arrays.codes[better] = FTOL
        arrays.iterations[better] += own.iterations[better]

"""Many fits on the workers of a cluster: some fits a task, about a second's work each.

A fit has the same bits whatever its neighbours and whoever does it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.cluster.pool import TASK, Pool
from descend.cluster.tasks import Done, Package, fits
from descend.compile.many_native import Worker
from descend.compile.many_pieces import many_order, put_back, some_of
from descend.run.drive import listening
from descend.run.threads import Share
from descend.show.progress import Progress

__all__ = ["Spread"]

Array = np.ndarray[Any, np.dtype[Any]]
FIRST = 64  # fits by which the speed is measured, here
MEASURED = 0.1  # seconds that are enough for it
LARGEST = 8 << 20  # bytes of a task: all of them pass through Dask's scheduler


class Spread:
    """Runs fits as `run.threads.run_many` does, those that take long on the workers of a pool."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def __call__(
        self, workers: Sequence[Worker], count: int, meter: Progress | None,
        chosen: Array | None = None,
    ) -> Share:  # fmt: skip
        """Run all fits, or the chosen ones; Ctrl-C keeps what is done."""
        share = Share(count, chosen)
        if meter is not None:
            meter.start(count, "fit")
        numbers = np.arange(count) if chosen is None else chosen
        with listening() as heard:

            def between() -> bool:
                share.stopped = share.stopped or heard.hit
                if meter is not None:
                    meter.update(share.done, float("nan"), share.done)
                return share.stopped

            begin, size = time.perf_counter(), FIRST
            while share.done < count and time.perf_counter() - begin < MEASURED:
                for fit in numbers[share.done : share.done + size].tolist():
                    workers[0].run(fit, fit + 1)
                share.done = min(count, share.done + size)
                size *= 2
                if between():
                    return share
            seconds = (time.perf_counter() - begin) / max(1, share.done)
            if share.done < count:
                self._rest(workers[0], numbers[share.done :], seconds, share, between)
        return share

    def _rest(
        self, worker: Worker, left: Array, seconds: float, share: Share, between: Any
    ) -> None:
        order, arrays = many_order(worker), worker.arrays
        package = Package(worker.image(), order)
        threads = max(1, sum(self.pool.look().values()))
        about = some_of(arrays, order.shared, left[: min(FIRST, len(left))])
        by_bytes = LARGEST * min(FIRST, len(left)) // max(1, about.n_bytes)
        turns = max(1, round(seconds * len(left) / (TASK * threads)))
        size = max(1, min(-(-len(left) // (threads * turns)), by_bytes))
        parts = [left[i : i + size] for i in range(0, len(left), size)]

        def taken(number: int, done: Done | None) -> bool:
            if done is not None:
                put_back(arrays, parts[number], done.found)
                share.finished(len(parts[number]))
            return bool(between())

        tasks = _Tasks(arrays, order.shared, parts)
        self.pool.each(fits, package.key(), package, tasks, taken)


class _Tasks(Sequence[tuple[Any, ...]]):
    """The arguments of each task, cut out when it is handed over."""

    def __init__(self, arrays: Any, shared: Sequence[bool], parts: list[Array]) -> None:
        self._arrays, self._shared, self._parts = arrays, shared, parts

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, number: Any) -> Any:
        return (some_of(self._arrays, self._shared, self._parts[number]),)

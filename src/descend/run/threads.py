"""Many fits on several threads: ranges of fits handed out, progress, and Ctrl-C in between.

A thread that has finished its range takes the next one. Nothing a fit computes depends on the
range or the thread it falls into, so that results have the same bits for any number of threads.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from descend.compile.many_native import Worker
from descend.lean import dataclass
from descend.run.drive import listening
from descend.show.progress import Progress

__all__ = ["Share", "run_many", "together"]

Array = np.ndarray[Any, np.dtype[Any]]

RANGE_SECONDS = 0.02
FIRST_RANGE = 64
GROWTH = 8
LOOK_SECONDS = 0.1


@dataclass
class Share:
    """The fits that are still to be handed out.

    Attributes:
        fits: how many there are.
        chosen: their numbers, where it is not all of them in order.
        next: the first that nobody has taken.
        done: how many are finished.
        stopped: nothing more is handed out.
    """

    fits: int
    chosen: Array | None = None
    next: int = 0
    done: int = 0
    stopped: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, count: int, threads: int) -> tuple[int, int]:
        """The next range; small near the end, so that threads end together."""
        with self.lock:
            left = self.fits - self.next
            count = max(1, min(count, -(-left // (2 * threads)) if threads > 1 else count))
            first = self.next
            if not self.stopped:
                self.next = min(self.fits, first + count)
            return first, self.next

    def finished(self, count: int) -> None:
        with self.lock:
            self.done += count


def run_many(
    workers: Sequence[Worker], fits: int, meter: Progress | None, chosen: Array | None = None
) -> Share:
    """Run all fits, or the chosen ones; Ctrl-C ends it after the ranges at work.

    What is done by then is kept.
    """
    share = Share(fits, chosen)
    if meter is not None:
        meter.start(fits, "fit")

    def stop() -> None:
        share.stopped = True

    with listening() as heard:

        def between() -> None:
            share.stopped = share.stopped or heard.hit
            if meter is not None:
                meter.update(share.done, float("nan"), share.done)

        looks = [between, *[None] * (len(workers) - 1)]  # from this thread alone
        together(
            [
                functools.partial(_work, worker, share, len(workers), look)
                for worker, look in zip(workers, looks, strict=True)
            ],
            stop, between,
        )  # fmt: skip
    return share


def together(
    works: Sequence[Callable[[], None]], stop: Callable[[], object],
    between: Callable[[], object] = lambda: None,
) -> None:  # fmt: skip
    """Do all of it, the first in this thread and each other in one of its own.

    Args:
        stop: lets the others end soon; called where one of them raises, and what that raised first
            is raised when all have ended.
        between: called in this thread while it waits for others.
    """
    failed: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)
            stop()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works[1:]]
    for thread in threads:
        thread.start()
    try:
        guarded(works[0])
        for thread in threads:
            while thread.is_alive():
                thread.join(LOOK_SECONDS)
                between()
    except BaseException:
        stop()
        raise
    finally:
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]


def _work(
    worker: Worker, share: Share, threads: int, between: Callable[[], None] | None
) -> None:
    """Take ranges until none is left; their length follows the speed."""
    count = FIRST_RANGE
    while True:
        first, last = share.take(count, threads)
        if first >= last:
            return
        begin = time.perf_counter()
        if share.chosen is None:
            worker.run(first, last)
        else:
            for fit in share.chosen[first:last].tolist():
                worker.run(fit, fit + 1)
        seconds = time.perf_counter() - begin
        share.finished(last - first)
        fitting = int((last - first) * RANGE_SECONDS / max(seconds, 1e-9))
        count = max(1, min(fitting, count * GROWTH))
        if between is not None:
            between()

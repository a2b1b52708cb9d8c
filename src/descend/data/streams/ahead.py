"""Reading ahead: a thread fills the next buffers while the last is worked on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.data.streams.apart import Apart

__all__ = ["Ahead", "Filled", "GetFree", "Produce", "cut"]

Array = NDArray[Any]
BUFFERS = 3  # one is worked on, one is full, one is being filled
LARGE = 1 << 23  # numbers of a buffer of which there are but two
AWAKE = 0.5
"""Seconds after which a wait begins anew: Ctrl-C that came just before it is seen only then."""
PAUSES = (0.01, 0.05, 0.2, 0.5, 1.0)
"""Seconds between attempts to end a thread: a query that has not begun yet is not ended by one, and
an iterator of the user's own by none."""


class Filled(NamedTuple):
    """A block in a buffer.

    Attributes:
        first: its first row.
        rows: how many there are.
        buffer: of shape (columns, rows of a whole block), or each column where it lies.
        dropped: how many rows have been left out up to its end.
    """

    first: int
    rows: int
    buffer: Any
    dropped: int


GetFree = Callable[[], Array]
Produce = Callable[[GetFree], Iterator[Filled]]


class _Stopped(BaseException):
    """Nobody wants the rest."""


class Ahead:
    """Blocks that a thread reads while those before are worked on.

    The thread ends with the blocks, or with `stop`.

    Args:
        produce: fills buffers that it is given.
        shape: of a buffer.
        cancel: makes `produce` return early, given the thread that it runs in.
    """

    def __init__(
        self, produce: Produce, shape: tuple[int, int], cancel: Callable[[int], None]
    ) -> None:
        self._free: SimpleQueue[Array | None] = SimpleQueue()
        self._ready: SimpleQueue[Filled | BaseException | None] = SimpleQueue()
        self._stopped, self._cancel = threading.Event(), cancel
        for _ in range(BUFFERS if shape[0] * shape[1] <= LARGE else 2):
            self._free.put(np.empty(shape))
        self._thread = threading.Thread(
            target=_fill, args=(produce, self._free, self._ready, self._stopped), daemon=True,
            name="descend-reader",
        )  # fmt: skip

    def __iter__(self) -> Iterator[Filled]:
        """Give the blocks; each is valid until the next is asked for.

        What is raised while reading is raised here, as it is.
        """
        self._thread.start()
        while True:
            got = self._next()
            if got is None:
                return
            if isinstance(got, BaseException):
                raise got
            yield got
            self._free.put(got.buffer)

    def _next(self) -> Filled | BaseException | None:
        while True:
            with suppress(Empty):
                return self._ready.get(timeout=AWAKE)

    def stop(self) -> None:
        """End the thread, and wait until it has ended."""
        self._stopped.set()
        self._free.put(None)
        self._ready.put(None)
        thread = self._thread
        if thread.ident is None or thread.ident == threading.get_ident():
            return
        for pause in PAUSES:
            if thread.is_alive():
                self._cancel(thread.ident)
                thread.join(pause)


def _fill(
    produce: Produce,
    free: SimpleQueue[Array | None],
    ready: SimpleQueue[Filled | BaseException | None],
    stopped: threading.Event,
) -> None:
    def get() -> Array:
        buffer = free.get()
        if buffer is None or stopped.is_set():
            raise _Stopped
        return buffer

    end: BaseException | None = None
    try:
        for filled in produce(get):
            ready.put(filled)
    except _Stopped:
        pass
    except BaseException as error:  # whatever it is, it is for whoever waits
        end = error
    ready.put(end)


def cut(
    batches: Iterator[Sequence[Array]],
    get: GetFree,
    block: int,
    drop: bool,
    first_block: int = 0,
    first: int = 0,
    apart: Apart | None = None,
    numbered: bool = False,
    lent: bool = False,
) -> Iterator[Filled]:
    """Cut batches of any lengths into blocks.

    Args:
        block: rows of one; the last may be shorter.
        drop: whether rows with a value that is missing or infinite are left out.
        first_block: the number of the first block that is wanted.
        first: the row that the batches begin with, the first of a block.
        apart: rows that are left out too; those that remain are numbered anew.
        numbered: whether one more column holds the numbers that they had before.
        lent: whether a block that lies in one batch is given as it lies there.

    >>> rows = [[np.arange(5.0)], [np.arange(5.0, 7.0)]]
    >>> for piece in cut(iter(rows), lambda: np.empty((1, 4)), 4, False):
    ...     print(piece.first, piece.buffer[:, : piece.rows])
    0 [[0. 1. 2. 3.]]
    4 [[4. 5. 6.]]
    """
    filled = dropped = seen = kept = 0
    buffer: Array | None = None
    for batch in batches:
        if numbered:
            places = np.arange(seen, seen + len(batch[0]), dtype=np.float64)
            seen, batch = seen + len(places), [*batch, places]
        if drop:
            batch, fewer = _finite(batch)
            dropped += fewer
        if apart is not None:
            kept, batch = kept + len(batch[0]), apart.divided(kept, batch)
        n, at = len(batch[0]), 0
        while at < n:
            take = min(n - at, block - filled)
            if lent and take == block and first >= first_block * block:
                yield Filled(first, take, [column[at : at + take] for column in batch], dropped)
                first, at = first + take, at + take
                continue
            if first >= first_block * block:
                buffer = get() if buffer is None else buffer
                for into, column in zip(buffer, batch, strict=True):
                    into[filled : filled + take] = column[at : at + take]
            at, filled = at + take, filled + take
            if filled == block:
                if buffer is not None:
                    yield Filled(first, filled, buffer, dropped)
                first, filled, buffer = first + block, 0, None
    if buffer is not None:
        yield Filled(first, filled, buffer, dropped)


def _finite(batch: Sequence[Array]) -> tuple[Sequence[Array], int]:
    """The rows of a batch whose numbers are all finite, and how many are not."""
    with np.errstate(all="ignore"):  # a sum is finite only if all of it is
        odd = [column for column in batch if not np.isfinite(column.sum())]
    if not odd:
        return batch, 0
    keep = np.logical_and.reduce([np.isfinite(column) for column in odd])
    return [column[keep] for column in batch], len(keep) - int(np.count_nonzero(keep))

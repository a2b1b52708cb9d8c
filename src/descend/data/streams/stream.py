"""A stream: the rows of a source in blocks, as often as they are asked for."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.data.allocator import memory_kept
from descend.data.room import in_bytes
from descend.data.streams.ahead import Ahead, Filled, GetFree, Produce, cut
from descend.data.streams.apart import Apart
from descend.data.streams.divided import FILE, SCRATCH, divided
from descend.data.streams.scratch import Scratch
from descend.data.streams.source import Source
from descend.data.streams.survey import Survey, Surveyor
from descend.data.table import ReadAgain
from descend.data.validate import Missing, check_missing
from descend.errors import DataError, UsageError
from descend.graph.blocks import BLOCK

__all__ = ["Piece", "Stream", "mark"]

Array = NDArray[Any]

class Piece(NamedTuple):
    """Some rows.

    Attributes:
        first: the number of the first, a multiple of the rows of a block.
        rows: how many; fewer than a block's in the last piece alone.
        columns: of shape (rows,), each in one piece, in the order of the stream's names; valid
            until the next piece is asked for.
        places: (rows,) the rows' numbers among all of the source, where some are left out.
    """

    first: int
    rows: int
    columns: Sequence[Array]
    places: Array | None = None


class Stream:
    """Rows of some columns in blocks, within memory that does not grow with their number.

    All rows are read once by `survey`, which says how many there are and refuses what no fit can
    use; `blocks` then gives them as often as it is asked. What costs more to read than its numbers
    do, or is given but once, goes into a scratch file at the first pass. A thread reads the next
    blocks while one is worked on.

    Args:
        source: that the rows come from.
        place: the folder for a scratch file.
        block: rows of a block.
        shell: whether remedies are options of the command line.

    Attributes:
        names: of the columns, in the order in which pieces hold them.

    >>> from descend.data.streams.opened import open_stream
    >>> with open_stream({"x": [1.0, 2.0, 3.0, 4.0]}, ["x"], block=3) as stream:
    ...     for piece in stream.blocks():
    ...         print(piece.first, piece.columns)
    0 [array([1., 2., 3.])]
    3 [array([4.])]
    """

    def __init__(
        self, source: Source, place: str, *, block: int = BLOCK, shell: bool = False
    ) -> None:
        self.names = source.names
        self._source, self._place, self._block, self._shell = source, place, block, shell
        self._survey: Survey | None = None
        self._asked: tuple[Any, ...] = ("raise", 0, 10_000, 2, None)
        self._apart: Apart | None = None
        self._marks: list[bytes] = []
        self._held = _Held(source)
        self._end = weakref.finalize(self, self._held.close)

    @property
    def n_rows(self) -> int:
        """The rows that remain, once all have been read."""
        return (self._survey or self.survey()).n_rows

    @property
    def said(self) -> tuple[str, ...]:
        """What the user should know of how it is read."""
        source, scratch = self._source, self._held.scratch
        if not source.why_kept:
            return source.notes
        size = "" if scratch is None else f" ({in_bytes(scratch.n_bytes)})"
        return (
            *source.notes,
            f"the numbers of {source.called} are kept in a scratch file in "
            f'"{self._place}"{size}: {source.why_kept}',
        )

    @property
    def in_memory(self) -> bool:
        """Whether the source is held in memory anyway."""
        return self._source.in_memory

    def rows_about(self) -> float | None:
        """How many rows there are; about, where that can be told before they have been read."""
        return self._source.rows_about() if self._survey is None else float(self._survey.n_rows)

    def survey(
        self,
        missing: Missing = "raise",
        seed: int = 0,
        most: int = 10_000,
        *,
        least: int = 2,
        positive: Mapping[str, bool] | None = None,
    ) -> Survey:
        """Read all rows once.

        Args:
            missing: `"drop"` leaves out rows in which any column is NaN or infinite: those that
                remain are numbered anew, and `blocks` gives them alone.
            seed, most: of the sample; see `sample_rows`.
            least: how many rows must remain.
            positive: columns that must be so, such as standard deviations; True where zero is
                allowed, as of weights: rows with zeros are then in the sample only where there are
                too few others.

        Raises:
            DataError: values are missing, infinite or not positive, too few rows, or the source
                fails.
            UsageError: `missing` is not known, or was something else before.
        """
        check_missing(missing)
        asked = (missing, seed, most, least, positive)
        if self._survey is not None:
            if self._asked == asked:
                return self._survey
            if self._asked[0] != missing:
                raise UsageError(
                    f'the rows have been read with missing="{self._asked[0]}"',
                    remedy="open the stream anew",
                )
        self._asked = asked
        return self._read_all()

    def hold_back(self, apart: Apart | None) -> Survey:
        """Read all rows once more, and from then on give them without some; None gives all again.

        Returns:
            what there is to say of those that remain, which are numbered anew; `apart.rows` gives
            the others.
        """
        self._apart = apart
        if apart is None:
            return self._read_all()
        apart.held, apart.collects = [], True
        try:
            return self._read_all()
        finally:
            apart.collects = False

    def _read_all(self) -> Survey:
        missing, seed, most, least, positive = self._asked
        while True:
            try:
                surveyor = Surveyor(self.names, seed, most, positive)
                self._survey = self._surveyed(surveyor, missing == "drop", least)
            except ReadAgain:
                if self._apart is not None:
                    self._apart.held = []
                continue
            return self._survey

    def _surveyed(self, surveyor: Surveyor, drop: bool, least: int) -> Survey:
        if self._held.scratch is not None:
            dropped = self._survey.n_dropped if self._survey else 0
            for filled in self._kept(self._held.scratch):
                surveyor.take(self._piece(filled).columns, dropped)
            return surveyor.told(least)
        self._marks.clear()
        source = self._source
        scratch = self._new_scratch(drop) if source.why_kept else None
        try:
            for filled in self._read(drop):
                columns = self._piece(filled).columns
                surveyor.take(columns, filled.dropped)
                self._marks.append(mark(columns))
                if scratch is not None and surveyor.sound:
                    scratch.append(filled.buffer, filled.rows)
            found = surveyor.told(least)
            self._check_digits(found)
        except BaseException:
            if scratch is not None:
                scratch.close()
            raise
        self._held.scratch = scratch
        if scratch is not None:
            source.close()
        return found

    def _new_scratch(self, drop: bool) -> Scratch:
        source, width = self._source, self._width(drop)
        about = source.rows_about()
        return Scratch(self._place, source.called, width, self._block, about, self._shell)

    def _width(self, drop: bool) -> int:
        """How many columns there are, with that of the numbers where rows are left out."""
        return len(self.names) + (drop or self._apart is not None)

    def _piece(self, filled: Filled) -> Piece:
        n, rows = len(self.names), filled.rows
        columns = [column[:rows] for column in filled.buffer]
        return Piece(filled.first, rows, columns[:n], columns[n] if len(columns) > n else None)

    def blocks(self, first_block: int = 0) -> Iterator[Piece]:
        """Give the rows, from a block on.

        Raises:
            DataError: the source has changed since the survey, or fails.
        """
        survey = self._survey or self.survey()
        scratch = self._held.scratch
        if scratch is not None:
            for filled in self._kept(scratch, first_block):
                yield self._piece(filled)
            return
        done = min(first_block * self._block, survey.n_rows)
        for filled in self._read(survey.n_dropped > 0, first_block):
            piece = self._piece(filled)
            self._compare(filled, piece.columns)
            yield piece
            done = filled.first + filled.rows
        if done != survey.n_rows:
            raise self._source.differs(f"{done} rows, and {survey.n_rows} before")

    def divided(self, most: int) -> tuple[int, list[tuple[int, int]]]:
        """All rows in ranges of blocks, each to be the `share` of one of so many threads at most.

        Returns:
            how many threads have work, and the ranges; see `data.streams.divided`.
        """
        survey, scratch = self._survey or self.survey(), self._held.scratch
        blocks = -(-survey.n_rows // self._block)
        seeks = scratch is not None or (
            self._source.seeks and not survey.n_dropped and self._source.n_files <= FILE.files
        )
        if self._apart is not None or not seeks:
            most = 1
        n_bytes = 8 * self._block * self._width(survey.n_dropped > 0)
        return divided(blocks, most, n_bytes, FILE if scratch is None else SCRATCH)

    def share(self, blocks: tuple[int, int]) -> Iterator[Piece]:
        """Give the rows of one of the ranges of `divided`, read by the thread that asks.

        Raises:
            DataError: the source has changed since the survey, or fails.
        """
        first, end = blocks
        if (scratch := self._held.scratch) is None:
            last = end * self._block >= self.n_rows
            for piece in self.part(first, None if last else end, self._marks[first:end]):
                if piece.rows != min(self._block, self.n_rows - piece.first):
                    found = piece.first + piece.rows
                    raise self._source.differs(f"{found} rows, and {self.n_rows} before")
                yield piece
            return
        for filled in self._kept(scratch, first, here=True):
            yield self._piece(filled)
            if filled.first // self._block + 1 == end:
                return

    def cancel(self, thread: int) -> None:
        """End what the source waits for in that thread."""
        self._source.cancel(thread)

    def part(
        self, first_block: int, end_block: int | None, marks: Sequence[bytes] | None = None
    ) -> Iterator[Piece]:
        """Give the rows of some blocks, of a source that can be read from anywhere.

        They are read by the thread that asks, which has nobody to help it.

        Args:
            end_block: the one behind the last; None goes to the end of the source.
            marks: of these blocks (see `mark`), as another process has seen them.

        Raises:
            DataError: the source has changed meanwhile or gives other blocks, or fails.
        """
        seen = 0
        for filled in self._read(False, first_block, here=True):
            piece, at = self._piece(filled), filled.first // self._block
            if marks is not None and marks[at - first_block :][:1] != [mark(piece.columns)]:
                last = filled.first + filled.rows - 1
                raise self._source.differs(f"among the rows {filled.first} to {last}")
            yield piece
            seen = at + 1 - first_block
            if end_block is not None and at + 1 >= end_block:
                break
        if marks is not None and seen != len(marks):
            raise self._source.differs(f"{seen} blocks from {first_block} on, not {len(marks)}")

    def known(self, survey: Survey, marks: Sequence[bytes]) -> None:
        """Take over what others have found in all rows, as if `survey` had."""
        self._survey, self._marks = survey, [*marks]
        self._check_digits(survey)

    @property
    def marks(self) -> Sequence[bytes]:
        """Of each block; see `mark`."""
        return self._marks

    @property
    def source(self) -> Source:
        """What the rows come from."""
        return self._source

    def once(self) -> Iterator[Piece]:
        """Give the rows as they are, NaN where they are missing, without a survey before.

        Nothing is kept: of rows that are given once, no further pass can follow.

        Raises:
            DataError: the source changes meanwhile, or fails.
        """
        block = 0
        while True:
            try:
                for filled in self._read(False, block):
                    yield self._piece(filled)
                    block += 1
                return
            except ReadAgain:  # what has been given stays as it is; the rest is read otherwise
                continue

    def read_once(
        self, take: Callable[[Piece], None], missing: Missing = "raise", *, least: int = 2
    ) -> Survey:
        """Give the rows as they come, and look at them as `survey` does, in one pass.

        Args:
            take: is given one piece after the other, until a row is found that no fit can use.

        Returns:
            what is known of all rows, without a sample. Nothing is kept: of rows that are given
            once, no further pass can follow.

        Raises:
            DataError, UsageError: as `survey`, at the end of the pass.
        """
        check_missing(missing)
        surveyor, block = Surveyor(self.names, 0, 1), 0
        while True:
            try:
                for filled in self._read(missing == "drop", block):
                    piece = self._piece(filled)
                    surveyor.take(piece.columns, filled.dropped)
                    if surveyor.sound:
                        take(piece)
                    block += 1
                break
            except ReadAgain:  # as of `once`
                continue
        found = surveyor.told(least)
        self._check_digits(found)
        return found

    def _check_digits(self, found: Survey) -> None:
        for name, moments in found.columns.items():
            self._source.check_digits(name, max(moments.max, -moments.min))

    def _compare(self, filled: Filled, columns: Sequence[Array]) -> None:
        """Refuse a block that is not what it was, as far as its first and last row tell."""
        end, n_rows = filled.first + filled.rows, self.n_rows
        if end > n_rows:
            raise self._source.differs(f"more than {n_rows} rows, which there were before")
        if end < n_rows and filled.rows < self._block:
            raise self._source.differs(f"{end} rows, and {n_rows} before")
        if mark(columns) != self._marks[filled.first // self._block]:
            raise self._source.differs(f"among the rows {filled.first} to {end - 1}")

    def _read(self, drop: bool, first_block: int = 0, here: bool = False) -> Iterator[Filled]:
        """The rows as the source gives them; it must not change meanwhile."""
        source, block = self._source, self._block
        whole = not drop and self._apart is None
        begin = first_block * block if source.seeks and whole else 0

        def produce(get: GetFree) -> Iterator[Filled]:
            given = source.batches_from(begin, here) if begin or here else source.batches()
            with closing(given) as batches:  # type: ignore[type-var]
                yield from cut(
                    batches, get, block, drop, first_block, begin, self._apart, not whole, here
                )

        source.check()
        try:
            yield from self._given(produce, self._width(drop), here)
        except DataError:
            source.check()  # what is being written fails in many ways
            raise
        source.check()

    def _kept(
        self, scratch: Scratch, first_block: int = 0, here: bool = False
    ) -> Iterator[Filled]:
        """The rows as the scratch file holds them, without those that are held back."""
        if self._apart is None:
            return self._given(lambda get: scratch.blocks(get, first_block), scratch.columns, here)
        own = np.empty((scratch.columns, self._block))

        def produce(get: GetFree) -> Iterator[Filled]:
            whole = ([c[: f.rows] for c in f.buffer] for f in scratch.blocks(lambda: own))
            numbered = scratch.columns == len(self.names)
            yield from cut(
                whole, get, self._block, False, first_block, apart=self._apart, numbered=numbered
            )

        return self._given(produce, self._width(True))

    def _given(self, produce: Produce, width: int, here: bool = False) -> Iterator[Filled]:
        """Blocks in buffers, read ahead by a thread or as they are asked for."""
        held = self._held
        held.check_open()
        held.keep_memory()
        if here:
            own = np.empty((width, self._block))
            with closing(produce(lambda: own)) as given:  # type: ignore[type-var]
                for filled in given:
                    yield filled
                    held.check_open()
            return
        ahead = Ahead(produce, (width, self._block), self._source.cancel)
        held.running.add(ahead)
        try:
            for filled in ahead:
                held.check_open()
                yield filled
                held.check_open()
        finally:
            ahead.stop()
            held.running.discard(ahead)

    def close(self) -> None:
        """End what is being read, and remove the scratch file; also done by `with`, and when the
        stream is forgotten."""
        self._end()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Held:
    """What a stream gives up at its end."""

    def __init__(self, source: Source) -> None:
        self.source, self.closed = source, False
        self._memory, self._keeps = ExitStack(), False
        self.scratch: Scratch | None = None
        self.running: set[Ahead] = set()

    def check_open(self) -> None:
        if self.closed:
            raise UsageError("the stream is closed", remedy="open it anew")

    def keep_memory(self) -> None:
        """Keep what blocks lie in for those that come, until the end."""
        if not self._keeps:
            self._keeps = True
            self._memory.enter_context(memory_kept())

    def close(self) -> None:
        self.closed = True
        with self._memory:
            for ahead in [*self.running]:
                ahead.stop()
            self.source.close()
            if self.scratch is not None:
                self.scratch.close()


def mark(columns: Sequence[Array]) -> bytes:
    """The first and the last row of a block."""
    return b"".join(column[[0, -1]].tobytes() for column in columns)

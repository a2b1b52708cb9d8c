"""Rows of many groups, brought together group by group.

Where the rows of each group stand together they are taken as they come. Others are divided by a
mix of their groups' codes into files, each of which is sorted in memory: a group's rows keep their
order, and which groups follow one another is a matter of their codes alone.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.data.groups.rows import GroupedRows
from descend.data.room import check_room, room
from descend.data.streams.survey import mixed

__all__ = ["Batch", "are_together", "batches_in_order", "batches_of_files"]

Array = NDArray[Any]
TOGETHER = 1 << 20  # rows of a batch, about
MOST_NUMBERS = 1 << 22  # of one group: those that have more are gone through in passes
MOST_HEADS = 1 << 23  # groups of which is remembered that they have been met
FIRST_LOOK = 1 << 12
PER_FILE = 1 << 18  # rows, about
MOST_FILES = 256
HELD = 1 << 21  # rows of a file that are sorted in memory
SPLIT = 16  # files that a larger one is divided into
CODE, CHECK, ROW, FIRST = 0, 1, 2, 3  # words of a row
NO_BUFFER = np.empty((0, 0))


class Batch(NamedTuple):
    """Some groups, with all of their rows.

    Attributes:
        rows: (groups,) the number of the first row of each.
        codes: (groups,) of their keys.
        counts: (groups,) how many rows each has.
        columns: (rows,) each, the rows of the groups one after the other.
        blocks: of a single group that has too many rows: gives its columns block by block.
        after: where the next batch begins, as `begin` takes it.
        buffer: what makes room for another batch.
    """

    rows: Array
    codes: Array
    counts: Array
    columns: Sequence[Array]
    blocks: Callable[[], Iterator[Sequence[Array]]] | None
    after: tuple[int, int]
    buffer: Array = NO_BUFFER


# --- do they stand together?


def are_together(codes: Iterable[Array]) -> bool:
    """Whether the rows of each group stand together, as far as is known of 8 million groups.

    >>> are_together([np.array([3, 3, 1]), np.array([1, 2])]), are_together([np.array([1, 2, 1])])
    (True, False)
    """
    last, ascending, look, seen = None, True, FIRST_LOOK, 0
    kept: list[Array] = []
    for own in codes:
        if not len(own):
            continue
        begins = np.flatnonzero(np.diff(own)) + 1
        heads = own[begins] if last is not None and own[0] == last else own[np.append(0, begins)]
        if not len(heads):
            continue
        goes_up = (seen == 0 or heads[0] > last) and bool((np.diff(heads) > 0).all())
        ascending = ascending and goes_up
        last, seen = own[-1], seen + len(heads)
        if seen <= MOST_HEADS:
            kept.append(heads.copy())
        elif not ascending:
            return False
        if not ascending and seen >= look:
            if not _are_distinct(kept):
                return False
            look = 2 * seen
    return ascending or _are_distinct(kept)


def _are_distinct(kept: list[Array]) -> bool:
    heads = np.sort(np.concatenate(kept))
    kept[:] = [np.concatenate(kept)]
    return not (heads[1:] == heads[:-1]).any()


# --- as they come


def batches_in_order(
    rows: GroupedRows, place: str, begin: tuple[int, int]
) -> Iterator[Batch]:
    """Groups whose rows stand together, in the order in which they come.

    Args:
        place: the folder for a group that has too many rows to be held.
        begin: the first row, and 0.
    """
    most = MOST_NUMBERS // len(rows.names)
    held: list[list[Array]] = []
    long: _Long | None = None
    for block in rows.blocks(begin[0]):
        if long is not None:
            same = _same_at_first(block, long.key)
            long.add([column[:same] for column in block])
            if same == len(block[0]):
                continue
            yield long.batch()
            long, block = None, [column[same:] for column in block]
        held.append([column.copy() for column in block])
        if sum(len(own[0]) for own in held) < TOGETHER:
            continue
        whole = _joined(held)
        starts = _starts(whole)
        yield from _divided(whole, starts[:-1], int(starts[-1]), most)
        held = [[column[starts[-1] :].copy() for column in whole]]
        if len(held[0][0]) > most:
            long = _Long(place, rows.called)
            long.add(held.pop())
    if long is not None:
        yield long.batch()
    if held:
        whole = _joined(held)
        yield from _divided(whole, _starts(whole), len(whole[0]), most)


def _joined(held: list[list[Array]]) -> list[Array]:
    return [np.concatenate(columns) for columns in zip(*held, strict=True)]


def _starts(whole: Sequence[Array]) -> Array:
    """Where groups begin in rows of which those of each stand together."""
    code, check = whole[CODE], whole[CHECK]
    other = (code[1:] != code[:-1]) | (check[1:] != check[:-1])
    return np.append(0, np.flatnonzero(other) + 1)[: len(code)]


def _same_at_first(block: Sequence[Array], key: tuple[int, int]) -> int:
    """How many of the first rows are of this group."""
    other = np.flatnonzero((block[CODE] != key[0]) | (block[CHECK] != key[1]))
    return int(other[0]) if len(other) else len(block[0])


def _divided(
    whole: Sequence[Array], starts: Array, end: int, most: int
) -> Iterator[Batch]:
    """Batches of these groups: those that have too many rows by themselves."""
    counts = np.diff(np.append(starts, end))
    large = np.flatnonzero(counts > most)
    first = 0
    for i in [*large.tolist(), len(starts)]:
        while first < i:
            last = min(i, int(np.searchsorted(starts, starts[first] + TOGETHER, "right")))
            yield _batch(whole, starts[first:last], counts[first:last])
            first = last
        if i < len(starts):
            own = [column[starts[i] : starts[i] + counts[i]] for column in whole]
            plain = _batch(own, np.zeros(1, np.int64), counts[i : i + 1])
            yield plain._replace(columns=(), blocks=_in_blocks(plain.columns))
        first = i + 1


def _batch(whole: Sequence[Array], starts: Array, counts: Array) -> Batch:
    begin, end = int(starts[0]), int(starts[-1] + counts[-1])
    columns = [column[begin:end] for column in whole[FIRST:]]
    after = int(whole[ROW][end - 1]) + 1, 0
    heads = whole[ROW][starts], whole[CODE][starts]
    return Batch(*heads, counts, columns, None, after)


def _in_blocks(columns: Sequence[Array]) -> Callable[[], Iterator[Sequence[Array]]]:
    def blocks() -> Iterator[Sequence[Array]]:
        for first in range(0, len(columns[0]), TOGETHER):
            yield [column[first : first + TOGETHER] for column in columns]

    return blocks


class _Long:
    """The rows of a group that are too many to be held, in a file that has no name."""

    def __init__(self, place: str, called: str) -> None:
        self._place, self._what = place, f"a group of {called}"
        self._file = tempfile.TemporaryFile(dir=place)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._pieces: list[tuple[int, int]] = []
        self._first: list[Array] = []
        self._count, self._last = 0, 0
        self.key = (0, 0)

    def add(self, block: Sequence[Array]) -> None:
        """Further rows."""
        if not len(block[0]):
            return
        if not self._first:
            self._first = [block[ROW][:1].copy(), block[CODE][:1].copy()]
            self.key = int(block[CODE][0]), int(block[CHECK][0])
        with room(self._place, self._what):
            self._pieces.append((len(block) - FIRST, len(block[0])))
            for column in block[FIRST:]:
                np.ascontiguousarray(column, np.float64).tofile(self._file)
            self._file.flush()
        self._count += len(block[0])
        self._last = int(block[ROW][-1])

    def batch(self) -> Batch:
        """The group."""
        counts = np.array([self._count])
        after = self._last + 1, 0
        rows, codes = self._first
        return Batch(rows, codes, counts, (), self._blocks, after)

    def _blocks(self) -> Iterator[Sequence[Array]]:
        at = 0
        for width, rows in self._pieces:
            self._file.seek(at)
            found = np.fromfile(self._file, np.float64, width * rows).reshape(width, rows)
            at += found.nbytes
            yield [*found]


# --- brought together


class _Files:
    """Rows divided into files by bits of a mix of their codes.

    The files have no names, so that nothing is left of them whatever ends the process.
    """

    def __init__(self, place: str, count: int, bits: tuple[int, int]) -> None:
        self.rows = np.zeros(count, np.int64)
        self._bits = bits
        self._open = [
            tempfile.TemporaryFile(prefix="descend-", dir=place)  # noqa: SIM115 - see `close`
            for _ in range(count)
        ]

    def add(self, words: Array, least: int = 0) -> None:
        """Divide (rows, width) words; those of the files before `least` are left out."""
        first, bits = self._bits
        mix = mixed(words[:, CODE].astype(np.uint64)) << np.uint64(first)
        at = (mix >> np.uint64(64 - bits)).astype(np.uint16)
        order = np.argsort(at, kind="stable")
        counts = np.bincount(at, minlength=len(self.rows))
        ends = np.cumsum(counts)
        words = np.take(words, order, axis=0)  # faster than words[order]
        for j in np.flatnonzero(counts):
            if j >= least:
                words[ends[j] - counts[j] : ends[j]].tofile(self._open[j])
                self.rows[j] += counts[j]

    def chunks(self, j: int, words: int) -> Iterator[Array]:
        """What lies in a file, so many words of 64 bits at a time; all at once where it is -1."""
        file = self._open[j]
        file.seek(0)
        while len(found := np.fromfile(file, np.int64, words)):
            yield found

    def drop(self, j: int) -> None:
        """Give up a file."""
        self._open[j].close()

    def close(self) -> None:
        """Give up all of them."""
        for file in self._open:
            file.close()


def _words(block: Sequence[Array], plain: bool) -> Array:
    """Rows of words; of plain keys without check and number, which nobody asks for."""
    kept = [block[CODE], *block[FIRST:]] if plain else block
    words = np.empty((len(block[0]), len(kept)), np.int64)
    for j, column in enumerate(kept):
        words[:, j] = column.view(np.int64)
    return words


def batches_of_files(
    rows: GroupedRows, place: str, begin: tuple[int, int]
) -> Iterator[Batch]:
    """Groups whose rows stand anywhere, in an order that their codes alone decide.

    Args:
        place: the folder for the files.
        begin: the file, and how many groups from there on are left out.
    """
    bits = _bits_for(rows.n_rows)
    need = 8.0 * (len(rows.names) + 1 + 2 * (not rows.is_plain)) * rows.n_rows
    what = f"bringing together the groups of {rows.called}"
    check_room(place, need, what)
    with closing(_Files(place, 1 << bits, (0, bits))) as files:
        with room(place, what):
            for block in _gathered(rows.blocks()):
                files.add(_words(block, rows.is_plain), begin[0])
        reader = _Reader(rows, place)
        for first, last in _sets(files.rows, begin[0]):
            number = 0
            for batch in reader.batches(files, first, last, bits):
                number += len(batch.rows)
                if first > begin[0] or number > begin[1]:
                    yield batch._replace(after=(first, number))


def _sets(counts: Array, begin: int) -> Iterator[tuple[int, int]]:
    """From which file to before which other they are sorted together, within memory."""
    first, rows = begin, 0
    for j in range(begin, len(counts)):
        if j > first and (rows >= TOGETHER // 2 or rows + counts[j] > 2 * TOGETHER):
            yield first, j
            first, rows = j, 0
        rows += int(counts[j])
    if rows:
        yield first, len(counts)


def _bits_for(n_rows: int) -> int:
    """How many bits tell the files apart: it depends on the rows alone."""
    wanted = max(1, min(MOST_FILES, -(-n_rows // PER_FILE)))
    return max(1, (wanted - 1).bit_length())


def _gathered(blocks: Iterator[list[Array]]) -> Iterator[list[Array]]:
    """Small blocks together."""
    held: list[list[Array]] = []
    for block in blocks:
        if not held and len(block[0]) >= TOGETHER:
            yield block
            continue
        held.append([column.copy() for column in block])
        if sum(len(own[0]) for own in held) >= TOGETHER:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


class _Reader:
    """Sorts what lies in files."""

    def __init__(self, rows: GroupedRows, place: str) -> None:
        self._plain, self._called = rows.is_plain, rows.called
        self._width = len(rows.names) + (1 if rows.is_plain else FIRST)
        self._place = place
        self._most = MOST_NUMBERS // len(rows.names)

    def batches(self, files: _Files, first: int, last: int, bits: int) -> Iterator[Batch]:
        """The groups of some files, which are given up."""
        count = int(files.rows[first:last].sum())
        if count > HELD:
            yield from self._of_large(files, first, bits)
        elif count:
            words = [own for j in range(first, last) for own in self._chunks(files, j, -1)]
            whole = _joined([self._sorted(own) for own in words if len(own)])
            del words
            yield from _divided(whole, _starts(whole), len(whole[0]), self._most)
        for j in range(first, last):
            files.drop(j)

    def _chunks(self, files: _Files, j: int, rows: int = TOGETHER) -> Iterator[Array]:
        for found in files.chunks(j, rows * self._width if rows > 0 else -1):
            yield found.reshape(-1, self._width)

    def _of_large(self, whole: _Files, j: int, bits: int) -> Iterator[Batch]:
        """A file that is too large: what most of its rows are of by itself, the rest divided."""
        long = _Long(self._place, self._called)
        key = self._prevalent(whole, j)
        step = SPLIT.bit_length() - 1
        with closing(_Files(self._place, SPLIT, (bits, step))) as files:
            with room(self._place, self._called):
                self._divide(whole, j, key, files, long)
            whole.drop(j)
            for first, last in _sets(files.rows, 0):
                yield from self.batches(files, first, last, min(bits + step, 64 - step))
        if key is not None:
            yield long.batch()

    def _divide(
        self, whole: _Files, j: int, key: tuple[int, int] | None, files: _Files, long: _Long
    ) -> None:
        for words in self._chunks(whole, j):
            own = np.zeros(len(words), bool)
            if key is not None:
                own = self._is_of(words, key)
                long.add(self._columns(words[own]))
            files.add(words[~own])

    def _prevalent(self, whole: _Files, j: int) -> tuple[int, int] | None:
        """The group that more than half of the rows are of, if it has too many to be held."""
        found: set[tuple[int, int]] = set()
        for words in self._chunks(whole, j):
            middle = np.sort(words[:, CODE])[len(words) // 2]  # of a majority it is one
            first = words[words[:, CODE] == middle][0]
            found.add((int(middle), 0 if self._plain else int(first[CHECK])))
        count, rows = dict.fromkeys(found, 0), 0
        for words in self._chunks(whole, j):
            rows += len(words)
            for key in found:
                count[key] += int(np.count_nonzero(self._is_of(words, key)))
        most = max(found, key=lambda key: (count[key], key))
        return most if count[most] > max(self._most, rows // 2) else None

    def _is_of(self, words: Array, key: tuple[int, int]) -> Array:
        own = words[:, CODE] == key[0]
        return np.asarray(own if self._plain else own & (words[:, CHECK] == key[1]))

    def _columns(self, words: Array) -> list[Array]:
        """The columns of rows of words, each in one piece."""
        found = [np.ascontiguousarray(column) for column in words.T]
        if self._plain:
            nothing = np.broadcast_to(np.int64(0), len(words))
            found[1:1] = [nothing, nothing]
        return [*found[:FIRST], *(column.view(np.float64) for column in found[FIRST:])]

    def _sorted(self, words: Array) -> list[Array]:
        """The columns with the rows of each group together, in the order that they had."""
        code = np.ascontiguousarray(words[:, CODE])
        order = np.argsort(code, kind="stable")
        if not self._plain:
            runs, checks = code[order], words[order, CHECK]
            same = runs[1:] == runs[:-1]
            if (same & (checks[1:] != checks[:-1])).any():  # two keys of one code
                order = np.lexsort((words[:, CHECK], code))
        return self._columns(np.take(words, order, axis=0))

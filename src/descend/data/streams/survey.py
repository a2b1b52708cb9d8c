"""What a first look at all rows tells: how many, their moments, a sample, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.data.validate import (
    MOST_ROWS,
    check_enough,
    refuse_low,
    refuse_places,
    refuse_zero,
)
from descend.graph.blocks import Tree
from descend.lean import dataclass

__all__ = [
    "Moments", "Survey", "SurveyPart", "Surveyor", "keys_of", "mixed", "moments_by_blocks",
    "sample_rows",
]  # fmt: skip

Array = NDArray[Any]
TOGETHER = 1 << 16  # rows
STEP = np.uint64(0x9E3779B97F4A7C15)  # between the keys of rows, before they are mixed


class Moments(NamedTuple):
    """Of some numbers.

    Attributes:
        n: how many.
        squares: the sum of the squares of their deviations from the mean.
    """

    n: int
    min: float
    max: float
    mean: float
    squares: float

    @classmethod
    def of(cls, values: Array) -> Moments:
        """Those of an array.

        >>> Moments.of(np.array([1.0, 3.0]))
        Moments(n=2, min=1.0, max=3.0, mean=2.0, squares=2.0)
        """
        mean = float(values.mean())
        off = values - mean
        squares = float(np.square(off, out=off).sum())  # a product would depend on threads
        return cls(len(values), float(values.min()), float(values.max()), mean, squares)

    def joined(self, other: Moments) -> Moments:
        """Those of both, by Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm
        for computing sample variances" (1979)."""
        n = self.n + other.n
        off = other.mean - self.mean
        return Moments(
            n,
            min(self.min, other.min),
            max(self.max, other.max),
            self.mean + off * (other.n / n),
            self.squares + other.squares + off * off * (self.n * (other.n / n)),
        )


@dataclass(frozen=True)
class Survey:
    """What is known of a source after all of it has been read once.

    Attributes:
        n_rows: that remain.
        n_dropped: rows that were left out.
        rows: the numbers of the sample's rows among those that remain, ascending.
        sample: name → their values, of shape (len(rows),).
        columns: name → its moments. Blocks' are joined in a tree by the blocks' numbers, so that
            they do not depend on who has formed them.
    """

    n_rows: int
    n_dropped: int
    rows: Array
    sample: Mapping[str, Array]
    columns: Mapping[str, Moments]


_Places = dict[tuple[str, str], tuple[list[Array], int]]
"""By the column and what is wrong: the first rows, and how many there are."""


class SurveyPart(NamedTuple):
    """What one of several surveyors has seen of its part of the blocks.

    Attributes:
        n_rows: how many. moments: of each block, column by column.
        keys, rows, values: of the rows that may be in the sample.
        odd, low: the rows that are refused.
    """

    n_rows: int
    moments: list[list[Moments]]
    keys: Array
    rows: Array
    values: Array
    odd: _Places
    low: _Places


class Surveyor:
    """Takes blocks in order, and tells what is known after the last.

    Args:
        names: of the columns.
        seed, most: of the sample; see `sample_rows`.
        positive: columns that must be so; True where zero is allowed in some of the rows, as of
            weights. Such rows are in the sample only where there are too few others.
        first: the row that it begins with, where others see those before, and join the parts.
    """

    def __init__(
        self, names: Sequence[str], seed: int, most: int,
        positive: Mapping[str, bool] | None = None, first: int | None = None,
    ) -> None:  # fmt: skip
        self.names, self._positive = names, positive or {}
        self._tree = Tree(_joined)
        self._chosen = _Chosen(len(names), seed, most)
        self._odd: _Places = {}
        self._low: _Places = {}
        self._blocks: list[list[Moments]] = []
        self._apart, self._first = first is not None, first or 0
        self.n_rows = self._first
        self.n_dropped = 0

    @property
    def sound(self) -> bool:
        """Whether no value that was seen was missing or infinite."""
        return not self._odd

    def take(self, columns: Sequence[Array], n_dropped: int) -> None:
        """Look at a block; `n_dropped` rows up to its end were left out."""
        rows, last = len(columns[0]), None
        with np.errstate(all="ignore"):
            found = [Moments.of(column) for column in columns]
        for name, column, moments in zip(self.names, columns, found, strict=True):
            if not (math.isfinite(moments.min) and math.isfinite(moments.max)):
                self._note(self._odd, (name, "missing (NaN)"), np.isnan(column))
                self._note(self._odd, (name, "infinite"), np.isinf(column))
            if name in self._positive and not moments.min > 0:
                zero = self._positive[name]
                self._note(self._low, (name, ""), column < 0 if zero else column <= 0)
            if self._positive.get(name):
                last = column == 0 if last is None else last | (column == 0)
        self._tree.add(found)
        if self._apart:
            self._blocks.append(found)
        self._chosen.take(self.n_rows, rows, columns, last)
        self.n_rows, self.n_dropped = self.n_rows + rows, n_dropped

    def _note(self, where: _Places, key: tuple[str, str], wrong: NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(wrong)
        if len(rows):
            seen, count = where.get(key, ([], 0))
            if count < MOST_ROWS:
                seen.append(self.n_rows + rows[:MOST_ROWS])
            where[key] = seen, count + len(rows)

    def part(self) -> SurveyPart:
        """What it has seen, for another one to `join`."""
        chosen = self._chosen.few()
        return SurveyPart(self.n_rows - self._first, self._blocks, *chosen, self._odd, self._low)

    def join(self, part: SurveyPart) -> None:
        """Take the part that follows on what was seen, as if its blocks had been taken."""
        for found in part.moments:
            self._tree.add(found)
        self._chosen.join(part.keys, part.rows, part.values)
        for where, more in ((self._odd, part.odd), (self._low, part.low)):
            for key, (rows, count) in more.items():
                seen, before = where.get(key, ([], 0))
                where[key] = [*seen, *rows], before + count
        self.n_rows += part.n_rows

    def told(self, least: int) -> Survey:
        """What is known.

        Raises:
            DataError: values are missing, infinite or not positive, or there are fewer than
                `least` rows.
        """
        if self._odd:
            order = sorted(self._odd, key=lambda key: self.names.index(key[0]))
            refuse_places(
                [(*key, np.concatenate(self._odd[key][0]), self._odd[key][1]) for key in order]
            )
        check_enough(self.n_rows, self.n_dropped, least)
        counted = "from 0, without those that were dropped" if self.n_dropped else "from 0"
        for (name, _), (seen, count) in self._low.items():
            zero = self._positive[name]
            refuse_low(name, np.concatenate(seen), count, zero=zero, counted=counted)
        rows, values = self._chosen.told()
        sample = dict(zip(self.names, values, strict=True))
        columns = dict(zip(self.names, self._tree.root() or [], strict=True))
        for name, zero in self._positive.items():
            if zero and columns[name].max == 0:
                refuse_zero(name)
        return Survey(self.n_rows, self.n_dropped, rows, sample, columns)


def moments_by_blocks(column: Array, block: int) -> Moments:
    """The moments of (rows,) numbers, as a `Survey` of blocks of so many rows tells them.

    >>> moments_by_blocks(np.array([1.0, 3.0, 5.0]), 2)
    Moments(n=3, min=1.0, max=5.0, mean=3.0, squares=8.0)
    """
    tree = Tree(_joined)
    for first in range(0, len(column), block):
        tree.add([Moments.of(np.ascontiguousarray(column[first : first + block], np.float64))])
    found: Moments = tree.root()[0]
    return found


def _joined(left: list[Moments], right: list[Moments]) -> list[Moments]:
    with np.errstate(all="ignore"):
        return [a.joined(b) for a, b in zip(left, right, strict=True)]


# --- a sample


def sample_rows(n_rows: int, seed: int = 0, most: int = 10_000) -> Array:
    """Choose rows at random, each set of that size as likely: the same as a `Survey` chooses.

    Every row has a key, mixed of the seed and its number, and those with the smallest keys are
    chosen: whoever has seen a part of the rows knows which of them may be among them (Cohen and
    Kaplan, "Summarizing data using bottom-k sketches", 2007).

    Returns:
        whole numbers, ascending, of shape (min(n_rows, most),).

    >>> sample_rows(4), len(sample_rows(1_000_000, most=50))
    (array([0, 1, 2, 3]), 50)
    """
    chosen = _Chosen(0, seed, most)
    for first in range(0, n_rows, TOGETHER):
        chosen.take(first, min(TOGETHER, n_rows - first), ())
    return chosen.told()[0]


class _Chosen:
    """The rows that are in the sample so far, with their columns, and some more."""

    def __init__(self, columns: int, seed: int, most: int) -> None:
        self._most, self._seed = most, seed
        self._limit = np.uint64((1 << 64) - 1)
        self._keys, self._rows = np.empty(0, np.uint64), np.empty(0, np.int64)
        self._values = np.empty((columns, 0))

    def take(
        self, first: int, rows: int, columns: Sequence[Array],
        last: NDArray[np.bool_] | None = None,
    ) -> None:  # fmt: skip
        """Look at further rows; `last` are those that all others are chosen before, if any may be
        so."""
        numbers = np.arange(first, first + rows)
        keys = keys_of(first, rows, self._seed)
        if last is not None:
            keys = keys >> np.uint64(1) | last.astype(np.uint64) << np.uint64(63)
        near = np.flatnonzero(keys <= self._limit)
        self._keys = np.append(self._keys, keys[near])
        self._rows = np.append(self._rows, numbers[near])
        more = np.array([column[near] for column in columns]).reshape(len(columns), len(near))
        self._values = np.concatenate([self._values, more], axis=1)
        if len(self._keys) > 2 * self._most:
            self._cut()

    def few(self) -> tuple[Array, Array, Array]:
        """The keys, rows and values of those that may be in the sample."""
        self._cut()
        return self._keys, self._rows, self._values

    def join(self, keys: Array, rows: Array, values: Array) -> None:
        """Look at what another one has left of further rows."""
        self._keys, self._rows = np.append(self._keys, keys), np.append(self._rows, rows)
        self._values = np.concatenate([self._values, values], axis=1)
        if len(self._keys) > 2 * self._most:
            self._cut()

    def _cut(self) -> None:
        if len(self._keys) <= self._most:
            return
        kept = np.argpartition(self._keys, self._most - 1)[: self._most]
        self._keys, self._rows = self._keys[kept], self._rows[kept]
        self._values, self._limit = self._values[:, kept], self._keys.max()

    def told(self) -> tuple[Array, Array]:
        """The rows, ascending, and their columns."""
        self._cut()
        order = np.argsort(self._rows)
        return self._rows[order], self._values[:, order]


def keys_of(first: int, rows: int, seed: int) -> Array:
    """The keys of so many rows from a number on: 64 bits, mixed of the seed and of each's number.

    >>> keys_of(3, 2, 0)[0] == keys_of(0, 4, 0)[3]
    np.True_
    """
    begin = mixed(np.array([seed % (1 << 64)], np.uint64))
    return mixed(begin + np.arange(first, first + rows).astype(np.uint64) * STEP)


def mixed(z: Array) -> Array:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): distinct for distinct z."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))

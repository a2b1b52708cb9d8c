"""What a first look at all rows tells: how many, their moments, a sample, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
from descend.lean import dataclass

__all__ = ["Moments", "Survey", "Surveyor", "sample_rows"]

Array = NDArray[Any]


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


class Surveyor:
    """Takes blocks in order, and tells what is known after the last.

    Args:
        names: of the columns.
        seed, most: of the sample; see `sample_rows`.
        positive: columns that must be so; True where zero is allowed in some of the rows.
    """

    def __init__(
        self, names: Sequence[str], seed: int, most: int, positive: Mapping[str, bool] | None = None
    ) -> None:
        self.names, self._positive = names, positive or {}
        self._tree = _Tree(len(names))
        self._chosen = _Chosen(seed, most)
        self._sample = np.empty((len(names), 0))
        self._odd: _Places = {}
        self._low: _Places = {}
        self.n_rows = self.n_dropped = 0

    @property
    def sound(self) -> bool:
        """Whether no value that was seen was missing or infinite."""
        return not self._odd

    def take(self, columns: Sequence[Array], n_dropped: int) -> None:
        """Look at a block; `n_dropped` rows up to its end were left out."""
        rows = len(columns[0])
        with np.errstate(all="ignore"):
            found = [Moments.of(column) for column in columns]
        for name, column, moments in zip(self.names, columns, found, strict=True):
            if not (math.isfinite(moments.min) and math.isfinite(moments.max)):
                self._note(self._odd, (name, "missing (NaN)"), np.isnan(column))
                self._note(self._odd, (name, "infinite"), np.isinf(column))
            if name in self._positive and not moments.min > 0:
                zero = self._positive[name]
                self._note(self._low, (name, ""), column < 0 if zero else column <= 0)
        self._tree.add(found)
        places, local = self._chosen.within(self.n_rows, rows)
        if len(places):
            more = int(places.max()) + 1 - self._sample.shape[1]
            if more > 0:
                self._sample = np.pad(self._sample, ((0, 0), (0, more)))
            for into, column in zip(self._sample, columns, strict=True):
                into[places] = column[local]
        self.n_rows, self.n_dropped = self.n_rows + rows, n_dropped

    def _note(self, where: _Places, key: tuple[str, str], wrong: NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(wrong)
        if len(rows):
            seen, count = where.get(key, ([], 0))
            if count < MOST_ROWS:
                seen.append(self.n_rows + rows[:MOST_ROWS])
            where[key] = seen, count + len(rows)

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
        rows = self._chosen.rows
        order_of = np.argsort(rows)
        sample = dict(zip(self.names, self._sample[:, order_of], strict=True))
        columns = dict(zip(self.names, self._tree.root() or [], strict=True))
        for name, zero in self._positive.items():
            if zero and columns[name].max == 0:
                refuse_zero(name)
        return Survey(self.n_rows, self.n_dropped, rows[order_of], sample, columns)


class _Tree:
    """Moments of blocks, joined as `graph.blocks.combined` joins: neighbours first.

    Kept are those of the whole subtrees so far, at most one of each height.
    """

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._whole: list[tuple[int, list[Moments]]] = []

    def add(self, block: list[Moments]) -> None:
        height = 0
        while self._whole and self._whole[-1][0] == height:
            block, height = _joined(self._whole.pop()[1], block), height + 1
        self._whole.append((height, block))

    def root(self) -> list[Moments] | None:
        """Those of all blocks; None if there was none."""
        found: list[Moments] | None = None
        for _, block in reversed(self._whole):
            found = block if found is None else _joined(block, found)
        return found


def _joined(left: list[Moments], right: list[Moments]) -> list[Moments]:
    with np.errstate(all="ignore"):
        return [a.joined(b) for a, b in zip(left, right, strict=True)]


# --- a sample


def sample_rows(n_rows: int, seed: int = 0, most: int = 10_000) -> Array:
    """Choose rows at random, each set of that size as likely: the same as a `Survey` chooses.

    Algorithm L of Li, "Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))"
    (1994): the numbers depend on `seed`, `most` and `n_rows` alone, and the rows can be taken while
    their number is not known yet.

    Returns:
        whole numbers, ascending, of shape (min(n_rows, most),).

    >>> sample_rows(4), len(sample_rows(1_000_000, most=50))
    (array([0, 1, 2, 3]), 50)
    """
    chosen = _Chosen(seed, most)
    chosen.within(0, n_rows)
    return np.sort(chosen.rows)


class _Chosen:
    """The rows that are in the sample so far."""

    def __init__(self, seed: int, most: int) -> None:
        self.rows = np.empty(0, np.int64)
        self._most, self._weight = most, 1.0
        generator = np.random.Generator(np.random.PCG64(seed))
        self._drawn: list[float] = []
        self._more: Callable[[], list[float]] = lambda: generator.random(3072).tolist()
        self._next = most - 1
        self._skip()

    def _draw(self) -> float:
        """A number above 0, and not above 1."""
        if not self._drawn:
            self._drawn = self._more()
        return 1.0 - self._drawn.pop()

    def _skip(self) -> None:
        self._weight *= math.exp(math.log(self._draw()) / self._most)
        below = math.log1p(-self._weight) if self._weight < 1 else -math.inf
        self._next += int(math.log(self._draw()) / below) + 1 if below else 1 << 62

    def within(self, first: int, rows: int) -> tuple[Array, Array]:
        """Choose among further rows: places in the sample, and the rows for them in this block."""
        begin = np.arange(first, min(self._most, first + rows))
        self.rows = np.concatenate([self.rows, begin]) if len(begin) else self.rows
        found = dict(zip(begin.tolist(), (begin - first).tolist(), strict=True))
        while self._next < first + rows:
            place = min(int(self._most * (1.0 - self._draw())), self._most - 1)
            found[place] = self._next - first
            self.rows[place] = self._next
            self._skip()
        return np.array([*found], np.int64), np.array([*found.values()], np.int64)

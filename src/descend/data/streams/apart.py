"""Rows that are held back from a stream, chosen by their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.data.streams.survey import keys_of
from descend.graph.blocks import BLOCK

__all__ = ["Apart", "Held", "Labels", "binned", "chosen_rows", "counted"]

Array = NDArray[Any]
MOST_LABELS = 1000
BITS, FEW, FEWER_BITS = 16, 32, 11
"""Of the keys, by which a label's rows are counted: of many labels fewer, for the memory's sake."""
ANOTHER = 0x5851F42D4C957F2D  # rows held back are others than those of a sample by the same seed


class Labels(NamedTuple):
    """The values of a column.

    Attributes:
        values: ascending, if there are at most 1000. Of more the least, the largest, and one that
            is no whole number, if there is one.
        counts: how many rows have each; None of more than 1000.
    """

    values: Array
    counts: Array | None


class Held(NamedTuple):
    """Rows that are held back: columns by name, and their numbers among all of the source."""

    columns: dict[str, Array]
    places: Array


class Apart:
    """Chooses rows: those whose keys, mixed of a seed and of the row's number, are the smallest.

    Whether a row is one of them depends on its number, and on its label where there are labels: so
    a part of the rows can be looked at by itself, and any number of times.

    Args:
        share: of all rows, or of those of each label, as nearly as bins of keys tell; of each label
            at least one and not all.
        labels: ascending. bins: (labels, bins) as `binned` counts them. column: where the labels
            stand among the columns.

    Attributes:
        held: the chosen rows' columns, the last of which are their numbers, in pieces, of the last
            time that they were collected.
    """

    def __init__(
        self, share: float, seed: int, labels: Array | None = None, bins: Array | None = None,
        column: int = 0,
    ) -> None:  # fmt: skip
        self._seed, self._column, self._labels = seed ^ ANOTHER, column, labels
        if bins is None:
            self._limits = np.array([min(int(share * 2.0**64), (1 << 64) - 1)], np.uint64)
        else:
            self._limits = np.array([_limit(own, share) for own in bins], np.uint64)
        self.held: list[Array] = []
        self.collects = False

    def divided(self, first: int, columns: Sequence[Array]) -> list[Array]:
        """Some rows without those that are held back.

        Args:
            first: the number of the first.
        """
        keys = keys_of(first, len(columns[0]), self._seed)
        limit = self._limits[0]
        if self._labels is not None:
            limit = self._limits[np.searchsorted(self._labels, columns[self._column])]
        chosen = keys < limit
        if self.collects:
            self.held.append(np.array([column[chosen] for column in columns]))
        return [column[~chosen] for column in columns]

    def rows(self, names: Sequence[str]) -> Held:
        """The rows that are held back, of columns of these names, and no more of them here."""
        whole = np.concatenate(self.held, axis=1)
        self.held = []
        return Held(dict(zip(names, whole, strict=False)), whole[-1].astype(np.intp))


def chosen_rows(
    n_rows: int, share: float, seed: int, target: Array | None = None
) -> NDArray[np.bool_]:
    """Which rows `Apart` chooses of so many.

    Args:
        target: (rows,) labels, of each of which the share is chosen.

    Returns:
        of shape (rows,).

    >>> bool(abs(chosen_rows(100_000, 0.2, 0).mean() - 0.2) < 0.005)
    True
    """
    labels = bins = None
    if target is not None:
        labels = np.unique(target)
        pieces = ((i, target[i : i + BLOCK]) for i in range(0, n_rows, BLOCK))
        bins = binned(pieces, labels, seed)
    numbers = np.arange(n_rows)
    columns = [numbers] if target is None else [target, numbers]
    left = Apart(share, seed, labels, bins).divided(0, columns)[-1]
    chosen = np.ones(n_rows, np.bool_)
    chosen[left] = False
    return chosen


def counted(pieces: Iterable[Array]) -> Labels:
    """The values of a column that comes in pieces, and how many rows have each.

    >>> counted([np.array([1.0, 0.0]), np.array([1.0])])
    Labels(values=array([0., 1.]), counts=array([1, 2]))
    """
    values, counts = np.empty(0), np.empty(0, np.int64)
    few, odd = True, np.empty(0)
    for piece in pieces:
        at = np.searchsorted(values, piece) if few else np.empty(0, np.intp)
        if few and len(values) and bool((values[np.minimum(at, len(values) - 1)] == piece).all()):
            counts += np.bincount(at, minlength=len(values))
            continue
        if few:
            found, more = np.unique(piece, return_counts=True)
            whole = np.union1d(values, found)
            sums = np.zeros(len(whole), np.int64)
            sums[np.searchsorted(whole, values)] = counts
            sums[np.searchsorted(whole, found)] += more
            few, values, counts = len(whole) <= MOST_LABELS, whole, sums
        ends = [values[:1], values[-1:], piece.min(keepdims=True), piece.max(keepdims=True)]
        if not few:
            odd = odd if len(odd) else _no_whole(np.concatenate([values, piece]))
            values = np.unique(np.concatenate(ends))[[0, -1]]
    return Labels(values, counts) if few else Labels(np.unique(np.append(values, odd)), None)


def _no_whole(values: Array) -> Array:
    """One that is no whole number, if there is one."""
    odd: Array = values[values != np.floor(values)]
    return odd[:1]


def binned(pieces: Iterable[tuple[int, Array]], labels: Array, seed: int) -> Array:
    """Return (labels, bins) how many rows of each label have keys of which kind; see `Apart`.

    Args:
        pieces: the number of each's first row, and the column from there on.
    """
    bits = BITS if len(labels) <= FEW else FEWER_BITS
    bins = np.zeros((len(labels), 1 << bits), np.int64)
    for first, piece in pieces:
        keys = keys_of(first, len(piece), seed ^ ANOTHER) >> np.uint64(64 - bits)
        np.add.at(bins, (np.searchsorted(labels, piece), keys.astype(np.intp)), 1)
    return bins


def _limit(bins: Array, share: float) -> np.uint64:
    """The key below which about a share of some rows have theirs: a boundary of bins.

    Rows on both sides, where there are two or more of different keys.
    """
    below, bits = np.cumsum(bins), len(bins).bit_length() - 1
    n = int(below[-1])
    wanted = min(max(round(share * n), 1), max(n - 1, 1))
    end = int(np.argmin(np.abs(below[:-1] - wanted)))
    return np.uint64(end + 1) << np.uint64(64 - bits)

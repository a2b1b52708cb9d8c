"""Rows that are held back from a stream, chosen by their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.data.streams.survey import keys_of
from descend.graph.blocks import BLOCK

__all__ = ["Apart", "Held", "Labels", "chosen_rows", "counted"]

Array = NDArray[Any]
BINS = 1 << 16
WITHIN = np.uint64(48)  # bits of a key below those that tell its bin
MOST_LABELS = 1000
ANOTHER = 0x5851F42D4C957F2D  # rows held back are others than those of a sample by the same seed


class Labels(NamedTuple):
    """The values of a column that has few.

    Attributes:
        values: ascending. counts: how many rows have each.
        bins: (values, BINS) how many of them have keys of which kind; see `Apart`.
    """

    values: Array
    counts: Array
    bins: Array


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
        column: where the labels stand among the columns.

    Attributes:
        held: the chosen rows' columns, the last of which are their numbers, in pieces, of the last
            time that they were collected.
    """

    def __init__(
        self, share: float, seed: int, labels: Labels | None = None, column: int = 0
    ) -> None:
        self._seed, self._column = seed ^ ANOTHER, column
        self._labels = None if labels is None else labels.values
        if labels is None:
            self._limits = np.array([min(int(share * 2.0**64), (1 << 64) - 1)], np.uint64)
        else:
            self._limits = np.array([_limit(bins, share) for bins in labels.bins], np.uint64)
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
    labels = None
    if target is not None:
        pieces = ((i, target[i : i + BLOCK]) for i in range(0, n_rows, BLOCK))
        labels = counted(pieces, seed)
    numbers = np.arange(n_rows)
    columns = [numbers] if target is None else [target, numbers]
    left = Apart(share, seed, labels).divided(0, columns)[-1]
    chosen = np.ones(n_rows, np.bool_)
    chosen[left] = False
    return chosen


def counted(pieces: Iterator[tuple[int, Array]], seed: int = 0) -> Labels | None:
    """The values of a column and how many rows have each; None if there are more than 1000.

    Args:
        pieces: the number of each's first row, and the column from there on.
        seed: of the keys that are counted by bins.
    """
    values, bins = np.empty(0), np.empty((0, BINS), np.int64)
    for first, piece in pieces:
        found, number = np.unique(piece, return_inverse=True)
        whole = np.union1d(values, found)
        if len(whole) > MOST_LABELS:
            return None
        if len(whole) > len(values):
            more = np.zeros((len(whole), BINS), np.int64)
            more[np.searchsorted(whole, values)] = bins
            values, bins = whole, more
        keys = keys_of(first, len(piece), seed ^ ANOTHER) >> WITHIN
        at = np.searchsorted(values, found)[number] * BINS + keys.astype(np.intp)
        bins += np.bincount(at, minlength=bins.size).reshape(bins.shape)
    return Labels(values, bins.sum(axis=1), bins)


def _limit(bins: Array, share: float) -> np.uint64:
    """The key below which about a share of some rows have theirs: a boundary of bins.

    Rows on both sides, where there are two or more of different keys.
    """
    below = np.cumsum(bins)
    n = int(below[-1])
    wanted = min(max(round(share * n), 1), max(n - 1, 1))
    end = int(np.argmin(np.abs(below[:-1] - wanted)))
    return np.uint64(end + 1) << WITHIN

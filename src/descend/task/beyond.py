"""What rows in memory are a sample of: a stream, and what is known of all its rows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from descend.graph.blocks import BLOCK, combined
from descend.graph.node import Node
from descend.lean import dataclass
from descend.task.columns import ROW, SIGMA, TARGET, WEIGHT

if TYPE_CHECKING:
    from descend.data.streams.stream import Piece, Stream

__all__ = ["Beyond", "Workers", "chosen"]

Array = np.ndarray[Any, np.dtype[Any]]


class Workers(Protocol):
    """Other processes, which go through the rows of the source by themselves."""

    def sums(
        self, columns: Sequence[int], memory: Any, stage: int,
        leaves: Callable[[int], bool] | None,
    ) -> bool:  # fmt: skip
        """Make one pass of a step: see `graph.program.SumsElsewhere`.

        Args:
            columns: of the source, in the program's order; -1 for the row's number.
        """

    def folded(
        self, nodes: Sequence[Node], known: Mapping[Node, Array], columns: Sequence[Node],
        places: Sequence[int], n_rows: int, fold: Callable[[list[Array]], Any],
    ) -> list[Any] | None:  # fmt: skip
        """What is made of the values of nodes at each block: see `run.passes.folded`.

        Returns:
            None where the workers cannot do it, or are gone.
        """

    def check(self, engine: str, notes: Sequence[str]) -> None:
        """Refuse a program that runs by another engine than the native one, which says why."""


@dataclass(frozen=True)
class Beyond:
    """All the rows, of which those in memory are some.

    Attributes:
        source: where they come from.
        names: what the program calls a column → what the source calls it.
        n_rows: how many there are. counted: those whose weight is not zero.
        mean, variance: of the targets. least_weight: of any row; 1 where they have none.
        n_dropped: rows that were left out. said: how it is read, in sentences.
        shuffles: whether batches are of rows that were shuffled within a window.
        workers: other processes that go through the rows; None where this one does.
    """

    source: Stream
    names: Mapping[str, str]
    n_rows: int
    counted: int
    mean: float
    variance: float
    least_weight: float = 1.0
    n_dropped: int = 0
    said: tuple[str, ...] = ()
    shuffles: bool = False
    workers: Workers | None = None

    def places(self, columns: Sequence[str]) -> list[int]:
        """Where columns as the program calls them stand in the source; -1 for the row's number."""
        own = [*self.source.names]
        return [-1 if name == ROW else own.index(self.names[name]) for name in columns]

    def blocks(self, columns: Sequence[str]) -> Iterator[tuple[int, list[Array]]]:
        """Blocks of columns as the program calls them, the row's number among them."""
        yield from chosen(self.source.blocks(), self.places(columns))

    def windows(
        self, columns: Sequence[str], rows: int, drawn: Sequence[int] | None
    ) -> Iterator[tuple[int, list[Array]]]:
        """The same, so many rows at a time.

        Args:
            drawn: by what the order within each window is drawn; None leaves it as it is.
        """
        if rows == BLOCK and drawn is None:
            yield from self.blocks(columns)
            return
        first, filled = 0, 0
        buffers = [np.empty(rows, np.uint32 if n == ROW else np.float64) for n in columns]

        def window() -> list[Array]:
            held = [buffer[:filled] for buffer in buffers]
            if drawn is None:
                return held
            order = np.random.default_rng([*drawn, first]).permutation(filled)
            return [column[order] for column in held]

        for _, block in self.blocks(columns):
            at, length = 0, len(block[0])
            while at < length:
                taken = min(length - at, rows - filled)
                for buffer, column in zip(buffers, block, strict=True):
                    buffer[filled : filled + taken] = column[at : at + taken]
                at, filled = at + taken, filled + taken
                if filled == rows:
                    yield first, window()
                    first, filled = first + rows, 0
        if filled:
            yield first, window()

    @functools.cached_property
    def moments(self) -> tuple[float, float]:
        """The mean squares of the targets about their mean and about zero, as residuals weigh.

        Sums about the first block's mean are shifted to that of all: Chan, Golub and LeVeque,
        "Algorithms for computing the sample variance" (1983).
        """
        names = [n for n in (TARGET, WEIGHT, SIGMA) if n in self.names]
        if names == [TARGET]:
            return self.variance, self.variance + self.mean**2
        parts, about = [], None
        for _, (y, *others) in self.blocks(names):
            w = np.ones(len(y))
            for name, column in zip(names[1:], others, strict=True):
                w = w * column if name == WEIGHT else w / (column * column)
            about = float(np.average(y)) if about is None else about
            apart = y - about
            sums = (w, w * apart, w * apart**2, w * y**2)  # not by BLAS: see `trust.passes`
            parts.append(np.array([np.sum(column) for column in sums]))
        weight, first, second, level = map(float, combined(parts, "add"))
        return (second - first * first / weight) / self.n_rows, level / self.n_rows


def chosen(
    pieces: Iterable[Piece], columns: Sequence[int]
) -> Iterator[tuple[int, list[Array]]]:
    """Some columns of each piece, -1 for the row's number, with the number of its first row."""
    for piece in pieces:
        ends = piece.first, piece.first + piece.rows
        yield piece.first, [
            np.arange(*ends, dtype=np.uint32) if i < 0 else piece.columns[i] for i in columns
        ]

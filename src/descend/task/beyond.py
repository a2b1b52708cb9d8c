"""What rows in memory are a sample of: a stream, and what is known of all its rows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from descend.graph.blocks import BLOCK, combined
from descend.graph.node import Node
from descend.lean import dataclass
from descend.task.assembly import Assembly
from descend.task.columns import SIGMA, TARGET, WEIGHT
from descend.task.scales import Scale

if TYPE_CHECKING:
    from descend.data.streams.apart import Held, Labels
    from descend.data.streams.stream import Stream
    from descend.data.streams.survey import Moments

__all__ = ["Beyond", "Workers"]

Array = np.ndarray[Any, np.dtype[Any]]


class Workers(Protocol):
    """Other processes, which go through the rows of the source by themselves."""

    def sums(
        self, assembly: Assembly, columns: Mapping[str, Any], memory: Any, stage: int,
        leaves: Callable[[int], bool] | None,
    ) -> bool:  # fmt: skip
        """Make one pass of a step: see `graph.program.SumsElsewhere`.

        Args:
            assembly: makes the program's columns. columns: their names and types, in its order.
        """

    def folded(
        self, nodes: Sequence[Node], known: Mapping[Node, Array], columns: Mapping[str, Node],
        assembly: Assembly, n_rows: int, fold: Any, native: bool = False,
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
        source: where they come from. assembly: what the program's columns are made of.
        n_rows: how many there are. counted: those whose weight is not zero.
        mean, variance: of the targets. least_weight: of any row; 1 where they have none.
        n_dropped: rows that were left out. said: how it is read, in sentences.
        shuffles: whether batches are of rows that were shuffled within a window.
        columns: the moments of the source's columns.
        apart: rows of the source that are held back.
        counts: the values of the target and how many rows have each, where that was asked for.
        workers: other processes that go through the rows; None where this one does.
    """

    source: Stream
    assembly: Assembly
    n_rows: int
    counted: int
    mean: float
    variance: float
    least_weight: float = 1.0
    n_dropped: int = 0
    said: tuple[str, ...] = ()
    shuffles: bool = False
    columns: Mapping[str, Moments] = field(default_factory=dict)
    apart: Held | None = None
    counts: Labels | None = None
    workers: Workers | None = None

    def blocks(
        self, columns: Sequence[str] | Mapping[str, Any], first_block: int = 0
    ) -> Iterator[tuple[int, list[Array]]]:
        """Blocks of columns as the program calls them, the row's number among them.

        Args:
            columns: their names, perhaps with the type of their numbers.
        """
        kinds = columns if isinstance(columns, Mapping) else dict.fromkeys(columns)
        return self.assembly.of(self.source.blocks(first_block), kinds)

    def part(
        self, columns: Mapping[str, Any], blocks: tuple[int, int]
    ) -> Iterator[tuple[int, list[Array]]]:
        """The same of some blocks, read by this thread itself; see `Stream.divided`."""
        return self.assembly.of(self.source.share(blocks), columns)

    @property
    def known(self) -> Array:
        """Values of the target: all, or of many the least and the largest."""
        if self.counts is not None:
            return self.counts.values
        (target,) = self.moments_of(TARGET)
        return np.array([target.min, target.max])

    def moments_of(self, name: str) -> list[Moments]:
        """The moments of a column of the program as the source has it, or of each of a matrix."""
        of = self.assembly.names[name]
        return [self.columns[column] for column in (of if isinstance(of, tuple) else (of,))]

    def labelled(self, labels: Array) -> Beyond:
        """The same rows, for whose targets the program takes the numbers of these labels."""
        return replace(self, assembly=self.assembly._replace(labels=labels))

    def weighing(self, by_class: Array) -> Beyond:
        """The same rows, which weigh so many times as much by the number of their class."""
        own = replace(self, assembly=self.assembly._replace(by_class=by_class))
        if by_class.all() and self.least_weight > 0:
            return replace(own, least_weight=self.least_weight * float(by_class.min()))
        counted = sum(int(np.count_nonzero(w)) for _, (w,) in own.blocks([WEIGHT]))
        return replace(own, least_weight=0.0, counted=counted)

    def scaled(self, scales: Mapping[str, Scale]) -> Beyond:
        """The same rows, of other units.

        Args:
            scales: by the names of the program's columns.
        """
        mean, variance, target = self.mean, self.variance, scales.get(TARGET)
        if target is not None:
            mean = float(target.into(np.array(mean)))
            variance = variance / float(target.spread) ** 2
        assembly = self.assembly._replace(scales=scales)
        return replace(self, assembly=assembly, mean=mean, variance=variance)

    def single(self) -> Beyond:
        """The same rows in single precision."""
        return replace(self, assembly=self.assembly._replace(dtype=np.float32))

    def windows(
        self, columns: Sequence[str] | Mapping[str, Any], rows: int, drawn: Sequence[int] | None
    ) -> Iterator[tuple[int, list[Array]]]:
        """The same, so many rows at a time.

        Args:
            drawn: by what the order within each window is drawn; None leaves it as it is.
        """
        if rows == BLOCK and drawn is None:
            yield from self.blocks(columns)
            return
        first, filled = 0, 0
        buffers: list[Array] = []

        def window() -> list[Array]:
            held = [buffer[:filled] for buffer in buffers]
            if drawn is None:
                return held
            order = np.random.default_rng([*drawn, first]).permutation(filled)
            return [column[order] for column in held]

        for _, block in self.blocks(columns):
            buffers = buffers or [np.empty((rows, *a.shape[1:]), a.dtype) for a in block]
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
        names = [n for n in (TARGET, WEIGHT, SIGMA) if self.assembly.has(n)]
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

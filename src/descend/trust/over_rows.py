"""Graphs of a fit, evaluated over all its rows: at once, or block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from descend.graph.blocks import BLOCK, split
from descend.graph.evaluate import Prepared, bind_extents, evaluate
from descend.graph.node import Dim, Node, mixing
from descend.graph.source import const
from descend.run.build import Built
from descend.run.cores import threads_for
from descend.run.job import Job
from descend.run.passes import BySlices, Fold, folded, in_blocks, totals
from descend.task.rows import Rows
from descend.trust.goodness import spread_of, weights_of

__all__ = ["OverRows"]

Array = np.ndarray[Any, np.dtype[Any]]
MANY = 1 << 24  # numbers that a pass has to work out, from which on code for it pays


class OverRows:
    """The rows of a fit, and its parameters.

    Args:
        leaves: where the graphs are evaluated; may be set anew.
        original: the rows in the user's units, which tell how many there are.
    """

    def __init__(
        self, job: Job, built: Built, leaves: dict[str, Array], original: Rows
    ) -> None:
        self.job, self.built, self.leaves, self.original = job, built, leaves, original

    @property
    def rows(self) -> Rows:
        """The rows, in the units that the program sees."""
        assert self.job.rows is not None
        return self.job.rows

    def _evaluate(self, nodes: list[Any]) -> list[Array]:
        bound, extents = self.job.inputs_at(self.built, self.leaves)
        if not all(isinstance(n, Node) for n in nodes):
            nodes = [n if isinstance(n, Node) else const(n) for n in nodes]
            return evaluate(nodes, bound, extents)
        kept = self.built.extras.setdefault("prepared", {})
        prepared = kept.get(tuple(nodes))
        if prepared is None:
            prepared = kept[tuple(nodes)] = Prepared(nodes, bound)
        return list(prepared([bound[n] for n in prepared.inputs], extents | bind_extents(bound)))

    def blocks(self, nodes: Sequence[Node]) -> Iterator[list[Array]]:
        """The values of nodes at one block of rows after the other.

        Rows that know of one another, or of how many there are, are one block.
        """
        rows = self.built.model.rows
        if self.in_one(nodes):
            yield self._evaluate(list(nodes))
            return
        known, columns = self.job.apart(self.built, self.leaves)
        yield from in_blocks(nodes, known, columns, rows, self.pieces)

    def in_one(self, nodes: Sequence[Node]) -> bool:
        """Whether all rows are one block of these nodes."""
        rows = self.built.model.rows
        apart = isinstance(rows, Dim) and mixing(nodes, rows)[0] is None
        return self.original.total <= BLOCK or not apart

    def totals(self, nodes: Sequence[Node]) -> list[Array]:
        """The values of graphs that have no rows, by blocks as the program forms them."""
        rows, n = self.built.model.rows, self.original.total
        parted = split(nodes, rows) if isinstance(rows, Dim) and n > BLOCK else None
        if parted is None or not isinstance(rows, Dim):
            return self._evaluate(list(nodes))
        known, columns = self.job.apart(self.built, self.leaves)
        return totals(parted, known, columns, rows, n, self.pieces, self.rows.beyond)

    def folded(self, nodes: Sequence[Node], fold: Fold) -> Iterable[Any]:
        """What is made of the values of nodes at each block of rows, in order.

        Where it goes by slices and rows are many, by compiled code and several threads.
        """
        if self.in_one(nodes):
            assert not isinstance(fold, BySlices)
            return [fold(values) for values in self.blocks(nodes)]
        known, columns = self.job.apart(self.built, self.leaves)
        many = len(nodes) * self.original.total >= MANY
        native = many and self.built.engine == "native" and isinstance(fold, BySlices)
        rows, beyond = self.built.model.rows, self.rows.beyond
        threads = threads_for(self.job.threads, -(-self.original.total // BLOCK))
        return folded(nodes, known, columns, rows, self.pieces, fold, beyond, native, threads)

    def pieces(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Array]]]:
        """Columns of the program in blocks, with the first row's number."""
        own = self.rows.all()
        for first in range(0, self.rows.n_rows, BLOCK):
            yield first, [own[name][first : first + BLOCK] for name in columns]

    def level(self) -> float:
        """The squares of the target, weighted as the residuals are."""
        y = np.asarray(self.rows.extra["target"], np.float64)
        return float(np.sum(y**2 * weights_of(self.rows.weight, y)))

    def spread(self) -> float:
        """The same about the mean: what a constant leaves."""
        y = np.asarray(self.rows.extra["target"], np.float64)
        return spread_of(y, weights_of(self.rows.weight, y))

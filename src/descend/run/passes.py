"""Rows block by block: as a program sees those that come, and graphs over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from descend.graph.blocks import JOINED, Split, Tree
from descend.graph.evaluate import OverBlocks, Prepared
from descend.graph.node import Dim, Node
from descend.lean import dataclass
from descend.task.beyond import Beyond

__all__ = ["Coming", "Pieces", "folded", "in_blocks", "totals"]

Array = np.ndarray[Any, np.dtype[Any]]
Pieces = Callable[[Sequence[str]], Iterator[tuple[int, Sequence[Array]]]]
"""What gives columns by name in blocks, with the number of each block's first row."""


@dataclass(frozen=True)
class Coming:
    """The columns of a program's data out of a source; see `graph.program.RowStream`.

    Attributes:
        columns: name → the type of its numbers.
        seed: by which the rows of each window are shuffled; None where they keep their order.
    """

    beyond: Beyond
    columns: Mapping[str, Any]
    seed: int | None = None

    def blocks(self) -> Iterator[tuple[int, Sequence[Array]]]:
        """The first row of each block, and the columns from there on."""
        return self.beyond.blocks(self.columns)

    def windows(self, rows: int, epoch: int) -> Iterator[tuple[int, Sequence[Array]]]:
        """So many rows at a time, shuffled among themselves."""
        drawn = None if self.seed is None else [self.seed % (1 << 64), epoch]
        return self.beyond.windows(self.columns, rows, drawn)


def in_blocks(
    nodes: Sequence[Node], known: Mapping[Node, Array], columns: Mapping[str, Node], rows: Any,
    pieces: Pieces,
) -> Iterator[list[Array]]:  # fmt: skip
    """The values of nodes at one block of rows after the other.

    Args:
        known: the inputs that are no columns. columns: those that are, by name.
        rows: the number of rows as the graphs know it.
    """
    evaluate = OverBlocks(nodes, [*known, *columns.values()], rows)
    for _, block in pieces([*columns]):
        with np.errstate(all="ignore"):
            yield evaluate([*known.values()], block)


def folded(
    nodes: Sequence[Node], known: Mapping[Node, Array], columns: Mapping[str, Node], rows: Any,
    pieces: Pieces, fold: Callable[[list[Array]], Any], beyond: Beyond | None = None,
) -> Iterable[Any]:  # fmt: skip
    """What is made of the values of nodes at each block, in order.

    Args:
        fold: a function of a module, or a `functools.partial` of one: workers call it as well.
        beyond: where the rows come from, which may have workers.
    """
    workers = None if beyond is None else beyond.workers
    if workers is not None and beyond is not None:
        found = workers.folded(nodes, known, columns, beyond.assembly, beyond.n_rows, fold)
        if found is not None:
            return found
    return (fold(values) for values in in_blocks(nodes, known, columns, rows, pieces))


def totals(
    parted: Split, known: Mapping[Node, Array], columns: Mapping[str, Node], rows: Dim,
    n_rows: int, pieces: Pieces, beyond: Beyond | None = None,
) -> list[Array]:  # fmt: skip
    """The values of graphs that have no rows, by blocks as a program forms them."""
    seen, extents = dict(known), {rows: n_rows}
    for sweep in parted.sweeps:
        before = Prepared([value for _, value in sweep.wires], seen)
        values = before(list(seen.values()), extents)
        seen |= dict(zip([form for form, _ in sweep.wires], values, strict=True))
        partials = [s.partial for s in sweep.sums]
        blocks = folded(partials, seen, columns, rows, pieces, list, beyond)
        trees = [Tree(JOINED[s.op]) for s in sweep.sums]
        for parts in blocks:
            for tree, part in zip(trees, parts, strict=True):
                tree.add(part)
        seen |= {s.form: np.asarray(t.root()) for s, t in zip(sweep.sums, trees, strict=True)}
    return Prepared(list(parted.update), seen)(list(seen.values()), extents)

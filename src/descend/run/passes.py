"""Rows block by block: as a program sees those that come, and graphs over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from descend.compile.function import BoundFunction, NativeFunction, compile_graph
from descend.compile.native import NotNative
from descend.graph.blocks import BLOCK, JOINED, Split, Tree, in_tree
from descend.graph.evaluate import OverBlocks, Prepared
from descend.graph.node import Dim, Node
from descend.graph.program import RowParts
from descend.lean import dataclass
from descend.run.ordered import in_order
from descend.task.beyond import Beyond

__all__ = [
    "BySlices", "Coming", "Fold", "Native", "Pieces", "fold_block", "folded", "in_blocks", "totals",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]
WAITING, ROOM = 3, 1 << 28  # blocks of each thread that are there, and bytes of all of them
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

    def parts(self, most: int) -> RowParts | None:
        """All rows in parts that threads can go through at the same time."""
        stream = self.beyond.source
        threads, blocks = stream.divided(most)
        if threads < 2:
            return None
        return RowParts(threads, blocks, partial(self.beyond.part, self.columns), stream.cancel)

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


class BySlices(NamedTuple):
    """What makes one thing of a block by some of its rows after the others, while they lie in a
    cache.

    Attributes:
        each: of the values at some rows, which are overwritten next. join: of two such things.
    """

    each: Callable[[list[Array]], Any]
    join: Callable[[Any, Any], Any]


Fold = Callable[[list[Array]], Any] | BySlices
"""What is made of a block: a function of a module, or a `functools.partial` of one, as workers
call it as well; or such functions of slices."""


def fold_block(
    evaluate: OverBlocks, known: Sequence[Array], block: Sequence[Array], fold: Fold
) -> Any:
    """What is made of the values of a graph at one block of rows."""
    with np.errstate(all="ignore"):
        if isinstance(fold, BySlices):
            return in_tree(map(fold.each, evaluate.slices(known, block)), fold.join)
        return fold(evaluate(known, block))


class Native:
    """A compiled graph, called as `graph.evaluate.Prepared` is: results are overwritten next."""

    def __init__(self, function: NativeFunction, rows: Dim) -> None:
        self.function, self.rows = function, rows
        self._bound: dict[int, tuple[list[Array], list[Any], BoundFunction]] = {}

    def __call__(self, arrays: Sequence[Any], extents: Mapping[Dim, int]) -> list[Array]:
        count = extents[self.rows]
        if count not in self._bound:
            if len(self._bound) > 1:
                self._bound.clear()
            held = [
                np.array(a, node.dtype, order="C")
                for a, node in zip(arrays, self.function.inputs, strict=True)
            ]
            self._bound[count] = held, [*arrays], self.function.bind(held)
        held, before, bound = self._bound[count]
        for i, array in enumerate(arrays):
            if array is not before[i]:  # what stays may be large
                held[i][...] = before[i] = array
        bound.run()
        return bound.results


def folded(
    nodes: Sequence[Node], known: Mapping[Node, Array], columns: Mapping[str, Node], rows: Any,
    pieces: Pieces, fold: Fold, beyond: Beyond | None = None, native: bool = False,
    threads: int = 1,
) -> Iterable[Any]:  # fmt: skip
    """What is made of the values of nodes at each block, in order.

    Args:
        beyond: where the rows come from, which may have workers.
        native: whether it pays to compile the graph, where `fold` goes by slices.
        threads: how many there may be where it is compiled.
    """
    workers = None if beyond is None else beyond.workers
    if workers is not None and beyond is not None:
        found = workers.folded(nodes, known, columns, beyond.assembly, beyond.n_rows, fold, native)
        if found is not None:
            return found
    inputs = [*known, *columns.values()]
    code = _compiled(nodes, inputs) if native and isinstance(rows, Dim) else None
    held = WAITING * 8 * BLOCK * max(1, len(columns))  # of each thread; matrices are wider
    calls = [
        partial(_fold, OverBlocks(nodes, inputs, rows, code and Native(code, rows)),
                [*known.values()], fold)
        for _ in range(1 if code is None else max(1, min(threads, ROOM // held)))
    ]  # fmt: skip
    return in_order((block for _, block in pieces([*columns])), calls)


def _fold(
    evaluate: OverBlocks, known: Sequence[Array], fold: Fold, block: Sequence[Array]
) -> Any:
    return fold_block(evaluate, known, block, fold)


def _compiled(nodes: Sequence[Node], inputs: Sequence[Node]) -> NativeFunction | None:
    try:
        return compile_graph(nodes, inputs)
    except NotNative:
        return None


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

"""A step on many rows, apart: what each block of rows comes to, and what follows from their sums.

Rows are cut at multiples of `BLOCK`. A step is split into `partial`, which knows the rows of one
block, and `update`, which knows sums alone; sums of blocks are combined in a binary tree by the
blocks' numbers. So it makes no difference to a single bit who has formed the sums of a block, and
in which order: one thread or several, from memory or from a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.graph.linear import broadcast_like
from descend.graph.node import Array, Dim, Node, postorder, substitute
from descend.graph.source import CONST, ROW_COUNT, const, input_node
from descend.lean import dataclass

__all__ = [
    "BLOCK", "COMBINED", "JOINED", "Split", "Sum", "Sweep", "Tree", "combined", "in_tree",
    "neutral", "split", "subtrees",
]  # fmt: skip

BLOCK = 65_536
"""Rows of a block: long enough that what happens between blocks costs nothing."""

COMBINED: Mapping[str, str] = {
    "sum": "add", "contract": "add", "reduce_max": "max", "reduce_min": "min",
}  # fmt: skip
"""The operation by which results of two blocks are combined, of each that can reduce rows."""

JOINED: Mapping[str, Callable[..., Any]] = {
    "add": np.add, "max": np.maximum, "min": np.minimum,
}  # fmt: skip


@dataclass(frozen=True)
class Sum:
    """What a pass over the rows comes to in one place.

    Attributes:
        form: the input that stands for it in what follows.
        partial: the same of the rows of one block.
        op: how two blocks' are combined: `add`, `max` or `min`.
    """

    form: Node
    partial: Node
    op: str


def neutral(one: Sum) -> Node:
    """What changes nothing where it is combined with a sum.

    >>> from descend.graph.evaluate import evaluate
    >>> total = input_node("total", (2,))
    >>> evaluate([neutral(Sum(total, total, op)) for op in ("add", "max")], {})
    [array([0., 0.]), array([-inf, -inf])]
    """
    dtype = one.form.dtype
    if one.op == "add":
        return broadcast_like(const(0, dtype), one.form)
    low, high = (-np.inf, np.inf)
    if dtype.kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    elif dtype.kind == "b":
        low, high = False, True
    return broadcast_like(const(low if one.op == "max" else high, dtype), one.form)


@dataclass(frozen=True)
class Sweep:
    """One pass over the rows.

    Attributes:
        wires: what is worked out once before it: the input that stands for it, and its graph.
        sums: what it comes to.
    """

    wires: tuple[tuple[Node, Node], ...]
    sums: tuple[Sum, ...]


@dataclass(frozen=True)
class Split:
    """A step as passes over the rows, each of sums of blocks, and the update that follows.

    Attributes:
        update: the step's results, of states, fixed inputs, wires and sums.
    """

    sweeps: tuple[Sweep, ...]
    update: tuple[Node, ...]


def split(heads: Sequence[Node], rows: Dim) -> Split | None:
    """Split a step; None where a row's part of it depends on other rows."""
    order = postorder(heads)
    passes: dict[Node, int] = {}
    totals: dict[int, list[Node]] = {}
    for node in order:
        has_rows = any(rows in a.shape for a in node.args)
        wide = rows in node.shape
        passes[node] = max((passes[a] for a in node.args), default=0)
        if (wide or has_rows) and node.op.mixes(node, rows):
            return None
        if has_rows and not wide:
            if node.op.name not in COMBINED:
                return None
            passes[node] += 1
            totals.setdefault(passes[node], []).append(node)
    if not totals or any(rows in h.shape for h in heads):
        return None
    stands: dict[Node, Node] = {}
    sweeps = []
    for number in sorted(totals):
        found = totals[number]
        wires = tuple(
            (input_node(f"wire {number}.{i}", w.shape, w.dtype), w)
            for i, w in enumerate(_small_operands(found, rows))
            if w not in stands
        )
        known = stands | {w: form for form, w in wires}
        sums = tuple(
            Sum(input_node(f"sum {number}.{i}", n.shape, n.dtype), partial, COMBINED[n.op.name])
            for i, (n, partial) in enumerate(zip(found, substitute(found, known), strict=True))
        )
        values = substitute([w for _, w in wires], stands)
        sweeps.append(
            Sweep(tuple((f, v) for (f, _), v in zip(wires, values, strict=True)), sums)
        )
        stands = known | {n: s.form for n, s in zip(found, sums, strict=True)}
    return Split(tuple(sweeps), tuple(substitute(list(heads), stands)))


def _small_operands(totals: Sequence[Node], rows: Dim) -> list[Node]:
    """What has no rows and is read where there are some, apart from inputs and constants."""
    found: dict[Node, None] = {}
    seen: set[Node] = set()
    waiting = list(totals)
    while waiting:
        node = waiting.pop()
        for arg in node.args:
            if rows in arg.shape:
                if arg not in seen:
                    seen.add(arg)
                    waiting.append(arg)
            elif arg.op is ROW_COUNT or (arg.args and arg.op is not CONST):
                found[arg] = None
    return list(found)


class Tree:
    """Joins what blocks have come to, as they come: neighbours first, then neighbouring pairs.

    Held are the whole subtrees so far, at most one of each height.

    Args:
        join: makes one of two, that of the rows before first.

    >>> tree = Tree(lambda one, other: f"({one}{other})")
    >>> for part in "abcde":
    ...     tree.add(part)
    >>> tree.root()
    '(((ab)(cd))e)'
    """

    def __init__(self, join: Callable[[Any, Any], Any]) -> None:
        self._join, self._held = join, list[tuple[int, Any]]()

    def add(self, part: Any, blocks: int = 1) -> None:
        """Take what the next block comes to, or the next of the `subtrees`, of so many blocks."""
        height = (blocks - 1).bit_length()
        while self._held and self._held[-1][0] == height:
            part, height = self._join(self._held.pop()[1], part), height + 1
        self._held.append((height, part))

    def __len__(self) -> int:
        """How many subtrees are held."""
        return len(self._held)

    def root(self) -> Any:
        """What all blocks come to; None if there was none."""
        if not self._held:
            return None
        *before, (_, found) = self._held
        for _, part in reversed(before):
            found = self._join(part, found)
        return found


def combined(parts: Iterable[Array], op: str) -> Array:
    """Combine what blocks have come to, as a `Tree` does.

    >>> combined([np.array(1.0), np.array(2.0), np.array(4.0)], "add")
    np.float64(7.0)
    """
    whole: Array = in_tree(parts, JOINED[op])
    return whole


def in_tree(parts: Iterable[Any], join: Callable[[Any, Any], Any]) -> Any:
    """The same by any way of joining two.

    >>> in_tree(["a", "b", "c"], lambda one, other: f"({one}{other})")
    '((ab)c)'
    """
    tree = Tree(join)
    for part in parts:
        tree.add(part)
    return tree.root()


def subtrees(first: int, end: int, count: int) -> list[tuple[int, int]]:
    """The largest subtrees of the tree over `count` blocks that lie within some of them.

    Returns:
        the first block of each, and of how many it is, in order.

    >>> subtrees(2, 9, 11), subtrees(8, 11, 11), subtrees(8, 11, 12)
    ([(2, 2), (4, 4), (8, 1)], [(8, 3)], [(8, 2), (10, 1)])
    """
    found = []
    while first < end:
        length = 1
        while first % (2 * length) == 0 and min(first + 2 * length, count) <= end and (
            first + length < count
        ):
            length *= 2
        found.append((first, min(length, end - first)))
        first += length
    return found

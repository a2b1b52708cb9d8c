"""How the blocks of a stream are shared out to threads that read them by themselves."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

__all__ = ["FILE", "SCRATCH", "Worth", "divided"]

ROOM = 1 << 28  # bytes of the blocks that all threads hold


class Worth(NamedTuple):
    """What pays, where a range of blocks is read.

    Attributes:
        threads: the most there may be. blocks: of each thread, at least.
        turns: the most ranges of a thread. length: blocks of a range, at least, if there are
            several. files: the most that rows come from; with more, a query takes longer to begin
            than to answer.
    """

    threads: int
    blocks: int
    turns: int
    length: int
    files: int = 16


FILE = Worth(threads=4, blocks=32, turns=4, length=256)
"""Each range is a query that takes 20 ms to begin, and each thread holds some row groups."""
SCRATCH = Worth(threads=256, blocks=1, turns=8, length=8)


def divided(
    blocks: int, most: int, n_bytes: int, worth: Worth
) -> tuple[int, list[tuple[int, int]]]:
    """Ranges of blocks for threads, each of which takes the next that nobody has.

    There are more of them than threads where blocks are many, since some threads may be slower.

    Args:
        blocks: how many there are. most: how many threads there may be.
        n_bytes: of a block.

    Returns:
        how many threads have work; of each range the first block and the one behind its last.

    >>> divided(100, 2, 1_572_864, FILE), divided(9, 4, 1_572_864, FILE)
    ((2, [(0, 50), (50, 100)]), (1, [(0, 9)]))
    >>> divided(9, 4, 1_572_864, SCRATCH)
    (4, [(0, 2), (2, 4), (4, 6), (6, 9)])
    """
    threads = max(1, min(most, worth.threads, blocks // worth.blocks, ROOM // n_bytes))
    count = threads * max(1, min(worth.turns, blocks // (threads * worth.length)))
    return threads, [*pairwise(blocks * i // count for i in range(count + 1))]

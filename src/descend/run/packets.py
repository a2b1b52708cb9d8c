"""Packets of trainings on several threads: pieces handed out, and Ctrl-C in between.

Nothing that a training computes depends on its packet, on the piece or on the thread, so that
results have the same bits for any number of threads.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Sequence
from typing import NamedTuple

from descend.compile.packets_native import NativePackets, Packets, PacketWorker
from descend.run.cores import threads_for
from descend.run.drive import listening
from descend.run.threads import together

__all__ = ["Batches", "run_packets"]

MOST_PACKETS = 128  # of a piece: the order of the rows is made for all of them at once
LEAST_PIECES = 8  # a thread, so that threads end together
ENTRY_SECONDS = 0.03
FIRST_STEPS = 100_000  # of all packets of a piece, before its speed is known
GROWTH = 8


class Batches(NamedTuple):
    """Packets whose trainings take the same batches in the same order."""

    first: int
    packets: int
    seed: int
    batch_size: int | None


def run_packets(
    native: NativePackets, arrays: Packets, groups: Sequence[Batches], epochs: int,
    threads: int | None,
) -> bool:  # fmt: skip
    """Run all trainings to their ends; return whether Ctrl-C came before."""
    packets = sum(group.packets for group in groups)
    many = threads_for(threads, packets)
    length = max(1, min(MOST_PACKETS, packets // (LEAST_PIECES * many)))
    waiting = collections.deque(
        Batches(group.first + at, min(length, group.packets - at), group.seed, group.batch_size)
        for group in groups
        for at in range(0, group.packets, length)
    )
    with listening() as heard:

        def work() -> None:
            worker = PacketWorker(native, arrays)
            while not heard.hit:
                try:
                    piece = waiting.popleft()
                except IndexError:
                    return
                _run(worker, piece, epochs, heard)

        together([work] * many, waiting.clear)
    return heard.hit


def _run(worker: PacketWorker, piece: Batches, epochs: int, heard: object) -> None:
    """All epochs of a piece, about so many at a time as take a moment."""
    steps = -(-worker.arrays.n_rows // (piece.batch_size or worker.arrays.n_rows))
    each = max(1, FIRST_STEPS // (steps * piece.packets))
    at = 0
    while at < epochs and not heard.hit:  # type: ignore[attr-defined]
        until, began = min(at + each, epochs), time.perf_counter()
        worker.run(piece.first, piece.packets, (at, until), piece.seed, piece.batch_size or 0)
        seconds = time.perf_counter() - began
        fitting = int((until - at) * ENTRY_SECONDS / max(seconds, 1e-9))
        each = max(1, min(fitting, each * GROWTH))
        at = until

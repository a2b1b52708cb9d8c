"""Passes over rows that workers read by themselves: each forms the sums of some blocks.

The client combines them in the tree of the blocks' numbers, so that it makes no difference to a
single bit how many workers there are, in which order they are done, and which of them die.
"""

from __future__ import annotations

import itertools
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.cluster.graphs import with_code, written
from descend.cluster.pool import FIRST, TASK, Pool
from descend.cluster.tasks import Done, Package, Place, files_of, sums, survey, values
from descend.compile.memory import ProgramMemory
from descend.compile.pieces import order_of, take, values_of
from descend.data.streams.source import FileSource
from descend.data.streams.stream import Stream
from descend.data.streams.survey import Survey, Surveyor
from descend.errors import DataError, UsageError
from descend.graph.blocks import BLOCK
from descend.graph.node import Node
from descend.run.passes import Fold
from descend.task.assembly import Assembly
from descend.task.options import Options

__all__ = ["Passes", "passes_of"]

Array = np.ndarray[Any, np.dtype[Any]]
IN_TURN = 4  # tasks of each thread, where their speed is not known yet


class Passes:
    """The rows of a source, as the workers go through them."""

    def __init__(self, pool: Pool, stream: Stream, place: Place) -> None:
        self.pool, self.stream, self.place = pool, stream, place
        pool.keep(place.key)
        self._speed: dict[str, float] = {}  # seconds a block, by what is done with it

    @property
    def said(self) -> tuple[str, ...]:
        """Who goes through the rows, in a sentence."""
        there = [self.pool.members[address].host for address in self.pool.look()]
        return (
            f"the rows are gone through by {len(there)} workers on {len({*there})} machines, of "
            f"the cluster at {self.pool.client.scheduler.address}",
        )

    # --- the work, in parts

    def ranges(self, kind: str, blocks: int) -> list[tuple[int, int]]:
        """Blocks in parts of about a second, as many on each thread of the workers."""
        threads = max(1, sum(self.pool.look().values()))
        known = self._speed.get(kind)
        if known is None:
            count = min(IN_TURN * threads, -(-blocks // FIRST))
        else:
            count = threads * max(1, round(known * blocks / (TASK * threads)))
        count = max(1, min(count, blocks))
        ends = [blocks * i // count for i in range(count + 1)]
        return [*itertools.pairwise(ends)]

    def _each(
        self, kind: str, function: Callable[..., Done], package: Package | None,
        parts: Sequence[tuple[int, int]], tasks: Sequence[tuple[Any, ...]],
        taken: Callable[[int, Any], None], leaves: Callable[[int], bool] | None,
    ) -> bool:  # fmt: skip
        seconds: list[float] = []
        rows = 0

        def told(number: int, done: Done | None) -> bool | None:
            nonlocal rows
            if done is not None:
                first, end = parts[number]
                taken(number, done.found)
                rows += (end - first) * BLOCK
                seconds.append(done.seconds / max(1, end - first))
            return leaves(rows) if leaves is not None else None

        whole = self.pool.each(function, kind, package, tasks, told)
        if seconds:
            self._speed[kind] = statistics.median(seconds)
        return whole

    # --- the first pass

    def survey(
        self, missing: str = "raise", seed: int = 0, most: int = 10_000, *, least: int = 2,
        positive: Mapping[str, bool] | None = None,
    ) -> Survey:  # fmt: skip
        """As of `Stream`, which knows it afterwards."""
        positive = positive or {}
        stream, names = self.stream, self.stream.names
        blocks = -(-int(stream.rows_about() or 1) // BLOCK)
        parts = self.ranges("survey", blocks)
        tasks = [
            (self.place, first, end if end < blocks else None, seed, most, dict(positive))
            for first, end in parts
        ]
        found: dict[int, Any] = {}
        self._each("survey", survey, None, parts, tasks, found.__setitem__, None)
        surveyor, marks = Surveyor(names, seed, most, positive), []
        for number in range(len(parts)):
            part, own = found[number]
            surveyor.join(part)
            marks += own
        told = surveyor.told(least)
        stream.known(told, marks)
        return told

    # --- the passes of a program

    def sums(
        self, assembly: Assembly, columns: Mapping[str, Any], memory: ProgramMemory, stage: int,
        leaves: Callable[[int], bool] | None,
    ) -> bool:  # fmt: skip
        """As of `task.beyond.Workers`."""
        order = order_of(memory, stage)
        package = Package(memory.code.image(), order)
        key = package.key()
        given = [np.array(v) for v in values_of(memory, order)]
        parts = self.ranges(key, -(-memory.bound.n_rows // BLOCK))
        marks = self.stream.marks
        tasks = [
            (self.place, assembly, dict(columns), part, marks[slice(*part)], given)
            for part in parts
        ]
        found: dict[int, Any] = {}

        def told(rows: int) -> bool:
            return leaves is not None and leaves(min(rows, memory.bound.n_rows))

        if not self._each(key, sums, package, parts, tasks, found.__setitem__, told):
            return False
        for number, part in enumerate(parts):
            take(memory, order, part, found[number])
        return True

    def folded(
        self, nodes: Sequence[Node], known: Mapping[Node, Array], columns: Mapping[str, Node],
        assembly: Assembly, n_rows: int, fold: Fold, native: bool = False,
    ) -> list[Any] | None:  # fmt: skip
        """As of `task.beyond.Workers`."""
        if self.pool.client.status != "running":
            return None  # a fit is asked for what is left when its client is closed
        if self.pool.aim is not None:
            return None  # NumPy's functions have other last digits on other processors
        inputs = [*known, *columns.values()]
        graph, image = written(nodes, inputs), b""
        if native:
            graph, image = with_code(graph, nodes, inputs)
        package = Package(image, graph)
        key = package.key(graph.arrays)
        parts = self.ranges(key, -(-n_rows // BLOCK))
        marks, given = self.stream.marks, [np.asarray(v) for v in known.values()]
        tasks = [
            (self.place, assembly, dict.fromkeys(columns), part, marks[slice(*part)], given, fold)
            for part in parts
        ]
        found: dict[int, Any] = {}
        self._each(key, values, package, parts, tasks, found.__setitem__, None)
        return [value for number in range(len(parts)) for value in found[number]]

    def check(self, engine: str, notes: Sequence[str]) -> None:
        """As of `task.beyond.Workers`."""
        if engine != "native":
            why = next((n for n in notes if n.startswith("interpreted")), "engine=interpreted")
            raise UsageError(
                f"workers run compiled programs alone, and this one is interpreted ({why})",
                remedy="leave out on, or write the model with functions that are compiled",
            )


def _refuse(options: Options) -> None:
    """Refuse what makes no sense of rows that others read."""
    if options.batch_size is not None:
        raise UsageError(
            "batches follow one another, each from where the last has led, so that one process "
            "goes through them, and on= is given",
            remedy="leave out batch_size for steps on all rows, or leave out on",
        )
    if options.stream is False:
        raise UsageError(
            "stream=False holds the rows in this process, and on= has workers go through them",
            remedy="leave out one of them",
        )
    if options.missing == "drop":
        raise UsageError(
            'missing="drop" numbers the rows anew, and on= has workers read them by their numbers',
            remedy="write the rows without those to another file, or leave out on",
        )


def passes_of(pool: Pool, stream: Stream, options: Options) -> Passes:
    """The workers of a pool, for a source that all of them can open.

    Raises:
        UsageError: the source can be read in this process alone; the workers do not suit.
        DataError: a worker does not find the files.
    """
    _refuse(options)
    source = stream.source
    if not isinstance(source, FileSource) or not source.seeks or source.why_kept:
        raise UsageError(
            f"the rows of {source.called} can be read in this process alone, and on= asks workers "
            "to read them",
            remedy="write them to Parquet files in a folder that all machines see, and name these; "
            "or leave out on",
        )
    path = os.path.abspath(source.path)
    place = Place(path, tuple(stream.names), files_of(path))
    found = pool.asked(files_of, [*pool.look()], path)
    blind = [address for address, seen in found.items() if seen != place.files]
    if blind:
        told = ", ".join(f"{a} on {pool.members[a].host}" for a in blind[:5] if a in pool.members)
        told += " …" if len(blind) > 5 else ""
        raise DataError(
            f'"{path}" is not the same file, or is not there, for the workers {told}',
            remedy="put it where all machines see it under the same path",
        )
    return Passes(pool, stream, place)

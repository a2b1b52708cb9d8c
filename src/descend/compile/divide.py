"""A step divided among threads, which all run the same block and wait for each other in between.

Each thread takes a part of a nest's elements: of the same rows wherever an axis is as long, so that
what follows row by row from row to row needs nobody else. Sums over everything are left to one
thread, single numbers are worked out by every thread for itself. What a statement needs of others
is there after a barrier; statements are put off until then together, so that there are few of them.
An element is made of the same operations in the same order whoever makes it: so the number of
threads does not change a bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from descend.compile.in_place import addresses_of, places_of, targets_of
from descend.compile.loops import (
    Address,
    Axis,
    Barrier,
    Block,
    Index,
    Let,
    Nest,
    Place,
    Product,
    Scan,
    Serial,
    Statement,
    Store,
)
from descend.compile.segments import operands
from descend.graph.node import Dim, Shape

__all__ = ["divide"]

PART = 32  # of an axis that is worth dividing
PRODUCTS = 8  # so many of which are worth dividing
TYPICAL = 128  # of an extent that is not known
LITTLE = 2000  # operations that every thread may repeat
STEADY = frozenset({"data", "shuffled", "fixed", "constant", "order"})  # which no block writes
FEW = 3  # sums that a nest forms beside what it writes
LOADS = 4  # threads among which whole statements are spread evenly
SAME, CELL, ALONE = "same", "cell", "alone"

Key = tuple[str, int]
Fresh = Callable[[Shape, np.dtype[np.generic]], Place]
Way = str | Axis
"""How threads do a statement: each all of it, one alone, or each its part of an axis."""


class Touch(NamedTuple):
    """How a statement meets an array.

    Attributes:
        who: `SAME`, where each thread does all of it, or `CELL`, where that is one element, which
            nothing else writes; the extent of an axis, where each has its part of it; the thread
            that does it alone; None, where any may meet any element.
        writes: whether it changes it.
    """

    who: str | int | Dim | tuple[str, int] | None
    writes: bool

    def waits_for(self, before: Touch) -> bool:
        """Whether threads must have met in between."""
        if not (self.writes or before.writes):
            return False
        if before.who in (SAME, CELL):  # what each thread has written, it may read
            return self.writes and not (self.who == before.who == CELL)
        return before.who is None or before.who != self.who


def divide(statements: Sequence[Statement], fresh: Fresh) -> list[Statement]:
    """The statements of a block for several threads; nests and sums are changed.

    Args:
        fresh: makes memory that all threads have in common, of a shape and a dtype.
    """
    done: list[Statement] = []
    waiting = [x for s in statements for x in _apart(s)]
    first: set[Key] | None = None
    while waiting:
        here = _Round(fresh)
        for statement in waiting:
            here.take(statement)
        done, waiting = done + here.done, here.later
        if first is None:
            first = {place.key for s in here.done for place in targets_of(s)}
        elif not waiting and _only_reads(here.done, first):
            break
        done.append(Barrier())
    return done


def _only_reads(statements: Sequence[Statement], first: set[Key]) -> bool:
    """Whether threads may go on with the next pass, whose first round writes these arrays."""
    if not all(isinstance(s, Let) for s in statements):
        return False
    read = [place for s in statements for place in places_of(s)]
    return not any(place.key in first or place.role == "state" for place in read)


class _Round:
    """What is done between two barriers, and what is put off until the next one.

    Attributes:
        done, later: the statements.
        missing: numbers that are known only after the barrier.
        met: how arrays have been met so far.
        behind: arrays that what is put off meets; whether it writes them.
        loads: what each thread does alone.
    """

    def __init__(self, fresh: Fresh) -> None:
        self.fresh = fresh
        self.done: list[Statement] = []
        self.later: list[Statement] = []
        self.missing: set[Let] = set()
        self.met: dict[Key, list[Touch]] = {}
        self.behind: dict[Key, bool] = {}
        self.loads = [0] * LOADS

    def take(self, statement: Statement) -> None:
        """Do a statement here, or put it off."""
        way = way_of(statement)
        thread = self.thread_for(statement) if way == ALONE else 0
        touches = list(_touches(statement, way, thread))
        if self.must_wait(statement, touches):
            self.later.append(statement)
            self.missing.update(_made(statement))
            for key, touch in touches:
                self.behind[key] = self.behind.get(key, False) or touch.writes
            return
        for key, touch in touches:
            self.met.setdefault(key, []).append(touch)
        if way == ALONE:
            self.loads[thread] += _cost(statement)
            self.missing.update(_made(statement))
            statement = self.alone(statement, thread)
        elif isinstance(way, Axis) and isinstance(statement, Nest):
            statement.divided = way
        elif isinstance(statement, Scan):
            statement.divided = True
        self.done.append(statement)

    def must_wait(self, statement: Statement, touches: Sequence[tuple[Key, Touch]]) -> bool:
        """Whether it needs what is known, or was done by others, only after the barrier."""
        return not self.missing.isdisjoint([*_made(statement), *_used(statement)]) or any(
            self.behind.get(key, False)
            or (touch.writes and key in self.behind)
            or any(touch.waits_for(before) for before in self.met.get(key, ()))
            for key, touch in touches
        )

    def thread_for(self, statement: Statement) -> int:
        """The thread that has just met its arrays; or the one that has least to do alone.

        That is counted for two threads and for four.
        """
        for place in places_of(statement):
            for before in self.met.get(place.key, ()):
                if isinstance(before.who, tuple):
                    return before.who[1]
        halves = [sum(self.loads[n::2]) for n in range(2)]
        return min(range(LOADS), key=lambda n: (halves[n % 2], self.loads[n], n))

    def alone(self, statement: Statement, thread: int) -> Serial:
        """A statement for one thread; its sums come to the others through memory."""
        inside = [statement]
        for reduction in statement.reductions if isinstance(statement, Nest) else ():
            known = reduction.result
            if isinstance(known, Let):
                where = Address(self.fresh((), known.dtype), ())
                made = reduction.result = Let("reduced", (), None, known.dtype)
                inside += [made, Store(where, made)]
                known.op, known.attr = "load", where
        return Serial(Block(inside), thread)


def _touches(statement: Statement, way: Way, thread: int) -> Iterator[tuple[Key, Touch]]:
    """The arrays that a statement meets, apart from those that no block writes."""
    if not isinstance(way, Axis):
        changed = {place.key for place in targets_of(statement)}
        same = CELL if isinstance(statement, Store) else SAME
        who: str | tuple[str, int] = same if way == SAME else (ALONE, thread)
        for place in places_of(statement):
            if place.role not in STEADY:
                yield place.key, Touch(who, place.key in changed)
        return
    whole = isinstance(statement, Product) and not (
        statement.by_rows and way is statement.axes[0]
    )
    for nest in _nests(statement):
        changed = {place.key for place in targets_of(nest)}
        looked_up = {id(x.attr[0]) for x in nest.lets if x.op == "gather"}
        for address in addresses_of(nest):
            place = address.place
            if place.role not in STEADY:
                own = not whole and id(address) not in looked_up and _follows(address, way)
                yield place.key, Touch(way.extent if own else None, place.key in changed)


def _nests(statement: Statement) -> list[Nest]:
    """The nests of a statement, which may be in loops."""
    if isinstance(statement, Scan):
        return [nest for inner in statement.block.statements for nest in _nests(inner)]
    return [statement] if isinstance(statement, Nest) else []


def _follows(address: Address, axis: Axis) -> bool:
    """Whether an address goes through rows of an array, which the axis counts."""
    rows = address.place.shape[0] if address.index else 0
    whole = isinstance(rows, Dim) or rows == axis.extent
    return whole and address.index[0] == Index(0, ((axis, 1),))


def _apart(statement: Statement) -> list[Statement]:
    """What a nest writes, which may be divided, and the sums that it forms besides."""
    if type(statement) is not Nest or not statement.stores or not 0 < len(_made(statement)) <= FEW:
        return [statement]
    axes, lets, stores = statement.axes, statement.lets, statement.stores
    writes = Nest(axes, len(axes), lets, stores, like=statement)
    if statement.in_place or _divisible(writes) is None:
        return [statement]
    return [writes, Nest(axes, 0, lets, [], statement.reductions, like=statement)]


def _made(statement: Statement) -> list[Let]:
    """The numbers that a statement hands on."""
    if isinstance(statement, Let):
        return [statement]
    sums = statement.reductions if isinstance(statement, Nest) else ()
    return [r.result for r in sums if isinstance(r.result, Let)]


def _used(statement: Statement) -> Iterator[Let]:
    """The numbers that a statement needs."""
    yield from operands(statement)
    if isinstance(statement, Let | Store):
        for address in addresses_of(statement):
            for index in address.index:
                yield from (x for x, _ in index.lets)


def way_of(statement: Statement) -> Way:
    """How threads do a statement."""
    if isinstance(statement, Let | Store):
        return SAME
    if isinstance(statement, Scan) and statement.apart and _size(statement.axis) >= PRODUCTS:
        return statement.axis
    if not isinstance(statement, Nest):
        return ALONE
    axis = _divisible(statement)
    if axis is not None:
        return axis
    return ALONE if statement.in_place or _cost(statement) > LITTLE else SAME


def _divisible(nest: Nest) -> Axis | None:
    """The axis of a nest of which each thread may take a part, if it is worth it."""
    if isinstance(nest, Product):
        row, column = nest.axes
        if nest.by_rows or _size(row) >= PART:
            return row
        return column if _size(column) >= PART else None
    if any(isinstance(r.result, Let) for r in nest.reductions):
        return None
    kept = nest.axes[: nest.kept]
    return next((a for a in kept if isinstance(a.extent, Dim) or a.extent >= PART), None)


def _size(axis: Axis) -> int:
    return axis.extent if isinstance(axis.extent, int) else axis.most or TYPICAL


def _cost(statement: Statement) -> int:
    """About how many operations a statement comes to."""
    if not isinstance(statement, Nest):
        return LITTLE
    each = len(statement.lets) + len(statement.stores) + len(statement.reductions)
    each += _size(statement.inner) if isinstance(statement, Product) else 0
    return each * math.prod(map(_size, statement.axes))

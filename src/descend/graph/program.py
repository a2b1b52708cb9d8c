"""A Program: slots, data, what a step and the end of an epoch come to, and the plan of the loop.

The whole descent is this value. The interpreter (`interpret`) defines what it means; the compiler
makes the same thing native. Both run on a budget of steps and can be entered again, so that
progress, interruption and checkpoints happen between entries and nothing calls back from inside.

One step: read a batch of rows, compute what every slot becomes and `loss` (the batch's mean loss,
before the update). If `ok` is given and false, the step is not committed and the run ends as
DIVERGED. One epoch end: given the slots, the epoch's index and its running mean loss, compute what
every slot becomes, a stop code (0: go on) and the values to record.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from descend.graph.blocks import BLOCK, JOINED, Split, Tree, split
from descend.graph.evaluate import Prepared
from descend.graph.node import Array, Dim, Node, postorder
from descend.lean import dataclass

__all__ = [
    "DIVERGED",
    "EPOCHS_SPENT",
    "RUNNING",
    "Bindings",
    "Control",
    "EpochGraph",
    "Kind",
    "Plan",
    "Program",
    "RowParts",
    "RowStream",
    "Slot",
    "StepGraph",
    "SumsElsewhere",
    "interpret",
    "permutation",
    "program_graphs",
]

RUNNING, EPOCHS_SPENT, DIVERGED = 0, -1, -2
LEAST = 300_000  # multiply-adds of a step that keep a thread busy for about 10 µs


Kind = Literal["parameter", "method", "average", "model", "best", "rule"]


@dataclass(frozen=True)
class Slot:
    """Something that changes in a run: the only place that knows how it begins and goes on.

    Attributes:
        kind: a `parameter` that is varied; what the `method` carries; its `average`; what the
            `model` carries; the `best` so far; what a stopping `rule` or a schedule remembers.
        form: the input that stands for it.
        begin: its first value, of the program's `start` and `fixed` inputs.
        step, epoch: its value after a step, and after an epoch; the form where it stays.
    """

    name: str
    kind: Kind
    form: Node
    begin: Node
    step: Node
    epoch: Node


@dataclass(frozen=True)
class StepGraph:
    """What one batch comes to beside the slots: its `loss`, and whether the step is taken."""

    loss: Node
    ok: Node | None = None


@dataclass(frozen=True)
class EpochGraph:
    """What the end of an epoch does; `index` and `loss` are its own two inputs (float64)."""

    index: Node
    loss: Node
    stop: Node
    record: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Plan:
    """How rows become batches: `batch_size` None means all rows in one batch.

    Where it `varies`, it is the most that a run may have, which says its own size.
    """

    batch_size: int | None = None
    shuffle: bool = False
    varies: bool = False


@dataclass(frozen=True)
class Program:
    """A descent, ready to be interpreted or compiled.

    Attributes:
        slots: everything that changes; `state` are their forms.
        data: input nodes whose first axis is `rows`: the columns of a batch.
        fixed: input nodes that keep their value for the whole run (hyperparameters, validation
            data, captured arrays).
        start: input nodes that slots begin with, and nothing else reads.
    """

    slots: tuple[Slot, ...]
    data: tuple[Node, ...]
    fixed: tuple[Node, ...]
    rows: Dim
    step: StepGraph
    epoch: EpochGraph
    plan: Plan = field(default_factory=Plan)
    start: tuple[Node, ...] = ()

    @functools.cached_property
    def state(self) -> tuple[Node, ...]:
        return tuple(slot.form for slot in self.slots)

    @functools.cached_property
    def step_heads(self) -> list[Node]:
        """What a step comes to: the slots, the loss and, if there is one, the check."""
        ok = [] if self.step.ok is None else [self.step.ok]
        return [*(slot.step for slot in self.slots), self.step.loss, *ok]

    @functools.cached_property
    def epoch_heads(self) -> list[Node]:
        """What the end of an epoch comes to: the slots, the stop code, the records."""
        return [*(slot.epoch for slot in self.slots), self.epoch.stop, *self.epoch.record]

    @property
    def heads(self) -> list[Node]:
        """All that a program computes, once it has begun."""
        return [*self.step_heads, *self.epoch_heads]

    @functools.cached_property
    def beginning(self) -> Prepared:
        """The first values of the slots, of `start` and `fixed` inputs."""
        return Prepared([slot.begin for slot in self.slots], [*self.start, *self.fixed])

    @functools.cached_property
    def split(self) -> Split | None:
        """The step as sums of blocks and an update; None where the rows know of one another."""
        return split(self.step_heads, self.rows)

    def most_threads(self, n_rows: int) -> int:
        """How many threads have enough to do: a block of rows each, or `LEAST` of products."""
        if self.in_blocks(n_rows):
            return -(-n_rows // BLOCK)
        return max(1, self.multiply_adds(min(n_rows, self.plan.batch_size or n_rows)) // LEAST)

    def multiply_adds(self, rows: int) -> int:
        """Those of a step's products of matrices, on so many rows."""
        return sum(
            math.prod(rows if isinstance(n, Dim) else n for n in sizes) for sizes in self._products
        )

    @functools.cached_property
    def _products(self) -> list[list[int | Dim]]:
        """The extents along which each product of matrices goes."""
        found = []
        for node in postorder(self.step_heads):
            if node.op.name == "contract":
                labels = dict(zip(node.attrs["la"], node.args[0].shape, strict=True))
                labels |= dict(zip(node.attrs["lb"], node.args[1].shape, strict=True))
                found.append([*labels.values()])
        return [sizes for sizes in found if len(sizes) > 2]

    def in_blocks(self, n_rows: int) -> bool:
        """Whether a step on so many rows goes through them in blocks."""
        return n_rows > BLOCK and self.plan.batch_size is None and self.split is not None


class RowParts(NamedTuple):
    """The rows of a stream in parts, which threads can go through at the same time.

    Attributes:
        threads: how many there may be.
        blocks: of each part the first block, and the one behind its last.
        rows: gives those of a part, as `RowStream.blocks` does; they are read by whoever asks.
        cancel: ends what is waited for in the thread of this number.
    """

    threads: int
    blocks: Sequence[tuple[int, int]]
    rows: Callable[[tuple[int, int]], Iterator[tuple[int, Sequence[Array]]]]
    cancel: Callable[[int], None]


class RowStream(Protocol):
    """The columns of a program's data, block by block, as often as they are asked for."""

    def blocks(self) -> Iterator[tuple[int, Sequence[Array]]]:
        """Blocks in order: the first row, a multiple of `BLOCK`, and the columns from there on.

        The arrays are contiguous, and stay as they are until the next block is asked for.
        """

    def parts(self, most: int) -> RowParts | None:
        """All rows in parts for at most so many threads, at least two.

        None where there is no work for more than one, or rows come one after the other alone.
        """

    def windows(self, rows: int, epoch: int) -> Iterator[tuple[int, Sequence[Array]]]:
        """So many rows at a time, in the order of an epoch; the last may be fewer."""


SumsElsewhere = Callable[[Any, int, Callable[[int], bool] | None], bool]
"""Has other processes form the sums of all blocks, from rows that they read by themselves.

It is given a compiled program's memory, the stage of its step, and `Control.leaves`; it puts the
sums down there, and tells whether the pass came to its end.
"""


class Window:
    """Where a run stands among rows that come: those that are there, whole batches of them.

    Args:
        size: rows of a batch.
    """

    def __init__(self, stream: RowStream, n_rows: int, size: int) -> None:
        self._stream, self._n_rows = stream, n_rows
        self.rows = max(1, BLOCK // size) * size
        self._next = (-1, -1)
        self._coming: Iterator[tuple[int, Sequence[Array]]] = iter(())
        self.first = 0
        self.columns: Sequence[Array] = ()

    def move(self, epoch: int, first: int) -> None:
        """Have the rows there that begin at a batch of an epoch, at the beginning of a window."""
        if (epoch, first) != self._next:
            self._coming = self._stream.windows(self.rows, epoch)
        self.first, self.columns = next(w for w in self._coming if w[0] == first)
        end = self.first + len(self.columns[0])
        self._next = (epoch, end) if end < self._n_rows else (-1, -1)


@dataclass
class Bindings:
    """The arrays of one run; `state` is updated in place as the run goes on.

    `batch_size` is the run's own, where the plan's varies. Where there is a `stream`, rows come
    from it, and `data` are columns without any; others read them where there is an `elsewhere`.
    """

    state: list[Array]
    data: list[Array]
    fixed: list[Array]
    n_rows: int
    batch_size: int | None = None
    stream: RowStream | None = None
    elsewhere: SumsElsewhere | None = None

    @functools.cached_property
    def window(self) -> Window:
        """Of the rows that come, where they are taken in batches."""
        assert self.stream is not None and self.batch_size is not None
        return Window(self.stream, self.n_rows, self.batch_size)

    def blocks(self) -> Iterator[tuple[int, Sequence[Array]]]:
        """The columns in blocks, as they are in memory or come."""
        if self.stream is not None:
            yield from self.stream.blocks()
            return
        for first in range(0, self.n_rows, BLOCK):
            yield first, [a[first : first + BLOCK] for a in self.data]


@dataclass
class Control:
    """Where a run stands, and how many threads may work on it.

    `status` is RUNNING, EPOCHS_SPENT, DIVERGED, or the stop code (> 0).

    `leaves` is told, between the blocks of a stream, how many rows of the pass are done; where it
    returns True, the step is left, and is as if it had not begun.

    `records` holds blocks of epochs: for every recorded value an array with an entry an epoch.
    """

    max_epochs: int
    seed: int = 0
    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    steps: int = 0
    status: int = RUNNING
    records: list[tuple[Array, ...]] = field(default_factory=list)
    threads: int = 1
    leaves: Callable[[int], bool] | None = None


_MASK = (1 << 64) - 1


def _mix(z: int) -> int:
    """The finaliser of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014)."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def permutation(n: int, seed: int, epoch: int) -> Array:
    """The order of rows in an epoch: a Fisher–Yates shuffle driven by a counter.

    The random word for position i is `mix(mix(mix(seed) + epoch) + i · γ)`, so the order depends
    on (seed, epoch) alone.

    >>> sorted(permutation(5, seed=1, epoch=0).tolist())
    [0, 1, 2, 3, 4]
    """
    key = _mix((_mix(seed & _MASK) + epoch) & _MASK)
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        word = _mix((key + i * 0x9E3779B97F4A7C15) & _MASK)
        j = ((word >> 32) * (i + 1)) >> 32
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)


def _batches(program: Program, bound: Bindings) -> list[tuple[int, int]]:
    n = bound.n_rows
    size = bound.batch_size or program.plan.batch_size or max(n, 1)
    return [(a, min(a + size, n)) for a in range(0, max(n, 1), size)]


@functools.lru_cache(maxsize=32)
def _prepared(program: Program) -> tuple[Prepared, Prepared]:
    """The step and the end of an epoch, ready to be evaluated."""
    lasting, epoch = [*program.state, *program.fixed], program.epoch
    return (
        Prepared(program.step_heads, [*lasting, *program.data]),
        Prepared(program.epoch_heads, [*lasting, epoch.index, epoch.loss]),
    )


@functools.lru_cache(maxsize=32)
def _prepared_split(program: Program) -> tuple[list[tuple[Prepared, Prepared]], Prepared]:
    """What comes before each pass over the rows and the pass itself; then the update."""
    found = program.split
    assert found is not None
    known = [*program.state, *program.fixed]
    passes = []
    for sweep in found.sweeps:
        before = Prepared([value for _, value in sweep.wires], known)
        known = [*known, *(form for form, _ in sweep.wires)]
        partial = Prepared([s.partial for s in sweep.sums], [*known, *program.data])
        passes.append((before, partial))
        known = [*known, *(s.form for s in sweep.sums)]
    return passes, Prepared(list(found.update), known)


def _in_blocks(program: Program, bound: Bindings, control: Control) -> list[Array] | None:
    """The results of a step whose sums are formed block by block; None where it was left."""
    passes, update = _prepared_split(program)
    found, n = program.split, bound.n_rows
    assert found is not None
    known = [*bound.state, *bound.fixed]
    for (before, partial), sweep in zip(passes, found.sweeps, strict=True):
        known = [*known, *before(known, {program.rows: n})]
        trees = [Tree(JOINED[s.op]) for s in sweep.sums]
        for first, columns in bound.blocks():
            rows = min(BLOCK, n - first)
            parts = partial([*known, *columns], {program.rows: rows})
            for tree, part in zip(trees, parts, strict=True):
                tree.add(part)
            if bound.stream is not None and control.leaves and control.leaves(first + rows):
                return None
        known += [tree.root() for tree in trees]
    return update(known, {program.rows: n})


def _step(
    program: Program, step: Prepared, bound: Bindings, control: Control, order: Array | None,
    rows: tuple[int, int],
) -> bool:  # fmt: skip
    if program.in_blocks(bound.n_rows):
        found = _in_blocks(program, bound, control)
        if found is None:
            return False
        results = found
    else:
        data, begin = bound.data, 0
        if bound.stream is not None:
            if rows[0] % bound.window.rows == 0:
                bound.window.move(control.epoch, rows[0])
            data, begin = [*bound.window.columns], bound.window.first
        window: Any = slice(rows[0] - begin, rows[1] - begin)
        if order is not None:
            window = order[rows[0] : rows[1]]
        values = [*bound.state, *bound.fixed, *(a[window] for a in data)]
        results = step(values, {program.rows: rows[1] - rows[0]})
    control.steps += 1
    if program.step.ok is not None and not bool(results.pop()):
        control.status = DIVERGED
        return False
    control.loss_sum += float(results.pop()) * (rows[1] - rows[0])
    bound.state[:] = results
    return True


def _end_epoch(program: Program, end: Prepared, bound: Bindings, control: Control) -> None:
    mean = control.loss_sum / max(bound.n_rows, 1)
    values = [*bound.state, *bound.fixed, np.asarray(float(control.epoch)), np.asarray(mean)]
    results = end(values, {program.rows: bound.n_rows})
    k = len(program.slots)
    bound.state[:] = results[:k]
    control.records.append(tuple(np.asarray(value)[np.newaxis] for value in results[k + 1 :]))
    control.status = int(results[k])
    control.epoch += 1
    control.batch, control.loss_sum = 0, 0.0
    if control.status == RUNNING and control.epoch >= control.max_epochs:
        control.status = EPOCHS_SPENT


def interpret(program: Program, bound: Bindings, control: Control, budget: int) -> None:
    """Advance a run by at most `budget` steps, or until it stops. Call again to go on."""
    spans = _batches(program, bound)
    step, end = _prepared(program)
    if control.status == RUNNING and control.epoch >= control.max_epochs:
        control.status = EPOCHS_SPENT
    while control.status == RUNNING and budget > 0:
        order = None
        if program.plan.shuffle:
            order = permutation(bound.n_rows, control.seed, control.epoch)
        while control.batch < len(spans) and budget > 0:
            if not _step(program, step, bound, control, order, spans[control.batch]):
                return
            control.batch += 1
            budget -= 1
        if control.batch == len(spans):
            _end_epoch(program, end, bound, control)


def program_graphs(program: Program) -> Iterator[tuple[str, Mapping[str, Node]]]:
    """The two graphs of a program with the titles of their outputs, for printing and checks."""
    step, epoch = program.step, program.epoch
    ok = {"ok": step.ok} if step.ok is not None else {}
    yield "step", {**{f"new {s.form.attrs['name']}": s.step for s in program.slots},
                   "loss": step.loss, **ok}  # fmt: skip
    ends = {"stop": epoch.stop, **{f"record {i}": r for i, r in enumerate(epoch.record)}}
    yield "epoch", {**{f"new {s.form.attrs['name']}": s.epoch for s in program.slots}, **ends}

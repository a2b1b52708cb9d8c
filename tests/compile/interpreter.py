"""The loop language, read by the letter: one element after the other, on plain arrays.

Passes that may be taken in any order are taken in a random one, and fits that stand in lanes are
run one by one, so that what depends on an order or on a neighbour comes out wrong. Threads run one
after the other, in a new order after each barrier, so that what they should wait for is not there.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from descend.compile.loops import (
    Address,
    Axis,
    Barrier,
    Batch,
    Block,
    Blocks,
    Branch,
    Call,
    Copy,
    Index,
    InLanes,
    Let,
    Loop,
    Nest,
    Place,
    Product,
    Routine,
    Scan,
    Serial,
    Store,
)
from descend.compile.matrix import TOGETHER
from descend.graph.blocks import combined
from descend.graph.evaluate import evaluate
from descend.graph.node import PRIMITIVES, Dim, sizes
from descend.graph.program import _mix

Array = np.ndarray[Any, np.dtype[Any]]
JOIN = {"add": np.add, "max": np.maximum, "min": np.minimum}


def once_rounded(a: Any, b: Any, c: Any) -> Any:
    """a·b + c; as it comes where that is not finite, or exactly 0."""
    with np.errstate(all="ignore"):
        plain = a * b + c
    if not np.isfinite(plain):
        return plain
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    return type(plain)(float(exact)) if exact else plain


class Machine:
    """Memory and values of a run.

    Args:
        arrays: by role and number; those of fits in lanes have the lanes innermost.
        extents: what symbolic extents stand for.
        width: how many fits stand beside each other; `shared`: whether they read one array.
    """

    def __init__(
        self, arrays: Mapping[tuple[str, int], Array], extents: Mapping[Dim, int], seed: int = 0,
        width: int = 1, shared: Callable[[Place], bool] = lambda place: True,
    ) -> None:  # fmt: skip
        self.arrays, self.extents = dict(arrays), dict(extents)
        self.width, self.shared = width, shared
        self.random = np.random.default_rng(seed)
        self.values: dict[Let, Any] = {}
        self.counters: dict[Axis, int] = {}
        self.first, self.order = 0, None
        self.lane: int | None = None
        self.thread, self.threads = 0, 1
        self.meet: Callable[[], None] = lambda: None

    def run(self, block: Block) -> None:
        for place, value in block.constants:
            self.arrays[place.role, place.number] = np.asarray(value)
        for place in block.scratch:
            key, cells = (place.role, place.number), self.cells(place.shape) * self.width
            if key not in self.arrays or self.arrays[key].size < cells:
                self.arrays[key] = np.zeros(cells, place.dtype)
        for statement in block.statements:
            READ[type(statement)](self, statement)

    # Memory

    def size(self, n: int | Dim) -> int:
        return self.extents[n] if isinstance(n, Dim) else n

    def cells(self, shape: Any) -> int:
        total = 1
        for n in shape:
            total *= self.size(n)
        return total

    def at(self, index: Index) -> int:
        total = index.const
        total += sum(c * self.counters[a] for a, c in index.terms)
        total += sum(c * self.extents[d] for d, c in index.dims)
        return total + sum(c * int(self.values[x]) for x, c in index.lets)

    def element(self, address: Address) -> tuple[Array, int]:
        place, total = address.place, 0
        for axis, index in enumerate(address.index):
            position = self.at(index)
            if axis == 0 and place.batched:
                position += self.first
                position = position if self.order is None else int(self.order[position])
            total += position * self.cells(place.shape[axis + 1 :])
        flat = self.arrays[place.role, place.number].reshape(-1)
        return (flat, total) if not self.in_lane(place) else (flat, total * self.width + self.lane)

    def in_lane(self, place: Place) -> bool:
        return self.lane is not None and not self.shared(place)

    # Values

    def value(self, let: Let) -> Any:
        if let.op == "load":
            flat, i = self.element(let.attr)
            return flat[i]
        if let.op == "const":
            return let.attr[()]
        if let.op == "rows":
            return np.asarray(self.extents[let.attr]).astype(let.dtype)[()]
        if let.op == "index":
            return np.asarray(self.at(let.attr)).astype(let.dtype)[()]
        if let.op == "cast":
            return np.asarray(self.values[let.args[0]]).astype(let.dtype)[()]
        if let.op == "gather":
            address, axis = let.attr
            extent = self.size(address.place.shape[axis])
            chosen = min(max(int(self.values[let.args[0]]), 0), extent - 1)
            index = (*address.index[:axis], Index(chosen), *address.index[axis + 1 :])
            flat, i = self.element(Address(address.place, index))
            return flat[i]
        args = [self.values[a] for a in let.args]
        if let.op == "fma":
            return once_rounded(*args)
        with np.errstate(all="ignore"):
            made = PRIMITIVES[let.op].meaning(*args, **(let.attr or {}))
        return np.asarray(made, let.dtype)[()]

    def let(self, let: Let) -> None:
        if let.op != "reduced":
            self.values[let] = self.value(let)

    def store(self, store: Store) -> None:
        flat, i = self.element(store.target)
        flat[i] = self.values[store.value]

    def nest(self, nest: Nest) -> None:
        totals: dict[Any, Any] = {}
        for position in itertools.product(*map(self.range_of(nest), nest.axes)):
            self.counters.update(zip(nest.axes, position, strict=True))
            for let in nest.lets:
                self.let(let)
            for store in nest.stores:
                self.store(store)
            for number, reduction in enumerate(nest.reductions):
                key, value = (number, position[: nest.kept]), self.values[reduction.value]
                before = totals.get(key)
                totals[key] = value if before is None else JOIN[reduction.op](before, value)
        for (number, kept), total in totals.items():
            result = nest.reductions[number].result
            if isinstance(result, Let):
                self.values[result] = total
            else:
                self.counters.update(zip(nest.axes, kept, strict=False))
                flat, i = self.element(result)
                flat[i] = total

    def range_of(self, nest: Nest) -> Callable[[Axis], range]:
        """The values of an axis: this thread's part of that which is divided."""

        def values(axis: Axis) -> range:
            size = self.size(axis.extent)
            if axis is not nest.divided:
                return range(size)
            return range(*(size * n // self.threads for n in (self.thread, self.thread + 1)))

        return values

    def product(self, product: Product) -> None:
        """Every element in turn: its sum, part by part, in order, the products not rounded."""
        for position in itertools.product(*map(self.range_of(product), product.axes)):
            self.counters.update(zip(product.axes, position, strict=True))
            kind = product.result.dtype.type
            total, part, terms = kind(0), kind(0), self.size(product.inner.extent)
            for k in range(terms):
                self.counters[product.inner] = k
                (left, i), (right, j) = self.element(product.left), self.element(product.right)
                part = once_rounded(left[i], right[j], part)
                if (k + 1) % TOGETHER == 0 or k == terms - 1:
                    total, part = total + part, kind(0)
            self.values[product.result] = total
            for let in product.lets:
                if let is not product.result:
                    self.let(let)
            for store in product.stores:
                self.store(store)

    def copy(self, copy: Copy) -> None:
        step = self.width if self.in_lane(copy.target) else 1
        pace = self.width if self.in_lane(copy.source) else 1
        target = self.arrays[copy.target.role, copy.target.number].reshape(-1)
        source = self.arrays[copy.source.role, copy.source.number].reshape(-1)
        for i in range(self.cells(copy.target.shape)):
            target[i * step + (self.lane or 0) * (step > 1)] = source[
                i * pace + (self.lane or 0) * (pace > 1)
            ]

    # Algorithms

    def call(self, call: Call) -> None:
        getattr(self, f"call_{call.name}")(call)

    def call_combine(self, call: Call) -> None:
        count, place = int(self.values[call.attrs["count"]]), call.target
        own = self.arrays[place.role, place.number].reshape(-1)
        parts = own[: count * self.cells(place.shape)].reshape(count, -1)
        parts[0] = combined([part.copy() for part in parts], call.attrs["op"])

    def call_shared(self, call: Call) -> None:
        body, results = call.attrs["body"], call.attrs["results"]
        held = [self.arrays[p.role, p.number].reshape(sizes(p.shape)) for p in call.sources]
        made = evaluate(body.outputs, dict(zip(body.inputs, held, strict=True)))
        for place, value in zip(results, made, strict=True):
            self.arrays[place.role, place.number].reshape(-1)[:] = np.ravel(value)

    def call_shuffle(self, call: Call) -> None:
        """Fisher–Yates by the random words that the order of an epoch is defined by."""
        n, key, epoch = (int(self.values[word]) % 2**64 for word in call.attrs["words"])
        word, order = _mix((key + epoch) % 2**64), list(range(n))
        for i in range(n - 1, 0, -1):
            j = ((_mix((word + i * 0x9E3779B97F4A7C15) % 2**64) >> 32) * (i + 1)) >> 32
            order[i], order[j] = order[j], order[i]
        if call.attrs["swaps"]:
            for number in range(len(call.attrs["data"])):
                self.arrays["shuffled", number][...] = self.arrays["data", number][order]
        else:
            self.arrays["order", 0][...] = order

    # Control flow

    def scan(self, scan: Scan) -> None:
        count = self.size(scan.axis.extent) if scan.count is None else int(self.values[scan.count])
        ends = (0, count)
        if scan.divided:
            ends = tuple(count * n // self.threads for n in (self.thread, self.thread + 1))
        values = np.arange(*ends)
        for i in self.random.permutation(values).tolist() if scan.apart else values.tolist():
            self.counters[scan.axis] = i
            self.run(scan.block)

    def blocks(self, blocks: Blocks) -> None:
        ends = (int(self.values[let]) for let in (blocks.first, blocks.end))
        for i in self.random.permutation(np.arange(*ends)):
            if i % self.threads != self.thread:
                continue
            self.counters[blocks.axis] = int(i)
            self.run(blocks.block)

    def loop(self, loop: Loop) -> None:
        self.run(loop.test)
        while self.values[loop.holds]:
            self.run(loop.body)
            self.run(loop.test)

    def branch(self, branch: Branch) -> None:
        self.run(branch.yes if self.values[branch.condition] else branch.no)

    def batch(self, batch: Batch) -> None:
        kept = self.first, self.order, self.extents[batch.dim]
        self.first = 0 if batch.first is None else int(self.values[batch.first])
        self.order = self.arrays["order", 0] if batch.ordered else None
        self.extents[batch.dim] = int(self.values[batch.rows])
        self.run(batch.block)
        self.first, self.order, self.extents[batch.dim] = kept

    def in_lanes(self, lanes: InLanes) -> None:
        """Each fit by itself, in any order, with its own number of rows."""
        (dim,) = [d for d in self.extents if d in self.rows]
        kept = self.extents[dim]
        for lane in self.random.permutation(self.width):
            self.lane = int(lane)
            count = int(self.arrays[f"{lanes.role} counts", -1][self.lane])
            self.extents[dim] = count if self.ragged else int(self.values[lanes.rows])
            self.run(lanes.block)
        self.lane, self.extents[dim] = None, kept

    def routine(self, routine: Routine) -> None:
        self.run(routine.block)

    def serial(self, serial: Serial) -> None:
        if serial.thread % self.threads == self.thread:
            self.run(serial.block)

    def barrier(self, _barrier: Barrier) -> None:
        self.meet()

    rows: tuple[Dim, ...] = ()
    ragged = False


READ: Mapping[type, Callable[[Machine, Any], None]] = {
    Let: Machine.let, Store: Machine.store, Nest: Machine.nest, Product: Machine.product,
    Copy: Machine.copy,
    Call: Machine.call, Scan: Machine.scan, Blocks: Machine.blocks, Loop: Machine.loop,
    Branch: Machine.branch, Batch: Machine.batch, InLanes: Machine.in_lanes,
    Serial: Machine.serial, Routine: Machine.routine, Barrier: Machine.barrier,
}  # fmt: skip


class Turns:
    """One of several threads runs until it comes to a barrier, then another one, in any order."""

    def __init__(self, threads: int, seed: int) -> None:
        self.random, self.alive = np.random.default_rng(seed), list(range(threads))
        self.order = self.random.permutation(threads).tolist()
        self.changed = threading.Condition()

    def begin(self, thread: int) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.order[:1] == [thread])

    def end(self, thread: int, for_good: bool = False) -> None:
        with self.changed:
            self.order.remove(thread)
            if for_good:
                self.alive.remove(thread)
            if not self.order:
                self.order = self.random.permutation(self.alive).tolist()
            self.changed.notify_all()

    def meet(self, thread: int) -> None:
        self.end(thread)
        self.begin(thread)


def together(machines: list[Machine], block: Block, seed: int) -> None:
    """Run a block by several threads, whose machines have the arrays in common that they share."""
    turns, failed = Turns(len(machines), seed), list[BaseException]()

    def work(number: int, machine: Machine) -> None:
        machine.thread, machine.threads = number, len(machines)
        machine.meet = lambda: turns.meet(number)
        turns.begin(number)
        try:
            machine.run(block)
        except BaseException as error:
            failed.append(error)
        finally:
            turns.end(number, for_good=True)

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(machines)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]

"""The whole descent in the loop language: epochs, shuffling, batches, steps, stopping, records.

The control flow that `graph.program.interpret` has in Python stands here as loops and branches
around the blocks of the step graph and the epoch graph. What goes from step to step lies in memory
as the language sees it; small states and the control words are then kept in registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from descend.compile.contract import contract
from descend.compile.control import FlowWriter
from descend.compile.divide import divide
from descend.compile.entry import (
    CONTROL,
    STAGES,
    SUMS,
    DescentText,
    Variant,
)
from descend.compile.flow import FLOAT, INT, TRUTH, at
from descend.compile.fuse import fuse
from descend.compile.in_place import targets_of, write_in_place
from descend.compile.known_rows import static_data, with_rows
from descend.compile.legalise import legalise
from descend.compile.loops import (
    Address,
    Barrier,
    Batch,
    Block,
    Call,
    Let,
    Place,
    Product,
    Serial,
    Statement,
)
from descend.compile.lower import Lowering
from descend.compile.module import FunctionText
from descend.compile.passes import PassFlow, places_of
from descend.compile.rewind import Rewind
from descend.compile.schedule import Rows, is_product, is_small
from descend.compile.segments import cut
from descend.compile.underflow import flush_underflow
from descend.graph.blocks import BLOCK
from descend.graph.node import Node, postorder
from descend.graph.program import DIVERGED, EPOCHS_SPENT, RUNNING, Program
from descend.simplify.driver import simplify

__all__ = ["DescentFlow", "write_descent"]


class DescentFlow(PassFlow):
    """One variant of a program in the loop language; `block` is all of it.

    Args:
        divided: whether several threads work on each of its blocks.

    Attributes:
        kept: places that are kept in registers, by each thread for itself.
        multiplies: whether there are products of matrices.
    """

    def __init__(self, program: Program, variant: Variant, divided: bool = False) -> None:
        super().__init__(CONTROL, program)
        self.variant, self.divided = variant, divided
        self.may_be_divided = variant != "blocks" and program.multiply_adds(1) > 0
        self.state = places_of("state", program.state)
        self.records = places_of("record", program.epoch.record)
        self.ends = places_of("epoch", (program.epoch.index, program.epoch.loss))
        self.leaves |= dict(zip(program.state, self.state, strict=True))
        self.leaves |= dict(zip(program.fixed, places_of("fixed", program.fixed), strict=True))
        self.heads = program.step_heads
        self.rewind: Rewind | None = None
        self.kept: list[Place] = []
        self.multiplies = False

    # Lowering

    def lower_batch(self, size: int) -> tuple[Lowering, list[Node]]:
        """A batch of known size: one row is a chain of scalars, more are lanes."""
        p = self.program
        if size > 1:
            return self.graph("batch", self.heads, p.data, {p.rows: size}), self.heads
        heads = simplify(with_rows(self.heads, p.data, p.rows, 1))
        return self.graph("batch", heads, static_data(p.data, p.rows, 1)), heads

    # The flow

    def write(self) -> None:
        """Write the loops of the descent."""
        step = self.steps()
        end = self.epoch_end()
        for block in self.blocks.values():
            self.multiplies |= any(isinstance(s, Product) for s in block.statements)
            if self.may_be_divided:
                contract(block)
            if self.divided:
                block.statements = divide(block.statements, self.spare)
        self.kept = self.in_registers()
        n, size = self.get("n_rows"), self.program.plan.batch_size
        full = n if size in (None, 1) else self.of("floordiv", n, size)

        def running() -> Let:
            on = self.of("eq", self.get("status"), RUNNING)
            more = self.let("lt", self.get("epoch"), self.get("max_epochs"))
            room = self.let("lt", self.get("records"), self.get("capacity"))
            budget = self.of("gt", self.get("budget"), 0)
            return self.of("and", on, more, budget, room)

        def epoch() -> None:
            if self.program.plan.shuffle:
                first = self.of("eq", self.get("batch"), 0)
                stale = self.of("ne", self.get("reorder"), 0)
                self.branch(self.of("or", first, stale), self.shuffle)
            if self.rewind is not None:
                self.rewind.keep()
            step(end, n, full)
            if self.rewind is not None:
                self.branch(self.rewind.is_last(), self.diverged)

        if self.divided:
            self.add(Barrier())  # all threads have read where the run stands
        if self.rewind is not None:
            self.rewind.begin()
        self.loop(running, epoch)
        on = self.of("eq", self.get("status"), RUNNING)
        spent = self.let("ge", self.get("epoch"), self.get("max_epochs"))
        over = self.of("and", on, spent)
        ended = partial(self.branch, over, lambda: self.put("status", EPOCHS_SPENT))
        if self.divided:
            ended()
        else:
            self.serial(ended)

    def in_registers(self) -> list[Place]:
        """The places that are kept in registers: control words, and numbers that no piece needs."""
        if self.variant == "blocks":
            return []
        kept = list(self.words.values())
        if not any(len(cut(block.statements)) > 1 for block in self.blocks.values()):
            nodes = (*self.program.state, self.program.epoch.index, self.program.epoch.loss)
            pairs = zip((*self.state, *self.ends), nodes, strict=True)
            kept += [place for place, node in pairs if is_small(node)]
        return kept

    def once(self, *statements: Statement) -> None:
        if not self.divided:
            self.add(*statements)
            return
        own = {place.key for place in self.kept}
        here = [s for s in statements if {place.key for place in targets_of(s)} <= own]
        rest = [s for s in statements if s not in here]
        self.add(*here)
        if rest:
            self.add(Barrier(), Serial(Block(rest)), Barrier())

    def diverged(self) -> None:
        self.put("status", DIVERGED)
        self.count("steps", 1)

    def shuffle(self) -> None:
        self.put("reorder", 0)
        words = [self.get(name) for name in ("n_rows", "shuffle_key", "epoch")]
        attrs = {"data": self.program.data, "swaps": self.swaps, "words": words}
        self.once(Call("shuffle", Place("order", 0, (), INT), (), attrs))

    def steps(self) -> Any:
        """What writes the steps of an epoch and then its end, once their blocks are lowered."""
        p, size = self.program, self.program.plan.batch_size
        if size is None:
            return self.in_blocks() if self.variant == "blocks" else self.at_once()
        ordered = p.plan.shuffle and not self.swaps
        self.rows = Rows(ordered=ordered, most={p.rows: size})
        smaller = self.variant == "remainder"
        products = any(map(is_product, postorder(self.heads)))  # in tiles of any height
        if p.plan.varies or (smaller and products):
            return self.alike(*self.stepped("batch"), ordered)
        batch, heads = self.lower_batch(size)
        self.shorten(batch, heads)
        commit = self.commit(batch, heads, True)
        last: Any = self.stepped("last") if smaller else None

        def write(end: Any, n: Let, full: Let) -> None:
            def one() -> None:
                batch_number = self.get("batch")
                first = self.of("mul", batch_number, size) if size > 1 else batch_number
                rows = self.const(size)
                self.add(Batch(batch.block, p.rows, first, rows, ordered))
                commit(rows)

            def rest() -> None:
                first = self.of("mul", full, size)
                rows = self.let("sub", n, first)
                self.add(Batch(last[0].block, p.rows, first, rows, ordered))
                last[1](rows)

            self.loop(lambda: self.has_budget("lt", full), one)
            all_of = full
            if last is not None:
                self.branch(self.has_budget("eq", full), rest)
                all_of = self.of("add", full, 1)
            done = self.let("eq", self.get("batch"), all_of)
            self.if_running(end, done)

        return write

    def stepped(self, name: str) -> tuple[Lowering, Any]:
        """A step on any number of rows, and what writes what follows it."""
        lowering = self.graph(name, self.heads, self.program.data)
        self.shorten(lowering, self.heads)
        return lowering, self.commit(lowering, self.heads, True)

    def alike(self, batch: Lowering, commit: Any, ordered: bool) -> Any:
        """Batches by one block, of whatever size, the last and smaller one as the others."""
        p, plan = self.program, self.program.plan

        def write(end: Any, n: Let, _full: Let) -> None:
            size = self.get("batch_size") if plan.varies else self.const(plan.batch_size or 1)
            short = self.of("add", n, self.of("sub", size, 1))
            count = self.let("floordiv", short, size)

            def one() -> None:
                first = self.of("mul", self.get("batch"), size)
                rows = self.let("min", self.let("sub", n, first), size)
                self.add(Batch(batch.block, p.rows, first, rows, ordered))
                commit(rows)

            self.loop(lambda: self.has_budget("lt", count), one)
            self.if_running(end, self.let("eq", self.get("batch"), count))

        return write

    def has_budget(self, which: str, full: Let) -> Let:
        """Whether the next batch is one of those, and may be taken."""
        here = self.let(which, self.get("batch"), full)
        on = self.of("eq", self.get("status"), RUNNING)
        if self.rewind is not None:
            on = self.of("and", on, self.let("not", self.rewind.is_last(), dtype=TRUTH))
        return self.of("and", here, self.of("gt", self.get("budget"), 0), on)

    def if_running(self, end: Any, also: Let | None = None) -> None:
        on = self.of("eq", self.get("status"), RUNNING)
        self.branch(on if also is None else self.of("and", on, also), end)

    def at_once(self) -> Any:
        """One step on all rows."""
        lowering = self.graph("whole", self.heads, self.program.data)
        self.shorten(lowering, self.heads)
        commit = self.commit(lowering, self.heads)

        def write(end: Any, rows: Let, _full: Let) -> None:
            self.add(Batch(lowering.block, self.program.rows, None, rows))
            commit(rows)
            self.if_running(end)

        return write

    # Many rows: sums of blocks, then what follows from them

    def in_blocks(self) -> Any:
        """One step on all rows, in blocks whose sums are combined in a tree.

        Its stages follow one another, or are asked for one by one, where the rows come from
        elsewhere: what comes before a pass, the sums of some blocks, and their combination, pass
        by pass; then the update.
        """
        split = self.program.split
        assert split is not None
        known: dict[Node, Place] = {}
        stages = [self.sweep(split, i, known) for i in range(len(split.sweeps))]
        heads = legalise(split.update, apart=True)
        lowering = self.graph("update", heads, more=known)
        commit = self.commit(lowering, heads)

        def write(end: Any, rows: Let, _full: Let) -> None:
            count = self.of("floordiv", self.of("add", rows, BLOCK - 1), BLOCK)

            def update() -> None:
                self.add(Batch(lowering.block, self.program.rows, None, rows))
                commit(rows)
                self.if_running(end)

            last = STAGES * len(stages)
            for number, (before, sums, after) in enumerate(stages):
                first = STAGES * number
                self.stage(first, partial(self.serial, partial(before, rows)))
                self.stage(first + SUMS, partial(sums, rows, count))
                self.stage(first + 2, partial(self.serial, partial(after, count)))
            self.stage(last, partial(self.serial, update))
            stage = self.get("stage")
            part = self.of("and", self.of("ge", stage, 0), self.of("lt", stage, last))
            self.branch(part, lambda: self.serial(lambda: self.put("budget", 0)))
            self.add(Barrier())

        return write

    # Ends of steps and epochs

    def changes(self, lowering: Lowering, new: Sequence[Node]) -> list[Statement]:
        """The new state, written after everything that reads the old one."""
        rows = zip(self.state, self.program.state, new, strict=True)
        moved = [(place, node) for place, before, node in rows if node is not before]
        return self.after(lowering, [place for place, _ in moved], [node for _, node in moved])

    def commit(self, lowering: Lowering, outputs: Sequence[Node], batches: bool = False) -> Any:
        """What follows a step: the check, the new state, the counters.

        Args:
            batches: whether it is one of several steps of an epoch, which may write in place.
        """
        k = len(self.state)
        changes = self.changes(lowering, outputs[:k])
        loss, *ok = (lowering.cells[node][()] for node in outputs[k:])
        if batches:
            fuse(lowering.block.statements)
            done = write_in_place(lowering.block.statements, changes)
            for _, beside in done:
                self.scratch.pop(beside.number)
            if done and ok and self.rewind is None:
                rows = zip(self.state, self.program.state, outputs, strict=False)
                self.rewind = Rewind(self, [x for x, before, new in rows if new is not before])

        def write(rows: Let) -> None:
            def advance() -> None:
                self.once(*changes)
                mean = loss if loss.dtype == FLOAT else self.cast(loss, FLOAT)
                share = self.let("mul", mean, self.cast(rows, FLOAT))
                self.put("loss_sum", self.let("add", self.get("loss_sum"), share))
                for counter, change in (("batch", 1), ("budget", -1), ("steps", 1)):
                    self.count(counter, change)

            if ok:
                stay = self.rewind.go_back if self.rewind is not None else self.diverged
                self.branch(ok[0], advance, stay)
            else:
                advance()

        return write

    def epoch_end(self) -> Any:
        """What writes the end of an epoch: records, the stop code, new states."""
        p, k = self.program, len(self.state)
        inputs = dict(zip((p.epoch.index, p.epoch.loss), self.ends, strict=True))
        outputs, self.rows = p.epoch_heads, Rows()
        lowering = self.graph("epoch", outputs, more=inputs)
        row = Let("load", (), Address(self.words["records"], ()), INT)
        rows_of = [Place(r.role, r.number, (1, *r.shape), r.dtype) for r in self.records]
        records = self.after(lowering, rows_of, outputs[k + 1 :], at((row, 1)))
        changes = self.changes(lowering, outputs[:k])
        stop = lowering.cells[p.epoch.stop][()]

        def write() -> None:
            n = self.get("n_rows")
            self.store(self.ends[0], self.cast(self.get("epoch"), FLOAT))
            count = self.cast(self.of("max", n, 1), FLOAT)
            self.store(self.ends[1], self.let("div", self.get("loss_sum"), count))
            self.add(Batch(lowering.block, p.rows, None, n), row, *records)
            self.count("records", 1)
            self.once(*changes)
            self.put("status", stop)
            self.count("epoch", 1)
            self.put("batch", 0)
            self.put("loss_sum", self.const(0.0, FLOAT))

        return write


def write_descent(program: Program, variant: Variant, divided: bool = False) -> DescentText:
    """The text of one variant of a program; `divided`, for several threads."""
    flow = DescentFlow(program, variant, divided)
    flow.write()
    # Beside products, single numbers are a small part of the time, and of the text a large one.
    f = FunctionText(contracts=not flow.may_be_divided, outline=int(flow.multiplies))
    for block in flow.blocks.values():
        f.constants(block)
    writer = FlowWriter(f)
    kept = flow.kept
    for place in kept:
        writer.move(place, into=True)
    restore = flush_underflow(f) if flow.multiplies else None
    writer.write(flow.block)
    if restore is not None:
        restore()
    for place in kept:
        writer.move(place, into=False)
    f.e.line("ret i64 0")
    scratch = list(flow.scratch.values())
    return DescentText(
        f.text(), list(f.slots), scratch, flow.records, writer.spill, flow.shared, flow.parts,
        scratch if divided else flow.wires, divided or variant == "blocks", flow.blocks, flow.block,
    )

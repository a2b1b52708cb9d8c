"""The whole descent as one function: epochs, shuffling, batches, steps, stopping, records.

The control flow that `graph.program.interpret` has in Python is written here as text around the
blocks of the step graph and the epoch graph. Small state lives in registers from entry to exit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from descend.compile.calls import CALLS
from descend.compile.cells import object_array
from descend.compile.entry import CONTROL, DescentText, swaps_rows
from descend.compile.kinds import Value
from descend.compile.latency import regroup
from descend.compile.llvm import BlockWriter
from descend.compile.loops import Address, Block, Call, Copy, Index, Place
from descend.compile.lower import Lowering, lower
from descend.compile.module import FunctionText
from descend.compile.operations import kind_of
from descend.compile.schedule import is_small
from descend.compile.segments import cut
from descend.compile.shuffle import write_shuffle
from descend.graph.node import Dim, Node, postorder, sizes
from descend.graph.program import DIVERGED, EPOCHS_SPENT, Program, program_heads
from descend.graph.shared import shared_bodies
from descend.graph.source import const
from descend.simplify.driver import simplify

__all__ = ["write_descent"]

I64 = "i64"


def _number(value: int) -> Value:
    return Value(str(value), I64, 1)


class DescentWriter:
    """Writes one variant of a program: with or without a last, smaller batch."""

    def __init__(self, program: Program, remainder: bool) -> None:
        self.program = program
        self.remainder = remainder
        self.f = FunctionText()
        self.e = self.f.e
        self.scratch: list[Place] = []
        self.blocks: dict[str, Block] = {}
        self.state = [
            Place("state", i, n.shape, n.dtype) for i, n in enumerate(program.state)
        ]
        self.control: dict[str, str] = {}
        self.spill = 0
        self.swaps = program.plan.shuffle and swaps_rows(program.data)
        self.bodies = shared_bodies(program_heads(program))
        self.shared: list[tuple[int, Sequence[Place], Sequence[Place]]] = []
        self.lowered = self.lower_all()
        long = any(len(cut(x.block.statements)) > 1 for x, _ in self.lowered.values())
        self.in_registers = not long

    # Control words: variables of the function, loaded at entry and stored at exit

    def variable(self, name: str) -> Value:
        kind = "f64" if name == "loss_sum" else I64
        plain = Value("", kind, 1)
        return self.e.op(f"load {plain.type}, ptr {self.control[name]}", kind, 1)

    def assign(self, name: str, value: Value) -> None:
        self.e.line(f"store {value.typed}, ptr {self.control[name]}")

    def control_pointer(self, name: str) -> str:
        base = self.f.slot(("control",))
        at = self.e.fresh("c")
        self.e.line(f"{at} = getelementptr i64, ptr {base}, i64 {CONTROL.index(name)}")
        return at

    def open(self) -> None:
        for name in CONTROL:
            kind = "double" if name == "loss_sum" else I64
            self.control[name] = self.f.alloca(kind)
            value = self.e.op(f"load {kind}, ptr {self.control_pointer(name)}",
                              "f64" if name == "loss_sum" else I64, 1)  # fmt: skip
            self.assign(name, value)
        for place in self.kept_in_registers():
            self.move_registers(place, self.f.registers(place), into=True)

    def kept_in_registers(self) -> list[Place]:
        """Small state, unless the program is so long that it is cut into several functions."""
        if not self.in_registers:
            return []
        pairs = zip(self.state, self.program.state, strict=True)
        return [place for place, node in pairs if is_small(node)]

    def lower_all(self) -> dict[str, tuple[Lowering, list[Node]]]:
        """Every block of the program, before any text is written."""
        p, graph = self.program, self.program.step
        size = p.plan.batch_size
        heads = [*graph.new_state, graph.loss, *([graph.ok] if graph.ok is not None else [])]
        blocks = {}
        if size is None:
            blocks["whole"] = self.lower_block("whole", heads, p.data), heads
        else:
            blocks["batch"] = self.lower_batch(heads, size)
            if self.remainder:
                blocks["last"] = self.lower_block("last", heads, p.data), heads
        for lowering, outputs in blocks.values():
            if len(cut(lowering.block.statements)) == 1:
                self.shorten(lowering, outputs)
        ends = [*p.epoch.new_state, p.epoch.stop, *p.epoch.record]
        blocks["epoch"] = self.lower_block("epoch", ends, ()), ends
        return blocks

    def lower_batch(self, heads: list[Node], size: int) -> tuple[Lowering, list[Node]]:
        """A batch of known size: one row is a chain of scalars, more are lanes."""
        p = self.program
        if size > 1:
            return self.lower_block("batch", heads, p.data, {p.rows: size}), heads
        known = simplify(with_rows(heads, p, 1))
        return self.lower_block("batch", known, static_data(p, 1)), known

    def shorten(self, lowering: Lowering, outputs: Sequence[Node]) -> None:
        """Regroup the scalars of a step by when they are ready."""
        cells = {n: lowering.cells[n] for n in outputs if is_small(n)}
        lets = regroup(lowering.block, [let for c in cells.values() for let in c.flat])
        lowering.block.outputs = lets
        following = iter(lets)
        for node, c in cells.items():
            lowering.cells[node] = object_array([next(following) for _ in c.flat], node.shape)

    def move_registers(self, place: Place, names: Sequence[str], into: bool) -> None:
        """Between the registers of a small state and its memory."""
        writer = BlockWriter(self.f.frame(), CALLS)
        kind = kind_of(place.dtype)
        base = self.f.pointer(place)
        size = 1 if kind == "i1" else int(kind[1:]) // 8
        for i, name in enumerate(names):
            at = self.e.fresh("p")
            self.e.line(f"{at} = getelementptr i8, ptr {base}, i64 {i * size}")
            source, target = (at, name) if into else (name, at)
            value = writer.load_from(source, kind, 1)
            value = self.e.convert(value, "u8") if kind == "i1" else value
            self.e.line(f"store {value.typed}, ptr {target}, align {size}")

    def close(self) -> None:
        for place in self.kept_in_registers():
            self.move_registers(place, self.f.registers(place), into=False)
        for name in CONTROL:
            value = self.variable(name)
            at = self.control_pointer(name)
            self.e.line(f"store {value.typed}, ptr {at}")
        self.e.line("ret i64 0")

    # Labels

    def jump(self, label: str) -> None:
        self.e.line(f"br label %{label}")

    def branch(self, condition: Value, yes: str, no: str) -> None:
        self.e.line(f"br i1 {condition.name}, label %{yes}, label %{no}")

    def label(self, name: str) -> None:
        self.e.start_block(name)

    # The plan

    def write(self) -> DescentText:
        self.open()
        self.jump("epoch_check")
        self.label("epoch_check")
        left = self.e.lt(self.variable("epoch"), self.variable("max_epochs"))
        self.branch(left, "budget_check", "epochs_spent")
        self.label("epochs_spent")
        self.assign("status", _number(EPOCHS_SPENT))
        self.jump("leave")
        self.label("budget_check")
        has_budget = self.e.gt(self.variable("budget"), 0)
        room = self.e.lt(self.variable("records"), self.variable("capacity"))
        self.branch(self.e.and_(has_budget, room), "epoch_start", "leave")
        self.label("epoch_start")
        if self.program.plan.shuffle:
            first = self.e.eq(self.variable("batch"), 0)
            missing = self.e.ne(self.variable("reorder"), 0)
            self.branch(self.e.or_(first, missing), "shuffle", "shuffled")
            self.label("shuffle")
            self.assign("reorder", _number(0))
            words = [self.variable(w) for w in ("n_rows", "shuffle_key", "epoch")]
            write_shuffle(self.f, self.program.data, self.swaps, *words)
            self.jump("shuffled")
            self.label("shuffled")
        self.batches()
        self.epoch_end()
        self.label("leave")
        self.close()
        records = [
            Place("record", i, r.shape, r.dtype) for i, r in enumerate(self.program.epoch.record)
        ]
        return DescentText(
            self.f.text(), list(self.f.slots), self.scratch, records, self.spill, self.shared,
            self.blocks,
        )

    def batches(self) -> None:
        size = self.program.plan.batch_size
        n = self.variable("n_rows")
        if size is None:
            self.jump("last_batch")
            self.label("last_batch")
            self.step("whole", n, _number(0), "epoch_end")
            return
        full = self.e.op(f"udiv i64 {n.name}, {size}", I64, 1)
        self.jump("batch_check")
        self.label("batch_check")
        more = self.e.lt(self.variable("batch"), full)
        self.branch(more, "batch_budget", "after_batches")
        self.label("batch_budget")
        self.branch(self.e.gt(self.variable("budget"), 0), "batch_step", "leave")
        self.label("batch_step")
        first = self.variable("batch")
        first = self.e.mul(first, size) if size > 1 else first
        self.step("batch", _number(size), first, "batch_check")
        self.label("after_batches")
        if self.remainder:
            self.branch(self.e.gt(self.variable("budget"), 0), "last_batch", "leave")
            self.label("last_batch")
            start = self.e.mul(full, size)
            self.step("last", self.e.sub(n, start), start, "epoch_end")
        else:
            self.jump("epoch_end")

    def step(self, name: str, rows: Value, first: Value, following: str) -> None:
        """One batch: its block, the check, the commit, the counters."""
        p, graph = self.program, self.program.step
        lowering, outputs = self.lowered[name]
        order = self.f.slot(("order",)) if p.plan.shuffle and not self.swaps else None
        start = first if p.plan.batch_size is not None else None
        frame = self.f.frame(start, order, (p.rows, rows))
        writer = BlockWriter(frame, CALLS)
        writer.write(lowering.block)
        self.spill = max(self.spill, len(writer.spilled))
        if graph.ok is not None:
            ok = writer.values[lowering.cells[outputs[-1]][()]]
            self.branch(ok, f"commit_{name}", "diverged")
            self.label(f"commit_{name}")
        self.commit(lowering, writer, outputs[: len(p.state)])
        loss = writer.values[lowering.cells[outputs[len(p.state)]][()]]
        loss = self.e.convert(loss, "f64")
        weight = self.e.convert(rows, "f64") if rows.name[0] == "%" else float(rows.name)
        total = self.e.add(self.variable("loss_sum"), self.e.mul(loss, weight))
        self.assign("loss_sum", total)
        for counter, change in (("batch", 1), ("budget", -1), ("steps", 1)):
            self.assign(counter, self.e.add(self.variable(counter), change))
        self.jump(following)

    def lower_block(self, name: str, outputs: Sequence[Node], data: Sequence[Node],
                    known: Mapping[Dim, int] | None = None) -> Lowering:  # fmt: skip
        p = self.program
        role = "shuffled" if self.swaps else "data"
        leaves = dict(zip(p.state, self.state, strict=True))
        leaves |= {
            n: Place(role, i, n.shape, n.dtype, batched=True) for i, n in enumerate(data)
        }
        leaves |= {n: Place("fixed", i, n.shape, n.dtype) for i, n in enumerate(p.fixed)}
        if name == "epoch":
            leaves |= {
                n: Place("epoch", i, (), n.dtype)
                for i, n in enumerate((p.epoch.index, p.epoch.loss))
            }
        lowering = lower(outputs, leaves, len(self.scratch), known)
        self.scratch += lowering.block.scratch
        self.f.constants(lowering.block)
        for call in lowering.block.statements:
            if isinstance(call, Call) and call.name == "shared":
                call.attrs["number"] = len(self.shared)
                body = self.bodies.index(call.attrs["body"])
                self.shared.append((body, call.sources, call.attrs["results"]))
        self.blocks[name] = lowering.block
        return lowering

    def commit(self, lowering: Lowering, writer: BlockWriter, new: Sequence[Node]) -> None:
        """Write the new state, after everything that reads the old one."""
        copies = []
        for place, before, node in zip(self.state, self.program.state, new, strict=True):
            if node is before:
                continue
            if is_small(node):
                for at in np.ndindex(*sizes(node.shape)):
                    address = Address(place, tuple(Index(i) for i in at))
                    writer.store(address, writer.values[lowering.cells[node][at]], {}, None)
                continue
            source = lowering.places[node]
            if source.role == "state":
                parked = Place(
                    "scratch", len(self.scratch), source.shape, source.dtype
                )
                self.scratch.append(parked)
                writer.copy(Copy(parked, source))
                source = parked
            copies.append(Copy(place, source))
        for copy in copies:
            writer.copy(copy)

    # Ends

    def epoch_end(self) -> None:
        p = self.program
        self.label("epoch_end")
        n = self.variable("n_rows")
        count = self.e.convert(self.e.max(n, 1), "f64")
        values = (
            self.e.convert(self.variable("epoch"), "f64"),
            self.e.div(self.variable("loss_sum"), count),
        )
        for number, value in enumerate(values):
            place = Place("epoch", number, (), np.dtype(np.float64))
            target = self.f.registers(place)[0] if self.in_registers else self.f.pointer(place)
            self.e.line(f"store {value.typed}, ptr {target}")
        lowering, outputs = self.lowered["epoch"]
        writer = BlockWriter(self.f.frame(None, None, (p.rows, n)), CALLS)
        writer.write(lowering.block)
        self.spill = max(self.spill, len(writer.spilled))
        k = len(p.state)
        self.record(lowering, writer, outputs[k + 1 :])
        self.commit(lowering, writer, outputs[:k])
        stop = self.e.convert(writer.values[lowering.cells[outputs[k]][()]], I64)
        self.assign("status", stop)
        self.assign("epoch", self.e.add(self.variable("epoch"), 1))
        self.assign("batch", _number(0))
        self.assign("loss_sum", self.e.const(0.0, "f64", 1))
        self.branch(self.e.eq(stop, 0), "epoch_check", "leave")
        if p.step.ok is not None:
            self.label("diverged")
            self.assign("status", _number(DIVERGED))
            self.assign("steps", self.e.add(self.variable("steps"), 1))
            self.jump("leave")

    def record(self, lowering: Lowering, writer: BlockWriter, nodes: Sequence[Node]) -> None:
        row = self.variable("records")
        for number, node in enumerate(nodes):
            size = math.prod(sizes(node.shape))
            bytes_each = size * node.dtype.itemsize
            at = self.e.mul(row, bytes_each)
            base = self.f.slot(("record", number))
            start = self.e.fresh("p")
            self.e.line(f"{start} = getelementptr i8, ptr {base}, i64 {at.name}")
            if not is_small(node):
                source = self.f.pointer(lowering.places[node])
                self.e.preamble["llvm.memcpy"] = (
                    "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"
                )
                self.e.line(
                    f"call void @llvm.memcpy.p0.p0.i64(ptr {start}, ptr {source}, "
                    f"i64 {bytes_each}, i1 false)"
                )
                continue
            place = Place("record", number, node.shape, node.dtype)
            cells = lowering.cells[node]
            for flat, index in enumerate(np.ndindex(cells.shape)):
                at_cell = self.e.fresh("p")
                offset = flat * node.dtype.itemsize
                self.e.line(f"{at_cell} = getelementptr i8, ptr {start}, i64 {offset}")
                address = Address(place, tuple(Index(i) for i in index))
                writer.store(address, writer.values[cells[index]], {}, at_cell)
        self.assign("records", self.e.add(row, 1))


def _static_map(program: Program, rows: int) -> dict[Node, Node]:
    """Every input of the step that has the symbolic rows, with the number in their place."""
    from_inputs = {}
    for node in program.data:
        shape = tuple(rows if n is program.rows else n for n in node.shape)
        from_inputs[node] = node.op.apply(**{**node.attrs, "shape": shape})
    return from_inputs


def static_data(program: Program, rows: int) -> list[Node]:
    image = _static_map(program, rows)
    return [image[n] for n in program.data]


def with_rows(outputs: Sequence[Node], program: Program, rows: int) -> list[Node]:
    """The step graph for a known number of rows: small batches then need no loop."""
    image = _static_map(program, rows)

    def known(value: Any) -> Any:
        if value is program.rows:
            return rows
        return tuple(known(v) for v in value) if isinstance(value, tuple) else value

    for node in postorder(outputs):
        if node in image:
            continue
        attrs = {k: known(v) for k, v in node.attrs.items()}
        args = tuple(image[a] for a in node.args)
        if node.op.name == "row_count" and isinstance(attrs["dim"], int):
            image[node] = const(attrs["dim"], node.dtype)
        else:
            image[node] = node.op.apply(*args, **attrs)
    return [image[o] for o in outputs]


def write_descent(program: Program, remainder: bool) -> DescentText:
    """The text of a program whose row count is (or isn't) a multiple of the batch size."""
    return DescentWriter(program, remainder).write()

"""A descent for many trainings at once: what each of them carries, and how it ends by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from descend.compile.packet_program import PacketProgram
from descend.graph.elementwise import call, cast, select
from descend.graph.linear import broadcast_like, reduce_sum
from descend.graph.node import Node, postorder, substitute
from descend.graph.program import DIVERGED, Program, Slot
from descend.graph.source import const, input_node, row_count
from descend.program.building import FLOAT
from descend.simplify.driver import simplify

__all__ = ["CODE", "EPOCHS", "FIRST", "LOSS", "packet_program"]

INT = np.dtype(np.int64)
LOSS, FIRST, EPOCHS = "loss", "first loss", "epochs"
CODE, SUM = "code", "sum of losses"
RETURNED = ("parameter", "average", "best", "model")


def packet_program(
    program: Program, own: Collection[Node], records: Mapping[str, Node]
) -> tuple[PacketProgram, list[str]]:
    """The graphs of one training among many, and the names of what it carries.

    What it comes to is put aside at the end of each epoch until it ends: the mean loss (`LOSS`),
    that of the first epoch (`FIRST`), the whole epochs (`EPOCHS`), the records that are asked for,
    and every state that a result is read from, each by its name with "kept " before it. `CODE` is 0
    until it ends, then the code of its rule, or that of a divergence.

    Args:
        own: which of the start and fixed inputs are those of the training.
        records: what is put aside beside, by name.
    """
    t = _Training(program, records)
    state = [*(s.form for s in t.slots), t.total, t.code, *t.kept.values()]
    begin = [*(s.begin for s in t.slots), const(0.0), const(0, INT), *t.first_kept()]
    step = [*(s.step for s in t.slots), t.summed(), t.code, *t.kept.values()]
    end = [*t.after, const(0.0), t.code_after(), *t.put_aside()]
    made = simplify([*begin, *step, *end], final=True)
    count = len(state)
    begin, step, end = (made[i * count : (i + 1) * count] for i in range(3))
    used, inputs = set(postorder(made)), (*program.start, *program.fixed)
    names = [*(s.name for s in t.slots), SUM, CODE, *(f"kept {name}" for name in t.kept)]
    built = PacketProgram(
        tuple(state), tuple(n for n in inputs if n in own), program.data,
        tuple(n for n in inputs if n in used and n not in own), t.index, program.rows,
        program.plan, tuple(begin), tuple(step), tuple(end), len(t.slots) + 1,
    )  # fmt: skip
    return built, names


class _Training:
    """The parts of a training that goes on beside others that may have ended.

    Attributes:
        slots: of the program, those that matter to its end.
        total, code, kept: what it carries besides.
        after: the slots after an epoch.
    """

    def __init__(self, program: Program, records: Mapping[str, Node]) -> None:
        self.program, self.index = program, program.epoch.index
        self.slots = _needed(program, list(records.values()))
        self.total, self.code = input_node(SUM, (), FLOAT), input_node(CODE, (), INT)
        self.rows = row_count(program.rows, FLOAT)
        self.mean = call("div", self.total, call("max", self.rows, const(1.0)))
        ends = [*(s.epoch for s in self.slots), program.epoch.stop, *records.values()]
        ends = substitute(ends, {program.epoch.loss: self.mean})
        count = len(self.slots)
        self.after, self.stop = ends[:count], ends[count]
        self.records = dict(zip(records, ends[count + 1 :], strict=True))
        self.returned = {
            slot.name: (slot, value)
            for slot, value in zip(self.slots, self.after, strict=True)
            if slot.kind in RETURNED
        }
        names = (LOSS, FIRST, EPOCHS, *records)
        self.kept = {name: input_node(f"kept {name}", (), FLOAT) for name in names}
        self.kept |= {
            name: input_node(f"kept {name}", value.shape, value.dtype)
            for name, (_, value) in self.returned.items()
        }

    def summed(self) -> Node:
        """The sum of losses after a batch."""
        share = call("mul", cast(self.program.step.loss, FLOAT), self.rows)
        return call("add", self.total, share)

    def sound(self) -> Node:
        """Whether all numbers are finite: what is not once, is not any more."""
        size = call("abs", self.mean)
        for slot in self.slots:
            if slot.kind in ("parameter", "average"):
                whole = reduce_sum(call("abs", slot.form), tuple(range(slot.form.ndim)))
                size = call("add", size, cast(whole, FLOAT))
        return call("lt", size, const(np.inf))

    def on(self) -> Node:
        return call("eq", self.code, const(0, INT))

    def code_after(self) -> Node:
        ended = select(self.sound(), cast(self.stop, INT), const(DIVERGED, INT))
        return select(self.on(), ended, self.code)

    def first_kept(self) -> list[Node]:
        """What is put aside before the first epoch."""
        nothing = {LOSS: np.nan, FIRST: np.nan, EPOCHS: 0.0, **dict.fromkeys(self.records, np.nan)}
        begun = [cast(slot.begin, value.dtype) for slot, value in self.returned.values()]
        return [*map(const, nothing.values()), *begun]

    def put_aside(self) -> list[Node]:
        """What is put aside after an epoch: of a training that has ended, what was there."""
        first = call("eq", self.index, const(0.0))
        now = {
            LOSS: self.mean,
            FIRST: select(first, self.mean, self.kept[FIRST]),
            EPOCHS: call("add", self.index, const(1.0)),
            **{name: cast(node, FLOAT) for name, node in self.records.items()},
            **{name: value for name, (_, value) in self.returned.items()},
        }
        going = call("and", self.on(), self.sound())
        return [
            select(broadcast_like(going, value), value, self.kept[name])
            for name, value in now.items()
        ]


def _needed(program: Program, ends: Sequence[Node]) -> list[Slot]:
    """The slots on which the loss, the end or the result of a training depends."""
    by_form = {slot.form: slot for slot in program.slots}
    roots = [program.step.loss, program.epoch.stop, *ends]
    roots += [s.form for s in program.slots if s.kind in RETURNED]
    kept: set[Node] = set()
    while roots:
        new = {n for n in postorder(roots) if n in by_form} - kept
        kept |= new
        roots = [g for form in new for g in (by_form[form].step, by_form[form].epoch)]
    return [slot for slot in program.slots if slot.form in kept]

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
RETURNED = ("parameter", "average", "best")


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
    slots = _needed(program, [*records.values()])
    total = input_node(SUM, (), FLOAT)
    code = input_node(CODE, (), INT)
    rows = row_count(program.rows, FLOAT)
    share = call("mul", cast(program.step.loss, FLOAT), rows)
    mean = call("div", total, call("max", rows, const(1.0)))

    def at_end(nodes: Sequence[Node]) -> list[Node]:
        return substitute(list(nodes), {program.epoch.loss: mean})

    *after, stop = at_end([*(slot.epoch for slot in slots), program.epoch.stop])
    size = call("abs", mean)
    for slot in slots:
        if slot.kind in ("parameter", "average"):
            numbers = call("abs", slot.form)
            whole = reduce_sum(numbers, tuple(range(slot.form.ndim)))
            size = call("add", size, cast(whole, FLOAT))
    sound = call("lt", size, const(np.inf))
    on = call("eq", code, const(0, INT))
    going = call("and", on, sound)
    ended = select(sound, cast(stop, INT), const(DIVERGED, INT))
    index, first = program.epoch.index, input_node(f"kept {FIRST}", (), FLOAT)
    kept = {
        LOSS: (mean, const(np.nan)),
        FIRST: (select(call("eq", index, const(0.0)), mean, first), const(np.nan)),
        EPOCHS: (call("add", index, const(1.0)), const(0.0)),
    }
    kept |= {
        name: (cast(node, FLOAT), const(np.nan))
        for name, node in zip(records, at_end(list(records.values())), strict=True)
    }
    for slot, value in zip(slots, after, strict=True):
        if slot.kind in RETURNED or slot.kind == "model":
            kept[slot.name] = value, slot.begin
    forms = {name: input_node(f"kept {name}", v.shape, v.dtype) for name, (v, _) in kept.items()}
    forms[FIRST] = first
    aside = [
        select(broadcast_like(going, value), value, forms[name])
        for name, (value, _) in kept.items()
    ]
    state = [*(s.form for s in slots), total, code, *forms.values()]
    begin = [*(s.begin for s in slots), const(0.0), const(0, INT)]
    begin += [cast(at_first, value.dtype) for value, at_first in kept.values()]
    step = [*(s.step for s in slots), call("add", total, share), code, *forms.values()]
    end = [*after, const(0.0), select(on, ended, code), *aside]
    made = simplify([*begin, *step, *end], final=True)
    count = len(state)
    begin, step, end = (made[i * count : (i + 1) * count] for i in range(3))
    mine = tuple(n for n in (*program.start, *program.fixed) if n in own)
    used = set(postorder(made))
    shared = tuple(n for n in (*program.start, *program.fixed) if n in used and n not in own)
    names = [*(s.name for s in slots), SUM, CODE, *(f"kept {name}" for name in kept)]
    built = PacketProgram(
        tuple(state), mine, program.data, shared, index, program.rows,
        program.plan, tuple(begin), tuple(step), tuple(end), len(slots) + 1,
    )  # fmt: skip
    return built, names


def _needed(program: Program, ends: Sequence[Node]) -> list[Slot]:
    """The slots on which the loss, the end or the result of a training depends."""
    by_form = {slot.form: slot for slot in program.slots}
    roots = [program.step.loss, program.epoch.stop, *ends]
    roots += [s.form for s in program.slots if s.kind in (*RETURNED, "model")]
    kept: set[Node] = set()
    while roots:
        new = {n for n in postorder(roots) if n in by_form} - kept
        kept |= new
        roots = [g for form in new for g in (by_form[form].step, by_form[form].epoch)]
    return [slot for slot in program.slots if slot.form in kept]

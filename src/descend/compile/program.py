"""A Program, compiled: the same `run(bound, control, budget)` that the interpreter has."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from descend.compile.cache import cached_code, digest, graph_key, image_of
from descend.compile.description import as_json, from_json
from descend.compile.entry import STAGES, SUMS, DescentText, Variant
from descend.compile.memory import Code, ProgramMemory
from descend.compile.native import Aim, aimed_at, emit_object
from descend.compile.shared import shared_function
from descend.compile.team import Team
from descend.graph.blocks import BLOCK
from descend.graph.node import Dim
from descend.graph.program import RUNNING, Bindings, Control, Program, Window
from descend.graph.shared import shared_bodies

__all__ = ["NativeProgram", "compile_program"]


def _program_key(p: Program) -> str:
    """Equal for programs that compile to the same code."""
    inputs = (*p.state, *p.data, *p.fixed, p.epoch.index, p.epoch.loss)
    counts = [len(x) for x in (p.state, p.data, p.fixed, p.step_heads, p.epoch.record)]
    return f"{counts} {p.plan}\n{graph_key(p.heads, inputs, {p.rows: 0})}"


class NativeProgram:
    """Compiled variants of one program, made when first needed (see `entry.Variant`).

    Buffers that a run needs between its entries (the order of rows, records) are kept, for each
    thread, for the arrays used last; the order is made anew where a run is taken up in the middle
    of an epoch with other arrays.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        p = self.program
        fixed = [n for node in p.fixed for n in node.shape if isinstance(n, Dim)]
        self._dims = list(dict.fromkeys([p.rows, *fixed]))
        self._key = _program_key(p)
        self._variants: dict[tuple[Variant, bool, Aim | None], Code] = {}
        self.was_compiled = False  # now, rather than found in the cache
        self._bodies = shared_bodies(program.heads)
        self._own = threading.local()

    def variant(self, n_rows: int) -> Code:
        """The code for a number of rows, by however many threads."""
        program = self.program
        variant = self._variant(n_rows)
        divided = variant != "blocks" and program.most_threads(n_rows) > 1
        found = self._variants.get((variant, divided, aimed_at()))
        if found is None:
            about, loaded = cached_code(*self._made(variant, divided))
            text = DescentText(text="", **from_json(about, self._dims))
            image = functools.partial(self._image, variant, divided)
            found = Code(program, text, loaded, self._bodies, image)
            for body in self._bodies:
                shared_function(body)
            self._variants[variant, divided, aimed_at()] = found
        return found

    def _made(
        self, variant: Variant, divided: bool
    ) -> tuple[str, Callable[[], tuple[Any, bytes]]]:
        """The key of a variant, and what makes its description and its object code."""

        def make() -> tuple[Any, bytes]:
            from descend.compile.descent import write_descent
            from descend.compile.legalise import legal_program

            self.was_compiled = True
            written = write_descent(legal_program(self.program), variant, divided)
            return as_json(written.about(), self._dims), emit_object(written.text)

        how = variant + ", divided" * divided
        return digest("program", self._key, how, str(BLOCK)), make

    def _image(self, variant: Variant, divided: bool) -> bytes:
        return image_of(*self._made(variant, divided))[1]

    def _variant(self, n_rows: int) -> Variant:
        plan = self.program.plan
        if plan.batch_size is not None and (plan.varies or n_rows % plan.batch_size):
            return "remainder"
        return "blocks" if self.program.in_blocks(n_rows) else "whole"

    def run(self, bound: Bindings, control: Control, budget: int) -> None:
        """Advance a run by at most `budget` steps, or until it stops. Call again to go on."""
        code = self.variant(bound.n_rows)
        memory = self._memory(bound, code)
        while control.status == RUNNING and budget > 0:
            memory.enter(control, budget)
            if bound.stream is None:
                memory.call(control.threads if code.text.threads else 1)
                budget = memory.leave(control)
            elif bound.batch_size is not None:
                budget -= self._window(memory, bound.window, control, bound.batch_size)
                if control.leaves is not None and control.leaves(control.batch * bound.batch_size):
                    return
            elif self._pass_by_pass(memory, bound, control):
                memory.leave(control)
                budget -= 1
            else:
                return

    def _window(self, memory: ProgramMemory, window: Window, control: Control, size: int) -> int:
        """The batches of the next window of rows that come; how many there were."""
        window.move(control.epoch, control.batch * size)
        batches = -(-len(window.columns[0]) // size)
        threads = control.threads if memory.code.text.threads else 1
        memory.enter(control, batches)
        memory.point(window.columns, window.first, threads)
        memory.call(threads)
        memory.leave(control)
        return batches

    def _pass_by_pass(self, memory: ProgramMemory, bound: Bindings, control: Control) -> bool:
        """One step on rows that come; whether it came to its end."""
        split = self.program.split
        assert split is not None
        for stage in range(STAGES * len(split.sweeps) + 1):
            number, part = divmod(stage, STAGES)
            if part == 0 or stage == STAGES * len(split.sweeps):
                memory.ask_for(stage)
                memory.call(1)
            elif part == SUMS:
                memory.begin_pass(number)
                if bound.elsewhere is not None:
                    if not bound.elsewhere(memory, stage, control.leaves):
                        return False
                elif not self._sum(memory, bound, control, stage):
                    return False
                memory.end_pass(number)  # instead of the stage that combines them
        return True

    def _sum(self, memory: ProgramMemory, bound: Bindings, control: Control, stage: int) -> bool:
        """The sums of one pass, block by block; whether it came to its end."""
        stream = bound.stream if control.threads > 1 else None
        parts = None if stream is None else stream.parts(control.threads)
        if parts is not None:
            if stage not in memory.teams:
                memory.teams[stage] = Team(memory, stage)
            return bool(memory.teams[stage].sums(memory, parts, control.leaves))
        for first, columns in bound.blocks():
            end = first + len(columns[0])
            memory.point(columns, first)
            for block in range(first // BLOCK, -(-end // BLOCK)):
                memory.sum_block(stage // STAGES, stage, block)
            if control.leaves is not None and control.leaves(end):
                return False
        return True

    def _memory(self, bound: Bindings, code: Code) -> ProgramMemory:
        """The memory of a run: that of the last entry in this thread, if it had the same arrays."""
        held: tuple[tuple[int, ...], ProgramMemory] | None = getattr(self._own, "memory", None)
        if held is None or held[0] != _identity(bound):
            p = self.program
            for arrays, nodes in ((bound.data, p.data), (bound.fixed, p.fixed)):
                arrays[:] = [
                    np.asarray(a, n.dtype, order="C") for a, n in zip(arrays, nodes, strict=True)
                ]
            bound.state[:] = [
                np.array(a, n.dtype, order="C") for a, n in zip(bound.state, p.state, strict=True)
            ]
            comes = bound.stream is not None
            kept = replace(bound, stream=None)  # else files would be open as long as the program
            held = self._own.memory = _identity(bound), ProgramMemory(code, kept, comes=comes)
        return held[1]


def _identity(bound: Bindings) -> tuple[int, ...]:
    return bound.n_rows, bound.stream is None, *map(id, (*bound.state, *bound.data, *bound.fixed))


def compile_program(program: Program) -> NativeProgram:
    """Compile a descent; variants are made when a run first needs them."""
    return NativeProgram(program)

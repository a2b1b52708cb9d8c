"""From a recipe to something that runs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import Any

import numpy as np

from descend.compile.native import NotNative
from descend.compile.program import compile_program
from descend.graph.evaluate import Prepared
from descend.graph.node import Node
from descend.lean import dataclass
from descend.program.recipe import Descent
from descend.run.drive import Interpreted, Runner
from descend.run.kept import Store
from descend.task.columns import running_slot
from descend.trace.context import Trace
from descend.trace.model import Model

__all__ = ["BUILT", "Built", "make_runner", "settled"]


@dataclass
class Built:
    """A program that is ready to run, with the model it was made of.

    Attributes:
        engine: `native` or `interpreted`.
        notes: what the report should say of the program.
        said: what was warned of when it was built, and is at every call.
        traces: what captures something of the user's, that may change between two fits.
        extras: graphs made later, for statistics, by name; `free`: the model for any number of
            rows, where this one is made for a number for the sake of its loss.
    """

    model: Model
    descent: Descent
    runner: Runner
    engine: str
    notes: tuple[str, ...] = ()
    compile_seconds: float = 0.0
    traces: tuple[Trace, ...] = ()
    extras: dict[str, Any] = field(default_factory=dict)
    said: tuple[str, ...] = ()

    def prepared_loss(self, inputs: Iterable[Node]) -> Prepared:
        """The loss in the order of its evaluation, made once."""
        kept: Prepared | None = self.extras.get("loss")
        if kept is None:
            kept = self.extras["loss"] = Prepared([self.descent.objective], inputs)
        return kept

    def effects(self) -> dict[str, Any]:
        """How many calls of the model draw, and the running values that it serves with."""
        training, captured = self.model.training, self.descent.captured
        if training is None:
            return {}
        kept = {name: captured[running_slot(name)] for name in training.effects.running}
        running = {name: a if a.ndim else a.item() for name, a in kept.items()}
        return {"draws": training.effects.draws, "running": running}

    def serves(self, n_rows: int) -> bool:
        """Whether the program is still the right one: the same captures, any or the same rows."""
        if isinstance(self.model.rows, int) and self.model.rows != n_rows:
            return False
        return all(trace.unchanged() for trace in self.traces)


def settled(built: Built, state: Mapping[str, Any] | None = None) -> Built:
    """The same with the running values of a state; without one, with those that they begin with.

    What is asked of the model as it serves reads them as it reads captured arrays.
    """
    training = built.model.training
    if training is None or not training.effects.running:
        return built
    inputs, values = {}, {}
    for name, running in training.effects.running.items():
        slot = running_slot(name)
        inputs[slot] = running.form
        values[slot] = running.begin if state is None else np.array(state[slot])
    trace = built.model.trace.capturing([(inputs[slot], values[slot]) for slot in inputs])
    made = built.descent
    return replace(
        built,
        model=replace(built.model, trace=trace),
        descent=replace(
            made, inputs={**made.inputs, **inputs}, captured={**made.captured, **values}
        ),
        extras={name: built.extras[name] for name in ("free",) if name in built.extras},
    )


BUILT: Store[Built] = Store(128)


def make_runner(descent: Descent, engine: str, n_rows: int) -> tuple[Runner, str, str, float]:
    """Compile a program, or interpret it where that is asked for, or where native code is missing.

    Returns:
        the runner, the engine it is, why it is another one than asked for, seconds to compile
        (0 where the code was in the cache).
    """
    if engine == "interpreted":
        return Interpreted(descent.program), "interpreted", "", 0.0
    begin = time.perf_counter()
    try:
        program = compile_program(descent.program)
        program.variant(n_rows)
    except NotNative as missing:
        note = f"interpreted: there is no native code for {missing}"
        return Interpreted(descent.program), "interpreted", note, 0.0
    seconds = time.perf_counter() - begin if program.was_compiled else 0.0
    return program, "native", "", seconds

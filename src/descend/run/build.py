"""From a recipe to something that runs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import field
from typing import Any

from descend.compile.native import NotNative
from descend.compile.program import compile_program
from descend.graph.evaluate import Prepared
from descend.graph.node import Node
from descend.lean import dataclass
from descend.program.recipe import Descent
from descend.run.drive import Interpreted, Runner
from descend.run.kept import Store
from descend.trace.context import Trace
from descend.trace.model import Model

__all__ = ["BUILT", "Built", "make_runner"]


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

    def serves(self, n_rows: int) -> bool:
        """Whether the program is still the right one: the same captures, any or the same rows."""
        if isinstance(self.model.rows, int) and self.model.rows != n_rows:
            return False
        return all(trace.unchanged() for trace in self.traces)


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

"""From a recipe to something that runs; what was built is kept as long as the model is the same."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import field
from typing import Any

from descend.compile.lower import NotNative
from descend.compile.program import compile_program
from descend.graph.bulk import without_collection
from descend.lean import dataclass
from descend.pipeline import Descent, Model
from descend.trace.context import Trace
from descend.train.run import Interpreted, Runner

__all__ = ["Built", "built_once", "make_runner"]

MOST_KEPT = 128


@dataclass
class Built:
    """A program that is ready to run, with the model it was made of.

    Attributes:
        engine: `native` or `interpreted`.
        notes: what the report should say of the program.
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

    def serves(self, n_rows: int) -> bool:
        """Whether the program is still the right one: the same captures, any or the same rows."""
        if isinstance(self.model.rows, int) and self.model.rows != n_rows:
            return False
        return all(trace.unchanged() for trace in self.traces)


_kept: OrderedDict[Hashable, Built] = OrderedDict()
_lock = threading.Lock()


def built_once(
    key: Hashable | None, build: Callable[[], Built], n_rows: int
) -> tuple[Built, bool]:
    """Return what stands under the key if the model captures the very same things; else build.

    A program that was made for a number of rows serves no other number.

    Returns:
        what was built, and whether it was built now.
    """
    if key is not None:
        with _lock:
            found = _kept.get(key)
            if found is not None:
                _kept.move_to_end(key)
        if found is not None and found.serves(n_rows):
            return found, False
    with without_collection():
        made = build()
    if key is not None and all(trace.is_pure_capture for trace in made.traces):
        with _lock:
            _kept[key] = made
            while len(_kept) > MOST_KEPT:
                _kept.popitem(last=False)
    return made, True


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

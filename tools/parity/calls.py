"""What a call is, and how one is made and told: no exception and no warning gets lost."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tools.parity import facts

__all__ = ["Call", "answers"]


class Call(NamedTuple):
    """One call: its name, without blanks, and what makes it; `times` counts the answers wanted."""

    name: str
    make: Callable[[], Any]
    times: int = 1


def answers(call: Call) -> Iterator[tuple[str, facts.Facts]]:
    """The facts of each answer by name: `#2` is the second call, `:3` one of many fits."""
    for k in range(call.times):
        name = call.name if call.times == 1 else f"{call.name}#{k + 1}"
        with (
            warnings.catch_warnings(record=True) as caught,
            contextlib.redirect_stdout(io.StringIO()) as printed,
        ):
            warnings.simplefilter("always")
            try:
                told = facts.told(call.make())
            except Exception as error:  # whatever comes is what is recorded
                told = {"": facts.of_error(error)}
        extra: facts.Facts = {}
        if caught:
            extra["warned"] = sorted(
                {facts.cut(f"{w.category.__name__}: {w.message}") for w in caught}
            )
        if printed.getvalue():
            extra["printed"] = printed.getvalue().count("\n")
        for part, one in told.items():
            yield name + part, one if part else {**one, **extra}

"""Programs are built once, and serve again as long as the model is the same."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from types import FunctionType
from typing import Any, Generic, Protocol, TypeVar

from descend.graph.bulk import without_collection
from descend.task.problem import Problem
from descend.trace.context import Trace

__all__ = ["Store", "program_key"]


class Keepable(Protocol):
    """What was built for a model: it knows what the model captured."""

    @property
    def traces(self) -> Sequence[Trace]: ...

    def serves(self, rows: Any) -> bool:
        """Whether it is still the right one: the same captures, any or these rows."""


T = TypeVar("T", bound=Keepable)


class Store(Generic[T]):
    """What was built, by key; what was not used for longest goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def once(self, key: Hashable | None, build: Callable[[], T], rows: Any) -> tuple[T, bool]:
        """Return what stands under the key if the model captures the very same things; else build.

        A program that was made for a number of rows serves no other number.

        Returns:
            what was built, and whether it was built now.
        """
        if key is not None:
            with self._lock:
                found = self._kept.get(key)
                if found is not None:
                    self._kept.move_to_end(key)
            if found is not None and found.serves(rows):
                return found, False
        with without_collection():
            made = build()
        if key is not None and all(trace.is_pure_capture for trace in made.traces):
            with self._lock:
                self._kept[key] = made
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return made, True


def program_key(problem: Problem, *facts: Hashable) -> Hashable | None:
    """What a program depends on: the model's code as it is now, its constants, and these facts.

    Returns:
        None if it cannot be told: something cannot be hashed.
    """
    function: Any = problem.function
    code = getattr(function, "__code__", None)
    if type(function) is FunctionType:  # not kept alive: a program may outlive its model
        function = weakref.ref(function)
    key = (function, code, tuple(problem.constants.items()), *facts)
    try:
        hash(key)
    except TypeError:
        return None
    return key

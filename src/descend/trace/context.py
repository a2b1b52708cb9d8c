"""The trace under way: where in the user's code each node came from, what the model captured.

Traces nest (a gradient inside a model); the innermost one is found through a context variable, so
threads do not see each other's.
"""

from __future__ import annotations

import copy
import dis
import functools
import linecache
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import Any

import numpy as np

from descend.errors import DescendWarning, is_users_file
from descend.graph.node import Node
from descend.graph.source import const, input_node
from descend.lean import dataclass
from descend.trace.captures import Captures

__all__ = [
    "ENTRIES", "LIBRARY", "OURS", "USERS", "Origin", "TRACED", "Trace", "current", "line_of",
    "note", "owner_of", "segment_of", "tracing", "user_frame", "where",
]  # fmt: skip

SMALL = 16
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep
_OWN_TEXTS = tuple(_PACKAGE + name + os.sep for name in ("methods", "networks"))
_STANDARD = os.path.dirname(os.__file__) + os.sep
_SKIPPED = (_PACKAGE, _NUMPY, _STANDARD + "functools.py")

TRACED = "<traced "
"""So begins what stands for a value, where it is printed."""

OURS, LIBRARY, USERS = 0, 1, 2
"""Whose code a file holds: descend's (and NumPy's), an installed library's, or the user's."""

ENTRIES: set[CodeType] = set()
"""The functions that run a model: the frames outside of them are none of the model's."""


@dataclass(frozen=True)
class Origin:
    """The place in the user's code that made a node.

    Attributes:
        file: path of the file.
        line: line number, from 1.
        text: the expression itself where Python knows its extent, else the whole line.
        name: the variable that the result is assigned to, or None.
    """

    file: str
    line: int
    text: str
    name: str | None

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}: {self.text}"


Place = tuple[CodeType, int]


@functools.cache
def owner_of(file: str) -> int:
    """Whose code the file holds."""
    if file.startswith(_OWN_TEXTS) or is_users_file(file):
        return USERS
    return OURS if file.startswith(_SKIPPED) else LIBRARY


def user_frame(depth: int = 1) -> FrameType | None:
    """The nearest frame that runs the user's code, or None.

    Where a model is a library's function itself, that is the user's code.
    """
    frame: FrameType | None = sys._getframe(depth)
    library: FrameType | None = None
    while frame is not None:
        owner = owner_of(frame.f_code.co_filename)
        if owner == USERS:
            return frame
        if library is None and owner == LIBRARY:
            library = frame
        if library is not None and frame.f_code in ENTRIES:
            break
        frame = frame.f_back
    return library


def where() -> str | None:
    """The user's line under way, as errors print it: `model.py:12: return x / 0`."""
    frame = user_frame(2)
    return None if frame is None else line_of(frame)


def line_of(frame: FrameType) -> str:
    """The line that a frame runs, as errors print it."""
    file, line = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(file, line, frame.f_globals).strip()
    place = f"{os.path.basename(file)}:{line}"
    return f"{place}: {text}" if text else place


def segment_of(code: CodeType, offset: int) -> str:
    """The text of the expression that an instruction belongs to, where Python knows it."""
    return _origin_at((code, offset)).text


def _segment(file: str, line: int, end: int | None, first: int | None, last: int | None) -> str:
    text = linecache.getline(file, line)
    if end != line or first is None or last is None:
        return text.strip()
    return text.encode()[first:last].decode(errors="replace").strip()


def _assigned_name(code: CodeType, offset: int) -> str | None:
    """The variable that the instruction after this one stores to, if it does nothing else."""
    following = (i for i in dis.get_instructions(code) if i.offset > offset)
    for instruction in following:
        if instruction.opname in ("CACHE", "EXTENDED_ARG"):
            continue
        if instruction.opname in ("STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF"):
            return str(instruction.argval)
        return None
    return None


def _origin_at(place: Place) -> Origin:
    code, offset = place
    for i, (line, end, first, last) in enumerate(code.co_positions()):
        if i == offset // 2 and line is not None:
            text = _segment(code.co_filename, line, end, first, last)
            return Origin(code.co_filename, line, text, _assigned_name(code, offset))
    return Origin(code.co_filename, code.co_firstlineno, code.co_name, None)


class Trace:
    """What one run of a model over stand-ins has recorded.

    Attributes:
        captured: for each captured array of more than a few elements, its input node and the
            array itself, whose values are read anew at each call.
        captures: everything that the function took from outside.
        notices: the warnings given, with their places, by what they say.
        whole: inputs of floats that hold whole numbers, and may be used as indices.
        guarded: whether some function of the model handles errors.
        suppressed: the errors that a `with suppress(…)` under way waits for.
    """

    def __init__(self, parent: Trace | None = None) -> None:
        self.parent = parent
        self._places: dict[Node, Place] = {} if parent is None else parent._places
        self._arrays: dict[int, tuple[Node, Any, Any]] = {} if parent is None else parent._arrays
        self._captured: list[tuple[Node, Any]] = [] if parent is None else parent._captured
        self._outside: set[int] = set() if parent is None else parent._outside
        self._scalars: dict[Any, Node] = {} if parent is None else parent._scalars
        self.captures = Captures()
        self.whole: frozenset[Node] = frozenset() if parent is None else parent.whole
        self.copies: dict[int, Any] = {}
        self.notices: dict[str, str] = {} if parent is None else parent.notices
        self.guarded: bool = parent is not None and parent.guarded
        self.suppressed: list[tuple[type[BaseException], ...]] = (
            [] if parent is None else parent.suppressed
        )

    @property
    def captured(self) -> list[tuple[Node, Any]]:
        return self._captured

    def capturing(self, more: Sequence[tuple[Node, Any]]) -> Trace:
        """The same trace with further inputs that have values, or with other values of some."""
        copied, known = copy.copy(self), {node for node, _ in more}
        copied._captured = [*(c for c in self._captured if c[0] not in known), *more]
        return copied

    def origin(self, node: Node) -> Origin | None:
        """Where the node was made in the user's code; None for nodes that no line names."""
        place = self._places.get(node)
        return None if place is None else _origin_at(place)

    @property
    def origins(self) -> dict[Node, Origin]:
        """All known origins (worked out now; prefer `origin` for a single node)."""
        return {node: _origin_at(place) for node, place in self._places.items()}

    @property
    def is_pure_capture(self) -> bool:
        """Whether the changes of everything that the function captures can be seen."""
        return self.captures.is_pure

    def unchanged(self) -> bool:
        """Whether a new trace would capture the very same things with the same contents."""
        return self.captures.unchanged()

    def bind(self, read: Callable[[], Any], value: Any) -> None:
        """Remember something that the model captures, and how to look at it again."""
        self.captures.add(read, value)
        if isinstance(value, np.ndarray):
            self._outside.add(id(value))

    def scalar(self, value: Any, dtype: Any) -> Node:
        """A scalar constant, remembered for the length of the trace."""
        key = (value, dtype)
        found = self._scalars.get(key) if value else None
        if found is None:
            found = const(value, dtype)
            if value and value == value:
                self._scalars[key] = found
        return found

    def capture(self, array: Any) -> Node:
        """A constant node for a small array, a hidden input for a larger one.

        An array that the model made itself is copied: it may be changed before the trace ends.
        """
        if array.size <= SMALL:
            return const(array)
        found = self._arrays.get(id(array))
        if found is None or not (found[1] is array or np.array_equal(found[1], array)):
            node = input_node(f"captured{len(self._captured)}", array.shape, array.dtype)
            kept = array if id(array) in self._outside else array.copy()
            found = self._arrays[id(array)] = (node, kept, array)
            self._captured.append((node, kept))
        return found[0]

    def warn(self, text: str, place: str | None) -> None:
        """Give a warning once a trace."""
        if text not in self.notices:
            message = self.notices[text] = f"{text}\n  at: {place}" if place else text
            warnings.warn(DescendWarning(message), stacklevel=2)


_current: ContextVar[Trace | None] = ContextVar("descend_trace", default=None)


def current() -> Trace | None:
    """The innermost trace under way, if any."""
    return _current.get()


@contextmanager
def tracing() -> Iterator[Trace]:
    """A new trace inside the current one, left again whatever happens."""
    trace = Trace(_current.get())
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


def note(node: Node) -> Node:
    """Remember the user's line under way as the node's origin, unless it has one."""
    trace = _current.get()
    if trace is not None and node not in trace._places:
        frame = user_frame(2)
        if frame is not None:
            trace._places[node] = (frame.f_code, frame.f_lasti)
    return node

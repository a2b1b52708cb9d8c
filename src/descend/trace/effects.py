"""What a model does besides computing: it draws random numbers, and keeps running values.

A model that is fitted is traced once as it trains. If it drew or kept anything, it is traced once
more as it serves: there a draw is its mean, and a running value is read and not written. Outside
of a fit (in a gradient, on plain numbers) draws are their means, too.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import field
from typing import Any

import numpy as np

from descend.errors import TraceError
from descend.graph.draws import ITERATION, STREAM, Key, Make, drawn, folded, key_of
from descend.graph.elementwise import call, cast, select
from descend.graph.linear import broadcast
from descend.graph.node import Dim, Node, Shape, sizes
from descend.graph.source import const, input_node
from descend.lean import dataclass
from descend.trace.context import current, note, where
from descend.trace.rows import Rows
from descend.trace.tensor import as_node, wrap
from descend.trace.typing_rules import fits, shape_text

__all__ = ["Effects", "Looping", "Running", "apart", "draw", "keep", "looping", "noting"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Running:
    """A running value of a model.

    Attributes:
        form: the input that stands for it.
        begin: what it begins with. new: what it becomes in a step.
    """

    form: Node
    begin: Array
    new: Node


@dataclass
class Effects:
    """What a model does besides computing, and the inputs that its draws are made of.

    Attributes:
        rows: the number of rows.
        dtype: of draws where none is named.
        trains: whether it is traced as it trains, and not as it serves.
        seed: of the run. step: how many updates were made before this one.
        row: (rows,) the absolute numbers of the rows.
        draws: how many calls drew.
        place: of the first call that drew or kept something.
        running: by name.
        refused: what is traced, if nothing of the kind belongs there.
        keys: of each loop under way, from the outside in.
    """

    rows: Dim | int
    dtype: np.dtype[Any]
    trains: bool = True
    draws: int = 0
    place: str | None = None
    running: dict[str, Running] = field(default_factory=dict)
    refused: str = ""
    keys: list[Key] = field(default_factory=list)

    @functools.cached_property
    def seed(self) -> Node:
        return input_node("seed", (), np.int64)

    @functools.cached_property
    def step(self) -> Node:
        return input_node("step")

    @functools.cached_property
    def row(self) -> Node:
        return input_node("row number", (self.rows,), np.uint32)

    @property
    def key(self) -> Key:
        """Of the step, and of the iteration of the loops under way."""
        return self.keys[-1] if self.keys else key_of(self.seed, cast(self.step, np.int64))

    @property
    def any(self) -> bool:
        """Whether the model does something of the kind."""
        return bool(self.draws or self.running)

    def serving(self) -> Effects:
        """The same for a trace of the model as it serves."""
        return Effects(self.rows, self.dtype, False, running=self.running)


_under_way: ContextVar[Effects | None] = ContextVar("descend_effects", default=None)


@contextmanager
def noting(effects: Effects) -> Iterator[None]:
    """What a model does besides computing is noted down here."""
    token = _under_way.set(effects)
    try:
        yield
    finally:
        _under_way.reset(token)


def apart(what: str) -> Effects:
    """Refuse draws and running values in something that is no model."""
    return Effects(0, np.dtype(np.float64), refused=what)


def _effects(title: str) -> Effects | None:
    """Where the model under way is noted down, if that is done.

    Raises:
        TraceError: it is no model.
    """
    effects = _under_way.get()
    if effects is not None and effects.refused:
        raise TraceError(
            f"{title} stands in {effects.refused}, and only a model can use it", where=where(),
            remedy="write it in the model, and hand the result on as its prediction",
        )  # fmt: skip
    return effects


def draw(title: str, make: Make, mean: float, shape: Any, dtype: Any) -> Any:
    """An array of draws, or of their mean.

    Args:
        make: what makes one of two random words.
    """
    effects = _effects(title)
    extents = _extents(title, shape)
    kind = np.dtype((effects.dtype if effects else np.float64) if dtype is None else dtype)
    if kind not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TraceError(
            f"{title}: the dtype is {kind}", where=where(), remedy="choose float32 or float64"
        )
    if current() is None:
        return np.full(sizes(extents), mean, kind)[()]
    if effects is None or not effects.trains:
        return wrap(note(broadcast(const(mean, kind), extents, ())))
    effects.place = effects.place or where()
    key = folded(effects.key, effects.draws, STREAM)
    effects.draws += 1
    has_rows = extents[:1] == (effects.rows,)
    return wrap(note(drawn(make, key, extents, effects.row if has_rows else None, kind)))


def _extents(title: str, shape: Any) -> Shape:
    """The shape of a draw, in which only the first axis may be that of the rows."""
    found: list[int | Dim] = []
    for n in shape if isinstance(shape, tuple | list) else (shape,):
        if isinstance(n, Rows):
            found.append(n.dim)
        elif isinstance(n, int | np.integer) and not isinstance(n, bool) and n >= 0:
            found.append(int(n))
        else:
            raise TraceError(
                f"{title}: {n!r} is no extent of an array", where=where(),
                remedy="give whole numbers, or the shape of an array of the model: h.shape",
            )  # fmt: skip
    if any(isinstance(n, Dim) for n in found[1:]):
        raise TraceError(
            f"{title}: the rows stand on another axis than the first", where=where(),
            remedy="draw with the rows on the first axis, and transpose the draw",
        )  # fmt: skip
    return tuple(found)


def keep(name: str, value: Any, momentum: float, begin: Any, kept: Any) -> Any:
    """The value as it trains, the running value as it serves; outside of a fit the value."""
    title = f'running("{name}")'
    effects, trace = _effects(title), current()
    if effects is None or trace is None:
        return value
    node = as_node(value)
    node = node if node.dtype.kind == "f" else cast(node, effects.dtype)
    if trace.parent is not None:
        raise TraceError(
            f"{title} stands in a function of its own (scan, grad, …), which has no step",
            where=where(), remedy="hand the value out, and keep it in the model itself",
        )  # fmt: skip
    if any(isinstance(n, Dim) for n in node.shape):
        raise TraceError(
            f"{title}: the value has one entry a row, {shape_text(node.shape)}", where=where(),
            remedy="keep what a batch has in common, such as h.mean(axis=0)",
        )  # fmt: skip
    if not effects.trains:
        return wrap(effects.running[name].form)
    if name in effects.running:
        raise TraceError(
            f"{title} is called twice", where=where(),
            remedy="give each value a name of its own (a global fit calls its model once for each "
            "dataset, and keeps no running values)",
        )  # fmt: skip
    effects.place = effects.place or where()
    new = node if kept is None else cast(as_node(kept), node.dtype)
    first = np.asarray(begin, node.dtype)
    if new.shape != node.shape or not fits(first.shape, node.shape):
        other = shape_text(first.shape if new.shape == node.shape else new.shape)
        raise TraceError(
            f"{title}: the value has the shape {shape_text(node.shape)}, and what "
            f"{'it begins with' if new.shape == node.shape else 'is kept'} {other}",
            where=where(), remedy="give all of it one shape",
        )  # fmt: skip
    form = input_node(name, node.shape, node.dtype)
    new = call("add", call("mul", form, 1.0 - momentum), call("mul", new, momentum))
    new = select(call("lt", call("abs", new), np.inf), new, form)
    effects.running[name] = Running(form, np.broadcast_to(first, sizes(node.shape)).copy(), new)
    return wrap(node)


@dataclass
class Looping:
    """A loop under way: its counter, and whether something in it draws."""

    counter: Node
    effects: Effects | None
    draws: int

    def again(self) -> None:
        """Forget the draws of a first look at the loop."""
        if self.effects is not None:
            self.effects.draws = self.draws

    @property
    def used(self) -> bool:
        return self.effects is not None and self.effects.draws > self.draws


@contextmanager
def looping() -> Iterator[Looping]:
    """What is traced here is one iteration of a loop: its draws depend on the counter."""
    effects = _under_way.get()
    loop = Looping(input_node("iteration", (), np.uint32), effects, effects.draws if effects else 0)
    if effects is None or not effects.trains:
        yield loop
        return
    effects.keys.append(folded(effects.key, loop.counter, ITERATION))
    try:
        yield loop
    finally:
        effects.keys.pop()

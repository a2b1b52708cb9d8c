"""Small pieces that algorithms are written with: loops over axes, variables, branches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from descend.compile.access import Counters
from descend.compile.kinds import Value
from descend.compile.llvm import BlockWriter
from descend.compile.loops import Axis, Index, Place

__all__ = ["axes_of", "get", "nested", "over", "put", "repeat_while", "variable", "when"]

Indices = tuple[Index, ...]


def axes_of(place: Place) -> list[Axis]:
    return [Axis(f"x{i}", n) for i, n in enumerate(place.shape)]


def over(axes: Sequence[Axis]) -> Indices:
    return tuple(Index(0, ((a, 1),)) for a in axes)


def nested(w: BlockWriter, axes: Sequence[Axis], body: Callable[[Counters], None],
           counters: Counters | None = None) -> None:  # fmt: skip
    """Loops over all axes, the first outermost."""
    held: Counters = dict(counters or {})
    if not axes:
        body(held)
        return
    w.loop(w.extent(axes[0].extent), lambda i: nested(w, axes[1:], body, {**held, axes[0]: i}))


def variable(w: BlockWriter, kind: str, start: Value) -> str:
    name = w.frame.alloca(start.type if kind != "ptr" else "ptr")
    w.e.line(f"store {start.typed}, ptr {name}")
    return name


def get(w: BlockWriter, name: str, kind: str) -> Value:
    plain = Value("", kind, 1)
    return w.e.op(f"load {plain.type}, ptr {name}", kind, 1)


def put(w: BlockWriter, name: str, value: Value) -> None:
    w.e.line(f"store {value.typed}, ptr {name}")


def repeat_while(w: BlockWriter, condition: Callable[[], Value], body: Callable[[], None]) -> None:
    e = w.e
    number = e.fresh("W")[2:]
    head, inside, after = f"while{number}", f"do{number}", f"done{number}"
    e.line(f"br label %{head}")
    e.start_block(head)
    e.line(f"br i1 {condition().name}, label %{inside}, label %{after}")
    e.start_block(inside)
    body()
    e.line(f"br label %{head}")
    e.start_block(after)


def when(
    w: BlockWriter, condition: Value, then: Callable[[], None], otherwise: Callable[[], None]
) -> None:
    """One of two pieces of code."""
    e = w.e
    number = e.fresh("B")[2:]
    yes, no, after = f"yes{number}", f"no{number}", f"after_branch{number}"
    e.line(f"br i1 {condition.name}, label %{yes}, label %{no}")
    for label, write in ((yes, then), (no, otherwise)):
        e.start_block(label)
        write()
        e.line(f"br label %{after}")
    e.start_block(after)

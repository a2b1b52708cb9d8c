"""Small pieces that algorithms are written with: loops over axes, variables, branches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial

from descend.compile.access import Access, Counters
from descend.compile.kinds import Value
from descend.compile.loops import Axis, Index, Place
from descend.compile.native import architecture
from descend.compile.places import PATIENCE

__all__ = [
    "axes_of", "get", "nested", "over", "put", "repeat_while", "variable", "when",
    "write_barrier",
]  # fmt: skip

LEAST, MORE = 800, 100  # looks at a barrier once it was in vain, and more of them each time since
PAUSE = {"x86_64": ("llvm.x86.sse2.pause", ""), "aarch64": ("llvm.aarch64.isb", "i32 15")}
FUTEX = {"x86_64": 202, "aarch64": 98} if sys.platform == "linux" else {}
WAIT, WAKE = 128, 129  # a thread of this process: linux/futex.h
Indices = tuple[Index, ...]


def axes_of(place: Place) -> list[Axis]:
    return [Axis(f"x{i}", n) for i, n in enumerate(place.shape)]


def over(axes: Sequence[Axis]) -> Indices:
    return tuple(Index(0, ((a, 1),)) for a in axes)


def nested(w: Access, axes: Sequence[Axis], body: Callable[[Counters], None],
           counters: Counters | None = None) -> None:  # fmt: skip
    """Loops over all axes, the first outermost."""
    held: Counters = dict(counters or {})
    if not axes:
        body(held)
        return
    w.loop(w.extent(axes[0].extent), lambda i: nested(w, axes[1:], body, {**held, axes[0]: i}))


def variable(w: Access, kind: str, start: Value) -> str:
    name = w.frame.alloca(start.type if kind != "ptr" else "ptr")
    w.e.line(f"store {start.typed}, ptr {name}")
    return name


def get(w: Access, name: str, kind: str) -> Value:
    plain = Value("", kind, 1)
    return w.e.op(f"load {plain.type}, ptr {name}", kind, 1)


def put(w: Access, name: str, value: Value) -> None:
    w.e.line(f"store {value.typed}, ptr {name}")


def repeat_while(w: Access, condition: Callable[[], Value], body: Callable[[], None]) -> None:
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
    w: Access, condition: Value, then: Callable[[], None], otherwise: Callable[[], None]
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


def write_barrier(w: Access) -> None:
    """Wait for all threads: the last to come sets the count back and lets the others go on.

    Who waits long sleeps, so that a thread that has lost its core to others finds one again: after
    some times what waking up takes, or much sooner, where that has been in vain of late.
    """
    e, (_, threads) = w.e, w.frame.team()
    count, turn, asleep = (w.frame.slot(("barrier", i)) for i in range(3))
    patience = w.frame.slot(("patience",))
    before = e.op(f"load atomic i64, ptr {turn} acquire, align 8", "i64", 1)
    came = e.op(f"atomicrmw add ptr {count}, i64 1 acq_rel", "i64", 1)

    def release() -> None:
        e.line(f"store atomic i64 0, ptr {count} monotonic, align 8")
        after = e.add(before, 1)
        e.line(f"store atomic i64 {after.name}, ptr {turn} seq_cst, align 8")
        if architecture() in FUTEX:
            some = e.op(f"load atomic i64, ptr {asleep} seq_cst, align 8", "i64", 1)
            wake = partial(_futex, w, turn, WAKE, Value(str((1 << 31) - 1), "i64", 1))
            when(w, e.gt(some, 0), wake, lambda: None)

    def rest() -> None:
        e.line(f"store i64 {LEAST}, ptr {patience}, align 8")
        if architecture() not in FUTEX:
            e.line(f"call void {w.frame.slot(('library', 'system', 'yield'))}()")
            return
        e.op(f"atomicrmw add ptr {asleep}, i64 1 seq_cst", "i64", 1)
        _futex(w, turn, WAIT, before)
        e.op(f"atomicrmw sub ptr {asleep}, i64 1 seq_cst", "i64", 1)

    def wait() -> None:
        looked = variable(w, "i64", e.const(0, "i64", 1))
        so_far = e.op(f"load i64, ptr {patience}, align 8", "i64", 1)
        most = e.min(e.add(so_far, MORE), PATIENCE)
        e.line(f"store {most.typed}, ptr {patience}, align 8")

        def still() -> Value:
            now = e.op(f"load atomic i64, ptr {turn} acquire, align 8", "i64", 1)
            return e.eq(now, before)

        def look_again() -> None:
            times = e.add(get(w, looked, "i64"), 1)
            put(w, looked, times)
            if architecture() in PAUSE:
                name, given = PAUSE[architecture()]
                e.preamble[name] = f"declare void @{name}({given.partition(' ')[0]})"
                e.line(f"call void @{name}({given})")
            when(w, e.gt(times, most), rest, lambda: None)

        repeat_while(w, still, look_again)

    when(w, e.eq(came, e.sub(threads, 1)), release, wait)


def _futex(w: Access, word: str, what: int, value: Value) -> None:
    """Sleep while the lower half of a word is that value, or wake so many who do."""
    call = w.frame.slot(("library", "system", "syscall"))
    number = FUTEX[architecture()]
    w.e.line(
        f"call i64 (i64, ...) {call}(i64 {number}, ptr {word}, i64 {what}, {value.typed}, "
        "ptr null, ptr null, i64 0)"
    )

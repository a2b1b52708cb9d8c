"""The few algorithms that are no loop nest: running sums, scatter, sort."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from descend.compile.access import Counters
from descend.compile.kinds import Value
from descend.compile.llvm import BlockWriter
from descend.compile.loops import Address, Axis, Call, Index, Place
from descend.compile.operations import kind_of

__all__ = ["CALLS"]

Indices = tuple[Index, ...]


def _axes(place: Place) -> list[Axis]:
    return [Axis(f"x{i}", n) for i, n in enumerate(place.shape)]


def _over(axes: Sequence[Axis]) -> Indices:
    return tuple(Index(0, ((a, 1),)) for a in axes)


def nested(w: BlockWriter, axes: Sequence[Axis], body: Callable[[Counters], None],
           counters: Counters | None = None) -> None:  # fmt: skip
    """Loops over all axes, the first outermost."""
    held: Counters = dict(counters or {})
    if not axes:
        body(held)
        return
    w.loop(w.extent(axes[0].extent), lambda i: nested(w, axes[1:], body, {**held, axes[0]: i}))


def _variable(w: BlockWriter, kind: str, start: Value) -> str:
    name = w.frame.alloca(start.type if kind != "ptr" else "ptr")
    w.e.line(f"store {start.typed}, ptr {name}")
    return name


def _get(w: BlockWriter, name: str, kind: str) -> Value:
    plain = Value("", kind, 1)
    return w.e.op(f"load {plain.type}, ptr {name}", kind, 1)


def _put(w: BlockWriter, name: str, value: Value) -> None:
    w.e.line(f"store {value.typed}, ptr {name}")


def _while(w: BlockWriter, condition: Callable[[], Value], body: Callable[[], None]) -> None:
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


def cumulative_sum(w: BlockWriter, call: Call) -> None:
    """Running sums along one axis, forwards or backwards."""
    (source,), axis = call.sources, call.attrs["axis"]
    axes = _axes(source)
    at = list(_over(axes))
    if call.attrs["reverse"]:
        extent = axes[axis].extent
        back = Index(-1, ((axes[axis], -1),))
        at[axis] = (
            back.shifted(extent)
            if isinstance(extent, int)
            else Index(-1, back.terms, ((extent, 1),))
        )
    kind = kind_of(source.dtype)
    outer = [a for i, a in enumerate(axes) if i != axis]
    running = w.frame.alloca(Value("", kind, 1).type)

    def line(counters: Counters) -> None:
        _put(w, running, w.e.const(0, kind, 1))

        def step(i: Value) -> None:
            here = {**counters, axes[axis]: i}
            total = w.e.add(_get(w, running, kind), w.load(Address(source, tuple(at)), here, 1))
            _put(w, running, total)
            w.store(Address(call.target, tuple(at)), total, here, None)

        w.loop(w.extent(axes[axis].extent), step)

    nested(w, outer, line)


def scatter_add(w: BlockWriter, call: Call) -> None:
    """Zeros with each value added at its index, in the order of the values."""
    values, index = call.sources
    axis, k = call.attrs["axis"], len(index.shape)
    kind = kind_of(values.dtype)
    whole = _axes(call.target)
    zero = w.e.const(0, kind, 1)
    nested(w, whole, lambda c: w.store(Address(call.target, _over(whole)), zero, c, None))
    axes = _axes(values)
    at = _over(axes)
    hole = Axis("hole", call.target.shape[axis])
    target = Address(call.target, (*at[:axis], Index(0, ((hole, 1),)), *at[axis + k :]))

    def one(counters: Counters) -> None:
        chosen = w.load(Address(index, at[axis : axis + k]), counters, 1)
        position = w.e.convert(chosen, "i64")
        last = w.e.sub(w.extent(hole.extent), w.e.const(1, "i64", 1))
        here = {**counters, hole: w.e.min(w.e.max(position, 0), last)}
        total = w.e.add(
            w.load(target, here, 1), w.load(Address(values, at), counters, 1)
        )
        w.store(target, total, here, None)

    nested(w, axes, one)


def stable_order(w: BlockWriter, call: Call) -> None:
    """Bottom-up merge sort of indices (von Neumann's method): stable, NaN last."""
    source, first, second = call.sources
    axis = call.attrs["axis"]
    axes = _axes(source)
    at = _over(axes)
    line_axis = axes[axis]
    outer = [a for i, a in enumerate(axes) if i != axis]
    e = w.e
    here_name, there_name = w.frame.alloca("ptr"), w.frame.alloca("ptr")

    def element(base: str, i: Value) -> str:
        name = e.fresh("p")
        e.line(f"{name} = getelementptr i64, ptr {base}, i64 {i.name}")
        return name

    def pointer(name: str) -> str:
        got = e.fresh("p")
        e.line(f"{got} = load ptr, ptr {name}")
        return got

    def read(base: str, i: Value) -> Value:
        return e.op(f"load i64, ptr {element(base, i)}", "i64", 1)

    def write(base: str, i: Value, value: Value) -> None:
        e.line(f"store i64 {value.name}, ptr {element(base, i)}")

    def line(counters: Counters) -> None:
        n = w.extent(line_axis.extent)
        e.line(f"store ptr {w.frame.pointer(first)}, ptr {here_name}")
        e.line(f"store ptr {w.frame.pointer(second)}, ptr {there_name}")
        w.loop(n, lambda i: write(w.frame.pointer(first), i, i))
        width = _variable(w, "i64", e.const(1, "i64", 1))

        def key(position: Value) -> Value:
            return w.load(Address(source, at), {**counters, line_axis: position}, 1)

        def one_pass() -> None:
            step = _get(w, width, "i64")
            here, there = pointer(here_name), pointer(there_name)
            low = _variable(w, "i64", e.const(0, "i64", 1))

            def merge() -> None:
                start = _get(w, low, "i64")
                middle = e.min(e.add(start, step), n)
                stop = e.min(e.add(middle, step), n)
                left = _variable(w, "i64", start)
                right = _variable(w, "i64", middle)

                def put(k: Value) -> None:
                    i, j = _get(w, left, "i64"), _get(w, right, "i64")
                    has_i, has_j = e.lt(i, middle), e.lt(j, stop)
                    a = read(here, e.select(has_i, i, start))
                    b = read(here, e.select(has_j, j, start))
                    x, y = key(a), key(b)
                    before = e.lt(y, x)
                    if x.kind[0] == "f":
                        before = e.or_(before, e.and_(e.isnan(x), e.not_(e.isnan(y))))
                    use_right = e.and_(has_j, e.or_(e.not_(has_i), before))
                    write(there, e.add(k, start), e.select(use_right, b, a))
                    taken = e.convert(use_right, "i64")
                    _put(w, right, e.add(j, taken))
                    _put(w, left, e.add(i, e.sub(e.const(1, "i64", 1), taken)))

                w.loop(e.sub(stop, start), put)
                _put(w, low, e.add(start, e.shl(step, 1)))

            _while(w, lambda: e.lt(_get(w, low, "i64"), n), merge)
            e.line(f"store ptr {there}, ptr {here_name}")
            e.line(f"store ptr {here}, ptr {there_name}")
            _put(w, width, e.shl(step, 1))

        _while(w, lambda: e.lt(_get(w, width, "i64"), n), one_pass)
        result = pointer(here_name)

        def out(i: Value) -> None:
            w.store(Address(call.target, at), read(result, i), {**counters, line_axis: i}, None)

        w.loop(n, out)

    nested(w, outer, line)


CALLS: dict[str, Callable[[BlockWriter, Call], Any]] = {
    "cumsum": cumulative_sum,
    "put_add": scatter_add,
    "argsort": stable_order,
}

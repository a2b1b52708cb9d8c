"""The few algorithms that are no loop nest: running sums, scatter, sort, and LAPACK's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from descend.compile.access import Counters
from descend.compile.kinds import Value
from descend.compile.lapack_calls import LAPACK_CALLS
from descend.compile.llvm import BlockWriter
from descend.compile.loops import Address, Axis, Call, Index, Place
from descend.compile.operations import emit_operation, kind_of
from descend.compile.sound_solve import sound_solve
from descend.compile.writing import axes_of, get, nested, over, put, repeat_while, variable

__all__ = ["CALLS"]

def cumulative_sum(w: BlockWriter, call: Call) -> None:
    """Running sums along one axis, forwards or backwards."""
    (source,), axis = call.sources, call.attrs["axis"]
    axes = axes_of(source)
    at = list(over(axes))
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
        put(w, running, w.e.const(0, kind, 1))

        def step(i: Value) -> None:
            here = {**counters, axes[axis]: i}
            total = w.e.add(get(w, running, kind), w.load(Address(source, tuple(at)), here, 1))
            put(w, running, total)
            w.store(Address(call.target, tuple(at)), total, here, None)

        w.loop(w.extent(axes[axis].extent), step)

    nested(w, outer, line)


def scatter_add(w: BlockWriter, call: Call) -> None:
    """Zeros with each value added at its index, in the order of the values."""
    values, index = call.sources
    axis, k = call.attrs["axis"], len(index.shape)
    kind = kind_of(values.dtype)
    whole = axes_of(call.target)
    zero = w.e.const(0, kind, 1)
    nested(w, whole, lambda c: w.store(Address(call.target, over(whole)), zero, c, None))
    axes = axes_of(values)
    at = over(axes)
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


class MergeSort:
    """Bottom-up merge sort of indices: stable, NaN last (Knuth, TAOCP vol. 3, section 5.2.4)."""

    def __init__(self, w: BlockWriter, call: Call) -> None:
        self.w, self.e = w, w.e
        self.source, *self.spare = call.sources
        self.target = call.target
        axes = axes_of(self.source)
        self.at = over(axes)
        self.line_axis = axes[call.attrs["axis"]]
        self.outer = [a for a in axes if a is not self.line_axis]
        self.here, self.there = w.frame.alloca("ptr"), w.frame.alloca("ptr")
        self.counters: Counters = {}

    def write(self) -> None:
        nested(self.w, self.outer, self.line)

    def pointer(self, name: str) -> str:
        got = self.e.fresh("p")
        self.e.line(f"{got} = load ptr, ptr {name}")
        return got

    def read(self, base: str, i: Value) -> Value:
        return self.e.op(f"load i64, ptr {self.e.element(base, 'i64', i)}", "i64", 1)

    def put(self, base: str, i: Value, value: Value) -> None:
        self.e.line(f"store i64 {value.name}, ptr {self.e.element(base, 'i64', i)}")

    def key(self, position: Value) -> Value:
        counters = {**self.counters, self.line_axis: position}
        return self.w.load(Address(self.source, self.at), counters, 1)

    def line(self, counters: Counters) -> None:
        """Sort one line: 0, 1, 2, … merged in runs of 1, 2, 4, …"""
        w, e, self.counters = self.w, self.e, counters
        n = w.extent(self.line_axis.extent)
        first, second = (w.frame.pointer(place) for place in self.spare)
        e.line(f"store ptr {first}, ptr {self.here}")
        e.line(f"store ptr {second}, ptr {self.there}")
        w.loop(n, lambda i: self.put(first, i, i))
        width = variable(w, "i64", e.const(1, "i64", 1))
        repeat_while(w, lambda: e.lt(get(w, width, "i64"), n), lambda: self.one_pass(width, n))
        result = self.pointer(self.here)

        def out(i: Value) -> None:
            here = {**counters, self.line_axis: i}
            w.store(Address(self.target, self.at), self.read(result, i), here, None)

        w.loop(n, out)

    def one_pass(self, width: str, n: Value) -> None:
        """Merge all pairs of neighbouring runs into the other array, and exchange the arrays."""
        w, e = self.w, self.e
        step = get(w, width, "i64")
        here, there = self.pointer(self.here), self.pointer(self.there)
        low = variable(w, "i64", e.const(0, "i64", 1))

        def merge() -> None:
            start = get(w, low, "i64")
            middle = e.min(e.add(start, step), n)
            self.merge(here, there, start, middle, e.min(e.add(middle, step), n))
            put(w, low, e.add(start, e.shl(step, 1)))

        repeat_while(w, lambda: e.lt(get(w, low, "i64"), n), merge)
        e.line(f"store ptr {there}, ptr {self.here}")
        e.line(f"store ptr {here}, ptr {self.there}")
        put(w, width, e.shl(step, 1))

    def merge(self, here: str, there: str, start: Value, middle: Value, stop: Value) -> None:
        w, e = self.w, self.e
        left, right = variable(w, "i64", start), variable(w, "i64", middle)

        def one(k: Value) -> None:
            i, j = get(w, left, "i64"), get(w, right, "i64")
            has_i, has_j = e.lt(i, middle), e.lt(j, stop)
            a = self.read(here, e.select(has_i, i, start))
            b = self.read(here, e.select(has_j, j, start))
            x, y = self.key(a), self.key(b)
            before = e.lt(y, x)
            if x.kind[0] == "f":
                before = e.or_(before, e.and_(e.isnan(x), e.not_(e.isnan(y))))
            use_right = e.and_(has_j, e.or_(e.not_(has_i), before))
            self.put(there, e.add(k, start), e.select(use_right, b, a))
            taken = e.convert(use_right, "i64")
            put(w, right, e.add(j, taken))
            put(w, left, e.add(i, e.sub(e.const(1, "i64", 1), taken)))

        w.loop(e.sub(stop, start), one)


def stable_order(w: BlockWriter, call: Call) -> None:
    """The order that sorts each line of an axis."""
    MergeSort(w, call).write()


def combine(w: BlockWriter, call: Call) -> None:
    """Combine what blocks have come to in a tree by their numbers; the first receives it."""
    e, place = w.e, call.target
    cells, count = w.count(place.shape), w.values[call.attrs["count"]]
    flat = Axis("cell", 0)
    here = Address(Place(place.role, place.number, (1,), place.dtype), (Index(0, ((flat, 1),)),))

    def cell(at: Value) -> Value:
        return w.load(here, {flat: at}, 1)

    def level() -> None:
        step = get(w, stride, "i64")
        put(w, first, e.const(0, "i64", 1))

        def pair() -> None:
            one = e.mul(get(w, first, "i64"), cells)
            other = e.mul(e.add(get(w, first, "i64"), step), cells)

            def both(i: Value) -> None:
                a, b = e.add(one, i), e.add(other, i)
                made = emit_operation(e, call.attrs["op"], (cell(a), cell(b)), place.dtype, None)
                w.store(here, made, {flat: a}, None)

            w.loop(cells, both)
            put(w, first, e.add(get(w, first, "i64"), e.shl(step, 1)))

        repeat_while(w, lambda: e.lt(e.add(get(w, first, "i64"), step), count), pair)
        put(w, stride, e.shl(step, 1))

    stride, first = (variable(w, "i64", e.const(n, "i64", 1)) for n in (1, 0))
    repeat_while(w, lambda: e.lt(get(w, stride, "i64"), count), level)


def shared(w: BlockWriter, call: Call) -> None:
    """A function compiled by itself, with the table of addresses that is its own."""
    number, none = call.attrs["number"], call.target.dtype
    function, table = (
        w.frame.pointer(Place(role, number, (), none)) for role in ("shared", "shared table")
    )
    w.e.op(f"call i64 {function}(ptr {table}, i64 0, i64 1)", "i64", 1)


CALLS: dict[str, Callable[[BlockWriter, Call], Any]] = {
    "cumsum": cumulative_sum,
    "put_add": scatter_add,
    "argsort": stable_order,
    **LAPACK_CALLS,
    "sound_solve": sound_solve,
    "combine": combine,
    "shared": shared,
}

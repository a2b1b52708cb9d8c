"""The order of rows in an epoch: a Fisher–Yates shuffle, as `graph.program.permutation` has it.

Where rows are narrow, the rows themselves are swapped in a copy of the columns, so that the epoch
then reads memory in order; otherwise their numbers are, and the rows are fetched through them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from descend.compile.calls import CALLS
from descend.compile.entry import row_bytes
from descend.compile.kinds import Value
from descend.compile.lanes import Emitter
from descend.compile.llvm import BlockWriter
from descend.compile.module import FunctionText
from descend.graph.node import Node

__all__ = ["write_shuffle"]

GOLDEN = 0x9E3779B97F4A7C15
I64 = "i64"


def mix(e: Emitter, z: Value) -> Value:
    """The finaliser of SplitMix64."""
    z = e.mul(e.xor(z, e.lshr(z, 30)), 0xBF58476D1CE4E5B9)
    z = e.mul(e.xor(z, e.lshr(z, 27)), 0x94D049BB133111EB)
    return e.xor(z, e.lshr(z, 31))


def _swap_items(e: Emitter, base: str, i: Value, j: Value, item: str) -> None:
    a, b = e.element(base, item, i), e.element(base, item, j)
    x, y = e.fresh("x"), e.fresh("y")
    e.line(f"{x} = load {item}, ptr {a}, align 1")
    e.line(f"{y} = load {item}, ptr {b}, align 1")
    e.line(f"store {item} {y}, ptr {a}, align 1")
    e.line(f"store {item} {x}, ptr {b}, align 1")


def write_shuffle(
    f: FunctionText, data: Sequence[Node], swaps: bool, n: Value, seed_key: Value, epoch: Value
) -> None:
    """Write the shuffle of one epoch at the current place of a function."""
    e = f.e
    writer = BlockWriter(f.frame(), CALLS)
    exchanges: list[Callable[[Value, Value], None]] = []
    if swaps:
        e.preamble["llvm.memcpy"] = "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"
        for number, node in enumerate(data):
            size = row_bytes(node)
            whole, rows = f.slot(("data", number)), f.slot(("shuffled", number))
            total = e.mul(n, size)
            e.line(
                f"call void @llvm.memcpy.p0.p0.i64(ptr {rows}, ptr {whole}, "
                f"i64 {total.name}, i1 false)"
            )
            item = f"i{8 * size}" if size in (1, 2, 4, 8) else f"[{size} x i8]"
            exchanges.append(lambda i, j, b=rows, t=item: _swap_items(e, b, i, j, t))  # type: ignore[misc]
    else:
        order = f.slot(("order",))

        def number_row(i: Value) -> None:
            at = e.element(order, "i32", i)
            e.line(f"store i32 {e.convert(e.bitcast(i, 'u64'), 'u32').name}, ptr {at}, align 4")

        writer.loop(n, number_row)
        exchanges.append(lambda i, j: _swap_items(e, order, i, j, "i32"))
    key = mix(e, e.add(e.bitcast(seed_key, "u64"), e.bitcast(epoch, "u64")))

    def step(k: Value) -> None:
        i = e.sub(e.sub(n, 1), k)
        word = mix(e, e.add(key, e.mul(e.bitcast(i, "u64"), GOLDEN)))
        bound = e.bitcast(e.add(i, 1), "u64")
        j = e.bitcast(e.lshr(e.mul(e.lshr(word, 32), bound), 32), I64)
        for exchange in exchanges:
            exchange(i, j)

    writer.loop(e.sub(n, 1), step)

"""Numbers below the smallest normal one as 0, while a program of matrix products runs.

The moments of a unit that has died fall by a tenth a step, and stay among such numbers for ever,
since nine tenths of the smallest of them are rounded to itself. Arithmetic on them is slow: on some
processors a hundred times. A network loses nothing with them.
"""

from __future__ import annotations

from collections.abc import Callable

from descend.compile.kinds import Value
from descend.compile.module import FunctionText
from descend.compile.native import architecture

__all__ = ["flush_underflow"]

X86_BITS = (1 << 15) | (1 << 6)  # results, operands
ARM_BIT = 1 << 24


def flush_underflow(f: FunctionText) -> Callable[[], None]:
    """Let results and operands so small be 0 from here on; returns what ends it."""
    writer = WRITERS.get(architecture())
    return (lambda: None) if writer is None else writer(f)


def _x86(f: FunctionText) -> Callable[[], None]:
    e = f.e
    before, now = f.alloca("i32"), f.alloca("i32")
    for name in ("stmxcsr", "ldmxcsr"):
        e.preamble[f"llvm.x86.sse.{name}"] = f"declare void @llvm.x86.sse.{name}(ptr)"
    e.line(f"call void @llvm.x86.sse.stmxcsr(ptr {before})")
    word = e.or_(e.op(f"load i32, ptr {before}", "i32", 1), X86_BITS)
    e.line(f"store {word.typed}, ptr {now}")
    e.line(f"call void @llvm.x86.sse.ldmxcsr(ptr {now})")
    return lambda: e.line(f"call void @llvm.x86.sse.ldmxcsr(ptr {before})")


def _arm(f: FunctionText) -> Callable[[], None]:
    e = f.e
    before = e.call("llvm.aarch64.get.fpcr", "i64", 1)
    e.preamble["llvm.aarch64.set.fpcr"] = "declare void @llvm.aarch64.set.fpcr(i64)"

    def put(value: Value) -> None:
        e.line(f"call void @llvm.aarch64.set.fpcr({value.typed})")

    put(e.or_(before, ARM_BIT))
    return lambda: put(before)


WRITERS = {"x86_64": _x86, "aarch64": _arm}

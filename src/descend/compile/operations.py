"""One let of the loop language → LLVM text, at any width: the table of operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.compile.elementary import ELEMENTARY
from descend.compile.kinds import BITS, is_float
from descend.compile.lanes import Emitter, Value

__all__ = ["NATIVE_ELEMENTWISE", "emit_operation", "kind_of"]

_KINDS = {"f": "f", "i": "i", "u": "u"}


def kind_of(dtype: np.dtype[Any]) -> str:
    """The lane kind of a NumPy dtype.

    >>> kind_of(np.dtype(np.float32)), kind_of(np.dtype(bool))
    ('f32', 'i1')
    """
    return "i1" if dtype.kind == "b" else f"{_KINDS[dtype.kind]}{dtype.itemsize * 8}"


def _fused(word: str) -> Callable[..., Value]:
    """Arithmetic that LLVM may contract to a fused multiply-add; nothing else is allowed to it."""
    whole = {"fadd": "add", "fsub": "sub", "fmul": "mul"}[word]

    def emit(e: Emitter, a: Value, b: Value) -> Value:
        if is_float(a.kind):
            return e.op(f"{word} contract {a.type} {a.name}, {b.name}", a.kind, a.width)
        return getattr(e, whole)(a, b)  # type: ignore[no-any-return]

    return emit


def _mul0(e: Emitter, g: Value, p: Value) -> Value:
    zero = e.eq(g, 0.0)
    return e.select(zero, e.like(g, 0.0), e.mul(g, p))


def _integer_or(name: str, whole: str) -> Callable[..., Value]:
    def emit(e: Emitter, a: Value, b: Value) -> Value:
        if is_float(a.kind):
            return ELEMENTARY[name](e, a, b)
        return getattr(e, whole)(a, b)  # type: ignore[no-any-return]

    return emit


def _integer_power(e: Emitter, a: Value, b: Value) -> Value:
    """Integers wrap; square and multiply over the bits of the exponent (none negative)."""
    if is_float(a.kind):
        return ELEMENTARY["pow"](e, a, b)
    result, base = e.like(a, 1), a
    for bit in range(6):
        odd = e.ne(e.and_(e.lshr(b, bit), 1), 0)
        result = e.select(odd, e.mul(result, base), result)
        base = e.mul(base, base)
    return result


def _method(name: str) -> Callable[..., Value]:
    return lambda e, *args: getattr(e, name)(*args)


OPERATIONS: dict[str, Callable[..., Value]] = {
    "add": _fused("fadd"),
    "sub": _fused("fsub"),
    "mul": _fused("fmul"),
    "div": _method("div"),
    "mul0": _mul0,
    "pow": _integer_power,
    "mod": _integer_or("mod", "mod"),
    "fmod": _integer_or("fmod", "remainder"),
    "floordiv": _integer_or("floordiv", "floordiv"),
    "shift_left": _method("shl"),
    "shift_right": _method("shr"),
    **{
        name: _method(name)
        for name in (
            "neg", "abs", "sign", "floor", "ceil", "rint", "trunc", "max", "min", "sqrt",
            "copysign", "select", "lt", "le", "eq", "ne", "xor",
        )
    },
    **{name: _method(f"{name}_") for name in ("and", "or", "not")},
}  # fmt: skip

NATIVE_ELEMENTWISE = frozenset(OPERATIONS) | frozenset(ELEMENTARY) | {"cast"}


def emit_operation(
    e: Emitter, op: str, args: tuple[Value, ...], dtype: np.dtype[Any], attr: Any
) -> Value:
    """Write one elementwise operation on values of equal width."""
    if op == "cast":
        return e.convert(args[0], kind_of(dtype))
    rule = OPERATIONS.get(op)
    if rule is not None:
        return rule(e, *args)
    if attr:
        return ELEMENTARY[op](e, *args, **attr)
    return ELEMENTARY[op](e, *args)


def memory_type(kind: str) -> str:
    """How a kind lies in memory: truth values take a byte."""
    if kind == "i1":
        return "i8"
    return {"f64": "double", "f32": "float"}.get(kind, f"i{BITS[kind]}")

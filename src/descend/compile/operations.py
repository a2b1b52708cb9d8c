"""One let of the loop language → LLVM text, at any width: the table of operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.compile.elementary import ELEMENTARY, LIBRARY
from descend.compile.kinds import BITS, is_float, type_text
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
    if b.name[0] == "%":
        return _each_lane(e, _power_loop(e, a.kind), a, b)
    exponent = int(b.name.strip("<>").split()[-1])
    result, base = e.like(a, 1), a
    while exponent > 0:
        if exponent & 1:
            result = e.mul(result, base)
        exponent >>= 1
        base = e.mul(base, base) if exponent else base
    return result


def _each_lane(e: Emitter, function: str, a: Value, b: Value) -> Value:
    result = a
    for lane in range(a.width):
        scalar = e.call(function, a.kind, 1, e.extract(a, lane), e.extract(b, lane))
        result = e.insert(result, scalar, lane)
    return result


def _power_loop(e: Emitter, kind: str) -> str:
    """A helper of the module that runs through the bits of an exponent it does not know."""
    name, t = f"power_{kind}", type_text(kind)
    e.preamble[name] = f"""define internal {t} @{name}({t} %x, {t} %p) {{
entry:
  br label %head
head:
  %result = phi {t} [ 1, %entry ], [ %next, %head ]
  %base = phi {t} [ %x, %entry ], [ %square, %head ]
  %left = phi {t} [ %p, %entry ], [ %half, %head ]
  %odd = trunc {t} %left to i1
  %more = mul {t} %result, %base
  %next = select i1 %odd, {t} %more, {t} %result
  %square = mul {t} %base, %base
  %half = lshr {t} %left, 1
  %done = icmp eq {t} %half, 0
  br i1 %done, label %out, label %head
out:
  ret {t} %next
}}"""
    return name


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

OUTLINED = (frozenset(ELEMENTARY) - {"sqrt"}) | {"pow", "mod", "fmod", "floordiv"}
NATIVE_ELEMENTWISE = frozenset((*OPERATIONS, *ELEMENTARY, *LIBRARY, "cast"))


def emit_operation(
    e: Emitter, op: str, args: tuple[Value, ...], dtype: np.dtype[Any], attr: Any
) -> Value:
    """Write one elementwise operation on values of equal width."""
    if op == "cast":
        return e.convert(args[0], kind_of(dtype))
    if e.outline and op in OUTLINED and is_float(args[0].kind):
        return _outlined(e, op, args, dtype, attr)
    rule = OPERATIONS.get(op)
    if rule is not None:
        return rule(e, *args)
    function = ELEMENTARY.get(op) or LIBRARY[op]
    return function(e, *args, **attr) if attr else function(e, *args)


def _outlined(
    e: Emitter, op: str, args: tuple[Value, ...], dtype: np.dtype[Any], attr: Any
) -> Value:
    """A call of the operation as a function of the module, written when first needed.

    The same instructions in the same order: the same bits as where it is written in place.
    """
    first = args[0]
    suffix = "".join(f"_{value}" for value in (attr or {}).values())
    name = f"@{op}{suffix}_{first.kind}_{first.width}"
    if name not in e.preamble:
        e.preamble[name] = ""
        lines: list[str] = []
        inner = Emitter(lines, first.width, e.preamble)
        operands = tuple([Value(f"%x{i}", a.kind, a.width) for i, a in enumerate(args)])
        result = emit_operation(inner, op, operands, dtype, attr)
        head = f"define internal {result.type} {name}({', '.join(o.typed for o in operands)})"
        body = [f"{head} noinline nounwind {{", "entry:", *lines, f"  ret {result.typed}", "}"]
        e.preamble[name] = "\n".join(body)
    typed = ", ".join([a.typed for a in args])
    return e.op(f"call {first.type} {name}({typed})", first.kind, first.width)


def memory_type(kind: str) -> str:
    """How a kind lies in memory: truth values take a byte."""
    if kind == "i1":
        return "i8"
    return {"f64": "double", "f32": "float"}.get(kind, f"i{BITS[kind]}")

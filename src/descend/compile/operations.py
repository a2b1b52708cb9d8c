"""One let of the loop language → LLVM text, at any width: the table of operations."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from descend.compile.kinds import BITS, is_float, is_signed
from descend.compile.lanes import Emitter, Value
from descend.errors import InternalError
from descend.graph.node import PRIMITIVES

__all__ = ["emit_operation", "emitter", "is_outlined", "kind_of"]

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
            may = " contract" * e.contracts
            return e.op(f"{word}{may} {a.type} {a.name}, {b.name}", a.kind, a.width)
        return getattr(e, whole)(a, b)  # type: ignore[no-any-return]

    return emit


def _mul0(e: Emitter, g: Value, p: Value) -> Value:
    zero = e.eq(g, 0.0)
    return e.select(zero, e.like(g, 0.0), e.mul(g, p))


_add, _sub, _mul = _fused("fadd"), _fused("fsub"), _fused("fmul")


def _mul_sat(e: Emitter, z: Value, b: Value, both: bool) -> Value:
    """The product, and 0 where it is NaN (`both`) or z is 0 although neither factor is NaN."""
    product = e.mul(z, b)
    lost = e.isnan(product) if both else e.eq(z, 0.0)
    known = e.op(f"fcmp ord {z.type} {z.name}, {b.name}", "i1", z.width)
    return e.select(e.and_(lost, known), e.like(z, 0.0), product)


def _if_finite(e: Emitter, d: Value, value: Value, infinite: bool) -> Value:
    """d, but NaN where it is finite and the value is NaN, or `infinite`, too."""
    lost = e.isnan(e.sub(value, value) if infinite else value)
    known = e.not_(e.isnan(e.sub(d, d)))
    return e.select(e.and_(lost, known), e.like(d, np.nan), d)


def _one_less_square(e: Emitter, x: Value) -> Value:
    one = e.like(x, 1.0)
    return _mul(e, _sub(e, one, x), _add(e, x, one))


def _over_one_and_square(e: Emitter, x: Value) -> Value:
    square = e.fma(x, x, e.like(x, 0.0))  # rounded by itself, as NumPy's
    return e.div(e.like(x, 1.0), _add(e, square, e.like(x, 1.0)))


def _root_square_less_one(e: Emitter, x: Value) -> Value:
    one = e.like(x, 1.0)
    return _mul(e, e.sqrt(_sub(e, x, one)), e.sqrt(_add(e, x, one)))


ARITHMETIC: dict[str, Callable[..., Value]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "mul0": _mul0,
    "mul_sat": _mul_sat,
    "if_finite": _if_finite,
    "one_less_square": _one_less_square,
    "over_one_and_square": _over_one_and_square,
    "root_square_less_one": _root_square_less_one,
    "and": Emitter.and_,
    "or": Emitter.or_,
    "not": Emitter.not_,
    "shift_left": Emitter.shl,
    "shift_right": Emitter.shr,
}
"""Where it is not the emitter's own method of the name."""
BESIDE = {"sech_square": "tanh"}
"""What costs next to nothing where the other one is worked out of the same operand."""


@cache
def emitter(op: str) -> Callable[..., Value]:
    """What writes an elementwise primitive, loaded when it is first asked for."""
    native = PRIMITIVES[op].native
    found: Callable[..., Value] | None
    if native == "arithmetic":
        found = ARITHMETIC.get(op) or getattr(Emitter, op, None)
    else:
        family = import_module(f"descend.compile.elementary.{native}")
        found = getattr(family, op, None)
        if found is None and native == "library":
            found = family.called(op)
    if found is None:
        raise InternalError(f"{op} is declared as {native}, where nothing writes it")
    return found


@cache
def is_outlined(op: str) -> bool:
    """Whether an operation is so long that code which is not hot calls it."""
    primitive = PRIMITIVES.get(op)
    if primitive is None or primitive.kind != "elementwise":
        return False
    return primitive.native not in ("arithmetic", "library", "rewritten", "")


def emit_operation(
    e: Emitter, op: str, args: tuple[Value, ...], dtype: np.dtype[Any], attr: Any
) -> Value:
    """Write one elementwise operation on values of equal width."""
    if op == "fma":
        return e.fma(*args)
    if op == "cast":
        return _cast(e, args[0], kind_of(dtype))
    if args and args[0].width <= e.outline and is_outlined(op) and is_float(args[0].kind):
        return _outlined(e, op, args, dtype, attr)
    return emitter(op)(e, *args, **(attr or {}))


def _cast(e: Emitter, a: Value, kind: str) -> Value:
    """As `convert`, but NaN is no integer: it becomes one that no array has for an index."""
    value = e.convert(a, kind)
    if not is_float(a.kind) or is_float(kind) or kind == "i1":
        return value
    if is_signed(kind):
        return e.select(e.eq(a, a), value, e.like(value, -(2 ** (BITS[kind] - 1))))
    return e.select(e.gt(a, -1.0), value, e.like(value, 2 ** BITS[kind] - 1))


def _outlined(
    e: Emitter, op: str, args: tuple[Value, ...], dtype: np.dtype[Any], attr: Any
) -> Value:
    """A call of the operation as a function of the module, written when first needed.

    The same instructions in the same order: the same bits as where it is written in place. What is
    worked out together comes out together.
    """
    first, whole = args[0], BESIDE.get(op, op)
    ops = (whole, *[mate for mate, other in BESIDE.items() if other == whole])
    suffix = "".join(f"_{value}" for value in (attr or {}).values())
    name = f"@{whole}{suffix}_{first.kind}_{first.width}"
    type_ = first.type if len(ops) == 1 else f"{{ {', '.join([first.type] * len(ops))} }}"
    if name not in e.preamble:
        e.preamble[name] = ""
        lines: list[str] = []
        inner = Emitter(lines, first.width, e.preamble)
        operands = tuple([Value(f"%x{i}", a.kind, a.width) for i, a in enumerate(args)])
        results = [emit_operation(inner, o, operands, dtype, attr) for o in ops]
        made = results[0].name if len(ops) == 1 else "poison"
        for i, result in enumerate(results if len(ops) > 1 else ()):
            text = f"insertvalue {type_} {made}, {result.typed}, {i}"
            made = inner.op(text, first.kind, first.width).name
        head = f"define internal {type_} {name}({', '.join(o.typed for o in operands)})"
        body = [f"{head} noinline nounwind {{", "entry:", *lines, f"  ret {type_} {made}", "}"]
        e.preamble[name] = "\n".join(body)
    call = f"call {type_} {name}({', '.join([a.typed for a in args])})"
    if len(ops) == 1:
        return e.op(call, first.kind, first.width)
    key = (name, e.block, args)
    pair: Value = e.shared.get(key) or e.op(call, first.kind, first.width)
    e.shared[key] = pair
    return e.op(f"extractvalue {type_} {pair.name}, {ops.index(op)}", first.kind, first.width)


def memory_type(kind: str) -> str:
    """How a kind lies in memory: truth values take a byte."""
    if kind == "i1":
        return "i8"
    return {"f64": "double", "f32": "float"}.get(kind, f"i{BITS[kind]}")

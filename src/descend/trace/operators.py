"""Elementwise functions and operators on stand-ins: NumPy's dtypes and broadcasting, then nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.errors import TraceError, UsageError
from descend.graph.elementwise import cast
from descend.graph.node import Node
from descend.graph.source import const
from descend.trace.context import current, note, where
from descend.trace.handlers import waits_for
from descend.trace.known import Known, known
from descend.trace.rows import Rows
from descend.trace.table import covers, implementation
from descend.trace.tensor import Tensor, as_node, check_data, is_traced, without_stand_ins
from descend.trace.typing_rules import broadcast_shapes, fits, loop_dtypes, shape_text, to_shape
from descend.trace.ufunc_rules import RULES, Rule

__all__ = ["COMPLEX", "binary", "elementwise", "in_place", "known_results", "power", "unary"]

BOOL = np.dtype(bool)
# Classes of complex operands; `complex_pairs` computes with them.
_NUMBERS: frozenset[type] = frozenset((complex, np.complex128, np.complex64))
COMPLEX: set[type] = set(_NUMBERS)
_WEAK = {"f": float, "i": int, "b": BOOL}


def _operand(value: Any) -> tuple[Any, Any]:
    """A node or Python number, and its dtype, or `int` and `float` for weak scalars."""
    cls = value.__class__
    if cls is Tensor:
        node = value.node
        return node, _WEAK[node.dtype.kind] if value._weak else node.dtype
    if cls is float or cls is int:
        return value, cls
    if cls is bool:
        return value, BOOL
    if cls is Rows:
        return value.count(), int
    if isinstance(value, np.generic):
        check_data(value)
        value = np.float64(value) if value.dtype.char == "g" else value
        return value, value.dtype
    node = as_node(value)
    return node, node.dtype


def elementwise(rule: Rule, values: Sequence[Any], weak: bool = False, dtypes: Any = None) -> Any:
    """Apply a rule with NumPy's dtypes and broadcasting.

    `weak` says that an operator is applied: on Python numbers alone it gives a Python number.
    """
    operands = []
    kinds: list[Any] = []
    shape: Any = None
    for value in values:
        operand, kind = _operand(value)
        operands.append(operand)
        kinds.append(kind)
        if operand.__class__ is Node:
            own = operand.shape
            if shape is None:
                shape = own
            elif own != shape:
                shape = broadcast_shapes((shape, own))
    loop = loop_dtypes(rule.ufunc, tuple(kinds)) if dtypes is None else dtypes
    trace = current()
    if trace is not None and trace.guarded:
        waits_for(rule.name, weak, not shape)
    args = []
    for operand, dtype in zip(operands, loop, strict=False):
        if operand.__class__ is Node:
            if operand.dtype != dtype:
                _warn_promotion(rule, operand.dtype, dtype, kinds)
                operand = cast(operand, dtype)
        else:
            if operand.__class__ is int and dtype.kind in "iu" and not _fits(operand, dtype):
                return _out_of_range(rule, values, shape)
            operand = const(operand, dtype) if trace is None else trace.scalar(operand, dtype)
        args.append(operand if operand.shape == shape else to_shape(operand, shape))
    result = rule.emit(*args)
    if result.__class__ is tuple:
        return tuple(Tensor(note(r)) for r in result)
    # A dtype equals the Python class of its numbers: only identity tells them apart.
    return Tensor(note(result), weak and all(k is int or k is float for k in kinds))


def _fits(number: int, dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return bool(limits.min <= number <= limits.max)


def _out_of_range(rule: Rule, values: Sequence[Any], shape: Any) -> Tensor:
    """An integer that the array's dtype cannot hold: NumPy compares it all the same."""
    samples = [np.zeros((), v.dtype) if isinstance(v, Tensor) else v for v in values]
    return Tensor(to_shape(const(rule.ufunc(*samples)), shape))


def _warn_promotion(rule: Rule, own: Any, loop: Any, kinds: list[Any]) -> None:
    """Say once where float32 becomes float64 because of the other operand."""
    trace = current()
    if trace is None or own != np.float32 or loop != np.float64:
        return
    if any(k == np.float64 for k in kinds if k is not float):
        trace.warn(
            f"np.{rule.name} of float32 and float64 computes in float64 from here on",
            where(),
        )


@covers("in_place", module="operator")
def in_place(rule: Rule, target: Tensor, other: Any) -> Any:
    """`target += other`: writes into arrays; a scalar is replaced, as in NumPy."""
    if target.__class__ is Known:
        if not is_traced(other):
            rule.ufunc(target._known, without_stand_ins(other), out=target._known)
            return target
        target.become_traced()
    if not target.extents and target._store is None and target._view is None:
        return binary(rule, target, other)
    result = elementwise(rule, (target, other)).node
    target._put(None, in_place_value(rule.name, result, target))
    return target


def in_place_value(name: str, result: Node, target: Tensor) -> Node:
    """The result in the target's dtype and shape, or the error that NumPy gives."""
    if not np.can_cast(result.dtype, target.dtype, "same_kind"):
        raise TraceError(
            f"Cannot cast ufunc '{name}' output from {result.dtype!r} to {target.dtype!r} "
            "with casting rule 'same_kind'",
            where=where(),
        )
    if not fits(result.shape, target.extents):
        raise UsageError(
            f"non-broadcastable output operand with shape {shape_text(target.extents)} doesn't "
            f"match the broadcast shape {shape_text(result.shape)}",
            where=where(),
        )
    return to_shape(cast(result, target.dtype), target.extents)


@covers("binary", module="operator")
def binary(rule: Rule, a: Any, b: Any) -> Any:
    """An operator between two operands, at least one of them a stand-in."""
    if (a.__class__ in COMPLEX or b.__class__ in COMPLEX) and _is_traced_complex(a, b):
        return implementation("operator.complex")(rule, a, b)
    if rule is POWER:
        if b.__class__ is int and b == 2 and a.__class__ is Tensor and a.ndim:
            return elementwise(RULES["square"], (a,), weak=True)
        return power(a, b)
    if a.__class__ is Tensor or b.__class__ is Tensor:
        return elementwise(rule, (a, b), weak=True)
    if is_traced(a) or is_traced(b):
        return elementwise(rule, (a, b), weak=True)
    return known_results(rule.ufunc(without_stand_ins(a), without_stand_ins(b)))


def _is_traced_complex(a: Any, b: Any) -> bool:
    """Whether one operand is complex and one is traced; numbers and known arrays are NumPy's."""
    pairs = COMPLEX - _NUMBERS
    return a.__class__ in pairs or b.__class__ in pairs or is_traced(a) or is_traced(b)


def known_results(result: Any) -> Any:
    return tuple(known(r) for r in result) if isinstance(result, tuple) else known(result)


POWER = RULES["power"]
_SMALL_POWERS = {2: "square", 0.5: "sqrt", 1: "positive", -1: "reciprocal"}


def power(a: Any, b: Any) -> Any:
    """a ** b, with NumPy's short cuts for the exponents 2, ½, 1 and -1."""
    if not is_traced(a) and not is_traced(b):
        return known_results(np.power(without_stand_ins(a), without_stand_ins(b)))
    if a.__class__ is Tensor and (b.__class__ is int or b.__class__ is float):
        short = _SMALL_POWERS.get(b)
        if short is not None and a.dtype.kind == "f":
            return elementwise(RULES[short], (a,), weak=True)
        if b.__class__ is int and b < 0 and a.dtype.kind in "iu":
            raise TraceError("Integers to negative integer powers are not allowed.", where=where())
    return elementwise(POWER, (a, b), weak=True)


@covers("unary", module="operator")
def unary(rule: Rule, x: Tensor) -> Any:
    """An operator on one stand-in."""
    if x.__class__ is Known:
        return known(rule.ufunc(x._known))
    return elementwise(rule, (x,), weak=True)

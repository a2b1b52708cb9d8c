"""Functions of scipy.special: the elementwise ones, and the reductions logsumexp and softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from descend.errors import NotCoveredError
from descend.graph.elementwise import call, full_like, select
from descend.graph.linear import reduce_sum
from descend.graph.node import Node
from descend.graph.selection import reduce_max
from descend.graph.special import BESSEL, bessel
from descend.trace.context import note, where
from descend.trace.operands import deliver, float_node
from descend.trace.regions import reshaped
from descend.trace.table import covers
from descend.trace.tables.elementwise import apply_ufunc
from descend.trace.tables.reductions import unreduced
from descend.trace.tables.shape import tensor_of
from descend.trace.tensor import as_node, is_traced, wrap
from descend.trace.typing_rules import broadcast_shapes, normal_axes, to_shape
from descend.trace.ufunc_rules import SPECIAL_NAMES, load_special

__all__: list[str] = []

SPECIAL = "scipy.special"


def _elementwise_entry(name: str) -> Callable[..., Any]:
    def entry(*args: Any, **kwargs: Any) -> Any:
        return apply_ufunc(load_special()[name], args, kwargs)

    return entry


for _name in SPECIAL_NAMES:
    covers(_name, module=SPECIAL)(_elementwise_entry(_name))


def _shifted(x: Node, axes: tuple[int, ...]) -> tuple[Node, Node]:
    """x less its largest element along the axes, and that element (a constant to derivatives)."""
    top = call("stop_gradient", reduce_max(x, axes))
    finite = call("lt", call("abs", top), math.inf)
    top = select(finite, top, full_like(top, 0))
    return call("sub", x, unreduced(top, x.shape, axes)), top


@covers("logsumexp", module=SPECIAL)
def _logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    if return_sign:
        raise NotCoveredError("logsumexp with return_sign is not covered yet", where=where())
    x = float_node(a)
    weights = None
    if b is not None:
        weights = as_node(b, x.dtype)
        shape = broadcast_shapes([x.shape, weights.shape])
        x, weights = to_shape(x, shape), to_shape(weights, shape)
    axes = normal_axes(axis, x.ndim)
    moved, top = _shifted(x, axes)
    grown = call("exp", moved)
    grown = grown if weights is None else call("mul", grown, weights)
    total = call("add", call("log", reduce_sum(grown, axes)), top)
    if keepdims:
        total = reshaped(total, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))
    return deliver(total)


@covers("softmax", module=SPECIAL)
def _softmax(x: Any, axis: Any = None) -> Any:
    node = float_node(x)
    axes = normal_axes(axis, node.ndim)
    grown = call("exp", _shifted(node, axes)[0])
    return deliver(call("div", grown, unreduced(reduce_sum(grown, axes), node.shape, axes)))


@covers("log_softmax", module=SPECIAL)
def _log_softmax(x: Any, axis: Any = None) -> Any:
    node = float_node(x)
    axes = normal_axes(axis, node.ndim)
    moved, _ = _shifted(node, axes)
    total = call("log", reduce_sum(call("exp", moved), axes))
    return deliver(call("sub", moved, unreduced(total, node.shape, axes)))


@covers("factorial", module=SPECIAL, remark="exact=False")
def _factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    x = float_node(n)
    value = call("gamma", call("add", x, 1.0))
    return wrap(note(select(call("lt", x, 0.0), full_like(x, 0), value)))


@covers("softplus", module=SPECIAL)
def _softplus(x: Any, **kwargs: Any) -> Any:
    """log(1 + exp(x)) is -log(expit(-x))."""
    return -apply_ufunc(load_special()["log_expit"], (-tensor_of(x),), kwargs)


# --- functions of an order ------------------------------------------------------------------------


def _known_order(name: str, order: Any) -> float:
    """An order as a number; nothing is differentiated by it."""
    if is_traced(order) or np.ndim(order):
        raise NotCoveredError(
            f"scipy.special.{name} of an order that is not a known number",
            where=where(),
            remedy="give the order as a number; there is no derivative by it",
        )
    return float(order)


def _whole(name: str, order: float) -> int:
    if order != int(order):
        raise NotCoveredError(f"scipy.special.{name} of the order {order}", where=where())
    return int(order)


def _bessel_entry(name: str, primitive: str, whole: bool) -> None:
    @covers(name, module=SPECIAL, remark="for an order of known value")
    def entry(v: Any, z: Any, out: Any = None) -> Any:
        order = _known_order(name, v)
        if whole:
            _whole(name, order)
        return deliver(bessel(primitive, order, float_node(z)), out)


for _name in BESSEL:
    _bessel_entry(_name, _name, False)
for _name, _primitive in (("jn", "jv"), ("yn", "yv"), ("kn", "kv")):
    _bessel_entry(_name, _primitive, True)


@covers("polygamma", module=SPECIAL, remark="for an order of known value")
def _polygamma(n: Any, x: Any) -> Any:
    order = _whole("polygamma", _known_order("polygamma", n))
    node = float_node(x)
    return deliver(call("polygamma", node, order=order) if order else call("digamma", node))


@covers("expn", module=SPECIAL, remark="for an order of known value")
def _expn(n: Any, x: Any, out: Any = None) -> Any:
    return deliver(call("expn", float_node(x), order=_whole("expn", _known_order("expn", n))), out)


@covers("zeta", module=SPECIAL, remark="in its second argument, for a first one of known value")
def _zeta(x: Any, q: Any = None, out: Any = None) -> Any:
    if q is None:
        raise NotCoveredError(
            "scipy.special.zeta has no derivative here by its first argument",
            where=where(),
            remedy="call it outside of the model, if its argument is known",
        )
    return deliver(call("zeta", float_node(q), order=_known_order("zeta", x)), out)

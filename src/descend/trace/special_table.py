"""Functions of scipy.special: the elementwise ones, and the reductions logsumexp and softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from descend.errors import NotCoveredError
from descend.graph.elementwise import call, cast, full_like, select
from descend.graph.linear import reduce_sum
from descend.graph.node import Node
from descend.graph.selection import reduce_max
from descend.trace.context import note, where
from descend.trace.numpy_elementwise import apply_ufunc
from descend.trace.numpy_reductions import unreduced
from descend.trace.operands import deliver, float_node
from descend.trace.regions import reshaped
from descend.trace.table import covers
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


def _gamma_node(x: Node) -> Node:
    """exp(log|Γ|) with Γ's sign: negative between -1 and 0, -3 and -2, …"""
    odd = call("ne", call("mod", call("floor", x), 2.0), 0.0)
    negative = call("and", call("lt", x, 0.0), odd)
    size = call("exp", call("gammaln", x))
    return select(negative, call("neg", size), size)


@covers("gamma", module=SPECIAL, remark="through gammaln: a few ulp of its logarithm")
def _gamma(x: Any, out: Any = None) -> Any:
    return deliver(_gamma_node(float_node(x)), out)


@covers("factorial", module=SPECIAL, remark="exact=False")
def _factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    x = float_node(n)
    return wrap(note(select(call("lt", x, 0.0), full_like(x, 0), _gamma_node(call("add", x, 1.0)))))


def _beta_parts(a: Any, b: Any) -> tuple[Node, Node, Node]:
    x, y = wrap(float_node(a)), wrap(float_node(b))
    dtype = np.result_type(x.dtype, y.dtype)
    shape = broadcast_shapes([x.extents, y.extents])
    p, q = (to_shape(cast(v.node, dtype), shape) for v in (x, y))
    return p, q, call("add", p, q)


@covers("betaln", module=SPECIAL, remark="for positive arguments")
def _betaln(a: Any, b: Any, out: Any = None) -> Any:
    p, q, total = (call("gammaln", v) for v in _beta_parts(a, b))
    return deliver(call("sub", call("add", p, q), total), out)


@covers("beta", module=SPECIAL, remark="for positive arguments")
def _beta(a: Any, b: Any, out: Any = None) -> Any:
    return deliver(call("exp", _betaln(a, b).node), out)


@covers("polygamma", module=SPECIAL, remark="for an order of known value")
def _polygamma(n: Any, x: Any) -> Any:
    if is_traced(n) or np.ndim(n):
        raise NotCoveredError("polygamma of an order that is not a known number", where=where())
    order = int(n)
    node = float_node(x)
    if order == 0:
        return deliver(call("digamma", node))
    return deliver(call("polygamma", node, order=order))

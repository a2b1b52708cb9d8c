"""Medians and quantiles, of all or of what is not NaN; orders by several keys."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from descend.errors import NotCoveredError
from descend.graph.elementwise import call, cast, full_like, select
from descend.graph.linear import reduce_sum, reshape
from descend.graph.node import Node
from descend.graph.selection import argsort
from descend.trace.context import note, where
from descend.trace.operands import deliver, float_node
from descend.trace.regions import reshaped
from descend.trace.table import covers, implementation
from descend.trace.tables.index import sorted_node, take_along
from descend.trace.tables.reductions import kept
from descend.trace.tensor import as_node, is_traced, without_stand_ins, wrap
from descend.trace.typing_rules import known_extents, normal_axes, normal_axis, to_shape

__all__: list[str] = []


# --- quantiles ----------------------------------------------------------------------------------


def _middle(x: Node, axes: tuple[int, ...], pick: Callable[[Any], Any]) -> Any:
    """Sort along the axes taken together (they come last), and pick from the order."""
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    moved = wrap(x).transpose(*rest, *axes) if x.ndim else wrap(reshaped(x, (1,)))
    if len(axes) > 1:
        moved = moved.reshape(*(moved.shape[i] for i in range(len(rest))), -1)
    known_extents(moved.extents[-1:], "a quantile over the rows")
    ordered = wrap(sorted_node(moved.node, moved.ndim - 1))
    return pick(ordered)


def _nan_where_any(x: Node, axes: tuple[int, ...], result: Node) -> Node:
    if x.dtype.kind != "f":
        return result
    lost = reduce_sum(cast(call("ne", x, x), np.int64), axes)
    bad = call("lt", full_like(lost, 0), lost)
    lead = result.ndim - bad.ndim
    wide = to_shape(reshaped(bad, (1,) * lead + bad.shape), result.shape)
    return select(wide, full_like(result, np.nan), result)


@covers("median")
def _median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    x = float_node(a)
    axes = normal_axes(axis, x.ndim)

    def pick(ordered: Any) -> Any:
        n = ordered.extents[-1]
        if n % 2:
            return ordered[..., n // 2]
        return (ordered[..., n // 2 - 1] + ordered[..., n // 2]) / 2.0

    middle = _middle(x, axes, pick)
    result = _nan_where_any(x, axes, middle.node)
    return deliver(kept(result, x.shape, axes, keepdims), out)


@covers("quantile", remark="q of known value, without weights")
def _quantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: bool = False, *, weights: Any = None,
) -> Any:  # fmt: skip
    if is_traced(q) or weights is not None:
        raise NotCoveredError(
            "np.quantile is covered for known q and without weights", where=where()
        )
    x = float_node(a)
    axes = normal_axes(axis, x.ndim)
    share = np.asarray(without_stand_ins(q), np.float64)
    parts = []
    for one in share.ravel():
        picked = _middle(x, axes, functools.partial(_between, share=float(one), method=method))
        part = _nan_where_any(x, axes, picked.node)
        parts.append(wrap(kept(part, x.shape, axes, keepdims)))
    if not share.ndim:
        return deliver(parts[0].node, out)
    stacked = implementation("numpy.stack")(parts)
    return deliver(stacked.reshape((*share.shape, *stacked.shape[1:])).node, out)


def _between(ordered: Any, share: float, method: str) -> Any:
    """The quantile, which every method takes from two neighbours in the order."""
    n = ordered.extents[-1]
    if method == "linear":
        virtual = share * (n - 1)
    else:  # where NumPy would read off a ruler
        virtual = float(np.quantile(np.arange(float(n)), share, method=method))  # type: ignore[call-overload]
    low = int(np.floor(virtual))
    weight = virtual - low
    a, b = ordered[..., low], ordered[..., min(low + 1, n - 1)]
    if not weight:
        return a
    gap = b - a
    return b - gap * (1.0 - weight) if weight >= 0.5 else a + gap * weight


@covers("percentile", remark="as quantile")
def _percentile(a: Any, q: Any, *args: Any, **kwargs: Any) -> Any:
    if is_traced(q):
        return _quantile(a, q)
    return _quantile(a, np.asarray(without_stand_ins(q), float) / 100.0, *args, **kwargs)


# --- without NaN ---------------------------------------------------------------------------------


def _line(x: Node, axes: tuple[int, ...]) -> Node:
    """The array with the given axes taken together as its last."""
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    moved = wrap(x).transpose(*rest, *axes) if x.ndim else wrap(reshaped(x, (1,)))
    if len(axes) > 1:
        moved = moved.reshape(*(moved.shape[i] for i in range(len(rest))), -1)
    known_extents(moved.extents[-1:], "a quantile over the rows")
    node: Node = moved.node
    return node


class _Valid:
    """Sorted lines, NaN last, and how many numbers each has that are not NaN."""

    def __init__(self, line: Node) -> None:
        last = line.ndim - 1
        self.ordered = sorted_node(line, last)
        valid = reduce_sum(cast(call("eq", line, line), line.dtype), (last,))
        self.most = call("max", call("sub", valid, 1.0), 0.0)

    def at(self, place: Node) -> Node:
        """The number at a whole place (a float) of each line."""
        bounded = call("min", place, self.most)
        index = reshape(cast(bounded, np.int64), (*place.shape, 1))
        return reshape(take_along(self.ordered, index, self.ordered.ndim - 1), place.shape)

    def between(self, share: float) -> Node:
        """The quantile, on the line between the two nearest; each end is met exactly."""
        virtual = call("mul", self.most, share)
        low = call("floor", virtual)
        weight = call("sub", virtual, low)
        a, b = self.at(low), self.at(call("add", low, 1.0))
        gap = call("sub", b, a)
        rest = call("sub", full_like(weight, 1.0), weight)
        from_below = call("add", a, call("mul", gap, weight))
        from_above = call("sub", b, call("mul", gap, rest))
        return select(call("lt", weight, 0.5), from_below, from_above)


@covers("nanmedian")
def _nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    x = float_node(a)
    axes = normal_axes(axis, x.ndim)
    valid = _Valid(_line(x, axes))
    half = call("mul", valid.most, 0.5)
    both = call("add", valid.at(call("floor", half)), valid.at(call("ceil", half)))
    return deliver(kept(call("mul", both, 0.5), x.shape, axes, bool(keepdims is True)), out)


@covers("nanquantile", remark="as quantile")
def _nanquantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: Any = False, *, weights: Any = None,
) -> Any:  # fmt: skip
    if is_traced(q) or method != "linear" or weights is not None:
        raise NotCoveredError(
            "np.nanquantile is covered for known q, method='linear' and without weights",
            where=where(),
        )
    x = float_node(a)
    axes = normal_axes(axis, x.ndim)
    valid = _Valid(_line(x, axes))
    share = np.asarray(without_stand_ins(q), np.float64)
    parts = [
        wrap(kept(valid.between(float(one)), x.shape, axes, keepdims is True))
        for one in share.ravel()
    ]
    if not share.ndim:
        return deliver(parts[0].node, out)
    stacked = implementation("numpy.stack")(parts)
    return deliver(stacked.reshape((*share.shape, *stacked.shape[1:])).node, out)


@covers("nanpercentile", remark="as quantile")
def _nanpercentile(a: Any, q: Any, *args: Any, **kwargs: Any) -> Any:
    if is_traced(q):
        return _nanquantile(a, q)
    return _nanquantile(a, np.asarray(without_stand_ins(q), float) / 100.0, *args, **kwargs)


@covers("lexsort")
def _lexsort(keys: Any, axis: Any = -1) -> Any:
    """Stable orders, one key after the other: the last key counts most."""
    arrays = [as_node(k) for k in keys]
    at = normal_axis(axis, arrays[0].ndim)
    order = argsort(arrays[0], at)
    for key in arrays[1:]:
        again = argsort(take_along(key, order, at), at)
        order = take_along(order, again, at)
    return wrap(note(order))

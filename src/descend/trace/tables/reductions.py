"""Reductions over axes and running totals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.graph.elementwise import call, cast, full_like, select
from descend.graph.linear import concatenate, cumsum, pad, reduce_sum, slice_, transpose
from descend.graph.node import Dim, Node, RowsAsked, Shape
from descend.graph.selection import argmax, argmin, reduce_max, reduce_min
from descend.trace.context import where
from descend.trace.operands import deliver, float_node
from descend.trace.regions import reshaped
from descend.trace.rows import count_of
from descend.trace.table import covers
from descend.trace.tensor import as_node, wrap
from descend.trace.typing_rules import normal_axes, normal_axis, to_shape
from descend.trace.ufunc_rules import truth

__all__ = ["kept", "mean_node", "safe_sqrt", "unreduced"]

Axes = tuple[int, ...]


def kept(node: Node, before: Shape, axes: Axes, keepdims: bool) -> Node:
    """A reduced node, with extents of 1 put back if `keepdims`."""
    if not keepdims:
        return node
    return reshaped(node, tuple(1 if i in axes else n for i, n in enumerate(before)))


def unreduced(node: Node, before: Shape, axes: Axes) -> Node:
    """A reduced node repeated along the axes that are gone."""
    return to_shape(kept(node, before, axes, True), before)


def _masked(x: Node, mask: Any, neutral: Any) -> Node:
    """x with the neutral element where `where=` does not hold."""
    if mask is True or mask is None:
        return x
    return select(to_shape(truth(as_node(mask)), x.shape), x, full_like(x, neutral))


def _total_dtype(dtype: np.dtype[Any], wanted: Any) -> Any:
    """The dtype in which sums and products are taken."""
    if wanted is not None:
        return np.dtype(wanted)
    if dtype.kind in "bi" and dtype.itemsize < 8:
        return np.dtype(np.int64)
    if dtype.kind == "u" and dtype.itemsize < 8:
        return np.dtype(np.uint64)
    return dtype


@covers("sum")
def _sum(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False,
    initial: Any = None, where: Any = True,
) -> Any:  # fmt: skip
    x = as_node(a)
    x = _masked(cast(x, _total_dtype(x.dtype, dtype)), where, 0)
    axes = normal_axes(axis, x.ndim)
    result = kept(reduce_sum(x, axes), x.shape, axes, keepdims)
    if initial is not None:
        result = call("add", result, to_shape(as_node(initial, x.dtype), result.shape))
    return deliver(result, out)


def _extent(n: int | Dim, why: str) -> int:
    if isinstance(n, Dim):
        raise RowsAsked(n, why)
    return n


def product(x: Node, axes: Axes) -> Node:
    """The product over axes by halves: its derivatives hold where factors are zero."""
    if not axes:
        return x
    rest = [i for i in range(x.ndim) if i not in axes]
    x = transpose(x, (*axes, *rest))
    n = math.prod(_extent(e, "a product") for e in x.shape[: len(axes)])
    x = reshaped(x, (n, *x.shape[len(axes) :]))
    if n == 0:
        return full_like(reduce_sum(x, (0,)), 1)
    while n > 1:
        half = n // 2
        low, high = _rows(x, 0, half), _rows(x, half, 2 * half)
        multiplied = call("and" if x.dtype.kind == "b" else "mul", low, high)
        x = concatenate([multiplied, _rows(x, 2 * half, n)], 0) if n % 2 else multiplied
        n = half + n % 2
    return reshaped(x, x.shape[1:])


def _rows(x: Node, start: int, stop: int, axis: int = 0) -> Node:
    starts = tuple(start if i == axis else 0 for i in range(x.ndim))
    stops = tuple(stop if i == axis else n for i, n in enumerate(x.shape))
    return slice_(x, starts, stops, (1,) * x.ndim)


@covers("prod")
def _prod(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False,
    initial: Any = None, where: Any = True,
) -> Any:  # fmt: skip
    x = as_node(a)
    x = _masked(cast(x, _total_dtype(x.dtype, dtype)), where, 1)
    axes = normal_axes(axis, x.ndim)
    result = kept(product(x, axes), x.shape, axes, keepdims)
    if initial is not None:
        result = call("mul", result, to_shape(as_node(initial, x.dtype), result.shape))
    return deliver(result, out)


def mean_node(x: Node, axes: Axes, mask: Any = True, lost: Any = 0) -> Node:
    """Sum over count, in floats; `lost` is subtracted from the count (degrees of freedom)."""
    if mask is True:
        total = reduce_sum(x, axes)
        count = count_of(tuple(x.shape[i] for i in axes), x.dtype)
    else:
        held = to_shape(truth(as_node(mask)), x.shape)
        total = reduce_sum(select(held, x, full_like(x, 0)), axes)
        count = reduce_sum(cast(held, x.dtype), axes)
    if not (isinstance(lost, (int, float)) and lost == 0):
        count = call("sub", count, to_shape(as_node(lost, x.dtype), count.shape))
        count = call("max", count, 0)
    return call("div", total, to_shape(count, total.shape))


def _wide(x: Node, dtype: Any) -> tuple[Node, np.dtype[Any]]:
    """The node in the dtype of the computation, and the dtype of the result."""
    if dtype is not None:
        return cast(x, dtype), np.dtype(dtype)
    if x.dtype.kind != "f":
        return cast(x, np.float64), np.dtype(np.float64)
    return (cast(x, np.float32), x.dtype) if x.dtype == np.float16 else (x, x.dtype)


@covers("mean")
def _mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False,
    *, where: Any = True,
) -> Any:  # fmt: skip
    x, result_dtype = _wide(as_node(a), dtype)
    axes = normal_axes(axis, x.ndim)
    return deliver(
        cast(kept(mean_node(x, axes, where), x.shape, axes, keepdims), result_dtype), out
    )


def _variance(x: Node, axes: Axes, ddof: Any, mask: Any) -> Node:
    middle = unreduced(mean_node(x, axes, mask), x.shape, axes)
    gap = call("sub", x, middle)
    return mean_node(call("mul", gap, gap), axes, mask, ddof)


def safe_sqrt(x: Node) -> Node:
    """The square root with derivative 0 where it is 0."""
    at_zero = call("eq", x, 0)
    root = call("sqrt", select(at_zero, full_like(x, 1), x))
    return select(at_zero, full_like(x, 0), root)


def _spread(name: str, finish: Callable[[Node], Node]) -> None:
    @covers(name)
    def spread(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
        keepdims: bool = False, *, where: Any = True, correction: Any = None,
    ) -> Any:  # fmt: skip
        x, result_dtype = _wide(as_node(a), dtype)
        axes = normal_axes(axis, x.ndim)
        lost = ddof if correction is None else correction
        result = finish(_variance(x, axes, lost, where))
        return deliver(cast(kept(result, x.shape, axes, keepdims), result_dtype), out)


_spread("var", lambda v: v)
_spread("std", safe_sqrt)


def _extremum(names: tuple[str, ...], pick: Callable[[Node, Axes], Node], pair: str) -> None:
    @covers(*names)
    def extremum(
        a: Any, axis: Any = None, out: Any = None, keepdims: bool = False,
        initial: Any = None, where: Any = True,
    ) -> Any:  # fmt: skip
        x = as_node(a)
        if where is not True:
            if initial is None:
                raise UsageError(f"np.{names[0]}(…, where=…) needs initial=", where=_place())
            x = _masked(x, where, initial)
        axes = normal_axes(axis, x.ndim)
        if initial is None and any(x.shape[i] == 0 for i in axes):
            raise UsageError(
                f"zero-size array to reduction operation {names[0]} which has no identity",
                where=_place(),
            )
        result = kept(pick(x, axes), x.shape, axes, keepdims)
        if initial is not None:
            result = call(pair, result, to_shape(as_node(initial, x.dtype), result.shape))
        return deliver(result, out)


_place = where
_extremum(("max", "amax"), reduce_max, "max")
_extremum(("min", "amin"), reduce_min, "min")


@covers("ptp")
def _ptp(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    x = as_node(a)
    axes = normal_axes(axis, x.ndim)
    gap = call("sub", reduce_max(x, axes), reduce_min(x, axes))
    return deliver(kept(gap, x.shape, axes, keepdims), out)


def _truth_of(name: str, pick: Callable[[Node, Axes], Node], neutral: bool) -> None:
    @covers(name)
    def quantifier(
        a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = True
    ) -> Any:
        x = _masked(truth(as_node(a)), where, neutral)
        axes = normal_axes(axis, x.ndim)
        return deliver(kept(pick(x, axes), x.shape, axes, keepdims), out)


def _any(x: Node, axes: Axes) -> Node:
    return call("lt", full_like(counted := _counted(x, axes), 0), counted)


def _all(x: Node, axes: Axes) -> Node:
    return call("eq", _counted(call("not", x), axes), 0)


def _counted(x: Node, axes: Axes) -> Node:
    return reduce_sum(cast(x, np.int64), axes)


_truth_of("any", _any, False)
_truth_of("all", _all, True)


@covers("count_nonzero")
def _count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    x = truth(as_node(a))
    axes = normal_axes(axis, x.ndim)
    return deliver(kept(_counted(x, axes), x.shape, axes, keepdims))


def _index_of(name: str, find: Callable[[Node, int], Node]) -> None:
    @covers(name)
    def index_of(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
        x = as_node(a)
        if axis is None:
            shape = x.shape
            x = x if x.ndim == 1 else reshaped(x, (x.size,))
            found = find(x, 0)
            return deliver(reshaped(found, (1,) * len(shape)) if keepdims else found, out)
        at = normal_axis(axis, x.ndim)
        return deliver(kept(find(x, at), x.shape, (at,), keepdims), out)


_index_of("argmax", argmax)
_index_of("argmin", argmin)


# --- running totals -----------------------------------------------------------------------------


def along(a: Any, axis: Any) -> tuple[Node, int]:
    """An array and the axis to go along; without an axis, the flattened array."""
    x = as_node(a)
    if axis is None:
        return (x if x.ndim == 1 else reshaped(x, (x.size,))), 0
    return x, normal_axis(axis, x.ndim)


def running(x: Node, axis: int, pair: str) -> Node:
    """Inclusive scan of an associative primitive by doubling: log₂ n steps of whole arrays."""
    n = _extent(x.shape[axis], "a running product or extremum")
    step = 1
    while step < n:
        joined = call(pair, _rows(x, step, n, axis), _rows(x, 0, n - step, axis))
        x = concatenate([_rows(x, 0, step, axis), joined], axis)
        step *= 2
    return x


@covers("cumsum")
def _cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    x, at = along(a, axis)
    return deliver(cumsum(cast(x, _total_dtype(x.dtype, dtype)), at), out)


@covers("cumprod")
def _cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    x, at = along(a, axis)
    return deliver(running(cast(x, _total_dtype(x.dtype, dtype)), at, "mul"), out)


def _cumulative(name: str, plain: Callable[..., Any]) -> None:
    @covers(name)
    def cumulative(
        x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None,
        include_initial: bool = False,
    ) -> Any:  # fmt: skip
        node = as_node(x)
        at = 0 if axis is None else normal_axis(axis, node.ndim)
        if axis is None and node.ndim != 1:
            raise UsageError(f"np.{name} needs an axis for {node.ndim} dimensions", where=where())
        result = plain(node, axis=at, dtype=dtype)
        if include_initial:
            low = tuple(1 if i == at else 0 for i in range(node.ndim))
            zero = (0,) * node.ndim
            first = 0 if name == "cumulative_sum" else 1
            padded = pad(result.node, low, zero, zero)
            if first:
                unit = _rows(padded, 0, 1, at)
                padded = concatenate([full_like(unit, 1), result.node], at)
            result = wrap(padded)
        return deliver(result.node, out)


_cumulative("cumulative_sum", _cumsum)
_cumulative("cumulative_prod", _cumprod)


@covers("_maximum_accumulate", module="numpy")
def _maximum_accumulate(a: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    x, at = along(a, axis)
    return deliver(running(x, at, "max"), out)


@covers("_minimum_accumulate", module="numpy")
def _minimum_accumulate(a: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    x, at = along(a, axis)
    return deliver(running(x, at, "min"), out)


# --- ignoring NaN -------------------------------------------------------------------------------


def _without_nan(a: Any, neutral: Any) -> tuple[Any, Any]:
    """The array with NaN replaced, and where it is not NaN."""
    x = as_node(a)
    if x.dtype.kind != "f":
        return wrap(x), True
    valid = call("eq", x, x)
    return wrap(select(valid, x, full_like(x, neutral))), wrap(valid)


def _ignoring_nan(name: str, plain: Callable[..., Any], neutral: Any) -> None:
    @covers(name)
    def ignoring(a: Any, *args: Any, **kwargs: Any) -> Any:
        return plain(_without_nan(a, neutral)[0], *args, **kwargs)


_ignoring_nan("nansum", _sum, 0)
_ignoring_nan("nanprod", _prod, 1)
_ignoring_nan("nancumsum", _cumsum, 0)
_ignoring_nan("nancumprod", _cumprod, 1)


def _nan_mean(name: str) -> None:
    from_plain = name.removeprefix("nan")

    @covers(name)
    def mean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, **kwargs: Any) -> Any:
        filled, valid = _without_nan(a, 0)
        call_plain = _PLAIN[from_plain]
        return call_plain(filled, axis, dtype, out, where=valid, **kwargs)


def _nan_extremum(name: str, plain: Callable[..., Any], neutral: float) -> None:
    @covers(name)
    def extremum(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        filled, valid = _without_nan(a, neutral)
        result = plain(filled, axis, None, keepdims)
        if valid is True:
            return deliver(result.node, out)
        axes = normal_axes(axis, filled.ndim)
        anywhere = kept(_any(valid.node, axes), filled.extents, axes, keepdims)
        return deliver(select(anywhere, result.node, full_like(result.node, math.nan)), out)


def _plain(name: str) -> Callable[..., Any]:
    from_table = _TABLE[f"numpy.{name}"].call
    assert from_table is not None
    return from_table


from descend.trace.table import ENTRIES as _TABLE  # noqa: E402

_PLAIN = {name: _plain(name) for name in ("mean", "var", "std")}
for _name in ("nanmean", "nanvar", "nanstd"):
    _nan_mean(_name)
_nan_extremum("nanmax", _plain("max"), -math.inf)
_nan_extremum("nanmin", _plain("min"), math.inf)


def _nan_index(name: str, plain: Callable[..., Any], neutral: float) -> None:
    @covers(name)
    def index(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
        return plain(_without_nan(a, neutral)[0], axis, out, keepdims=keepdims)


_nan_index("nanargmax", _plain("argmax"), -math.inf)
_nan_index("nanargmin", _plain("argmin"), math.inf)


@covers("average")
def _average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    x = float_node(a)
    if weights is None:
        axes = normal_axes(axis, x.ndim)
        mean = wrap(kept(mean_node(x, axes), x.shape, axes, keepdims))
        count = count_of(tuple(x.shape[i] for i in axes), x.dtype)
        total = wrap(to_shape(count, mean.extents))
    else:
        w = as_node(weights)
        axes = normal_axes(axis, x.ndim)
        if w.shape != x.shape:
            if w.ndim != 1 or len(axes) != 1:
                raise UsageError(
                    "Shape of weights must be consistent with shape of a along specified axis.",
                    where=where(),
                )
            (at,) = axes
            unit = tuple(w.shape[0] if i == at else 1 for i in range(x.ndim))
            w = to_shape(reshaped(w, unit), x.shape)
        dtype = np.result_type(x.dtype, w.dtype)
        total = _sum(wrap(cast(w, dtype)), axis, keepdims=keepdims)
        weighted = call("mul", cast(x, dtype), cast(w, dtype))
        mean = _sum(wrap(weighted), axis, keepdims=keepdims) / total
    return (mean, total) if returned else mean


@covers("_logaddexp_reduce", module="numpy")
def logsumexp_node(a: Any, axis: Any = 0, keepdims: bool = False, **_: Any) -> Any:
    """log Σ exp, shifted by the largest element, which is a constant to the derivative."""
    x = float_node(a)
    axes = normal_axes(axis, x.ndim)
    top = call("stop_gradient", reduce_max(x, axes))
    finite = call("lt", call("abs", top), math.inf)
    shift = select(finite, top, full_like(top, 0))
    grown = call("exp", call("sub", x, unreduced(shift, x.shape, axes)))
    result = call("add", call("log", reduce_sum(grown, axes)), shift)
    return deliver(kept(result, x.shape, axes, keepdims))

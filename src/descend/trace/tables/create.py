"""Making arrays: filled, counted, and collected from lists that hold traced values."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.errors import TraceError, UsageError
from descend.graph.elementwise import cast
from descend.graph.linear import broadcast
from descend.graph.node import Node, RowsAsked, Shape
from descend.graph.source import const, iota
from descend.trace.context import note, where
from descend.trace.operands import common_dtype
from descend.trace.regions import reshaped, stacked
from descend.trace.rows import Rows
from descend.trace.table import covers
from descend.trace.tensor import Tensor, as_node, is_traced, wrap
from descend.trace.typing_rules import broadcast_shapes, fits, known_extents, shape_text, to_shape

__all__ = ["as_shape"]


def as_shape(shape: Any) -> Shape:
    """A shape as the model gives it: a number or a sequence, rows by their `Rows`."""
    items = shape if isinstance(shape, (tuple, list)) else (shape,)
    return tuple(n.dim if isinstance(n, Rows) else int(n.__index__()) for n in items)


def nested(value: Any) -> Node:
    """A list of lists with traced values in it, as one node."""
    if not isinstance(value, (list, tuple)) or not is_traced(value):
        return as_node(value)
    parts = [nested(v) for v in value]
    shapes = {p.shape for p in parts}
    if len(shapes) > 1:
        texts = ", ".join(sorted(shape_text(s) for s in shapes))
        raise UsageError(
            f"the elements of the list have different shapes: {texts}",
            where=where(),
            remedy="give all elements one shape, e.g. with np.broadcast_to",
        )
    dtype = np.result_type(*(p.dtype for p in parts))
    return stacked([cast(p, dtype) for p in parts])


@covers("array", creates=True)
def _array(
    object: Any, dtype: Any = None, *, copy: Any = True, order: Any = None, subok: bool = False,
    ndmin: int = 0, like: Any = None, ndmax: int = 0,
) -> Any:  # fmt: skip
    node = nested(object)
    node = node if dtype is None else cast(node, dtype)
    if node.ndim < ndmin:
        node = reshaped(node, (1,) * (ndmin - node.ndim) + node.shape)
    return wrap(note(node))


@covers("asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "asarray_chkfinite")
def _asarray(a: Any, dtype: Any = None, *_args: Any, **_kwargs: Any) -> Any:
    if isinstance(a, Tensor) and (dtype is None or a.dtype == np.dtype(dtype)):
        return a
    return _array(a, dtype)


@covers("copy", creates=True)
def _copy(a: Any, order: Any = "K", subok: bool = False) -> Any:
    return wrap(as_node(a))


@covers("full", creates=True)
def _full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **_: Any) -> Any:
    return wrap(note(_filled(as_shape(shape), fill_value, dtype)))


def _filled(shape: Shape, value: Any, dtype: Any) -> Node:
    node = as_node(value, dtype)
    if not fits(node.shape, shape):
        raise UsageError(
            f"could not broadcast input array from shape {shape_text(node.shape)} into shape "
            f"{shape_text(shape)}",
            where=where(),
        )
    return to_shape(node, shape)


def _uniform(name: str, value: int) -> None:
    @covers(name, creates=True)
    def uniform(shape: Any, dtype: Any = None, order: Any = "C", **_: Any) -> Any:
        kind = np.float64 if dtype is None else np.dtype(dtype)
        return wrap(broadcast(const(value, kind), as_shape(shape), ()))

    @covers(f"{name}_like", creates=True)
    def like(
        a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, **_: Any
    ) -> Any:
        x = as_node(a)
        extents = x.shape if shape is None else as_shape(shape)
        return wrap(broadcast(const(value, x.dtype if dtype is None else dtype), extents, ()))


_uniform("zeros", 0)
_uniform("ones", 1)
_uniform("empty", 0)


@covers("full_like", creates=True)
def _full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: Any = "K", subok: bool = True,
    shape: Any = None, **_: Any,
) -> Any:  # fmt: skip
    x = as_node(a)
    extents = x.shape if shape is None else as_shape(shape)
    return wrap(note(_filled(extents, fill_value, x.dtype if dtype is None else dtype)))


@covers("arange", creates=True, remark="the number of elements must be known, or be len(x)")
def _arange(
    start: Any = None, stop: Any = None, step: Any = None, dtype: Any = None, **_: Any
) -> Any:
    if stop is None and isinstance(start, Rows):
        return wrap(iota((start.dim,), 0, np.int64 if dtype is None else dtype))
    for bound in (start, stop, step):
        if isinstance(bound, Rows):
            raise RowsAsked(bound.dim, "np.arange")
    raise TraceError(
        "np.arange with a bound that is not known before the data is",
        where=where(),
        remedy="np.arange(n) * step + start with a known n",
    )


@covers("linspace", creates=True)
def _linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0, **_: Any,
) -> Any:  # fmt: skip
    n = int(num.__index__())
    kind = common_dtype((start, stop, float(n)))
    kind = kind if kind.kind == "f" else np.dtype(np.float64)
    first, last = wrap(as_node(start, kind)), wrap(as_node(stop, kind))
    gaps = n - 1 if endpoint else n
    span = last - first
    step = span / gaps if gaps > 0 else span * np.nan
    shape = broadcast_shapes([first.extents, last.extents])
    count = np.arange(n, dtype=kind).reshape((n,) + (1,) * len(shape))
    result = wrap(as_node(count)) * step + first if gaps > 0 else wrap(as_node(count)) + first
    if endpoint and n > 1:
        result[-1] = last
    if axis:
        result = result.transpose(*_moved(result.ndim, axis))
    result = result.astype(kind if dtype is None else dtype)
    return (result, step) if retstep else result


def _moved(ndim: int, axis: int) -> tuple[int, ...]:
    order = list(range(1, ndim))
    order.insert(axis % ndim, 0)
    return tuple(order)


@covers("logspace", creates=True)
def _logspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, base: Any = 10.0,
    dtype: Any = None, axis: int = 0,
) -> Any:  # fmt: skip
    exponents = _linspace(start, stop, num, endpoint, axis=axis)
    result = base**exponents
    return result if dtype is None else result.astype(dtype)


@covers("geomspace", creates=True)
def _geomspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    first, last = wrap(as_node(start, np.float64)), wrap(as_node(stop, np.float64))
    share = np.linspace(0.0, 1.0, num, endpoint=endpoint)
    shape = broadcast_shapes([first.extents, last.extents])
    share = share.reshape((len(share),) + (1,) * len(shape))
    result = first * (last / first) ** share
    if axis:
        result = result.transpose(*_moved(result.ndim, axis))
    return result if dtype is None else result.astype(dtype)


@covers("vander")
def _vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    column = as_node(x)
    extent = column.shape[0]
    (count,) = known_extents(column.shape, "np.vander") if N is None else (int(N),)
    powers = np.arange(count)
    if column.dtype.kind != "f":
        powers = powers.astype(np.promote_types(column.dtype, int))
    base = wrap(reshaped(column, (extent, 1)))
    return base ** (powers if increasing else powers[::-1])


@covers("meshgrid")
def _meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    arrays = [as_node(x) for x in xi]
    n = len(arrays)
    swapped = indexing == "xy" and n > 1
    places = [1, 0, *range(2, n)] if swapped else list(range(n))
    wide = []
    for node, at in zip(arrays, places, strict=True):
        flat = reshaped(node, (node.size,))
        wide.append(reshaped(flat, tuple(flat.shape[0] if i == at else 1 for i in range(n))))
    if sparse:
        return tuple(wrap(w) for w in wide)
    shape = broadcast_shapes([w.shape for w in wide])
    return tuple(wrap(to_shape(w, shape)) for w in wide)


for _name in ("eye", "identity", "tri", "indices", "fromiter", "frombuffer", "fromfunction"):

    @covers(_name, creates=True)
    def _of_known_numbers(*_args: Any, _name: str = _name, **_kwargs: Any) -> Any:
        for value in (*_args, *_kwargs.values()):
            if isinstance(value, Rows):
                raise RowsAsked(value.dim, f"np.{_name}")
        raise TraceError(
            f"np.{_name} of values that are not known before the data is", where=where()
        )

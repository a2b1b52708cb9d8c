"""Shapes: reshaping, reordering axes, joining, splitting, repeating. Views write through."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from descend.errors import TraceError, UsageError
from descend.graph.elementwise import cast
from descend.graph.linear import concatenate
from descend.graph.node import Dim, RowsAsked, Shape
from descend.graph.selection import take
from descend.graph.source import const
from descend.trace.context import note, where
from descend.trace.known import Known, known
from descend.trace.regions import Reshaped, Transposed, reshaped
from descend.trace.table import covers
from descend.trace.tables.create import as_shape
from descend.trace.tensor import Tensor, as_node, view_of, wrap
from descend.trace.typing_rules import (
    broadcast_shapes,
    fits,
    normal_axes,
    normal_axis,
    shape_text,
    to_shape,
)

__all__ = ["at_least", "tensor_of"]


def tensor_of(value: Any) -> Any:
    """A stand-in as it is; a list, number or array as one."""
    return value if isinstance(value, Tensor) else wrap(as_node(value))


def _reshaped(a: Any, shape: Shape) -> Any:
    x = tensor_of(a)
    if x.extents == shape and x.__class__ is Tensor:
        return x
    return view_of(x, Reshaped(x.extents, shape))


def _wanted_shape(own: Shape, given: Shape) -> Shape:
    """The shape asked for, its -1 worked out; rows may stand on both sides."""
    places = [i for i, n in enumerate(given) if n == -1]
    if len(places) > 1:
        raise UsageError("can only specify one unknown dimension", where=where())
    own_dims = [n for n in own if isinstance(n, Dim)]
    rest = [n for i, n in enumerate(given) if i not in places]
    for extent in rest:
        if isinstance(extent, Dim) and extent in own_dims:
            own_dims.remove(extent)
        elif isinstance(extent, Dim):
            raise RowsAsked(extent, "a reshape")
    have = math.prod(n for n in own if not isinstance(n, Dim))
    asked = math.prod(n for n in rest if not isinstance(n, Dim))
    if own_dims:
        if len(own_dims) > 1 or not places or have != asked:
            raise RowsAsked(own_dims[0], "a reshape of the rows")
        return tuple(own_dims[0] if i in places else n for i, n in enumerate(given))
    if places:
        if asked == 0 or have % asked:
            raise _misfit(own, given)
        return tuple(have // asked if i in places else n for i, n in enumerate(given))
    if have != asked:
        raise _misfit(own, given)
    return given


def _misfit(own: Shape, given: Shape) -> UsageError:
    return UsageError(
        f"cannot reshape array of shape {shape_text(own)} into shape {shape_text(given)}",
        where=where(),
        plain=True,
    )


def _fortran(x: Any, shape: Shape) -> Any:
    """A reshape that reads and fills the first axis fastest."""
    turned = _reshaped(_transposed(x, None), tuple(reversed(shape)))
    return _transposed(turned, None)


@covers("reshape", views=True)
def _reshape(a: Any, /, shape: Any = None, order: str = "C", *, copy: Any = None, **kw: Any) -> Any:
    x = tensor_of(a)
    given = as_shape(kw.get("newshape") if shape is None else shape)
    wanted = _wanted_shape(x.extents, given)
    if order == "F":
        return _fortran(x, wanted)
    return _reshaped(x, wanted)


@covers("ravel", views=True)
def _ravel(a: Any, order: str = "C") -> Any:
    return _reshape(a, (-1,), order)


def _transposed(a: Any, axes: Any) -> Any:
    x = tensor_of(a)
    if axes is None:
        order = tuple(reversed(range(x.ndim)))
    else:
        order = tuple(normal_axis(i, x.ndim) for i in axes)
        if sorted(order) != list(range(x.ndim)):
            raise UsageError("axes don't match array", where=where())
    if order == tuple(range(x.ndim)):
        return x
    return view_of(x, Transposed(order, tuple(x.extents[i] for i in order)))


@covers("transpose", "permute_dims", views=True)
def _transpose(a: Any, axes: Any = None) -> Any:
    return _transposed(a, axes)


@covers("matrix_transpose", views=True)
def _matrix_transpose(x: Any, /) -> Any:
    return _swapaxes(x, -1, -2)


@covers("swapaxes", views=True)
def _swapaxes(a: Any, axis1: Any, axis2: Any) -> Any:
    x = tensor_of(a)
    order = list(range(x.ndim))
    i, j = normal_axis(axis1, x.ndim), normal_axis(axis2, x.ndim)
    order[i], order[j] = order[j], order[i]
    return _transposed(x, order)


@covers("moveaxis", views=True)
def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    x = tensor_of(a)
    sources = [normal_axis(s, x.ndim) for s in _listed(source)]
    targets = [normal_axis(d, x.ndim) for d in _listed(destination)]
    if len(sources) != len(targets):
        raise UsageError(
            "`source` and `destination` arguments must have the same number of elements",
            where=where(),
        )
    order = [i for i in range(x.ndim) if i not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target, origin)
    return _transposed(x, order)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


@covers("rollaxis", views=True)
def _rollaxis(a: Any, axis: Any, start: int = 0) -> Any:
    x = tensor_of(a)
    at = normal_axis(axis, x.ndim)
    target = start + x.ndim if start < 0 else start
    order = [i for i in range(x.ndim) if i != at]
    order.insert(target - (at < target), at)
    return _transposed(x, order)


@covers("expand_dims", views=True)
def _expand_dims(a: Any, axis: Any) -> Any:
    x = tensor_of(a)
    n = x.ndim + len(_listed(axis))
    places = normal_axes(_listed(axis), n)
    rest = iter(x.extents)
    return _reshaped(x, tuple(1 if i in places else next(rest) for i in range(n)))


@covers("squeeze", views=True)
def _squeeze(a: Any, axis: Any = None) -> Any:
    x = tensor_of(a)
    if axis is None:
        dropped = tuple(i for i, n in enumerate(x.extents) if n == 1)
    else:
        dropped = normal_axes(axis, x.ndim)
        if any(x.extents[i] != 1 for i in dropped):
            raise UsageError(
                "cannot select an axis to squeeze out which has size not equal to one",
                where=where(),
            )
    return _reshaped(x, tuple(n for i, n in enumerate(x.extents) if i not in dropped))


def at_least(n: int, a: Any) -> Any:
    """An array with at least n axes, where NumPy puts the new ones."""
    x = tensor_of(a)
    own = x.extents
    if len(own) >= n:
        return x
    if n == 3 and len(own) == 1:
        return _reshaped(x, (1, *own, 1))
    if n == 3 and len(own) == 2:
        return _reshaped(x, (*own, 1))
    return _reshaped(x, (1,) * (n - len(own)) + own)


for _n in (1, 2, 3):

    @covers(f"atleast_{_n}d", views=True)
    def _at_least_nd(*arrays: Any, _n: int = _n) -> Any:
        results = tuple(at_least(_n, a) for a in arrays)
        return results[0] if len(results) == 1 else results


@covers("broadcast_to")
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    x, wanted = as_node(array), as_shape(shape)
    if not fits(x.shape, wanted):
        raise UsageError(
            f"cannot broadcast shape {shape_text(x.shape)} to {shape_text(wanted)}", where=where()
        )
    return wrap(to_shape(x, wanted))


@covers("broadcast_arrays")
def _broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    nodes = [as_node(a) for a in args]
    shape = broadcast_shapes([n.shape for n in nodes])
    return tuple(wrap(to_shape(n, shape)) for n in nodes)


# --- turning and repeating ----------------------------------------------------------------------


@covers("flip", views=True)
def _flip(m: Any, axis: Any = None) -> Any:
    x = tensor_of(m)
    axes = normal_axes(axis, x.ndim)
    return x[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(x.ndim))]


@covers("flipud", views=True)
def _flipud(m: Any) -> Any:
    return _flip(m, 0)


@covers("fliplr", views=True)
def _fliplr(m: Any) -> Any:
    return _flip(m, 1)


@covers("rot90", views=True)
def _rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    x = tensor_of(m)
    i, j = (normal_axis(a, x.ndim) for a in axes)
    k %= 4
    if k == 0:
        return x
    if k == 2:
        return _flip(x, (i, j))
    if k == 1:
        return _swapaxes(_flip(x, j), i, j)
    return _flip(_swapaxes(x, i, j), j)


@covers("roll")
def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    x = tensor_of(a)
    if axis is None:
        return _reshaped(_roll(_ravel(x), shift, 0), x.extents)
    shifts, axes = np.broadcast_arrays(np.asarray(shift), np.asarray(axis))
    node = x.node
    for amount, place in zip(shifts.ravel(), axes.ravel(), strict=True):
        at = normal_axis(int(place), x.ndim)
        extent = node.shape[at]
        if isinstance(extent, Dim):
            raise RowsAsked(extent, "np.roll over the rows")
        turn = int(amount) % extent if extent else 0
        if turn:
            index = (slice(None),) * at
            whole = wrap(node)
            tail, head = whole[(*index, slice(-turn, None))], whole[(*index, slice(None, -turn))]
            node = concatenate([tail.node, head.node], at)
    return wrap(note(node))


@covers("repeat")
def _repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    x = tensor_of(a)
    if axis is None:
        x, axis = _ravel(x), 0
    at = normal_axis(axis, x.ndim)
    extent = x.extents[at]
    if isinstance(extent, Dim):
        raise RowsAsked(extent, "np.repeat over the rows")
    index = np.repeat(np.arange(extent), np.asarray(repeats))
    return wrap(note(take(x.node, const(index), at)))


@covers("tile")
def _tile(A: Any, reps: Any) -> Any:
    x = tensor_of(A)
    times = tuple(int(r) for r in _listed(reps)) if not isinstance(reps, int) else (reps,)
    x = _at_least_times(x, len(times))
    times = (1,) * (x.ndim - len(times)) + times
    node = x.node
    for axis, count in enumerate(times):
        if count == 0:
            node = wrap(node)[(slice(None),) * axis + (slice(0, 0),)].node
        elif count > 1:
            node = concatenate([node] * count, axis)
    return wrap(note(node))


def _at_least_times(x: Any, n: int) -> Any:
    return x if x.ndim >= n else _reshaped(x, (1,) * (n - x.ndim) + x.extents)


@covers("resize")
def _resize(a: Any, new_shape: Any) -> Any:
    flat = _ravel(a)
    shape = tuple(int(n) for n in as_shape(new_shape))  # type: ignore[arg-type]
    count = math.prod(shape)
    index = np.resize(np.arange(flat.size), count)
    return wrap(reshaped(take(flat.node, const(index), 0), shape))


@covers("shape")
def _shape(a: Any) -> Any:
    return tensor_of(a).shape


@covers("ndim")
def _ndim(a: Any) -> int:
    return int(tensor_of(a).ndim)


@covers("size")
def _size(a: Any, axis: Any = None) -> Any:
    x = tensor_of(a)
    return x.size if axis is None else x.shape[axis]


@covers("astype")
def _astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    kind = np.dtype(dtype)
    if kind.kind not in "biuf":
        raise TraceError(f"a traced array cannot become {kind}", where=where())
    if x.__class__ is Known:
        return known(x._known.astype(kind))
    return wrap(note(cast(as_node(x), kind)))

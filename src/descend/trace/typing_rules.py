"""NumPy's own rules on operands: which dtype a ufunc computes in, how shapes broadcast."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from descend.errors import TraceError, UsageError
from descend.graph.linear import broadcast, reshape
from descend.graph.node import Dim, Node, RowsAsked, Shape
from descend.trace.context import where

__all__ = [
    "LONG",
    "broadcast_shapes",
    "computed_in",
    "fits",
    "known_extents",
    "loop_dtypes",
    "normal_axes",
    "normal_axis",
    "shape_text",
    "to_shape",
]

LONG = np.dtype(np.longdouble)

_loops: dict[tuple[Any, ...], tuple[np.dtype[Any], ...]] = {}


def computed_in(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which numbers of a dtype are computed: float64 for long doubles.

    >>> computed_in(np.dtype(">f4")), computed_in(np.dtype(np.longdouble))
    (dtype('float32'), dtype('float64'))
    """
    return np.dtype(np.float64) if dtype.char == "g" else dtype.newbyteorder("=")


def loop_dtypes(ufunc: np.ufunc, kinds: tuple[Any, ...]) -> tuple[np.dtype[Any], ...]:
    """The dtypes of a ufunc's loop, operands first; `int` and `float` stand for weak scalars.

    >>> loop_dtypes(np.multiply, (np.dtype("f4"), float))
    (dtype('float32'), dtype('float32'), dtype('float32'))
    """
    key = (ufunc, kinds)
    found = _loops.get(key)
    if found is None:
        try:
            found = ufunc.resolve_dtypes((*kinds, *(None,) * ufunc.nout))
        except TypeError as error:
            names = ", ".join(k.__name__ if isinstance(k, type) else k.name for k in kinds)
            raise TraceError(
                f"np.{ufunc.__name__} does not take {names}: {error}", where=where()
            ) from None
        if any(d.kind == "c" for d in found):
            raise TraceError(
                "complex numbers are not differentiated",
                where=where(),
                remedy="compute with real and imaginary parts in arrays of their own",
            )
        _loops[key] = found
    return found


def shape_text(shape: Shape) -> str:
    """A shape as NumPy prints it, rows by their name."""
    inside = ", ".join(str(n) for n in shape)
    return f"({inside},)" if len(shape) == 1 else f"({inside})"


def _common_extent(a: int | Dim, b: int | Dim, shapes: Sequence[Shape]) -> int | Dim:
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    for extent in (a, b):
        if isinstance(extent, Dim):
            raise RowsAsked(extent, "broadcasting against an array of another length")
    texts = " ".join(shape_text(s) for s in shapes)
    raise UsageError(
        f"operands could not be broadcast together with shapes {texts}", where=where(), plain=True
    )


def broadcast_shapes(shapes: Sequence[Shape]) -> Shape:
    """The common shape, by NumPy's rules; raises `UsageError` with the user's line.

    >>> broadcast_shapes([(3, 1), (4,)])
    (3, 4)
    """
    common: Shape = shapes[0]
    for shape in shapes[1:]:
        if shape == common or not shape:
            continue
        if not common:
            common = shape
            continue
        n = max(len(common), len(shape))
        a = (1,) * (n - len(common)) + common
        b = (1,) * (n - len(shape)) + shape
        common = tuple(_common_extent(i, j, shapes) for i, j in zip(a, b, strict=True))
    return common


def known_extents(extents: Iterable[int | Dim], why: str) -> tuple[int, ...]:
    """Extents as integers; raises `RowsAsked` where one is a number of rows."""
    numbers: list[int] = []
    for extent in extents:
        if isinstance(extent, Dim):
            raise RowsAsked(extent, why)
        numbers.append(extent)
    return tuple(numbers)


def fits(own: Shape, shape: Shape) -> bool:
    """Whether an array can be broadcast to a shape."""
    if len(own) > len(shape):
        return False
    for n, wanted in zip(reversed(own), reversed(shape), strict=False):
        if n in (1, wanted):
            continue
        for extent in (n, wanted):
            if isinstance(extent, Dim):
                raise RowsAsked(extent, "writing an array of another length")
        return False
    return True


def to_shape(node: Node, shape: Shape) -> Node:
    """The node broadcast to a shape that its own is known to fit."""
    own = node.shape
    if own == shape:
        return node
    if not own:
        return broadcast(node, shape, ())
    shift = len(shape) - len(own)
    kept = tuple(i for i, n in enumerate(own) if n == shape[i + shift])
    if len(kept) != len(own):
        node = reshape(node, tuple(own[i] for i in kept))
    return broadcast(node, shape, tuple(i + shift for i in kept))


def normal_axis(axis: Any, ndim: int) -> int:
    """An axis counted from 0; raises `UsageError` where there is none such."""
    number = axis.__index__()
    if not -ndim <= number < ndim:
        raise UsageError(
            f"axis {number} is out of bounds for array of dimension {ndim}", where=where()
        )
    return int(number % ndim)


def normal_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes of a reduction: all for None, else sorted and counted from 0."""
    if axis is None:
        return tuple(range(ndim))
    given = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    if not ndim and given in ((0,), (-1,)):  # NumPy lets a scalar have one axis here
        return ()
    axes = [normal_axis(a, ndim) for a in given]
    if len(set(axes)) != len(axes):
        raise UsageError("duplicate value in 'axis'", where=where())
    return tuple(sorted(axes))

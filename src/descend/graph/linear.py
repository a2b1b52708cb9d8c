"""Linear primitives: each declares its transpose, which is its backward pass.

Forward mode applies the primitive to the tangents; reverse mode applies the transpose to the
cotangent. Shapes may contain a symbolic number of rows; an operation that would need the number
raises `RowsAsked`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import InternalError
from descend.graph.node import (
    PRIMITIVES,
    Array,
    Dim,
    Mixes,
    Node,
    Primitive,
    RowsAsked,
    Shape,
    Typed,
    along,
    apart,
    register,
)
from descend.graph.source import const

__all__ = [
    "broadcast",
    "broadcast_like",
    "concatenate",
    "cumsum",
    "flip",
    "pad",
    "reduce_sum",
    "reshape",
    "set_slice",
    "slice_",
    "transpose",
    "zeros",
]

Ints = tuple[int, ...]


def extent_of(node: Node, axis: int, why: str) -> int:
    """The extent of an axis as an integer; raises `RowsAsked` if only the data knows it."""
    extent = node.shape[axis]
    if isinstance(extent, Dim):
        raise RowsAsked(extent, why)
    return extent


# --- constructors -----------------------------------------------------------------------------


def broadcast(x: Node, shape: Shape, axes: Ints) -> Node:
    """Repeat x along new axes; axis i of x becomes axis `axes[i]` of the result."""
    if len(shape) == x.ndim:
        return transpose(x, _inverse_order(axes))
    return PRIMITIVES["broadcast"].apply(x, shape=tuple(shape), axes=tuple(axes))


def broadcast_like(x: Node, model: Node) -> Node:
    """A scalar repeated to the shape of another node."""
    return broadcast(x, model.shape, ())


def zeros(shape: Shape, dtype: Any) -> Node:
    return broadcast(const(0, dtype), shape, ())


def reduce_sum(x: Node, axes: Ints) -> Node:
    return PRIMITIVES["sum"].apply(x, axes=tuple(axes)) if axes else x


def reshape(x: Node, shape: Shape) -> Node:
    return x if x.shape == tuple(shape) else PRIMITIVES["reshape"].apply(x, shape=tuple(shape))


def transpose(x: Node, order: Ints) -> Node:
    if tuple(order) == tuple(range(x.ndim)):
        return x
    return PRIMITIVES["transpose"].apply(x, order=tuple(order))


def slice_(x: Node, starts: Ints, stops: Sequence[int | Dim], steps: Ints) -> Node:
    """Every `steps[i]`-th element from `starts[i]` up to `stops[i]`; a full axis keeps its Dim."""
    rows = zip(starts, stops, steps, x.shape, strict=True)
    whole = all(a == 0 and b == n and s == 1 for a, b, s, n in rows)
    if whole:
        return x
    return PRIMITIVES["slice"].apply(
        x, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps)
    )


def pad(x: Node, low: Ints, high: Ints, inner: Ints) -> Node:
    """Zeros before, after and between the elements of each axis (all counts ≥ 0)."""
    if not any(low) and not any(high) and not any(inner):
        return x
    return PRIMITIVES["pad"].apply(x, low=tuple(low), high=tuple(high), inner=tuple(inner))


def concatenate(parts: Sequence[Node], axis: int) -> Node:
    return parts[0] if len(parts) == 1 else PRIMITIVES["concatenate"].apply(*parts, axis=axis)


def set_slice(x: Node, value: Node, starts: Ints, steps: Ints) -> Node:
    """x with a regular block, of the shape of `value`, replaced by `value`."""
    return PRIMITIVES["set_slice"].apply(x, value, starts=tuple(starts), steps=tuple(steps))


def flip(x: Node, axes: Ints) -> Node:
    return PRIMITIVES["flip"].apply(x, axes=tuple(axes)) if axes else x


def cumsum(x: Node, axis: int, reverse: bool = False) -> Node:
    return PRIMITIVES["cumsum"].apply(x, axis=axis, reverse=reverse)


# --- the family -------------------------------------------------------------------------------

Transpose = Callable[[Node, Node], list[Node]]


def declare_linear(
    name: str,
    native: str,
    infer: Callable[..., Typed],
    meaning: Callable[..., Array],
    transposed: Transpose,
    batch: Callable[..., Node],
    back: str = "",
    masks: bool = False,
    mixes: Mixes = apart,
) -> Primitive:
    """Register a primitive that is linear in all its arguments together."""

    def vjp(g: Node, node: Node, wanted: Sequence[bool]) -> list[Node | None]:
        back = transposed(g, node)
        return [b if w else None for b, w in zip(back, wanted, strict=True)]

    def jvp(tangents: list[Node | None], node: Node) -> Node | None:
        if all(t is None for t in tangents):
            return None
        full = [
            zeros(a.shape, a.dtype) if t is None else t
            for a, t in zip(node.args, tangents, strict=True)
        ]
        return node.op.apply(*full, **node.attrs)

    rules = (infer, meaning, vjp, jvp, batch)
    return register(
        Primitive(
            name, "linear", native, True, *rules, masks=masks, back=back, mixes=mixes, units="kept"
        )
    )


def leading(args: Sequence[Node], flags: Sequence[bool], extent: Any) -> list[Node]:
    """Give every argument the new leading axis, by broadcasting those that lack it."""
    return [
        a if f else broadcast(a, (extent, *a.shape), tuple(range(1, a.ndim + 1)))
        for a, f in zip(args, flags, strict=True)
    ]


def _sum_type(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    (x,) = args
    return tuple(n for i, n in enumerate(x.shape) if i not in attrs["axes"]), x.dtype


def _sum_transpose(g: Node, node: Node) -> list[Node]:
    (x,) = node.args
    kept = tuple(i for i in range(x.ndim) if i not in node.attrs["axes"])
    return [broadcast(g, x.shape, kept)]


def _sum_meaning(x: Array, *, axes: Ints) -> Array:
    return np.asarray(np.add.reduce(x, axis=axes, dtype=x.dtype))


def _shift(axes: Ints) -> Ints:
    return tuple(a + 1 for a in axes)


def _broadcast_type(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    (x,) = args
    shape, axes = attrs["shape"], attrs["axes"]
    if not axes and not x.shape:
        return shape, x.dtype
    if len(axes) != x.ndim or any(shape[a] != n for a, n in zip(axes, x.shape, strict=True)):
        raise InternalError(f"broadcast of {x} to {shape} along {axes}")
    return shape, x.dtype


def _broadcast_transpose(g: Node, node: Node) -> list[Node]:
    kept = node.attrs["axes"]
    if not kept:
        return [reduce_sum(g, tuple(range(len(g.shape))))]
    summed = reduce_sum(g, tuple(i for i in range(g.ndim) if i not in kept))
    rank = sorted(range(len(kept)), key=lambda i: kept[i])
    return [transpose(summed, tuple(rank.index(i) for i in range(len(kept))))]


def _broadcast_meaning(x: Array, *, shape: Sequence[int], axes: Ints) -> Array:
    if not axes:
        return np.full(shape, x, x.dtype)
    ordered = np.transpose(x, sorted(range(x.ndim), key=lambda i: axes[i]))
    stretched = [shape[i] if i in axes else 1 for i in range(len(shape))]
    return np.broadcast_to(ordered.reshape(stretched), tuple(shape))


def _broadcast_batch(args: list[Node], _flags: list[bool], node: Node, extent: Any) -> Node:
    return broadcast(args[0], (extent, *node.shape), (0, *_shift(node.attrs["axes"])))


def _reshape_type(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    (x,) = args
    shape = attrs["shape"]
    symbolic = [n for n in x.shape if isinstance(n, Dim)]
    if symbolic != [n for n in shape if isinstance(n, Dim)]:
        raise RowsAsked(symbolic[0] if symbolic else _first_dim(shape), "a reshape over the rows")
    before = math.prod(n for n in x.shape if not isinstance(n, Dim))
    after = math.prod(n for n in shape if not isinstance(n, Dim))
    if before != after:
        raise InternalError(f"reshape of {x} to {shape}")
    if symbolic and _before_rows(x.shape) != _before_rows(shape):
        raise RowsAsked(symbolic[0], "a reshape across the rows")
    return shape, x.dtype


def _first_dim(shape: Shape) -> Dim:
    return next(n for n in shape if isinstance(n, Dim))


def _before_rows(shape: Shape) -> int:
    at = next(i for i, n in enumerate(shape) if isinstance(n, Dim))
    return math.prod(n for n in shape[:at] if not isinstance(n, Dim))


def _inverse_order(order: Ints) -> Ints:
    return tuple(sorted(range(len(order)), key=lambda i: order[i]))


def _slice_type(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    (x,) = args
    shape: list[int | Dim] = []
    rows = zip(attrs["starts"], attrs["stops"], attrs["steps"], x.shape, strict=True)
    for start, stop, step, extent in rows:
        if isinstance(extent, Dim):
            if start != 0 or stop is not extent or step != 1:
                raise RowsAsked(extent, "a slice of the rows")
            shape.append(extent)
        else:
            if not 0 <= start <= extent or stop > extent or step < 1:
                raise InternalError(f"slice {dict(attrs)} of {x}")
            shape.append(max(0, -(-(stop - start) // step)))
    return tuple(shape), x.dtype


def _slice_meaning(x: Array, *, starts: Ints, stops: Ints, steps: Ints) -> Array:
    return x[tuple(slice(a, b, s) for a, b, s in zip(starts, stops, steps, strict=True))]


def _slice_transpose(g: Node, node: Node) -> list[Node]:
    (x,) = node.args
    high, inner = [], []
    for i, (start, step) in enumerate(zip(node.attrs["starts"], node.attrs["steps"], strict=True)):
        extent, taken = x.shape[i], node.shape[i]
        if isinstance(extent, Dim) or isinstance(taken, Dim):
            high.append(0)
        else:
            covered = start + (taken - 1) * step + 1 if taken else start
            high.append(extent - covered)
        inner.append(step - 1)
    return [pad(g, node.attrs["starts"], tuple(high), tuple(inner))]


def _slice_batch(args: list[Node], _flags: list[bool], node: Node, extent: Any) -> Node:
    a = node.attrs
    return slice_(args[0], (0, *a["starts"]), (extent, *a["stops"]), (1, *a["steps"]))


def _padded(n: int | Dim, low: int, high: int, inner: int) -> int | Dim:
    if isinstance(n, Dim):
        if low or high or inner:
            raise RowsAsked(n, "padding of the rows")
        return n
    return low + high + n + max(n - 1, 0) * inner


def _pad_type(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    (x,) = args
    rows = zip(x.shape, attrs["low"], attrs["high"], attrs["inner"], strict=True)
    return tuple(_padded(*row) for row in rows), x.dtype


def _pad_meaning(x: Array, *, low: Ints, high: Ints, inner: Ints) -> Array:
    shape = tuple(int(_padded(*row)) for row in zip(x.shape, low, high, inner, strict=True))  # type: ignore[arg-type]
    out = np.zeros(shape, x.dtype)
    if x.size:
        out[_block(low, tuple(i + 1 for i in inner), x.shape)] = x
    return out


def _block(starts: Ints, steps: Ints, shape: Sequence[int]) -> tuple[slice, ...]:
    rows = zip(starts, steps, shape, strict=True)
    return tuple(slice(a, a + (n - 1) * s + 1 if n else a, s) for a, s, n in rows)


def _pad_transpose(g: Node, node: Node) -> list[Node]:
    (x,) = node.args
    low, inner = node.attrs["low"], node.attrs["inner"]
    steps = tuple(i + 1 for i in inner)
    stops = tuple(
        g.shape[i] if isinstance(n, Dim) else (low[i] + (n - 1) * steps[i] + 1 if n else low[i])
        for i, n in enumerate(x.shape)
    )
    return [slice_(g, low, stops, steps)]


def _pad_batch(args: list[Node], _flags: list[bool], node: Node, _extent: Any) -> Node:
    a = node.attrs
    return pad(args[0], (0, *a["low"]), (0, *a["high"]), (0, *a["inner"]))


def _concatenate_type(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    axis = attrs["axis"]
    total = sum(extent_of(a, axis, "concatenating along the rows") for a in args)
    first = args[0]
    for a in args:
        if a.dtype != first.dtype or a.shape[:axis] + a.shape[axis + 1 :] != (
            first.shape[:axis] + first.shape[axis + 1 :]
        ):
            raise InternalError(f"concatenate of {args}")
    return (*first.shape[:axis], total, *first.shape[axis + 1 :]), first.dtype


def _concatenate_transpose(g: Node, node: Node) -> list[Node]:
    axis, at, back = node.attrs["axis"], 0, []
    steps = (1,) * g.ndim
    for a in node.args:
        extent = extent_of(a, axis, "concatenating along the rows")
        starts = tuple(at if i == axis else 0 for i in range(g.ndim))
        stops = tuple(at + extent if i == axis else n for i, n in enumerate(g.shape))
        back.append(slice_(g, starts, stops, steps))
        at += extent
    return back


def _set_slice_type(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    x, value = args
    rows = zip(x.shape, value.shape, attrs["starts"], attrs["steps"], strict=True)
    for extent, taken, start, step in rows:
        if isinstance(extent, Dim):
            if taken is not extent or start != 0 or step != 1:
                raise RowsAsked(extent, "writing to some of the rows")
        elif isinstance(taken, Dim):
            raise RowsAsked(taken, "writing rows into an array of fixed size")
        elif taken and start + (taken - 1) * step >= extent:
            raise InternalError(f"set_slice {dict(attrs)} of {args}")
    return x.shape, x.dtype


def _set_slice_meaning(x: Array, value: Array, *, starts: Ints, steps: Ints) -> Array:
    out = np.array(x)
    out[_block(starts, steps, value.shape)] = value
    return out


def _set_slice_transpose(g: Node, node: Node) -> list[Node]:
    _, value = node.args
    starts, steps = node.attrs["starts"], node.attrs["steps"]
    stops = tuple(
        n if isinstance(n, Dim) else (a + (n - 1) * s + 1 if n else a)
        for n, a, s in zip(value.shape, starts, steps, strict=True)
    )
    kept = set_slice(g, zeros(value.shape, g.dtype), starts, steps)
    return [kept, slice_(g, starts, stops, steps)]


def _set_slice_batch(args: list[Node], flags: list[bool], node: Node, extent: Any) -> Node:
    x, value = leading(args, flags, extent)
    return set_slice(x, value, (0, *node.attrs["starts"]), (1, *node.attrs["steps"]))


def _cumsum_meaning(x: Array, *, axis: int, reverse: bool) -> Array:
    if reverse:
        return np.flip(np.cumsum(np.flip(x, axis), axis, dtype=x.dtype), axis)
    return np.cumsum(x, axis, dtype=x.dtype)


def _like_first(args: tuple[Node, ...], _attrs: Mapping[str, Any]) -> Typed:
    return args[0].shape, args[0].dtype


def _transpose_type(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    return tuple(args[0].shape[i] for i in attrs["order"]), args[0].dtype


_OWN_PART = "its own part of what came in"

declare_linear(
    "sum", "reduction", _sum_type, _sum_meaning, _sum_transpose,
    lambda a, f, n, e: reduce_sum(a[0], _shift(n.attrs["axes"])),
    "every entry gets what came in",
)  # fmt: skip
declare_linear(
    "broadcast", "view", _broadcast_type, _broadcast_meaning, _broadcast_transpose,
    _broadcast_batch, "the sum over all places it was repeated to",
)  # fmt: skip
declare_linear(
    "reshape", "view", _reshape_type, lambda x, *, shape: x.reshape(shape),
    lambda g, n: [reshape(g, n.args[0].shape)],
    lambda a, f, n, e: reshape(a[0], (e, *n.shape)),
    "the same numbers in the former shape",
)  # fmt: skip
declare_linear(
    "transpose", "view", _transpose_type, lambda x, *, order: np.transpose(x, order),
    lambda g, n: [transpose(g, _inverse_order(n.attrs["order"]))],
    lambda a, f, n, e: transpose(a[0], (0, *_shift(n.attrs["order"]))),
    "the axes back in their former order",
)  # fmt: skip
declare_linear(
    "slice", "view", _slice_type, _slice_meaning, _slice_transpose, _slice_batch,
    "back to its place, zeros elsewhere",
)  # fmt: skip
declare_linear(
    "pad", "assembled", _pad_type, _pad_meaning, _pad_transpose, _pad_batch,
    _OWN_PART, masks=True,
)  # fmt: skip
declare_linear(
    "concatenate", "assembled", _concatenate_type, lambda *xs, axis: np.concatenate(xs, axis),
    _concatenate_transpose,
    lambda a, f, n, e: concatenate(leading(a, f, e), n.attrs["axis"] + 1), _OWN_PART,
)  # fmt: skip
declare_linear(
    "set_slice", "assembled", _set_slice_type, _set_slice_meaning, _set_slice_transpose,
    _set_slice_batch, _OWN_PART, masks=True,
)  # fmt: skip
declare_linear(
    "flip", "view", _like_first, lambda x, *, axes: np.flip(x, axes),
    lambda g, n: [flip(g, n.attrs["axes"])],
    lambda a, f, n, e: flip(a[0], _shift(n.attrs["axes"])), "in the opposite order",
    mixes=along("axes"),
)  # fmt: skip
declare_linear(
    "cumsum", "call", _like_first, _cumsum_meaning,
    lambda g, n: [cumsum(g, n.attrs["axis"], not n.attrs["reverse"])],
    lambda a, f, n, e: cumsum(a[0], n.attrs["axis"] + 1, n.attrs["reverse"]),
    "the sum of what came in from here on", mixes=along("axis"),
)  # fmt: skip

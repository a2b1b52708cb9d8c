"""Rules for nodes that move, repeat, cut, join and add up elements.

They compute nothing but sums, so all keep every bit, except that sums of repeated elements become
products (≈) and that sums over several axes at once may add in another order (≈).
"""

from __future__ import annotations

from collections.abc import Sequence

from descend.graph.elementwise import call
from descend.graph.linear import (
    broadcast,
    broadcast_like,
    concatenate,
    flip,
    pad,
    reduce_sum,
    reshape,
    set_slice,
    slice_,
    transpose,
    zeros,
)
from descend.graph.node import Dim, Node
from descend.graph.source import row_count
from descend.simplify.constants import uniform
from descend.simplify.triggers import KNOWN, Rule, on

__all__ = ["SHAPE_RULES"]

Ints = tuple[int, ...]

LONGEST_ROW_OF_WRITES = 64


def _is_one(extent: int | Dim) -> bool:
    return isinstance(extent, int) and extent == 1


@on("broadcast")
def _repeated_scalar(node: Node) -> Node | None:
    """What rearranges copies of one scalar gives copies of it."""
    (x,) = node.args
    if x.op.name == "broadcast" and x.args[0].shape == ():
        return broadcast(x.args[0], node.shape, ())
    return None


# --- broadcast, reshape, transpose, flip --------------------------------------------------------


@on("broadcast")
def _broadcast_twice(node: Node) -> Node | None:
    (x,) = node.args
    if x.op.name != "broadcast":
        return None
    axes = node.attrs["axes"]
    return broadcast(x.args[0], node.shape, tuple(axes[a] for a in x.attrs["axes"]))


def _broadcast_ones(node: Node) -> Node | None:
    """New axes of extent 1, in order: a reshape (constants stay repeated numbers)."""
    axes = node.attrs["axes"]
    if uniform(node) is not None:
        return None
    new = [n for i, n in enumerate(node.shape) if i not in axes]
    if list(axes) == sorted(axes) and all(map(_is_one, new)):
        return reshape(node.args[0], node.shape)
    return None


@on("reshape")
def _broadcast_of_ones(node: Node) -> Node | None:
    """Axes of extent 1 that a reshape put in need not be there to be repeated."""
    (x,) = node.args
    if x.op.name != "reshape":
        return None
    source, axes = x.args[0], node.attrs["axes"]
    kept = tuple(i for i, n in enumerate(x.shape) if not _is_one(n))
    if source.shape != tuple(x.shape[i] for i in kept):
        return None
    return broadcast(source, node.shape, tuple(axes[i] for i in kept))


@on("reshape")
def _reshape_twice(node: Node) -> Node | None:
    (x,) = node.args
    return reshape(x.args[0], node.shape) if x.op.name == "reshape" else None


@on("transpose", "broadcast")
def _transpose_twice(node: Node) -> Node | None:
    (x,), order = node.args, node.attrs["order"]
    if x.op.name == "transpose":
        return transpose(x.args[0], tuple(x.attrs["order"][i] for i in order))
    if x.op.name == "broadcast":
        return broadcast(x.args[0], node.shape, tuple(order.index(a) for a in x.attrs["axes"]))
    return None


def _transpose_ones(node: Node) -> Node | None:
    """Only axes of extent 1 change places: a reshape."""
    (x,) = node.args
    long = [i for i in node.attrs["order"] if not _is_one(x.shape[i])]
    return reshape(x, node.shape) if long == sorted(long) else None


def _flip_less(node: Node) -> Node | None:
    (x,), axes = node.args, node.attrs["axes"]
    needed = tuple(a for a in axes if not _is_one(x.shape[a]))
    if needed != axes:
        return flip(x, needed)
    if x.op.name == "flip":
        return flip(x.args[0], tuple(sorted(set(axes) ^ set(x.attrs["axes"]))))
    return None


def _cumsum_single(node: Node) -> Node | None:
    (x,) = node.args
    return x if _is_one(x.shape[node.attrs["axis"]]) else None


# --- sums ---------------------------------------------------------------------------------------


@on("sum")
def _sum_twice(node: Node) -> Node | None:
    (x,) = node.args
    if x.op.name != "sum":
        return None
    first = x.attrs["axes"]
    left = [i for i in range(x.args[0].ndim) if i not in first]
    return reduce_sum(x.args[0], tuple(sorted((*first, *(left[a] for a in node.attrs["axes"])))))


def _sum_ones(node: Node) -> Node | None:
    """Adding up along axes of extent 1 is a reshape."""
    (x,), axes = node.args, node.attrs["axes"]
    needed = tuple(a for a in axes if not _is_one(x.shape[a]))
    if needed == axes:
        return None
    squeezed = tuple(n for i, n in enumerate(x.shape) if i not in axes or i in needed)
    place = [i for i in range(x.ndim) if i not in axes or i in needed]
    return reduce_sum(reshape(x, squeezed), tuple(place.index(a) for a in needed))


@on("broadcast")
def _sum_repeated(node: Node) -> Node | None:
    """≈ The sum of n copies is n times one."""
    (x,), axes = node.args, node.attrs["axes"]
    if x.op.name != "broadcast" or x.dtype.kind not in "fiu":
        return None
    source, place = x.args[0], x.attrs["axes"]
    copied = [a for a in axes if a not in place]
    if not copied:
        return None
    inner = reduce_sum(source, tuple(i for i, a in enumerate(place) if a in axes))
    for a in copied:
        inner = call("mul", inner, broadcast_like(row_count(x.shape[a], x.dtype), inner))
    left = [i for i in range(x.ndim) if i not in axes]
    return broadcast(inner, node.shape, tuple(left.index(a) for a in place if a not in axes))


@on("neg")
def _sum_negated(node: Node) -> Node | None:
    """The sum of −x is −(the sum of x)."""
    (x,) = node.args
    if x.op.name != "neg" or x.dtype.kind != "f":
        return None
    return call("neg", reduce_sum(x.args[0], node.attrs["axes"]))


@on("reshape", "transpose", "pad")
def _sum_moved(node: Node) -> Node | None:
    """Adding up does not mind a transpose, a full reshape (but to drop ones), or zeros around."""
    (x,), axes = node.args, node.attrs["axes"]
    if x.op.name == "reshape" and len(axes) == x.ndim and not any(map(_is_one, x.args[0].shape)):
        return reduce_sum(x.args[0], tuple(range(x.args[0].ndim)))
    if x.op.name == "transpose":
        order = x.attrs["order"]
        inner = reduce_sum(x.args[0], tuple(sorted(order[a] for a in axes)))
        left = [order[i] for i in range(x.ndim) if i not in axes]
        return transpose(inner, tuple(sorted(left).index(i) for i in left))
    if x.op.name == "pad":
        rows = zip(x.attrs["low"], x.attrs["high"], x.attrs["inner"], strict=True)
        if all(i in axes or not any(row) for i, row in enumerate(rows)):
            return reduce_sum(x.args[0], axes)
    return None


# --- slices, pads, concatenations ---------------------------------------------------------------


def _span(node: Node, axis: int) -> tuple[int, int] | None:
    """First and one-past-last element that a slice reads from an axis; None for unknown rows."""
    start, stop, step = (node.attrs[k][axis] for k in ("starts", "stops", "steps"))
    taken = node.shape[axis]
    if isinstance(stop, Dim) or isinstance(taken, Dim):
        return None
    return start, start + (taken - 1) * step + 1 if taken else start


def _slice_nothing(node: Node) -> Node | None:
    """Without elements nothing needs to be computed."""
    return zeros(node.shape, node.dtype) if 0 in node.shape else None


@on("slice")
def _slice_twice(node: Node) -> Node | None:
    (x,), a = node.args, node.attrs
    if x.op.name != "slice":
        return None
    starts, stops, steps = [], [], []
    for i, n in enumerate(node.shape):
        b, s = x.attrs["starts"][i], x.attrs["steps"][i]
        starts.append(b + a["starts"][i] * s)
        steps.append(s * a["steps"][i])
        stops.append(n if isinstance(n, Dim) else starts[i] + (n - 1) * steps[i] + 1)
    return slice_(x.args[0], tuple(starts), stops, tuple(steps))


@on("broadcast")
def _slice_broadcast(node: Node) -> Node | None:
    """Cut before repeating."""
    (x,), a = node.args, node.attrs
    if x.op.name != "broadcast":
        return None
    axes = x.attrs["axes"]
    starts, stops, steps = (tuple(a[k][i] for i in axes) for k in ("starts", "stops", "steps"))
    return broadcast(slice_(x.args[0], starts, stops, steps), node.shape, axes)


@on("pad")
def _slice_pad(node: Node) -> Node | None:
    """Only what was padded, or only padding."""
    (x,) = node.args
    if x.op.name != "pad":
        return None
    source, low, inner = x.args[0], x.attrs["low"], x.attrs["inner"]
    starts, stops, steps = [], [], []
    for axis, extent in enumerate(source.shape):
        span, step = _span(node, axis), node.attrs["steps"][axis]
        if span is None or isinstance(extent, Dim):
            starts.append(0)
            stops.append(extent)
            steps.append(1)
            continue
        end = low[axis] + (extent - 1) * (inner[axis] + 1) + 1
        if span[1] <= low[axis] or span[0] >= end:
            return zeros(node.shape, node.dtype)
        stretch = inner[axis] + 1
        offset = span[0] - low[axis]
        one = span[1] - span[0] == 1
        if offset < 0 or span[1] > end or (step % stretch and not one):
            return None
        if offset % stretch:
            return zeros(node.shape, node.dtype)
        starts.append(offset // stretch)
        stops.append((span[1] - 1 - low[axis]) // stretch + 1)
        steps.append(1 if one else step // stretch)
    return slice_(source, tuple(starts), stops, tuple(steps))


@on("concatenate")
def _slice_concatenate(node: Node) -> Node | None:
    """Read the parts that are met, if each is met as a whole or only one is."""
    (x,) = node.args
    if x.op.name != "concatenate":
        return None
    axis = x.attrs["axis"]
    span = _span(node, axis)
    if span is None:
        return None
    at, met = 0, []
    for part in x.args:
        extent = part.shape[axis]
        assert isinstance(extent, int)
        if extent and at < span[1] and at + extent > span[0]:
            met.append((at, part))
        at += extent
    if not met or len(met) == len(x.args):
        return None
    offset = met[0][0]
    joined = concatenate([part for _, part in met], axis)
    starts = tuple(b - offset * (i == axis) for i, b in enumerate(node.attrs["starts"]))
    stops = tuple(
        e if isinstance(e, Dim) or i != axis else span[1] - offset
        for i, e in enumerate(node.attrs["stops"])
    )
    return slice_(joined, starts, stops, node.attrs["steps"])


@on("set_slice")
def _slice_written(node: Node) -> Node | None:
    """Read just what was written, or nothing of it."""
    (x,) = node.args
    if x.op.name != "set_slice":
        return None
    base, value = x.args
    starts, steps = x.attrs["starts"], x.attrs["steps"]
    if (
        value.shape == node.shape
        and starts == node.attrs["starts"]
        and all(
            s == t or _is_one(n)
            for s, t, n in zip(steps, node.attrs["steps"], node.shape, strict=True)
        )
    ):
        return value
    for axis, taken in enumerate(value.shape):
        span = _span(node, axis)
        if span is None or isinstance(taken, Dim):
            continue
        end = starts[axis] + (taken - 1) * steps[axis] + 1 if taken else starts[axis]
        if span[1] <= starts[axis] or span[0] >= end:
            return slice_(base, node.attrs["starts"], node.attrs["stops"], node.attrs["steps"])
    return None


@on("pad")
def _pad_twice(node: Node) -> Node | None:
    (x,), a = node.args, node.attrs
    if x.op.name != "pad" or any(a["inner"]) or any(x.attrs["inner"]):
        return None
    low = tuple(m + n for m, n in zip(a["low"], x.attrs["low"], strict=True))
    high = tuple(m + n for m, n in zip(a["high"], x.attrs["high"], strict=True))
    return pad(x.args[0], low, high, a["inner"])


@on(*KNOWN)
def _pad_zero(node: Node) -> Node | None:
    """Zeros around zeros."""
    value = uniform(node.args[0])
    return zeros(node.shape, node.dtype) if value is not None and value == 0 else None


def _concatenate_flat(node: Node) -> Node | None:
    """Parts of parts, and parts without elements."""
    axis = node.attrs["axis"]

    def inner(a: Node) -> bool:
        return a.op.name == "concatenate" and a.attrs["axis"] == axis

    if not any(inner(a) or a.shape[axis] == 0 for a in node.args):
        return None
    parts: list[Node] = []
    for a in node.args:
        parts += a.args if inner(a) else [a] if a.shape[axis] != 0 else []
    return concatenate(parts, axis) if parts else zeros(node.shape, node.dtype)


def _follows(a: Node, b: Node, axis: int) -> bool:
    """Whether b is the slice of the same node that begins where slice a ends."""
    if not (a.op.name == b.op.name == "slice" and a.args == b.args):
        return False
    if a.attrs["steps"][axis] != 1 or b.attrs["steps"][axis] != 1:
        return False
    return a.attrs["stops"][axis] == b.attrs["starts"][axis] and all(
        a.attrs[k][i] == b.attrs[k][i]
        for k in ("starts", "stops", "steps")
        for i in range(a.ndim)
        if i != axis
    )


@on("slice")
def _concatenate_neighbours(node: Node) -> Node | None:
    """Neighbouring slices of one node are one slice."""
    axis = node.attrs["axis"]
    parts: list[Node] = [node.args[0]]
    for part in node.args[1:]:
        last = parts[-1]
        if _follows(last, part, axis):
            ends = part.attrs["stops"][axis]
            stops = [ends if i == axis else n for i, n in enumerate(last.attrs["stops"])]
            parts[-1] = slice_(last.args[0], last.attrs["starts"], stops, last.attrs["steps"])
        else:
            parts.append(part)
    return concatenate(parts, axis) if len(parts) < len(node.args) else None


def _write_all(node: Node) -> Node | None:
    """A write that covers everything leaves nothing of what was there."""
    return node.args[1] if node.args[1].shape == node.shape else None


@on("set_slice")
def _write_again(node: Node) -> Node | None:
    """Of two writes to one place the first is not seen."""
    x, value = node.args
    a, b = node.attrs, x.attrs
    if x.op.name != "set_slice" or x.args[1].shape != value.shape:
        return None
    if a["starts"] != b["starts"] or a["steps"] != b["steps"]:
        return None
    return set_slice(x.args[0], value, a["starts"], a["steps"])


def _written_axis(node: Node) -> int | None:
    """The one short axis along which a contiguous block is written."""
    x, value = node.args
    part = [i for i, n in enumerate(value.shape) if n is not x.shape[i] and n != x.shape[i]]
    if len(part) != 1 or 0 in value.shape:
        return None
    axis = part[0]
    extent = x.shape[axis]
    contiguous = _is_one(value.shape[axis]) or node.attrs["steps"][axis] == 1
    short = isinstance(extent, int) and extent <= LONGEST_ROW_OF_WRITES
    return axis if contiguous and short else None


@on("concatenate", *KNOWN)
def _write_joined(node: Node) -> Node | None:
    """A block written into a repeated constant, or into a row of parts, becomes a part."""
    x, value = node.args
    axis = _written_axis(node)
    if axis is None:
        return None
    extent = x.shape[axis]
    assert isinstance(extent, int)
    row = x.op.name == "concatenate" and x.attrs["axis"] == axis
    if not row and uniform(x) is None:
        return None
    start, taken = node.attrs["starts"][axis], value.shape[axis]
    assert isinstance(taken, int)
    before, after = _cut(x, axis, 0, start), _cut(x, axis, start + taken, extent)
    return concatenate([*before, value, *after], axis)


def _cut(x: Node, axis: int, start: int, stop: int) -> Sequence[Node]:
    if start == stop:
        return ()
    starts = tuple(start if i == axis else 0 for i in range(x.ndim))
    stops = [stop if i == axis else n for i, n in enumerate(x.shape)]
    return (slice_(x, starts, stops, (1,) * x.ndim),)


SHAPE_RULES: dict[str, tuple[Rule, ...]] = {
    "broadcast": (_broadcast_twice, _broadcast_ones, _broadcast_of_ones),
    "reshape": (_repeated_scalar, _reshape_twice),
    "transpose": (_repeated_scalar, _transpose_twice, _transpose_ones),
    "flip": (_repeated_scalar, _flip_less),
    "cumsum": (_cumsum_single,),
    "sum": (_sum_ones, _sum_twice, _sum_repeated, _sum_negated, _sum_moved),
    "slice": (
        _slice_nothing, _repeated_scalar, _slice_twice, _slice_broadcast, _slice_pad,
        _slice_concatenate, _slice_written,
    ),
    "pad": (_pad_zero, _pad_twice),
    "concatenate": (_concatenate_flat, _concatenate_neighbours),
    "set_slice": (_write_all, _write_again, _write_joined),
}  # fmt: skip

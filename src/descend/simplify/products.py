"""Rules for contractions, gathers and scatters, and reductions by comparison."""

from __future__ import annotations

import itertools

from descend.graph.elementwise import call
from descend.graph.linear import broadcast, pad, reshape, slice_
from descend.graph.node import Dim, Node
from descend.graph.source import is_const, value_of
from descend.simplify.triggers import Rule, on

__all__ = ["PRODUCT_RULES"]


def _outer(node: Node) -> Node | None:
    """A contraction that sums over nothing is a product of repeated operands."""
    la, lb, lo = node.attrs["la"], node.attrs["lb"], node.attrs["lo"]
    if not set(la) | set(lb) <= set(lo):
        return None
    a, b = node.args
    return call(
        "mul",
        broadcast(a, node.shape, tuple(lo.index(i) for i in la)),
        broadcast(b, node.shape, tuple(lo.index(i) for i in lb)),
    )


def _progression(index: Node) -> tuple[int, int, int] | None:
    """First, count and step of a constant index that climbs in equal steps."""
    if not is_const(index) or index.ndim > 1 or index.size == 0:
        return None
    values = value_of(index).reshape(-1).tolist()
    step = values[1] - values[0] if len(values) > 1 else 1
    climbs = all(b - a == step for a, b in itertools.pairwise(values))
    return (values[0], len(values), step) if step > 0 and climbs and values[0] >= 0 else None


@on("const")
def _take_slice(node: Node) -> Node | None:
    """Reading at known places in equal steps is a slice."""
    (x, index), axis = node.args, node.attrs["axis"]
    found, extent = _progression(index), x.shape[axis]
    if found is None or isinstance(extent, Dim):
        return None
    first, count, step = found
    last = first + (count - 1) * step
    if last >= extent:
        return None
    starts = tuple(first if i == axis else 0 for i in range(x.ndim))
    stops = [last + 1 if i == axis else n for i, n in enumerate(x.shape)]
    steps = tuple(step if i == axis else 1 for i in range(x.ndim))
    return reshape(slice_(x, starts, stops, steps), node.shape)


@on("const")
def _put_pad(node: Node) -> Node | None:
    """Adding to zeros at known places in equal steps is padding."""
    (g, index), axis, extent = node.args, node.attrs["axis"], node.attrs["extent"]
    found = _progression(index)
    if found is None or isinstance(extent, Dim):
        return None
    first, count, step = found
    last = first + (count - 1) * step
    if last >= extent:
        return None
    rows = reshape(g, (*g.shape[:axis], count, *g.shape[axis + index.ndim :]))

    def at_axis(value: int) -> tuple[int, ...]:
        return tuple(value if i == axis else 0 for i in range(rows.ndim))

    return pad(rows, at_axis(first), at_axis(extent - 1 - last), at_axis(step - 1))


def _extremum_single(node: Node) -> Node | None:
    """The largest of one element is the element."""
    (x,), axes = node.args, node.attrs["axes"]
    if all(isinstance(x.shape[a], int) and x.shape[a] == 1 for a in axes):
        return reshape(x, node.shape)
    return None


PRODUCT_RULES: dict[str, tuple[Rule, ...]] = {
    "contract": (_outer,),
    "take": (_take_slice,),
    "put_add": (_put_pad,),
    "reduce_max": (_extremum_single,),
    "reduce_min": (_extremum_single,),
}

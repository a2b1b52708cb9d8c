"""Which axis of a nest is spread over SIMD lanes, and how many vectors are in flight."""

from __future__ import annotations

from descend.compile.loops import Address, Axis, Nest, cost_of
from descend.graph.node import Dim

__all__ = ["choose_vector", "lane_stride", "unroll_factor"]


def lane_stride(address: Address, axis: Axis, shuffled: bool) -> int | None:
    """Elements between neighbours along the axis; None where lanes must be fetched singly."""
    total = 0
    for position, index in enumerate(address.index):
        factor = sum(c for a, c in index.terms if a is axis)
        if not factor:
            continue
        if position == 0 and address.place.batched and shuffled:
            return None
        for n in address.place.shape[position + 1 :]:
            if isinstance(n, Dim):
                return None
            factor *= n
        total += factor
    return total


def _price(address: Address, axis: Axis, shuffled: bool, lanes: int) -> float:
    stride = lane_stride(address, axis, shuffled)
    if stride == 0:
        return 0.3
    return 1.0 if stride == 1 else 1.2 * lanes


def choose_vector(nest: Nest, lanes: int, shuffled: bool) -> tuple[int | None, int]:
    """The axis to spread over lanes and the number of lanes (None and 1: stay scalar).

    Estimated per element: arithmetic and contiguous accesses are shared by the lanes, strided
    accesses are not, and an extent shorter than the vector wastes what it doesn't fill.
    """
    loads = [x.attr for x in nest.lets if x.op == "load"]
    gathers = sum(x.op == "gather" for x in nest.lets)
    targets = [s.target for s in nest.stores]
    targets += [r.result for r in nest.reductions if isinstance(r.result, Address)]
    work = sum(cost_of(x.op) for x in nest.lets if x.op not in ("load", "const"))
    work += len(nest.reductions)
    best: tuple[int | None, int] = (None, 1)
    scalar = best_cost = float(work + len(loads) + len(targets) + gathers)
    for position, axis in enumerate(nest.axes):
        width = lanes
        if isinstance(axis.extent, int):
            while width > axis.extent:
                width //= 2
        if width < 2:
            continue
        price = sum(_price(a, axis, shuffled, width) for a in (*loads, *targets))
        cost = (work + price + 1.2 * width * gathers) / width
        if isinstance(axis.extent, int):
            full = axis.extent // width * width
            cost = (cost * full + scalar * (axis.extent - full)) / axis.extent
        if nest.kept and position >= nest.kept:
            cost *= 1.2
        if cost < best_cost:
            best, best_cost = (position, width), cost
    return best


def unroll_factor(nest: Nest) -> int:
    """How many vectors to keep in flight: more for short bodies, whose sums wait for each other."""
    work = sum(cost_of(x.op) for x in nest.lets)
    if len(nest.reductions) > 8 or work > 60:
        return 1
    return 4 if work <= 24 and len(nest.reductions) <= 3 else 2

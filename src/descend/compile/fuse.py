"""Nests over the same elements, of which one reads what another has just written, become one.

A new state that is made of another new state (a parameter of its moments) is worked out in a later
round, for those are stored. Both are needed element by element: so one nest makes both, and what
the second would have read is still in a register.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from descend.compile.in_place import can_wait
from descend.compile.loops import (
    Address,
    Axis,
    Index,
    Let,
    Nest,
    Product,
    Reduction,
    Statement,
    Store,
)

__all__ = ["fuse"]

MOST = 80  # lets of a nest


def fuse(statements: list[Statement]) -> None:
    """Let each nest take in the earlier ones whose elements it reads, where nothing prevents it."""
    at = 0
    while at < len(statements):
        nest = statements[at]
        if type(nest) is Nest and _whole(nest):
            for before in range(at - 1, -1, -1):
                first = statements[before]
                between = statements[before + 1 : at]
                if type(first) is Nest and _fits(first, nest) and can_wait(first, between):
                    nest = statements[at] = _joined(first, nest)
                    del statements[before]
                    at -= 1
        at += 1


def _whole(nest: Nest) -> bool:
    """Whether what a nest comes to is elements and single numbers."""
    return all(isinstance(r.result, Let) for r in nest.reductions)


def _own(nest: Nest) -> tuple[Index, ...]:
    return tuple(Index(0, ((axis, 1),)) for axis in nest.axes)


def _fits(first: Nest, then: Nest) -> bool:
    """Whether the second reads elements of the first, each of them only at its own place."""
    if isinstance(first, Product) or first.reductions or len(first.lets) + len(then.lets) > MOST:
        return False
    if [a.extent for a in first.axes] != [a.extent for a in then.axes]:
        return False
    made = {s.target.place.key: s.target for s in first.stores}
    if any(target.index != _own(first) for target in made.values()):
        return False
    loads = [x.attr for x in then.lets if x.op == "load"]
    read = [a for a in loads if a.place.key in made]
    touched = [x.attr[0].place for x in then.lets if x.op == "gather"]
    touched += [s.target.place for s in then.stores]
    if any(p.key in made for p in touched):
        return False
    return bool(read) and all(
        a.index == _own(then) and a.place is made[a.place.key].place for a in read
    )


def _joined(first: Nest, then: Nest) -> Nest:
    """One nest over the axes of the first."""
    axes = dict(zip(then.axes, first.axes, strict=True))
    values = {s.target.place: s.value for s in first.stores}
    lets, image = list(first.lets), dict[Let, Let]()
    known = {(x.op, str(x.attr)): x for x in lets if x.op == "load"}
    for let in then.lets:
        attr = let.attr
        if let.op == "load":
            if attr.place in values:
                image[let] = values[attr.place]
                continue
            attr = _moved(attr, axes)
            if ("load", str(attr)) in known:
                image[let] = known["load", str(attr)]
                continue
        elif let.op == "gather":
            attr = (_moved(attr[0], axes), attr[1])
        elif let.op == "index":
            attr = _index(attr, axes)
        args = tuple([image.get(a, a) for a in let.args])
        made = image[let] = Let(let.op, args, attr, let.dtype, let.depth)
        made.depth = max([made.depth, *(a.depth for a in args)])
        lets.append(made)
    stores = [*first.stores]
    for store in then.stores:
        value = image.get(store.value, store.value)
        stores.append(Store(_moved(store.target, axes), value, store.depth))
    sums = [Reduction(r.op, image.get(r.value, r.value), r.result) for r in then.reductions]
    return Nest(first.axes, then.kept, lets, stores, sums)


def _index(index: Index, axes: Mapping[Axis, Axis]) -> Index:
    return replace(index, terms=tuple((axes.get(a, a), c) for a, c in index.terms))


def _moved(address: Address, axes: Mapping[Axis, Axis]) -> Address:
    return Address(address.place, tuple(_index(i, axes) for i in address.index))

"""New states written over the old ones, where nothing else needs those any more.

A step writes its new states beside the old ones, and they are copied when all of it has been read.
Where one nest makes a new state element by element, and reads of the old one only the element that
it is about to write, it can write there at once; a nest that comes too early for that is moved
behind the last one that reads the old state, if nothing in between waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from descend.compile.loops import (
    Address,
    Call,
    Copy,
    Index,
    Let,
    Nest,
    Place,
    Product,
    Statement,
    Store,
)
from descend.compile.segments import operands

__all__ = ["addresses_of", "can_wait", "places_of", "targets_of", "write_in_place"]

Key = tuple[str, int]


def write_in_place(
    statements: list[Statement], changes: list[Statement]
) -> list[tuple[Place, Place]]:
    """Let nests of a block write to their states; what follows the block then copies those no more.

    Args:
        changes: the copies that follow the block; those that are no longer needed are removed.

    Returns:
        Each state written in place, and the array that it would have been copied from.
    """
    done = []
    keys = {id(s): _keys(s) for s in (*statements, *changes)}
    for copy in [c for c in changes if isinstance(c, Copy) and c.target.role == "state"]:
        own = {copy.target.key, copy.source.key}
        if any(own & keys[id(s)] for s in changes if s is not copy):
            continue
        if _written(statements, copy.target, copy.source, keys):
            changes.remove(copy)
            done.append((copy.target, copy.source))
    return done


def _written(
    statements: list[Statement], state: Place, beside: Place, keys: dict[int, set[Key]]
) -> bool:
    """Whether the nest that makes an array now writes over the state that it becomes.

    Args:
        keys: of all arrays in each statement, which are kept as they are renamed.
    """
    old, new = beside.key, state.key
    touching = [(n, s) for n, s in enumerate(statements) if old in keys[id(s)]]
    makers = [n for n, s in touching if old in _written_by(s)]
    if len(makers) != 1 or state.shape != beside.shape:
        return False
    first, nest = makers[0], statements[makers[0]]
    if not isinstance(nest, Nest) or not _by_element(nest, state, beside):
        return False
    reading = [(n, s) for n, s in enumerate(statements) if new in keys[id(s)]]
    if any(isinstance(s, Let) for _, s in reading):
        return False  # a scalar may be read again wherever it is used
    last = max((n for n, _ in reading), default=first)
    waits = last > first
    if waits and not can_wait(nest, statements[first + 1 : last + 1]):
        return False
    if not all(_can_rename(s, beside) for _, s in touching):
        return False
    if waits:
        statements.insert(last, statements.pop(first))
    for _, s in touching:
        _rename(s, beside, state)
        keys[id(s)] = keys[id(s)] - {old} | {new}
    return True


def _by_element(nest: Nest, state: Place, beside: Place) -> bool:
    """Whether each element is written once, at the only place where the old one is read."""
    stores = [s for s in nest.stores if s.target.place is beside]
    if len(stores) != 1 or len(nest.stores) > len({s.target.place.key for s in nest.stores}):
        return False
    own = stores[0].target.index
    if own != tuple(Index(0, ((axis, 1),)) for axis in nest.axes):
        return False
    loads = [x.attr for x in nest.lets if x.op == "load"]
    names = state.key, beside.key
    if any(a.place.key in names and (a.place is not state or a.index != own) for a in loads):
        return False
    rest = [x.attr[0] for x in nest.lets if x.op == "gather"]
    if isinstance(nest, Product):
        rest += [nest.left, nest.right]
    return not any(a.place.key in names for a in rest)


def can_wait(nest: Nest, others: Sequence[Statement]) -> bool:
    """Whether a nest may be worked out after these statements."""
    made = {r.result for r in nest.reductions if isinstance(r.result, Let)} | {*nest.lets}
    written = {p.key for p in targets_of(nest)}
    touched = {a.place.key for a in addresses_of(nest)}
    return not any(
        s in made or made & {*operands(s)} or written & _keys(s) or touched & _written_by(s)
        for s in others
    )


def _keys(s: Statement) -> set[Key]:
    return {p.key for p in places_of(s)}


def _written_by(s: Statement) -> set[Key]:
    return {p.key for p in targets_of(s)}


def addresses_of(s: Statement) -> Iterator[Address]:
    """Every address in a statement that is no control flow."""
    for let in [s] if isinstance(s, Let) else s.lets if isinstance(s, Nest) else []:
        if let.op == "load":
            yield let.attr
        elif let.op == "gather":
            yield let.attr[0]
    if isinstance(s, Store):
        yield s.target
    elif isinstance(s, Nest):
        yield from (store.target for store in s.stores)
        yield from (r.result for r in s.reductions if isinstance(r.result, Address))
        if isinstance(s, Product):
            yield from (s.left, s.right)


def places_of(s: Statement) -> Iterator[Place]:
    """Every array that a statement reads or writes."""
    if isinstance(s, Copy):
        yield from (s.target, s.source)
    elif isinstance(s, Call):
        yield from (s.target, *s.sources, *s.attrs.get("results", ()))
    elif isinstance(s, (Let, Store, Nest)):
        yield from (a.place for a in addresses_of(s))
    else:
        for inner in s.block.statements:  # type: ignore[union-attr]
            yield from places_of(inner)


def targets_of(s: Statement) -> list[Place]:
    """Every array that a statement writes; all it touches, where it is none of the plain ones."""
    if isinstance(s, Let):
        return []
    if isinstance(s, Store):
        return [s.target.place]
    if isinstance(s, Nest):
        results = [r.result.place for r in s.reductions if isinstance(r.result, Address)]
        return [*(store.target.place for store in s.stores), *results]
    return [s.target] if isinstance(s, Copy) else list(places_of(s))


def _can_rename(s: Statement, place: Place) -> bool:
    """Whether another array can be put in the place of one that a statement touches."""
    if not isinstance(s, (Let, Store, Nest)):
        return False
    # Else it is seen in another shape.
    return all(a.place is place for a in addresses_of(s) if a.place.key == place.key)


def _rename(s: Statement, before: Place, after: Place) -> None:
    """Put one array in the place of another."""

    def new(address: Address) -> Address:
        return Address(after, address.index) if address.place is before else address

    for let in [s] if isinstance(s, Let) else s.lets if isinstance(s, Nest) else []:
        if let.op == "load":
            let.attr = new(let.attr)
        elif let.op == "gather":
            let.attr = (new(let.attr[0]), let.attr[1])
    if isinstance(s, Store):
        s.target = new(s.target)
    elif isinstance(s, Nest):
        for store in s.stores:
            store.target = new(store.target)
        for r in s.reductions:
            r.result = new(r.result) if isinstance(r.result, Address) else r.result
        if isinstance(s, Product):
            s.left, s.right = new(s.left), new(s.right)

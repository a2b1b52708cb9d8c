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
    for copy in [c for c in changes if isinstance(c, Copy) and c.target.role == "state"]:
        own, others = {copy.target.key, copy.source.key}, [s for s in changes if s is not copy]
        if any(own & keys_of(s) for s in others):
            continue
        if _written(statements, copy.target, copy.source):
            changes.remove(copy)
            done.append((copy.target, copy.source))
    return done


def _written(statements: list[Statement], state: Place, beside: Place) -> bool:
    """Whether the nest that makes an array now writes over the state that it becomes."""
    state_key = state.key
    makers = [n for n, s in enumerate(statements) if beside.key in written_by(s)]
    if len(makers) != 1 or state.shape != beside.shape:
        return False
    first, nest = makers[0], statements[makers[0]]
    if not isinstance(nest, Nest) or not _by_element(nest, state, beside):
        return False
    if any(isinstance(s, Let) and state_key in keys_of(s) for s in statements):
        return False  # a scalar may be read again wherever it is used
    last = max((n for n, s in enumerate(statements) if state_key in keys_of(s)), default=first)
    if last > first:
        if not can_wait(nest, statements[first + 1 : last + 1]):
            return False
        statements.insert(last, statements.pop(first))
    if not all(_rename(s, beside, state, try_only=True) for s in statements):
        return False
    for s in statements:
        _rename(s, beside, state)
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
        s in made or made & {*operands(s)} or written & keys_of(s) or touched & written_by(s)
        for s in others
    )


def keys_of(s: Statement) -> set[tuple[str, int]]:
    return {p.key for p in places_of(s)}


def written_by(s: Statement) -> set[tuple[str, int]]:
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


def _rename(s: Statement, before: Place, after: Place, try_only: bool = False) -> bool:
    """Put one array in the place of another; whether that is possible."""
    if before.key not in keys_of(s):
        return True
    if not isinstance(s, (Let, Store, Nest)):
        return False
    if any(a.place.key == before.key and a.place is not before for a in addresses_of(s)):
        return False  # it is seen in another shape
    if try_only:
        return True

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
    return True

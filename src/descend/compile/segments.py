"""Long blocks are cut into pieces, each a function of its own.

LLVM's code generation is superlinear in the length of a function; pieces keep it linear. Scalars
that one piece makes and another reads cross through memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from descend.compile.loops import Call, Let, Nest, Scan, Serial, Statement, Store

__all__ = ["cut", "operands", "read_again", "spill_slots"]

WHOLE, SEGMENT = 2000, 400


def weight(statement: Statement) -> int:
    """Roughly how many instructions a statement becomes."""
    if isinstance(statement, Nest):
        return 6 * (len(statement.lets) + 4 * len(statement.reductions)) + 20
    if isinstance(statement, Scan | Serial):
        return 20 + sum(map(weight, statement.block.statements))
    if isinstance(statement, Store):
        return 4
    return 100 if isinstance(statement, Call) else 1


def cut(
    statements: Sequence[Statement], lighter: Callable[[Statement], int | None] | None = None
) -> list[Sequence[Statement]]:
    """Pieces of at most about `SEGMENT` instructions; one piece if the whole is short.

    Args:
        lighter: the weight of statements that are not written where they stand.
    """
    weights = list(map(weight, statements))
    if sum(weights) <= WHOLE:
        return [statements]
    if lighter is not None:
        own = map(lighter, statements)
        weights = [w if here is None else here for w, here in zip(weights, own, strict=True)]
    pieces: list[Sequence[Statement]] = []
    start, total = 0, 0
    for i, (statement, here) in enumerate(zip(statements, weights, strict=True)):
        tied = isinstance(statement, Let) and statement.op == "reduced"
        if total + here > SEGMENT and i > start and not tied:
            pieces.append(statements[start:i])
            start, total = i, 0
        total += here
    pieces.append(statements[start:])
    return pieces


def operands(statement: Statement) -> Iterator[Let]:
    """The lets that a statement reads."""
    if isinstance(statement, Let):
        yield from statement.args
    elif isinstance(statement, Store):
        yield statement.value
    elif isinstance(statement, Nest):
        for let in statement.lets:
            yield from let.args
        for store in statement.stores:
            yield store.value
        for reduction in statement.reductions:
            yield reduction.value
    elif isinstance(statement, Scan | Serial):
        own = {x for x in statement.block.statements if isinstance(x, Let)}
        for inner in statement.block.statements:
            own.update(inner.lets if isinstance(inner, Nest) else ())
            yield from (x for x in operands(inner) if x not in own)


def read_again(let: Let) -> bool:
    """Whether a let lies in memory that no block writes: each piece may read it for itself."""
    if let.op != "load" or let.attr.place.role not in ("fixed", "state"):
        return let.op == "const"
    return all(index.is_const for index in let.attr.index)


def spill_slots(
    pieces: Sequence[Sequence[Statement]], homes: Mapping[Let, int], outputs: Sequence[Let],
    free: Callable[[Let], bool],
) -> dict[Let, int]:  # fmt: skip
    """A memory slot for every let that is read outside of its piece.

    Args:
        free: whether a let is had again without one; outputs are read when states have changed.
    """
    slots: dict[Let, int] = {}
    for i, piece in enumerate(pieces):
        for statement in piece:
            for let in operands(statement):
                if homes.get(let, i) != i and not free(let):
                    slots.setdefault(let, len(slots))
    for let in outputs:
        if let.op != "const":
            slots.setdefault(let, len(slots))
    return slots

"""Products, and sums that take them in, as multiply-adds that are rounded once.

LLVM makes them where both stand in the same stretch of code, and of two products takes the one that
it meets first. That depends on barriers, on loops, and on the pieces that a long block is cut into:
so on whether threads divide a step. Here they are chosen before any of that, and LLVM makes none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from descend.compile.loops import Block, Let, Nest, Scan, Statement
from descend.compile.segments import operands

__all__ = ["contract"]

Some = TypeVar("Some", bound=Statement)


def contract(block: Block) -> None:
    """Let sums of floats take in the products that nothing else needs."""
    uses = Counter(x for s in block.statements for x in operands(s))
    uses.update(block.outputs)
    for statement in block.statements:
        if isinstance(statement, Scan):
            contract(statement.block)
        elif isinstance(statement, Nest):
            _in_nest(statement)
    block.statements = _contracted(block.statements, uses)


def _in_nest(nest: Nest) -> None:
    uses = Counter(operands(nest))
    nest.lets = _contracted(nest.lets, uses)
    own = set(nest.lets)
    for r in nest.reductions:
        x = r.value
        inside = x in own and x.depth == len(nest.axes)
        r.fused = inside and r.op == "add" and _is_product(x) and uses[x] == 1


def _is_product(let: Let) -> bool:
    return let.op == "mul" and let.dtype.kind == "f"


def _contracted(statements: Sequence[Some], uses: Counter[Let]) -> list[Some | Let]:
    """The statements; sums are multiply-adds now, where they may be, and their products gone."""
    made = {s for s in statements if isinstance(s, Let) and _is_product(s) and uses[s] == 1}
    taken: set[Let] = set()
    found: list[Some | Let] = []
    for s in statements:
        if isinstance(s, Let) and s.op in ("add", "sub"):
            products = [x for x in s.args if x in made and x.depth == s.depth]
            if products:
                taken.add(products[0])
                found += _fuse(s, products[0])
        found.append(s)
    return [s for s in found if s not in taken]


def _fuse(total: Let, product: Let) -> list[Let]:
    """Make a multiply-add of a sum; return what it needs besides: x − y is x + (−y)."""
    a, b = product.args
    first, second = total.args
    other = second if product is first else first
    negative: list[Let] = []
    if total.op == "sub":
        x = other if product is first else a
        negative = [Let("neg", (x,), None, x.dtype, x.depth)]
        a, other = (a, negative[0]) if product is first else (negative[0], other)
    total.op, total.args = "fma", (a, b, other)
    return negative

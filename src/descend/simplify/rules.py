"""The table: for each primitive, the rules that are tried on it, in order."""

from __future__ import annotations

from collections.abc import Mapping

from descend.graph.node import PRIMITIVES, Node, Primitive
from descend.simplify.arithmetic import ELEMENTWISE_RULES, FINAL_RULES, below_broadcast
from descend.simplify.constants import fold, same_kind
from descend.simplify.factors import FACTOR_RULES
from descend.simplify.products import PRODUCT_RULES
from descend.simplify.shapes import SHAPE_RULES
from descend.simplify.triggers import Rule, tried_on

__all__ = ["FINAL", "RULES", "Table"]

MANY = 4


class Table:
    """For each primitive the rules that are tried on it, in order."""

    def __init__(self, extra: Mapping[str, tuple[Rule, ...]]) -> None:
        special: dict[str, tuple[Rule, ...]] = ELEMENTWISE_RULES | SHAPE_RULES | PRODUCT_RULES
        self.rules: dict[str, tuple[Rule, ...]] = {"const": (same_kind,)}
        for name, primitive in PRIMITIVES.items():
            if primitive.kind == "source":
                continue
            general = (fold, below_broadcast) if primitive.kind == "elementwise" else (fold,)
            own = (*special.get(name, ()), *FACTOR_RULES.get(name, ()))
            self.rules[name] = (*extra.get(name, ()), *general, *own)
        self._chosen: dict[tuple[Primitive, ...], tuple[Rule, ...]] = {}

    def tried(self, node: Node) -> tuple[Rule, ...]:
        """The rules that can apply to the node, going by what its arguments are made by."""
        args = node.args
        if len(args) == 2:
            key: tuple[Primitive, ...] = (node.op, args[0].op, args[1].op)
        elif len(args) > MANY:
            return self.rules.get(node.op.name, ())
        else:
            key = (node.op, *[a.op for a in args])
        found = self._chosen.get(key)
        if found is None:
            below = frozenset(op.name for op in key[1:])
            rules = self.rules.get(node.op.name, ())
            found = self._chosen[key] = tuple(r for r in rules if tried_on(r, below))
        return found


RULES = Table({})
FINAL = Table(FINAL_RULES)

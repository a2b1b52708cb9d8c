"""The table: for each primitive, the rules that are tried on it, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from descend.graph.elementwise import ELEMENTWISE
from descend.graph.node import Node
from descend.graph.primitive import PRIMITIVES
from descend.simplify.arithmetic import ELEMENTWISE_RULES, FINAL_RULES, below_broadcast
from descend.simplify.constants import fold, same_kind
from descend.simplify.factors import FACTOR_RULES
from descend.simplify.products import PRODUCT_RULES
from descend.simplify.shapes import SHAPE_RULES

__all__ = ["FINAL", "RULES", "Rule", "Table"]

Rule = Callable[[Node], Node | None]
Table = Mapping[str, tuple[Rule, ...]]


def _table(extra: Table) -> Table:
    special: dict[str, tuple[Rule, ...]] = ELEMENTWISE_RULES | SHAPE_RULES | PRODUCT_RULES
    table: dict[str, tuple[Rule, ...]] = {"const": (same_kind,)}
    for name, primitive in PRIMITIVES.items():
        if primitive.kind == "source":
            continue
        general = (fold, below_broadcast) if name in ELEMENTWISE else (fold,)
        own = (*special.get(name, ()), *FACTOR_RULES.get(name, ()))
        table[name] = (*extra.get(name, ()), *general, *own)
    return table


RULES: Table = _table({})
FINAL: Table = _table(FINAL_RULES)

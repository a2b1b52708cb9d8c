"""On which arguments a rule can apply at all, so that most nodes are passed by without a try."""

from __future__ import annotations

from collections.abc import Callable

from descend.graph.node import Node

__all__ = ["KNOWN", "Rule", "on", "tried_on"]

Rule = Callable[[Node], Node | None]

KNOWN = ("const", "broadcast")

_TRIGGERS: dict[Rule, frozenset[str]] = {}


def on(*names: str) -> Callable[[Rule], Rule]:
    """The rule is tried only on nodes one of whose arguments is made by one of the primitives."""

    def mark(rule: Rule) -> Rule:
        _TRIGGERS[rule] = frozenset(names)
        return rule

    return mark


def tried_on(rule: Rule, names: frozenset[str]) -> bool:
    """Whether a rule is tried on a node whose arguments are made by these primitives."""
    triggers = _TRIGGERS.get(rule)
    return triggers is None or not triggers.isdisjoint(names)

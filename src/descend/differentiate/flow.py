"""What is carried along a chain of partials: a derivative, and what is known of its zeros."""

from __future__ import annotations

from collections.abc import Callable

from descend.graph.elementwise import call
from descend.graph.node import Node
from descend.graph.ranges import constant

__all__ = ["Alive", "Flow", "nonzero", "opened", "seed"]

DEEP = 100  # conditions that wait for one another, at most: else they would be a deep recursion


class Alive:
    """A condition that is made when it is asked for, and once.

    Args:
        make: makes it. before: what `make` asks for in turn.
    """

    __slots__ = ("_depth", "_made", "_make")

    def __init__(self, make: Callable[[], Node], *before: Alive | None) -> None:
        self._make = make
        self._made: Node | None = None
        self._depth: int = 1 + max([b._depth for b in before if b is not None], default=0)
        if self._depth > DEEP:
            self()

    def __call__(self) -> Node:
        if self._made is None:
            self._made = self._make()
            self._depth = 0
        return self._made


class Flow:
    """A tangent or cotangent, and what is known of its zeros and infinities.

    Attributes:
        node: the derivative itself.
        exact: whether nothing depends where it is 0; then `mul0` keeps it 0.
        alive: makes the condition outside of which nothing depends; None: everywhere it may.
        branch: whether a branch is among the reasons.
        wild: whether it may be infinite or undefined on account of a pole.
        steep: the same of a slope where the value is finite, as that of √x at 0.
        saturated: whether it may be 0 by saturation.
        big: whether it may be infinite by overflow.
    """

    __slots__ = ("alive", "big", "branch", "exact", "node", "saturated", "steep", "wild")

    def __init__(
        self, node: Node, exact: bool = True, alive: Alive | None = None, branch: bool = False,
        wild: bool = False, steep: bool = False, saturated: bool = False, big: bool = False,
    ) -> None:  # fmt: skip
        self.node = node
        self.exact = exact
        self.alive = alive
        self.branch = branch
        self.wild = wild
        self.steep = steep
        self.saturated = saturated
        self.big = big

    def of(self, node: Node, alive: Alive | None = None) -> Flow:
        """The same of another node, alive elsewhere if that is said."""
        return Flow(
            node, self.exact, alive or self.alive, self.branch, self.wild, self.steep,
            self.saturated, self.big,
        )  # fmt: skip


def seed(node: Node) -> Flow:
    """What a walk begins with: where it is 0, it asks for nothing."""
    value = constant(node)
    alive = None if value == value and value != 0 else nonzero(node)
    return Flow(node, alive=alive)


def opened(node: Node) -> Flow:
    """A derivative that came out of a loop or of a rule of the user: 0 is taken as a seed's."""
    return Flow(node, alive=nonzero(node), wild=True, steep=True)


def nonzero(node: Node) -> Alive:
    """Where a node is not 0."""
    return Alive(lambda: call("ne", node, 0.0))

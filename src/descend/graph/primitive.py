"""What a primitive declares, and the table of all of them.

One declaration per primitive gives its shape rule, its NumPy meaning, both derivative modes and
its batching over a new leading axis. The families (elementwise, linear, multilinear, selection,
opaque) fill in the parts that follow from their kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import InternalError
from descend.graph.node import Node, Shape, intern
from descend.lean import dataclass

__all__ = ["PRIMITIVES", "Partial", "Primitive", "Several", "declare_several", "register"]

Array = np.ndarray[Any, np.dtype[Any]]
Typed = tuple[Shape, np.dtype[Any]]
Infer = Callable[[tuple[Node, ...], Mapping[str, Any]], Typed]
Meaning = Callable[..., Array]
Vjp = Callable[[Node, Node, Sequence[bool]], list[Node | None]]
Jvp = Callable[[list[Node | None], Node], Node | None]
Batch = Callable[[list[Node], list[bool], Node, Any], Node]


@dataclass(frozen=True)
class Partial:
    """The partial derivative of an elementwise primitive for one argument.

    Attributes:
        local: builds the partial from the arguments and the result.
        how: `mul0` multiplies by it, and gives 0 where the incoming derivative is 0 even if the
            partial is infinite there; `0mul` the same with the roles exchanged; `one` and `minus`
            pass the incoming derivative on as it is, or negated.
    """

    local: Callable[..., Node]
    how: str = "mul0"


@dataclass(frozen=True, eq=False)
class Several:
    """What a primitive with several results declares in place of meaning, vjp, jvp and batch.

    Each result is a node of its own; siblings share arguments and attributes except `index`.
    Such primitives hold graphs inside, so the walk that differentiates is handed to their rules.

    Attributes:
        meaning: all results at once, in NumPy.
        vjp: (reverse, cotangents of all results or None, any sibling, wanted) → cotangents of the
            arguments.
        jvp: (forward, reverse, tangents of the arguments, the sibling) → its tangent.
        batch: (batch, arguments, flags, the sibling, extent) → the sibling with the new axis.
    """

    meaning: Callable[..., tuple[Array, ...]]
    vjp: Callable[[Any, list[Node | None], Node, Sequence[bool]], list[Node | None]]
    jvp: Callable[[Any, Any, list[Node | None], Node], Node | None]
    batch: Callable[[Any, list[Node], list[bool], Node, Any], Node]


@dataclass(frozen=True, eq=False)
class Primitive:
    """One entry of the table.

    Attributes:
        name: unique, as printed.
        kind: elementwise, linear, multilinear, selection, opaque, source.
        infer: shape and dtype of the result from arguments and attributes.
        meaning: the result in NumPy, from arrays and attributes (with row counts filled in).
        vjp: cotangent of the result → cotangents of the arguments that are wanted.
        jvp: tangents of the arguments (None for zero) → tangent of the result.
        batch: arguments, which of them carry a new leading axis, the node, the axis' extent.
        partials: for elementwise primitives, one entry per argument, None where the derivative
            is zero everywhere.
        several: for primitives with several results, which leave the rules above unused.
    """

    name: str
    kind: str
    infer: Infer
    meaning: Meaning
    vjp: Vjp
    jvp: Jvp
    batch: Batch
    partials: tuple[Partial | None, ...] | None = None
    several: Several | None = None

    def apply(self, *args: Node, **attrs: Any) -> Node:
        shape, dtype = self.infer(args, attrs)
        return intern(self, args, attrs, shape, dtype)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


PRIMITIVES: dict[str, Primitive] = {}


def declare_several(name: str, infer: Infer, several: Several) -> Primitive:
    """Register a primitive with several results; the walks use `several` alone."""

    def unused(*_args: Any, **_attrs: Any) -> Any:
        raise InternalError(f"{name} has several results; its rules are in `several`")

    return register(Primitive(name, "opaque", infer, unused, unused, unused, unused, None, several))


def register(primitive: Primitive) -> Primitive:
    """Enter a primitive into the table; names are unique."""
    if primitive.name in PRIMITIVES:
        raise InternalError(f"primitive {primitive.name} is declared twice")
    PRIMITIVES[primitive.name] = primitive
    return primitive

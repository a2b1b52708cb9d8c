"""What a primitive declares, and the table of all of them.

One declaration per primitive gives its shape rule, its NumPy meaning, both derivative modes and
its batching over a new leading axis. The families (elementwise, linear, multilinear, selection,
opaque) fill in the parts that follow from their kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.errors import InternalError
from descend.graph.node import Node, Shape, intern

__all__ = ["PRIMITIVES", "Partial", "Primitive", "register"]

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
    """

    name: str
    kind: str
    infer: Infer
    meaning: Meaning
    vjp: Vjp
    jvp: Jvp
    batch: Batch
    partials: tuple[Partial | None, ...] | None = None

    def apply(self, *args: Node, **attrs: Any) -> Node:
        shape, dtype = self.infer(args, attrs)
        return intern(self, args, attrs, shape, dtype)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


PRIMITIVES: dict[str, Primitive] = {}


def register(primitive: Primitive) -> Primitive:
    """Enter a primitive into the table; names are unique."""
    if primitive.name in PRIMITIVES:
        raise InternalError(f"primitive {primitive.name} is declared twice")
    PRIMITIVES[primitive.name] = primitive
    return primitive

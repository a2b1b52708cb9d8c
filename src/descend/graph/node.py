"""Immutable, typed, shared nodes, and iterative walks over them.

A node is one application of a primitive to other nodes. Equal applications are the same object
(hash-consing), so that identity is equality and common subexpressions never exist twice. The
table that makes this true holds weak references only: nodes live as long as somebody uses them.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from descend.graph.primitive import Primitive

__all__ = ["Dim", "Node", "Shape", "intern", "postorder", "sizes", "substitute", "users_of"]

_serial = itertools.count()


class Dim:
    """A number of rows that is not known before the data is: equal only to itself.

    Raises `RowsAsked` where a program needs the number: the caller then traces again with it.
    """

    __slots__ = ("name",)

    def __init__(self, name: str = "rows") -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


class RowsAsked(Exception):
    """The model needs the number of rows as an integer; trace again with the number itself."""

    def __init__(self, dim: Dim, why: str) -> None:
        super().__init__(f"{why} needs the number of {dim.name}")
        self.dim = dim
        self.why = why


Shape = tuple[int | Dim, ...]


def sizes(shape: Shape) -> tuple[int, ...]:
    """The extents as integers; raises `RowsAsked` where only the data knows one."""
    for extent in shape:
        if isinstance(extent, Dim):
            raise RowsAsked(extent, "the shape of an array")
    return shape  # type: ignore[return-value]


class _Parts:
    """The parts of a node while it is made: once it is a `Node`, it does not change any more."""

    __slots__ = ("__weakref__", "args", "attrs", "dtype", "op", "serial", "shape")

    op: Primitive
    args: tuple[Node, ...]
    attrs: Mapping[str, Any]
    shape: Shape
    dtype: np.dtype[Any]
    serial: int


class Node(_Parts):
    """One application of a primitive: `op(*args, **attrs)` with a result `shape` and `dtype`.

    Made by `intern`, so that equal applications are one object.
    """

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"nodes are immutable; cannot set {name}")

    def __repr__(self) -> str:
        shape = ",".join(map(str, self.shape))
        return f"<{self.op.name} {self.dtype.name}[{shape}] #{self.serial}>"

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements; raises `RowsAsked` if it depends on the rows."""
        total = 1
        for extent in self.shape:
            if isinstance(extent, Dim):
                raise RowsAsked(extent, "the size of an array")
            total *= extent
        return total


_NO_ATTRS: Mapping[str, Any] = MappingProxyType({})


class _Reference(weakref.ref[Node]):
    """A weak reference that knows its place in the table of shared nodes."""

    __slots__ = ("key",)
    key: Hashable


_shared: dict[Hashable, _Reference] = {}


def _forget(reference: _Reference) -> None:
    if _shared.get(reference.key) is reference:
        del _shared[reference.key]


def _frozen(attrs: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(attrs) if type(attrs) is dict else attrs


def intern(
    op: Primitive,
    args: tuple[Node, ...],
    attrs: Mapping[str, Any],
    shape: Shape,
    dtype: np.dtype[Any],
) -> Node:
    """Return the one node for this application, making it on first use."""
    key = (op.name, args, tuple(attrs.items()), dtype) if attrs else (op.name, args, dtype)
    reference = _shared.get(key)
    if reference is not None:
        found = reference()
        if found is not None:
            return found
    parts = _Parts()
    parts.op = op
    parts.args = args
    parts.attrs = _frozen(attrs) if attrs else _NO_ATTRS
    parts.shape = shape
    parts.dtype = dtype
    parts.serial = next(_serial)
    parts.__class__ = Node
    made: Node = parts  # type: ignore[assignment]
    reference = _Reference(made, _forget)
    reference.key = key
    _shared[key] = reference
    return made


def postorder(
    roots: Iterable[Node], stop: Callable[[Node], bool] | None = None
) -> list[Node]:
    """Every node that the roots need, each after its arguments, in an order fixed by the roots.

    Iterative: a chain of 100 000 nodes is an ordinary input. Nodes for which `stop` holds are
    listed, but not what is below them.
    """
    opened: set[Node] = set()
    order: list[Node] = []
    stack: list[Node | None] = list(roots)
    stack.reverse()
    while stack:
        node = stack.pop()
        if node is None:  # the arguments of the next one are listed
            order.append(stack.pop())  # type: ignore[arg-type]
            continue
        if node in opened:
            continue
        opened.add(node)
        if node.args and not (stop and stop(node)):
            stack += (node, None)
            stack += [arg for arg in node.args[::-1] if arg not in opened]
        else:
            order.append(node)
    return order


def substitute(roots: Iterable[Node], replace: Mapping[Node, Node]) -> list[Node]:
    """Rebuild the roots with some nodes replaced; what is not above a replaced node is shared."""
    roots = list(roots)
    image: dict[Node, Node] = dict(replace)
    for node in postorder(roots, stop=lambda n: n in replace):
        if node in image:
            continue
        args = tuple(image[a] for a in node.args)
        if all(a is b for a, b in zip(args, node.args, strict=True)):
            image[node] = node
        else:
            image[node] = node.op.apply(*args, **node.attrs)
    return [image[root] for root in roots]


def users_of(order: Iterable[Node]) -> dict[Node, list[Node]]:
    """For each node of a postorder, the nodes that use it (once per use)."""
    users: dict[Node, list[Node]] = {}
    for node in order:
        users.setdefault(node, [])
        for arg in node.args:
            users.setdefault(arg, []).append(node)
    return users

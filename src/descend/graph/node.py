"""Immutable, typed, shared nodes, the primitives that they apply, and iterative walks over them.

A primitive is one operation with all that is known of it; a node is one application of a primitive
to other nodes. Equal applications are the same object
(hash-consing), so that identity is equality and common subexpressions never exist twice. The
table that makes this true holds weak references only: nodes live as long as somebody uses them.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from descend.errors import WITNESS, InternalError
from descend.lean import dataclass

__all__ = [
    "ONCE", "PRIMITIVES", "Dim", "Mixes", "Node", "Partial", "Primitive", "Several", "Shape",
    "along", "apart", "declare_several", "intern", "meeting", "mixing", "postorder", "register",
    "sizes", "substitute",
]  # fmt: skip

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
        witness = WITNESS.get()
        if witness is not None:
            witness(self)


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


Array = np.ndarray[Any, np.dtype[Any]]
Typed = tuple[Shape, np.dtype[Any]]
Infer = Callable[[tuple[Node, ...], Mapping[str, Any]], Typed]
Meaning = Callable[..., Array]
Vjp = Callable[[Node, Node, Sequence[bool]], list[Node | None]]
Jvp = Callable[[list[Node | None], Node], Node | None]
Batch = Callable[[list[Node], list[bool], Node, Any], Node]
Mixes = Callable[[Node, Dim], str]


def apart(_node: Node, _rows: Dim) -> str:
    """Rows that keep their axis keep to themselves."""
    return ""


def along(attribute: str) -> Mixes:
    """Rows meet where the operation's axis, or one of its axes, is theirs."""

    def mixes(node: Node, rows: Dim) -> str:
        axes = node.attrs[attribute]
        own = next((a.shape.index(rows) for a in node.args if rows in a.shape), None)
        return node.op.name if own in (axes if isinstance(axes, tuple) else (axes,)) else ""

    return mixes


def meeting(node: Node, _rows: Dim) -> str:
    """Every row may meet every other."""
    return node.op.name


@dataclass(frozen=True)
class Partial:
    """The partial derivative of an elementwise primitive for one argument.

    What is said beside the formula decides what 0 times infinity is when partials are multiplied
    (`differentiate.chain`). Where it depends on the arguments, it is a function of the node and of
    which of its arguments move; what is left out is taken as it promises least.

    Attributes:
        local: builds the partial from the arguments and the result.
        how: `times` multiplies by it; `one` and `minus` pass the incoming derivative on as it is,
            or negated; `mask` is made of numbers of which 0 means a side that was not chosen;
            `0mul` gives 0 where the partial is 0, whatever comes in.
        pole: whether it may be infinite or undefined at finite arguments, short of overflow.
        settles: whether it tends to 0 where an argument or the result grows beyond all numbers.
        isolated: whether it may be 0 at single points, where the result is stationary.
        apart: whether it does not depend on its own argument.
        still: whether the result does not depend on the argument where it is 0, as 0^y on y.
    """

    local: Callable[..., Node]
    how: str = "times"
    pole: bool | Callable[[Node, Sequence[bool]], bool] = True
    settles: bool = False
    isolated: bool | Callable[[Node, Sequence[bool]], bool] = True
    apart: bool = False
    still: bool | Callable[[Node, Sequence[bool]], bool] = False


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
    """One entry of the table: all that is known of an operation, but for its native text.

    Attributes:
        name: unique, as printed.
        kind: elementwise, linear, multilinear, selection, opaque, source.
        native: how native code computes it, or empty where only the interpreter does. Elementwise:
            `arithmetic`, a family of `compile.elementary`, or `library` for a call a lane. Others:
            `source`, `view`, `gather`, `reduction`, `assembled`, `call`, `algorithm`, `lapack`,
            `loop`, or `rewritten` in other primitives.
        finite: whether finite arguments give a finite result, short of overflow.
        fails: in a reader's words, why they do not, where the name alone does not say it.
        infer: shape and dtype of the result from arguments and attributes.
        meaning: the result in NumPy, from arrays and attributes (with row counts filled in).
        vjp: cotangent of the result → cotangents of the arguments that are wanted.
        jvp: tangents of the arguments (None for zero) → tangent of the result.
        batch: arguments, which of them carry a new leading axis, the node, the axis' extent.
        partials: for elementwise primitives, one entry per argument, None where the derivative
            is zero everywhere.
        several: for primitives with several results, which leave the rules above unused.
        cost: of one element, in additions; `ONCE` where it is never worth computing twice.
        latency: cycles until the result is there, for chains of scalars.
        masks: whether the result may hold zeros that arithmetic did not make.
        word: the sign between its operands, or a reader's name for it, if that is another one.
        back: in a reader's words, how it hands back what comes in, where it has no partials.
        mixes: in a reader's words, how rows of its arguments meet although it keeps their axis;
            empty where they do not.
        breaks: where it is not smooth: `kink` (its slope jumps, or it chooses between sides),
            `step` (no derivative passes), `comparison` (a step that gives a truth).
        units: what it makes of units: `kept`, `same` (two of one unit, and the result too),
            `product`, `quotient`, `number` (from a number without a unit to another), `wave` (the
            same, periodic), `plain` (a number of anything), a power, or empty for none of these.
    """

    name: str
    kind: str
    native: str
    finite: bool
    infer: Infer
    meaning: Meaning
    vjp: Vjp
    jvp: Jvp
    batch: Batch
    partials: tuple[Partial | None, ...] | None = None
    several: Several | None = None
    cost: int = 1
    latency: int = 20
    masks: bool = False
    word: str = ""
    back: str = ""
    fails: str = ""
    mixes: Mixes = meeting
    breaks: str = ""
    units: str | float = ""

    def apply(self, *args: Node, **attrs: Any) -> Node:
        shape, dtype = self.infer(args, attrs)
        return intern(self, args, attrs, shape, dtype)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


ONCE = 161
PRIMITIVES: dict[str, Primitive] = {}


def mixing(
    outputs: Sequence[Node], rows: Dim | int, known: frozenset[Node] = frozenset()
) -> tuple[Node | None, str]:
    """The first operation by which rows know of one another, with its word; else None and "".

    Of rows whose number is an integer nothing is told.

    Args:
        known: nodes that are not looked at, nor what they are made of.
    """
    if not isinstance(rows, Dim):
        return None, ""
    for node in postorder(outputs, stop=known.__contains__):
        words = "" if node in known else _mixes(node, rows)
        if words:
            return node, words
    return None, ""


def _mixes(node: Node, rows: Dim) -> str:
    if node.shape.count(rows) > 1:
        return "all pairs of rows"
    if node.args and not any(rows in a.shape for a in node.args):
        return ""
    if node.args and rows not in node.shape and node.op.several is None:
        return node.op.name
    return node.op.mixes(node, rows)


def inside(node: Node, rows: Dim) -> str:
    """Rows meet where they do in the graph inside the operation, or where that runs along them."""
    name = node.op.name
    if node.attrs.get("length") is rows:
        return f"{name} along the rows"
    word = mixing(node.attrs["body"].outputs, rows)[1]
    return f"{word} in {name}" if word else ""


def declare_several(name: str, native: str, infer: Infer, several: Several) -> Primitive:
    """Register a primitive with several results; the walks use `several` alone."""

    def unused(*_args: Any, **_attrs: Any) -> Any:
        raise InternalError(f"{name} has several results; its rules are in `several`")

    rules = (unused, unused, unused, unused)
    kind = Primitive(name, "opaque", native, False, infer, *rules, several=several, mixes=inside)
    return register(kind)


def register(primitive: Primitive) -> Primitive:
    """Enter a primitive into the table; names are unique."""
    if primitive.name in PRIMITIVES:
        raise InternalError(f"primitive {primitive.name} is declared twice")
    PRIMITIVES[primitive.name] = primitive
    return primitive


def postorder(roots: Iterable[Node], stop: Callable[[Node], bool] | None = None) -> list[Node]:
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

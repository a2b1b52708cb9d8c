"""Loop nests that a long program repeats are written once, as a function, and called.

A Python loop that tracing unrolled leaves the same nest a thousand times over, on other arrays and
with other numbers. Two nests are the same if they differ only in that: in which arrays they read
and write and from which element on, in scalars made before, and in constants. Those become the
function's arguments, so that the text and LLVM's work grow with what is different, not with how
often it runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

from descend.compile.access import Access, Frame
from descend.compile.kinds import Value, literal
from descend.compile.loops import (
    Address,
    Axis,
    Index,
    Let,
    Nest,
    Place,
    Reduction,
    Statement,
    Store,
)
from descend.compile.nests import NestWriter
from descend.compile.operations import kind_of
from descend.graph.node import Dim
from descend.lean import dataclass

__all__ = ["Repeats"]

Pointers = list[tuple[Place, tuple[Index, ...]]]


@dataclass
class Form:
    """A nest with its arrays, scalars and constants taken out.

    Attributes:
        key: equal for nests that one function can do.
        pointers: for every array argument the place and the element that it begins with.
        scalars: the lets whose values are arguments: constants, and what was made before.
        results: the scalars that come out.
    """

    key: Hashable
    pointers: Pointers
    scalars: list[Let]
    results: list[Let]


class _Reading:
    """One walk over a nest, which numbers what differs from call to call."""

    def __init__(self, nest: Nest) -> None:
        self.axes: dict[Axis, int] = {axis: i for i, axis in enumerate(nest.axes)}
        self.pointers: dict[tuple[Place, tuple[Index, ...]], int] = {}
        self.scalars: dict[Let, int] = {}
        self.numbers: dict[Let, int] = {}
        self.foreign = False

    def index(self, index: Index) -> Hashable:
        if any(a not in self.axes for a, _ in index.terms):
            self.foreign = True
            return None
        return index.const, tuple((self.axes[a], c) for a, c in index.terms), index.dims

    def address(self, address: Address, fixed: int | None = None) -> Hashable:
        first, rest = split(address, fixed)
        number = self.pointers.setdefault((address.place, first), len(self.pointers))
        place = address.place
        kind = (place.dtype.str, place.shape, place.batched)
        return number, kind, tuple([self.index(i) for i in rest])

    def operand(self, let: Let) -> Hashable:
        if let in self.numbers:
            return self.numbers[let]
        return "scalar", self.scalars.setdefault(let, len(self.scalars)), let.dtype.str

    def let(self, let: Let) -> Hashable:
        attr: Any = let.attr
        if let.op == "load":
            attr = self.address(let.attr)
        elif let.op == "gather":
            attr = self.address(let.attr[0], let.attr[1]), let.attr[1]
        elif let.op == "index":
            attr = self.index(let.attr)
        elif let.op == "const":
            attr = let.attr.tobytes()
        elif let.op == "rows":
            attr = id(let.attr)
        else:
            attr = str(attr)
        key = (let.op, let.dtype.str, let.depth, attr, tuple([self.operand(a) for a in let.args]))
        self.numbers[let] = len(self.numbers)
        return key


def split(
    address: Address, fixed: int | None = None
) -> tuple[tuple[Index, ...], tuple[Index, ...]]:
    """The element at which an address begins, and its way from there.

    The offsets of axes that are followed by one of unknown extent, that go through the order of
    the rows, or along which positions are data (`fixed`), stay in the way.
    """
    place, first, rest = address.place, [], []
    for axis, index in enumerate(address.index):
        bound = axis == fixed or (axis == 0 and place.batched)
        moved = not bound and not any(isinstance(n, Dim) for n in place.shape[axis + 1 :])
        first.append(Index(index.const) if moved else Index())
        rest.append(Index(0, index.terms, index.dims) if moved else index)
    return tuple(first), tuple(rest)


def is_argument(let: Let) -> bool:
    """Whether a let of a nest is a number that may differ from call to call."""
    return let.op == "const" and let.dtype.kind == "f"


def form_of(nest: Nest) -> Form | None:
    """What two nests must share, and what they may not; None if other loops stand around it."""
    reading = _Reading(nest)
    inside = set(nest.lets)
    lets = [reading.let(let) for let in nest.lets if not is_argument(let)]
    stores = [
        (reading.address(s.target), reading.operand(s.value), s.depth) for s in nest.stores
    ]
    reductions: list[Hashable] = []
    results = [r.result for r in nest.reductions if isinstance(r.result, Let)]
    for r in nest.reductions:
        target = "scalar" if isinstance(r.result, Let) else reading.address(r.result)
        reductions.append((r.op, r.fused, reading.operand(r.value), target))
    if reading.foreign or any(x in inside and not is_argument(x) for x in reading.scalars):
        return None
    extents = tuple(axis.extent for axis in nest.axes)
    whole = None if nest.like is None else form_of(nest.like)
    divided = None if nest.divided is None else nest.axes.index(nest.divided)
    how = (nest.kept, divided, nest.like is None, None if whole is None else whole.key)
    key = (extents, how, tuple(lets), tuple(stores), tuple(reductions))
    return Form(key, list(reading.pointers), list(reading.scalars), results)


class Repeats:
    """The nests of a block that come more than once, and the functions that do them."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        forms = {s: form_of(s) for s in statements if type(s) is Nest}
        often = Counter(form.key for form in forms.values() if form is not None)
        self.forms = {
            nest: form for nest, form in forms.items() if form is not None and often[form.key] > 1
        }
        self.functions: dict[Hashable, int] = {}

    def weight(self, statement: Statement) -> int | None:
        """Roughly how many instructions a call is; None for what is not repeated."""
        form = self.forms.get(statement) if isinstance(statement, Nest) else None
        return None if form is None else 2 * len(form.pointers) + len(form.scalars) + 4

    def call(self, writer: Access, nest: Nest) -> bool:
        """Write a call, and before the first one the function; False if the nest has none."""
        form, frame = self.forms.get(nest), writer.frame
        if form is None:
            return False
        number = self.functions.get(form.key)
        if number is None:
            number = self.functions[form.key] = _define(frame.segment(), nest, form)
        arguments = [f"ptr {_beginning(writer, *pointer)}" for pointer in form.pointers]
        for let in form.scalars:
            kind = kind_of(let.dtype)
            constant = literal(let.attr.item(), kind) if is_argument(let) else ""
            value = Value(constant, kind, 1) if constant else writer.values[let]
            arguments.append(value.typed)
        out = frame.alloca(f"[{len(form.results)} x i64]") if form.results else "null"
        frame.call_segment(number, [*arguments, f"ptr {out}"])
        for place, let in enumerate(form.results):
            at = writer.e.element(out, "i64", place)
            writer.values[let] = writer.load_from(at, kind_of(let.dtype), 1)
        return True


def _beginning(writer: Access, place: Place, first: tuple[Index, ...]) -> str:
    """A pointer to an element; where rows are those of a batch, the function itself finds them."""
    whole = Place(place.role, place.number, place.shape, place.dtype)
    return writer.pointer_to(Address(whole, first), {})


def _define(frame: Frame, nest: Nest, form: Form) -> int:
    """The function of a form; what the nest reads and writes stands in its arguments."""
    proxies = {
        key: Place("argument", i, key[0].shape, key[0].dtype, key[0].batched)
        for i, key in enumerate(form.pointers)
    }
    copy, image = _copied(nest, proxies)
    frame.pointer = lambda place: f"%array{place.number}"
    frame.cell = lambda place, flat: None
    frame.e.outline = 0
    writer = Access(frame)
    parameters = [f"ptr %array{i}" for i in range(len(form.pointers))]
    for i, let in enumerate(form.scalars):
        value = Value(f"%scalar{i}", kind_of(let.dtype), 1)
        writer.values[image.get(let, let)] = value
        parameters.append(value.typed)
    NestWriter(writer, copy).write()
    for place, result in enumerate(form.results):
        value = writer.values[image[result]]
        value = writer.e.convert(value, "u8") if value.kind == "i1" else value
        writer.e.line(f"store {value.typed}, ptr {writer.e.element('%out', 'i64', place)}, align 8")
    return frame.finish_segment([*parameters, "ptr %out"])


def _copied(
    nest: Nest, proxies: dict[tuple[Place, tuple[Index, ...]], Place]
) -> tuple[Nest, dict[Let, Let]]:
    """The nest on its arguments; constants that differ stand outside of it."""

    def moved(address: Address, fixed: int | None = None) -> Address:
        first, rest = split(address, fixed)
        return Address(proxies[address.place, first], rest)

    image: dict[Let, Let] = {}
    lets: list[Let] = []
    for let in nest.lets:
        if is_argument(let):
            continue
        attr = let.attr
        if let.op == "load":
            attr = moved(attr)
        elif let.op == "gather":
            attr = moved(*attr), attr[1]
        made = Let(let.op, tuple([image.get(a, a) for a in let.args]), attr, let.dtype, let.depth)
        image[let] = made
        lets.append(made)
    stores = [
        Store(moved(s.target), image.get(s.value, s.value), s.depth) for s in nest.stores
    ]
    reductions = []
    for r in nest.reductions:
        target: Let | Address
        if isinstance(r.result, Let):
            target = image[r.result] = Let("reduced", (), None, r.result.dtype)
        else:
            target = moved(r.result)
        reductions.append(Reduction(r.op, image.get(r.value, r.value), target, r.fused))
    copy = Nest(nest.axes, nest.kept, lets, stores, reductions)
    copy.divided, copy.like = nest.divided, nest.like
    return copy, image

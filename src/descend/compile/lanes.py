"""Arithmetic on scalars and explicit vectors, written as LLVM assembly text.

An `Emitter` appends lines of LLVM IR to a list; every method takes and returns `Value`s. A value
knows its kind (`f64`, `i32`, `u8`, `i1`, …: signedness is kept, so that comparison, division and
conversion are right) and its width (1 is a scalar, 4 is `<4 x double>`). Where an operand may be
a Python number, it takes kind and width of the other operand. Semantics are NumPy's: integers
wrap, an integer divided by zero is 0, NaN propagates through `min` and `max`, the sum of truth
values is `or`; no operation yields poison. Floating operations carry no fast-math flags.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import count
from typing import Any

from descend.compile.kinds import (
    BITS,
    Value,
    is_float,
    is_signed,
    literal,
    overload,
    type_text,
)
from descend.errors import InternalError

__all__ = ["Emitter", "Operand", "Value"]

Operand = Value | float
_TRUTH = {"add": "or", "mul": "and"}
NEUTRAL = {"add": "0", "sub": "0", "mul": "1"}


def _no_library(library: str, function: str) -> str:
    raise InternalError(f"{library}.{function} is called where there is no table of pointers")


class Emitter:
    """Writes one function's body, line by line.

    Args:
        lines: the list that receives the text.
        width: lanes of constants whose width nothing else decides.
        preamble: module-level text by name (declarations of intrinsics, cold helper functions);
            share one dict between the functions of a module and print its values once.
        outline: up to what width elementary functions are calls, where code is long or not hot.
        contracts: whether LLVM may make multiply-adds of products and sums.
        block: label of the block being written. Conditional code (`when_any`) starts new blocks,
            so a phi must name the `block` at the time its operand's last instruction was written.

    `library` gives the pointer to a function of a library, where the function that is being
    written has a table of pointers. `shared` holds what several operations compute together.

    >>> lines: list[str] = []
    >>> e = Emitter(lines)
    >>> x = Value("%x", "f64", 1)
    >>> y = e.add(e.mul(x, 0.5), 1.0)
    >>> print(*lines, sep="")
      %v1 = fmul double %x, 0x3FE0000000000000  %v2 = fadd double %v1, 0x3FF0000000000000
    """

    def __init__(
        self, lines: list[str], width: int = 1, preamble: dict[str, str] | None = None,
        block: str = "entry", outline: int = 0, contracts: bool = True,
    ) -> None:  # fmt: skip
        self.lines, self.width = lines, width
        self.outline, self.contracts = outline, contracts
        self.preamble: dict[str, str] = {} if preamble is None else preamble
        self.block = block
        self.library: Callable[[str, str], str] = _no_library
        self.shared: dict[Hashable, Any] = {}
        self._names = count(1)
        self._constants: dict[tuple[str, str, int], Value] = {}

    # Raw text

    def line(self, text: str) -> None:
        """Append one instruction as it stands."""
        self.lines.append("  " + text)

    def fresh(self, hint: str = "v") -> str:
        """A name not used before in this function: `%v12`, `%hint12`."""
        return f"%{hint}{next(self._names)}"

    def op(self, text: str, kind: str, width: int) -> Value:
        """Append `%n = text`; the result is %n."""
        name = f"%v{next(self._names)}"
        self.lines.append(f"  {name} = {text}")
        return Value(name, kind, width)

    def once(self, text: str, kind: str) -> Value:
        """`op` of scalars; what this block has worked out before is not worked out again.

        LLVM would see it too, but takes its time for every line.
        """
        key = self.block, text
        made: Value | None = self.shared.get(key)
        if made is None:
            made = self.shared[key] = self.op(text, kind, 1)
        return made

    def element(self, base: str, kind: str, at: Value | int) -> str:
        """A pointer to an element of an array."""
        where = str(at) if isinstance(at, int) else at.name
        if where == "0":
            return base
        return self.once(f"getelementptr {kind}, ptr {base}, i64 {where}", "i64").name

    def start_block(self, label: str) -> None:
        """Begin a basic block (`label` without the percent sign)."""
        self.lines.append(f"{label}:")
        self.block = label

    def intrinsic(self, stem: str, kind: str, *args: Value) -> Value:
        """Call `llvm.stem` overloaded on its first argument, declaring it."""
        width = args[0].width
        name = f"llvm.{stem}.{overload(args[0].kind, width)}"
        return self.call(name, kind, width, *args)

    def call(self, name: str, kind: str, width: int, *args: Value) -> Value:
        """Call `@name`, declaring it unless the preamble has it."""
        if name not in self.preamble:
            types = ", ".join(a.type for a in args)
            self.preamble[name] = f"declare {type_text(kind, width)} @{name}({types})"
        operands = ", ".join(a.typed for a in args)
        return self.op(f"call {type_text(kind, width)} @{name}({operands})", kind, width)

    # Constants and lanes

    def const(self, number: float, kind: str, width: int | None = None) -> Value:
        """A literal, in every lane. Floats are written exactly."""
        width = self.width if width is None else width
        text = literal(number, kind)
        if width == 1:
            return Value(text, kind, 1)
        key = (text, kind, width)
        value = self._constants.get(key)
        if value is None:
            lane = f"{type_text(kind)} {text}"
            value = Value("<" + ", ".join([lane] * width) + ">", kind, width)
            self._constants[key] = value
        return value

    def lane_numbers(self, kind: str, width: int) -> Value:
        """The vector 0, 1, 2, …; the scalar 0."""
        if width == 1:
            return self.const(0, kind, 1)
        lanes = ", ".join(f"{type_text(kind)} {literal(i, kind)}" for i in range(width))
        return Value(f"<{lanes}>", kind, width)

    def like(self, model: Value, number: Operand) -> Value:
        """A number in the kind and width of a model; a value is returned as it is."""
        if isinstance(number, Value):
            return number
        return self.const(number, model.kind, model.width)

    def splat(self, scalar: Value, width: int | None = None) -> Value:
        """A scalar in every lane."""
        width = self.width if width is None else width
        if scalar.width != 1:
            raise InternalError(f"splat needs a scalar: {scalar}")
        if width == 1:
            return scalar
        if scalar.name[0] != "%":
            lane = f"{type_text(scalar.kind)} {scalar.name}"
            return Value("<" + ", ".join([lane] * width) + ">", scalar.kind, width)
        key = ("splat", self.block, scalar, width)
        if key in self.shared:
            return self.shared[key]  # type: ignore[no-any-return]
        to = type_text(scalar.kind, width)
        one = self.op(f"insertelement {to} poison, {scalar.typed}, i64 0", scalar.kind, width)
        made = self.shared[key] = self.op(
            f"shufflevector {one.typed}, {to} poison, <{width} x i32> zeroinitializer",
            scalar.kind, width,
        )  # fmt: skip
        return made

    def extract(self, vector: Value, lane: int | Value) -> Value:
        """One lane of a vector as a scalar."""
        if vector.width == 1:
            return vector
        at = f"i64 {lane}" if isinstance(lane, int) else lane.typed
        return self.op(f"extractelement {vector.typed}, {at}", vector.kind, 1)

    def insert(self, vector: Value, scalar: Value, lane: int | Value) -> Value:
        """The vector with one lane replaced."""
        if vector.width == 1:
            return scalar
        at = f"i64 {lane}" if isinstance(lane, int) else lane.typed
        return self.op(
            f"insertelement {vector.typed}, {scalar.typed}, {at}", vector.kind, vector.width
        )

    def shuffle(self, a: Value, b: Value | None, lanes: Sequence[int]) -> Value:
        """The named lanes of a followed by b, as one vector (a scalar if one lane is named)."""
        if len(lanes) == 1:
            source, lane = (a, lanes[0]) if lanes[0] < a.width else (b, lanes[0] - a.width)
            assert source is not None
            return self.extract(source, lane)
        second = f"{a.type} poison" if b is None else b.typed
        mask = ", ".join(f"i32 {i}" for i in lanes)
        return self.op(
            f"shufflevector {a.typed}, {second}, <{len(lanes)} x i32> <{mask}>", a.kind, len(lanes)
        )

    def any(self, mask: Value) -> Value:
        """Whether any lane is true, as a scalar i1."""
        return self._reduce_mask("or", mask)

    def all(self, mask: Value) -> Value:
        """Whether all lanes are true, as a scalar i1."""
        return self._reduce_mask("and", mask)

    def _reduce_mask(self, how: str, mask: Value) -> Value:
        if mask.width == 1:
            return mask
        name = f"llvm.vector.reduce.{how}.{overload('i1', mask.width)}"
        return self.call(name, "i1", 1, mask)

    def when_any(
        self, mask: Value, usual: Sequence[Value], rare: Callable[[], Sequence[Value]]
    ) -> list[Value]:
        """`usual`, or what `rare()` emits if any lane of the mask is true.

        `rare` is emitted into a block of its own that is jumped over otherwise; it must give
        values for all lanes, in the kinds of `usual`.
        """
        number = next(self._names)
        cold, join, before = f"cold{number}", f"join{number}", self.block
        hit = self.any(mask)
        self.line(f"br i1 {hit.name}, label %{cold}, label %{join}")
        self.start_block(cold)
        others = rare()
        after = self.block
        self.line(f"br label %{join}")
        self.start_block(join)
        return [
            self.op(f"phi {u.type} [ {u.name}, %{before} ], [ {o.name}, %{after} ]", *u[1:])
            for u, o in zip(usual, others, strict=True)
        ]

    # Arithmetic

    def _pair(self, a: Operand, b: Operand) -> tuple[Value, Value]:
        if not isinstance(a, Value):
            if not isinstance(b, Value):
                raise InternalError(f"two numbers and no value: {a}, {b}")
            a = self.const(a, b.kind, b.width)
        elif not isinstance(b, Value):
            b = self.const(b, a.kind, a.width)
        elif a.kind != b.kind or a.width != b.width:
            raise InternalError(f"operands differ in kind or width: {a}, {b}")
        return a, b

    def _binary(self, name: str, float_name: str, a: Operand, b: Operand) -> Value:
        a, b = self._pair(a, b)
        if is_float(a.kind):
            name = float_name
        elif a.kind == "i1":
            name = _TRUTH.get(name, name)
        text = f"{name} {a.type} {a.name}, {b.name}"
        if a.kind != "i64" or a.width > 1:
            return self.op(text, a.kind, a.width)
        return a if b.name == NEUTRAL.get(name) else self.once(text, "i64")

    def add(self, a: Operand, b: Operand) -> Value:
        return self._binary("add", "fadd", a, b)

    def sub(self, a: Operand, b: Operand) -> Value:
        return self._binary("sub", "fsub", a, b)

    def mul(self, a: Operand, b: Operand) -> Value:
        return self._binary("mul", "fmul", a, b)

    def div(self, a: Operand, b: Operand) -> Value:
        """The quotient of floats; integers use `floordiv`."""
        a, b = self._pair(a, b)
        return self.op(f"fdiv {a.type} {a.name}, {b.name}", a.kind, a.width)

    def neg(self, a: Value) -> Value:
        if is_float(a.kind):
            return self.op(f"fneg {a.typed}", a.kind, a.width)
        return self.sub(0, a)

    def fma(self, a: Operand, b: Operand, c: Operand) -> Value:
        """a·b + c, rounded once."""
        model = next((v for v in (a, b, c) if isinstance(v, Value)), None)
        if model is None:
            raise InternalError("fma of three numbers")
        values = [self.like(model, v) for v in (a, b, c)]
        if len({v[1:] for v in values}) > 1:
            raise InternalError(f"operands differ in kind or width: {values}")
        return self.intrinsic("fma", model.kind, *values)

    def sqrt(self, a: Value) -> Value:
        return self.intrinsic("sqrt", a.kind, a)

    def abs(self, a: Value) -> Value:
        if is_float(a.kind):
            return self.intrinsic("fabs", a.kind, a)
        return self.max(a, self.neg(a)) if is_signed(a.kind) else a

    def copysign(self, a: Operand, b: Operand) -> Value:
        return self.intrinsic("copysign", *_kind_first(*self._pair(a, b)))

    def floor(self, a: Value) -> Value:
        return self._round("floor", a)

    def ceil(self, a: Value) -> Value:
        return self._round("ceil", a)

    def trunc(self, a: Value) -> Value:
        return self._round("trunc", a)

    def rint(self, a: Value) -> Value:
        """To the nearest integer, ties to even."""
        return self._round("rint", a)

    def _round(self, stem: str, a: Value) -> Value:
        return self.intrinsic(stem, a.kind, a) if is_float(a.kind) else a

    def sign(self, a: Value) -> Value:
        """-1, 0 or 1; NaN for NaN."""
        zero = self.like(a, 0)
        side = self.select(self.gt(a, zero), self.like(a, 1), zero)
        if is_signed(a.kind):
            side = self.select(self.lt(a, zero), self.like(a, -1), side)
        return self.select(self.isnan(a), a, side) if is_float(a.kind) else side

    def max(self, a: Operand, b: Operand) -> Value:
        """The larger; NaN if either is NaN."""
        return self._extreme("gt", a, b)

    def min(self, a: Operand, b: Operand) -> Value:
        """The smaller; NaN if either is NaN."""
        return self._extreme("lt", a, b)

    def _extreme(self, predicate: str, a: Operand, b: Operand) -> Value:
        a, b = self._pair(a, b)
        chosen = self.select(self.compare(predicate, a, b), a, b)
        if not is_float(a.kind):
            return chosen
        return self.select(self.isnan(a), a, chosen)

    # Comparison and truth

    def compare(self, predicate: str, a: Operand, b: Operand) -> Value:
        """lt, le, gt, ge, eq, ne as NumPy has them: with NaN only `ne` is true."""
        a, b = self._pair(a, b)
        if is_float(a.kind):
            word = "fcmp " + ("une" if predicate == "ne" else "o" + predicate)
        elif predicate in ("eq", "ne"):
            word = "icmp " + predicate
        else:
            word = "icmp " + ("s" if is_signed(a.kind) else "u") + predicate
        return self.op(f"{word} {a.type} {a.name}, {b.name}", "i1", a.width)

    def lt(self, a: Operand, b: Operand) -> Value:
        return self.compare("lt", a, b)

    def le(self, a: Operand, b: Operand) -> Value:
        return self.compare("le", a, b)

    def gt(self, a: Operand, b: Operand) -> Value:
        return self.compare("gt", a, b)

    def ge(self, a: Operand, b: Operand) -> Value:
        return self.compare("ge", a, b)

    def eq(self, a: Operand, b: Operand) -> Value:
        return self.compare("eq", a, b)

    def ne(self, a: Operand, b: Operand) -> Value:
        return self.compare("ne", a, b)

    def isnan(self, a: Value) -> Value:
        return self.op(f"fcmp uno {a.type} {a.name}, {a.name}", "i1", a.width)

    def select(self, condition: Value, yes: Operand, no: Operand) -> Value:
        """`yes` where the condition holds, else `no`; the condition may be a scalar."""
        yes, no = self._pair(yes, no)
        if condition.kind != "i1" or condition.width not in (1, yes.width):
            raise InternalError(f"select needs a truth value per lane: {condition}")
        return self.op(f"select {condition.typed}, {yes.typed}, {no.typed}", *yes[1:])

    # Integers

    def and_(self, a: Operand, b: Operand) -> Value:
        return self._binary("and", "and", a, b)

    def or_(self, a: Operand, b: Operand) -> Value:
        return self._binary("or", "or", a, b)

    def xor(self, a: Operand, b: Operand) -> Value:
        return self._binary("xor", "xor", a, b)

    def not_(self, a: Value) -> Value:
        return self.xor(a, 1 if a.kind == "i1" else -1)

    def shl(self, a: Value, count: Operand) -> Value:
        """Shift left; a count outside 0 … bits-1 gives 0."""
        return self._shift("shl", a, count)

    def lshr(self, a: Value, count: Operand) -> Value:
        """Shift right, zeros coming in, whatever the signedness."""
        return self._shift("lshr", a, count)

    def shr(self, a: Value, count: Operand) -> Value:
        """NumPy's right shift: the sign comes in where the kind has one."""
        return self._shift("ashr" if is_signed(a.kind) else "lshr", a, count)

    def _shift(self, name: str, a: Value, count: Operand) -> Value:
        if not isinstance(count, Value):
            if not 0 <= count < BITS[a.kind]:
                raise InternalError(f"shift of {a.kind} by {count}")
            return self._binary(name, name, a, count)
        top = self.like(a, BITS[a.kind] - 1)
        unsigned = f"icmp ugt {count.type} {count.name}, {top.name}"
        outside = self.op(unsigned, "i1", a.width)
        bounded = self._binary(name, name, a, self.select(outside, top, count))
        beyond = self._binary(name, name, bounded, top) if name == "ashr" else self.like(a, 0)
        return self.select(outside, beyond, bounded)

    def floordiv(self, a: Operand, b: Operand) -> Value:
        """The integer quotient rounded down; 0 where b is 0. Floats: see `elementary`."""
        return self._divide(a, b)[0]

    def mod(self, a: Operand, b: Operand) -> Value:
        """The integer remainder with the sign of b; 0 where b is 0."""
        return self._divide(a, b)[1]

    def remainder(self, a: Operand, b: Operand) -> Value:
        """The integer remainder with the sign of a (`fmod`); 0 where b is 0."""
        a, b = self._pair(a, b)
        return self._truncated(a, b)[1]

    def _truncated(self, a: Value, b: Value) -> tuple[Value, Value, Value]:
        zero = self.eq(b, 0)
        signed = is_signed(a.kind)
        unsafe = zero
        if signed:
            least = self.eq(a, -(1 << (BITS[a.kind] - 1)))
            unsafe = self.or_(zero, self.and_(least, self.eq(b, -1)))
        safe = self.select(unsafe, self.like(b, 1), b)
        quotient = self._binary("sdiv" if signed else "udiv", "", a, safe)
        rest = self.sub(a, self.mul(quotient, safe))
        return self.select(zero, self.like(a, 0), quotient), rest, zero

    def _divide(self, a: Operand, b: Operand) -> tuple[Value, Value]:
        a, b = self._pair(a, b)
        quotient, rest, zero = self._truncated(a, b)
        if is_signed(a.kind):
            opposite = self.lt(self.xor(rest, b), 0)
            down = self.and_(self.and_(self.ne(rest, 0), opposite), self.not_(zero))
            quotient = self.select(down, self.sub(quotient, 1), quotient)
            rest = self.select(down, self.add(rest, b), rest)
        return quotient, rest

    # Conversion

    def bitcast(self, a: Value, kind: str) -> Value:
        """The same bits as another kind of the same size."""
        if BITS[a.kind] != BITS[kind]:
            raise InternalError(f"bitcast from {a.kind} to {kind}")
        if type_text(a.kind) == type_text(kind):
            return Value(a.name, kind, a.width)
        return self.op(f"bitcast {a.typed} to {type_text(kind, a.width)}", kind, a.width)

    def convert(self, a: Value, kind: str) -> Value:
        """The nearest number of another kind, as NumPy's `astype`.

        Integers wrap; floats are cut towards zero and saturate where NumPy leaves the result
        open; NaN becomes 0; anything but 0 is true.
        """
        source = a.kind
        if source == kind:
            return a
        if kind == "i1":
            return self.ne(a, 0)
        if is_float(source) and is_float(kind):
            word = "fpext" if kind == "f64" else "fptrunc"
        elif is_float(source):
            word = "fptosi" if is_signed(kind) else "fptoui"
            stem = f"llvm.{word}.sat.{overload(kind, a.width)}.{overload(source, a.width)}"
            return self.call(stem, kind, a.width, a)
        elif is_float(kind):
            word = "sitofp" if is_signed(source) else "uitofp"
        elif BITS[kind] == BITS[source]:
            return self.bitcast(a, kind)
        elif BITS[kind] < BITS[source]:
            word = "trunc"
        else:
            word = "sext" if is_signed(source) else "zext"
        return self.op(f"{word} {a.typed} to {type_text(kind, a.width)}", kind, a.width)


def _kind_first(a: Value, b: Value) -> tuple[str, Value, Value]:
    return a.kind, a, b

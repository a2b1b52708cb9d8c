"""The kinds of numbers in the loop language and how LLVM's text spells them."""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

__all__ = ["BITS", "Value", "is_float", "is_signed", "literal", "overload", "type_text"]

BITS = {
    "f64": 64, "f32": 32, "i64": 64, "i32": 32, "i16": 16, "i8": 8, "i1": 1,
    "u64": 64, "u32": 32, "u16": 16, "u8": 8,
}  # fmt: skip
_FLOAT = {"f64": "double", "f32": "float"}
_TYPES = {(kind, 1): _FLOAT.get(kind, f"i{bits}") for kind, bits in BITS.items()}


class Value(NamedTuple):
    """An SSA name or a literal, with its kind and its number of lanes."""

    name: str
    kind: str
    width: int

    @property
    def type(self) -> str:
        """The LLVM type: `double`, `<4 x double>`."""
        return type_text(self.kind, self.width)

    @property
    def typed(self) -> str:
        """Type and name, as an operand: `double %v3`."""
        return f"{type_text(self.kind, self.width)} {self.name}"


def type_text(kind: str, width: int = 1) -> str:
    """The LLVM type of a kind at a width.

    >>> type_text("f64"), type_text("u16", 8)
    ('double', '<8 x i16>')
    """
    text = _TYPES.get((kind, width))
    if text is None:
        text = _TYPES[kind, width] = f"<{width} x {_TYPES[kind, 1]}>"
    return text


def is_float(kind: str) -> bool:
    return kind in _FLOAT


def is_signed(kind: str) -> bool:
    """Whether a kind has negative numbers (`i1` is a truth value and has none)."""
    return kind[0] != "u" and kind != "i1"


def literal(number: float, kind: str) -> str:
    """A number as LLVM writes it: floats exactly, integers wrapped into their range.

    >>> literal(0.5, "f32"), literal(300, "u8"), literal(1, "i1")
    ('0x3FE0000000000000', '44', 'true')
    """
    if kind == "i1":
        return "true" if number else "false"
    if kind not in _FLOAT:
        bits = BITS[kind]
        wrapped = int(number) & ((1 << bits) - 1)
        return str(wrapped - (1 << bits) if wrapped >> (bits - 1) and is_signed(kind) else wrapped)
    number = float(number)
    if kind == "f32" and math.isfinite(number):
        try:
            number = struct.unpack("<f", struct.pack("<f", number))[0]
        except OverflowError:
            number = math.copysign(math.inf, number)
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"


def overload(kind: str, width: int) -> str:
    """The suffix of an overloaded intrinsic: `f64`, `v4i32`."""
    scalar = f"f{BITS[kind]}" if kind in _FLOAT else f"i{BITS[kind]}"
    return scalar if width == 1 else f"v{width}{scalar}"

"""Random words as a pure function of a key and a counter: Threefry-2x32 with 20 rounds.

J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as 1, 2,
3" (SC11, 2011). There is no state that could depend on an order: who asks for the word of a
counter, when, and in which lane, changes nothing. The rounds are additions, rotations and
exclusive ors of 32 bits, which run in every lane of a vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from descend.errors import InternalError
from descend.graph.elementwise import call, cast, declare, full_like, select
from descend.graph.linear import broadcast
from descend.graph.node import ONCE, Array, Dim, Node, Shape
from descend.graph.source import const, iota

__all__ = [
    "ITERATION", "PARITY", "ROTATIONS", "ROUNDS", "STREAM", "Key", "Make", "bernoulli", "drawn",
    "folded", "key_of", "normal", "threefry", "uniform", "words",
]  # fmt: skip

WORD = np.dtype(np.uint32)
ROUNDS = 20
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA
STREAM, ITERATION = 0, 1
"""What a key is folded with: so that no stream is an iteration."""

Key = tuple[Node, Node]
Make = Callable[[Node, Node, np.dtype[Any]], Node]
"""Makes an array of draws of two words for each element."""


def _rotated(x: Array, by: int) -> Array:
    return (x << np.uint32(by)) | (x >> np.uint32(32 - by))


def threefry(k0: Array, k1: Array, c0: Array, c1: Array, *, word: int = 0) -> Array:
    """One of the two words for a key and a counter of two words each, all of uint32.

    >>> zero = np.zeros(1, np.uint32)
    >>> [f"{int(threefry(zero, zero, zero, zero, word=i)[0]):x}" for i in (0, 1)]
    ['6b200159', '99ba4efe']
    """
    with np.errstate(over="ignore"):
        keys = k0, k1, k0 ^ k1 ^ np.uint32(PARITY)
        x0, x1 = c0 + k0, c1 + k1
        for i in range(ROUNDS):
            x0 = x0 + x1
            x1 = _rotated(x1, ROTATIONS[i % 8]) ^ x0
            if i % 4 == 3:
                n = i // 4 + 1
                x0 = x0 + keys[n % 3]
                x1 = x1 + keys[(n + 1) % 3] + np.uint32(n)
    return np.asarray((x0, x1)[word])


# Two words share their rounds. What is made of them is worked out in a nest of its own and stored,
# since forward and backward pass read it, and the epilogue of a product has no registers for it.
declare(
    "threefry", "random", 40, True, threefry, None, None, None, None, breaks="step", units="plain"
)
declare("drawn", "random", ONCE, True, np.array, None, breaks="step", units="kept")


def words(key: Key, row: Node, element: Node) -> tuple[Node, Node]:
    """Both words for a counter; the key is repeated for all of it."""
    full = [broadcast(k, element.shape, ()) for k in key]
    first, second = (call("threefry", *full, row, element, word=i) for i in (0, 1))
    return first, second


def folded(key: Key, number: Node | int, what: int) -> Key:
    """A key for each number, as independent of one another as the words themselves."""
    first = number if isinstance(number, Node) else const(number, WORD)
    return words(key, first, const(what, WORD))


def key_of(seed: Node, step: Node) -> Key:
    """The key of a step, both whole numbers of 64 bits."""
    return words(_halves(seed), *_halves(step))


def _halves(number: Node) -> Key:
    high = call("shift_right", number, 32)
    return cast(number, WORD), cast(high, WORD)


def counter(shape: Shape, row: Node | None) -> tuple[Node, Node]:
    """Row and element within it, for every element of an array.

    Args:
        row: (rows,) the absolute numbers of the rows along the first axis; None for no such axis.
    """
    first = 0 if row is None else 1
    inner = shape[first:]
    if any(isinstance(n, Dim) for n in inner) or math.prod(map(int, inner)) >= 1 << 32:  # type: ignore[arg-type]
        raise InternalError(f"a draw of the shape {shape}")
    element = broadcast(const(0, WORD), shape, ())
    stride = 1
    for axis in reversed(range(first, len(shape))):
        place = iota(shape, axis, WORD)
        if shape[axis] != 1:
            place = place if stride == 1 else call("mul", place, stride)
            element = place if stride == 1 else call("add", element, place)
        stride *= int(shape[axis])  # type: ignore[arg-type]
    if row is None:
        return broadcast(const(0, WORD), shape, ()), element
    return broadcast(row, shape, (0,)), element


def _whole(word: Node, bits: int, dtype: Any) -> Node:
    """The upper bits of a word as a float; at most 31, which every processor converts at once."""
    return cast(cast(call("shift_right", word, 32 - bits), np.int32), dtype)


def uniform(first: Node, second: Node, dtype: np.dtype[Any]) -> Node:
    """Multiples of 2⁻²⁴ or 2⁻⁵³ from 0 on, below 1."""
    if dtype.itemsize == 4:
        return call("mul", _whole(first, 24, dtype), 2.0**-24)
    high = call("mul", _whole(first, 27, dtype), 2.0**26)
    return call("mul", call("add", high, _whole(second, 26, dtype)), 2.0**-53)


def normal(first: Node, second: Node, dtype: np.dtype[Any]) -> Node:
    """Of two even numbers one normal one: Box and Muller (1958)."""
    bits = 24 if dtype.itemsize == 4 else 31
    share = call("mul", call("add", _whole(first, bits, dtype), 1.0), 2.0**-bits)
    angle = call("mul", _whole(second, bits, dtype), 2.0 * math.pi * 2.0**-bits)
    radius = call("sqrt", call("mul", call("log", share), -2.0))
    # Not `mul`, which may be fused with what follows, here and not there: a draw has its own bits.
    return call("mul0", radius, call("cos", angle))


def bernoulli(p: float) -> Make:
    """1 with the probability p, up to 2⁻³², else 0: the same in every dtype."""

    def make(first: Node, _second: Node, dtype: np.dtype[Any]) -> Node:
        limit = round(p * 2**32)
        one = full_like(cast(first, dtype), 1.0)
        if limit >> 32:
            return one
        return select(call("lt", first, limit), one, 0.0)

    return make


def drawn(make: Make, key: Key, shape: Shape, row: Node | None, dtype: np.dtype[Any]) -> Node:
    """An array of draws."""
    first, second = words(key, *counter(shape, row))
    if dtype.itemsize > WORD.itemsize:  # else the words would be made in half of the lanes
        first, second = call("drawn", first), call("drawn", second)
    return call("drawn", make(first, second, dtype))

"""Random words of 32 bits; what they are stands in `graph.draws`."""

from __future__ import annotations

from descend.compile.lanes import Emitter, Value
from descend.graph.draws import PARITY, ROTATIONS, ROUNDS

__all__ = ["drawn", "threefry"]


def threefry(e: Emitter, k0: Value, k1: Value, c0: Value, c1: Value, word: int = 0) -> Value:
    """One of the two words; both come out of the same rounds, which are written once."""
    known = "threefry", e.block, k0, k1, c0, c1
    if known not in e.shared:
        e.shared[known] = _rounds(e, k0, k1, c0, c1)
    found: Value = e.shared[known][word]
    return found


def drawn(_e: Emitter, a: Value) -> Value:
    """The number itself: what is said of it is where it is worked out."""
    return a


def _opaque(e: Emitter, x: Value) -> Value:
    """The same number, at no cost, but for LLVM no longer a loop's counter plus something.

    Its loop strength reduction would else look through all forms of the rounds' sums, for seconds.
    """
    return x if x.width > 1 else e.intrinsic("expect", x.kind, x, e.like(x, 0))


def _rounds(e: Emitter, k0: Value, k1: Value, c0: Value, c1: Value) -> tuple[Value, Value]:
    keys = k0, k1, e.xor(e.xor(k0, k1), PARITY)
    x0, x1 = (_opaque(e, e.add(c, k)) for c, k in ((c0, k0), (c1, k1)))
    for i in range(ROUNDS):
        x0 = e.add(x0, x1)
        turned = e.intrinsic("fshl", x1.kind, x1, x1, e.like(x1, ROTATIONS[i % 8]))
        x1 = e.xor(turned, x0)
        if i % 4 == 3:
            n = i // 4 + 1
            x0 = e.add(x0, keys[n % 3])
            x1 = e.add(e.add(x1, keys[(n + 1) % 3]), n)
    return x0, x1

"""Systems of equations whose symmetric matrix may be singular, with all that a damped step asks.

They belong to methods, which come after differentiation: there is no derivative. However many
unknowns there are, native code is a few short loops.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from descend.errors import InternalError
from descend.graph.node import Array, Node, Primitive, Typed, register, sizes

__all__ = ["SOUND_SOLVE"]


def _unused(*_args: Any, **_attrs: Any) -> Any:
    raise InternalError("sound_solve belongs to methods: nothing is differentiated through it")


def _infer(args: tuple[Node, ...], _attrs: Mapping[str, Any]) -> Typed:
    a, sides, shift, held, settled = args
    n, m = sizes(a.shape)[0], sizes(sides.shape)[0]
    right = (a.shape, sides.shape, shift.shape) == ((n, n), (m, n), (n,))
    known = held.shape == (m + 2, n) and settled.shape == () and settled.dtype.kind == "b"
    kinds = {a.dtype, sides.dtype, shift.dtype, held.dtype}
    if not right or not known or len(kinds) != 1 or a.dtype.kind != "f":
        raise InternalError(f"sound_solve of {args}")
    return held.shape, a.dtype


def _meaning(a: Array, sides: Array, shift: Array, held: Array, settled: Array) -> Array:
    """Of A = L·D·Lᵀ, (n, n): D⁻¹; x with A·x = b for every row b of `sides`; L⁻¹(shift + x₀).

    Where `settled` holds, `held` is the answer to the same question, and is given back.

    A pivot that is at most n·ε times its diagonal entry of A is dropped: in exact arithmetic it is
    an unknown that the others determine. Its entries of D⁻¹, x and L are 0. Golub and Van Loan,
    "Matrix Computations" (2013), section 4.1.
    """
    if settled:
        return held
    n = a.shape[0]
    rest = np.concatenate([a, sides.T], axis=1)
    least = np.diagonal(a) * a.dtype.type(n * np.finfo(a.dtype).eps)
    inverse, lower = np.zeros(n, a.dtype), np.zeros((n, n), a.dtype)
    for k in range(n):
        inverse[k] = 1 / rest[k, k] if rest[k, k] > least[k] else 0
        lower[k + 1 :, k] = rest[k, k + 1 : n] * inverse[k]
        rest[k + 1 :] -= lower[k + 1 :, k, None] * rest[k]
    x = rest[:, n:].T * inverse
    for k in reversed(range(n)):
        x[:, :k] -= lower[k, :k] * x[:, k, None]
    half = shift + x[0]
    for k in range(n):
        half[k + 1 :] -= lower[k + 1 :, k] * half[k]
    return np.concatenate([inverse[None], x, half[None]])


SOUND_SOLVE = register(
    Primitive(
        "sound_solve", "opaque", "algorithm", False, _infer, _meaning, _unused, _unused, _unused
    )
)

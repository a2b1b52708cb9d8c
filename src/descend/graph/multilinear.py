"""Contraction, the one multilinear primitive: an einsum of two operands.

`contract(a, b, labels)` has labels such as `"ij,jk->ik"` as three tuples of integers. Every label
of an operand stands in the other operand or in the result, and none stands twice in one operand;
so the cotangent of an operand is again a contraction, with the labels exchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import InternalError
from descend.graph.elementwise import call
from descend.graph.large import matrix_product
from descend.graph.node import PRIMITIVES, Array, Dim, Node, Primitive, Typed, register

__all__ = ["contract"]

Labels = tuple[int, ...]

LARGE = 1 << 16  # products from which on a BLAS is worth its call


def contract(a: Node, b: Node, la: Labels, lb: Labels, lo: Labels) -> Node:
    """Sum over the labels that are not in `lo` of a[la] · b[lb]; labels are numbered anew."""
    number = {label: i for i, label in enumerate(dict.fromkeys((*la, *lb)))}
    la, lb, lo = (tuple(number[i] for i in labels) for labels in (la, lb, lo))
    return PRIMITIVES["contract"].apply(a, b, la=la, lb=lb, lo=lo)


def _infer(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    a, b = args
    la, lb, lo = attrs["la"], attrs["lb"], attrs["lo"]
    if a.dtype != b.dtype or len(la) != a.ndim or len(lb) != b.ndim:
        raise InternalError(f"contract {dict(attrs)} of {args}")
    extents: dict[int, Any] = {}
    for label, extent in (*zip(la, a.shape, strict=True), *zip(lb, b.shape, strict=True)):
        if extents.setdefault(label, extent) != extent:
            raise InternalError(f"contract {dict(attrs)} of {args}: extents differ")
    known = (set(la) <= set(lb) | set(lo)) and (set(lb) <= set(la) | set(lo))
    if not known or len(set(la)) != len(la) or len(set(lb)) != len(lb):
        raise InternalError(f"contract with loose labels {dict(attrs)}")
    return tuple(extents[label] for label in lo), a.dtype


def _meaning(a: Array, b: Array, *, la: Labels, lb: Labels, lo: Labels) -> Array:
    shared = {*la} & {*lb}
    if a.ndim == b.ndim == 2 == len(lo) and len(shared - {*lo}) == 1 == len(shared):
        (summed,) = shared
        left, right = (a if la[1] == summed else a.T), (b if lb[0] == summed else b.T)
        if a.dtype.char in "fd" and left.size * right.shape[1] >= LARGE:
            found = matrix_product(left, right)
            return found if lo[0] in la else found.T
    return np.asarray(np.einsum(a, list(la), b, list(lb), list(lo)), dtype=a.dtype)


def _vjp(g: Node, node: Node, wanted: Sequence[bool]) -> list[Node | None]:
    a, b = node.args
    la, lb, lo = node.attrs["la"], node.attrs["lb"], node.attrs["lo"]
    return [
        contract(g, b, lo, lb, la) if wanted[0] else None,
        contract(a, g, la, lo, lb) if wanted[1] else None,
    ]


def _jvp(tangents: list[Node | None], node: Node) -> Node | None:
    (a, b), (ta, tb) = node.args, tangents
    terms = []
    if ta is not None:
        terms.append(node.op.apply(ta, b, **node.attrs))
    if tb is not None:
        terms.append(node.op.apply(a, tb, **node.attrs))
    if len(terms) == 2:
        return call("add", *terms)
    return terms[0] if terms else None


def _batch(args: list[Node], flags: list[bool], node: Node, _extent: Any) -> Node:
    la, lb, lo = node.attrs["la"], node.attrs["lb"], node.attrs["lo"]
    new = 1 + max((*la, *lb), default=-1)
    la = (new, *la) if flags[0] else la
    lb = (new, *lb) if flags[1] else lb
    return contract(args[0], args[1], la, lb, (new, *lo))


def _unpaired(node: Node, rows: Dim) -> str:
    """Rows of one operand meet all rows of the other."""
    labels = {
        label
        for key, arg in zip(("la", "lb"), node.args, strict=True)
        for label, extent in zip(node.attrs[key], arg.shape, strict=True)
        if extent is rows
    }
    return node.op.name if len(labels) > 1 else ""


register(
    Primitive(
        "contract", "multilinear", "reduction", True, _infer, _meaning, _vjp, _jvp, _batch,
        word="@", back="what came in times the other factor", mixes=_unpaired,
        units="product",
    )
)  # fmt: skip

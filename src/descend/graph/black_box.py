"""A function of which nothing is known but its values: Python called by the interpreter.

Its derivatives are central differences. One element x of an argument is moved by h = s·|x| to both
sides (by s where x is 0); for the first derivative s is ε^(1/3) = 6.1e-6 unless another is given,
which balances the error of the difference, about h²·f'''/6, with that of rounding, about ε·f/h.
For the second derivative s is ε^(1/4) = 1.2e-4. Higher ones are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.graph.elementwise import call
from descend.graph.linear import leading
from descend.graph.multilinear import contract
from descend.graph.node import Array, Node, Primitive, Typed, register

__all__ = ["BLACK_BOX", "Opaque"]

EPS = float(np.finfo(np.float64).eps)
HIGHEST = 2


class Opaque:
    """A Python function, and how its derivatives are taken.

    Attributes:
        name: as messages call it.
        function: takes arrays (NumPy scalars for no axes), gives an array.
        step: of the first differences, relative to the size of what is moved.
        elementwise: whether an element of the result depends only on the elements of the
            arguments at the same place: all are then moved at once.
    """

    def __init__(
        self, name: str, function: Callable[..., Any], step: float | None, elementwise: bool
    ) -> None:
        self.name, self.function = name, function
        self.step, self.elementwise = step, elementwise

    def __repr__(self) -> str:
        return f"<black box {self.name} at {id(self):#x}>"

    def steps(self, order: int) -> float:
        """The relative step of differences of this order."""
        return self.step if order == 1 and self.step is not None else EPS ** (1 / (order + 2))

    def value(self, arrays: Sequence[Array], shape: tuple[int, ...]) -> Array:
        """The function's value; raises `UsageError` where it has another shape than was said."""
        result = np.asarray(self.function(*(np.array(a)[()] for a in arrays)), np.float64)
        if result.shape != shape:
            raise UsageError(
                f"the black box {self.name} returned an array of shape {result.shape}, not {shape}",
                remedy="without shape=, the result must have the arguments' common shape; else "
                "say what it has: descend.black_box(f, shape=...)",
            )
        return result

    def slope(self, arrays: Sequence[Array], shape: tuple[int, ...], which: Sequence[int],
              step: float) -> Array:  # fmt: skip
        """The derivative by the arguments `which`, whose axes follow the result's."""
        if not which:
            return self.value(arrays, shape)
        *inner, last = which
        x = np.asarray(arrays[last], np.float64)

        width = step * np.where(x == 0, 1.0, np.abs(x))
        together = self.elementwise or not x.ndim

        def along(where: Array) -> Array:
            ends = [x + sign * np.where(where, width, 0.0) for sign in (1.0, -1.0)]
            above, below = (
                self.slope([*arrays[:last], y, *arrays[last + 1 :]], shape, inner, step)
                for y in ends
            )
            gap = ends[0] - ends[1]
            return np.asarray((above - below) / (gap if together else gap[where][0]))

        if together:
            return along(np.ones(x.shape, bool))
        hot = np.eye(x.size, dtype=bool).reshape((x.size, *x.shape))
        parts = [along(one) for one in hot]
        whole = np.stack(parts, -1) if parts else np.zeros((*shape, 0))
        return whole.reshape((*whole.shape[:-1], *x.shape))


def _infer(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    lead, which = attrs["lead"], attrs["which"]
    if attrs["opaque"].elementwise:
        return attrs["shape"], np.dtype(np.float64)
    inner = [n for i in which for n in args[i].shape[lead:]]
    return (*attrs["shape"], *inner), np.dtype(np.float64)


def _meaning(
    *arrays: Array, opaque: Opaque, shape: tuple[int, ...], lead: int, which: tuple[int, ...]
) -> Array:
    step = opaque.steps(len(which)) if which else 0.0
    if not lead:
        return opaque.slope(arrays, shape, which, step)
    many = shape[:lead]
    parts = [
        opaque.slope([a[at] for a in arrays], shape[lead:], which, step)
        for at in np.ndindex(*many)
    ]
    return np.stack(parts).reshape((*many, *parts[0].shape))


def _slope(node: Node, i: int) -> Node:
    a = node.attrs
    if len(a["which"]) == HIGHEST:
        raise UsageError(
            f"the black box {a['opaque'].name} is differentiated three times or more: differences "
            "of differences would be noise",
            remedy="use a method that needs fewer derivatives, or write the function in NumPy",
        )
    return BLACK_BOX.apply(*node.args, **{**a, "which": (*a["which"], i)})


def _labels(node: Node, i: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Labels of the slope, of the argument and of the result, for a contraction."""
    n, lead = node.ndim, node.attrs["lead"]
    result = tuple(range(n))
    inner = tuple(range(n, n + node.args[i].ndim - lead))
    return (*result, *inner), (*range(lead), *inner), result


def _vjp(g: Node, node: Node, wanted: Sequence[bool]) -> list[Node | None]:
    found: list[Node | None] = [None] * len(node.args)
    for i, x in enumerate(node.args):
        if not wanted[i] or x.dtype.kind != "f":
            continue
        if node.attrs["opaque"].elementwise:
            found[i] = call("mul", g, _slope(node, i))
        else:
            slopes, own, result = _labels(node, i)
            found[i] = contract(g, _slope(node, i), result, slopes, own)
    return found


def _jvp(tangents: list[Node | None], node: Node) -> Node | None:
    total: Node | None = None
    for i, t in enumerate(tangents):
        if t is None:
            continue
        if node.attrs["opaque"].elementwise:
            term = call("mul", _slope(node, i), t)
        else:
            slopes, own, result = _labels(node, i)
            term = contract(_slope(node, i), t, slopes, own, result)
        total = term if total is None else call("add", total, term)
    return total


def _batch(args: list[Node], flags: list[bool], node: Node, extent: Any) -> Node:
    a = node.attrs
    wider = {**a, "shape": (extent, *a["shape"]), "lead": a["lead"] + 1}
    return BLACK_BOX.apply(*leading(args, flags, extent), **wider)


BLACK_BOX = register(
    Primitive(
        "black_box", "opaque", "", False, _infer, _meaning, _vjp, _jvp, _batch,
        mixes=lambda node, _: "" if node.attrs["opaque"].elementwise else node.op.name,
    )
)  # fmt: skip

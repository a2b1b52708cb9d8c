"""Rewrite the few primitives that native code expresses through others (graph → graph)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from descend.compile.evaluation import NotNative
from descend.compile.lapack import LAPACK_RULES
from descend.graph.elementwise import call, full_like, select
from descend.graph.linear import broadcast
from descend.graph.node import Node, postorder
from descend.graph.selection import reduce_max, reduce_min
from descend.graph.source import iota
from descend.simplify.driver import simplify

__all__ = ["legalise"]


def _arg_extremum(node: Node, reduce: Callable[..., Node]) -> Node:
    """The first position that attains the extremum; NaN counts as one, as in NumPy."""
    (x,), axis = node.args, node.attrs["axis"]
    kept = tuple(i for i in range(x.ndim) if i != axis)
    best = broadcast(reduce(x, (axis,)), x.shape, kept)
    hit = call("or", call("eq", x, best), call("ne", x, x))
    position = iota(x.shape, axis, node.dtype)
    return reduce_min(select(hit, position, full_like(position, 2**62)), (axis,))


def _python_only(node: Node) -> Node:
    raise NotNative(f"the black box {node.attrs['opaque'].name}")


RULES: dict[str, Callable[[Node], Node]] = {
    "black_box": _python_only,
    "argmax": lambda n: _arg_extremum(n, reduce_max),
    "argmin": lambda n: _arg_extremum(n, reduce_min),
    "stop_gradient": lambda n: n.args[0],
    "custom": lambda n: legalise([n.attrs["body"].applied(n.args)[n.attrs["index"]]])[0],
    **LAPACK_RULES,
}


def legalise(outputs: Sequence[Node]) -> list[Node]:
    """Apply the rules everywhere; matrices taken apart and put together again are simplified."""
    image: dict[Node, Node] = {}
    order = postorder(outputs)
    if not any(n.op.name in RULES for n in order):
        return list(outputs)
    for node in order:
        args = tuple(image[a] for a in node.args)
        same = all(a is b for a, b in zip(args, node.args, strict=True))
        rebuilt = node if same else node.op.apply(*args, **node.attrs)
        rule = RULES.get(node.op.name)
        image[node] = rule(rebuilt) if rule else rebuilt
    native = [image[o] for o in outputs]
    taken_apart = any(n.op.name in LAPACK_RULES for n in order)
    return simplify(native, final=True) if taken_apart else native

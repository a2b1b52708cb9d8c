"""Rewrite the few primitives that native code expresses through others (graph → graph)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from descend.compile.lapack import LAPACK_RULES
from descend.compile.native import NotNative
from descend.graph.elementwise import call, full_like, select
from descend.graph.linear import broadcast
from descend.graph.node import Node, postorder
from descend.graph.program import Program
from descend.graph.selection import reduce_max, reduce_min
from descend.graph.source import iota
from descend.simplify.driver import simplify

__all__ = ["legal_program", "legalise"]


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
    "shared": lambda n: legalise([n.attrs["body"].applied(n.args)[n.attrs["index"]]])[0],
    **LAPACK_RULES,
}


def legalise(outputs: Sequence[Node], apart: bool = False) -> list[Node]:
    """Apply the rules everywhere; matrices taken apart and put together again are simplified.

    Args:
        apart: whether shared graphs are left as they are, to be called; else they are written out.
    """
    image: dict[Node, Node] = {}
    order = postorder(outputs)
    rules = {k: v for k, v in RULES.items() if k != "shared"} if apart else RULES
    if not any(n.op.name in rules for n in order):
        return list(outputs)
    for node in order:
        args = tuple(image[a] for a in node.args)
        same = all(a is b for a, b in zip(args, node.args, strict=True))
        rebuilt = node if same else node.op.apply(*args, **node.attrs)
        rule = rules.get(node.op.name)
        image[node] = rule(rebuilt) if rule else rebuilt
    native = [image[o] for o in outputs]
    taken_apart = any(n.op.name in LAPACK_RULES for n in order)
    return simplify(native, final=True) if taken_apart else native


def legal_program(program: Program) -> Program:
    """The program with every graph in native primitives."""
    steps = iter(legalise(program.step_heads, apart=True))
    ends = iter(legalise(program.epoch_heads, apart=True))
    slots = [replace(slot, step=next(steps), epoch=next(ends)) for slot in program.slots]
    loss = next(steps)
    step = replace(program.step, loss=loss, ok=next(steps, None))
    epoch = replace(program.epoch, stop=next(ends), record=tuple(ends))
    return replace(program, slots=tuple(slots), step=step, epoch=epoch)

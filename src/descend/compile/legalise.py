"""Rewrite the few primitives that native code expresses through others (graph → graph)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from descend.compile.lapack import LAPACK_RULES
from descend.compile.native import NotNative
from descend.graph.elementwise import call, full_like, select
from descend.graph.linear import broadcast
from descend.graph.multilinear import contract
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


def turned_products(outputs: Sequence[Node]) -> list[Node]:
    """Products that are only seen turned are worked out turned, as the gradient of x @ w.T is.

    Then what follows, such as an update of w, is made while the product is in registers.
    """
    order = postorder(outputs)
    uses = Counter(arg for node in order for arg in node.args)
    uses.update(outputs)

    def is_turned(node: Node) -> bool:
        return (
            node.op.name == "transpose" and node.args[0].op.name == "contract"
            and uses[node.args[0]] == 1
        )  # fmt: skip

    if not any(map(is_turned, order)):
        return list(outputs)
    image: dict[Node, Node] = {}
    for node in order:
        args = tuple(image[a] for a in node.args)
        if is_turned(node):
            (product,) = node.args
            la, lb, lo = (product.attrs[k] for k in ("la", "lb", "lo"))
            turned = tuple(lo[i] for i in node.attrs["order"])
            left, right = (image[a] for a in product.args)
            image[node] = contract(left, right, la, lb, turned)
        elif all(a is b for a, b in zip(args, node.args, strict=True)):
            image[node] = node
        else:
            image[node] = node.op.apply(*args, **node.attrs)
    return [image[o] for o in outputs]


def legal_program(program: Program) -> Program:
    """The program with every graph in native primitives."""
    steps = iter(turned_products(legalise(program.step_heads, apart=True)))
    ends = iter(legalise(program.epoch_heads, apart=True))
    slots = [replace(slot, step=next(steps), epoch=next(ends)) for slot in program.slots]
    loss = next(steps)
    step = replace(program.step, loss=loss, ok=next(steps, None))
    epoch = replace(program.epoch, stop=next(ends), record=tuple(ends))
    return replace(program, slots=tuple(slots), step=step, epoch=epoch)

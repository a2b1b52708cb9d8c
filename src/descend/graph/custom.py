"""A function with a derivative rule of its own.

`custom` has the arguments (differentiated…, fixed…) and the results of its body. Its rule is a
closed graph too: of kind "jvp" it computes the tangents of the results from (arguments…,
tangents of the differentiated…); of kind "vjp" the cotangents of the differentiated arguments from
(arguments…, cotangents of the results…). The other mode is the transpose of the one that is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from descend.errors import InternalError, UsageError
from descend.graph.elementwise import zeros_like
from descend.graph.evaluate import evaluate
from descend.graph.linear import broadcast, leading, zeros
from descend.graph.node import Array, Node, Several, Typed, declare_several, postorder
from descend.graph.subgraph import Body, fresh_like

__all__ = ["CUSTOM", "custom_nodes"]


def custom_nodes(
    body: Body, rule: Body, kind: str, moving: Sequence[Node], fixed: Sequence[Node], name: str
) -> list[Node]:
    """All results of a function whose derivative is given by a rule of kind "jvp" or "vjp"."""
    return [
        CUSTOM.apply(
            *moving, *fixed, body=body, rule=rule, kind=kind,
            moving=len(moving), name=name, index=i,
        )
        for i in range(len(body.outputs))
    ]  # fmt: skip


def _infer(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    body: Body = attrs["body"]
    for arg, inner in zip(args, body.inputs, strict=True):
        if arg.shape != inner.shape or arg.dtype != inner.dtype:
            raise InternalError(f"{attrs['name']}: argument {arg} for {inner}")
    result = body.outputs[attrs["index"]]
    return result.shape, result.dtype


def _meaning(*arrays: Array, body: Body, **_attrs: Any) -> tuple[Array, ...]:
    bound = dict(zip(body.inputs, arrays, strict=True))
    return tuple(evaluate(body.outputs, bound, body.extents))


def _check_linear(made: Sequence[Node], seeds: Sequence[Node], node: Node, what: str) -> None:
    if set(seeds) & set(postorder(made)):
        raise UsageError(
            f"the {node.attrs['kind']} rule of {node.attrs['name']} is not linear in its {what}",
            remedy=f"a derivative rule may only scale and add up the {what}",
        )


def _check_fixed(node: Node, flags: Sequence[bool]) -> None:
    if any(flags[node.attrs["moving"] :]):
        raise UsageError(
            f"{node.attrs['name']} has a derivative rule, but takes a value that is being "
            "differentiated from outside of its arguments",
            remedy="hand that value over as an argument, and let the rule give its derivative",
        )


def _vjp(
    reverse: Any, cotangents: list[Node | None], node: Node, wanted: Sequence[bool]
) -> list[Node | None]:
    _check_fixed(node, wanted)
    body, rule, count = node.attrs["body"], node.attrs["rule"], node.attrs["moving"]
    full = [
        zeros(o.shape, o.dtype) if g is None else g
        for o, g in zip(body.outputs, cotangents, strict=True)
    ]
    if node.attrs["kind"] == "vjp":
        back = rule.applied((*node.args, *full))
    else:
        seeds = fresh_like(node.args[:count], "tangent")
        back = reverse(rule.applied((*node.args, *seeds)), full, seeds)
        _check_linear(back, seeds, node, "tangents")
    padded = [*back, *[None] * (len(node.args) - count)]
    return [b if w else None for b, w in zip(padded, wanted, strict=True)]


def _jvp(_forward: Any, reverse: Any, tangents: list[Node | None], node: Node) -> Node | None:
    _check_fixed(node, [t is not None for t in tangents])
    body: Body = node.attrs["body"]
    rule: Body = node.attrs["rule"]
    count = node.attrs["moving"]
    rows = zip(node.args[:count], tangents[:count], strict=True)
    full = [zeros_like(a) if t is None else t for a, t in rows]
    if node.attrs["kind"] == "jvp":
        index: int = node.attrs["index"]
        return rule.applied((*node.args, *full))[index]
    seeds = fresh_like(body.outputs, "cotangent")
    back = rule.applied((*node.args, *seeds))
    moved: list[Node] = reverse(back, full, [seeds[node.attrs["index"]]])
    _check_linear(moved, seeds, node, "cotangents")
    return moved[0]


def _batch(batch: Any, args: list[Node], flags: list[bool], node: Node, extent: Any) -> Node:
    body, rule, count = node.attrs["body"], node.attrs["rule"], node.attrs["moving"]
    many = body.once(("batch", extent), lambda: _batched(batch, body, len(args), extent))
    ruled = rule.once(("batch", extent), lambda: _batched(batch, rule, len(rule.inputs), extent))
    full = leading(args, flags, extent)
    results = custom_nodes(
        many, ruled, node.attrs["kind"], full[:count], full[count:], node.attrs["name"]
    )
    index: int = node.attrs["index"]
    return results[index]


def _batched(batch: Any, body: Body, count: int, extent: Any) -> Body:
    models = [broadcast(n, (extent, *n.shape), tuple(range(1, n.ndim + 1))) for n in body.inputs]
    many = fresh_like(models[:count], "many")
    outputs = batch(body.outputs, dict(zip(body.inputs, many, strict=True)), extent)
    return Body(tuple(many), tuple(outputs))


CUSTOM = declare_several("custom", "rewritten", _infer, Several(_meaning, _vjp, _jvp, _batch))

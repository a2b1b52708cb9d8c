"""A loop that stays a loop: one body, run `length` times over a carried state.

`scan` has the arguments (initial carry…, per-iteration inputs…, fixed…) and the results (final
carry…, stacked outputs…). Its body computes (new carry…, outputs…) from (carry…, one slice of each
per-iteration input…, fixed…). Each result is a node; siblings differ in `index` alone.

Forward mode carries the tangents along. Reverse mode runs a second loop backwards over the stored
carries and computes each iteration anew, so that memory grows with the carry and not with the body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import InternalError
from descend.graph.elementwise import call, zeros_like
from descend.graph.evaluate import evaluate
from descend.graph.linear import broadcast, transpose, zeros
from descend.graph.node import Array, Node, Several, Typed, declare_several, postorder
from descend.graph.subgraph import Body, fresh_like

__all__ = ["SCAN", "scan_nodes"]


def scan_nodes(
    body: Body,
    init: Sequence[Node],
    xs: Sequence[Node],
    fixed: Sequence[Node],
    length: Any,
    backward: bool = False,
) -> list[Node]:
    """All results of a loop: the final carry, then each output stacked along a new first axis.

    With `backward` the iterations run from the last slice to the first.
    """
    args = (*init, *xs, *fixed)
    return [
        SCAN.apply(
            *args, body=body, carries=len(init), slices=len(xs),
            length=length, backward=backward, index=i,
        )
        for i in range(len(body.outputs))
    ]  # fmt: skip


def _infer(args: tuple[Node, ...], attrs: Mapping[str, Any]) -> Typed:
    body: Body = attrs["body"]
    carries, slices, length = attrs["carries"], attrs["slices"], attrs["length"]
    if len(args) != len(body.inputs):
        raise InternalError(f"scan with {len(args)} arguments for {len(body.inputs)} inputs")
    for i, (arg, inner) in enumerate(zip(args, body.inputs, strict=True)):
        sliced = carries <= i < carries + slices
        expected = (length, *inner.shape) if sliced else inner.shape
        if arg.shape != expected or arg.dtype != inner.dtype:
            raise InternalError(f"scan: argument {arg} for {inner}")
    for inner, out in zip(body.inputs[:carries], body.outputs[:carries], strict=True):
        if inner.shape != out.shape or inner.dtype != out.dtype:
            raise InternalError(f"scan: {inner} carries {out}")
    index = attrs["index"]
    result = body.outputs[index]
    return (result.shape if index < carries else (length, *result.shape)), result.dtype


def _meaning(
    *arrays: Array,
    body: Body,
    carries: int,
    slices: int,
    length: int,
    backward: bool,
    index: int = 0,
) -> tuple[Array, ...]:
    carry = list(arrays[:carries])
    xs, fixed = arrays[carries : carries + slices], arrays[carries + slices :]
    extents = body.extents or {}
    outputs = body.outputs[carries:]
    stacked = [
        np.zeros((length, *(n if isinstance(n, int) else extents[n] for n in o.shape)), o.dtype)
        for o in outputs
    ]
    for t in reversed(range(length)) if backward else range(length):
        values = (*carry, *(x[t] for x in xs), *fixed)
        bound = {n: np.asarray(v) for n, v in zip(body.inputs, values, strict=True)}
        results = evaluate(body.outputs, bound, extents)
        carry = results[:carries]
        for store, value in zip(stacked, results[carries:], strict=True):
            store[t] = value
    return (*carry, *stacked)


# --- which of the inputs and outputs move -------------------------------------------------------


def _spread(body: Body, carries: int, marked: Sequence[bool]) -> tuple[list[bool], list[bool]]:
    """Mark what depends on marked inputs, around the loop: flags of inputs and of outputs."""
    flags = list(marked)
    order = postorder(body.outputs)
    while True:
        moving = {n for n, flag in zip(body.inputs, flags, strict=True) if flag}
        for node in order:
            if any(a in moving for a in node.args):
                moving.add(node)
        outputs = [o in moving for o in body.outputs]
        grown = [f or o for f, o in zip(flags[:carries], outputs[:carries], strict=True)]
        if grown == flags[:carries]:
            return flags, [*grown, *outputs[carries:]]
        flags[:carries] = grown


def _floats(nodes: Sequence[Node], flags: Sequence[bool]) -> list[bool]:
    return [flag and n.dtype.kind == "f" for n, flag in zip(nodes, flags, strict=True)]


def _chosen(items: Sequence[Any], flags: Sequence[bool]) -> list[Any]:
    return [item for item, flag in zip(items, flags, strict=True) if flag]


def _parts(node: Node, items: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    c, s = node.attrs["carries"], node.attrs["slices"]
    return list(items[:c]), list(items[c : c + s]), list(items[c + s :])


def _moving(node: Node, marked: Sequence[bool]) -> tuple[list[bool], list[bool]]:
    body: Body = node.attrs["body"]
    flags, outputs = _spread(body, node.attrs["carries"], marked)
    return _floats(body.inputs, flags), _floats(body.outputs, outputs)


# --- forward ------------------------------------------------------------------------------------


def _jvp(forward: Any, _reverse: Any, tangents: list[Node | None], node: Node) -> Node | None:
    body, index = node.attrs["body"], node.attrs["index"]
    flags, outs = _moving(node, [t is not None for t in tangents])
    if not outs[index]:
        return None
    moving = _parts(node, flags)
    dual = body.once(("jvp", *flags), lambda: _dual_body(forward, node, flags, outs))
    full = [zeros_like(a) if t is None else t for a, t in zip(node.args, tangents, strict=True)]
    rows = zip(_parts(node, node.args), _parts(node, full), moving, strict=True)
    init, xs, fixed = ([*primal, *_chosen(t, m)] for primal, t, m in rows)
    results = scan_nodes(dual, init, xs, fixed, node.attrs["length"], node.attrs["backward"])
    carries: int = node.attrs["carries"]
    if index < carries:
        return results[carries + sum(outs[:index])]
    return results[carries + sum(outs[:carries]) + len(outs) - carries + sum(outs[carries:index])]


def _dual_body(forward: Any, node: Node, flags: list[bool], outs: list[bool]) -> Body:
    """Inputs and outputs with their tangents after them, part by part."""
    body, carries = node.attrs["body"], node.attrs["carries"]
    movers = _chosen(body.inputs, flags)
    dots = fresh_like(movers, "tangent")
    moved = forward(_chosen(body.outputs, outs), movers, dots)
    dot = dict(zip(movers, dots, strict=True))
    inputs = [
        n
        for part in _parts(node, body.inputs)
        for n in (*part, *(dot[p] for p in part if p in dot))
    ]
    n = sum(outs[:carries])
    outputs = (*body.outputs[:carries], *moved[:n], *body.outputs[carries:], *moved[n:])
    return Body(tuple(inputs), outputs)


# --- reverse ------------------------------------------------------------------------------------


def _vjp(
    reverse: Any, cotangents: list[Node | None], node: Node, wanted: Sequence[bool]
) -> list[Node | None]:
    body, carries, length = (node.attrs[k] for k in ("body", "carries", "length"))
    flags, outs = _moving(node, wanted)
    outs = [
        f and (i < carries or g is not None)
        for i, (f, g) in enumerate(zip(outs, cotangents, strict=True))
    ]
    init, xs, fixed = _parts(node, node.args)
    storing = body.once(
        "storing", lambda: Body(body.inputs, (*body.outputs, *body.inputs[:carries]))
    )
    stored = scan_nodes(storing, init, xs, fixed, length, node.attrs["backward"])
    back = body.once(("vjp", *flags, *outs), lambda: _backward_body(reverse, node, flags, outs))
    start = [
        zeros(o.shape, o.dtype) if g is None else g
        for o, g, f in zip(
            body.outputs[:carries], cotangents[:carries], outs[:carries], strict=True
        )
        if f
    ]
    constant = _parts(node, flags)[2]
    sums = [zeros_like(a) for a in _chosen(fixed, constant)]
    slices = [*stored[len(body.outputs) :], *xs, *_chosen(cotangents[carries:], outs[carries:])]
    results = iter(
        scan_nodes(back, [*start, *sums], slices, fixed, length, not node.attrs["backward"])
    )
    found: dict[int, Node] = {}
    c, s = carries, node.attrs["slices"]
    for group in (range(c), range(c + s, len(flags)), range(c, c + s)):
        found |= {i: next(results) for i in group if flags[i]}
    return [found.get(i) if w else None for i, w in enumerate(wanted)]


def _backward_body(reverse: Any, node: Node, flags: list[bool], outs: list[bool]) -> Body:
    """(cotangents of the carry, sums for what is fixed; carry, slices, cotangents of outputs;
    fixed) → (cotangents of the carry before, sums; cotangents of the slices)."""
    body, carries = node.attrs["body"], node.attrs["carries"]
    arriving = fresh_like(_chosen(body.outputs, outs), "cotangent")
    sent = reverse(_chosen(body.outputs, outs), arriving, _chosen(body.inputs, flags))
    found = dict(zip(_chosen(body.inputs, flags), sent, strict=True))
    carry, slices, fixed = _parts(node, body.inputs)
    summed = [n for n in fixed if n in found]
    sums = fresh_like(summed, "sum")
    n = sum(outs[:carries])
    inputs = (*arriving[:n], *sums, *carry, *slices, *arriving[n:], *fixed)
    added = [call("add", s, found[p]) for s, p in zip(sums, summed, strict=True)]
    outputs = (
        *(found[p] for p in carry if p in found), *added, *(found[p] for p in slices if p in found)
    )  # fmt: skip
    return Body(inputs, outputs)


# --- a new leading axis -------------------------------------------------------------------------


def _batch(batch: Any, args: list[Node], flags: list[bool], node: Node, extent: Any) -> Node:
    body, carries, index = (node.attrs[k] for k in ("body", "carries", "index"))
    marked, outs = _spread(body, carries, flags)
    many = body.once(
        ("batch", extent, *marked), lambda: _batched_body(batch, node, marked, outs, extent)
    )
    full = []
    for i, (a, had, has) in enumerate(zip(args, flags, marked, strict=True)):
        if has and not had:
            full.append(broadcast(a, (extent, *a.shape), tuple(range(1, a.ndim + 1))))
        elif has and carries <= i < carries + node.attrs["slices"]:
            full.append(transpose(a, (1, 0, *range(2, a.ndim))))
        else:
            full.append(a)
    init, xs, fixed = _parts(node, full)
    results = scan_nodes(many, init, xs, fixed, node.attrs["length"], node.attrs["backward"])
    result = results[index]
    if not outs[index]:
        return broadcast(result, (extent, *result.shape), tuple(range(1, result.ndim + 1)))
    return result if index < carries else transpose(result, (1, 0, *range(2, result.ndim)))


def _batched_body(
    batch: Any, node: Node, marked: list[bool], outs: list[bool], extent: Any
) -> Body:
    body, carries = node.attrs["body"], node.attrs["carries"]
    singles = _chosen(body.inputs, marked)
    models = [broadcast(n, (extent, *n.shape), tuple(range(1, n.ndim + 1))) for n in singles]
    image = dict(zip(singles, fresh_like(models, "many"), strict=True))
    chosen = _chosen(body.outputs, outs)
    made = dict(zip(chosen, batch(chosen, image, extent), strict=True))
    outputs = tuple(made[o] if f else o for o, f in zip(body.outputs, outs, strict=True))
    assert len(outputs) >= carries
    return Body(tuple(image.get(n, n) for n in body.inputs), outputs)


SCAN = declare_several("scan", "loop", _infer, Several(_meaning, _vjp, _jvp, _batch))

"""Backpropagation: from the outputs back to the nodes asked for, by the chain rule.

One walk over the graph in reverse order of evaluation. Each node that depends on the nodes asked
for receives the sum of what its users sent, and sends to each of its arguments what its own
derivative makes of that sum (Linnainmaa 1976; Rumelhart, Hinton and Williams 1986).
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Sequence

from descend.differentiate.chain import added, back
from descend.differentiate.flow import Flow, opened, seed
from descend.differentiate.overflow import Overflow
from descend.errors import InternalError
from descend.graph.elementwise import call
from descend.graph.linear import concatenate, zeros
from descend.graph.node import Dim, Node, postorder
from descend.graph.subgraph import group_key
from descend.lean import dataclass

__all__ = ["Contribution", "Step", "active_nodes", "reverse", "total"]


@dataclass(frozen=True)
class Contribution:
    """What one node sent to one of its arguments.

    Attributes:
        argument: the node that receives.
        position: which argument of the sender it is.
        local: the local derivative, for elementwise primitives with a declared partial.
        sent: the cotangent that went out: incoming × local.
    """

    argument: Node
    position: int
    local: Node | None
    sent: Node


@dataclass(frozen=True)
class Step:
    """One step of the backward pass, as `explain` shows it.

    Attributes:
        node: the node whose turn it was.
        incoming: the cotangent that it received (the sum, where it is used more than once).
        summands: what was added up to `incoming`, in the order of arrival.
        contributions: what it sent on; empty for the nodes at which the walk ends.
    """

    node: Node
    incoming: Node
    summands: tuple[Node, ...]
    contributions: tuple[Contribution, ...]


def active_nodes(order: Iterable[Node], wrt: Iterable[Node]) -> set[Node]:
    """The floating-point nodes of a postorder that depend on `wrt`, those included."""
    active = set(wrt)
    for node in order:
        if node not in active and node.dtype.kind == "f":
            for arg in node.args:
                if arg in active:
                    active.add(node)
                    break
    return active


def reverse(
    outputs: Sequence[Node],
    cotangents: Sequence[Node],
    wrt: Sequence[Node],
    record: list[Step] | None = None,
) -> list[Node]:
    """The cotangents of `wrt`: the sum over outputs of (d output / d wrt)ᵀ · cotangent.

    `wrt` are taken as independent of one another, whatever stands below them. A node of which no
    output depends gets zeros of its shape.

    >>> from descend.graph.evaluate import evaluate
    >>> from descend.graph.source import const, input_node
    >>> import numpy as np
    >>> x = input_node("x")
    >>> (g,) = reverse([call("sin", x)], [const(1.0)], [x])
    >>> evaluate([g], {x: np.array(0.0)})
    [array(1.)]
    """
    asked = set(wrt)
    order = postorder(outputs, stop=asked.__contains__)
    active = active_nodes(order, asked)
    known = Overflow(order, wrt)
    arrived: dict[Node, list[Flow]] = {}
    for output, cotangent in zip(outputs, cotangents, strict=True):
        if cotangent.shape != output.shape or cotangent.dtype != output.dtype:
            raise InternalError(f"cotangent {cotangent} for {output}")
        if output in active:
            arrived.setdefault(output, []).append(seed(cotangent))
    found: dict[Node, Node] = {}
    loops = (n for n in order if n.op.several is not None)
    together = _Together(n for n in loops if n in active and n not in asked)
    for node in reversed(order):
        parts = arrived.pop(node, ())
        if not parts and (node.op.several is None or not together.waits_for(node)):
            continue
        incoming = added(parts, total) if parts else None
        sent: Sequence[Flow | None] = ()
        if node in asked:
            assert incoming is not None
            found[node] = incoming.node
        else:
            wanted = [a in active for a in node.args]
            if node.op.several is not None:
                made = together.vjp(incoming.node if incoming else None, node, wanted)
                sent = [None if m is None else opened(m) for m in made]
            elif incoming is not None:
                sent = back(incoming, node, wanted, known)
            for arg, part in zip(node.args, sent, strict=False):
                if part is not None:
                    arrived.setdefault(arg, []).append(part)
        if record is not None and incoming is not None:
            summands = tuple(p.node for p in parts)
            record.append(Step(node, incoming.node, summands, _contributions(node, sent)))
    return known.one_sided([found[n] if n in found else zeros(n.shape, n.dtype) for n in wrt])


class _Together:
    """Cotangents of the results of one loop wait for one another, to go back in one loop."""

    def __init__(self, order: Iterable[Node]) -> None:
        self.arrived: dict[Hashable, dict[int, Node]] = {}
        self.first: dict[Hashable, Node] = {}
        for node in order:
            self.first.setdefault(group_key(node), node)

    def waits_for(self, node: Node) -> bool:
        """Whether siblings wait for this node, although nothing arrived at itself."""
        return self.first.get(group_key(node)) is node and group_key(node) in self.arrived

    def vjp(
        self, incoming: Node | None, node: Node, wanted: Sequence[bool]
    ) -> Sequence[Node | None]:
        """Nothing, until the sibling comes below which no other can receive anything more."""
        key = group_key(node)
        arrived = self.arrived.setdefault(key, {})
        if incoming is not None:
            arrived[node.attrs["index"]] = incoming
        if self.first[key] is not node:
            return ()
        assert node.op.several is not None
        cotangents = [arrived.get(i) for i in range(len(node.attrs["body"].outputs))]
        return node.op.several.vjp(reverse, cotangents, node, wanted)


def _contributions(node: Node, sent: Sequence[Flow | None]) -> tuple[Contribution, ...]:
    partials = node.op.partials or (None,) * len(node.args)
    listed = []
    for i, part in enumerate(sent):
        if part is not None:
            partial = partials[i]
            local = None if partial is None else partial.local(*node.args, node)
            listed.append(Contribution(node.args[i], i, local, part.node))
    return tuple(listed)


def total(parts: Sequence[Node]) -> Node:
    """The sum of the parts, left to right; pieces padded to disjoint places are joined instead.

    So the gradient of a vector whose thousand elements were read one by one is one concatenation
    and not a thousand additions of vectors.
    """
    if len(parts) == 1:
        return parts[0]
    if sum(p.op.name == "pad" for p in parts) > 1:
        parts = _joined(parts)
    whole = parts[0]
    for part in parts[1:]:
        whole = call("add", whole, part)
    return whole


def _joined(parts: Sequence[Node]) -> list[Node]:
    """Replace the contiguous pieces of one axis that do not overlap by one concatenation."""
    pieces: dict[int, list[tuple[int, int, Node]]] = {}
    for part in parts:
        place = _place(part)
        if place is not None:
            axis, low, high = place
            pieces.setdefault(axis, []).append((low, high, part))
    joined: dict[Node, Node | None] = {}
    for axis, spans in pieces.items():
        spans.sort(key=lambda span: span[:2])
        apart = all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
        if len(spans) > 1 and apart:
            joined |= dict.fromkeys((part for _, _, part in spans), None)
            joined[spans[0][2]] = _row_of_pieces(axis, spans)
    images = [joined.get(part, part) for part in parts]
    return [image for image in images if image is not None]


def _place(part: Node) -> tuple[int, int, int] | None:
    """The axis along which a part is padded, where its piece begins and where it ends."""
    if part.op.name != "pad" or any(part.attrs["inner"]):
        return None
    low, high = part.attrs["low"], part.attrs["high"]
    padded = [i for i, (a, b) in enumerate(zip(low, high, strict=True)) if a or b]
    extent = part.args[0].shape[padded[0]]
    if len(padded) != 1 or isinstance(extent, Dim):
        return None
    return padded[0], low[padded[0]], low[padded[0]] + extent


def _row_of_pieces(axis: int, spans: Sequence[tuple[int, int, Node]]) -> Node:
    first = spans[0][2]
    extent = first.shape[axis]
    assert isinstance(extent, int)

    def gap(size: int) -> Node:
        return zeros((*first.shape[:axis], size, *first.shape[axis + 1 :]), first.dtype)

    row: list[Node] = []
    at = 0
    for low, high, part in spans:
        if low > at:
            row.append(gap(low - at))
        row.append(part.args[0])
        at = high
    if extent > at:
        row.append(gap(extent - at))
    return concatenate(row, axis)

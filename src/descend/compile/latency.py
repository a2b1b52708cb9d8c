"""Shorten the chain from one update to the next, where every step waits for the last.

With a batch of one row the program is one long dependent chain of scalars. Sums and products of
several terms are regrouped so that what is ready early is combined early: in
w − lr·(2·r·x²), with r the last to arrive, (lr·2·x²) is computed beside the chain and a single
fused multiply-add remains on it. Regrouping changes the last bits of a result and nothing else, so
it is applied to single terms of one expression only, never across a select, a cast or a reduction.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from descend.graph.elementwise import call
from descend.graph.node import Node, postorder

__all__ = ["regroup"]

LATENCY = {"add": 3, "sub": 3, "mul": 3, "div": 13, "sqrt": 15, "neg": 1, "cast": 4}
ELSEWHERE = 20
EARLY = -1000
SUMS = ("add", "sub", "neg")
MOST_TERMS = 12


class Regrouping:
    """One pass over a graph; `late` are the nodes that the previous step produced."""

    def __init__(self, late: set[Node]) -> None:
        self.arrival: dict[Node, int] = dict.fromkeys(late, 0)

    def time(self, node: Node) -> int:
        """When a node is ready, in cycles after the previous step; EARLY if it never waits."""
        waiting = [node]
        while waiting:
            top = waiting[-1]
            if top in self.arrival:
                waiting.pop()
                continue
            missing = [a for a in top.args if a not in self.arrival]
            if missing:
                waiting.extend(missing)
                continue
            start = max((self.arrival[a] for a in top.args), default=EARLY)
            here = EARLY if start == EARLY else start + LATENCY.get(top.op.name, ELSEWHERE)
            self.arrival[top] = here
        return self.arrival[node]

    def order(self, node: Node) -> tuple[int, int]:
        return self.time(node), node.serial

    def product(self, node: Node) -> Node:
        factors, negative = self.factors(node)
        if len(factors) < 3 or len(factors) > MOST_TERMS:
            return node
        heap = [(*self.order(f), f) for f in factors]
        heapq.heapify(heap)
        if negative:
            _, _, first = heapq.heappop(heap)
            flipped = call("neg", first)
            heapq.heappush(heap, (*self.order(flipped), flipped))
        return self.better(node, self.joined(heap, "mul"))

    def factors(self, node: Node) -> tuple[list[Node], bool]:
        out: list[Node] = []
        negative, stack = False, [node]
        while stack and len(out) <= MOST_TERMS:
            top = stack.pop()
            if top.op.name == "mul":
                stack.extend(reversed(top.args))
            elif top.op.name == "neg":
                negative = not negative
                stack.append(top.args[0])
            else:
                out.append(top)
        return out, negative

    def total(self, node: Node) -> Node:
        plus, minus = self.terms(node)
        if not 3 <= len(plus) + len(minus) <= MOST_TERMS or not plus:
            return node
        heap = [(*self.order(t), t, s) for s, ts in ((1, plus), (-1, minus)) for t in ts]
        heapq.heapify(heap)
        while len(heap) > 1:
            _, _, a, s = heapq.heappop(heap)
            _, _, b, t = heapq.heappop(heap)
            if s == t:
                joined, sign = call("add", a, b), s
            elif s > t:
                joined, sign = call("sub", a, b), 1
            else:
                joined, sign = call("sub", b, a), 1
            heapq.heappush(heap, (*self.order(joined), joined, sign))
        _, _, whole, sign = heap[0]
        return self.better(node, whole) if sign > 0 else node

    def terms(self, node: Node) -> tuple[list[Node], list[Node]]:
        plus: list[Node] = []
        minus: list[Node] = []
        stack = [(node, 1)]
        while stack and len(plus) + len(minus) <= MOST_TERMS:
            top, sign = stack.pop()
            name = top.op.name
            if name == "add":
                stack += [(top.args[1], sign), (top.args[0], sign)]
            elif name == "sub":
                stack += [(top.args[1], -sign), (top.args[0], sign)]
            elif name == "neg":
                stack.append((top.args[0], -sign))
            else:
                (plus if sign > 0 else minus).append(top)
        return plus, minus

    def joined(self, heap: list[tuple[int, int, Node]], op: str) -> Node:
        while len(heap) > 1:
            _, _, a = heapq.heappop(heap)
            _, _, b = heapq.heappop(heap)
            both = call(op, a, b)
            heapq.heappush(heap, (*self.order(both), both))
        return heap[0][2]

    def better(self, before: Node, after: Node) -> Node:
        return after if self.time(after) < self.time(before) else before


def regroup(outputs: Sequence[Node], late: Sequence[Node]) -> list[Node]:
    """The same outputs with scalar sums and products regrouped by when their terms are ready."""
    work = Regrouping(set(late))
    image: dict[Node, Node] = {}
    for node in postorder(outputs):
        args = tuple([image[a] for a in node.args])
        same = all(a is b for a, b in zip(args, node.args, strict=True))
        rebuilt = node if same else node.op.apply(*args, **node.attrs)
        if node.shape == () and node.dtype.kind == "f" and work.time(rebuilt) != EARLY:
            if node.op.name == "mul":
                rebuilt = work.product(rebuilt)
            elif node.op.name in SUMS:
                rebuilt = work.total(rebuilt)
        image[node] = rebuilt
    return [image[o] for o in outputs]

"""Shorten the chain from one update to the next, where every step waits for the last.

With a batch of one row the program is one long dependent chain of scalars; with few rows, the
update is. Sums and products of several terms are regrouped so that what is ready early is combined
early: in w − lr·(2·r·x²), with r the last to arrive, (lr·2·x²) is computed beside the chain and a
single fused multiply-add remains on it. Regrouping changes the last bits of a result and nothing
else, so it is applied to single terms of one expression only, never across a select, a cast or a
reduction.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.compile.loops import Block, Let, Nest, Scan, Statement, Store, latency_of
from descend.compile.segments import operands

__all__ = ["regroup"]

EARLY, LAST = -1000, 100
SUMS = ("add", "sub", "neg")
MOST_TERMS = 12


class Regrouping:
    """One pass over a block of scalars: shared lets, each with the time at which it is ready."""

    def __init__(self) -> None:
        self.arrival: dict[Let, int] = {}
        self.statements: list[Statement] = []
        self.shared: dict[Hashable, Let] = {}
        self._numbers: dict[Let, int] = {}

    def make(self, op: str, args: tuple[Let, ...], attr: Any, dtype: np.dtype[Any]) -> Let:
        """The one let for this application."""
        if op == "const":
            key: Hashable = (op, attr.tobytes(), dtype)
        else:
            key = (op, args, str(attr), dtype)
        found = self.shared.get(key)
        if found is None:
            found = self.shared[key] = Let(op, args, attr, dtype)
            start = max((self.arrival[a] for a in args), default=EARLY)
            if op == "load" and attr.place.role == "state":
                start = 0
            elif start != EARLY:
                start += latency_of(op)
            self.arrival[found] = start
            self.statements.append(found)
        return found

    def put(self, let: Let, image: Mapping[Let, Let]) -> Let:
        """What a let of the block becomes."""
        if let.op == "reduced":
            self.arrival[let] = LAST
            self.statements.append(let)
            return let
        made = self.make(let.op, tuple([image[a] for a in let.args]), let.attr, let.dtype)
        if let.dtype.kind != "f" or self.time(made) == EARLY:
            return made
        if let.op == "mul":
            return self.product(made)
        return self.total(made) if let.op in SUMS else made

    def time(self, let: Let) -> int:
        """When a let is ready, in cycles after the previous step; EARLY if it never waits."""
        return self.arrival[let]

    def order(self, let: Let) -> tuple[int, int]:
        return self.arrival[let], self.number(let)

    def number(self, let: Let) -> int:
        return self._numbers.setdefault(let, len(self._numbers))

    def product(self, let: Let) -> Let:
        factors, negative = self.factors(let)
        if len(factors) < 3 or len(factors) > MOST_TERMS:
            return let
        heap = [(*self.order(f), f) for f in factors]
        heapq.heapify(heap)
        if negative:
            _, _, first = heapq.heappop(heap)
            flipped = self.make("neg", (first,), None, first.dtype)
            heapq.heappush(heap, (*self.order(flipped), flipped))
        return self.better(let, self.joined(heap, "mul"))

    def factors(self, let: Let) -> tuple[list[Let], bool]:
        out: list[Let] = []
        negative, stack = False, [let]
        while stack and len(out) <= MOST_TERMS:
            top = stack.pop()
            if top.op == "mul":
                stack.extend(reversed(top.args))
            elif top.op == "neg":
                negative = not negative
                stack.append(top.args[0])
            else:
                out.append(top)
        return out, negative

    def total(self, let: Let) -> Let:
        plus, minus = self.terms(let)
        if not 3 <= len(plus) + len(minus) <= MOST_TERMS or not plus:
            return let
        heap = [(*self.order(t), t, s) for s, ts in ((1, plus), (-1, minus)) for t in ts]
        heapq.heapify(heap)
        while len(heap) > 1:
            _, _, a, s = heapq.heappop(heap)
            _, _, b, t = heapq.heappop(heap)
            if s == t:
                joined, sign = self.make("add", (a, b), None, a.dtype), s
            elif s > t:
                joined, sign = self.make("sub", (a, b), None, a.dtype), 1
            else:
                joined, sign = self.make("sub", (b, a), None, a.dtype), 1
            heapq.heappush(heap, (*self.order(joined), joined, sign))
        _, _, whole, sign = heap[0]
        return self.better(let, whole) if sign > 0 else let

    def terms(self, let: Let) -> tuple[list[Let], list[Let]]:
        plus: list[Let] = []
        minus: list[Let] = []
        stack = [(let, 1)]
        while stack and len(plus) + len(minus) <= MOST_TERMS:
            top, sign = stack.pop()
            name = top.op
            if name == "add":
                stack += [(top.args[1], sign), (top.args[0], sign)]
            elif name == "sub":
                stack += [(top.args[1], -sign), (top.args[0], sign)]
            elif name == "neg":
                stack.append((top.args[0], -sign))
            else:
                (plus if sign > 0 else minus).append(top)
        return plus, minus

    def joined(self, heap: list[tuple[int, int, Let]], op: str) -> Let:
        while len(heap) > 1:
            _, _, a = heapq.heappop(heap)
            _, _, b = heapq.heappop(heap)
            both = self.make(op, (a, b), None, a.dtype)
            heapq.heappush(heap, (*self.order(both), both))
        return heap[0][2]

    def better(self, before: Let, after: Let) -> Let:
        return after if self.time(after) < self.time(before) else before


def regroup(block: Block, outputs: Sequence[Let]) -> list[Let]:
    """Regroup the scalars of a block; returns what became of the outputs.

    What comes out of a nest counts as the last to arrive. Loops that stay loops are left alone.
    """
    if any(isinstance(s, Scan) for s in block.statements):
        return list(outputs)
    work = Regrouping()
    image: dict[Let, Let] = {}
    for statement in block.statements:
        if isinstance(statement, Let):
            image[statement] = work.put(statement, image)
            continue
        if isinstance(statement, Nest):
            for let in statement.lets:
                let.args = tuple([image.get(a, a) for a in let.args])
            for store in statement.stores:
                store.value = image.get(store.value, store.value)
            for reduction in statement.reductions:
                reduction.value = image.get(reduction.value, reduction.value)
        elif isinstance(statement, Store):
            statement.value = image.get(statement.value, statement.value)
        work.statements.append(statement)
    results = [image[o] for o in outputs]
    block.statements = _needed(work.statements, results)
    return results


def _needed(statements: Sequence[Statement], outputs: Sequence[Let]) -> list[Statement]:
    """The statements without the lets that nobody reads any more."""
    read = set(outputs)
    kept: list[Statement] = []
    for statement in reversed(statements):
        if isinstance(statement, Let) and statement not in read and statement.op != "reduced":
            continue
        read.update(operands(statement))
        kept.append(statement)
    return kept[::-1]

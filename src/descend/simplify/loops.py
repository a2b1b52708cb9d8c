"""Loops that carry less: equal loops become one, and what nobody reads is not computed.

The reverse of a loop runs it again and stores its carries. That loop and the first one have the
same arguments and the same carry, so they can be one loop with the outputs of both; then results
without a reader go, and with them the carries that nothing else needs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

from descend.graph.node import Node, postorder
from descend.graph.scan import SCAN
from descend.graph.subgraph import Body, group_key
from descend.lean import dataclass

__all__ = ["merge_loops"]


@dataclass(frozen=True)
class _Plan:
    """What becomes of one loop: a new body, the arguments that stay, each result's new place."""

    body: Body
    used: tuple[int, ...]
    carries: int
    slices: int
    places: Mapping[int, int]


def merge_loops(outputs: Sequence[Node]) -> list[Node]:
    """The same outputs with as few and as small loops as possible."""
    outputs = list(outputs)
    return _replaced(_replaced(outputs, _mergers), _prunings)


Planner = Callable[[list[Node]], Mapping[Hashable, _Plan]]


def _replaced(outputs: list[Node], planner: Planner) -> list[Node]:
    order = postorder(outputs)
    plans = planner([n for n in order if n.op is SCAN])
    if not plans:
        return outputs
    image: dict[Node, Node] = {}
    for node in order:
        args = tuple(image[a] for a in node.args)
        plan = plans.get(group_key(node)) if node.op is SCAN else None
        if plan is not None:
            changed = {
                "body": plan.body, "carries": plan.carries, "slices": plan.slices,
                "index": plan.places[node.attrs["index"]],
            }  # fmt: skip
            args = tuple(args[i] for i in plan.used)
            image[node] = SCAN.apply(*args, **{**node.attrs, **changed})
        else:
            image[node] = node if args == node.args else node.op.apply(*args, **node.attrs)
    return [image[o] for o in outputs]


def _twin_key(node: Node) -> Hashable:
    """Equal for loops that differ in nothing but the outputs of an iteration."""
    body, carries = node.attrs["body"], node.attrs["carries"]
    kept = (node.attrs["slices"], node.attrs["length"], node.attrs["backward"])
    return node.args, carries, kept, body.inputs, body.outputs[:carries]


def _mergers(loops: list[Node]) -> Mapping[Hashable, _Plan]:
    twins: dict[Hashable, dict[Hashable, Node]] = {}
    for node in loops:
        twins.setdefault(_twin_key(node), {}).setdefault(group_key(node), node)
    plans: dict[Hashable, _Plan] = {}
    for group in twins.values():
        if len(group) == 1:
            continue
        first = next(iter(group.values()))
        carries, slices = first.attrs["carries"], first.attrs["slices"]
        bodies = [node.attrs["body"] for node in group.values()]
        made = list(dict.fromkeys(o for b in bodies for o in b.outputs[carries:]))
        body = Body(bodies[0].inputs, (*bodies[0].outputs[:carries], *made))
        for key, old in zip(group, bodies, strict=True):
            places = {i: i for i in range(carries)} | {
                i: carries + made.index(old.outputs[i]) for i in range(carries, len(old.outputs))
            }
            used = tuple(range(len(body.inputs)))
            plans[key] = _Plan(body, used, carries, slices, places)
    return plans


def _prunings(loops: list[Node]) -> Mapping[Hashable, _Plan]:
    read: dict[Hashable, list[Node]] = {}
    for node in loops:
        read.setdefault(group_key(node), []).append(node)
    plans = {key: _pruned(siblings) for key, siblings in read.items()}
    return {key: plan for key, plan in plans.items() if plan is not None}


def _pruned(siblings: Sequence[Node]) -> _Plan | None:
    attrs = siblings[0].attrs
    body, carries, slices = attrs["body"], attrs["carries"], attrs["slices"]
    indices = sorted(node.attrs["index"] for node in siblings)
    made = [i for i in indices if i >= carries]
    kept = _needed_carries(body, carries, [i for i in indices if i < carries], made)
    places = [*kept, *made]
    results = tuple(body.outputs[i] for i in places)
    below = set(postorder(results))
    used = [*kept, *(i for i in range(carries, len(body.inputs)) if body.inputs[i] in below)]
    if len(used) == len(body.inputs) and len(results) == len(body.outputs):
        return None
    less = Body(tuple(body.inputs[i] for i in used), results)
    sliced = sum(carries <= i < carries + slices for i in used)
    return _Plan(less, tuple(used), len(kept), sliced, {old: i for i, old in enumerate(places)})


def _needed_carries(
    body: Body, carries: int, read: Sequence[int], made: Sequence[int]
) -> list[int]:
    """The carries that are read, or that something needed reads in some iteration."""
    needed = set(read)
    below: set[Node] = set(postorder([body.outputs[i] for i in (*read, *made)]))
    while True:
        more = {i for i in range(carries) if body.inputs[i] in below} - needed
        if not more:
            return sorted(needed)
        needed |= more
        below |= set(postorder([body.outputs[i] for i in more]))

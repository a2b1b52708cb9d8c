"""Rewriting to a fixed point: from the leaves up, every node once, with no recursion.

A node whose arguments are final is offered to the rules of its primitive; what a rule returns is
made final in turn. Common subexpressions and dead code need no pass: equal nodes are one object,
and what no output needs is not visited.
"""

from __future__ import annotations

from collections.abc import Sequence

from descend.errors import InternalError
from descend.graph.elementwise import call
from descend.graph.node import Node, intern
from descend.graph.scan import SCAN
from descend.graph.subgraph import Body
from descend.simplify.loops import merge_loops
from descend.simplify.rules import FINAL, RULES, Table
from descend.simplify.tame import Facts

__all__ = ["simplify"]


def simplify(outputs: Sequence[Node], final: bool = False) -> list[Node]:
    """Equivalent outputs with less to compute; idempotent, linear in the size of the graph.

    With `final`, nothing will be differentiated any more: `stop_gradient` and custom derivatives
    are replaced by their values.

    >>> from descend.graph.elementwise import call
    >>> from descend.graph.source import input_node
    >>> x = input_node("x")
    >>> simplify([call("pow", call("mul", x, 1.0), 2.0)]) == [call("mul", x, x)]
    True
    """
    table = FINAL if final else RULES
    done: dict[Node, Node] = {}
    target: dict[Node, Node] = {}
    facts = Facts()
    loops = False
    stack: list[Node] = list(reversed(outputs))
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        better = target.get(node)
        if better is not None:
            if better not in done:
                raise InternalError(f"rewriting {node} runs in a circle")
            done[node] = done[better]
            stack.pop()
            continue
        ready = True
        for a in reversed(node.args):
            if a not in done:
                stack.append(a)
                ready = False
        if not ready:
            continue
        better = _step(node, done, table)
        if better is node:
            if node.op.name in ("mul0", "mul_sat") and facts.needs_no_guard(node):
                better = call("mul", *node.args)
            elif node.op.several is not None:
                loops = loops or node.op is SCAN
                better = _inside(node, final)
        if better is node:
            done[node] = node
            facts.learn(node)
            stack.pop()
        else:
            target[node] = better
            if better not in done:
                stack.append(better)
    found = [done[o] for o in outputs]
    return merge_loops(found) if loops else found


def _step(node: Node, done: dict[Node, Node], table: Table) -> Node:
    """The node over its final arguments, or what the first rule that applies makes of it."""
    args = node.args
    for a in args:
        if done[a] is not a:
            final = tuple([done[b] for b in args])
            return intern(node.op, final, node.attrs, node.shape, node.dtype)
    for rule in table.tried(node):
        better = rule(node)
        if better is not None and better is not node:
            return better
    return node


def _inside(node: Node, final: bool) -> Node:
    """The node with simpler bodies; what has a derivative of its own is laid open at the end."""
    if final and node.op.name == "custom":
        opened: Node = node.attrs["body"].applied(node.args)[node.attrs["index"]]
        return opened
    bodies = {k: _body(v, final) for k, v in node.attrs.items() if isinstance(v, Body)}
    if all(bodies[k] == node.attrs[k] for k in bodies):
        return node
    return node.op.apply(*node.args, **{**node.attrs, **bodies})


def _body(body: Body, final: bool) -> Body:
    made: Body = body.once(
        ("simple", final), lambda: Body(body.inputs, tuple(simplify(body.outputs, final)))
    )
    return made

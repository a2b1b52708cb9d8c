"""Backpropagation, number by number: every step forward, every step back, and the update.

The graph is shown as the user wrote it, before any simplification. What only moves numbers about
(a scalar repeated for the one row, a reshape, the mean over one row) is passed over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from descend.differentiate.reverse import Contribution, Step, reverse
from descend.graph.evaluate import evaluate
from descend.graph.node import Dim, Node, postorder
from descend.graph.source import CONST, INPUT, ROW_COUNT, const, value_of
from descend.records.explanation import Backward, Explained, Forward, LayerStep, Sent
from descend.records.record import jsonable
from descend.show.explained import explained_lines
from descend.show.explained_page import explained_html, explained_page
from descend.show.explained_svg import explained_svg
from descend.show.expressions import expression, number
from descend.visible import visible
from descend.words import words_of

__all__ = ["Explanation", "explain_graph"]

Array = np.ndarray[Any, np.dtype[Any]]


class Explanation(Explained):
    """Everything that one step of gradient descent computes; `print` shows it."""

    def __str__(self) -> str:
        return visible("\n".join(explained_lines(self)))

    def _repr_html_(self) -> str:
        return visible(explained_html(self))

    def to_html(self) -> str:
        """A page that needs nothing else, with mathematics that browsers draw themselves."""
        return visible(explained_page(self))

    def to_svg(self) -> str:
        """The graph as a picture: values forward, derivatives backward; of a network its layers."""
        return visible(explained_svg(self))

    def to_json_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        words = words_of("explain", self.lang)
        told = {
            name: words[text[0]].format(**text[1]) if text else ""
            for name, text in (("title", self.title), ("rule", self.rule))
        }
        names: tuple[str, ...] = ("given", "forward", "backward", "gradient")
        names += ("layers",) if self.layers else ()
        found = {name: jsonable(getattr(self, name)) for name in names}
        return {"kind": "explanation", "title": told["title"], **found, "rule": told["rule"],
                "updates": jsonable(self.updates)}  # fmt: skip


# --- from a graph ---------------------------------------------------------------------------------


def explain_graph(
    title: tuple[str, dict[str, Any]],
    output: Node,
    parameters: Mapping[str, Node],
    bound: Mapping[Node, Array],
    names: Mapping[Node, str],
    origin: Callable[[Node], Any],
    data: Sequence[Node] = (),
    rows: Dim | None = None,
    output_name: str = "loss",
    layers: Sequence[tuple[str, Node]] = (),
) -> Explanation:
    """Explain one forward and one backward pass through a graph.

    Args:
        title: what is explained, by its key among the words, and what fills their gaps.
        output: the scalar that is differentiated.
        parameters: name → the input that it is differentiated by.
        bound: the value of every input.
        names: what inputs are called.
        origin: node → the place in the user's code, with `text` and `name`, or None.
        data: inputs that are no parameters and yet worth telling.
        rows: the symbolic number of rows, which is one here.
        layers: of a network: number and name of each, and what it makes of the row.
    """
    steps: list[Step] = []
    seed = const(np.ones(output.shape), output.dtype)
    gradients = reverse([output], [seed], list(parameters.values()), steps)
    order = postorder([output])
    wanted = {*order, *gradients}
    for step in steps:
        wanted |= {step.incoming, *step.summands}
        for part in step.contributions:
            wanted |= {part.sent, *([part.local] if part.local is not None else [])}
    nodes = list(wanted)
    extents = {} if rows is None else {rows: 1}
    found = evaluate(nodes, bound, extents)
    value = {n: _without_rows(v, n, rows) for n, v in zip(nodes, found, strict=True)}
    teller = _Teller(value, names, origin, bound, output, output_name)
    given = {
        "parameters": {n: value[p] if p in value else bound[p] for n, p in parameters.items()},
        "data": {names[n]: _without_rows(bound[n], n, rows) for n in data},
    }
    forward = list(teller.forward(order))
    backward = list(teller.backward(steps))
    slopes = {n: value[g] for n, g in zip(parameters, gradients, strict=True)}
    incoming = {step.node: value[step.incoming] for step in steps}
    told = [_layer(name, node, value, incoming, slopes) for name, node in layers]
    return Explanation(title, given, forward, backward, slopes, output=output_name, layers=told)


def _layer(
    name: str, node: Node, value: Mapping[Node, Array], incoming: Mapping[Node, Array],
    slopes: Mapping[str, Array],
) -> LayerStep:  # fmt: skip
    """The sizes of what passes a layer; its parameters are called by its number and a dot."""
    own = [a for n, a in slopes.items() if n.startswith(f"{name.partition(' ')[0]}.")]
    made = [value[node]] if node in value else []
    shape = np.shape(made[0]) if made else ()
    arrived = [incoming[node]] if node in incoming else []
    return LayerStep(name, shape, _norm(made), _norm(arrived), _norm(own))


def _norm(arrays: Sequence[Array]) -> float:
    squares = [float(np.sum(np.square(a, dtype=np.float64))) for a in arrays]
    return math.sqrt(sum(squares)) if squares else math.nan


def _without_rows(value: Array, node: Node, rows: Dim | None) -> Array:
    """The value for the one row, without the axis of the rows."""
    axes = [i for i, n in enumerate(node.shape) if n is rows]
    return value.squeeze(tuple(axes)) if axes and rows is not None else value


class _Teller:
    """Labels for nodes, and the steps of both passes in words."""

    def __init__(
        self, value: Mapping[Node, Array], names: Mapping[Node, str],
        origin: Callable[[Node], Any], bound: Mapping[Node, Array], output: Node, last: str,
    ) -> None:  # fmt: skip
        self.value, self.origin, self.bound, self.output, self.last = (
            value, origin, bound, output, last,
        )  # fmt: skip
        self.labels: dict[Node, str] = dict(names)
        self.used: set[str] = {*names.values(), last}
        self.count = 0

    def forward(self, order: Sequence[Node]) -> Iterator[Forward]:
        """The steps in the order of evaluation; constants and inputs are no steps."""
        self.head = self._head()
        varying = set(self.bound)  # what depends on an input: operands come before
        for node in order:
            if any(arg in varying for arg in node.args):
                varying.add(node)
            if node in self.labels or node.op in (CONST, INPUT, ROW_COUNT):
                continue
            if self.passes_on(node):
                self.labels[node] = self.label(node.args[0])
                continue
            if node not in varying:
                continue
            computed = expression(node, self.label)
            place = self.origin(node)
            self.labels[node] = self._new_label(node, place)
            written = place.text if place is not None else ""
            uses = tuple(dict.fromkeys(self.labels[a] for a in node.args if a in self.labels))
            yield Forward(self.labels[node], written, computed, self.value[node], uses)

    def _head(self) -> Node:
        """The last step that does something: what follows only passes its value on."""
        node = self.output
        while node.args and self.passes_on(node):
            node = node.args[0]
        return node

    def _new_label(self, node: Node, place: Any) -> str:
        if node is self.head:
            return self.last
        name = place.name if place is not None else None
        if name and name not in self.used:
            self.used.add(name)
            return str(name)
        self.count += 1
        while f"v{self.count}" in self.used:
            self.count += 1
        self.used.add(f"v{self.count}")
        return f"v{self.count}"

    def label(self, node: Node) -> str:
        """What a node is called: its label, its number, or the operation itself."""
        if node in self.labels:
            return self.labels[node]
        if node.op is CONST and not node.shape:
            return number(value_of(node))
        if node.op is ROW_COUNT:
            return "1"
        if node.op.name in ("broadcast", "reshape", "cast"):
            return self.label(node.args[0])
        return expression(node, self.label, nested=True)

    def passes_on(self, node: Node) -> bool:
        """Whether the node has the numbers of its first operand, in the same number."""
        name = node.op.name
        if name == "div" and node.args[1].op is ROW_COUNT:
            return True
        if name == "div" and node.args[1].op.name == "broadcast":
            return node.args[1].args[0].op is ROW_COUNT
        if name not in ("broadcast", "reshape", "cast", "sum", "transpose", "stop_gradient"):
            return False
        source = node.args[0]
        if name == "cast" and source.dtype.kind != node.dtype.kind:
            return False
        if source in self.value and node in self.value:
            return bool(self.value[source].size == self.value[node].size)
        return False

    def backward(self, steps: Sequence[Step]) -> Iterator[Backward]:
        """The steps from the output back, in the order in which they are taken."""
        arrived: dict[Node, list[Array]] = {}
        for step in steps:
            groups = _by_argument(step)
            label = self.label(step.node)
            summands = tuple(arrived.get(step.node) or [self.value[s] for s in step.summands])
            for argument, parts in groups.items():
                arrived.setdefault(argument, []).append(self._sum([p.sent for p in parts]))
            quiet = self.passes_on(step.node) or step.node in self.bound
            if quiet and len(summands) < 2:
                continue
            sent = () if quiet else tuple(self._sent(step.node, groups, arrived))
            computed = "" if quiet else expression(step.node, self.label)
            yield Backward(label, computed, summands, self.value[step.incoming], sent)

    def _sent(
        self, node: Node, groups: Mapping[Node, Sequence[Contribution]],
        arrived: Mapping[Node, Sequence[Array]],
    ) -> Iterator[Sent]:  # fmt: skip
        """What goes to each operand, once, be it used twice."""
        for argument, parts in groups.items():
            to, value = self.label(argument), arrived[argument][-1]
            locals_ = [p.local for p in parts if p.local is not None]
            if len(locals_) < len(parts):
                yield Sent(to, node.op.back, None, value)
                continue
            yield Sent(to, self._rule(node, to, locals_), self._sum(locals_), value)

    def _sum(self, nodes: Sequence[Node]) -> Array:
        return sum((self.value[n] for n in nodes[1:]), self.value[nodes[0]])

    def _rule(self, node: Node, to: str, locals_: Sequence[Node]) -> str:
        """A derivative as textbooks have it: 2 · x of x², the sum of all parts elsewhere."""
        if len(locals_) > 1 and node.op.name == "mul":
            return f"2 · {to}"
        texts = [_unwrapped(self.label(x)) for x in locals_]
        signed = [f"- {_unwrapped(t[1:])}" if t.startswith("-(") else f"+ {t}" for t in texts[1:]]
        return " ".join([texts[0], *signed])


def _by_argument(step: Step) -> dict[Node, list[Contribution]]:
    """What a step sends, by who receives it."""
    found: dict[Node, list[Contribution]] = {}
    for part in step.contributions:
        found.setdefault(part.argument, []).append(part)
    return found


def _unwrapped(text: str) -> str:
    """The text without brackets around the whole of it."""
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return text[1:-1] if at == len(text) - 1 and text.startswith("(") else text
    return text

"""Backpropagation, number by number: every step forward, every step back, and the update.

The graph is shown as the user wrote it, before any simplification. What only moves numbers about
(a scalar repeated for the one row, a reshape, the mean over one row) is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from descend.differentiate.reverse import Contribution, Step, reverse
from descend.graph.evaluate import evaluate
from descend.graph.node import Dim, Node, postorder
from descend.graph.source import CONST, INPUT, ROW_COUNT, const, value_of
from descend.lean import dataclass
from descend.records.record import jsonable
from descend.show.expressions import expression, number, value_text
from descend.visible import visible

__all__ = ["Backward", "Explanation", "Forward", "Sent", "Update", "explain_graph"]

Array = np.ndarray[Any, np.dtype[Any]]
WIDTH = 78
NEW_LINE = "\n      "


@dataclass(frozen=True)
class Forward:
    """One step of the forward pass: a label, what was written, what was done, what came out."""

    label: str
    written: str
    computed: str
    value: Any


@dataclass(frozen=True)
class Sent:
    """What one step of the backward pass sent to one of its operands."""

    to: str
    rule: str
    local: Any
    value: Any
    which: str = ""


@dataclass(frozen=True)
class Backward:
    """One step of the backward pass: what came in, from how many places, and what went out."""

    label: str
    computed: str
    summands: tuple[Any, ...]
    incoming: Any
    sent: tuple[Sent, ...]


@dataclass(frozen=True)
class Update:
    """The step that follows for one parameter."""

    name: str
    old: Any
    gradient: Any
    new: Any


@dataclass
class Explanation:
    """Everything that one step of gradient descent computes; `print` shows it.

    Attributes:
        title: what is explained; `given` are the data and parameters that it starts from.
        output: the label of the last forward step.
        rule: how the update is made, in words; `lr` is the learning rate, if it is plain descent.
    """

    title: str
    given: dict[str, dict[str, Any]]
    forward: list[Forward]
    backward: list[Backward]
    gradient: dict[str, Any]
    updates: list[Update] = field(default_factory=list)
    rule: str = ""
    lr: float | None = None
    output: str = "loss"

    def __str__(self) -> str:
        return visible("\n".join(_lines(self)))

    def _repr_html_(self) -> str:
        text = str(self).replace("&", "&amp;").replace("<", "&lt;")
        return f"<pre>{text}</pre>"

    def to_json_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {
            "kind": "explanation",
            "title": self.title,
        } | {
            name: jsonable(getattr(self, name))
            for name in ("given", "forward", "backward", "gradient", "rule", "updates")
        }


# --- from a graph ---------------------------------------------------------------------------------


def explain_graph(
    title: str,
    output: Node,
    parameters: Mapping[str, Node],
    bound: Mapping[Node, Array],
    names: Mapping[Node, str],
    origin: Callable[[Node], Any],
    data: Sequence[Node] = (),
    rows: Dim | None = None,
    output_name: str = "loss",
) -> Explanation:
    """Explain one forward and one backward pass through a graph.

    Args:
        output: the scalar that is differentiated.
        parameters: name → the input that it is differentiated by.
        bound: the value of every input.
        names: what inputs are called.
        origin: node → the place in the user's code, with `text` and `name`, or None.
        data: inputs that are no parameters and yet worth telling.
        rows: the symbolic number of rows, which is one here.
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
    return Explanation(title, given, forward, backward, slopes, output=output_name)


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
        for node in order:
            if node in self.labels or node.op in (CONST, INPUT, ROW_COUNT):
                continue
            if self.passes_on(node):
                self.labels[node] = self.label(node.args[0])
                continue
            if _is_constant(node, self.bound):
                continue
            computed = expression(node, self.label)
            place = self.origin(node)
            self.labels[node] = self._new_label(node, place)
            written = place.text if place is not None else ""
            yield Forward(self.labels[node], written, computed, self.value[node])

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
        for step in steps:
            label = self.label(step.node)
            quiet = self.passes_on(step.node) or step.node in self.bound
            if quiet and len(step.summands) < 2:
                continue
            summands = tuple(self.value[s] for s in step.summands)
            sent = () if quiet else tuple(self._sent(step))
            computed = "" if quiet else expression(step.node, self.label)
            yield Backward(label, computed, summands, self.value[step.incoming], sent)

    def _sent(self, step: Step) -> Iterator[Sent]:
        for part in step.contributions:
            local = None if part.local is None else self.value[part.local]
            factor = part.local
            rule = step.node.op.back if factor is None else _unwrapped(self.label(factor))
            to = self.label(part.argument)
            yield Sent(to, rule, local, self.value[part.sent], _ordinal(step, part))


def _unwrapped(text: str) -> str:
    """The text without brackets around the whole of it."""
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return text[1:-1] if at == len(text) - 1 and text.startswith("(") else text
    return text


def _ordinal(step: Step, part: Contribution) -> str:
    """Which of several operands it is, where one node stands in a step more than once."""
    alike = [c.position for c in step.contributions if c.argument is part.argument]
    if len(alike) < 2:
        return ""
    return f"as its {('first', 'second', 'third')[min(alike.index(part.position), 2)]} operand"


def _is_constant(node: Node, bound: Mapping[Node, Array]) -> bool:
    return not any(n in bound for n in postorder([node]))


# --- as text --------------------------------------------------------------------------------------


def _lines(e: Explanation) -> Iterator[str]:
    yield e.title
    for what, values in e.given.items():
        if values:
            listed = ", ".join(f"{name} = {value_text(v)}" for name, v in values.items())
            yield f"  {what}: {listed}"
    yield ""
    goal = "the loss" if e.output == "loss" else f"the result {e.output}"
    yield f"FORWARD PASS: from the parameters to {goal}"
    yield from _forward_lines(e.forward)
    yield ""
    yield f"BACKWARD PASS: from {goal} back to every parameter, by the chain rule"
    yield f"  it begins with d {e.output}/d {e.output} = 1; each step multiplies what comes in by"
    yield "  its local derivative, and sends the product on"
    for step in e.backward:
        yield from _backward_lines(step, e.output)
    yield ""
    yield "GRADIENT"
    width = max((len(name) for name in e.gradient), default=0)
    for name, value in e.gradient.items():
        yield f"  d {e.output}/d {name:<{width}} = {value_text(value)}"
    if e.updates:
        yield ""
        yield f"UPDATE: {e.rule}"
        yield from _update_lines(e)


def _forward_lines(steps: Sequence[Forward]) -> Iterator[str]:
    if not steps:
        return
    computed = [f"{s.label} = {s.computed}" for s in steps]
    wide = min(max(map(len, computed)), 44)
    values = [value_text(s.value) for s in steps]
    far = max(map(len, values))
    for step, text, value in zip(steps, computed, values, strict=True):
        written = f"    {step.written}" if step.written else ""
        yield f"  {text:<{wide}} = {value:<{far}}{written}".rstrip()


def _backward_lines(step: Backward, output: str) -> Iterator[str]:
    yield ""
    made = f" = {step.computed}" if step.computed else ""
    yield f"  at {step.label}{made}"
    if len(step.summands) > 1:
        terms = " + ".join(_bracketed(s) for s in step.summands)
        yield f"    used {len(step.summands)} times, so what comes in is a sum:"
        if len(terms) > WIDTH:
            terms = (" +" + NEW_LINE).join(_bracketed(s) for s in step.summands)
        yield f"      {terms} = {value_text(step.incoming)}"
    else:
        yield f"    comes in   d {output}/d {step.label} = {value_text(step.incoming)}"
    for part in step.sent:
        yield from _sent_lines(step, part)


def _sent_lines(step: Backward, part: Sent) -> Iterator[str]:
    if part.local is None:
        rule = f"    ({part.rule})" if part.rule else ""
        yield f"    goes out   to {part.to}: {value_text(part.value)}{rule}"
        return
    local = value_text(part.local)
    rule = f"{part.rule} = {local}" if part.rule not in (local, "") else local
    which = f"  ({part.which})" if part.which else ""
    yield f"    local      d {step.label}/d {part.to} = {rule}{which}"
    product = f"{_bracketed(step.incoming)} × {_bracketed(part.local)}"
    told = f"    goes out   to {part.to}: {product} = "
    if len(told) > WIDTH:
        yield told.rstrip()
        told = "                 "
    yield told + value_text(part.value)


def _bracketed(value: Any) -> str:
    text = value_text(value)
    return f"({text})" if text.startswith("-") else text


def _update_lines(e: Explanation) -> Iterator[str]:
    width = max(len(u.name) for u in e.updates)
    for u in e.updates:
        old, new = value_text(u.old), value_text(u.new)
        if e.lr is not None and np.ndim(u.old) == 0:
            how = f"{old} - {number(e.lr)} × {_bracketed(u.gradient)} = "
            begin, end = float(np.asarray(u.old)), float(np.asarray(u.new))
            plain = begin - e.lr * float(np.asarray(u.gradient))
            if abs(plain - end) > 1e-6 * max(abs(begin), abs(plain)):
                how += f"{value_text(plain)}, which its bound makes "
        elif np.ndim(u.old) == 0:
            step = float(np.asarray(u.new) - np.asarray(u.old))
            how = f"{old} {'-' if step < 0 else '+'} {value_text(abs(step))} = "
        else:
            indent = "\n" + " " * (width + 5)
            how = f"{old}{indent}+ {value_text(np.asarray(u.new) - np.asarray(u.old))}{indent}= "
        yield f"  {u.name:<{width}} ← {how}{new}"

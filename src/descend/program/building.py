"""A descent that is being built: its states, inputs and graphs so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.graph.elementwise import cast
from descend.graph.node import Node
from descend.graph.program import Kind
from descend.graph.source import const, input_node
from descend.parameters.bounded import Bounds
from descend.parameters.space import Entered
from descend.program.objective import refuse_coupling
from descend.program.recipe import Pass, Recipe
from descend.task.columns import column_key
from descend.trace.context import Trace
from descend.trace.effects import apart, noting
from descend.trace.model import Model
from descend.trace.tensor import wrap
from descend.trace.trace import trace_function

__all__ = ["COUNT", "FLOAT", "Building", "Nodes"]

FLOAT = np.dtype(np.float64)
COUNT = "update count"
Nodes = dict[str, Node]


class Building:
    """What is known of a descent while it is built, and how a stage adds to it."""

    def __init__(self, model: Model, recipe: Recipe) -> None:
        self.model, self.recipe = model, recipe
        self.optimizer = recipe.optimizer
        self.rows = model.rows
        self.leaves: Nodes = dict(model.leaves)  # what the optimizer sees, by the states' names
        self.entered: Entered | None = None
        self.bounds = Bounds(None, {})
        self.state: Nodes = {}
        self.kinds: dict[str, Kind] = {}
        self.begin: Nodes = {}  # before the first step
        self.start: Nodes = {}  # what that is made of
        self.new: Nodes = {}  # after a step
        self.after: Nodes = {}  # after an epoch
        self.data: Nodes = {column_key(n): node for n, node in model.data.items()}
        self.fixed: Nodes = {}
        self.captured: dict[str, Any] = {}
        self.traces = [model.trace]
        self.pieces: Nodes = {}  # leaf → its place in the vector of all parameters
        self.gradients: Nodes = {}
        self.equations: Nodes = {}
        self.shares = False  # whether large steps of a method are compiled by themselves
        self.ok: Node | None = None
        self.full: Node | None = None  # whether an update follows, where not every batch makes one
        self.index, self.mean = input_node("epoch"), input_node("mean loss")
        self.stop: Node = const(0, np.int64)
        self.records: Nodes = {}
        self.capture(model.trace)
        titles = {f"prediction {i}" if i else "prediction": n for i, n in enumerate(model.nodes)}
        self.passes = [Pass("trace", "the model, as it was written", titles)]

    # inputs

    def put_state(self, name: str, kind: Kind, begin: Node | float, form: Node | None = None
                  ) -> Node:  # fmt: skip
        """A new named slot; it keeps its value unless `new` or `after` says otherwise."""
        first = begin if isinstance(begin, Node) else const(begin)
        node = input_node(name, first.shape, first.dtype) if form is None else form
        self.state[name], self.kinds[name], self.begin[name] = node, kind, first
        return node

    def begins(self, name: str, like: Node) -> Node:
        """What the start of a call is entered as: a number or array like another."""
        return self.start.setdefault(name, input_node(name, like.shape, like.dtype))

    def numbers(self, part: str, owner: Any, dtype: Any = FLOAT) -> dict[str, Any]:
        """The run-time numbers of a loss, an optimizer, …, as stand-ins by flat name."""
        found = {}
        for name in owner.numbers():
            key = f"{part}.{name}"
            node = self.fixed.setdefault(key, input_node(key))
            found[name] = wrap(cast(node, dtype))
        return found

    def capture(self, trace: Trace) -> None:
        """Arrays that a traced function captured become fixed inputs."""
        known = set(self.fixed.values())
        for node, array in trace.captured:
            if node not in known:
                name = f"captured {len(self.captured)}"
                self.fixed[name], self.captured[name] = node, array

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """The nodes of what a function written in NumPy makes of these (nodes are stood in for)."""
        with noting(apart("a loss, a penalty or an optimizer")):
            traced = trace_function(function, args)
        self.capture(traced.trace)
        self.traces.append(traced.trace)
        return traced.result

    def run_apart(self, function: Callable[..., Any], *args: Any) -> Any:
        """The same, of a loss that is taken of some rows at a time."""
        found = self.run(function, *args)
        given = [n for arg in args for n in (arg if isinstance(arg, tuple) else (arg,))]
        self.refuse_coupling(found, *given)
        return found

    def refuse_coupling(self, losses: Node, *given: Any) -> None:
        """Refuse a loss whose rows know of one another; those of what is given are no matter."""
        refuse_coupling(losses, given, self.rows, self.traces[-1].origin, self.recipe.plan)

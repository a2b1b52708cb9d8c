"""A traced model: the user's function as a graph over rows and parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from descend.graph.node import Dim, Node, RowsAsked
from descend.graph.source import input_node
from descend.lean import dataclass
from descend.trace.context import Origin, Trace, tracing
from descend.trace.effects import Effects, noting
from descend.trace.formula import Formula
from descend.trace.indexing import WholeAsked
from descend.trace.tensor import Tensor, as_node, wrap
from descend.trace.trace import Traced, trace_function
from descend.trace.tree import Tree

__all__ = ["Model", "Spec", "Training", "trace_model"]

Nodes = dict[str, Node]


@dataclass(frozen=True)
class Spec:
    """The shape (without the rows) and the dtype of an array that will be bound later."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, array: Any, rows: bool = False) -> Spec:
        """The spec of an array, without its first axis if that is the rows."""
        return cls(array.shape[1:] if rows else array.shape, array.dtype)


@dataclass(frozen=True)
class Training:
    """A model as it trains, where that is another one than it serves as.

    Attributes:
        nodes: what it returned.
        effects: what it drew and kept, and the inputs of that.
        trace: its own captured arrays and places.
    """

    nodes: tuple[Node, ...]
    effects: Effects
    trace: Trace


@dataclass(frozen=True)
class Model:
    """A traced model: its prediction as a graph over rows and parameters.

    Attributes:
        rows: the symbolic number of rows, or the number itself where the model asked for it.
        data, leaves: the inputs by name; every leaf of a tree of parameters has its own.
        nodes: what the model returned: the prediction, or a pair of arrays for some losses.
        trace: the captured arrays and the places in the user's code.
        origins: places that the trace itself does not know (of formulas).
        why_rows: what asked for the number of rows, or an empty string.
        whole: the columns that the model uses as indices, though they are kept as floats.
        training: the model as it trains, if it draws random numbers or keeps running values; in
            `nodes` draws are their means, and running values are inputs.
    """

    rows: Dim | int
    data: Mapping[str, Node]
    leaves: Mapping[str, Node]
    nodes: tuple[Node, ...]
    trace: Trace
    origins: Mapping[Node, Origin] = field(default_factory=dict)
    why_rows: str = ""
    whole: frozenset[str] = frozenset()
    training: Training | None = None

    def outputs(self, n_rows: int) -> tuple[tuple[int, ...], ...]:
        """The shapes of what it returns for so many rows."""
        return tuple(
            tuple(n_rows if isinstance(n, Dim) else n for n in node.shape) for node in self.nodes
        )

    def origin(self, node: Node) -> Origin | None:
        """The place in the user's code, or the piece of his formula, that made the node."""
        return self.origins.get(node) if self.origins else self.trace.origin(node)


def trace_model(
    apply: Callable[..., Any],
    arrange: Callable[[Nodes, Nodes], tuple[Sequence[Any], Mapping[str, Any]]],
    data: Mapping[str, Spec],
    leaves: Mapping[str, Spec],
    n_rows: int | None = None,
    known: bool = False,
    whole: frozenset[str] = frozenset(),
) -> Model:
    """Run the model once over stand-ins for the rows and for every parameter.

    Args:
        apply: the user's function, or a formula.
        arrange: (data, leaves) → positional and keyword arguments of `apply`.
        n_rows: the number of rows, to trace again with if the model asks for it.
        known: trace with that number at once.
        whole: columns of floats that hold whole numbers, and may be used as indices.

    Raises:
        WholeAsked: another column is used as an index; its `column` names it.
    """
    if known and n_rows is not None:
        return _traced(apply, arrange, data, leaves, n_rows, "", whole)
    try:
        return _traced(apply, arrange, data, leaves, Dim("rows"), "", whole)
    except RowsAsked as asked:
        if n_rows is None:
            raise
        why = asked.why
    return _traced(apply, arrange, data, leaves, n_rows, why, whole)


def _traced(
    apply: Any, arrange: Any, data: Mapping[str, Spec], leaves: Mapping[str, Spec],
    rows: Dim | int, why: str, whole: frozenset[str],
) -> Model:  # fmt: skip
    columns = {n: input_node(n, (rows, *s.shape), s.dtype) for n, s in data.items()}
    inputs = {n: input_node(n, s.shape, s.dtype) for n, s in leaves.items()}
    args, kwargs = arrange(columns, inputs)
    if isinstance(apply, Formula):
        origins: dict[Node, Origin] = {}
        traced = _traced_formula(apply, kwargs, origins)
        nodes = tuple(traced.outputs)
        return Model(rows, columns, inputs, nodes, traced.trace, origins, why, whole)
    floats = [s.dtype for s in (*data.values(), *leaves.values()) if s.dtype.kind == "f"]
    effects = Effects(rows, np.result_type(*floats) if floats else np.dtype(np.float64))
    training = None
    try:
        marked = frozenset(columns[name] for name in whole)
        with noting(effects):
            traced = trace_function(apply, args, kwargs, marked)
        if effects.any:
            training = Training(tuple(traced.outputs), effects, traced.trace)
            with noting(effects.serving()):
                traced = trace_function(apply, args, kwargs, marked, traced.trace.notices)
    except WholeAsked as asked:
        asked.column = next((n for n, c in columns.items() if c is asked.node), None)
        raise
    nodes = tuple(traced.outputs)
    return Model(rows, columns, inputs, nodes, traced.trace, {}, why, whole, training)


def _traced_formula(
    formula: Formula, values: Mapping[str, Node], origins: dict[Node, Origin]
) -> Traced:
    """The formula over stand-ins; each node is remembered with the piece of text that made it."""

    def seen(piece: str, value: Any) -> None:
        if isinstance(value, Tensor):
            origins.setdefault(value.node, Origin("formula", 1, piece, None))

    with tracing() as trace:
        result = formula.evaluate({name: wrap(node) for name, node in values.items()}, seen)
        node = as_node(result)
    return Traced([node], Tree(), trace)

"""Running a model over stand-ins: a Python function becomes a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from descend.errors import TraceError
from descend.graph.node import Node
from descend.lean import dataclass
from descend.trace.context import ENTRIES, Trace, tracing
from descend.trace.randomness import without_draws
from descend.trace.refusals import nothing_swallowed
from descend.trace.stand_ins import finish, model_of, stand_in
from descend.trace.table import WHEN_MISSED
from descend.trace.tables import builtin, create, elementwise, questions  # noqa: F401  (entered)
from descend.trace.tensor import Tensor, as_node, wrap
from descend.trace.tree import Tree, flatten, unflatten

__all__ = ["Traced", "trace_function"]


def _enter_all_families() -> None:
    from descend.trace.tables import families  # noqa: F401  (entered)


WHEN_MISSED.append(_enter_all_families)


@dataclass(frozen=True)
class Traced:
    """What a model computes.

    Attributes:
        outputs: one node per leaf of what the model returned.
        tree: the form of what it returned; `result` puts the two together.
        trace: origins in the user's code, captured arrays, notices.
    """

    outputs: list[Node]
    tree: Tree
    trace: Trace

    @property
    def result(self) -> Any:
        """What the model returned, with a node at each leaf."""
        return unflatten(self.tree, self.outputs)

    @property
    def captured(self) -> list[tuple[Node, Any]]:
        """Inputs that the model takes from outside, with their arrays (read anew each call)."""
        return self.trace.captured


def trace_function(
    function: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    whole: frozenset[Node] = frozenset(),
    told: Mapping[str, str] | None = None,
) -> Traced:
    """Run a copy of the function over stand-ins and collect what it computes.

    Args:
        function: plain NumPy code.
        args: positional arguments: trees in which nodes become stand-ins; all else is handed on.
        kwargs: keyword arguments, likewise.
        whole: inputs of floats that hold whole numbers, so that they may be used as indices.
        told: warnings that an earlier trace has given, with their places.

    Raises:
        RowsAsked: the function asks for a number of rows that is symbolic: trace again with it.
        TraceError: the function does what has no meaning before the data is known.

    >>> from descend.graph.source import input_node
    >>> from descend.graph.text import graph_text
    >>> x = input_node("x")
    >>> print(graph_text(trace_function(lambda x: 2 * x + 1, [x]).outputs, ["y"]))
    %0 = const 2. : float64[]
    %1 = input x : float64[]
    %2 = mul %0 %1 : float64[]
    %3 = const 1. : float64[]
    %4 = add %2 %3 : float64[]
    y = %4
    """
    with tracing() as trace, nothing_swallowed():
        trace.whole |= whole
        trace.notices |= told or {}
        model = model_of(function, trace)
        given = [_wrapped(a, trace) for a in args]
        named = {k: _wrapped(a, trace) for k, a in (kwargs or {}).items()}
        result = model(*given, **named)
        finish(trace)
        leaves, tree = _result_leaves(function, result)
        return Traced([as_node(leaf) for leaf in leaves], tree, trace)


ENTRIES.add(trace_function.__code__)


def _wrapped(tree: Any, trace: Trace) -> Any:
    if isinstance(tree, Node):
        return wrap(tree)
    if isinstance(tree, ModuleType) or callable(tree):
        return stand_in(tree, trace)
    leaves, form = flatten(tree)
    if not any(isinstance(leaf, Node) for leaf in leaves):
        drawing = without_draws(tree)
        return tree if drawing is None else drawing
    return unflatten(form, [wrap(v) if isinstance(v, Node) else v for v in leaves])


def _result_leaves(function: Callable[..., Any], result: Any) -> tuple[list[Any], Tree]:
    if isinstance(result, Tensor):
        return [result], Tree()
    if result is None:
        name = getattr(function, "__name__", "the model")
        raise TraceError(f"{name} returns None", remedy="end it with `return` and the result")
    leaves, tree = flatten(result)
    for leaf in leaves:
        if isinstance(leaf, str) or callable(leaf):
            name = getattr(function, "__name__", "the model")
            raise TraceError(f"{name} returns {leaf!r}, which is not a number or an array")
    return leaves, tree

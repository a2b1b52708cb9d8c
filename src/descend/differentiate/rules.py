"""`custom_derivative`: a function whose derivative the user writes himself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from descend.differentiate.arguments import name_of
from descend.errors import UsageError
from descend.graph.custom import custom_nodes
from descend.graph.elementwise import cast
from descend.graph.linear import zeros
from descend.graph.node import Node
from descend.graph.source import input_node
from descend.graph.subgraph import Body, close_over
from descend.trace.context import current
from descend.trace.stand_ins import model_of
from descend.trace.tensor import Tensor, as_node, wrap
from descend.trace.trace import trace_function
from descend.trace.tree import Tree, flatten, unflatten

__all__ = ["CustomDerivative"]

Function = Callable[..., Any]
_ruling: ContextVar[frozenset[Any]] = ContextVar("descend_ruling", default=frozenset())


class CustomDerivative:
    """A function with its own derivative rule; see `descend.custom_derivative`."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.kind = ""
        self.rule: Function | None = None
        self.backward: Function | None = None
        self.__name__ = name_of(function)
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def defjvp(self, rule: Function) -> Function:
        """Set the forward rule: `rule(primals, tangents) -> (value, tangent of the value)`."""
        self.kind, self.rule = "jvp", rule
        return rule

    def defvjp(self, fwd: Function, bwd: Function) -> None:
        """Set the backward rule: `fwd(*args) -> (value, kept)` and `bwd(kept, cotangent) ->` one
        cotangent per argument (None for an argument without derivative)."""
        self.kind, self.rule, self.backward = "vjp", fwd, bwd

    def __call__(self, *args: Any) -> Any:
        trace = current()
        if trace is None:
            return self.function(*args)
        if self.rule is None:
            raise UsageError(
                f"custom_derivative: {self.__name__} has no rule yet",
                remedy=f"give it one with {self.__name__}.defjvp or {self.__name__}.defvjp",
            )
        if self in _ruling.get():
            # The rule itself calls the function: its value is meant.
            return model_of(self.function, trace)(*args)
        token = _ruling.set(_ruling.get() | {self})
        try:
            return self._apply(args)
        finally:
            _ruling.reset(token)

    def _apply(self, args: tuple[Any, ...]) -> Any:
        leaves, form = flatten(args)
        moving = [i for i, v in enumerate(leaves) if isinstance(v, Tensor) and v.dtype.kind == "f"]
        actual = [as_node(leaves[i]) for i in moving]
        inner = [input_node(f"arg{i}", n.shape, n.dtype) for i, n in enumerate(actual)]
        within = list(leaves)
        for i, n in zip(moving, inner, strict=True):
            within[i] = n
        args = unflatten(form, within)
        traced = trace_function(self.function, args)
        kinds = {"jvp": self._tangents, "vjp": self._cotangents}
        seeds, made = kinds[self.kind](args, form, moving, traced.outputs, traced.tree)
        count = len(traced.outputs)
        whole, captured = close_over([*inner, *seeds], [*traced.outputs, *made])
        fixed = whole.inputs[len(inner) + len(seeds) :]
        given = whole.inputs[: len(inner)]
        body = Body((*given, *fixed), whole.outputs[:count])
        rule = Body((*given, *fixed, *seeds), whole.outputs[count:])
        nodes = custom_nodes(body, rule, self.kind, actual, captured, self.__name__)
        return unflatten(traced.tree, [wrap(n) for n in nodes])

    def _tangents(
        self, args: Any, form: Tree, moving: Sequence[int], outputs: list[Node], tree: Tree
    ) -> tuple[list[Node], list[Node]]:
        """The forward rule as a graph from tangents of the arguments to those of the results."""
        leaves, _ = flatten(args)
        seeds = [input_node(f"tangent{i}", leaves[i].shape, leaves[i].dtype) for i in moving]
        dots: list[Any] = [np.zeros_like(v) if _is_number(v) else None for v in leaves]
        for i, seed in zip(moving, seeds, strict=True):
            dots[i] = seed
        assert self.rule is not None
        traced = trace_function(self.rule, [args, unflatten(form, dots)])
        result = traced.result
        if not isinstance(result, tuple) or len(result) != 2:
            raise self._wrong("the forward rule must return (value, tangent of the value)")
        made, _ = flatten(result[1])
        return seeds, self._fitting(made, outputs, "tangents of the value")

    def _cotangents(
        self, args: Any, form: Tree, moving: Sequence[int], outputs: list[Node], tree: Tree
    ) -> tuple[list[Node], list[Node]]:
        """The backward rule as a graph from cotangents of the results to those of the args."""
        seeds = [input_node(f"cotangent{i}", o.shape, o.dtype) for i, o in enumerate(outputs)]
        assert self.rule is not None and self.backward is not None
        pair = trace_function(self.rule, args).result
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise self._wrong("fwd must return (value, what bwd needs)")
        result = trace_function(self.backward, [pair[1], unflatten(tree, seeds)]).result
        result = tuple(result) if isinstance(result, (tuple, list)) else (result,)
        if len(result) != len(args):
            raise self._wrong(f"bwd returns {len(result)} cotangents for {len(args)} arguments")
        back: list[Any] = []
        for part, arg in zip(result, args, strict=True):
            count = len(flatten(arg)[0])
            leaves = [] if part is None else flatten(part)[0]
            back += leaves if len(leaves) == count else [None] * count
        leaves, _ = flatten(args)
        models = [leaves[i] for i in moving]
        rows = zip((back[i] for i in moving), models, strict=True)
        made = [zeros(m.shape, m.dtype) if b is None else b for b, m in rows]
        return seeds, self._fitting(made, models, "cotangents of the arguments")

    def _fitting(self, made: Sequence[Any], models: Sequence[Node], what: str) -> list[Node]:
        nodes = [as_node(m) for m in made]
        if [n.shape for n in nodes] != [m.shape for m in models]:
            shapes = [n.shape for n in nodes]
            wanted = [m.shape for m in models]
            raise self._wrong(f"the rule gives {what} of shapes {shapes}; expected {wanted}")
        return [cast(n, m.dtype) for n, m in zip(nodes, models, strict=True)]

    def _wrong(self, what: str) -> UsageError:
        return UsageError(f"custom_derivative: {self.__name__}: {what}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.ndarray, np.generic))

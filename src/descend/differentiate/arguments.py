"""Which arguments of a function are differentiated, and the stand-ins that take their place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.errors import UsageError, suggest
from descend.graph.node import Node
from descend.graph.source import input_node
from descend.trace.context import Trace
from descend.trace.tensor import Tensor, as_node
from descend.trace.trace import trace_function
from descend.trace.tree import Tree, flatten, leaf_names, unflatten

__all__ = ["Argnums", "Point", "name_of", "trace_at"]

Argnums = int | str | Sequence[int | str]
Key = int | str


@dataclass(frozen=True)
class Point:
    """A function traced at its arguments, with fresh inputs for what is differentiated.

    Attributes:
        inputs: one fresh input node per leaf of the differentiated arguments.
        values: what the caller gave for each leaf: an array, or a stand-in of an outer trace.
        trees: the form of each differentiated argument.
        keys: where each of them stands: a position or a keyword.
        single: whether one argument was named, and not a tuple of them.
        outputs: what the function returned, leaf by leaf; they may reach nodes of outer traces.
        tree: the form of what it returned.
        aux: for functions that return a pair with `has_aux`, its second half.
        trace: the trace of the function.
    """

    name: str
    inputs: list[Node]
    values: list[Any]
    trees: list[Tree]
    keys: list[Any]
    single: bool
    outputs: list[Node]
    tree: Tree
    trace: Trace
    aux: tuple[list[Node], Tree] | None = None

    def in_form(self, leaves: Sequence[Any]) -> Any:
        """One result per input leaf, in the form of the differentiated arguments."""
        trees, at = [], 0
        for tree, count in zip(self.trees, self.counts, strict=True):
            trees.append(unflatten(tree, leaves[at : at + count]))
            at += count
        return trees[0] if self.single else tuple(trees)

    @property
    def counts(self) -> list[int]:
        """The number of leaves of each differentiated argument."""
        return [len(leaf_names(tree)) for tree in self.trees]


def name_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", None) or type(function).__name__


def trace_at(
    function: Callable[..., Any],
    argnums: Argnums,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    has_aux: bool = False,
) -> Point:
    """Trace a function with the chosen arguments as fresh inputs, all others as they are.

    Raises:
        UsageError: an argument that does not exist, or that cannot be differentiated.
    """
    positional, named = list(args), dict(kwargs)
    single = isinstance(argnums, (int, str))
    chosen: Sequence[Key] = [argnums] if isinstance(argnums, (int, str)) else list(argnums)
    inputs: list[Node] = []
    values: list[Any] = []
    trees: list[Tree] = []
    keys: list[Key] = []
    for asked in chosen:
        key = _place(function, asked, len(positional), named)
        holder: Any = positional if isinstance(key, int) else named
        leaves, tree = flatten(holder[key])
        label = f"argument {asked!r}" if isinstance(asked, str) else f"argument {key}"
        fresh = [
            _fresh(function, leaf, label + part)
            for leaf, part in zip(leaves, _dotted(leaf_names(tree)), strict=True)
        ]
        inputs += fresh
        values += [_value(leaf) for leaf in leaves]
        trees.append(tree)
        keys.append(key)
        holder[key] = unflatten(tree, fresh)
    traced = trace_function(function, positional, named)
    outputs, tree, aux = traced.outputs, traced.tree, None
    if has_aux:
        outputs, tree, aux = _split_pair(function, traced.result)
    return Point(
        name_of(function), inputs, values, trees, keys, single, outputs, tree, traced.trace, aux
    )


def _split_pair(
    function: Callable[..., Any], result: Any
) -> tuple[list[Node], Tree, tuple[list[Node], Tree]]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise UsageError(
            f"{name_of(function)} does not return a pair, as has_aux=True says",
            remedy="return (value, other results), or leave has_aux out",
        )
    outputs, tree = flatten(result[0])
    return outputs, tree, flatten(result[1])


def _dotted(names: Sequence[str]) -> list[str]:
    return [n if not n or n.startswith("[") else f".{n}" for n in names]


def _place(function: Callable[..., Any], asked: Key, count: int, named: Mapping[str, Any]) -> Key:
    """Where the argument stands in this call: a position or a keyword."""
    if isinstance(asked, str):
        if asked in named:
            return asked
        parameters = _parameters(function)
        if asked in parameters and parameters.index(asked) < count:
            return parameters.index(asked)
        raise UsageError(
            f"{name_of(function)} is not given an argument {asked!r}"
            + suggest(asked, [*parameters, *named]),
            remedy="argnums takes positions or names of the arguments in the call",
        )
    position = asked + count if asked < 0 else asked
    if 0 <= position < count:
        return position
    parameters = _parameters(function)
    if 0 <= position < len(parameters) and parameters[position] in named:
        return parameters[position]
    raise UsageError(
        f"argnums={asked}, but {name_of(function)} is called with {count} positional arguments",
        remedy="name the argument: argnums='…'" if named else None,
    )


def _parameters(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def _value(leaf: Any) -> Any:
    if isinstance(leaf, (Tensor, Node)):
        return leaf
    return np.asarray(leaf, np.float64 if isinstance(leaf, int) else None)


def _fresh(function: Callable[..., Any], leaf: Any, label: str) -> Node:
    """A fresh input for one leaf; Python integers count as floats."""
    if isinstance(leaf, (Tensor, Node)):
        node = as_node(leaf)
        shape, dtype = node.shape, node.dtype
    elif isinstance(leaf, int) and not isinstance(leaf, bool):
        shape, dtype = (), np.dtype(np.float64)
    else:
        array = np.asarray(leaf)
        shape, dtype = array.shape, array.dtype
    if dtype.kind != "f":
        _refuse(function, label, dtype)
    return input_node(label.removeprefix("argument ").strip("'"), shape, dtype)


_REMEDIES = {
    "i": ("holds integers", "hand over floats, e.g. np.asarray(…, dtype=float)"),
    "u": ("holds integers", "hand over floats, e.g. np.asarray(…, dtype=float)"),
    "b": ("is a truth value", "name another argument in argnums"),
    "c": ("is complex", "compute with real and imaginary parts in arguments of their own"),
}


def _refuse(function: Callable[..., Any], label: str, dtype: np.dtype[Any]) -> None:
    what, remedy = _REMEDIES.get(
        dtype.kind, (f"is of dtype {dtype}", "name a numeric argument in argnums")
    )
    raise UsageError(
        f"{name_of(function)} cannot be differentiated for {label}: it {what}", remedy=remedy
    )

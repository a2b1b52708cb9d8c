"""Which arguments of a function are differentiated, and the stand-ins that take their place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import UsageError, suggest
from descend.graph.node import Node
from descend.graph.source import input_node
from descend.lean import dataclass
from descend.quantities import refuse_units
from descend.trace.context import Trace
from descend.trace.tensor import Tensor, as_node, wrap
from descend.trace.trace import trace_function
from descend.trace.tree import Tree, flatten, leaf_names, unflatten
from descend.trace.typing_rules import computed_in

__all__ = [
    "Argnums",
    "Form",
    "Key",
    "Point",
    "chosen_places",
    "has_stand_in",
    "like",
    "name_of",
    "trace_at",
]

Argnums = int | str | Sequence[int | str]
Key = int | str


@dataclass(frozen=True)
class Form:
    """The form of the differentiated arguments: one tree or, for several, a tuple of them."""

    trees: tuple[Tree, ...]
    counts: tuple[int, ...]
    single: bool

    def __call__(self, leaves: Sequence[Any]) -> Any:
        """One result per input leaf, in the form of the arguments."""
        if self.single and self.trees[0].is_leaf:
            return leaves[0]
        trees, at = [], 0
        for tree, count in zip(self.trees, self.counts, strict=True):
            trees.append(unflatten(tree, leaves[at : at + count]))
            at += count
        return trees[0] if self.single else tuple(trees)


@dataclass(frozen=True)
class Point:
    """A function traced at its arguments, with fresh inputs for what is differentiated.

    Attributes:
        inputs: one fresh input node per leaf of the differentiated arguments.
        values: what the caller gave for each leaf: an array, or a stand-in of an outer trace.
        form: the form of the differentiated arguments.
        keys: where each of them stands: a position or a keyword.
        given: every leaf that got an input, in the order of the call, with its value.
        outputs: what the function returned, leaf by leaf; they may reach nodes of outer traces.
        tree: the form of what it returned.
        aux: for functions that return a pair with `has_aux`, its second half.
        trace: the trace of the function.
    """

    name: str
    inputs: list[Node]
    values: list[Any]
    form: Form
    keys: list[Key]
    given: list[tuple[Node, Any]]
    outputs: list[Node]
    tree: Tree
    trace: Trace
    aux: tuple[list[Node], Tree] | None = None


def like(tree: Tree, given: Any) -> Any:
    """The same leaves in the order of another tree of the same names (of dicts, say).

    A tree with other names is returned as it is: whoever counts its leaves will refuse it.
    """
    leaves, own = flatten(given)
    if own == tree:
        return given
    names, wanted = leaf_names(own), leaf_names(tree)
    if sorted(names) != sorted(wanted):
        return given
    found = dict(zip(names, leaves, strict=True))
    return unflatten(tree, [found[name] for name in wanted])


def name_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", None) or type(function).__name__


def trace_at(
    function: Callable[..., Any],
    argnums: Argnums,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    has_aux: bool = False,
    others: bool = False,
) -> Point:
    """Trace a function with the chosen arguments as fresh inputs.

    Args:
        others: whether numbers in the other arguments get inputs too; else they are handed on.

    Raises:
        UsageError: an argument that does not exist, or that cannot be differentiated.
    """
    places = chosen_places(function, argnums, len(args), kwargs)
    holder: dict[Key, Any] = dict(enumerate(args)) | dict(kwargs)
    labels = dict(zip(places, _asked(argnums), strict=True))
    fresh: dict[Key, tuple[Tree, list[tuple[Node, Any]]]] = {}
    given: list[tuple[Node, Any]] = []
    for key, value in holder.items():
        if key in labels:
            fresh[key] = _chosen(function, key, labels[key], value)
            holder[key] = unflatten(fresh[key][0], [node for node, _ in fresh[key][1]])
            given += fresh[key][1]
        elif others:
            holder[key] = _stood_in(key, value, given)
    positional = [holder[i] for i in range(len(args))]
    traced = trace_function(function, positional, {k: holder[k] for k in kwargs})
    outputs, tree, aux = traced.outputs, traced.tree, None
    if has_aux:
        outputs, tree, aux = _split_pair(function, traced.result)
    chosen = [fresh[key] for key in places]
    pairs = [pair for _, leaves in chosen for pair in leaves]
    form = Form(
        tuple(tree for tree, _ in chosen), tuple(len(leaves) for _, leaves in chosen),
        isinstance(argnums, (int, str)),
    )  # fmt: skip
    return Point(
        name_of(function), [n for n, _ in pairs], [v for _, v in pairs], form, places, given,
        outputs, tree, traced.trace, aux,
    )  # fmt: skip


def _asked(argnums: Argnums) -> list[Key]:
    return [argnums] if isinstance(argnums, (int, str)) else list(argnums)


def chosen_places(
    function: Callable[..., Any], argnums: Argnums, count: int, named: Mapping[str, Any]
) -> list[Key]:
    """Where the differentiated arguments stand in a call with so many positional arguments."""
    return [_place(function, asked, count, named) for asked in _asked(argnums)]


def _chosen(
    function: Callable[..., Any], key: Key, asked: Key, value: Any
) -> tuple[Tree, list[tuple[Node, Any]]]:
    """The form of a differentiated argument; a fresh input and the value of each of its leaves."""
    leaves, tree = flatten(value)
    label = f"argument {asked!r}" if isinstance(asked, str) else f"argument {key}"
    return tree, [
        (_fresh(function, leaf, label + part), _value(leaf))
        for leaf, part in zip(leaves, _dotted(leaf_names(tree)), strict=True)
    ]


_PLAIN = (int, str, bool, type(None))


def has_stand_in(leaf: Any) -> bool:
    """Whether a leaf of an argument that is not differentiated may get an input of its own."""
    if isinstance(leaf, (np.ndarray, np.generic)):
        return leaf.dtype.kind in "biuf"
    return type(leaf) is float


def _stood_in(key: Key, value: Any, given: list[tuple[Node, Any]]) -> Any:
    """The argument with stand-ins for its arrays and floats; integers and the like stay."""
    if type(value) in _PLAIN:
        return value
    leaves, tree = flatten(value)
    if not any(map(has_stand_in, leaves)):
        return value
    images = list(leaves)
    for i, leaf in enumerate(leaves):
        if has_stand_in(leaf):
            array = np.asarray(leaf)
            node = input_node(f"{key}", array.shape, computed_in(array.dtype))
            given.append((node, _value(leaf)))
            images[i] = wrap(node, weak=type(leaf) is float)
    return unflatten(tree, images)


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
    dtype = np.asarray(leaf).dtype
    return np.asarray(leaf, np.float64 if isinstance(leaf, int) else computed_in(dtype))


def _fresh(function: Callable[..., Any], leaf: Any, label: str) -> Node:
    """A fresh input for one leaf; Python integers count as floats."""
    if isinstance(leaf, (Tensor, Node)):
        node = as_node(leaf)
        shape, dtype = node.shape, node.dtype
    elif isinstance(leaf, int) and not isinstance(leaf, bool):
        shape, dtype = (), np.dtype(np.float64)
    else:
        refuse_units(leaf, label, UsageError)
        array = np.asarray(leaf)
        shape, dtype = array.shape, computed_in(array.dtype)
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

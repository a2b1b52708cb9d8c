"""What the user's call says: which arguments are data, which are parameters, what is the target."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from descend.data.frames import bind_inputs, column_names, is_table, take_columns
from descend.data.validate import real_array
from descend.errors import UsageError, suggest, warn
from descend.graph.node import Node
from descend.lean import dataclass
from descend.models.reading import formula_bounds, parse_formula
from descend.task.checks import listed_names
from descend.trace.formula import Formula
from descend.trace.tree import Tree, unflatten

if TYPE_CHECKING:
    from descend.models.model import Model
    from descend.networks.network import Network

__all__ = [
    "Problem",
    "Signature",
    "called", "is_setting",
    "formula_problem",
    "function_problem",
    "signature_of",
]

Array = np.ndarray[Any, np.dtype[Any]]


class Signature(NamedTuple):
    """The arguments of a function: those given by position, those by keyword, and defaults."""

    positional: tuple[str, ...]
    keywords: tuple[str, ...]
    defaults: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        return self.positional + self.keywords


@dataclass
class Problem:
    """A model with its data, before anything is traced.

    Attributes:
        function: the user's function, or a formula.
        columns: data argument → array, rows first.
        y, target: the target and what the user calls it.
        parameters: names of the parameters, in the order of the signature.
        constants: argument → value, for arguments that are neither.
        defaults: parameter → its default argument.
        binding: the line that says which name of a formula is what.
        ready: the ready models that it is made of, which guess a start; or None.
        ranges: parameter → the bounds that a ready model gives it where nothing else is said.
        bare: whether the only parameter is given and returned without its name.
        usual: option → what stands for it where nothing is said, if not its default.
        begins: where parameters begin that have a default, in words.
        draws: of a seed, what draws these defaults; None where they are numbers.
        network: the network that the function is of, which works in single precision; or None.
        matrix: the names of the columns of x, where a table was made a matrix of.
        classes: the labels that the numbers of the target stand for, or None.
        shares: whether the target holds how probable classes are.
        class_weights: how much more the rows of each class weigh, by its number; or None.
    """

    name: str
    function: Callable[..., Any]
    signature: Signature
    columns: dict[str, Array]
    y: Array | None
    target: str
    parameters: tuple[str, ...]
    constants: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    binding: str = ""
    ready: Model | Formula | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    bare: bool = False
    usual: Mapping[str, Any] = field(default_factory=dict)
    begins: str = ""
    draws: Callable[[int], Mapping[str, Array]] | None = None
    network: Network | None = None
    matrix: tuple[str, ...] = ()
    classes: Array | None = None
    shares: bool = False
    class_weights: Array | None = None

    @property
    def network_indices(self) -> int:
        """How many different whole numbers the columns of a network may hold; 0 for numbers."""
        return 0 if self.network is None else self.network.indices

    def arrange(
        self, trees: Mapping[str, Tree], leaves: Mapping[str, tuple[str, ...]]
    ) -> Callable[[Mapping[str, Node], Mapping[str, Node]], tuple[list[Any], dict[str, Any]]]:
        """Return what makes the model's arguments of nodes for columns and leaves."""

        def arranged(
            columns: Mapping[str, Node], nodes: Mapping[str, Node]
        ) -> tuple[list[Any], dict[str, Any]]:
            values: dict[str, Any] = {**self.constants, **columns}
            for name, tree in trees.items():
                values[name] = unflatten(tree, [nodes[leaf] for leaf in leaves[name]])
            return ([], values) if isinstance(self.function, Formula) else self.arguments(values)

        return arranged

    def arguments(self, values: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of the function, by position and by keyword."""
        own = self.signature
        given = [values[name] for name in own.positional if name in values]
        return given, {name: values[name] for name in own.keywords if name in values}


_signatures: weakref.WeakKeyDictionary[Any, Signature] = weakref.WeakKeyDictionary()


def signature_of(function: Callable[..., Any]) -> Signature:
    """Return the arguments of a function, remembered as long as the function lives.

    A model of ours may have a `signature`: columns can be called what no argument can.

    Raises:
        UsageError: it takes `*args` or `**kwargs`, or its arguments cannot be read.

    >>> signature_of(lambda x, a, *, b=2.0: a * x + b)
    Signature(positional=('x', 'a'), keywords=('b',), defaults={'b': 2.0})
    """
    own = getattr(function, "signature", None)
    if isinstance(own, Signature):
        return own
    try:
        found = _signatures.get(function)
    except TypeError:
        found = None
    if found is None:
        found = _read_signature(function)
        try:
            _signatures[function] = found
        except TypeError:
            return found
    return found


def _read_signature(function: Callable[..., Any]) -> Signature:
    name = getattr(function, "__name__", type(function).__name__)
    try:
        listed = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise UsageError(
            f"the arguments of {name} cannot be read",
            remedy="wrap it in a function of your own: def model(x, a, b): …",
        ) from None
    for entry in listed:
        if entry.kind in (entry.VAR_POSITIONAL, entry.VAR_KEYWORD):
            star = "*" if entry.kind is entry.VAR_POSITIONAL else "**"
            raise UsageError(
                f"{name} takes {star}{entry.name}, so its parameters have no names",
                remedy=f"name them, or take one array: def {name}(x, {entry.name}): …",
            )
    keywords = tuple(e.name for e in listed if e.kind is e.KEYWORD_ONLY)
    positional = tuple(e.name for e in listed if e.kind is not e.KEYWORD_ONLY)
    defaults = {e.name: e.default for e in listed if e.default is not e.empty}
    return Signature(positional, keywords, defaults)


def called(function: Any) -> tuple[Signature, Callable[..., Any], str]:
    """The arguments of a function or a formula, what is called, and its name in words.

    >>> called(lambda x, *, a=1.0: a * x)[2], called("a*x")[2]
    ('lambda(x, a)', 'a*x')
    """
    if isinstance(function, str | Formula):
        formula = parse_formula(function) if isinstance(function, str) else function
        return Signature((), formula.names, {}), formula, formula.text
    own, name = signature_of(function), getattr(function, "__name__", type(function).__name__)
    title = "lambda" if name == "<lambda>" else name
    return own, function, f"{title}({', '.join(own.names)})"


def is_setting(default: Any) -> bool:
    """Whether an argument with this default says how a model works, and is no parameter.

    >>> is_setting("same"), is_setting(None), is_setting(np), is_setting(np.exp), is_setting(1.0)
    (True, True, True, True, False)
    """
    kinds = (type(None), str, bool, ModuleType)
    return isinstance(default, kinds) or callable(default)


def function_problem(
    function: Callable[..., Any], x: Any, y: Any, constants: Any = None
) -> Problem:
    """Read the call `fit(function, x, y)`.

    Raises:
        UsageError: no data, no target, no parameters, or names that do not agree.
    """
    own, _, title = called(function)
    name = getattr(function, "__name__", type(function).__name__)
    if x is None:
        raise UsageError("there is no data", remedy=f"write fit({name}, x, y)")
    fixed = _constants(own, constants, name)
    arguments = [n for n in own.names if n not in fixed]
    x, y, target = _take_target(x, y, arguments, name)
    columns = bind_inputs(x, arguments)
    constant = {
        n: v for n, v in own.defaults.items()
        if n not in columns and n not in fixed and is_setting(v)
    }  # fmt: skip
    parameters = tuple(n for n in arguments if n not in columns and n not in constant)
    if not parameters:
        raise UsageError(
            f"{name} has no parameters: all its arguments ({', '.join(columns)}) are data",
            remedy="give the model arguments that are not data, such as def model(x, a, b): …",
        )
    defaults = {n: own.defaults[n] for n in parameters if n in own.defaults}
    return Problem(
        title, function, own, columns, real_array(y, target), target,
        parameters, {**constant, **fixed}, defaults,
    )  # fmt: skip


def _take_target(x: Any, y: Any, arguments: Iterable[str], name: str) -> tuple[Any, Any, str]:
    """The target by itself: `y` as an array, or as the name of a column of the table."""
    if isinstance(y, str):
        if not is_table(x):
            raise UsageError(
                f'y="{y}" names a column, and x is no table', remedy="give y as an array"
            )
        target = take_columns(x, [y])[y]
        rest = [c for c in column_names(x) if c != y] if isinstance(x, Mapping) else None
        return ({c: x[c] for c in rest} if rest is not None else x), target, y
    if y is None:
        hint = " or y=\"column\"" if is_table(x) else ""
        raise UsageError(f"there is no target y{hint}", remedy=f"write fit({name}, x, y)")
    return x, y, "y"


def _constants(own: Signature, constants: Any, name: str) -> dict[str, Any]:
    if constants is None:
        return {}
    values = dict(constants) if isinstance(constants, Mapping) else None
    names = list(values if values is not None else listed_names("constants", constants))
    for constant in names:
        if constant not in own.names:
            raise UsageError(
                f'constants= names "{constant}", and {name} has no such argument'
                f"{suggest(constant, own.names)}"
            )
        if values is None and constant not in own.defaults:
            raise UsageError(
                f'the constant "{constant}" has no value',
                remedy=f"write constants=dict({constant}=…), or give the argument a default",
            )
    return values if values is not None else {c: own.defaults[c] for c in names}


def formula_problem(
    formula: str | Formula, x: Any, y: Any, start: Any = None, params: Iterable[str] | None = None
) -> Problem:
    """Read the call `fit("y = a*x + b", table)`.

    Raises:
        UsageError: there is no table.
        FormulaError: the formula cannot be read, or its names do not agree with the table.
    """
    read = parse_formula(formula) if isinstance(formula, str) else formula
    if not is_table(x):
        target = read.target or "y"
        raise UsageError(
            "a formula knows its data by name, and x has none",
            remedy=f'give a dict of columns or a frame, such as {{"x": x, "{target}": {target}}}',
        )
    columns = column_names(x)
    if y is not None and not isinstance(y, str) and read.target is not None:
        columns = [c for c in columns if c != read.target] + [read.target]
    given = list(start) if isinstance(start, Mapping) else None
    bound = read.bind(columns, params, given)
    taken = take_columns(x, [c for c in bound.data if c in column_names(x)])
    target = bound.target or "y"
    values = take_columns(x, [target])[target] if y is None else real_array(y, target)
    if not bound.parameters:
        why = "all its names are columns" if taken else "there is no name in it"
        raise UsageError(
            f'"{read.text}" has no parameters: {why}',
            remedy="write the unknown numbers as names, such as y = a*x + b",
        )
    if not bound.data:
        warn(
            f'"{read.text}" uses no column besides its target: '
            f"its parameters ({', '.join(bound.parameters)}) describe {target} alone"
        )
    signature = Signature((), bound.data + bound.parameters, {})
    return Problem(
        read.text, read, signature, taken, values, target, bound.parameters, binding=str(bound),
        ready=read if read.own else None, ranges=formula_bounds(read),
    )  # fmt: skip

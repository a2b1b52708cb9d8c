"""Ready models as values: added, multiplied, named apart, called, and handed to `fit`."""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.models.guess import guess_tree
from descend.models.kind import FREE, Kind
from descend.models.table import kind_of
from descend.models.tree import (
    Single,
    Term,
    labels_of,
    prefixes_of,
    relabelled,
    singles_of,
    written,
)
from descend.trace.tensor import as_node, is_traced, wrap

__all__ = ["Model", "as_model"]


class Model:
    """A ready model, or a sum or product of them: a function that also knows where to start.

    `model(x, …)` evaluates it, `descend.fit(model, x, y)` fits it, `+` and `*` compose. Where the
    names of two parts would clash, those parts are called by their kind (`gaussian_center`), and
    by a number as well if the kind is the same (`gaussian1_center`), unless they have a prefix.

    >>> import descend
    >>> model = descend.models.gaussian() + descend.models.linear()
    >>> model
    gaussian() + linear()
    >>> model.parameters
    ('amplitude', 'center', 'sigma', 'slope', 'intercept')
    >>> (descend.models.gaussian() + descend.models.gaussian(prefix="b_")).parameters
    ('amplitude', 'center', 'sigma', 'b_amplitude', 'b_center', 'b_sigma')
    """

    __slots__ = ("tree",)

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        names = self.parameters
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise UsageError(
                f"two parts of {self!r} have a parameter {twice[0]}",
                remedy="give each its own prefix: gaussian(prefix=\"g1_\")",
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self.tree == other.tree

    def __hash__(self) -> int:
        return hash(self.tree)

    # --- what it is made of

    @property
    def singles(self) -> tuple[Single, ...]:
        """Its ready models, from left to right."""
        return tuple(singles_of(self.tree))

    @property
    def labels(self) -> tuple[str, ...]:
        """What each of them is called: its prefix, or its kind, numbered where there are more.

        >>> import descend.models as m
        >>> (m.gaussian() + m.gaussian() + m.linear(prefix="base_")).labels
        ('gaussian1', 'gaussian2', 'base')
        """
        return labels_of(self.singles)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What stands before the names of each one's parameters."""
        return prefixes_of(self.singles)

    @property
    def data(self) -> tuple[str, ...]:
        """The names of the data: x, or x and y where a part is a function of both."""
        return max((single.kind.data for single in self.singles), key=len)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of all parameters, in the order of the arguments."""
        named = zip(self.prefixes, self.singles, strict=True)
        return tuple(prefix + name for prefix, s in named for name in s.kind.parameters)

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Parameter → the range in which it has its meaning; those without limit are left out.

        >>> import descend
        >>> descend.models.pseudo_voigt().bounds
        {'sigma': (0.0, inf), 'fraction': (0.0, 1.0)}
        """
        named = zip(self.prefixes, self.singles, strict=True)
        pairs = ((prefix + n, b) for prefix, s in named for n, b in s.kind.bounds.items())
        return {name: bounds for name, bounds in pairs if bounds != FREE}

    # --- a function

    @property
    def __signature__(self) -> inspect.Signature:
        return _signature(self.data, self.parameters)

    @property
    def __name__(self) -> str:
        return self.formula

    @property
    def formula(self) -> str:
        """The model as it would stand in a formula.

        >>> import descend.models as m
        >>> ((m.gaussian() + m.linear()) * m.sine()).formula
        '(gaussian(x) + linear(x)) * sine(x)'
        """
        return written(self.tree, lambda s: f"{s.kind.name}({', '.join(s.kind.data)})")

    @property
    def function(self) -> Callable[..., Any]:
        """A plain function of data and parameters: the same one for equal models."""
        return _function(self.tree, self.data, self.parameters)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate it, given data and parameters by position or by name.

        >>> import descend
        >>> descend.models.linear()(np.array([0.0, 1.0]), slope=2.0, intercept=1.0)
        array([1., 3.])
        """
        try:
            bound = self.__signature__.bind(*args, **kwargs)
        except TypeError as problem:
            raise UsageError(
                f"{self!r}: {problem}",
                remedy=f"its arguments are {', '.join(self.data + self.parameters)}",
            ) from None
        given = bound.arguments.values()
        return self.function(*map(_floats, given))

    def guess(self, x: Any, y: Any, **given: float) -> dict[str, float]:
        """Start values from data: what `fit` begins with where nothing else is said.

        Args:
            x: (n,), or a tuple of the data's columns; rows in any order.
            y: (n,) the target.
            given: parameters that are known already.

        Raises:
            UsageError: columns of different lengths, a name that is no parameter, no finite row.

        >>> import descend
        >>> x = np.linspace(0.0, 10.0, 50)
        >>> descend.models.linear().guess(x, 3 * x + 1)
        {'slope': 3.0, 'intercept': 1.0}
        """
        columns = x if isinstance(x, tuple) else (x,)
        return guess_tree(self.tree, self.prefixes, columns, y, given)

    def addends(self) -> dict[str, Model]:
        """The parts of a sum by their labels, each with the names that it has in the sum.

        >>> import descend.models as m
        >>> both = (m.sine() + m.sine()).addends()
        >>> both["sine2"].parameters
        ('sine2_amplitude', 'sine2_frequency', 'sine2_shift')
        """
        named = iter(zip(self.prefixes, self.labels, strict=True))
        parts = self.tree.parts if isinstance(self.tree, Term) and self.tree.sign == "+" else ()
        found: dict[str, Model] = {}
        for part in parts or (self.tree,):
            own = [(s.kind, *next(named)) for s in singles_of(part)]
            fixed = iter([Single(kind, prefix) for kind, prefix, _ in own])
            label = " * ".join(label for _, _, label in own)
            found[label] = Model(relabelled(part, fixed))
        return found

    # --- composition

    def __add__(self, other: Any) -> Model:
        return Model(_joined("+", self, other))

    def __mul__(self, other: Any) -> Model:
        return Model(_joined("*", self, other))

    def __reduce__(self) -> tuple[Any, ...]:
        return (_from_spec, (_spec(self.tree),))

    def __repr__(self) -> str:
        return written(self.tree, _called)


def _floats(value: Any) -> Any:
    """An argument as an array of floats; inside of another model, what stands for it."""
    return wrap(as_node(value, np.float64)) if is_traced(value) else np.asarray(value, float)


def as_model(kind: Kind, prefix: str | None = None) -> Model:
    """A model of one kind, its parameters after a prefix.

    Raises:
        UsageError: a prefix that cannot begin a name.
    """
    if prefix is not None and not (isinstance(prefix, str) and (prefix + "a").isidentifier()):
        raise UsageError(
            f"prefix={prefix!r} cannot begin a name", remedy='write prefix="g1_", for instance'
        )
    return Model(Single(kind, prefix or None))


def _spec(tree: Any) -> tuple[Any, ...]:
    """A tree as names alone."""
    if isinstance(tree, Single):
        return tree.kind.name, tree.prefix
    return (tree.sign, *(_spec(part) for part in tree.parts))


def _from_spec(spec: tuple[Any, ...]) -> Model:
    def made(spec: tuple[Any, ...]) -> Any:
        if spec[0] in ("+", "*"):
            return Term(spec[0], tuple(made(part) for part in spec[1:]))
        return Single(kind_of(spec[0]), spec[1])

    return Model(made(spec))


def _called(single: Single) -> str:
    own = "" if single.prefix is None else f"prefix={single.prefix!r}"
    return f"{single.kind.name}({own})"


def _joined(sign: str, left: Model, right: Any) -> Term:
    if not isinstance(right, Model):
        raise UsageError(
            f"a ready model is composed with others, not with {type(right).__name__}",
            remedy="write + descend.models.constant() for a number that is fitted",
        )
    parts: list[Any] = []
    for tree in (left.tree, right.tree):
        flat = isinstance(tree, Term) and tree.sign == sign
        parts += tree.parts if flat else [tree]
    return Term(sign, tuple(parts))


@functools.lru_cache(maxsize=256)
def _signature(data: tuple[str, ...], parameters: tuple[str, ...]) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(name, kind) for name in data + parameters])


@functools.lru_cache(maxsize=256)
def _function(
    tree: Any, data: tuple[str, ...], parameters: tuple[str, ...]
) -> Callable[..., Any]:
    """Closures over plain functions, so that a model's copy of itself reaches every part."""
    made, _ = _part(tree, len(data))

    def composed(*values: Any) -> Any:
        return made(values)

    composed.__signature__ = _signature(data, parameters)  # type: ignore[attr-defined]
    composed.__name__ = Model(tree).formula
    return composed


def _part(tree: Any, first: int) -> tuple[Callable[[Any], Any], int]:
    """What a part computes of all values, and where the next part's parameters begin."""
    if isinstance(tree, Single):
        function, own = tree.kind.function, len(tree.kind.data)
        last = first + len(tree.kind.parameters)

        def single(values: Any) -> Any:
            return function(*values[:own], *values[first:last])

        return single, last
    parts, at = [], first
    for tree_of in tree.parts:
        part, at = _part(tree_of, at)
        parts.append(part)
    return _together(tree.sign, tuple(parts)), at


def _together(sign: str, parts: tuple[Callable[[Any], Any], ...]) -> Callable[[Any], Any]:
    def added(values: Any) -> Any:
        total = parts[0](values)
        for part in parts[1:]:
            total = total + part(values)
        return total

    def multiplied(values: Any) -> Any:
        total = parts[0](values)
        for part in parts[1:]:
            total = total * part(values)
        return total

    return added if sign == "+" else multiplied

"""How large a parameter can be, read off the model: what it is compared with, and what it scales.

Whatever a function like exp is given has no unit, and neither do exponents; what is added or
compared has the same one. These are equations for the logarithms of the parameters' sizes, in
those of the columns and of the constants in the model (after Kennedy, "Types for units-of-measure",
2010, with numbers in place of names). So a rate turns out to be 1 over a length of x, a width to be
one, a place to lie where x lies, and a constant of 4e-10 in the model moves its parameter by as
much. What does not follow is left open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from descend.graph.node import Node, postorder
from descend.graph.source import CONST, INPUT, value_of

__all__ = ["Role", "roles_of"]

Form = dict[str, float]
"""The logarithm of a size: a sum of those of columns, parameters and `CONSTANT`, by name."""

CONSTANT = "1"
TARGET = "target"
TINY = 1e-9


class Role(NamedTuple):
    """What kind of number a parameter is.

    Attributes:
        kind: `place` (where a column lies), `shift` (the same, or a size that is added to it),
            `size`, `frequency`, `phase`, `number` (without a unit), `offset` (that is added to
            one), or `open`.
        powers: of the columns that it is a product of, by name.
        factor: what it is multiplied by besides; of a place it has a sign.
        settles: whether a change of it alone only moves a wave along.
    """

    kind: str
    powers: tuple[tuple[str, float], ...] = ()
    factor: float = 1.0
    settles: bool = False


def roles_of(
    outputs: Sequence[Node], columns: Mapping[str, Node], leaves: Mapping[str, Node]
) -> dict[str, Role]:
    """What kind of number each parameter is.

    Args:
        outputs: the prediction, which has the unit of `target` if that is among the columns.
        columns: the data by name. leaves: the parameters by name.

    >>> from descend.graph.source import input_node
    >>> from descend.graph.elementwise import call
    >>> x, k, m = (input_node(name) for name in ("x", "k", "m"))
    >>> y = call("exp", call("mul", k, call("sub", x, m)))
    >>> found = roles_of([y], {"x": x}, {"k": k, "m": m})
    >>> found["k"].kind, found["k"].powers, found["m"].kind
    ('size', (('x', -1.0),), 'place')
    """
    reading = _Reading(outputs, columns, leaves)
    return {name: reading.role(name) for name in leaves}


class _Copy(NamedTuple):
    """A column or a parameter, times a number."""

    name: str
    factor: float


class _Reading:
    """The equations of a model and what follows from them."""

    def __init__(
        self, outputs: Sequence[Node], columns: Mapping[str, Node], leaves: Mapping[str, Node]
    ) -> None:
        self.names = {node: f"column {name}" for name, node in columns.items()}
        self.names |= {node: f"parameter {name}" for name, node in leaves.items()}
        self.forms: dict[Node, Form | None] = {}
        self.copies: dict[Node, _Copy] = {}
        self.below: dict[Node, frozenset[str]] = {}
        self.equations: list[list[Form]] = [[], [], []]
        self.places: dict[str, _Copy] = {}
        self.shifts: set[str] = set()
        self.offsets: set[str] = set()
        self.phases: dict[str, float] = {}
        self.waves: set[str] = set()
        self.ratios: set[str] = set()
        nodes = postorder(outputs)
        for node in nodes:
            self.below[node] = frozenset().union(
                *(self.below[a] for a in node.args), {self.names[node]} & set(self.names.values())
                if node in self.names else (),
            )  # fmt: skip
            self._copy(node)
            self.forms[node] = self._form(node)
        for node in outputs if TARGET in columns else ():
            self._equal(self.forms[node], {f"column {TARGET}": 1.0}, 2)
        self.solved = _solved([e for group in self.equations for e in group])

    # --- the equations

    def _equal(self, a: Form | None, b: Form | None, rank: int) -> None:
        if a is not None and b is not None:
            self.equations[rank].append(_sum(a, b, -1.0))

    def _pure(self, form: Form | None) -> None:
        self._equal(form, {}, 0)

    def _form(self, node: Node) -> Form | None:
        """The size of a node, where its arguments have theirs; what must be equal is noted."""
        units, args = node.op.units, [self.forms[a] for a in node.args]
        if node in self.names:
            return {self.names[node]: 1.0}
        if node.op is CONST:
            return _constant(node)
        if node.op is INPUT:
            return None
        if units in ("product", "quotient"):
            sign = 1.0 if units == "product" else -1.0
            return None if None in args else _sum(args[0] or {}, args[1] or {}, sign)
        if isinstance(units, float):
            return None if args[0] is None else _times(args[0], units)
        if node.op.name == "pow":
            return self._power(node, args)
        if units in ("number", "wave"):
            self._pure(args[0])
            if units == "wave":
                self._wave(node.args[0])
            return {}
        if units == "same":
            return self._same(node, args)
        if node.op.name == "select":
            self._equal(args[1], args[2], 1)
            return args[1] if args[1] is not None else args[2]
        if units == "plain":
            return {}
        return args[0] if units == "kept" and args else None

    def _power(self, node: Node, args: list[Form | None]) -> Form | None:
        exponent = node.args[1]
        while exponent.op.name in ("broadcast", "cast", "reshape"):
            exponent = exponent.args[0]
        if exponent.op is CONST and not exponent.shape:
            return None if args[0] is None else _times(args[0], float(value_of(exponent)))
        self._pure(args[1])
        return args[0]

    def _same(self, node: Node, args: list[Form | None]) -> Form | None:
        one, other = node.args
        plain = [_is_number(a) for a in (one, other)]
        self._equal(args[0], args[1], 2 if any(plain) else 1)
        self._compare(node, one, other)
        if node.op.breaks == "comparison" or node.op.name == "arctan2":
            return {}
        if args[0] is None or (plain[0] and args[1] is not None):
            return args[1]
        return args[0]

    def _compare(self, node: Node, one: Node, other: Node) -> None:
        """Note what is added to a column, subtracted from it or compared with it."""
        for a, b in ((one, other), (other, one)):
            own = self.copies.get(a)
            if own is None or not own.name.startswith("parameter"):
                continue
            beside = self.copies.get(b)
            if beside is not None and beside.name.startswith("column"):
                factor = beside.factor / own.factor
                added = node.op.name == "add"
                self.places.setdefault(own.name, _Copy(beside.name, -factor if added else factor))
                if added:
                    self.shifts.add(own.name)
            elif node.op.name in ("add", "sub") and _has_columns(self.below[b]):
                self.offsets.add(own.name)

    def _copy(self, node: Node) -> None:
        """Whether a node is a column or a parameter, times a number."""
        if node in self.names:
            self.copies[node] = _Copy(self.names[node], 1.0)
            return
        name, args = node.op.name, node.args
        if name in ("broadcast", "reshape", "cast", "neg") and args[0] in self.copies:
            own = self.copies[args[0]]
            self.copies[node] = own._replace(factor=-own.factor) if name == "neg" else own
        elif name in ("mul", "div"):
            number = [_number(a) for a in args]
            if name == "mul" and number[0] and args[1] in self.copies:
                own, factor = self.copies[args[1]], number[0]
            elif number[1] and args[0] in self.copies:
                own = self.copies[args[0]]
                factor = number[1] if name == "mul" else 1.0 / number[1]
            else:
                return
            self.copies[node] = own._replace(factor=own.factor * factor)

    def _wave(self, argument: Node) -> None:
        """Note which parameters of a wave's argument shift it, and which set its frequency."""
        waiting = [argument]
        while waiting:
            node = waiting.pop()
            own = self.copies.get(node)
            if own is not None and own.name.startswith("parameter"):
                self.phases[own.name] = own.factor
            elif node.op.name in ("add", "sub", "neg", "broadcast"):
                waiting += node.args
            elif _has_columns(self.below[node]):
                self.waves |= {n for n in self.below[node] if n.startswith("parameter")}

    # --- what follows

    def role(self, name: str) -> Role:
        """What kind of number a parameter is."""
        key = f"parameter {name}"
        if key in self.phases:
            return Role("phase", (), self.phases[key], True)
        if key in self.places:
            column, factor = self.places[key]
            kind = "shift" if key in self.shifts and key not in self.waves else "place"
            return Role(kind, ((_plain(column), 1.0),), factor, key in self.waves)
        form = self.solved.get(key)
        if form is None or any(n.startswith("parameter") for n in form):
            return Role("open")
        factor = math.exp(min(max(form.get(CONSTANT, 0.0), -700.0), 700.0))
        powers = tuple((_plain(n), power) for n, power in form.items() if n != CONSTANT)
        if not powers:
            return Role("offset" if key in self.offsets else "number", (), factor)
        if key in self.waves and len(powers) == 1 and powers[0][0] != TARGET:
            return Role("frequency", powers, factor)
        return Role("size", powers, factor)


def _plain(name: str) -> str:
    return name.split(" ", 1)[1]


def _has_columns(names: Iterable[str]) -> bool:
    return any(name.startswith("column") for name in names)


def _is_number(node: Node) -> bool:
    return _bare(node).op is CONST


def _number(node: Node) -> float:
    """The number that a node is everywhere; 0 where it is none."""
    bare = _bare(node)
    return float(value_of(bare)) if bare.op is CONST and not bare.shape else 0.0


def _bare(node: Node) -> Node:
    while node.op.name in ("broadcast", "cast", "reshape"):
        node = node.args[0]
    return node


def _constant(node: Node) -> Form | None:
    """The size of a constant; none of 0, which can be added to anything."""
    if node.dtype.kind not in "fiu":
        return None
    sizes = np.abs(np.asarray(value_of(node), np.float64))
    sizes = sizes[(sizes > 0) & np.isfinite(sizes)]
    return {CONSTANT: math.log(float(np.max(sizes)))} if sizes.size else None


def _sum(a: Form, b: Form, sign: float = 1.0) -> Form:
    found = dict(a)
    for name, power in b.items():
        found[name] = found.get(name, 0.0) + sign * power
    return {name: power for name, power in found.items() if abs(power) > TINY}


def _times(form: Form, factor: float) -> Form:
    return {name: power * factor for name, power in form.items() if abs(power * factor) > TINY}


def _solved(equations: Sequence[Form]) -> dict[str, Form]:
    """The parameters in terms of the rest, by the first equations that do not contradict."""
    solved: dict[str, Form] = {}
    for equation in equations:
        form = _placed(equation, solved.get)
        unknown = [name for name in form if name.startswith("parameter")]
        if not unknown:
            continue
        name = max(unknown, key=lambda n: abs(form[n]))
        rest = _times({n: p for n, p in form.items() if n != name}, -1.0 / form[name])
        own: dict[str, Form] = {name: rest}
        solved = {n: _placed(f, own.get) for n, f in solved.items()} | own
    return solved


def _placed(form: Form, known: Callable[[str], Form | None]) -> Form:
    found: Form = {}
    for name, power in form.items():
        own = known(name)
        found = _sum(found, {name: power} if own is None else _times(own, power))
    return found

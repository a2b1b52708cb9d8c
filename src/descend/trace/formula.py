"""Formulas: a model written as text, read with `ast` and a whitelist, never evaluated by Python.

A formula becomes a short list of steps for a stack machine. The steps apply NumPy's functions to
whatever values are given: arrays, or the stand-ins of the tracer, which dispatch on them.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, NoReturn

from descend.errors import DescendError, FormulaError, UsageError, suggest
from descend.lean import dataclass
from descend.trace.formula_functions import (
    BINARY,
    COMPARE,
    CONSTANTS,
    FUNCTIONS,
    RESERVED,
    UNARY,
    Function,
    Ready,
    ReadyModels,
    apply,
    foldable,
)
from descend.trace.formula_text import Token, refuse, tokenize

__all__ = ["Binding", "Formula"]

MAX_EXPONENT = 1000.0
_WORDS = RESERVED | CONSTANTS.keys()
_CALL = re.compile(r"(?<!\w)(\w++)\s*+\(")


class Step(NamedTuple):
    """One instruction: push a number or a name's value, or apply a function to `arity` values."""

    kind: str
    value: Any
    arity: int
    start: int
    end: int


@dataclass(frozen=True)
class Binding:
    """What each name of a formula is: the target and data are columns, the rest parameters.

    >>> print(Formula.parse("y = a*x + b").bind(["x", "y"]))
    target y; data x; parameters a, b
    """

    target: str | None
    data: tuple[str, ...]
    parameters: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"target {self.target}"] if self.target is not None else []
        if self.data:
            parts.append(f"data {', '.join(self.data)}")
        if self.parameters:
            parts.append(f"parameters {', '.join(self.parameters)}")
        return "; ".join(parts)


@dataclass(frozen=True)
class Formula:
    """A formula such as `y = w1*x**2 + w2*x + w3`, ready to be applied to values.

    Attributes:
        text: the formula as it was written.
        target: the name left of `=`, or None.
        names: the names right of it, in order of first appearance.
        own: those of them that ready models bring; they are parameters whatever the columns are.
        ready: the ready models that it may call.

    >>> import numpy as np
    >>> formula = Formula.parse("y = a * exp(-k*x)")
    >>> formula.target, formula.names
    ('y', ('a', 'k', 'x'))
    >>> float(formula(a=2.0, k=0.0, x=1.0))
    2.0
    """

    text: str
    target: str | None
    names: tuple[str, ...]
    steps: tuple[Step, ...]
    places: Mapping[str, tuple[int, int]]
    quoted: frozenset[str]
    own: frozenset[str] = frozenset()
    ready: ReadyModels | None = None

    def __hash__(self) -> int:
        """Equal formulas have equal texts: what is built of one can be kept under it."""
        return hash(self.text)

    @classmethod
    def parse(cls, text: str, ready: ReadyModels | None = None) -> Formula:
        """Read a formula; raises `FormulaError` with a caret under whatever cannot be read."""
        if not isinstance(text, str):
            raise FormulaError(f"a formula is text, not {type(text).__name__}")
        others = {match[1] for match in _CALL.finditer(text)} - FUNCTIONS.keys()
        known = ready.names() if ready is not None and others else ()
        target, tokens = tokenize(text, FUNCTIONS.keys() | set(known), RESERVED)
        quoted = {token.text for token in tokens if token.kind == "quoted"}
        plain = _plain_names(tokens)
        calls: dict[int, Ready] = {}
        if ready is not None:
            called = [k for k, t in enumerate(tokens) if k not in plain and t.text in known]
            taken = {*plain.values(), *([] if target is None else [target.text])}
            made = ready.calls([tokens[k].text for k in called], taken)
            calls = dict(zip(called, made, strict=True))
        places: dict[str, tuple[int, int]] = {}
        for k, token in enumerate(tokens):
            here = (plain[k],) if k in plain else ()
            for name in calls[k].parameters if k in calls else here:
                places.setdefault(name, (token.start, token.end))
        names = tuple(places)
        if target is not None:
            places.setdefault(target.text, (target.start, target.end))
        steps = tuple(_Compiler(text, tokens, calls).run())
        own = frozenset(name for call in calls.values() for name in call.parameters)
        goal = target.text if target else None
        return cls(text, goal, names, steps, places, frozenset(quoted), own, ready)

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[Any, ...]:
        return (Formula.parse, (self.text, self.ready))

    def __call__(self, **values: Any) -> Any:
        """Apply the formula to values given by name; see `evaluate`."""
        return self.evaluate(values)

    def evaluate(
        self, values: Mapping[str, Any], seen: Callable[[str, Any], None] | None = None
    ) -> Any:
        """Apply the formula to numbers, arrays of broadcasting shapes or traced stand-ins.

        Args:
            values: name → value; entries that the formula does not name are ignored.
            seen: told of each operation's piece of text and its result, in order.

        Raises `UsageError` if a name of the formula has no value.

        >>> import numpy as np
        >>> Formula.parse("2*x**2").evaluate({"x": np.array([1.0, 3.0])})
        array([ 2., 18.])
        >>> Formula.parse("2*x**2").evaluate({"x": 3.0}, seen=print)
        x**2 9.0
        2*x**2 18.0
        18.0
        """
        stack: list[Any] = []
        for step in self.steps:
            if step.kind == "number":
                stack.append(step.value)
            elif step.kind == "name":
                stack.append(self._value(step.value, values))
            else:
                arguments = stack[-step.arity :]
                del stack[-step.arity :]
                piece = self.text[step.start : step.end]
                try:
                    stack.append(apply(step.value, arguments))
                except DescendError as error:
                    error.where = f'"{piece}" in "{self.text}"'
                    raise
                if seen is not None:
                    seen(piece, stack[-1])
        return stack[0]

    def _value(self, name: str, values: Mapping[str, Any]) -> Any:
        if name not in values:
            message = f'the formula "{self.text}" needs a value for {name}{suggest(name, values)}'
            raise UsageError(message)
        return values[name]

    def bind(
        self,
        columns: Iterable[str],
        params: Iterable[str] | None = None,
        start: Iterable[str] | None = None,
    ) -> Binding:
        """Decide what is data and what is a parameter.

        Args:
            columns: the names of the table's columns; none for a formula to be minimized.
            params: names that are parameters, although a column's name is close to them.
            start: the names of the start values (a dict will do), likewise.

        Raises `FormulaError` if the target is no column, if a name is suspiciously close to a
        column's, if no name is a column (unless `params` or `start` give all of them), or if a
        start value belongs to no parameter.
        """
        columns = list(columns)
        known = set(columns)
        given = {"params": list(params or ()), "start": list(start or ())}
        if columns:
            self._check_target(columns)
        known -= self.own
        parameters = tuple(name for name in self.names if name not in known)
        for option, names in given.items():
            for name in names:
                self._check_given(name, option, known, parameters)
        confirmed = {name for names in given.values() for name in names} | self.own
        for name in parameters:
            if name not in confirmed:
                self._check_near(name, columns)
        data = tuple(name for name in self.names if name in known)
        if columns and not data and not confirmed.issuperset(parameters):
            self._refuse_no_data(columns, parameters)
        return Binding(self.target, data, parameters)

    def _refuse(self, name: str, message: str, remedy: str | None = None) -> NoReturn:
        start, end = self.places[name]
        refuse(self.text, start, end, message, remedy)

    def _refuse_no_data(self, columns: list[str], parameters: tuple[str, ...]) -> NoReturn:
        others = [name for name in columns if name != self.target]
        listed = f"the columns are {_listed(others)}" if others else "the table has no other column"
        every = f"{', '.join(parameters)} as parameters" if parameters else "any name at all"
        message = f'"{self.text}" uses no column of the table besides its target'
        remedy = f"{listed}; to fit {every} all the same, give each a start value"
        first = parameters[0] if parameters else self.target
        if first is None:
            raise FormulaError(message, remedy=listed)
        self._refuse(first, message, remedy if parameters else listed)

    def _check_target(self, columns: list[str]) -> None:
        listed = f"the columns are {_listed(columns)}"
        if self.target is None:
            message = "the formula does not say which column it describes"
            refuse(self.text, 0, 1, message, f"write column = …; {listed}")
        if self.target not in columns:
            hint = suggest(self.target, columns)
            self._refuse(self.target, f'the target "{self.target}" is no column{hint}', listed)
        if self.target in self.names:
            message = f'the target "{self.target}" also stands right of ='
            self._refuse(self.target, message, "describe it by other columns and parameters")

    def _check_given(
        self, name: str, option: str, known: Collection[str], parameters: tuple[str, ...]
    ) -> None:
        if name in known:
            message = f'{option} names "{name}", which is a column of the table'
            remedy = "a column is data; start values belong to parameters only"
            if name in self.places:
                self._refuse(name, message, remedy)
            raise FormulaError(message, remedy=remedy)
        if name not in parameters:
            hint = suggest(name, parameters)
            listed = f"the parameters are {', '.join(parameters)}" if parameters else None
            message = f'{option} names "{name}", which does not occur in "{self.text}"{hint}'
            raise FormulaError(message, remedy=listed)

    def _check_near(self, name: str, columns: list[str]) -> None:
        if name in self.quoted and not name.isidentifier():
            hint = suggest(name, columns)
            listed = f"the columns are {_listed(columns)}" if columns else None
            self._refuse(name, f'there is no column "{name}"{hint}', listed)
        for column in columns:
            if name.casefold() == column.casefold():
                what = "differs only by case"
            elif len(name) >= 4 and len(column) >= 4 and one_edit_apart(name, column):
                what = "differs only by one letter"
            else:
                continue
            self._refuse(
                name,
                f'"{name}" is no column, and {what} from the column "{column}"',
                f'write {_quote(column)}; if "{name}" is a parameter, say so with a start value',
            )


def _plain_names(tokens: list[Token]) -> dict[int, str]:
    """Position → name, of those that are no constants and no functions."""
    found = {}
    for k, (token, after) in enumerate(zip(tokens, [*tokens[1:], None], strict=True)):
        called = after is not None and after.text == "(" and after.kind == "op"
        plain = token.kind == "name" and token.text not in _WORDS and not called
        if plain or token.kind == "quoted":
            found[k] = token.text
    return found


def _listed(names: list[str], most: int = 12) -> str:
    """Columns as a formula writes them."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(_quote, names[:most])) + more


def _quote(column: str) -> str:
    plain = column.isidentifier() and column not in _WORDS
    return column if plain else f"`{column}`"


def one_edit_apart(a: str, b: str) -> bool:
    """Whether one letter added, removed, changed or swapped with the next turns `a` into `b`.

    >>> one_edit_apart("price", "prices"), one_edit_apart("price", "pirce")
    (True, True)
    >>> one_edit_apart("price", "prince2")
    False
    """
    if abs(len(a) - len(b)) > 1 or a == b:
        return False
    if len(a) > len(b):
        a, b = b, a
    at = next((i for i, (p, q) in enumerate(zip(a, b, strict=False)) if p != q), len(a))
    if len(a) < len(b):
        return a[at:] == b[at + 1 :]
    swapped = a[:at] + a[at : at + 2][::-1] + a[at + 2 :]
    return a[at + 1 :] == b[at + 1 :] or swapped == b


class _Compiler:
    """Checked tokens to steps, by way of Python's syntax tree.

    The text given to `ast` holds only numbers, brackets, operators and the names n0, n1, …, so
    that no word of Python and no sign beyond ASCII is met there; `spans` lead back to the formula.
    """

    def __init__(self, text: str, tokens: list[Token], calls: Mapping[int, Ready]) -> None:
        self.text = text
        self.tokens = tokens
        self.calls = calls
        self.columns: list[int] = []
        self.steps: list[Step] = []

    def run(self) -> list[Step]:
        pieces = []
        at = 0
        for index, token in enumerate(self.tokens):
            named = f"n{index}" if token.kind in ("name", "quoted") else token.text
            pieces.append(self._number(token) if token.kind == "number" else named)
            self.columns.append(at)
            at += len(pieces[-1]) + 1
        try:
            tree = ast.parse(" ".join(pieces), mode="eval").body
        except (SyntaxError, RecursionError, MemoryError):
            message = "the formula is too deeply nested to be read"
            refuse(self.text, 0, 1, message, "write the model as a Python function")
        self._walk(tree)
        return self.steps

    def _number(self, token: Token) -> str:
        value = float(token.text)
        if not math.isfinite(value):
            refuse(self.text, token.start, token.end, f"{token.text} is beyond double precision")
        return repr(value)

    def _span(self, node: ast.expr) -> tuple[int, int]:
        first = bisect_right(self.columns, node.col_offset) - 1
        last = bisect_right(self.columns, (node.end_col_offset or 0) - 1) - 1
        return self.tokens[first].start, self.tokens[last].end

    def _token(self, node: ast.Name) -> Token:
        return self.tokens[int(node.id[1:])]

    def _walk(self, tree: ast.expr) -> None:
        """Children before parents, without recursion; `condition` is true inside where only."""
        todo: list[tuple[ast.expr, bool, bool]] = [(tree, False, False)]
        while todo:
            node, condition, done = todo.pop()
            if done:
                self._emit(node)
                continue
            children = self._children(node, condition)
            todo.append((node, condition, True))
            first_is_condition = isinstance(node, ast.Call) and self._function(node).name == "where"
            for index, child in reversed(list(enumerate(children))):
                todo.append((child, first_is_condition and index == 0, False))

    def _function(self, node: ast.Call) -> Function | Ready:
        assert isinstance(node.func, ast.Name)
        ready = self.calls.get(int(node.func.id[1:]))
        return FUNCTIONS[self._token(node.func).text] if ready is None else ready

    def _children(self, node: ast.expr, condition: bool) -> list[ast.expr]:
        start, end = self._span(node)
        if condition and not isinstance(node, ast.Compare):
            remedy = "write a comparison, as in where(x > 0, a, b)"
            refuse(self.text, start, end, "where needs a condition first", remedy)
        match node:
            case ast.Constant() | ast.Name():
                return []
            case ast.UnaryOp():
                return [node.operand]
            case ast.BinOp():
                return [node.left, node.right]
            case ast.Compare():
                if not condition:
                    message = "a comparison stands only as the first argument of where"
                    remedy = "write where(x > 0, a, b); between target and expression one ="
                    refuse(self.text, start, end, message, remedy)
                if len(node.ops) > 1:
                    remedy = "nest two: where(x > a, where(x < b, inside, outside), outside)"
                    refuse(self.text, start, end, "comparisons cannot be chained", remedy)
                return [node.left, *node.comparators]
            case ast.Call():
                return self._arguments(node)
        refuse(self.text, start, end, "this has no meaning in a formula")

    def _arguments(self, node: ast.Call) -> list[ast.expr]:
        function, name = self._function(node), self._token(node.func).text  # type: ignore[arg-type]
        count = len(node.args)
        if count < function.least or (function.most is not None and count > function.most):
            start, end = self._span(node)
            message = f"{name} takes {function.arguments}, here it has {count}"
            remedies = {"where": "write where(condition, a, b)", "clip": "write clip(x, low, high)"}
            refuse(self.text, start, end, message, remedies.get(name))
        return node.args

    def _emit(self, node: ast.expr) -> None:
        start, end = self._span(node)
        match node:
            case ast.Constant():
                step = Step("number", node.value, 0, start, end)
            case ast.Name():
                token = self._token(node)
                constant = CONSTANTS.get(token.text) if token.kind == "name" else None
                kind = "name" if constant is None else "number"
                value = token.text if constant is None else constant
                step = Step(kind, value, 0, start, end)
            case ast.UnaryOp():
                step = Step("apply", UNARY[type(node.op)], 1, start, end)
            case ast.BinOp():
                step = Step("apply", BINARY[type(node.op)], 2, start, end)
            case ast.Compare():
                step = Step("apply", COMPARE[type(node.ops[0])], 2, start, end)
            case ast.Call():
                function = self._function(node)
                brought = function.parameters if isinstance(function, Ready) else ()
                self.steps += [Step("name", name, 0, start, end) for name in brought]
                step = Step("apply", function, len(node.args) + len(brought), start, end)
        self.steps.append(self._fold(step))

    def _fold(self, step: Step) -> Step:
        """Evaluate what consists of numbers alone, in floating point and within bounds."""
        if step.kind != "apply":
            return step
        self._check_exponent(step)
        operands = self.steps[-step.arity :]
        if any(operand.kind != "number" for operand in operands) or not foldable(step.value):
            return step
        del self.steps[-step.arity :]
        result = apply(step.value, [operand.value for operand in operands])
        if not math.isfinite(result):
            piece = self.text[step.start : step.end]
            refuse(self.text, step.start, step.end, f"{piece} is not a finite number")
        return Step("number", result, 0, step.start, step.end)

    def _check_exponent(self, step: Step) -> None:
        if step.value is not operator.pow or self.steps[-1].kind != "number":
            return
        exponent = self.steps[-1]
        if abs(exponent.value) > MAX_EXPONENT:
            message = f"an exponent of {exponent.value:g} is beyond {MAX_EXPONENT:g}"
            refuse(self.text, exponent.start, exponent.end, message, "write exp(…) of a product")
        if float(exponent.value).is_integer():
            self.steps[-1] = exponent._replace(value=int(exponent.value))

"""Handlers in a model that wait for an error of a value, which compiled code never raises.

A model runs once, over stand-ins: `np.linalg.cholesky` of a matrix that is not positive definite
raises in NumPy, in the compiled program it is NaN. A `try` around it whose handler would catch that
error can never be reached, so it is refused. Which handlers surround an operation is read from the
exception tables of the functions under way (Python's own way to find them).
"""

from __future__ import annotations

import contextlib
import dis
import functools
import sys
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

import numpy as np

from descend.errors import TraceError
from descend.lean import dataclass
from descend.trace.context import ENTRIES, current, where
from descend.trace.table import covers

__all__ = [
    "ATTRIBUTE", "INDEX", "MANAGER", "NEVER", "Errors", "Managed", "guard", "may_swallow",
    "takes", "value_may_raise", "waits_at_yield", "waits_for",
]  # fmt: skip

Errors = tuple[type[BaseException], ...]

LINALG: Errors = (np.linalg.LinAlgError,)
DOMAIN: Errors = (ValueError, OverflowError)
ZERO: Errors = (ZeroDivisionError,)
POWER: Errors = (ZeroDivisionError, OverflowError)
INDEX: Errors = (IndexError,)
VALUE: Errors = (ValueError,)
ATTRIBUTE: Errors = (AttributeError,)

NEVER = "the handler would never be reached: "
_BRANCH = "write np.where(condition, a, b) with a condition on the argument, such as "
_LINALG = "the result is NaN there, so write np.where(np.isfinite(result), result, other)"
_REMEDIES: dict[Errors, str] = {
    LINALG: _LINALG,
    DOMAIN: _BRANCH + "np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), other)",
    ZERO: _BRANCH + "np.where(b != 0, a / np.where(b != 0, b, 1.0), other)",
    POWER: _BRANCH + "np.where(np.abs(x) < 1e150, x**2, other)",
    VALUE: "write np.where(condition, a, b) with a condition on what it is given",
    ATTRIBUTE: "NumPy's numbers have it and Python's do not, so write np.sum(x) for x.sum()",
    INDEX: "an index out of range ends the run with an error, so write np.clip(index, 0, n - 1)",
    (FloatingPointError,): _BRANCH + "np.where(np.isfinite(result), result, other)",
    (RuntimeWarning,): _BRANCH + "np.where(np.isfinite(result), result, other)",
}

_NEVER = (
    "atan", "atan2", "erf", "erfc", "isfinite", "isinf", "isnan", "isclose", "fabs", "copysign",
    "degrees", "radians", "hypot", "dist", "tanh", "asinh", "cbrt", "prod", "sumprod", "fma",
)  # fmt: skip
_DIRECT = (
    "det", "slogdet", "norm", "qr", "vector_norm", "matrix_norm", "trace", "outer", "cross",
    "diagonal", "matmul", "tensordot", "vecdot", "multi_dot", "matrix_transpose",
)  # fmt: skip
_CHECKED: dict[str, Errors] = {
    "average": ZERO, "polyfit": LINALG,
    **dict.fromkeys(("asarray_chkfinite", "bincount", "choose", "digitize", "nanargmax",
                     "nanargmin"), VALUE),
}  # fmt: skip
_OPERATORS: dict[str, tuple[str, Errors]] = {
    "divide": ("/", ZERO), "floor_divide": ("//", ZERO), "remainder": ("%", ZERO),
    "divmod": ("divmod", ZERO), "reciprocal": ("** -1", ZERO), "power": ("**", POWER),
    "square": ("**", POWER),
}  # fmt: skip


def _raised_by(name: str) -> Errors:
    """What a function of the table raises for some values of its arguments."""
    module, _, last = name.rpartition(".")
    if module == "math":
        return () if last in _NEVER else DOMAIN
    if module in ("numpy.linalg", "scipy.linalg") and last not in _DIRECT:
        return LINALG
    if module == "scipy.linalg":  # which looks for NaN first
        return VALUE
    return _CHECKED.get(last, ()) if module == "numpy" else ()


def value_may_raise(name: str, errors: Errors | None = None) -> None:
    """Refuse a function of traced values under a handler for what its values may raise.

    Raises:
        TraceError: it names the handler and what to write instead.
    """
    found = _raised_by(name) if errors is None else errors
    if found:
        _refuse(name.replace("numpy.", "np.", 1), found)


def asked_of_number(name: str) -> None:
    """Refuse what NumPy's numbers have and Python's have not, under a handler for that."""
    trace = current()
    if trace is not None and trace.guarded and not hasattr(float, name):
        _refuse(f".{name} of a number", ATTRIBUTE)


def waits_for(rule: str, operator: bool, scalar: bool) -> None:
    """The same for an elementwise function or, on numbers, for an operator."""
    if operator and scalar and rule in _OPERATORS:
        _refuse(*_OPERATORS[rule])
    if "raise" in np.geterr().values():
        _refuse(f"np.{rule}", (FloatingPointError,))
    _refuse(f"np.{rule}", (RuntimeWarning,))


def _refuse(what: str, errors: Errors) -> None:
    handler = _handler_of(errors)
    if handler is None:
        return
    name = errors[0].__name__ if len(errors) == 1 else " or ".join(e.__name__ for e in errors)
    raise TraceError(
        f"the model handles an error that its compiled form never raises: `{handler}` around "
        f"{what}, which raises {name} for some values in plain Python",
        where=where(),
        remedy=NEVER + _REMEDIES[errors],
    )


# --- which handlers surround the operation under way ----------------------------------------------


def _handler_of(errors: Errors) -> str | None:
    """The innermost handler of the model's own that would catch one of the errors, as written."""
    for frame in _frames():
        if frame.f_code.co_exceptiontable:
            for caught, text in _handlers(frame):
                if _catches(caught, errors):
                    return text
    trace = current()
    for caught in reversed(trace.suppressed if trace is not None else ()):
        if _catches(caught, errors):
            return "with …, which suppresses " + ", ".join(c.__name__ for c in caught)
    return None


def _catches(caught: Errors, errors: Errors) -> bool:
    if errors == (RuntimeWarning,):  # an error only where warnings are: then it is named
        return any(issubclass(c, Warning) and issubclass(RuntimeWarning, c) for c in caught)
    return any(issubclass(e, c) for e in errors for c in caught)


def _frames() -> list[FrameType]:
    """The frames of the model, the innermost first: those within the outermost trace."""
    frames: list[FrameType] = []
    last = 0
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code in ENTRIES:
            last = len(frames)
        frames.append(frame)
        frame = frame.f_back
    return [f for f in frames[:last] if f.f_globals.__class__ is not dict]


@dataclass(frozen=True)
class _Clause:
    """One handler of a `try`: the instructions that give the classes, or None for every error."""

    classes: tuple[dis.Instruction, ...] | None
    text: str


def _handlers(frame: FrameType) -> Iterator[tuple[Errors, str]]:
    for clause in _clauses(frame.f_code, frame.f_lasti):
        if clause.classes is None:
            yield (BaseException,), clause.text
            continue
        classes = _evaluated(clause.classes, frame)
        yield classes, f"except {', '.join(c.__name__ for c in classes)}"


@functools.lru_cache(maxsize=512)
def _clauses(code: CodeType, offset: int) -> tuple[_Clause, ...]:
    """The handlers that an error at this instruction meets, the innermost first."""
    table = _exception_table(code)
    instructions = [i for i in dis.get_instructions(code) if i.opname not in _IDLE]
    places = {i.offset: at for at, i in enumerate(instructions)}
    found: list[_Clause] = []
    been: set[int] = set()
    while True:
        target = next((t for start, end, t in table if start <= offset < end), None)
        if target is None or target in been:
            return tuple(found)
        been.add(target)
        at = next(places[o] for o in sorted(places) if o >= target)
        clauses, leaves = _read(instructions, at, places)
        found += clauses
        if leaves is None:
            return tuple(found)
        offset = leaves


def takes(frame: FrameType, error: type[BaseException]) -> bool:
    """Whether a handler of this function takes such an error of the instruction under way."""
    return any(issubclass(error, classes) for classes, _ in _handlers(frame))


_IDLE = frozenset(("CACHE", "EXTENDED_ARG", "NOP", "PUSH_NULL", "PRECALL"))


def _read(
    instructions: list[dis.Instruction], at: int, places: dict[int, int]
) -> tuple[list[_Clause], int | None]:
    """The clauses of one handler, and where an error that none of them takes goes on."""
    found: list[_Clause] = []
    first = instructions[at].opname == "PUSH_EXC_INFO"
    at += first
    while at < len(instructions):
        match = next((n for n in range(at, len(instructions)) if not _is_load(instructions[n])), at)
        if instructions[match].opname in ("CHECK_EXC_MATCH", "CHECK_EG_MATCH"):
            found.append(_Clause(tuple(instructions[at:match]), "except"))
            jump = next(i for i in instructions[match:] if "JUMP" in i.opname)
            at = places[next(o for o in sorted(places) if o >= jump.argval)]
            first = True
            continue
        if first and instructions[at].opname == "POP_TOP":
            return [*found, _Clause(None, "except:")], None
        for instruction in instructions[at:]:
            if instruction.opname == "RERAISE":
                return found, instruction.offset
            if instruction.opname == "POP_EXCEPT" and first:
                return [*found, _Clause(None, "try")], None
        break
    return found, None


def _is_load(instruction: dis.Instruction) -> bool:
    return instruction.opname.startswith("LOAD_") or instruction.opname == "BUILD_TUPLE"


def _evaluated(instructions: tuple[dis.Instruction, ...], frame: FrameType) -> Errors:
    """The classes of a clause; every error where they cannot be told."""
    stack: list[Any] = []
    try:
        for i in instructions:
            if i.opname == "BUILD_TUPLE":
                count = i.arg or 0
                stack[len(stack) - count :] = [tuple(stack[len(stack) - count :])]
            elif i.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                stack.append(getattr(stack.pop(), i.argval))
            elif i.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                known = frame.f_locals if i.argval in frame.f_locals else frame.f_globals
                stack.append(known[i.argval])
            else:
                stack.append(frame.f_locals[i.argval])
        (classes,) = stack
        flat = tuple(classes) if isinstance(classes, tuple) else (classes,)
        if all(isinstance(c, type) and issubclass(c, BaseException) for c in flat):
            return flat
    except (LookupError, AttributeError, ValueError, TypeError):
        pass  # such as classes that a function returns
    return (Exception,)


def _exception_table(code: CodeType) -> list[tuple[int, int, int]]:
    """(start, end, target) in bytes, as CPython encodes them since 3.11."""
    numbers = iter(code.co_exceptiontable)

    def number(byte: int) -> int:
        value = byte & 63
        while byte & 64:
            byte = next(numbers)
            value = value << 6 | byte & 63
        return value

    entries = []
    for byte in numbers:
        start = 2 * number(byte)
        length, target = 2 * number(next(numbers)), 2 * number(next(numbers))
        number(next(numbers))
        entries.append((start, start + length, target))
    return entries


# --- context managers that swallow errors ---------------------------------------------------------


class Managed:
    """A context manager of which the trace knows what errors it waits for."""

    def __init__(self, manager: Any, errors: Errors) -> None:
        self.manager, self.errors = manager, errors

    def __enter__(self) -> Any:
        _begin(self.errors)
        return self.manager.__enter__()

    def __exit__(self, *error: Any) -> Any:
        _end(self.errors)
        return self.manager.__exit__(*error)


def _begin(errors: Errors) -> None:
    trace = current()
    if trace is not None:
        trace.guarded = True
        trace.suppressed.append(errors)


def _end(errors: Errors) -> None:
    trace = current()
    if trace is not None:
        trace.suppressed.remove(errors)


@covers("suppress", module="contextlib", always=True)
def _suppress(*exceptions: type[BaseException]) -> Managed:
    return Managed(contextlib.suppress(*exceptions), exceptions)


def guard(cls: Any) -> None:
    """Make a class of context managers say that they may swallow any error."""
    enter, leave = cls.__enter__, cls.__exit__

    def entered(self: Any) -> Any:
        _begin((Exception,))
        return enter(self)

    def left(self: Any, *error: Any) -> Any:
        _end((Exception,))
        return leave(self, *error)

    cls.__enter__, cls.__exit__ = entered, left


MANAGER = contextlib.contextmanager(lambda: iter(())).__code__
"""The code of every function that `contextlib.contextmanager` makes."""


def waits_at_yield(code: CodeType) -> Errors:
    """What a generator, made a context manager, may catch where it yields; empty for nothing."""
    for instruction in dis.get_instructions(code):
        if instruction.opname == "YIELD_VALUE" and _clauses(code, instruction.offset):
            return (Exception,)
    return ()


def may_swallow(code: CodeType) -> bool:
    """Whether an `__exit__` may return something true, and so swallow the error."""
    before: Any = None
    for instruction in dis.get_instructions(code):
        if instruction.opname == "RETURN_CONST":
            before = instruction
        if instruction.opname in ("RETURN_VALUE", "RETURN_CONST"):
            is_const = before is not None and before.opname.endswith("_CONST")
            if not is_const or before.argval:
                return True
        before = instruction
    return False

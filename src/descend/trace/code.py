"""What is read from the code of a model's functions before they run over stand-ins."""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterator
from inspect import CO_OPTIMIZED
from opcode import opmap
from types import CodeType

from descend.lean import dataclass

__all__ = ["Contents", "contents"]

_HANDLES = opmap["PUSH_EXC_INFO"]
_MATCHES = opmap["MATCH_CLASS"]
# Classes that a pattern asks a value for; patterns of others never meet a stand-in.
_KINDS = frozenset(
    ("float", "int", "bool", "complex", "ndarray", "generic", "number", "inexact", "floating",
     "integer", "float64", "float32", "int64", "Number", "Real", "Integral", "Iterable", "Sized",
     "Sequence", "Collection")
)  # fmt: skip

_COMPARISONS = ("IS_OP", "COMPARE_OP", "CONTAINS_OP")


@dataclass(frozen=True)
class Contents:
    """What the code of a function, and of those made in it, holds.

    Attributes:
        handles: whether it handles errors.
        names: what class bodies look up; Python finds it only if it stands in the globals already.
        question: a question for a value's class that a stand-in cannot answer, and the line, or
            None.
    """

    handles: bool
    names: frozenset[str]
    question: tuple[str, int] | None


@functools.lru_cache(maxsize=1024)
def contents(code: CodeType) -> Contents:
    """Read the code of a function."""
    handles, names, question = False, set[str](), None
    for each in _all_of(code):
        used = {*each.co_code[::2]}
        handles = handles or (bool(each.co_exceptiontable) and _HANDLES in used)
        if not each.co_flags & CO_OPTIMIZED:
            names.update(each.co_names)
        if question is None and (_MATCHES in used or "__class__" in each.co_names):
            question = _question(each)
    return Contents(handles, frozenset(names), question)


def _all_of(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _all_of(constant)


def _question(code: CodeType) -> tuple[str, int] | None:
    """`case float():` or, outside of methods, `x.__class__ is …`.

    Methods compare the classes of objects of their own, as those of dataclasses do.
    """
    line = code.co_firstlineno
    is_method = code.co_varnames[:1] in (("self",), ("cls",))
    before: list[dis.Instruction] = []
    open_question: tuple[str, int, int] | None = None
    for instruction in dis.get_instructions(code):
        line = instruction.positions.lineno or line if instruction.positions else line
        if instruction.opname == "MATCH_CLASS":
            name = next((str(i.argval) for i in reversed(before) if _names(i)), "")
            if name in _KINDS:
                return f"case {name}(…)", line
        elif instruction.opname in _COMPARISONS and open_question is not None and not is_method:
            text, at, place = open_question
            if len(before) - place <= 4:
                return text, at
        elif instruction.opname == "LOAD_ATTR" and instruction.argval == "__class__" and before:
            open_question = f"{before[-1].argval}.__class__", line, len(before)
        if instruction.opname not in ("CACHE", "EXTENDED_ARG", "NOP"):
            before.append(instruction)
    return None


def _names(instruction: dis.Instruction) -> bool:
    return instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_ATTR", "LOAD_DEREF")

"""Single operations in a reader's words: `w1 · v1`, `exp(v2)`, `x[0]`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from descend.graph.node import Dim, Node

__all__ = ["expression", "number", "value_text"]

Label = Callable[[Node], str]

TIGHT = ("·", "/", "**")
MOST_SHOWN = 8
PLACE = re.compile(r"\bx")
"""Where the operand stands in a word such as `1 - x²`."""
POWERS = dict(zip("23456789", "²³⁴⁵⁶⁷⁸⁹", strict=True))


def expression(node: Node, label: Label, nested: bool = False) -> str:
    """One operation with its operands' labels; in brackets where it stands in another one."""
    name, word = node.op.name, node.op.word or node.op.name
    args = [label(a) for a in node.args]
    if name == "slice":
        return f"{args[0]}[{_slices(node)}]"
    if name == "broadcast":
        return f"{args[0]}, repeated"
    if word.isidentifier():
        return f"{word}({', '.join(args)})"
    if len(args) == 1 and not PLACE.search(word):
        return f"{word}{args[0]}" if len(word) == 1 else f"{word}({args[0]})"
    if len(args) == 1:
        return PLACE.sub(lambda _: _side(args[0], "**"), word)
    if name == "mul" and node.args[0] is node.args[1]:
        return f"{_side(args[0], '**')}²"
    sides = [_side(a, word) for a in args] if word in TIGHT else args
    if word == "**" and args[1] in POWERS:
        return f"{sides[0]}{POWERS[args[1]]}"
    text = f"{sides[0]} {word} {sides[1]}"
    return f"({text})" if nested and word != "@" else text


def _side(text: str, word: str) -> str:
    loose = " " in text and not (text.startswith("(") and text.endswith(")"))
    return f"({text})" if loose or (word == "**" and text.startswith("-")) else text


def _slices(node: Node) -> str:
    parts = []
    rows = zip(
        node.attrs["starts"], node.attrs["stops"], node.attrs["steps"], node.args[0].shape,
        strict=True,
    )  # fmt: skip
    for start, stop, step, extent in rows:
        if isinstance(extent, Dim) or (start == 0 and stop == extent and step == 1):
            parts.append(":")
        elif stop == start + 1:
            parts.append(str(start))
        else:
            parts.append(f"{start}:{stop}" + (f":{step}" if step != 1 else ""))
    while len(parts) > 1 and parts[-1] == ":":
        parts.pop()
    return ", ".join(parts)


def number(value: Any) -> str:
    """A number with up to ten digits, integers without a point.

    >>> number(2.0), number(-0.1), number(1 / 3)
    ('2', '-0.1', '0.3333333333')
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.item()
    if isinstance(value, bool):
        return str(value)
    return f"{value + 0.0:.10g}"


def value_text(value: Any) -> str:
    """A number, a short array, or the shape and the first numbers of a long one."""
    array = np.asarray(value)
    if array.size == 1:
        return number(array.reshape(()))
    if array.size <= MOST_SHOWN and array.ndim == 1:
        return "[" + ", ".join(number(v) for v in array) + "]"
    first = ", ".join(number(v) for v in array.reshape(-1)[:3])
    shape = "×".join(map(str, array.shape))
    return f"[{first}, …] ({shape})" if array.size else f"[] ({shape})"

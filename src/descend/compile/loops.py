"""The loop language: what the native program does, before it is LLVM.

A block is a list of statements in order. A `Let` names a scalar (at the top) or a lane-wise value
(in a nest); a `Nest` is a loop nest over named axes whose body is lets, stores and reductions; a
`Copy` moves a whole array; a `Call` runs one of the few algorithms that are no nest (`calls.py`).
Every let has a depth: how many of the nest's loops it stands inside of. So what doesn't depend on
the innermost axis is computed outside of it, by construction.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import field
from typing import Any, Union

import numpy as np

from descend.compile.places import Place
from descend.graph.node import PRIMITIVES, Dim, Primitive
from descend.lean import dataclass

__all__ = [
    "Address",
    "Axis",
    "Block",
    "Call",
    "Copy",
    "Index",
    "Let",
    "Nest",
    "Place",
    "Reduction",
    "Scan",
    "Statement",
    "Store",
    "block_text",
    "cost_of",
    "latency_of",
]


class Axis:
    """One loop of a nest: a counter from 0 to the extent."""

    __slots__ = ("extent", "name")

    def __init__(self, name: str, extent: int | Dim) -> None:
        self.name = name
        self.extent = extent

    def __repr__(self) -> str:
        return self.name


@dataclasses.dataclass(frozen=True)
class Index:
    """An affine position along one axis of an array: const + Σ coefficient · axis (+ Σ Dims)."""

    const: int = 0
    terms: tuple[tuple[Axis, int], ...] = ()
    dims: tuple[tuple[Dim, int], ...] = ()

    def scaled(self, factor: int) -> Index:
        return Index(
            self.const * factor,
            tuple((a, c * factor) for a, c in self.terms),
            tuple((d, c * factor) for d, c in self.dims),
        )

    def shifted(self, offset: int) -> Index:
        return Index(self.const + offset, self.terms, self.dims)

    @property
    def is_const(self) -> bool:
        return not self.terms and not self.dims

    def __str__(self) -> str:
        parts = [f"{c}*{a}" if c != 1 else str(a) for a, c in (*self.terms, *self.dims)]
        return "+".join([*parts, *([str(self.const)] if self.const or not parts else [])])


@dataclasses.dataclass(frozen=True)
class Address:
    """A position in a stored array: one index per axis."""

    place: Place
    index: tuple[Index, ...]

    def __str__(self) -> str:
        return f"{self.place}[{','.join(map(str, self.index))}]"


class Let:
    """A named value. `op` is an elementwise primitive, or load, const, index, rows, reduced, at."""

    __slots__ = ("args", "attr", "depth", "dtype", "op")

    def __init__(
        self, op: str, args: tuple[Let, ...], attr: Any, dtype: np.dtype[Any], depth: int = 0
    ) -> None:
        self.op = op
        self.args = args
        self.attr = attr
        self.dtype = dtype
        self.depth = depth


def cost_of(op: str) -> int:
    """What a let costs, in additions: as an ordinary primitive, if its operation is none."""
    return PRIMITIVES.get(op, Primitive).cost


def latency_of(op: str) -> int:
    """After how many cycles a let is ready: as an ordinary primitive, if its operation is none."""
    return PRIMITIVES.get(op, Primitive).latency


@dataclass(eq=False)
class Store:
    """Write a value; at the top (`depth` 0) or inside a nest."""

    target: Address
    value: Let
    depth: int = 0


@dataclass(eq=False)
class Reduction:
    """Combine a value over the axes of the nest from `kept` on.

    `result` receives it: a top-level let (kept = 0), or an address of the kept axes.
    """

    op: str
    value: Let
    result: Let | Address


@dataclass(eq=False)
class Nest:
    """A loop nest: `axes` from the outside in; the first `kept` of them are not reduced.

    `vector` is the position of the axis that is spread over SIMD lanes, or None.
    """

    axes: tuple[Axis, ...]
    kept: int
    lets: list[Let] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    reductions: list[Reduction] = field(default_factory=list)
    vector: int | None = None


@dataclass(eq=False)
class Copy:
    """Copy a whole array."""

    target: Place
    source: Place


@dataclass(eq=False)
class Call:
    """Run a named algorithm on whole arrays."""

    name: str
    target: Place
    sources: tuple[Place, ...]
    attrs: dict[str, Any]


@dataclass(eq=False)
class Scan:
    """A loop that stays a loop: the block is run for every value of the axis, in order."""

    axis: Axis
    block: Block


Statement = Union["Let", Store, Nest, Copy, Call, Scan]


@dataclass(eq=False)
class Block:
    """A straight sequence of statements, the scalars asked of it, and the arrays it needs."""

    statements: list[Statement] = field(default_factory=list)
    outputs: list[Let] = field(default_factory=list)
    scratch: list[Place] = field(default_factory=list)
    constants: list[tuple[Place, Any]] = field(default_factory=list)


def _right_side(let: Let, names: dict[Let, str]) -> str:
    attr = "" if let.attr is None else f" {let.attr}"
    args = " ".join(names.get(a, "?") for a in let.args)
    return f"{let.op}{attr}{' ' + args if args else ''}"


def _nest_text(nest: Nest, names: dict[Let, str]) -> Iterator[str]:
    def number(let: Let) -> str:
        return names.setdefault(let, f"v{len(names)}")

    for depth in range(len(nest.axes) + 1):
        indent = "  " * depth
        for let in nest.lets:
            if let.depth == depth:
                yield f"{indent}{number(let)} = {_right_side(let, names)}"
        if depth < len(nest.axes):
            axis = nest.axes[depth]
            how = " in lanes" if nest.vector == depth else ""
            yield f"{indent}for {axis} < {axis.extent}{how}:"
    indent = "  " * len(nest.axes)
    for store in nest.stores:
        yield f"{indent}{store.target} = {names[store.value]}"
    for reduction in nest.reductions:
        result = reduction.result
        target = number(result) if isinstance(result, Let) else str(result)
        over = ",".join(str(a) for a in nest.axes[nest.kept :])
        yield f"{indent}{target} = {reduction.op} over {over} of {names[reduction.value]}"


def block_text(block: Block) -> str:
    """The block as indented text, the same for the same graph."""
    return "\n".join(_block_lines(block, {}))


def _block_lines(block: Block, names: dict[Let, str]) -> list[str]:
    lines: list[str] = []
    for statement in block.statements:
        if isinstance(statement, Let):
            names.setdefault(statement, f"s{len(names)}")
            if statement.op != "reduced":
                lines.append(f"{names[statement]} = {_right_side(statement, names)}")
        elif isinstance(statement, Store):
            lines.append(f"{statement.target} = {names[statement.value]}")
        elif isinstance(statement, Nest):
            lines.extend(_nest_text(statement, names))
        elif isinstance(statement, Copy):
            lines.append(f"copy {statement.source} to {statement.target}")
        elif isinstance(statement, Scan):
            lines.append(f"for {statement.axis} < {statement.axis.extent} in order:")
            lines.extend("  " + line for line in _block_lines(statement.block, names))
        else:
            sources = " ".join(map(str, statement.sources))
            lines.append(f"{statement.target} = {statement.name} {sources}")
    return lines

"""A graph as a function of its inputs: legal, lowered, written as LLVM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.compile.calls import CALLS
from descend.compile.legalise import legalise
from descend.compile.llvm import BlockWriter
from descend.compile.loops import Address, Index
from descend.compile.lower import lower
from descend.compile.module import FunctionText
from descend.compile.places import Place
from descend.compile.schedule import is_small
from descend.graph.node import Node, sizes

__all__ = ["write_function"]


def write_function(outputs: Sequence[Node], inputs: Sequence[Node]) -> tuple[str, dict[str, Any]]:
    """The text of a graph as a function, and what its caller must provide."""
    native = legalise(outputs)
    leaves = {n: Place("fixed", i, n.shape, n.dtype) for i, n in enumerate(inputs)}
    lowering = lower(native, leaves)
    function = FunctionText()
    function.constants(lowering.block)
    writer = BlockWriter(function.frame(), CALLS)
    writer.write(lowering.block)
    results: list[Place] = []
    for number, node in enumerate(native):
        if is_small(node):
            place = Place("result", number, node.shape, node.dtype)
            for at in np.ndindex(*sizes(node.shape)):
                address = Address(place, tuple(Index(i) for i in at))
                writer.store(address, writer.values[lowering.cells[node][at]], {}, None)
        else:
            place = lowering.places[node]
        results.append(place)
    function.e.line("ret i64 0")
    used = {p.number for p in results if p.role == "constant"}
    about = {
        "slots": list(function.slots),
        "scratch": lowering.block.scratch,
        "results": results,
        "spill": len(writer.spilled),
        "constants": {str(p.number): v for p, v in lowering.block.constants if p.number in used},
    }
    return function.text(), about

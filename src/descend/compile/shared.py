"""Functions that several programs call: one for each shared graph, compiled once.

A program reaches such a function, and the function its arrays, through the tables of addresses
that are made when a run begins. In a process the function lives with its graph, between processes
in the disk cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.compile.function import NativeFunction, compile_graph, pointer_table
from descend.compile.native import aimed_at
from descend.compile.places import Place, aligned
from descend.errors import InternalError
from descend.graph.node import sizes
from descend.graph.subgraph import Body

__all__ = ["called", "linked", "shared_function"]


def shared_function(body: Body) -> NativeFunction:
    """The function of a body."""
    made: NativeFunction = body.once(
        ("native", aimed_at()), lambda: compile_graph(body.outputs, body.inputs)
    )  # fmt: skip
    return made


def called(number: int, native: NativeFunction, results: Sequence[Place]) -> dict[Any, Any]:
    """The memory of a call: what the function works with, and the results as the program's own."""
    about = native.about
    own: dict[Any, Any] = {("spill",): aligned((about["spill"],), np.dtype(np.float64))}
    for place in (*about["scratch"], *about["results"]):
        if place.role not in ("scratch", "result"):
            raise InternalError(f"a shared graph gives back {place} as it is")
        if place.key not in own:
            own[place.key] = aligned(sizes(place.shape), place.dtype)
    where: dict[Any, Any] = {("shared memory", number): own}
    for mine, its in zip(results, about["results"], strict=True):
        where[mine.key] = own[its.key].reshape(sizes(mine.shape))
    return where


def linked(
    number: int, native: NativeFunction, sources: Sequence[Place], where: dict[Any, Any]
) -> dict[Any, Any]:
    """The address of the function, and its table for the arrays of a program."""
    arrays = {("fixed", i): where[p.key] for i, p in enumerate(sources)}
    table = pointer_table(native.about["slots"], arrays | where["shared memory", number])
    return {("shared", number): native.loaded.address, ("shared table", number): table}

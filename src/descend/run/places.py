"""Where in a program the start of a call and its answer belong."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from descend.graph.node import Node, postorder, sizes
from descend.graph.source import is_const, value_of
from descend.methods.losses import Loss
from descend.methods.targets import ANY
from descend.run.build import Built
from descend.run.job import Job
from descend.task.bonds import NUMBERS
from descend.task.columns import AVERAGED, TARGET, column_key
from descend.task.rows import Rows
from descend.task.values import FLOAT
from descend.trace.model import Model

__all__ = [
    "Places", "code_of", "domain_check", "flat_start", "joined_start", "named_rows",
    "places_of", "without_data",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]
LARGEST = 1 << 63  # native programs count in 64 bits


class Places(NamedTuple):
    """Where in a program start and answer belong, whatever the number of rows.

    Attributes:
        targets: states that begin as (a part of) the start, by number; empty if one depends on
            it otherwise.
        reads: parameter → the state that holds its answer, and from which number on; empty if the
            answer is no state.
    """

    targets: list[tuple[int, slice]]
    reads: list[tuple[str, int, int]]


def places_of(job: Job, built: Built) -> Places:
    """The places of a program, looked up once."""
    own: Places | None = built.extras.get("places")
    if own is None:
        own = built.extras["places"] = Places(_targets_of(job, built), _answers_of(job, built))
    return own


def flat_start(values: Sequence[Any]) -> Array | None:
    """Numbers as one vector, if all are plain."""
    for value in values:
        if type(value) not in NUMBERS or (not value and math.copysign(1.0, value) < 0.0):
            return None  # -0.0 is not to every method the same as 0.0
    return np.array(values, FLOAT)


def joined_start(values: Sequence[Any], shapes: Sequence[tuple[int, ...]]) -> Array | None:
    """Numbers and arrays as one vector, if all are floats of these shapes."""
    parts = []
    for value, shape in zip(values, shapes, strict=True):
        if shape and type(value) is list and len(shape) == 1:
            if len(value) != shape[0] or any(type(v) not in NUMBERS for v in value):
                return None
            parts.append(np.array(value, FLOAT))
        elif shape and type(value) is np.ndarray and value.dtype is FLOAT and value.shape == shape:
            parts.append(value.reshape(-1))
        elif not shape and type(value) in NUMBERS:
            parts.append(np.array([value], FLOAT))
        else:
            return None
    found = np.concatenate(parts)
    return None if np.signbit(found[found == 0.0]).any() else found


def _targets_of(job: Job, built: Built) -> list[tuple[int, slice]]:
    """The slots that begin as the start, or a part of it; empty if one depends on it otherwise.

    The start is every parameter, and then what the method moves in their place, if that differs.
    """
    program, leaves = built.descent.program, job.leaf_arrays()
    parts, at = {}, 0
    moved = {} if job.space is None else job.moved(leaves)
    for word, group in (("start", leaves), ("moved", moved)):
        first = at
        for name, array in group.items():
            parts[f"{word} {name}"] = slice(at, at + array.size)
            at += array.size
        parts["moved"] = slice(first, at) if group else parts["moved"]
    if job.space is None:
        parts |= {f"moved {name}": parts[f"start {name}"] for name in leaves}
    inputs = dict(zip(program.start, built.descent.start, strict=True))
    found = []
    for number, slot in enumerate(program.slots):
        begin = _copied(slot.begin)
        if begin in inputs:
            found.append((number, parts[inputs[begin]]))
        elif any(node in inputs for node in postorder([slot.begin])):
            return []
    return found


def _copied(node: Node) -> Node:
    """What a node is a copy of: what 0 is added to, for a start without negative zeros."""
    while node.op.name == "add":
        plain = [a.args[0] if a.op.name == "broadcast" else a for a in node.args]
        zeros = [is_const(a) and not value_of(a).any() for a in plain]
        if not any(zeros):
            break
        node = node.args[zeros.index(True) - 1]
    return node


def _answers_of(job: Job, built: Built) -> list[tuple[str, int, int]]:
    """Where what was moved lies; empty if it is no state, but worked out of several."""
    names, space = list(built.descent.state), job.space
    moved = [
        (name, leaf if space is None else space.key(leaf), job.leaf_arrays()[leaf].size)
        for name, (leaf,) in job.start.names.items()
        if space is None or space.varies(leaf)
    ]
    if "all parameters" not in names:
        here = {name: AVERAGED + name if AVERAGED + name in names else name for name in names}
        return [(name, names.index(here[key]), 0) for name, key, _ in moved]
    state = {s.name: np.zeros(sizes(s.form.shape)) for s in built.descent.program.slots}
    own = {n.removeprefix("method/"): a for n, a in state.items() if n.startswith("method/")}
    answer = job.settings.optimizer.answer(state["all parameters"], own)
    same = [number for number, array in enumerate(state.values()) if array is answer]
    if not same:
        return []
    found, at = [], 0
    for name, _, size in moved:
        found.append((name, same[0], at))
        at += size
    return found


# --- data


def without_data(job: Job, views: Mapping[str, Array]) -> Job:
    """A job that holds neither the arrays of its call nor the model, but arrays like them."""
    rows, problem = job.rows, job.problem
    if rows is not None:
        rows = Rows(*named_rows(rows, views), rows.n_rows, 0)
        problem = replace(problem, columns=rows.columns, y=rows.extra[TARGET])
    function: Any = problem.function
    if type(function) is FunctionType:
        function = None
    return replace(job, problem=replace(problem, function=function), rows=rows)


def named_rows(rows: Rows, data: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Columns of a program as the rows' columns, and what else there is."""
    return (
        {name: data[column_key(name)] for name in rows.columns},
        {name: data[name] for name in rows.extra},
    )


def code_of(model: Any) -> tuple[Any, Any, Any] | None:
    """What a function is made of, as far as it can be replaced; None for a formula."""
    if type(model) is not FunctionType:
        return None
    return model.__code__, model.__defaults__, model.__kwdefaults__


def domain_check(
    loss: Loss | None, columns: Mapping[str, Array], model: Model
) -> Callable[[], None] | None:
    """What raises an error for a target outside the loss's domain, if it has one."""
    if loss is None or (loss.domain in ("", ANY) and type(loss).check is Loss.check):
        return None
    target = columns["target"]
    return functools.partial(loss.check, target, model.outputs(len(target)))


def can_be_asked(epochs: Any, seed: Any) -> bool:
    """Whether these are a number of epochs and a seed."""
    return type(epochs) is int is type(seed) and 0 < epochs < LARGEST and 0 <= seed < LARGEST

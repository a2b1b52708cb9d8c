"""The memory of one run of a plan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from descend.compile.memory import MemoryBlock
from descend.compile.program import NativeProgram
from descend.graph.program import Bindings, Control
from descend.run.build import Built
from descend.run.ends import BoundEnds
from descend.run.job import Job
from descend.run.places import domain_check
from descend.run.slopes import Slopes
from descend.task.bonds import Bound, BoundInput
from descend.task.columns import SIGMA, TARGET, WEIGHT
from descend.task.warned import is_constant

__all__ = ["Outline", "RunMemory"]

WEIGHTS = (SIGMA, WEIGHT)

Array = np.ndarray[Any, np.dtype[Any]]
NONE = np.zeros(0)


class Outline(NamedTuple):
    """What the memory of a run is laid out by.

    Attributes:
        control, budget: how many epochs and steps a run may take.
        places: column of the program → which of a call's arrays it is.
        targets: states that begin as (a part of) the start, by number.
        bound: where the numbers of bonds belong, if there are any.
    """

    job: Job
    built: Built
    control: Control
    budget: int
    places: Mapping[str, int]
    targets: Sequence[tuple[int, slice]]
    bound: Bound | None


class RunMemory:
    """The memory of one run, and where in it everything of a call belongs.

    Attributes:
        takes: places of columns, and which of the call's arrays each is.
        judged: raises an error where the target is not in the loss's domain.
        varied: columns that are warned of where all rows are the same.
        targets: places of states that begin as (a part of) the start.
        inputs: what the bounds write to.
        ends, slopes: the graphs of an end, and the slopes of all rows, once they are made.
    """

    def __init__(self, outline: Outline, first: Bindings) -> None:
        job, built, columns = outline.job, outline.built, list(outline.built.descent.data)
        runner = built.runner
        assert isinstance(runner, NativeProgram)
        own = {} if job.space is None else job.space.inputs(job.leaf_arrays())
        names = built.descent.fixed
        fixed = [a.copy() if n in own else a for n, a in zip(names, first.fixed, strict=True)]
        first = replace(first, fixed=fixed)
        code = runner.variant(first.n_rows)
        self.program = program = MemoryBlock(code, first, outline.control, outline.budget)
        views = list(zip(program.data, columns, strict=True))
        self.takes = [(view, outline.places[name]) for view, name in views]
        self.positive = [view for view, name in views if name in WEIGHTS]
        named = dict(zip(columns, program.data, strict=True))
        self.sigma, self.weight = named.get(SIGMA), named.get(WEIGHT)
        self.target = named.get(TARGET, NONE)
        self.varied = [view for view, name in views if view.ndim == 1 and name not in WEIGHTS]
        self.judged = domain_check(
            job.settings.loss, {name: view for view, name in views}, built.model
        )
        self.targets = [(program.state[i].reshape(-1), part) for i, part in outline.targets]
        self.ends: BoundEnds | None = None
        self.slopes: Slopes | None = None
        held = zip(names, program.fixed, strict=True)
        inputs = {name: view for name, view in held if name in own}
        bound = outline.bound
        self.inputs: list[BoundInput] = [] if bound is None else bound.inputs(inputs)

    def takes_all(self, arrays: Sequence[Array]) -> bool:
        """Copy the data in; return whether they can be taken as they are, without a word."""
        program = self.program
        program.reset()
        for view, i in self.takes:
            view[...] = arrays[i]
        if not math.isfinite(program.flat.dot(program.flat)):
            return False
        if any(map(is_constant, self.varied)):
            return False
        if self.judged is not None:
            self.judged()
        # Rows of weight zero do not count, which the residuals must know.
        return not self.positive or min(view.min() for view in self.positive) > 0

"""A plan: a program with its memory, and where in it everything of a call belongs.

Every plain call has one. It is made when a task comes for the first time and entered in a table,
where the next call of that task finds it; what follows is the same for both: the values are bound,
and the program runs. Calls at the same time have memory of their own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from descend.compile.memory import Image
from descend.graph.program import Control
from descend.run.build import Built
from descend.run.course import Course
from descend.run.drive import Ending
from descend.run.ends import BoundEnds, kept_ends
from descend.run.finished import Finished, Normal
from descend.run.job import Job
from descend.run.layout import Layout
from descend.run.look import AT_VERTEX, MOST_NUMBERS, UNCLEAR, Formulas, Look, learns, look_of
from descend.run.looking import ENDED, squares_facts, vertex_of
from descend.run.places import (
    can_be_asked,
    code_of,
    flat_start,
    joined_start,
    named_rows,
    places_of,
    without_data,
)
from descend.run.planned_search import PlannedSearch, can_be_searched
from descend.run.run_memory import Outline, RunMemory
from descend.task.bonds import Bound, Numbers
from descend.task.columns import TARGET
from descend.task.rows import Rows
from descend.task.values import BARE, Values
from descend.trace.context import Trace

__all__ = ["Plan", "Run"]

GRAPHS = 1 << 15  # bytes that a plan is taken to hold besides its memory
MOST_OPERATIONS = 1e7  # of the first entry: some milliseconds

Array = np.ndarray[Any, np.dtype[Any]]


class Plan:
    """All that is known of a task before the values of a call: its program, and memory for it.

    Args:
        job: of the first call.
        options: of the first call, without its numbers.
        places: column of the program → which of a call's arrays it is.
        formulas: what the first look makes of the facts at an end; None where there is none.

    Attributes:
        parameters, names, shapes: of the start, and of its leaves.
        kept: the values of parameters that need none: by default, or 0 where it is searched for.
        layout: where in an image the answers lie, and what the method leaves beside them.
        count: how many numbers are moved.
        has_normal: whether the method's normal equations are those of the residuals.
        residuals: how many there are, if so; else None.
        tells_errors: whether standard errors follow from the normal equations as they are.
        look: what the first look at the end of a run may tell.
        searches: whether the start, or a part of it, is searched for; by `search`, where it can.
        looks_at_rows: whether it is yet to be seen how the residuals of a run go together.
        learns: whether it is yet to be seen what went wrong in learning.
        used: a later use has a higher number.
    """

    def __init__(
        self, model: Any, job: Job, built: Built, options: Any, max_epochs: int,
        places: Mapping[str, int], formulas: Formulas | None = None,
    ) -> None:  # fmt: skip
        self.used = 0
        self.job, self.built, self.options = job, built, options
        self.control = Control(max_epochs, job.settings.seed)
        self.model: Callable[[], Any] = lambda: model
        self.code = code_of(model)
        arrays = job.leaf_arrays()
        self.parameters, self.names = list(job.start.names), list(arrays)
        self.shapes = [a.shape for a in arrays.values()]
        self.scalar = not any(self.shapes)
        self.default = np.concatenate([a.reshape(-1) for a in arrays.values()])
        self.kept = _kept(job, arrays)
        self.bound = None if job.space is None else Bound(job.space, arrays)
        self.columns = list(built.descent.data)
        first = job.bindings(built, job.first_state(built, arrays))
        budget = max(1, int(MOST_OPERATIONS / (50 * (job.settings.batch_size or first.n_rows))))
        own = places_of(job, built)
        self._outline = Outline(
            job, built, self.control, budget, places, own.targets, self.bound
        )
        memory = RunMemory(self._outline, first)
        self._pattern = replace(first, data=memory.program.data)
        self._free = [memory]
        self.parts = memory.program.parts
        shapes = dict(zip(self.parameters, self.shapes, strict=True))
        self.layout = Layout(own.reads, shapes, built.descent.state, self.parts)
        self.count = self.layout.count
        loss, space = job.settings.loss, job.space
        squares = loss is not None and loss.name == "mse" and not (space and space.scales)
        self.has_normal = squares and self.layout.has_equations
        self.residuals = self._residuals()
        tied = space is not None and bool(space.ties)
        self.tells_errors = self.residuals is not None and self.scalar and not tied
        self._reads = [(built.descent.state[state], at) for _, state, at in own.reads]
        self.formulas = formulas
        self.look = Look.NOTHING if formulas is None else look_of(job, built, self.count)
        views = dict(zip(self.columns, memory.program.data, strict=True))
        self.job = without_data(job, views)
        self._outline = self._outline._replace(job=self.job)
        self.searches = bool(job.start.missing)
        self.search = PlannedSearch(job, built, views) if can_be_searched(job) else None
        self.learns = learns(job)
        self.looks_at_rows = bool(job.problem.ready or (self.searches and self.search is None))

    def _residuals(self) -> int | None:
        job, residual = self.job, self.built.descent.residual
        if job.rows is None or not self.has_normal or residual is None:
            return None
        target = job.rows.extra[TARGET]
        same = residual.ndim == target.ndim and residual.shape[1:] == target.shape[1:]
        return int(target.size) if same else None

    def ends(self, memory: RunMemory) -> BoundEnds | None:
        """The graphs of an end in a memory; None where there are none (yet)."""
        if memory.ends is None and self.formulas is not None:
            ends = kept_ends(
                self.job, self.built, self.look, self.formulas, self._reads, self.has_normal
            )
            if ends is not None:
                memory.ends = BoundEnds(ends, self.built, memory.program, self.count)
        return memory.ends

    @property
    def is_complete(self) -> bool:
        """Whether start and answer have their places."""
        return bool(self._outline.targets and self.layout.reads)

    @property
    def size(self) -> int:
        """Bytes, about."""
        return GRAPHS + sum(memory.program.size for memory in [*self._free])

    def serves(self, model: Any) -> bool:
        """Whether the model, with all that it captures, is what it was."""
        if self.code is not None:
            code, defaults, keywords = self.code
            if (
                self.model() is not model
                or model.__code__ is not code
                or model.__defaults__ is not defaults
                or model.__kwdefaults__ is not keywords
            ):
                return False
        return all(map(Trace.unchanged, self.built.traces))

    # --- binding

    def bind(self, values: Values, fresh: bool = False) -> Run | None:
        """A run from these values; None where more is to be said of them than that they fit.

        Raises:
            DataError: the target is outside of the loss's domain.
        """
        begin = self._begin(values)
        if begin is None:
            return None
        control = self.control
        if values.epochs != control.max_epochs or values.seed != control.seed:
            if not can_be_asked(values.epochs, values.seed):
                return None
            control = Control(values.epochs, values.seed)
        numbers = None
        if self.bound is not None:
            numbers = None if values.bonds is None else self.bound.numbers(begin, values.bonds)
            if numbers is None:
                return None
            begin = numbers.begin
        try:
            memory = self._free.pop()
        except IndexError:
            memory = RunMemory(self._outline, self._pattern)
        if not memory.takes_all(values.arrays):
            self._free.append(memory)
            return None
        if control is not self.control:
            memory.program.ask(values.epochs, values.seed)
        return Run(self, memory, values.model, begin, numbers, control, fresh)

    def release(self, memory: RunMemory) -> None:
        """Take memory back that a run has left."""
        self._free.append(memory)

    def _begin(self, values: Values) -> Array | None:
        """The start as one vector, if every value has the form of the plan and is finite."""
        start: Any = values.start
        if self.bound is not None:
            bonds = values.bonds
            if bonds is not None and BARE in bonds.start:
                bonds = bonds._replace(start={self.parameters[0]: bonds.start[BARE]})
            found = None if bonds is None else self.bound.values(bonds)
            if found is None:
                return None
        elif start is None:
            return self.default
        elif type(start) is dict:
            kept = self.kept
            found = [start[n] if n in start else kept.get(n) for n in self.parameters]
        elif self.job.rows is None and len(self.parameters) == 1:
            found = [start]
        else:
            return None
        try:
            vector = flat_start(found) if self.scalar else joined_start(found, self.shapes)
        except OverflowError:
            return None
        return vector if vector is not None and math.isfinite(vector.dot(vector)) else None


class Run:
    """A run of a plan from the values of one call: bound, then gone, then looked at.

    Attributes:
        given, begin: the start as far as it is given, and as it was found; number by number.
        numbers: start and bounds, where there are bonds.
        code: how it has ended; RUNNING if the first entry did not suffice.
        seen, facts: what a compiled first look has made of its end, or what it is to go by.
        fresh: whether the program was built for it.
    """

    __slots__ = (
        "_finished", "_memory", "begin", "candidates", "code", "content", "control", "evaluations",
        "facts", "first", "fresh", "given", "model", "numbers", "plan", "seconds", "seen", "slip",
    )  # fmt: skip

    def __init__(
        self, plan: Plan, memory: RunMemory, model: Any, begin: Array, numbers: Numbers | None,
        control: Control, fresh: bool,
    ) -> None:  # fmt: skip
        self.model, self.plan, self.control, self.fresh = model, plan, control, fresh
        self.given = self.begin = begin
        self.numbers = numbers
        self._memory: RunMemory | None = memory
        self._finished: Finished | None = None

    def go(self) -> None:
        """Run for some milliseconds, and take what was found; the memory is free again."""
        memory, plan = self._memory, self.plan
        assert memory is not None
        self.candidates, self.evaluations, self.slip = 0, 0, 0.0
        self.seen: float = UNCLEAR
        self.facts: SimpleNamespace | None = None
        if plan.searches:
            self.begin = self._searched(memory)
        first = self.begin
        if plan.bound is not None and self.numbers is not None:
            first = plan.bound.enter(self.numbers, memory.inputs)
        for view, part in memory.targets:
            view[...] = first[part]
        self.first = first
        entered = time.perf_counter()
        self.code = memory.program.run()
        self.seconds = time.perf_counter() - entered
        self.content = memory.program.image()
        if plan.look is not Look.NOTHING and plan.look is not Look.EPOCHS:
            self._look(memory)
        if plan.search is not None:
            columns = dict(zip(plan.columns, memory.program.data, strict=True))
            self.slip = plan.search.slip(columns, self.flat())
        self._memory = None
        plan.release(memory)

    def _look(self, memory: RunMemory) -> None:
        """Work out what the end is judged by at first."""
        plan = self.plan
        if plan.look is Look.VERTEX:
            return self._to_vertex(memory)
        many = plan.count > MOST_NUMBERS and plan.look is Look.SQUARES
        ends = None if many and plan.layout.has_equations else plan.ends(memory)
        if ends is not None:
            ends.begin[:] = self._began()
            self.seen = ends.code()
        elif plan.look is Look.SQUARES and plan.has_normal and not self.touches():
            self.facts = squares_facts(memory, plan.layout, self.content, self._began())

    def _to_vertex(self, memory: RunMemory) -> None:
        """Go on to the minimum beside the end, where the rows that it meets are plain."""
        plan = self.plan
        if plan.formulas is None or not plan.layout.may_be_moved or self.code not in ENDED:
            return
        found = vertex_of(memory, plan.job, plan.built, plan.formulas, np.array(self.flat()))
        if found is not None:
            self.content, self.seen = plan.layout.later(self.content, *found), AT_VERTEX

    def _began(self) -> Array:
        """Where the numbers that are moved began, each on its own scale."""
        bound = self.plan.bound
        return self.begin if bound is None else self.begin[bound.varied]

    def _searched(self, memory: RunMemory) -> Array:
        """The start, with the best of the candidates for what has none."""
        plan = self.plan
        columns = dict(zip(plan.columns, memory.program.data, strict=True))
        if plan.search is not None:
            begin, self.candidates = plan.search.best(columns, self.control.seed)
            self.evaluations = self.candidates
            return begin
        job = self._job_of(columns)
        leaves = job.find_start(plan.built, False, 0)
        self.candidates, self.evaluations = job.candidates, job.evaluations
        return np.concatenate([np.reshape(leaves[name], -1) for name in plan.names])

    # --- what was found

    def params(self) -> dict[str, Any]:
        """The answer in the form of the parameters."""
        if self.plan.bound is None or self.numbers is None:
            return self.moved()
        return self.plan.bound.natural(self.moved(), self.numbers)

    def moved(self) -> dict[str, Any]:
        """What the method has moved, in the form of the parameters."""
        return self.plan.layout.moved(self.content)

    def leaves(self) -> dict[str, Array]:
        """The answer, leaf by leaf."""
        return {
            leaf: np.asarray(value)
            for leaf, value in zip(self.plan.names, self.params().values(), strict=True)
        }

    def leaves_begun(self) -> dict[str, Array]:
        """The start, leaf by leaf."""
        return self._leaf_by_leaf(self.begin)

    def flat(self) -> list[float]:
        """What the method has moved, number by number."""
        return self.plan.layout.flat(self.content)

    def begun(self) -> list[float]:
        """The method's numbers where it began."""
        found: list[float] = self.first[-self.plan.count :].tolist()
        return found

    def touches(self) -> bool:
        """Whether a varied number, on no other scale, lies on a bound."""
        bound, numbers = self.plan.bound, self.numbers
        return bool(bound and numbers and bound.holds(self.flat(), numbers))

    def ends_in_bowl(self) -> bool:
        """Whether the method's last move came near the bottom of a parabola."""
        return self.plan.layout.ends_in_bowl(self.content)

    def widest(self) -> Sequence[float]:
        """How large the method has seen each number; all alike where it keeps no account."""
        return self.plan.layout.widest(self.content)

    def fell(self) -> bool:
        """Whether the loss of the last epoch is below that of the first."""
        losses = self._losses()
        return bool(losses.size and losses[-1] < losses[0])

    def last_loss(self) -> float:
        """The loss of the last epoch."""
        losses = self._losses()
        return float(losses[-1]) if losses.size else math.inf

    def _losses(self) -> Array:
        records = self.plan.built.descent.records
        return self._image().array("record", records.index("loss"))

    def column(self, name: str) -> Array:
        """A column of the data."""
        return self._image().array("data", self.plan.columns.index(name))

    def normal_equations(self) -> Normal | None:
        """As `Finished.normal`: None where a parameter lies on a bound."""
        plan = self.plan
        if not plan.has_normal:
            return None
        normal, end = plan.layout.equations(self.content)
        held = plan.bound and self.numbers and plan.bound.holds(end, self.numbers)
        return None if held else normal

    def finished(self) -> Finished:
        """The run with all that is needed to tell its story."""
        if self._finished is None:
            self._finished = self._whole()
        return self._finished

    def job(self) -> Job:
        """The job of the first call with the values of this one."""
        image = self._image()
        return self._job_of(
            {n: image.array("data", i).copy() for i, n in enumerate(self.plan.columns)}
        )

    def _leaf_by_leaf(self, vector: Array) -> dict[str, Array]:
        found, at = {}, 0
        for leaf, shape in zip(self.plan.names, self.plan.shapes, strict=True):
            size = math.prod(shape)
            found[leaf], at = vector[at : at + size].reshape(shape), at + size
        return found

    def _job_of(self, data: Mapping[str, Array]) -> Job:
        plan, begin = self.plan, self._leaf_by_leaf(self.given)
        begin = {n: a for n, a in begin.items() if n not in plan.job.start.missing}
        job, rows = plan.job, plan.job.rows
        own: dict[str, Any] = {}
        settings = job.settings
        if settings.seed != self.control.seed:
            settings = replace(settings, seed=self.control.seed)
        if rows is not None:
            rows = Rows(*named_rows(rows, data), rows.n_rows, 0)
            own = {"columns": rows.columns, "y": rows.extra[TARGET]}
        if type(self.model) is FunctionType:
            own["function"] = self.model
        space = job.space
        if plan.bound is not None and self.numbers is not None:
            space = plan.bound.at(self.numbers)
        start = job.start._replace(arrays=begin)
        return replace(
            job, problem=replace(job.problem, **own), rows=rows, start=start, notes=[*job.notes],
            space=space, settings=settings, candidates=self.candidates,
            evaluations=self.evaluations,
        )  # fmt: skip

    def _options(self) -> Any:
        """The options of the plan with the numbers of this call."""
        plan, control = self.plan, self.control
        if control is plan.control:
            return plan.options
        name = "max_iter" if plan.options.epochs is None else "epochs"
        return plan.options.but(**{name: control.max_epochs, "seed": control.seed})

    def _image(self) -> Image:
        return Image(self.plan.parts, self.content)

    def _whole(self) -> Finished:
        plan, image, job = self.plan, self._image(), self.job()
        states = [image.array("state", i).copy() for i in range(len(plan.built.descent.state))]
        control = image.control(self.control)
        course = Course(plan.built.descent.records)
        course.take(control)
        bound = job.bindings(plan.built, dict(zip(plan.built.descent.state, states, strict=True)))
        return Finished(
            job, plan.built, self.fresh, self._options(), job.rows, self._leaf_by_leaf(self.begin),
            control, course, job.rows, bound, Ending(control.status, "", self.seconds),
        )  # fmt: skip


def _kept(job: Job, arrays: Mapping[str, Array]) -> dict[str, Any]:
    """The values of parameters that need none: by default, or 0 where it is searched for."""
    return {
        name: array.item() if not array.shape else array
        for name, array in zip(job.start.names, arrays.values(), strict=True)
        if name in job.problem.defaults or name in job.start.missing
    }

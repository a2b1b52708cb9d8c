"""A run that is made again with other numbers: its program, and where in it everything belongs.

`fit` (`train/again.py`) and `minimize` (`train/minimum.py`) keep such plans.

What the long way checks of the values it is given, and of nothing else, must be checked here too.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from types import FunctionType
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from descend.compile.program import NativeProgram
from descend.compile.standing_run import Image, StandingRun
from descend.graph.program import RUNNING, Control
from descend.judge.attempts import Unasked, unasked
from descend.judge.doubts import Care
from descend.judge.ending import QUIET
from descend.methods.losses import Loss
from descend.run.course import Course
from descend.run.drive import Ending
from descend.run.finished import Finished
from descend.run.indices import has_checks
from descend.run.job import Job
from descend.task.columns import column_key
from descend.task.rows import Rows
from descend.task.warned import is_constant
from descend.trace.formula import Formula
from descend.train.bonds import NUMBERS, Bonds, Bound, Numbers
from descend.trust.normal_errors import Factor

__all__ = ["FLOAT", "Leftover", "Plan", "Plans", "can_be_planned", "has_defaults"]

MOST_PLANS = 128
MOST_BYTES = 1 << 18
MOST_OPERATIONS = 1e7  # some milliseconds: what lasts longer need not save what it costs besides
FLOAT = np.dtype(np.float64)
WEIGHTS = ("sigma", "sample_weight")
PLAIN = tuple(QUIET.values())

Array = np.ndarray[Any, np.dtype[Any]]


def has_defaults(options: Any, but: Sequence[str]) -> bool:
    """Whether all options but some are as they are by default."""
    for f in fields(options):
        value = getattr(options, f.name)
        same = value is f.default or (type(value) is type(f.default) and value == f.default)
        if not same and f.name not in but:
            return False
    return True


def can_be_planned(model: Any, run: Finished) -> bool:
    """Whether nothing about a finished run asks for more than arrays, a start and the program."""
    job, built = run.job, run.built
    numbers = [*job.start.arrays.values(), *(job.rows.all().values() if job.rows else ())]
    return (
        type(model) in (FunctionType, str, Formula)
        and isinstance(built.runner, NativeProgram)
        and job.key() is not None
        and not job.idle
        and not job.notes
        and all(trace.is_pure_capture for trace in built.traces)
        and not job.settings.has_own_functions()
        and not job.notes
        and not job.settings.rules.keep_best
        and not job.start.missing
        and job.problem.ready is None
        and all(len(own) == 1 for own in job.start.names.values())
        and all(a.dtype is FLOAT for a in numbers)
        and sum(a.nbytes for a in numbers) <= MOST_BYTES
        and run.control.status in QUIET
        and (run.judgement is None or run.judgement.status in PLAIN)
        and not has_checks(built)
    )


P = TypeVar("P", bound="Plan")


class Plans(Generic[P]):
    """The plans that were used last, each under everything that decides it.

    >>> plans: Plans[Plan] = Plans()
    >>> plans.remember("key", lambda: None)
    >>> plans.get("key"), len(plans)
    (None, 1)
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, P | None] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> P | None:
        """The plan under a key, if there is one; raises `TypeError` for what is no key."""
        return self._kept.get(key)

    def remember(self, key: Hashable, make: Callable[[], P | None]) -> None:
        """Plan a run that has been made: the second time, since most come but once.

        A plan whose model has changed is forgotten, and made anew when the run comes again.
        """
        try:
            known = key in self._kept
        except TypeError:
            return
        before = self._kept.get(key)
        plan = before
        if known and before is None:
            plan = make()
        elif before is not None and before.is_stale:
            plan = None
        with self._lock:
            self._kept[key] = plan
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_PLANS:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)


class _Read(NamedTuple):
    """Where the answer for a parameter lies: at which number of an image, and its shape."""

    name: str
    at: int
    shape: tuple[int, ...]


class Plan:
    """A program with its memory, and where in it everything of a call belongs.

    Args:
        places: column of the program → which of a call's arrays it is.

    Attributes:
        takes: places of columns, and which of the call's arrays each is.
        judged: raises an error where the target is not in the loss's domain.
        varied: columns that are warned of where all rows are the same.
        targets: places of states that begin as (a part of) the start.
        reads: where the answers are found.
        patience: how many more runs may turn out to last too long.
        care: looks at the end of a run, where a doubt of it would be followed up.
        is_stale: whether the model, or something that it captures, is no longer the same.
    """

    def __init__(self, model: Any, run: Finished, places: Mapping[str, int]) -> None:
        job, built = run.job, run.built
        self.job, self.built, self.options = job, built, run.options
        self.control = Control(run.control.max_epochs, run.control.seed)
        first = job.bindings(built, job.first_state(run.begin))
        own = {} if job.space is None else job.space.inputs(job.leaf_arrays())
        for i, name in enumerate(built.descent.fixed):
            if name in own:
                first.fixed[i] = first.fixed[i].copy()
        rows = job.settings.batch_size or first.n_rows
        runner: Any = built.runner
        budget = max(1, int(MOST_OPERATIONS / (50 * rows)))
        self.standing = StandingRun(runner, first, self.control, budget)
        self.bound: Bound | None = None
        if job.space is not None:
            named = zip(built.descent.fixed, self.standing.fixed, strict=True)
            inputs = {name: view for name, view in named if name in own}
            self.bound = Bound(job.space, job.leaf_arrays(), inputs)
        self.code = _code_of(model)
        self.parameters = list(job.start.names)
        arrays = job.leaf_arrays()
        self.names = list(arrays)
        self.shapes = [a.shape for a in arrays.values()]
        self.scalar = not any(self.shapes)
        self.default = np.concatenate([a.reshape(-1) for a in arrays.values()])
        self.columns = list(built.descent.data)
        views = list(zip(self.standing.data, self.columns, strict=True))
        self.takes = [(view, places[name]) for view, name in views]
        self.positive = [view for view, name in views if name in WEIGHTS]
        self.varied = [view for view, name in views if view.ndim == 1 and name not in WEIGHTS]
        self.judged = _judge(job.settings.loss, {name: view for view, name in views})
        self.targets = _targets(self.standing, run)
        self.reads = _reads(self.standing, run, self.shapes)
        self.care = _care(self.standing, run)
        self.patience = 2
        self.is_stale = False

    @property
    def is_complete(self) -> bool:
        """Whether start and answer have their places."""
        return bool(self.targets and self.reads)

    def run(
        self, model: Any, arrays: Sequence[Array], values: Sequence[Any],
        bonds: Bonds | None = None,
    ) -> Leftover | None:  # fmt: skip
        """Run from these values of the parameters, or None where it is not as plain as it seemed.

        Args:
            arrays: of the shapes of the plan.
            values: numbers and arrays, one a parameter; none for those that were planned with.
            bonds: what binds the parameters, where the plan has bonds.
        """
        begin = self._begin(values) if values else self.default
        if begin is None or not self.patience:
            return None
        numbers = None
        if self.bound is not None:
            numbers = None if bonds is None else self.bound.numbers(begin, bonds)
            if numbers is None:
                return None
            begin = numbers.begin
        for now, before in zip(_code_of(model), self.code, strict=True):
            self.is_stale |= now is not before
        for trace in self.built.traces:
            self.is_stale |= not trace.unchanged()
        if self.is_stale or not self.standing.free.acquire(blocking=False):
            return None
        try:
            return self._run(arrays, begin, numbers)
        finally:
            self.standing.free.release()

    def _begin(self, values: Sequence[Any]) -> Array | None:
        """The start as one vector, if every value has the form of the plan and is finite."""
        try:
            found = self._flat(values) if self.scalar else _joined(values, self.shapes)
        except OverflowError:
            return None
        return found if found is not None and math.isfinite(found.dot(found)) else None

    def _flat(self, values: Sequence[Any]) -> Array | None:
        for value in values:
            if type(value) not in NUMBERS or (not value and math.copysign(1.0, value) < 0.0):
                return None  # -0.0 is not to every method the same as 0.0
        return np.array(values, FLOAT)

    def _run(
        self, arrays: Sequence[Array], begin: Array, numbers: Numbers | None
    ) -> Leftover | None:
        standing = self.standing
        standing.reset()
        for view, i in self.takes:
            view[...] = arrays[i]
        if not math.isfinite(standing.flat.dot(standing.flat)):
            return None
        if any(is_constant(view) for view in self.varied):
            return None
        for view in self.varied:
            first = view.item(0)
            if first == view.item(-1) and first == view.item(1):
                return None
        if self.judged is not None:
            self.judged()
        for view in self.positive:
            if view.min() <= 0:  # rows of weight zero do not count: the long way knows
                return None
        first = begin
        if self.bound is not None and numbers is not None:
            first = self.bound.enter(numbers)
        for view, part in self.targets:
            view[...] = first[part]
        vector = [] if self.care is None else self.care.begin()
        entered = time.perf_counter()
        status = standing.run()
        seconds = time.perf_counter() - entered
        if status not in QUIET:
            self.patience -= status == RUNNING
            return None
        factor = None
        if self.care is not None:
            is_plain, factor = self.care.judged(status, vector)
            if not is_plain:
                return None
        return Leftover(self, standing.image(), begin, seconds, status, numbers, factor)


def _care(standing: StandingRun, run: Finished) -> Care | None:
    """What looks at the end of a run where a doubt of it would be followed up."""
    if run.job.settings.optimizer.needs != "gauss_newton":
        return None
    state = dict(zip(run.built.descent.state, standing.state, strict=True))
    more = unasked(run.options, run.job) is not Unasked.NEVER
    return Care(state["all parameters"], state["method/x"], state["method/jtj"], more)


def _code_of(model: Any) -> tuple[Any, ...]:
    """What a function is made of, as far as it can be replaced."""
    if type(model) is not FunctionType:
        return ()
    return model.__code__, model.__defaults__, model.__kwdefaults__


def _judge(loss: Loss | None, columns: Mapping[str, Array]) -> Callable[[], None] | None:
    """What raises an error for a target outside the loss's domain, if it has one."""
    if loss is None or not (loss.domain or type(loss).check is not Loss.check):
        return None
    return functools.partial(loss.check, columns["target"])


def _joined(values: Sequence[Any], shapes: Sequence[tuple[int, ...]]) -> Array | None:
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


def _targets(standing: StandingRun, run: Finished) -> list[tuple[Array, slice]]:
    """The states that begin as the start, or a part of it; empty if one depends on it otherwise.

    Found by the first states of several starts: what is equal for all does not depend on it. The
    start is every parameter, and then what the method moves in their place, if that differs.
    """
    rng = np.random.default_rng(0)
    job, leaves = run.job, run.job.leaf_arrays()
    probes, vectors = [], []
    for size in (0.0, 1.0, 1.0, 1e9):
        probe = {n: np.asarray(size * rng.normal(size=a.shape)) for n, a in leaves.items()}
        moved: dict[str, Array] = {}
        if job.space is not None:
            own = job.moved(leaves).items()
            given = {n: np.asarray(size * rng.normal(size=a.shape)) for n, a in own}
            with np.errstate(all="ignore"):
                probe = job.space.natural(given, probe)
                moved = job.moved(probe)
        pieces = [*probe.values(), *moved.values()]
        probes.append(probe)
        vectors.append(np.concatenate([np.reshape(a, -1) for a in pieces]))
    states = [job.first_state(probe) for probe in probes]
    parts = _parts([probes[0].values(), moved.values()])
    found = []
    for name, view in zip(run.built.descent.state, standing.state, strict=True):
        values = [np.asarray(state[name], view.dtype).reshape(-1) for state in states]
        if len({value.tobytes() for value in values}) == 1:
            continue
        pairs = list(zip(vectors, values, strict=True))
        fit = [p for p in parts if all(np.array_equal(v[p], a, equal_nan=True) for v, a in pairs)]
        if not fit:
            return []
        found.append((view.reshape(-1), fit[0]))
    return found


def _parts(groups: Sequence[Iterable[Array]]) -> list[slice]:
    """Each group of arrays that stand one after the other as a whole, then each array."""
    whole, single, at = [], [], 0
    for group in groups:
        begin = at
        for array in group:
            single.append(slice(at, at + array.size))
            at += array.size
        whole.append(slice(begin, at))
    return [*whole, *single]


def _reads(
    standing: StandingRun, run: Finished, shapes: Sequence[tuple[int, ...]]
) -> list[_Read]:
    """Where what was moved lies; empty if it is no state, but worked out of several."""
    names, space = list(run.built.descent.state), run.job.space
    begins = {name: standing.parts["state", i].begin // 8 for i, name in enumerate(names)}
    moved = [
        (name, leaf if space is None else space.key(leaf), shape)
        for (name, (leaf,)), shape in zip(run.job.start.names.items(), shapes, strict=True)
        if space is None or space.varies(leaf)
    ]
    if "all parameters" in names:
        rng = np.random.default_rng(0)
        state = {n: rng.normal(size=v.shape) for n, v in zip(names, standing.state, strict=True)}
        own = {n.removeprefix("method/"): a for n, a in state.items() if n.startswith("method/")}
        answer = np.asarray(run.job.settings.optimizer.answer(state["all parameters"], own))
        same = [n for n, a in state.items() if a.shape == answer.shape and (a == answer).all()]
        if not same:
            return []
        at = begins[same[0]]
        for _, key, shape in moved:
            begins[key], at = at, at + math.prod(shape)
    return [_Read(name, begins[key], shape) for name, key, shape in moved]


class Leftover(NamedTuple):
    """What a planned run left, of which a record can be made when somebody looks."""

    plan: Plan
    content: bytes
    begin: Array
    seconds: float
    code: int
    numbers: Numbers | None = None
    factor: Factor | None = None

    def params(self) -> dict[str, Any]:
        """The answer in the form of the parameters."""
        bound, moved = self.plan.bound, self.moved()
        if bound is None or self.numbers is None:
            return moved
        return bound.natural(moved, self.numbers)

    def moved(self) -> dict[str, Any]:
        """What the method has moved, in the form of the parameters."""
        numbers = memoryview(self.content).cast("d")
        found: dict[str, Any] = {}
        for name, at, shape in self.plan.reads:
            if shape:
                found[name] = np.array(numbers[at : at + math.prod(shape)]).reshape(shape)
            else:
                found[name] = numbers[at]
        return found

    def flat(self) -> list[float]:
        """All numbers of the answer in a row."""
        numbers = memoryview(self.content).cast("d")
        found: list[float] = []
        for _, at, shape in self.plan.reads:
            found += numbers[at : at + math.prod(shape)].tolist()
        return found

    def leaves(self) -> dict[str, Array]:
        """The answer leaf by leaf."""
        return {
            leaf: np.asarray(value)
            for leaf, value in zip(self.plan.names, self.params().values(), strict=True)
        }

    def job(self) -> Job:
        """The task as the long way would have read it."""
        plan, image = self.plan, Image(self.plan.standing, self.content)
        data = {n: image.array("data", i).copy() for i, n in enumerate(plan.columns)}
        begin, at = {}, 0
        for leaf, shape in zip(plan.names, plan.shapes, strict=True):
            size = math.prod(shape)
            begin[leaf], at = self.begin[at : at + size].reshape(shape), at + size
        job, rows, problem = plan.job, plan.job.rows, plan.job.problem
        if rows is not None:
            columns = {name: data[column_key(name)] for name in rows.columns}
            rows = Rows(columns, {name: data[name] for name in rows.extra}, rows.n_rows, 0)
            problem = replace(problem, columns=columns, y=rows.extra["target"])
        space = job.space
        if plan.bound is not None and self.numbers is not None:
            space = plan.bound.at(self.numbers)
        return replace(
            job, problem=problem, rows=rows, start=job.start._replace(arrays=begin),
            notes=[*job.notes], space=space,
        )  # fmt: skip

    def finished(self, job: Job | None = None) -> Finished:
        """The run as the long way would have left it."""
        plan, image = self.plan, Image(self.plan.standing, self.content)
        job = job or self.job()
        states = [image.array("state", i).copy() for i in range(len(plan.standing.state))]
        control = image.control(plan.control)
        course = Course(plan.built.descent.records)
        course.take(control)
        bound = job.bindings(plan.built, dict(zip(plan.built.descent.state, states, strict=True)))
        return Finished(
            job, plan.built, False, plan.options, job.rows, job.start.arrays, control, course,
            job.rows, bound, Ending(control.status, "", self.seconds),
        )  # fmt: skip

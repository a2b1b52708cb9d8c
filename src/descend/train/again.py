"""A fit that is made again with other numbers: straight from the arrays to the compiled program.

A call of `fit` that is like one before (the same model with unchanged captures, arrays of the same
shapes, the same parameters, the same options) needs none of the stages: a plan knows where in the
program's memory data and start belong. Only what every call must check is checked: that all numbers
are finite, and sigmas positive. The record is made of what the run left when somebody looks at it.
Whatever is not plain (a run that warns, that is watched, that lasts) takes the long way.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields, replace
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from descend.compile.program import NativeProgram
from descend.compile.standing_run import Image, StandingRun
from descend.graph.program import RUNNING, Bindings, Control
from descend.pipeline import column_key
from descend.trace.formula import Formula
from descend.train.course import Course
from descend.train.finish import QUIET, Finished, parts_of
from descend.train.indices import has_checks
from descend.train.job import Job
from descend.train.normal_errors import Normal, covariance_of
from descend.train.results import Fit, Remains
from descend.train.rows import Rows
from descend.train.run import Ending

__all__ = ["again", "remember"]

MOST_PLANS = 128
MOST_BYTES = 1 << 20
MOST_OPERATIONS = 1e7  # some milliseconds: what lasts longer need not save what it costs besides
FLOAT = np.dtype(np.float64)
NUMBERS = (float, int, np.float64)
ORDINARY = (
    "start", "loss", "optimizer", "lr", "batch_size", "shuffle", "epochs", "seed", "stop_loss",
    "xtol", "ftol", "gtol", "patience", "min_delta", "missing", "params", "penalty", "clip",
    "threads", "record", "engine", "absolute_sigma",
)  # fmt: skip
"""Options that a plan may have; all others must be as they are by default."""
WEIGHTS = ("sigma", "sample_weight")

Array = np.ndarray[Any, np.dtype[Any]]


class _Call:
    """What a call of `fit` gives, taken apart: its key, its arrays, its start."""

    __slots__ = ("arrays", "key", "model", "start")

    def __init__(self, given: Mapping[str, Any]) -> None:
        """Take the arguments apart; `TypeError` where there is no plan for such."""
        self.model, x, y, self.start, *options = given.values()
        if options.pop():
            raise TypeError("unknown options")
        kind = type(x)
        form: Any = None
        if kind is np.ndarray:
            arrays = [x]
        elif kind is tuple:
            arrays = [*x]
        elif kind is dict:
            arrays, form = [*x.values()], tuple(x)
        else:
            raise TypeError("x")
        if type(y) is np.ndarray:
            arrays.append(y)
            y = None
        elif form is None:
            raise TypeError("y")
        for i, option in enumerate(options):
            if type(option) is np.ndarray:
                arrays.append(option)
                options[i] = np.ndarray
        shapes = [a.shape for a in arrays if type(a) is np.ndarray and a.dtype is FLOAT]
        if len(shapes) < len(arrays):
            raise TypeError("arrays")
        self.arrays = arrays
        self.key = (
            self.model, kind, form, y, self.start is None, *shapes, *options, *map(type, options)
        )  # fmt: skip


_plans: OrderedDict[Hashable, _Plan | None] = OrderedDict()
_lock = threading.Lock()


def again(given: Mapping[str, Any]) -> Fit | None:
    """The fit, if it is like one before and goes as plainly; None if it must take the long way.

    Args:
        given: the arguments of `fit` by name, in the order of its signature.
    """
    try:
        call = _Call(given)
        plan = _plans.get(call.key)
    except TypeError:
        return None
    return None if plan is None else plan.run(call)


def remember(given: Mapping[str, Any], run: Finished) -> None:
    """Keep a plan of a fit that has taken the long way; the second time, as most come but once."""
    try:
        call = _Call(given)
        known = call.key in _plans
    except TypeError:
        return
    plan = _planned(call, given, run) if known and _plans[call.key] is None else None
    with _lock:
        if plan is not None or not known:
            _plans[call.key] = plan
        _plans.move_to_end(call.key)
        while len(_plans) > MOST_PLANS:
            _plans.popitem(last=False)


def _planned(call: _Call, given: Mapping[str, Any], run: Finished) -> _Plan | None:
    """A plan, if nothing about the fit asks for more than arrays, a start and the program."""
    job, built = run.job, run.built
    names = _places(call, given, job)
    numbers = [*call.arrays, *job.start.arrays.values()]
    plain = (
        names is not None
        and all(_is_ordinary(f.name, getattr(run.options, f.name), f) for f in fields(run.options))
        and type(call.model) in (FunctionType, str, Formula)
        and isinstance(built.runner, NativeProgram)
        and job.key() is not None
        and all(trace.is_pure_capture for trace in built.traces)
        and not job.settings.has_own_functions()
        and not job.settings.rules.keep_best
        and not job.start.missing
        and job.problem.ready is None
        and all(len(own) == 1 for own in job.start.names.values())
        and all(a.dtype is FLOAT for a in numbers)
        and sum(a.nbytes for a in numbers) <= MOST_BYTES
        and run.control.status in QUIET
        and not has_checks(built)
    )
    if not plain or names is None or names.keys() != set(built.descent.data):
        return None
    plan = _Plan(call, run, names)
    return plan if plan.targets and plan.reads else None


def _is_ordinary(name: str, value: Any, option: Any) -> bool:
    if name in WEIGHTS:
        return value is None or type(value) is np.ndarray
    return name in ORDINARY or value is option.default or value == option.default


def _places(call: _Call, given: Mapping[str, Any], job: Job) -> dict[str, int] | None:
    """Column of the program → which of the call's arrays it is; None if that cannot be told."""
    x, y = given["x"], given["y"]
    own = list(job.problem.columns)
    at = {name: i for i, name in enumerate(x if type(x) is dict else own)}
    if type(x) is not dict and len(own) != (1 if type(x) is np.ndarray else len(x)):
        return None
    if any(name not in at for name in own):
        return None
    found = {column_key(name): at[name] for name in own}
    others = [name for name, value in given.items() if type(value) is np.ndarray and name != "x"]
    for i, name in enumerate(reversed(others)):
        found["target" if name == "y" else name] = len(call.arrays) - 1 - i
    if type(y) is not np.ndarray:
        if job.problem.target not in at:
            return None
        found["target"] = at[job.problem.target]
    columns = {} if job.rows is None else job.rows.all()
    same = found.keys() == columns.keys() and all(
        call.arrays[found[name]].shape == a.shape for name, a in columns.items()
    )
    return found if same else None


class _Read(NamedTuple):
    """Where the answer for a parameter lies: at which number of an image, and its shape."""

    name: str
    at: int
    shape: tuple[int, ...]


class _Plan:
    """A program with its memory, and where in it everything of a call belongs.

    Attributes:
        takes: places of columns, and which of the call's arrays each is.
        targets: places of states that begin as (a part of) the start.
        reads: where the answers are found.
        normal: where the normal equations are, and the degrees of freedom.
        patience: how many more runs may turn out to last too long.
    """

    def __init__(self, call: _Call, run: Finished, names: Mapping[str, int]) -> None:
        job, built = run.job, run.built
        assert job.rows is not None
        self.job, self.built, self.options = job, built, run.options
        self.begin = Control(run.control.max_epochs, run.control.seed)
        first = job.bindings(built, job.first_state(run.begin))
        rows = job.settings.batch_size or first.n_rows
        runner: Any = built.runner
        budget = max(1, int(MOST_OPERATIONS / (50 * rows)))
        self.standing = StandingRun(runner, first, self.begin, budget)
        self.fixed = first.fixed
        self.code = _code_of(call.model)
        self.parameters = list(job.start.names)
        arrays = job.leaf_arrays()
        self.names = list(arrays)
        self.shapes = [a.shape for a in arrays.values()]
        self.scalar = not any(self.shapes)
        self.default = np.concatenate([a.reshape(-1) for a in arrays.values()])
        self.columns = list(built.descent.data)
        places = list(zip(self.standing.data, self.columns, strict=True))
        self.takes = [(view, names[name]) for view, name in places]
        self.positive = [(view, name == "sigma") for view, name in places if name in WEIGHTS]
        self.targets = _targets(self.standing, run)
        self.reads = _reads(self.standing, run, self.shapes)
        self.normal = _equations(self.standing, run) if self.scalar else ()
        self.patience = 2

    def run(self, call: _Call) -> Fit | None:
        """The fit, or None if it is not as plain as it seemed."""
        for now, before in zip(_code_of(call.model), self.code, strict=True):
            if now is not before:
                return None
        if not self.patience:
            return None
        begin = self._start(call.start)
        if begin is None or not all(trace.unchanged() for trace in self.built.traces):
            return None
        if not self.standing.free.acquire(blocking=False):
            return None
        try:
            return self._fit(call.arrays, begin)
        finally:
            self.standing.free.release()

    def _start(self, start: Any) -> Array | None:
        """The start as one vector, if it gives every parameter in the form of the plan."""
        if start is None:
            return self.default
        if type(start) is not dict or len(start) != len(self.parameters):
            return None
        values = [start.get(name) for name in self.parameters]
        if self.scalar:
            for value in values:
                if type(value) not in NUMBERS:
                    return None
            found = np.array(values, FLOAT)
        else:
            joined = _joined(values, self.shapes)
            if joined is None:
                return None
            found = joined
        return found if math.isfinite(found.dot(found)) else None

    def _fit(self, arrays: Sequence[Array], begin: Array) -> Fit | None:
        standing = self.standing
        standing.reset()
        for view, i in self.takes:
            view[...] = arrays[i]
        if not math.isfinite(standing.flat.dot(standing.flat)):
            return None
        for view, is_sigma in self.positive:
            least = view.min()
            if least < 0 or (least == 0 and (is_sigma or not view.any())):
                return None
        for view, part in self.targets:
            view[...] = begin[part]
        entered = time.perf_counter()
        status = standing.run()
        seconds = time.perf_counter() - entered
        if status not in QUIET:
            self.patience -= status == RUNNING
            return None
        left = Leftover(self, standing.image(), begin, seconds)
        return Fit.later(left, left.params(), QUIET[status])


def _code_of(model: Any) -> tuple[Any, ...]:
    """What a function is made of, as far as it can be replaced."""
    if type(model) is not FunctionType:
        return ()
    return model.__code__, model.__defaults__, model.__kwdefaults__


def _joined(values: Sequence[Any], shapes: Sequence[tuple[int, ...]]) -> Array | None:
    """Numbers and arrays as one vector, if all are floats of these shapes."""
    parts = []
    for value, shape in zip(values, shapes, strict=True):
        if shape and type(value) is np.ndarray and value.dtype is FLOAT and value.shape == shape:
            parts.append(value.reshape(-1))
        elif not shape and type(value) in NUMBERS:
            parts.append(np.array([value], FLOAT))
        else:
            return None
    return np.concatenate(parts)


def _targets(standing: StandingRun, run: Finished) -> list[tuple[Array, slice]]:
    """The states that begin as the start, or a part of it; empty if one depends on it otherwise.

    Found by the first states of two starts: what is equal for both does not depend on it.
    """
    rng = np.random.default_rng(0)
    leaves = run.job.leaf_arrays()
    probes = [
        {n: np.asarray(rng.normal(size=a.shape)) for n, a in leaves.items()} for _ in range(2)
    ]
    states = [run.job.first_state(probe) for probe in probes]
    vectors = [np.concatenate([a.reshape(-1) for a in probe.values()]) for probe in probes]
    ends = np.cumsum([a.size for a in leaves.values()]).tolist()
    parts = [slice(0, ends[-1])]
    parts += [slice(e - a.size, e) for e, a in zip(ends, leaves.values(), strict=True)]
    found = []
    for name, view in zip(run.built.descent.state, standing.state, strict=True):
        values = [np.asarray(state[name], view.dtype).reshape(-1) for state in states]
        if values[0].tobytes() == values[1].tobytes():
            continue
        pairs = list(zip(vectors, values, strict=True))
        own = [part for part in parts if all(np.array_equal(v[part], a) for v, a in pairs)]
        if not own:
            return []
        found.append((view.reshape(-1), own[0]))
    return found


def _reads(
    standing: StandingRun, run: Finished, shapes: Sequence[tuple[int, ...]]
) -> list[_Read]:
    """Where the answer lies; empty if it is no state, but worked out of several."""
    names = list(run.built.descent.state)
    begins = {name: standing.parts["state", i].begin // 8 for i, name in enumerate(names)}
    leaves = list(run.job.leaf_arrays())
    if "all parameters" in names:
        rng = np.random.default_rng(0)
        state = {n: rng.normal(size=v.shape) for n, v in zip(names, standing.state, strict=True)}
        own = {n.removeprefix("method/"): a for n, a in state.items() if n.startswith("method/")}
        answer = np.asarray(run.job.settings.optimizer.answer(state["all parameters"], own))
        same = [n for n, a in state.items() if a.shape == answer.shape and (a == answer).all()]
        if not same:
            return []
        sizes = [math.prod(shape) for shape in shapes]
        begins |= {n: begins[same[0]] + sum(sizes[:i]) for i, n in enumerate(leaves)}
    return [
        _Read(name, begins[leaf], shape)
        for name, leaf, shape in zip(run.job.start.names, leaves, shapes, strict=True)
    ]


def _equations(standing: StandingRun, run: Finished) -> tuple[int, ...]:
    """At which numbers of an image JᵀJ, Jᵀr and the loss are, and the degrees of freedom."""
    rows, residual = run.job.rows, run.built.descent.residual
    assert rows is not None
    target = rows.extra["target"]
    if run.normal() is None or run.options.absolute_sigma or residual is None:
        return ()
    if residual.ndim != target.ndim or residual.shape[1:] != target.shape[1:]:
        return ()
    names = list(run.built.descent.state)
    places = [names.index(f"method/{name}") for name in ("jtj", "jtr", "loss")]
    begins = [standing.parts["state", i].begin // 8 for i in places]
    return (*begins, target.size - len(run.job.leaf_arrays()))


class Leftover:
    """What a planned run left, of which the record is made when somebody looks."""

    __slots__ = ("begin", "content", "plan", "seconds")

    def __init__(self, plan: _Plan, content: bytes, begin: Array, seconds: float) -> None:
        self.plan, self.content, self.begin, self.seconds = plan, content, begin, seconds

    def params(self) -> dict[str, Any]:
        """The answer in the form of the parameters."""
        numbers = memoryview(self.content).cast("d")
        found: dict[str, Any] = {}
        for name, at, shape in self.plan.reads:
            if shape:
                found[name] = np.array(numbers[at : at + math.prod(shape)]).reshape(shape)
            else:
                found[name] = numbers[at]
        return found

    def covariance(self) -> list[list[float]] | None:
        """The covariance, row by row, where the last state of the method gives it."""
        if not self.plan.normal:
            return None
        jtj, jtr, loss, dof = self.plan.normal
        p = len(self.plan.parameters)
        numbers = memoryview(self.content).cast("d")
        first, second = numbers[jtj : jtj + p * p].tolist(), numbers[jtr : jtr + p].tolist()
        return covariance_of(Normal(first, second, numbers[loss]), dof)

    def stderr(self) -> dict[str, Any] | None:
        """Standard errors by parameter, where the last state of the method gives them."""
        rows = self.covariance()
        if rows is None:
            return None
        errors = [math.sqrt(row[i]) for i, row in enumerate(rows)]
        return dict(zip(self.plan.parameters, errors, strict=True))

    def parts(self) -> tuple[Remains, dict[str, Any]]:
        """Everything that the long way would have said."""
        plan, image = self.plan, Image(self.plan.standing, self.content)
        data = {n: image.array("data", i).copy() for i, n in enumerate(plan.columns)}
        old = plan.job.rows
        assert old is not None
        columns = {name: data[column_key(name)] for name in old.columns}
        rows = Rows(columns, {name: data[name] for name in old.extra}, old.n_rows, 0)
        begin, at = {}, 0
        for leaf, shape in zip(plan.names, plan.shapes, strict=True):
            size = math.prod(shape)
            begin[leaf], at = self.begin[at : at + size].reshape(shape), at + size
        problem = replace(plan.job.problem, columns=columns, y=rows.extra["target"])
        start = plan.job.start._replace(arrays=begin)
        job = replace(plan.job, problem=problem, start=start, rows=rows, notes=[*plan.job.notes])
        states = [image.array("state", i).copy() for i in range(len(plan.standing.state))]
        control = image.control(plan.begin)
        course = Course(plan.built.descent.records)
        course.take(control)
        run = Finished(
            job, plan.built, False, plan.options, rows, begin, control, course, rows,
            Bindings(states, list(data.values()), plan.fixed, rows.n_rows),
            Ending(control.status, "", self.seconds),
        )  # fmt: skip
        return parts_of(run)

"""Many trainings of one model at once: seeds, learning rates and other numbers over one program."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import UsageError, ends_at_users_line, suggest
from descend.graph.program import DIVERGED, RUNNING
from descend.result.finish import finish
from descend.result.fit import Fit
from descend.run.cores import threads_for
from descend.run.drive import Ending, listening
from descend.run.finished import Finished
from descend.run.job import Job
from descend.run.threads import together
from descend.task.checks import check_count, check_seed
from descend.task.declared import check_inside
from descend.task.foreign import foreign_names
from descend.train.descents import Descents
from descend.train.fit import read_call

__all__ = [
    "Trainings", "begun_at", "job_of", "numbered", "refuse_told", "trainings", "values_of",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]
PIECE = 1 << 14  # batches between two looks at Ctrl-C
TOLD = ("callback", "progress", "verbose", "checkpoint", "max_seconds")
"""Options by which somebody is told of epochs, or ends them from outside."""
OF_THE_CALL = ("lr", "stop_loss", "patience", "min_delta", "accumulate", "ema")
"""Numbers that are options of `fit` themselves."""


class Trainings(Sequence[Fit]):
    """The trainings of one call, in order; each is a fit when somebody looks at it.

    Attributes:
        settings: what is its own of each training, by name.
        loss: (trainings,) the mean loss of each one's last epoch; NaN where it diverged.
        validation_loss: (trainings,) on the rows held back, at its end, or where the best was kept
            there; NaN without such rows.
    """

    def __init__(self, runs: Sequence[Finished], settings: Sequence[Mapping[str, Any]]) -> None:
        self._runs, self.settings = list(runs), list(settings)
        self._fits: dict[int, Fit] = {}
        self.loss = np.array([_last(run, "loss") for run in runs])
        self.validation_loss = np.array([_last(run, "validation_loss") for run in runs])

    def __reduce__(self) -> Any:
        told = {name: getattr(self, name) for name in ("settings", "loss", "validation_loss")}
        return _of_fits, (list(self), told)

    def __len__(self) -> int:
        return len(self.settings)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        k = range(len(self))[i]
        if k not in self._fits:
            self._fits[k] = finish(self._runs[k])
        return self._fits[k]

    def __iter__(self) -> Iterator[Fit]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        name = self[0].model
        return f"<{len(self)} trainings of {name}: loss {np.nanmin(self.loss):.6g} at best>"

    @property
    def params(self) -> dict[str, Array]:
        """The parameters of all trainings: name → (trainings, …)."""
        leaves = [fit._evidence.leaves for fit in self]
        return {name: np.stack([own[name] for own in leaves]) for name in leaves[0]}

    @property
    def best(self) -> int:
        """The number of the training of the least validation loss, or loss where none was asked."""
        judged = self.loss if np.isnan(self.validation_loss).all() else self.validation_loss
        return int(np.nanargmin(judged))

    @ends_at_users_line
    def predict(self, x: Any) -> Any:
        """What the trainings predict together: the likeliest label by the mean of their
        probabilities, or the mean of their numbers.

        Trainings that diverged have no say.
        """
        answer = self._sound()[0]._evidence.predictor.answer
        if answer.kind == "labels":
            return answer.chosen(self.predict_proba(x))
        return np.mean([fit.predict(x) for fit in self._sound()], axis=0)

    @ends_at_users_line
    def predict_proba(self, x: Any) -> Array:
        """The mean of the probabilities of all trainings, (rows, classes)."""
        return np.asarray(np.mean([fit.predict_proba(x) for fit in self._sound()], axis=0))

    def _sound(self) -> list[Fit]:
        kept = [self[i] for i in np.flatnonzero(np.isfinite(self.loss)).tolist()]
        if not kept:
            raise UsageError("every training diverged", remedy="train with a smaller lr")
        return kept


def _last(run: Finished, name: str) -> float:
    if run.control.status == DIVERGED or name not in run.course.names:
        return float("nan")
    column = run.column(name)
    if not column.size:
        return float("nan")
    kept = name == "validation_loss" and run.best_epoch() is not None
    return float(np.nanmin(column) if kept else column[-1])


def _of_fits(fits: Sequence[Fit], told: Mapping[str, Any]) -> Trainings:
    """Trainings of which only the fits are left."""
    found = Trainings((), ())
    for name, value in told.items():
        setattr(found, name, value)
    found._fits = dict(enumerate(fits))
    return found


@ends_at_users_line
def trainings(
    model: Any, x: Any = None, y: Any = None, *, over: Mapping[str, Iterable[Any]],
    threads: int | None = None, **options: Any,
) -> Trainings:  # fmt: skip
    """Train a model once for every combination of some options, by one program on all cores.

    Args:
        model, x, y, options: as of `fit`.
        over: option → its values: `seed`, `batch_size`, numbers of the method, the penalty and the
            stopping rules, such as `lr`, `weight_decay`, `stop_loss`, and parameters, which begin
            there. The last one changes fastest. Rows are held back by the seed among the options,
            the same for all.
        threads: how many work at once; by default one a core. They change no bit: each training
            is that of `fit` with these options (to rounding where sizes of batches vary, which
            are a number of the program then).

    Raises:
        UsageError, DataError: as `fit`; an option that is no such number.

    >>> x = np.linspace(-1.0, 1.0, 40)[:, None]
    >>> from descend import networks as nn
    >>> found = trainings(
    ...     nn.mlp([8]), x, np.abs(x[:, 0]), over=dict(seed=range(3), lr=[0.01, 0.03]), epochs=50
    ... )
    >>> len(found), found.settings[1], found.params["0.weight"].shape
    (6, {'seed': 0, 'lr': 0.03}, (6, 8, 1))
    >>> found[found.best].loss == min(fit.loss for fit in found)
    True
    """
    refuse_told(options)
    names, values = values_of(over)
    settings = [dict(zip(names, each, strict=True)) for each in itertools.product(*values)]
    given = numbered({"starts": 1, **options}, settings[0])
    runs: dict[int, Finished] = {}
    for said in (False, True):
        own = {i: s for i, s in enumerate(settings) if (s.get("batch_size") is not None) is said}
        sizes = {check_count("batch_size", one["batch_size"]) for one in own.values() if said}
        of_size = {"batch_size": min(sizes)} if said and own else {}
        if own:  # one program for all sizes
            longest = max(sizes) if len(sizes) > 1 else None
            descents, _ = read_call(model, x, y, given | of_size, longest)
            runs |= {i: _begun(descents, one) for i, one in own.items()}
    ordered = [runs[i] for i in range(len(settings))]
    _run_all(ordered, threads_for(threads, len(ordered)))
    return Trainings(ordered, settings)


def refuse_told(options: Mapping[str, Any]) -> None:
    """Refuse options by which somebody is told of one run, or ends it.

    Raises:
        UsageError: there is one.
    """
    for name in TOLD:
        if options.get(name) not in (None, False):
            raise UsageError(
                f"{name} belongs to one run, and trainings are many at once",
                remedy=f"leave {name} out, or write descend.fit(…) in a loop",
            )


def values_of(over: Any) -> tuple[list[str], list[list[Any]]]:
    """The options that vary, and the values of each."""
    remedy = 'write over={"seed": range(10)}, or {"lr": [0.001, 0.01]}'
    if not isinstance(over, Mapping):
        what = type(over).__name__
        raise UsageError(f"over is a dict option → values, not {what}", remedy=remedy)
    found: list[list[Any]] = []
    for name, given in over.items():
        if not isinstance(given, Iterable) or isinstance(given, str):
            raise UsageError(f"over gives {name} no list of values, but {given!r}", remedy=remedy)
        found.append([check_seed(value) for value in given] if name == "seed" else list(given))
        for value in found[-1]:
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not number and not (name == "batch_size" and value is None):
                raise UsageError(
                    f"over gives {name} the value {value!r}, and varies numbers alone",
                    remedy='of penalty="l2(0.1)", for example, the number is over={"weight": […]}',
                )
    if not found or not all(found):
        raise UsageError("over has no values", remedy=remedy)
    return list(over), found


def numbered(given: Mapping[str, Any], numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The options with the numbers that are options themselves: all are in the program then."""
    own = {n: v for n, v in numbers.items() if n in OF_THE_CALL}
    if "lr" in own and not isinstance(given.get("optimizer", ""), str):
        own.pop("lr")  # the optimizer has it
    return {**given, **own}


def job_of(descents: Descents, own: Mapping[str, Any]) -> tuple[Job, dict[str, Array]]:
    """The job of one training by what is its own, and where its leaves begin.

    Raises:
        UsageError: it names what is no number of the program.
    """
    job, o = descents.job, descents.options
    seed = int(own.get("seed", job.settings.seed))
    inputs, structure = descents.built.descent.fixed, job.settings.structure()
    job = dataclasses.replace(job, settings=dataclasses.replace(job.settings, seed=seed))
    leaves = job.find_start(descents.built, o.start == "random", 0)
    if job.problem.draws is not None and o.start is None:
        leaves |= job.problem.draws(seed)
    scalars = [name for name, array in leaves.items() if not array.ndim]
    for name in (n for n in own if n not in ("seed", "batch_size")):
        if name in scalars:
            leaves[name] = np.asarray(own[name], leaves[name].dtype)
            _check_begin(name, leaves[name], job)
            continue
        found = job.with_number(name, own[name], inputs)
        if found is None or found.settings.structure() != structure:
            known = ["seed", "batch_size", *job.settings.names(inputs), *scalars]
            ours = foreign_names("fit").get(name, "")
            hint = f' (did you mean "{ours}"?)' if ours in known else suggest(name, known)
            raise UsageError(
                f'over names "{name}", which is no number of this program{hint}',
                remedy=f"its numbers are {', '.join(known)}; what is 0 or not "
                "said for the first training is no part of the program",
            )
        job = found
    longest = job.settings.longest
    size = job.settings.batch_size if longest is None else min(own["batch_size"], longest)
    settings = dataclasses.replace(job.settings, batch_size=size)
    job = dataclasses.replace(job, settings=settings, notes=list(job.notes))
    return begun_at(job, leaves), leaves


def _check_begin(name: str, value: Array, job: Job) -> None:
    """Refuse a parameter to begin where it may not be."""
    if job.space is None:
        return
    if name in job.space.ties:
        raise UsageError(
            f"over begins {name} at {value:g}, and it is tied to others",
            remedy="give it the values of what it is tied to",
        )
    check_inside(job.space, name, value)


def begun_at(job: Job, leaves: Mapping[str, Array]) -> Job:
    """The same from this start."""
    start = job.start._replace(arrays={**job.start.arrays, **leaves}, missing=())
    return dataclasses.replace(job, start=start)


def _begun(descents: Descents, own: Mapping[str, Any]) -> Finished:
    """One training before its first update."""
    job, leaves = job_of(descents, own)
    return Descents(
        job, descents.built, descents.fresh, descents.options, descents.whole, descents.original
    ).begun(leaves)


def _run_all(runs: Sequence[Finished], threads: int) -> None:
    """Run them all to their ends; each thread takes the next one."""
    waiting = collections.deque(runs)
    with listening() as heard:

        def work() -> None:
            while not heard.hit:
                try:
                    run = waiting.popleft()
                except IndexError:
                    return
                _run(run, heard)

        together([work] * threads, waiting.clear)
    for run in runs:
        if run.ending is None:
            outside = "interrupted" if run.control.status == RUNNING else ""
            run.ending = Ending(run.control.status, outside, 0.0)


def _run(run: Finished, heard: Any) -> None:
    assert run.bound is not None
    control = run.control
    control.threads, began = 1, time.perf_counter()
    while control.status == RUNNING and not heard.hit:
        run.built.runner.run(run.bound, control, PIECE)
        run.course.take(control)
    if control.status != RUNNING:
        run.ending = Ending(control.status, "", time.perf_counter() - began)

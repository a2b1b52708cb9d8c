"""A run with all that is needed to tell its story, while it goes on and when it is over."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, fields
from typing import Any, NamedTuple

import numpy as np

from descend.graph.program import Bindings, Control
from descend.lean import dataclass
from descend.methods.metrics import as_metric
from descend.parameters.flat import leaf_by_leaf
from descend.run.answers import RAW, Answer, Kind
from descend.run.build import Built, settled
from descend.run.course import Course
from descend.run.drive import Ending
from descend.run.job import Job
from descend.run.predictor import Predictor
from descend.run.view import on_bounds
from descend.simplify.driver import simplify
from descend.task.columns import AVERAGED, TARGET, UPDATES
from descend.task.rows import Rows
from descend.trace.formula import Formula
from descend.trace.tree import unflatten

__all__ = [
    "METRIC", "NORMAL", "Facts", "Finished", "Judgement", "Moment", "Normal", "Search",
    "loss_name", "method_name",
    "standing",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]
METRIC, HELD = "metric ", "validation_"  # how records of metrics begin

NORMAL = ("jtj", "jtr", "loss")
"""What of a method's state the normal equations are."""


@dataclass(frozen=True)
class Moment:
    """What a callback sees after an epoch.

    Attributes:
        epoch: how many are complete.
        loss: the running mean of the loss over the last one.
        params: the parameters as they are now.
        metrics: what else each epoch leaves: the metrics asked for, `validation_loss`.
    """

    epoch: int
    loss: float
    params: Mapping[str, Any]
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Search:
    """What several starts have shown.

    Attributes:
        starts: how many were tried.
        agreed: how many arrived at the best minimum.
        why: why more were tried than asked for.
        evaluations: of the model, in all descents.
        left: whether the result comes from another start than the one that was given.
        seconds: of all descents.
        cut: what stopped the search before its end, in words.

    >>> print(Search(20, 14))
    best of 20 starts, 14 of which agree
    """

    starts: int
    agreed: int
    why: str = ""
    evaluations: int = 0
    left: bool = False
    seconds: float = 0.0
    cut: str = ""

    def __str__(self) -> str:
        cut = f" ({self.cut} before the search was done)" if self.cut else ""
        if self.why:
            more = f"{self.starts - 1} more were tried, since {self.why}"
            best = ", the best is one of these" if self.left else ""
            return f"{more}{best}: {self.agreed} of {self.starts} agree{cut}"
        return f"best of {self.starts} starts, {self.agreed} of which agree{cut}"


class Normal(NamedTuple):
    """The normal equations at a point, for residuals r with Jacobian J and a loss c·rᵀr.

    Attributes:
        jtj, jtr: the p·p numbers of c·JᵀJ, row by row, and the p numbers of c·Jᵀr.
        loss: c·rᵀr.
    """

    jtj: Sequence[float]
    jtr: Sequence[float]
    loss: float


@dataclass(frozen=True)
class Facts:
    """What the last steps of a fit by least squares have shown.

    Attributes:
        errors: (p,) standard errors of the varied numbers by QR of J, infinite where they are
            lost; None where JᵀJ had digits enough.
        steps: how many evaluations of J were made.
        arrived: whether the predicted step is below the limit of arrival, or all sides rise.
        kinks: the numbers that ended where the derivative jumps over zero.
        lost: the numbers that may be others there, where that has been looked at.
    """

    errors: Array | None = None
    steps: int = 0
    arrived: bool = False
    kinks: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


class Judgement(NamedTuple):
    """What the end of a run means.

    Attributes:
        status: a row of the table of ends.
        message: its sentence.
        arrived: `yes`, `no`, or `not judged`.
        findings: sentences on what the end leaves open.
        warned: those of them that are warned of.
    """

    status: str
    message: str
    arrived: str
    findings: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()


@dataclass
class Finished:
    """A run with all that is needed to tell its story (also while it goes on).

    Attributes:
        searched: the numbers that were searched for over the data's own values, with the range
            that is as good.
    """

    job: Job
    built: Built
    fresh: bool
    options: Any
    whole: Rows | None
    begin: dict[str, Array]
    control: Control
    course: Course
    original: Rows | None = None
    bound: Bindings | None = None
    ending: Ending | None = None
    search: Search | None = None
    facts: Facts | None = None
    searched: tuple[str, ...] = ()
    walk: Any = None  # of the judge, where one stands at the end; dropped when all is said
    seen: Any = None  # the same: loss and prediction at the end
    judgement: Judgement | None = None

    @property
    def unit(self) -> str:
        """What the steps of the run are called."""
        steps = self.job.rows is None or self.job.settings.optimizer.scope == "vector"
        return "iteration" if steps else "epoch"

    @property
    def updates(self) -> int:
        """How many updates were made: one a batch, or one of several batches."""
        counted = self.state().get(UPDATES)
        return self.control.steps if counted is None else int(counted)

    def state(self) -> dict[str, Array]:
        """Every state by name, as it is now."""
        assert self.bound is not None
        return dict(zip(self.built.descent.state, self.bound.state, strict=True))

    def settle(self) -> None:
        """Let the model serve with the running values that belong to the parameters to return."""
        state, best = self.state(), self.best_epoch() is not None
        if best:
            state |= {n.removeprefix("best value/"): a for n, a in state.items()}
        self.built = settled(self.built, state)

    def best_epoch(self) -> int | None:
        """The epoch whose parameters are returned; None if those are the last."""
        if not self.job.settings.rules.keep_best:
            return None
        state = self.state()
        return int(state["best epoch"]) if np.isfinite(state["best loss"]) else None

    def has_normal(self) -> bool:
        """Whether the method's last state holds the normal equations of what is varied."""
        loss, space = self.job.settings.loss, self.job.space
        if loss is None or loss.name != "mse" or self.best_epoch() is not None:
            return False
        if space is not None and space.scales:
            return False
        state = self.state()
        found = [state.get(f"method/{name}") for name in NORMAL]
        return all(a is not None and a.dtype == np.float64 for a in found)

    def normal(self, leaves: Mapping[str, Array]) -> Normal | None:
        """The normal equations at the returned parameters, if the method leaves them.

        Where a parameter lies on a bound, its row and column are not those of the residuals.
        """
        space = self.job.space
        if not self.has_normal():
            return None
        varied = {n: a for n, a in leaves.items() if space is None or space.varies(n)}
        if space is not None and on_bounds(space, varied).any():
            return None
        state = self.state()
        jtj, jtr, least = (state[f"method/{name}"] for name in NORMAL)
        return Normal(jtj.reshape(-1).tolist(), jtr.tolist(), float(least))

    def leaves(self, best: bool = True) -> dict[str, Array]:
        """The parameters to return, leaf by leaf."""
        state, optimizer = self.state(), self.job.settings.optimizer
        if best and self.best_epoch() is not None:
            return {name: np.array(state[f"best value/{name}"]) for name in self.begin}
        moved = self.job.moved(self.begin)
        if "all parameters" not in state:
            return self.job.natural(standing(state, moved))
        own = {n.removeprefix("method/"): a for n, a in state.items() if n.startswith("method/")}
        vector = np.asarray(optimizer.answer(state["all parameters"], own))
        found = leaf_by_leaf(vector, moved)
        return self.job.natural({n: a.astype(moved[n].dtype) for n, a in found.items()})

    def predictor(self) -> Predictor:
        """The model as it predicts new rows."""
        model = self.built.extras.get("free", self.built.model)
        if "prediction" not in self.built.extras:
            self.built.extras["prediction"] = tuple(simplify(model.nodes, final=True))
        return Predictor(
            self.built.extras["prediction"], model.data, model.leaves,
            list(model.trace.captured), model.rows,
            isinstance(self.job.problem.function, Formula), self.job.scaling, self._answer(),
            self.job.problem.network_indices, self.job.problem.matrix,
            model=model,
        )  # fmt: skip

    def _answer(self) -> Answer:
        """What is made of what the model returns."""
        problem, loss = self.job.problem, self.job.settings.loss
        if loss is None:
            return RAW
        kind: Kind = "raw"
        if problem.network is not None:
            kind = "labels" if loss.tells_classes and not problem.shares else "expected"
        return Answer(kind, loss.link, loss.tells_classes, problem.classes)

    def trees(self, leaves: Mapping[str, Array]) -> dict[str, Any]:
        """Leaves as the user gave his parameters: numbers, arrays, trees."""
        start = self.job.start
        return {
            name: unflatten(tree, [_plain(leaves[leaf]) for leaf in start.names[name]])
            for name, tree in start.trees.items()
        }

    def final_loss(self) -> float:
        """The loss at the parameters to return, on all training rows; infinite if not finite."""
        leaves = self.leaves()
        value = self.job.loss_at(self.built, leaves, most=1 << 62)({})
        return value if np.isfinite(value) else float("inf")

    # --- while it goes on

    def moment(self, callback: Callable[[Moment], Any]) -> Callable[[int, float], Any]:
        """The user's callback as the driver calls it."""
        names = [n for n in self.built.descent.records if n not in ("loss", "lr", "grad_norm")]
        units = {n: self._in_units(n) for n in names if not n.startswith("params.")}

        def told(epoch: int, loss: float) -> Any:
            last = {
                n.removeprefix(METRIC): float(unit(self.course.latest(n)))
                for n, unit in units.items()
            }
            return callback(Moment(epoch, loss, self.trees(self.leaves(False)), last))

        return told

    def column(self, name: str) -> Array:
        """A column of the course in the original units."""
        found: Array = self._in_units(name)(self.course.column(name))
        return found

    def _in_units(self, record: str) -> Callable[[Any], Any]:
        """What makes the values of a record those of the original units: of metrics, of means."""
        job, name = self.job, record.removeprefix(METRIC)
        if name == record:
            factor = job.loss_factor if "loss" in name else 1.0
            return lambda own: own if factor == 1.0 else own * factor
        rows = job.held if name.startswith(HELD) else job.rows
        assert rows is not None and job.settings.loss is not None
        metric = as_metric(name.removeprefix(HELD), job.settings.loss)
        if metric.of_classes:
            return lambda mean: metric.final(mean, 1.0, 1.0)
        unit = 1.0 if job.scaling is None else job.scaling.unit
        beyond = rows.beyond
        own = rows.extra[TARGET].var(axis=0).mean() if beyond is None else beyond.variance
        variance = float(own)
        return lambda mean: metric.final(mean, unit, variance)

    def metrics(self) -> dict[str, Array]:
        """The metrics of each epoch, by name."""
        names = [n for n in self.built.descent.records if n.startswith(METRIC)]
        return {name.removeprefix(METRIC): self.column(name) for name in names}


def standing(state: Mapping[str, Array], names: Iterable[str]) -> dict[str, Array]:
    """Where a method of first order stands, or the average of where it stood."""
    return {name: np.array(state.get(AVERAGED + name, state[name])) for name in names}


def _plain(array: Array) -> Any:
    """Scalars as Python's floats (float32 stays what it is), arrays as they are."""
    return array if array.ndim else array.item() if array.dtype == np.float64 else array[()]


def loss_name(job: Job) -> str:
    """A loss with its numbers, and the penalty added to it."""
    loss = job.settings.loss
    assert loss is not None
    values = {f.name: getattr(loss, f.name) for f in fields(loss)}
    shown = [
        f"{v:g}" for n, v in values.items()
        if isinstance(v, int | float) and not isinstance(v, bool) and (v or n not in loss.zeros)
    ]  # fmt: skip
    name = loss.spelling
    name += f"({', '.join(shown)})" if shown else ""
    penalty = job.settings.penalty
    return name if penalty is None else f"{name} + {penalty}"


@functools.lru_cache(maxsize=64)
def method_name(optimizer: Any) -> str:
    """An optimizer with the options that are not its defaults; the learning rate always."""
    shown = []
    for f in fields(optimizer):
        value = getattr(optimizer, f.name)
        if f.name == "lr" or value != f.default:
            shown.append(f"{f.name}={value:g}" if isinstance(value, float) else f"{f.name}={value}")
    return f"{type(optimizer).__name__}({', '.join(shown)})"

"""A setup with its table, compiled: the run, and what is known of it beside its steps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.graph.program import permutation
from descend.methods.table import as_loss
from descend.run.cores import cores
from descend.run.predictor import Predictor
from descend.studio.samples import Table
from descend.studio.setup import Setup
from descend.task.columns import TARGET
from descend.task.goals import goal_of
from descend.train.start import SteppedRun, start

__all__ = ["MOST_SHOWN", "Descent", "Rows", "Shown", "Watched"]

Array = np.ndarray[Any, np.dtype[Any]]
MOST_SHOWN = 18  # parameters, or arrays of them, that are told one by one
SHUFFLED = 100_000  # rows up to which the order of an epoch is worked out again
LEAST = 0.004  # seconds that the loss of a frame may take
SOME = 5000  # rows, evenly spread, whose loss stands for that of all where it takes longer


class Rows(NamedTuple):
    """Rows of the data, as far as they are shown.

    Attributes:
        x: (rows, inputs).
        y: (rows,) numbers, or the numbers of classes.
        held: (rows,) whether each is held back.
    """

    x: Array
    y: Array
    held: Array


class Shown(NamedTuple):
    """A parameter, or an array of them, that is shown as one number.

    Attributes:
        name: of the leaf.
        label: as a person reads it.
        is_norm: whether the number is the norm of an array.
    """

    name: str
    label: str
    is_norm: bool


class Descent:
    """The run of a setup before its first step, and what does not change with its steps.

    Args:
        setup, table: what is descended.
        threads: that the run may use; all cores but one by default.

    Raises:
        DescendError: what `descend.start` refuses, in its words.
    """

    def __init__(self, setup: Setup, table: Table, threads: int | None = None) -> None:
        self.setup = setup
        model, x, y, options = setup.call(table)
        if _tells_classes(setup, table):
            options = {**options, "metrics": ["accuracy"]}
        self.first: SteppedRun = start(
            model, x, y, threads=threads or max(1, cores() - 1), **options
        )
        self.job = self.first.under_way.job
        problem = self.job.problem
        self.inputs = problem.matrix or tuple(problem.columns)
        self.target = problem.target
        self.classes = _labels(problem.classes, self.job.settings.loss, self._targets())
        self.n_rows = self.job.n_rows()
        self.batch_size = self.job.settings.batch_size or self.n_rows
        self.shown = self._shown_of(self.first)
        leaves = self.first.under_way.leaves(False)
        # What does not change with the parameters is bound once: a frame wants the loss.
        built = self.first.under_way.built
        self._loss_at = self.job.loss_at(built, leaves, most=1 << 62)
        self._loss_at_some = self.job.loss_at(built, leaves, most=SOME)
        self._seconds = 0.0

    # --- what does not change

    def _targets(self) -> Array:
        assert self.job.rows is not None
        return self.job.rows.extra[TARGET]

    @property
    def has_accuracy(self) -> bool:
        """Whether each epoch tells a share of rows that are told right."""
        return "accuracy" in self.first.under_way.metrics()

    @property
    def has_rate(self) -> bool:
        """Whether the learning rate may change while it runs."""
        return self.setup.has_rate

    @property
    def takes_examples(self) -> bool:
        """Whether a step is of one row."""
        return self.batch_size == 1

    def rows(self, most: int) -> Rows:
        """The rows that are trained on and those held back, at most so many, evenly spread."""
        parts = []
        for rows, held in ((self.job.rows, False), (self.job.held, True)):
            if rows is None:
                continue
            columns = [np.asarray(c, np.float64) for c in rows.columns.values()]
            matrix = bool(columns) and columns[0].ndim == 2
            x = columns[0] if matrix else np.array(columns).reshape(-1, rows.n_rows).T
            y = np.asarray(rows.extra[TARGET], np.float64)
            parts.append((x, y, np.full(len(x), held)))
        whole = [np.concatenate(part) for part in zip(*parts, strict=True)]
        kept = np.unique(np.linspace(0, len(whole[1]) - 1, min(most, len(whole[1]))).astype(int))
        x, y, held = (part[kept] for part in whole)
        scaling = self.job.scaling
        if scaling is not None:
            back = list(scaling.columns.values())
            x = back[0].back(x) if len(back) == 1 else np.stack(
                [one.back(x[:, i]) for i, one in enumerate(back)], axis=1
            )  # fmt: skip
            y = y if scaling.target is None else scaling.target.back(y)
        return Rows(x, y, held)

    def _shown_of(self, run: SteppedRun) -> list[Shown]:
        leaves = run.under_way.leaves(False)
        found = []
        for name, array in leaves.items():
            size = "×".join(map(str, array.shape))
            label = f"‖{name}‖ ({size})" if array.ndim else name
            found.append(Shown(name, label, array.ndim > 0))
        return found[:MOST_SHOWN]

    # --- of a run

    def leaves(self, run: SteppedRun) -> dict[str, Array]:
        """The parameters as they are."""
        return run.under_way.leaves(False)

    def numbers(self, leaves: Mapping[str, Array]) -> Array:
        """(shown,) the parameters as they are shown: each, or the norm of an array."""
        return np.array([
            float(np.linalg.norm(leaves[one.name])) if one.is_norm else float(leaves[one.name])
            for one in self.shown
        ])  # fmt: skip

    def loss(self, leaves: Mapping[str, Array], stops: bool) -> float:
        """The loss at all rows; while a run goes on, at some where all would take long."""
        begin = time.thread_time()
        if self._seconds > LEAST and not stops:
            return self._loss_at_some(leaves) * self.job.loss_factor
        value = self._loss_at(leaves) * self.job.loss_factor
        self._seconds = time.thread_time() - begin
        return value

    def row_of_next_step(self, run: SteppedRun) -> int:
        """Which of the rows that are trained on the next step of one row takes; -1 if unknown."""
        at, n = run.updates % self.n_rows, self.n_rows
        if not self.job.settings.shuffle:
            return at
        if n > SHUFFLED:
            return -1
        return int(permutation(n, self.job.settings.seed, run.epoch)[at])

    def output(self, run: SteppedRun, x: Array) -> Array:
        """What the model says of rows: numbers, or how probable each class is (rows, classes)."""
        return Watched(self, x)(run)

    @property
    def params(self) -> dict[str, float]:
        """Where scalar parameters begin; nothing of a network."""
        leaves = self.first.under_way.leaves(False)
        return {name: float(a) for name, a in leaves.items() if a.ndim == 0}

    def begin_at(self, values: Mapping[str, float]) -> None:
        """Have the run begin at other values of some parameters.

        Raises:
            UsageError: there are no such parameters.
        """
        self.first.params = dict(values)

    @property
    def goal(self) -> float | None:
        """The loss at which it is to stop."""
        return self.setup.stop_loss


class Watched:
    """What the model says of rows that stay the same, of one run after another step.

    Args:
        x: (rows, inputs).
    """

    def __init__(self, descent: Descent, x: Array) -> None:
        self._table = {name: x[:, i] for i, name in enumerate(descent.inputs)}
        self._shape = (len(x),)
        self._tells = bool(descent.classes)
        self._served: Predictor | None = None

    def __call__(self, run: SteppedRun) -> Array:
        """Numbers (rows,), or how probable each class is (rows, classes)."""
        serves = run.serving()
        if serves is not self._served:
            self._served, self._at = serves, serves.at(serves.bind(self._table))
        found = self._at(run.under_way.leaves(False))
        if self._tells:
            return serves.answer.probabilities(found)
        return np.asarray(serves.answer.of(found), np.float64).reshape(self._shape)


def _tells_classes(setup: Setup, table: Table) -> bool:
    """Whether the target's numbers are classes, by the loss or by what they are."""
    if setup.loss:
        return as_loss(setup.loss).tells_classes
    if not setup.is_network or setup.target not in table:
        return False
    return as_loss(goal_of(table[setup.target], None, setup.target).loss).tells_classes


def _labels(classes: Array | None, loss: Any, target: Array) -> list[str]:
    """What the classes are called, in the order of their numbers; none of other targets."""
    if not loss.tells_classes:
        return []
    if classes is not None:
        return [str(label) for label in classes]
    return [str(i) for i in range(max(2, int(np.max(target, initial=0)) + 1))]

"""A call of `fit`, read and checked in full: model, data, start, options."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.errors import UsageError, warn
from descend.methods.base import Optimizer
from descend.methods.choice import Task, chosen, is_auto
from descend.methods.losses import FunctionLoss, Loss
from descend.methods.metrics import as_metric
from descend.methods.table import as_loss, as_optimizer, as_penalty
from descend.program.stopping import OF_LOSS, Rules
from descend.quantities import refuse_other_rows
from descend.result.resume import seed_of
from descend.run.job import Job
from descend.run.settings import Settings
from descend.run.view import free_count
from descend.task.beyond import Beyond
from descend.task.columns import WHITENING
from descend.task.declared import Begun, begin, bonds_of, problem_of, settled
from descend.task.held import (
    class_weights,
    counted_classes,
    given_rows,
    rows_apart,
    split_rows,
)
from descend.task.option_table import TOLERANCES
from descend.task.options import Options
from descend.task.rows import WEIGHTS, Rows, prepared_rows
from descend.task.warned import warn_of_data
from descend.train.updates import update_parts

if TYPE_CHECKING:
    from descend.task.scaling import Scaling

__all__ = ["Reading", "method_of"]


class Reading:
    """A call of `fit`, read and checked in full; `beyond`, where its rows are a sample of more.

    Args:
        n_dropped: rows that were left out before.
    """

    def __init__(
        self, model: Any, x: Any, y: Any, options: Options, in_place: bool = False,
        beyond: Beyond | None = None, n_dropped: int = 0,
    ) -> None:  # fmt: skip
        self.options, self.model, self.given = options, model, (model, x, y)
        weights = ((name, getattr(options, name)) for name in WEIGHTS)
        refuse_other_rows([("x", x), ("y", y), *weights])
        known = None if beyond is None else beyond.known
        self.problem = problem_of(model, x, y, options, known)
        if beyond is not None and self.problem.classes is not None:
            beyond = beyond.labelled(np.asarray(self.problem.classes, np.float64))
        self.options = options = options.completed(self.problem.usual)
        rows = prepared_rows(
            self.problem, options.sample_weight, options.sigma, options.missing,
            in_place=in_place,
        )._replace(beyond=beyond)
        self.n_dropped = n_dropped
        if n_dropped:
            rows = rows._replace(n_dropped=n_dropped)
        self.whole = rows
        self.seed = int(options.seed)
        if options.resume is not None:
            self.seed = seed_of(options.resume, self.seed)
        self.rows, self.held = self._divided(rows)
        self.original = self.rows
        self.problem, self.start, space = self._start()
        self.space = space
        settings, scaling = self._settings(), None
        if options.standardize:
            settings, scaling = self._standardize(settings)
        if self.problem.network is not None:
            self.rows, self.whole = self.rows.single(), self.whole.single()
            self.held = None if self.held is None else self.held.single()
        if options.start != "random":
            self._guess()
        self.start = settled(self.start, space)
        self.job = Job(
            self.problem, settings, self.start, self.rows, self.held, scaling, space=space,
            threads=options.threads,
        )  # fmt: skip
        if scaling is not None and self.problem.network is None:  # a network's report says it
            self.job.notes.append(scaling.note(self.problem.target))

    def _divided(self, rows: Rows) -> tuple[Rows, Rows | None]:
        """The rows to train on, weighted by their class, and those held back."""
        o, given = self.options, self.options.validation_data
        if given is not None and o.validation_split:
            raise UsageError(
                "validation_data gives the rows to judge by, and validation_split holds some back",
                remedy="leave one of them out",
            )
        own, held, beyond, classes = rows, None, rows.beyond, self.problem.classes
        if given is not None:
            held = given_rows(self.problem, given, "sample_weight" in rows.extra)
        elif beyond is not None:  # they have been held back where the rows come from
            held = rows_apart(self.problem, beyond)
        else:
            own, held = split_rows(rows, o.validation_split, self.seed, classes)
        if o.class_weight is None:
            return own, held
        if beyond is None or beyond.counts is None or beyond.counts.counts is None:
            labels, counts = counted_classes(own.extra["target"], classes)
        else:
            labels, counts = beyond.counts.values, beyond.counts.counts
            labels = labels if classes is None else np.arange(len(classes))
        weights = class_weights(o.class_weight, labels, counts, classes)
        self.problem.class_weights = weights
        return own.by_class(weights), None if held is None else held.weighted(np.ones(held.n_rows))

    def in_places(self) -> Reading:
        """The same call, with rows kept in their places if the model's rows know of one another."""
        if not self.whole.n_dropped or not self.job.couples():
            return self
        if self.n_dropped:
            raise UsageError(
                "rows were left out while they came, and the model's rows know of one another: "
                "without these the others would be other rows",
                remedy="give the columns themselves, as descend.read(path) reads them",
            )
        return Reading(*self.given, self.options, in_place=True)

    def _start(self) -> Begun:
        o = self.options
        if o.resume is not None:
            return begin(self.problem, o.resume, *bonds_of(o.resume, o.fixed, o.bounds, o.ties))
        return begin(self.problem, o.start, o.fixed, o.bounds, o.ties)

    def _guess(self) -> None:
        """Let ready models say where to start."""
        if self.problem.ready is not None:
            from descend.task.ready import with_guesses

            self.start = with_guesses(self.start, self.problem, self.rows, self.space)

    def warn(self) -> None:
        """Say what the data cannot tell."""
        count = free_count(self.job.space, self.job.leaf_arrays())
        is_vector = self.job.settings.optimizer.scope == "vector"
        self.job.notes += warn_of_data(self.problem, self.original, count, is_vector)
        if self.held is not None and self.job.couples():
            said = (
                "the model couples the rows with one another, so the loss of the rows held back is "
                "that of their own company"
            )
            warn(said)
            self.job.notes.append(said)

    def _settings(self) -> Settings:
        o, n = self.options, self.rows.total
        plain = isinstance(o.loss, str) and not o.likelihood
        loss = _loss_named(o.loss) if plain else as_loss(o.loss, o.likelihood)
        self.rows.check(loss)
        size = None if o.batch_size is None or o.batch_size >= n else int(o.batch_size)
        count = sum(a.size for a in self.start.arrays.values()) + len(self.start.missing)
        bare = o.penalty is None and o.clip is None
        task = Task(count, size, loss.is_square, loss.curved, bare, loss.kinked)
        optimizer, why, limits = method_of(o, task)
        _check_method(optimizer, loss, size, o)
        shuffle = size is not None if o.shuffle is None else bool(o.shuffle)
        penalty = None
        if o.penalty is not None:
            network = self.problem.network
            meant = () if network is None else network.weights
            penalty = as_penalty(o.penalty, self.start.names, meant)
        rules = _rules(o, loss, size, limits)
        return Settings(
            loss, optimizer, rules, size, shuffle and size is not None, penalty, o.clip,
            seed=self.seed, engine=o.engine, why=why, **self._updates(optimizer, size),
        )  # fmt: skip

    def _updates(self, optimizer: Optimizer, size: int | None) -> dict[str, Any]:
        """How gradients become updates, as far as something was said of it."""
        names, space = self.start.names, self.space
        varied = [n for own in names.values() for n in own if space is None or space.varies(n)]
        return update_parts(self.options, optimizer, size, names, varied)

    def _standardize(self, settings: Settings) -> tuple[Settings, Scaling]:
        """Rescale all rows by the training rows, and the limits on the loss with them."""
        from descend.task.scaling import measured

        assert settings.loss is not None
        if WHITENING in self.rows.extra:
            raise UsageError(
                "standardize has no meaning beside a covariance matrix, which is in y's unit",
                remedy="leave standardize out",
            )
        scaling = measured(self.rows, settings.loss.name)
        factor = scaling.loss_factor("sigma" in self.rows.extra)
        self.rows, self.whole = scaling.apply(self.rows), scaling.apply(self.whole)
        self.held = None if self.held is None else scaling.apply(self.held)
        rules = settings.rules
        limits = {
            name: value / factor if name in OF_LOSS else value
            for name, value in rules.limits.items()
        }
        rules = dataclasses.replace(rules, limits=limits)
        return dataclasses.replace(settings, rules=rules), scaling


def method_of(o: Options, task: Task) -> tuple[Optimizer, str, dict[str, float]]:
    """The optimizer that was asked for, or the one that suits, and why.

    Returns:
        also the limits of the stopping rules that are on; tolerances that the optimizer has itself
        are none of them.
    """
    if not is_auto(o.optimizer):
        optimizer, why = as_optimizer(o.optimizer, **({} if o.lr is None else {"lr": o.lr})), ""
    elif o.lr is not None:
        raise UsageError(
            "lr needs an optimizer: by default the method chooses its own steps",
            remedy=f"write optimizer=descend.SGD(lr={o.lr!r}), or leave lr out",
        )
    else:
        optimizer, why = chosen(task)
    names = ("stop_loss", *TOLERANCES)
    limits = {n: float(getattr(o, n)) for n in names if getattr(o, n) is not None}
    own = {n: limits.pop(n) for n in TOLERANCES if n in limits and hasattr(optimizer, n)}
    if o.patience is not None:
        limits |= {"patience": float(o.patience), "min_delta": float(o.min_delta)}
    return dataclasses.replace(optimizer, **own) if own else optimizer, why, limits


@functools.lru_cache(maxsize=64)
def _loss_named(name: str) -> Loss:
    return as_loss(name)


def _check_method(optimizer: Optimizer, loss: Loss, size: int | None, o: Options) -> None:
    """Refuse combinations that have no meaning."""
    name = type(optimizer).__name__
    if optimizer.scope == "vector" and size is not None:
        raise UsageError(
            f"{name} needs all rows at once, not batches of {size}",
            remedy='leave out batch_size, or choose optimizer="adam" or descend.SGD(lr=…)',
        )
    if optimizer.needs == "gauss_newton":
        if not (loss.is_square or loss.curved or isinstance(loss, FunctionLoss)):
            raise UsageError(
                f"{name} needs two derivatives of each row's loss, and the loss is {loss.spelling}",
                remedy='leave out optimizer (BFGS then), or choose loss="mse" or "huber"',
            )
        for what in ("penalty", "clip"):
            if getattr(o, what) is not None:
                raise UsageError(f"{name} knows no {what}", remedy="leave out optimizer: BFGS does")
    if o.sigma is not None and not loss.of_residual:
        raise UsageError(
            f"sigma belongs to losses of prediction − target, and the loss is {loss.spelling}",
            remedy="write sample_weight=… to weight the rows",
        )
    if o.absolute_sigma and not loss.is_square:
        raise UsageError(
            f"absolute_sigma has no say with the loss {loss.spelling}: its errors come from the "
            "scatter of the rows",
            remedy="leave it out",
        )


def _rules(o: Options, loss: Loss, size: int | None, limits: dict[str, float]) -> Rules:
    """The stopping rules that are on."""
    keep = o.keep_best
    if keep is None:
        keep = o.patience is not None and o.has_validation
    if keep and o.ema is not None and not o.has_validation:
        raise UsageError(
            "keep_best needs the loss of the average that ema returns, and an epoch's loss is that "
            "of the parameters on their way",
            remedy="add validation_split=0.2, or leave out one of the two",
        )
    if keep and size is not None and not o.has_validation:
        raise UsageError(
            "keep_best needs a loss that belongs to one set of parameters; the running mean over "
            "batches does not",
            remedy="add validation_split=0.2, or use all rows at once",
        )
    for name in o.metrics:
        as_metric(name, loss)
    return Rules(limits, bool(keep), o.record, o.metrics)

"""Learning rates that change with the epoch: constant, step, exponential, cosine, warm-up, plateau.

A schedule stands where a learning rate would: `SGD(lr=warmup(5, then=cosine(0.1, epochs=100)))`.
Its `value` is traced NumPy of the epoch's index, a float counted from 0; its numbers are run-time
inputs. One of your own is a frozen dataclass derived from `Schedule` with a `value`; one that goes
by the loss has `begin`, `watch` and `rate` as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np

from descend.errors import UsageError
from descend.lean import dataclass
from descend.methods.base import Array, State, Tunable

__all__ = [
    "ByFunction",
    "Constant",
    "Cosine",
    "Exponential",
    "Plateau",
    "Schedule",
    "Step",
    "Warmup",
    "as_schedule",
    "constant",
    "cosine",
    "exponential",
    "plateau",
    "step",
    "warmup",
]


@dataclass(frozen=True)
class Schedule(Tunable):
    """A learning rate as a function of the epoch's index, and of what is remembered of losses."""

    def value(self, epoch: Array) -> Array:
        """Return the learning rate of an epoch (a float, counted from 0; may be traced)."""
        raise NotImplementedError(f"{type(self).__name__} has no value(epoch)")

    def begin(self) -> State:
        """Return what it remembers before the first epoch: numbers by name; by default nothing."""
        return {}

    def watch(self, loss: Array, epoch: Array, s: State) -> State:
        """Return what it remembers after an epoch of this loss: that of the rows held back, if any.

        The loss is the running mean over the epoch where no rows are held back.
        """
        return s

    def rate(self, epoch: Array, s: State) -> Array:
        """Return the learning rate of an epoch, from what is remembered; by default its `value`."""
        return self.value(epoch)


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate always.

    >>> Constant(0.1).value(7.0)
    0.1
    """

    lr: float
    ranges: ClassVar[Mapping[str, str]] = {"lr": "[0, inf)"}

    def value(self, epoch: Array) -> Array:
        return self.lr


@dataclass(frozen=True)
class Step(Schedule):
    """lr · gamma^⌊epoch / every⌋: a fall every so many epochs (torch's StepLR).

    >>> [round(float(Step(1.0, every=2).value(epoch)), 6) for epoch in (0.0, 1.0, 2.0, 4.0)]
    [1.0, 1.0, 0.1, 0.01]
    """

    lr: float
    every: float = 10
    gamma: float = 0.1
    ranges: ClassVar[Mapping[str, str]] = {
        "lr": "[0, inf)", "every": "[1, inf)", "gamma": "(0, inf)",
    }  # fmt: skip

    def value(self, epoch: Array) -> Array:
        return self.lr * self.gamma ** np.floor(epoch / self.every)


@dataclass(frozen=True)
class Exponential(Schedule):
    """lr · gamma^epoch (torch's ExponentialLR).

    >>> Exponential(1.0, gamma=0.5).value(3.0)
    0.125
    """

    lr: float
    gamma: float = 0.95
    ranges: ClassVar[Mapping[str, str]] = {"lr": "[0, inf)", "gamma": "(0, inf)"}

    def value(self, epoch: Array) -> Array:
        return self.lr * self.gamma**epoch


@dataclass(frozen=True)
class Cosine(Schedule):
    """end + (lr − end)·(1 + cos(π·epoch/epochs))/2, and `end` afterwards.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017), eq. 5,
    one period.

    >>> [round(float(Cosine(1.0, epochs=10).value(epoch)), 6) for epoch in (0.0, 5.0, 10.0, 11.0)]
    [1.0, 0.5, 0.0, 0.0]
    """

    lr: float
    epochs: float
    end: float = 0.0
    ranges: ClassVar[Mapping[str, str]] = {
        "lr": "[0, inf)", "epochs": "(0, inf)", "end": "[0, inf)",
    }  # fmt: skip

    def value(self, epoch: Array) -> Array:
        share = np.minimum(epoch / self.epochs, 1.0)
        return self.end + (self.lr - self.end) * 0.5 * (1.0 + np.cos(np.pi * share))


@dataclass(frozen=True)
class Warmup(Schedule):
    """A straight climb over the first `epochs`, from `start` times the rate `then` begins with.

    Goyal et al., "Accurate, Large Minibatch SGD" (2017), section 2.2.

    >>> warm = Warmup(4, then=Exponential(1.0, gamma=0.5), start=0.0)
    >>> [float(warm.value(epoch)) for epoch in (0.0, 1.0, 4.0, 5.0)]
    [0.0, 0.25, 1.0, 0.5]
    """

    epochs: float
    then: Schedule
    start: float = 0.1
    ranges: ClassVar[Mapping[str, str]] = {"epochs": "(0, inf)", "start": "[0, 1]"}

    def value(self, epoch: Array) -> Array:
        share = self.start + (1.0 - self.start) * epoch / self.epochs
        climb = self.then.value(0.0 * epoch) * share
        return np.where(epoch < self.epochs, climb, self.then.value(epoch - self.epochs))

    def begin(self) -> State:
        return self.then.begin()

    def watch(self, loss: Array, epoch: Array, s: State) -> State:
        after = self.then.watch(loss, epoch - self.epochs, s)
        return {name: np.where(epoch < self.epochs, s[name], new) for name, new in after.items()}

    def rate(self, epoch: Array, s: State) -> Array:
        share = self.start + (1.0 - self.start) * epoch / self.epochs
        climb = self.then.rate(0.0 * epoch, s) * share
        return np.where(epoch < self.epochs, climb, self.then.rate(epoch - self.epochs, s))


@dataclass(frozen=True)
class Plateau(Schedule):
    """The rate falls by `factor` when the loss has not improved for more than `patience` epochs.

    The loss is that of the rows held back, if there are any, else the running mean of the epoch. It
    improves where it is below the best so far by more than `threshold` of that. After a fall the
    rate rests for `cooldown` epochs, which do not count; it never falls below `min_lr`. Numbers and
    meaning are those of torch's ReduceLROnPlateau (relative threshold); of a negative loss the
    threshold is a share of its size.

    >>> schedule, s = Plateau(1.0, factor=0.5, patience=1), Plateau(1.0).begin()
    >>> rates = []
    >>> for loss in (9.0, 8.0, 8.0, 8.0, 7.0):
    ...     s = schedule.watch(loss, 0.0, s)
    ...     rates.append(float(schedule.rate(0.0, s)))
    >>> rates
    [1.0, 1.0, 1.0, 0.5, 0.5]
    """

    lr: float
    factor: float = 0.1
    patience: float = 10
    threshold: float = 1e-4
    cooldown: float = 0
    min_lr: float = 0.0
    ranges: ClassVar[Mapping[str, str]] = {
        "lr": "[0, inf)", "factor": "(0, 1)", "patience": "[0, inf)", "threshold": "[0, inf)",
        "cooldown": "[0, inf)", "min_lr": "[0, inf)",
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_lr > self.lr:
            raise UsageError(
                f"Plateau: min_lr={self.min_lr:g} is above lr={self.lr:g}, with which it begins",
                remedy="give a min_lr that is smaller than lr",
            )

    def value(self, epoch: Array) -> Array:
        return self.lr

    def begin(self) -> State:
        return {"share": 1.0, "best": np.inf, "waited": 0.0, "resting": 0.0}

    def watch(self, loss: Array, epoch: Array, s: State) -> State:
        best = s["best"]
        least = self.threshold * np.where(np.isfinite(best), np.abs(best), 0.0)
        better, rests = loss < best - least, s["resting"] > 0
        waited = np.where(better | rests, 0.0, s["waited"] + 1.0)
        falls = waited > self.patience
        return {
            "share": np.where(falls, self.factor * s["share"], s["share"]),
            "best": np.where(better, loss, best),
            "waited": np.where(falls, 0.0, waited),
            "resting": np.where(falls, self.cooldown, np.maximum(s["resting"] - 1.0, 0.0)),
        }

    def rate(self, epoch: Array, s: State) -> Array:
        return np.maximum(self.lr * s["share"], self.min_lr)


@dataclass(frozen=True)
class ByFunction(Schedule):
    """Any function of the epoch's index, written in NumPy.

    >>> ByFunction(lambda epoch: 0.1 / (1 + epoch)).value(1.0)
    0.05
    """

    function: Callable[[Array], Array]

    def value(self, epoch: Array) -> Array:
        return self.function(epoch)


def constant(lr: float) -> Constant:
    """Return the constant schedule, `Constant`."""
    return Constant(lr)


def step(lr: float, every: float = 10, gamma: float = 0.1) -> Step:
    """Return the schedule that falls by `gamma` every so many epochs, `Step`."""
    return Step(lr, every, gamma)


def exponential(lr: float, gamma: float = 0.95) -> Exponential:
    """Return the schedule that falls by `gamma` each epoch, `Exponential`."""
    return Exponential(lr, gamma)


def cosine(lr: float, epochs: float, end: float = 0.0) -> Cosine:
    """Return the half cosine from `lr` to `end`, `Cosine`."""
    return Cosine(lr, epochs, end)


def warmup(epochs: float, then: float | Schedule, start: float = 0.1) -> Warmup:
    """Return a climb followed by another schedule or a constant rate, `Warmup`."""
    return Warmup(epochs, as_schedule(then), start)


def plateau(
    lr: float, factor: float = 0.1, patience: float = 10, threshold: float = 1e-4,
    cooldown: float = 0, min_lr: float = 0.0,
) -> Plateau:  # fmt: skip
    """Return the rate that falls where the loss no longer improves, `Plateau`."""
    return Plateau(lr, factor, patience, threshold, cooldown, min_lr)


def as_schedule(lr: object) -> Schedule:
    """Return a schedule from a number, a function of the epoch, or a schedule.

    Raises:
        UsageError: it is none of these.

    >>> as_schedule(0.1)
    Constant(lr=0.1)
    """
    if isinstance(lr, Schedule):
        return lr
    if isinstance(lr, int | float) and not isinstance(lr, bool):
        return Constant(lr)
    if callable(lr):
        return ByFunction(lr)
    raise UsageError(
        f"a learning rate is a number or a schedule, not {lr!r}",
        remedy="give for example 0.01, or cosine(0.1, epochs=100)",
    )

"""Learning rates that change with the epoch: constant, step, exponential, cosine, warm-up.

A schedule stands where a learning rate would: `SGD(lr=warmup(5, then=cosine(0.1, epochs=100)))`.
Its `value` is traced NumPy of the epoch's index, a float counted from 0; its numbers are run-time
inputs. One of your own is a frozen dataclass derived from `Schedule` with a `value`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np

from descend.errors import UsageError
from descend.lean import dataclass
from descend.methods.base import Array, Tunable

__all__ = [
    "ByFunction",
    "Constant",
    "Cosine",
    "Exponential",
    "Schedule",
    "Step",
    "Warmup",
    "as_schedule",
    "constant",
    "cosine",
    "exponential",
    "step",
    "warmup",
]


@dataclass(frozen=True)
class Schedule(Tunable):
    """A learning rate as a function of the epoch's index."""

    def value(self, epoch: Array) -> Array:
        """Return the learning rate of an epoch (a float, counted from 0; may be traced)."""
        raise NotImplementedError(f"{type(self).__name__} has no value(epoch)")


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

"""Losses, penalties, rates and steps as scikit-learn defines them, for `fit` to compile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from descend.functions import stop_gradient
from descend.lean import dataclass
from descend.methods.base import Array, Optimizer, State, cast
from descend.methods.first_order import FirstOrder, Rate
from descend.methods.losses import Loss, log_softmax
from descend.methods.penalties import Penalty
from descend.methods.schedules import Schedule
from descend.methods.targets import ANY

__all__ = [
    "LINEAR_LOSSES", "NETWORK_LOSSES", "InverseScaling", "LinearLoss", "LinearStep", "Moments",
    "NetworkLoss", "Shown", "Velocity",
]  # fmt: skip

STEEPEST = 1e12  # the slope of a loss of a linear model; beyond it, steps would overflow

# --- of networks


def _half_square(prediction: Array, target: Array) -> Array:
    """Half the square, with the gradient of its sum over outputs and the value of their mean."""
    square = 0.5 * (prediction - target) ** 2
    return _worth(np.sum(square, axis=-1), np.mean(square, axis=-1))


def _poisson(prediction: Array, target: Array) -> Array:
    """Half the deviance of counts whose rate is exp(prediction)."""
    log = np.log(np.where(target > 0, target, 1))
    return np.sum(np.exp(prediction) - target * (prediction - log + 1), axis=-1)


def _log_loss(prediction: Array, target: Array) -> Array:
    """−log probability of the class whose column of the target is 1."""
    return -np.sum(target * log_softmax(prediction), axis=-1)


def _binary_log_loss(prediction: Array, target: Array) -> Array:
    """−log probability of all labels of a row, for log-odds."""
    return np.sum(np.logaddexp(0 * prediction, prediction) - target * prediction, axis=-1)


def _worth(gradient: Array, value: Array) -> Array:
    """What has the value of one number and the gradient of another."""
    return gradient + stop_gradient(value - gradient)


NETWORK_LOSSES: Mapping[str, Callable[[Array, Array], Array]] = {
    "squared_error": _half_square, "poisson": _poisson, "log_loss": _log_loss,
    "binary_log_loss": _binary_log_loss,
}  # fmt: skip


@dataclass(frozen=True)
class NetworkLoss(Loss):
    """The loss of a row of a network, (rows, outputs) beside a target of the same shape.

    >>> NetworkLoss("squared_error").per_row(np.array([[1.0, 4.0]]), np.array([[1.0, 2.0]]))
    array([1.])
    """

    kind: str
    name: ClassVar[str] = "network"
    domain: ClassVar[str] = ANY
    axis: ClassVar[str] = "own"

    def per_row(self, prediction: Array, target: Array) -> Array:
        return NETWORK_LOSSES[self.kind](prediction, target)


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """lr / (rows seen before the epoch + 1)^power.

    >>> float(InverseScaling(0.1, power=0.5, rows=99.0).value(1.0))
    0.01
    """

    lr: float
    power: float
    rows: float
    begun: float = 0.0

    def value(self, epoch: Array) -> Array:
        return self.lr / (self.begun + epoch * self.rows + 1.0) ** self.power


@dataclass(frozen=True)
class Velocity(FirstOrder):
    """Gradient descent with momentum, of which each part keeps the rate at which it came.

    v ← μ·v − η·g;  p ← p + v, or with Nesterov's momentum p + μ·v − η·g.
    """

    lr: Rate = 1e-3
    momentum: float = 0.9
    nesterov: bool = True

    def init(self, p: Array) -> State:
        return {"velocity": np.zeros_like(p)}

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        moved = cast(h.lr, p) * e.gradient
        mu = cast(h.momentum, p)
        velocity = mu * s["velocity"] - moved
        return p + (mu * velocity - moved if self.nesterov else velocity), {"velocity": velocity}


@dataclass(frozen=True)
class Moments(FirstOrder):
    """Adam with ε beside the root of v as it is, before v is corrected for its start at zero.

    m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;
    p ← p − η · √(1 − β₂ᵗ)/(1 − β₁ᵗ) · m/(√v + ε).

    Kingma and Ba, "Adam" (2015), the end of section 2.
    """

    lr: Rate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def init(self, p: Array) -> State:
        return {"mean": np.zeros_like(p), "square": np.zeros_like(p)}

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        g, (first, second) = e.gradient, h.betas
        mean = cast(first, p) * s["mean"] + cast(1 - first, p) * g
        square = cast(second, p) * s["square"] + cast(1 - second, p) * g * g
        rate = cast(h.lr * np.sqrt(1 - second**h.t) / (1 - first**h.t), p)
        new = p - rate * mean / (np.sqrt(square) + cast(h.eps, p))
        return new, {"mean": mean, "square": square}


# --- of linear models


def _square(r: Array, factor: float) -> Array:
    """factor·r², with a slope of no more than `STEEPEST`."""
    most = STEEPEST / (2 * factor)
    near = np.clip(r, -most, most)
    return factor * near * (2 * r - near)


def _hinge(threshold: float, power: int) -> Callable[[Array, Array, Array], Array]:
    def loss(p: Array, y: Array, epsilon: Array) -> Array:
        short = threshold - p * y
        short = np.where(short >= 0, short, 0)  # at the kink it moves still
        return short if power == 1 else _square(short, 1.0)

    return loss


def _modified_huber(p: Array, y: Array, epsilon: Array) -> Array:
    z = p * y
    return np.where(z < -1, -4 * z, np.where(z < 1, 1 - z, 0) ** 2)


def _huber(p: Array, y: Array, epsilon: Array) -> Array:
    size = np.abs(p - y)
    return np.where(size <= epsilon, 0.5 * size * size, epsilon * (size - 0.5 * epsilon))


def _insensitive(power: int) -> Callable[[Array, Array, Array], Array]:
    def loss(p: Array, y: Array, epsilon: Array) -> Array:
        far = np.maximum(np.abs(y - p) - epsilon, 0)
        return far if power == 1 else _square(far, 1.0)

    return loss


LINEAR_LOSSES: Mapping[str, Callable[[Array, Array, Array], Array]] = {
    "hinge": _hinge(1.0, 1),
    "perceptron": _hinge(0.0, 1),
    "squared_hinge": _hinge(1.0, 2),
    "log_loss": lambda p, y, epsilon: np.logaddexp(0 * p, p) - y * p,
    "modified_huber": _modified_huber,
    "squared_error": lambda p, y, epsilon: _square(p - y, 0.5),
    "huber": _huber,
    "epsilon_insensitive": _insensitive(1),
    "squared_epsilon_insensitive": _insensitive(2),
}
"""Name → (prediction, target, epsilon) → loss: of targets −1 and 1, or 0 and 1 for `log_loss`."""


@dataclass(frozen=True)
class LinearLoss(Loss):
    """The loss of a row of a linear model, with steps that its target may say more of.

    A target of one number is the label or value. With three numbers a row, (target, weight, |x|²),
    the value stays that of the loss alone, and the gradient is multiplied by the weight; with
    the rates `pa1` and `pa2` it is the step of Crammer et al., "Online Passive-Aggressive
    Algorithms" (2006).

    >>> LinearLoss("hinge").per_row(np.array([0.5]), np.array([-1.0]))
    array([1.5])
    """

    kind: str
    epsilon: float = 0.1
    rate: str = ""
    limit: float = 1.0
    name: ClassVar[str] = "linear"
    domain: ClassVar[str] = ANY
    axis: ClassVar[str] = "own"

    def per_row(self, prediction: Array, target: Array) -> Array:
        if target.ndim == prediction.ndim:
            return LINEAR_LOSSES[self.kind](prediction, target, self.epsilon)
        y, weight, square = target[..., 0], target[..., 1], target[..., 2]
        value = LINEAR_LOSSES[self.kind](prediction, y, self.epsilon)
        return _worth(weight * self._step(value, square), value)

    def _step(self, loss: Array, square: Array) -> Array:
        """What has the step as its gradient."""
        if self.rate == "pa2":
            return 0.5 * loss * loss / (square + 0.5 / self.limit)
        if self.rate == "pa1":
            size = np.where(square > 0, square, 1)
            most = self.limit * size
            found = np.where(loss < most, loss * loss / (2 * size), self.limit * (loss - most / 2))
            return np.where(square > 0, found, 0)
        return loss


@dataclass(frozen=True)
class Shown(Penalty):
    """l2·Σw²/2 + l1·Σ|w| over weights, as a value without a gradient: steps see to that."""

    l2: float = 0.0
    l1: float = 0.0

    def value(self, leaves: Sequence[Array]) -> Array:
        weights = [stop_gradient(leaf) for leaf in leaves if leaf.ndim]
        square = sum(np.sum(w * w) for w in weights)
        return 0.5 * self.l2 * square + self.l1 * sum(np.sum(np.abs(w)) for w in weights)


@dataclass(frozen=True)
class LinearStep(Optimizer):
    """A step of one row for the weights (features,) and the intercept () of a linear model.

    Weights shrink by 1 − η·l2, then follow the gradient; those of an L1 penalty are then cut
    towards zero by what they owe (Tsuruoka, Tsujii and Ananiadou, "Stochastic gradient descent
    training for L1-regularized log-linear models with cumulative penalty", 2009).

    Args:
        rate: how η follows from eta and the number of the step: a name of `RATES`.
        alpha, power, first: what some of them take.
        begun: how many steps were made before.
        intercept: by what the step of the intercept is multiplied.
        average: from which step on the mean of the weights is kept; 0 for never.
    """

    rate: str
    eta: float
    alpha: float
    power: float
    l2: float = 0.0
    l1: float = 0.0
    first: float = 0.0
    begun: float = 0.0
    intercept: float = 1.0
    average: float = 0.0
    zeros: ClassVar[tuple[str, ...]] = ("l2", "l1", "average")
    kept: ClassVar[tuple[str, ...]] = ("mean",)

    def init(self, p: Array) -> State:
        state = {} if self.average == 0 else {"mean": np.zeros_like(p)}
        if p.ndim and self.l1 != 0:
            state |= {"owed": np.zeros((), p.dtype), "paid": np.zeros_like(p)}
        return state

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        t = h.t + h.begun
        eta = RATES[self.rate](h, t)
        move = e.gradient if self.rate.startswith("pa") else eta * e.gradient
        state: State = {}
        if not p.ndim:
            new = p - h.intercept * move
        else:
            new = (p if self.l2 == 0 else p * np.maximum(0, 1 - eta * h.l2)) - move
        if self.average != 0:
            count = t - np.maximum(h.average, h.begun + 1) + 1
            mean = s["mean"] + (new - s["mean"]) / np.maximum(count, 1)
            state["mean"] = np.where(count > 0, mean, s["mean"])
        if p.ndim and self.l1 != 0:
            owed, paid = s["owed"] + eta * h.l1, s["paid"]
            less, more = np.maximum(0, new - (owed + paid)), np.minimum(0, new + (owed - paid))
            cut = np.where(new > 0, less, np.where(new < 0, more, new))
            state |= {"owed": owed, "paid": paid + cut - new}
            new = cut
        return new, state


RATES: Mapping[str, Callable[[Any, Array], Array]] = {
    "constant": lambda h, t: h.eta,
    "adaptive": lambda h, t: h.eta,
    "optimal": lambda h, t: 1 / (h.alpha * (h.first + t - 1)),
    "invscaling": lambda h, t: h.eta / t**h.power,
    "pa1": lambda h, t: h.eta,
    "pa2": lambda h, t: h.eta,
}
"""Learning rates by the number of the step, counted from 1."""

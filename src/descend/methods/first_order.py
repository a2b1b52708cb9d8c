"""Methods that look at one gradient at a time: SGD, Adagrad, RMSprop, Adam, AdamW.

Names, defaults and update equations are torch.optim's. g is the gradient (negated by `maximize`),
η the learning rate, λ the weight decay; all operations are per element.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np

from descend.errors import UsageError
from descend.lean import dataclass
from descend.methods.base import Array, Optimizer, State, cast
from descend.methods.schedules import Schedule, as_schedule

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "FirstOrder", "RMSprop"]

Rate: TypeAlias = float | Schedule | Callable[[Array], Array]
POSITIVE = "[0, inf)"


@dataclass(frozen=True)
class FirstOrder(Optimizer):
    """What the methods of this page share: a scheduled rate, `maximize`, and weight decay in g."""

    def __post_init__(self) -> None:
        rate: object = getattr(self, "lr", 0.0)
        if callable(rate) and not isinstance(rate, Schedule):
            object.__setattr__(self, "lr", as_schedule(rate))
        super().__post_init__()

    def direction(self, p: Array, e: Any, h: Any) -> Array:
        """Return g: the gradient, negated to maximise, with the weight decay λp added."""
        g = -e.gradient if getattr(self, "maximize", False) else e.gradient
        if getattr(self, "weight_decay", 0) == 0:
            return g
        return g + cast(h.weight_decay, p) * p


@dataclass(frozen=True)
class SGD(FirstOrder):
    """Gradient descent, with momentum if wanted.

    b ← μ·b + (1 − dampening)·g (b = g at the first update);  p ← p − η·b, or with Nesterov's
    momentum p ← p − η·(g + μ·b).

    Robbins and Monro (1951); Polyak (1964); Sutskever et al., "On the importance of initialization
    and momentum in deep learning" (2013) for Nesterov's form, with torch's sign conventions.

    >>> from types import SimpleNamespace
    >>> method = SGD(lr=0.1)
    >>> h = method.hyper(method.numbers(), t=1.0)
    >>> method.step(np.array([1.0]), SimpleNamespace(gradient=np.array([6.0])), {}, h)[0]
    array([0.4])
    """

    lr: Rate = 1e-3
    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    maximize: bool = False
    ranges: ClassVar[Mapping[str, str]] = {
        "lr": POSITIVE, "momentum": POSITIVE, "dampening": "(-inf, inf)", "weight_decay": POSITIVE,
    }  # fmt: skip
    zeros: ClassVar[tuple[str, ...]] = ("momentum", "dampening", "weight_decay")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise UsageError(
                "SGD: nesterov=True needs a momentum above 0 and a dampening of 0",
                remedy="write for example SGD(lr=0.01, momentum=0.9, nesterov=True)",
            )

    def init(self, p: Array) -> State:
        return {} if self.momentum == 0 else {"momentum": np.zeros_like(p)}

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        g = self.direction(p, e, h)
        rate = cast(h.lr, p)
        if self.momentum == 0:
            return p - rate * g, {}
        mu = cast(h.momentum, p)
        if self.dampening == 0:
            b = mu * s["momentum"] + g
        else:
            damped = mu * s["momentum"] + (1 - cast(h.dampening, p)) * g
            b = np.where(h.t == 1, g, damped)
        return p - rate * (g + mu * b if self.nesterov else b), {"momentum": b}


@dataclass(frozen=True)
class Adagrad(FirstOrder):
    """Each parameter has its own rate, which falls with the sum of its squared gradients.

    v ← v + g²;  p ← p − η/(1 + (t − 1)·lr_decay) · g/(√v + ε).

    Duchi, Hazan and Singer, "Adaptive Subgradient Methods" (2011).

    >>> from types import SimpleNamespace
    >>> method = Adagrad(lr=0.1)
    >>> p, e = np.array([1.0]), SimpleNamespace(gradient=np.array([6.0]))
    >>> method.step(p, e, method.init(p), method.hyper(method.numbers(), t=1.0))[0]
    array([0.9])
    """

    lr: Rate = 1e-2
    lr_decay: float = 0.0
    weight_decay: float = 0.0
    initial_accumulator_value: float = 0.0
    eps: float = 1e-10
    maximize: bool = False
    ranges: ClassVar[Mapping[str, str]] = {
        "lr": POSITIVE, "lr_decay": POSITIVE, "weight_decay": POSITIVE,
        "initial_accumulator_value": POSITIVE, "eps": POSITIVE,
    }  # fmt: skip
    zeros: ClassVar[tuple[str, ...]] = ("weight_decay",)

    def init(self, p: Array) -> State:
        return {"square": np.zeros_like(p) + cast(self.initial_accumulator_value, p)}

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        g = self.direction(p, e, h)
        square = s["square"] + g * g
        rate = cast(h.lr / (1 + (h.t - 1) * h.lr_decay), p)
        return p - rate * g / (np.sqrt(square) + cast(h.eps, p)), {"square": square}


@dataclass(frozen=True)
class RMSprop(FirstOrder):
    """The step is divided by a running root mean square of the gradient.

    v ← α·v + (1 − α)·g²;  centred: a ← α·a + (1 − α)·g and v − a² in place of v;
    b ← μ·b + g/(√v + ε);  p ← p − η·b.

    Tieleman and Hinton, Coursera lecture 6.5 (2012); centred: Graves (2013), section 4.2.

    >>> from types import SimpleNamespace
    >>> method = RMSprop(lr=0.1, alpha=0.75)
    >>> p, e = np.array([1.0]), SimpleNamespace(gradient=np.array([6.0]))
    >>> method.step(p, e, method.init(p), method.hyper(method.numbers(), t=1.0))[0].round(6)
    array([0.8])
    """

    lr: Rate = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    centered: bool = False
    maximize: bool = False
    ranges: ClassVar[Mapping[str, str]] = {
        "lr": POSITIVE, "alpha": "[0, 1]", "eps": POSITIVE, "weight_decay": POSITIVE,
        "momentum": POSITIVE,
    }  # fmt: skip
    zeros: ClassVar[tuple[str, ...]] = ("weight_decay", "momentum")

    def init(self, p: Array) -> State:
        state = {"square": np.zeros_like(p)}
        if self.centered:
            state["mean"] = np.zeros_like(p)
        if self.momentum != 0:
            state["momentum"] = np.zeros_like(p)
        return state

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        g = self.direction(p, e, h)
        alpha, rate = cast(h.alpha, p), cast(h.lr, p)
        rest = cast(1 - h.alpha, p)
        state = {"square": alpha * s["square"] + rest * g * g}
        spread = state["square"]
        if self.centered:
            state["mean"] = alpha * s["mean"] + rest * g
            # Rounding can leave the variance a hair below zero where the gradient is constant.
            spread = np.maximum(spread - state["mean"] * state["mean"], cast(0.0, p))
        move = g / (np.sqrt(spread) + cast(h.eps, p))
        if self.momentum != 0:
            move = state["momentum"] = cast(h.momentum, p) * s["momentum"] + move
        return p - rate * move, state


@dataclass(frozen=True)
class Adam(FirstOrder):
    """Momentum and root mean square together, both corrected for their start at zero.

    m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;
    p ← p − η · (m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε);  with amsgrad the largest v so far.

    Kingma and Ba, "Adam" (2015); Reddi, Kale and Kumar, "On the Convergence of Adam and Beyond"
    (2018) for amsgrad.

    >>> from types import SimpleNamespace
    >>> method = Adam(lr=0.1)
    >>> p, e = np.array([1.0]), SimpleNamespace(gradient=np.array([6.0]))
    >>> method.step(p, e, method.init(p), method.hyper(method.numbers(), t=1.0))[0].round(6)
    array([0.9])
    """

    lr: Rate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    amsgrad: bool = False
    maximize: bool = False
    ranges: ClassVar[Mapping[str, str]] = {
        "lr": POSITIVE, "betas": "[0, 1)", "eps": POSITIVE, "weight_decay": POSITIVE,
    }  # fmt: skip
    zeros: ClassVar[tuple[str, ...]] = ("weight_decay",)

    def __post_init__(self) -> None:
        betas: object = self.betas
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise UsageError(
                f"{type(self).__name__}: betas must be two numbers, not {betas!r}",
                remedy="write for example betas=(0.9, 0.999)",
            )
        object.__setattr__(self, "betas", tuple(betas))
        super().__post_init__()

    def init(self, p: Array) -> State:
        names = ("mean", "square", "largest") if self.amsgrad else ("mean", "square")
        return {name: np.zeros_like(p) for name in names}

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        g = self.direction(p, e, h)
        b1, b2 = h.betas
        state = {
            "mean": cast(b1, p) * s["mean"] + cast(1 - b1, p) * g,
            "square": cast(b2, p) * s["square"] + cast(1 - b2, p) * g * g,
        }
        spread = state["square"]
        if self.amsgrad:
            spread = state["largest"] = np.maximum(s["largest"], spread)
        # The corrections are scalars in double precision: 1 − β₂ᵗ loses digits in float32.
        rate = cast(h.lr / (1 - b1**h.t), p)
        root = np.sqrt(spread) * cast(1 / np.sqrt(1 - b2**h.t), p) + cast(h.eps, p)
        return p - rate * state["mean"] / root, state


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam whose weight decay acts on the parameters and not through the gradient.

    p ← p − η·λ·p, then Adam's step with λ = 0.

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019).

    >>> from types import SimpleNamespace
    >>> method = AdamW(lr=0.1)
    >>> p, e = np.array([1.0]), SimpleNamespace(gradient=np.array([6.0]))
    >>> method.step(p, e, method.init(p), method.hyper(method.numbers(), t=1.0))[0].round(6)
    array([0.899])
    """

    weight_decay: float = 1e-2

    def direction(self, p: Array, e: Any, h: Any) -> Array:
        return -e.gradient if self.maximize else e.gradient

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        if self.weight_decay != 0:
            p = p * cast(1 - h.lr * h.weight_decay, p)
        return super().step(p, e, s, h)

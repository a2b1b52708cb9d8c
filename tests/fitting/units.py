"""The same fit in other units: what must come out, and whether it does.

A task has a model, its data and a start of order one. Written in other units, a column x becomes
x·U, y becomes y·V, and each parameter is multiplied by the powers of U and V that its meaning says;
so are starts, bounds, the scale of a robust loss and sigma. A verdict and a parameter in its own
unit do not depend on U and V.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import descend


@dataclass(frozen=True)
class Task:
    """A model with data and a start.

    Attributes:
        powers: of each parameter, the powers of the unit of x and of y that it carries.
        counts: whether y is counts, which have no other unit.
    """

    model: Callable[..., Any]
    x: np.ndarray
    y: np.ndarray
    start: Mapping[str, Any]
    powers: Mapping[str, tuple[Any, Any]]
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    counts: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def sizes(self, u: float, v: float) -> dict[str, Any]:
        """By what each parameter is multiplied."""
        return {n: u ** np.asarray(a, float) * v ** np.asarray(b, float)
                for n, (a, b) in self.powers.items()}  # fmt: skip


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def peak(x, height, centre, width, floor):
    return height * np.exp(-0.5 * ((x - centre) / width) ** 2) + floor


def parabola(x, c):
    return c[0] + c[1] * x + c[2] * x**2


def line(x, a, b):
    return a + b * x


def saturation(x, top, half):
    return top * x / (half + x)


def wave(x, size, rate, phase, mean):
    return size * np.sin(rate * x + phase) + mean


X = np.linspace(0, 4, 50)
SPREAD = np.random.default_rng(5).standard_normal(50) * 0.05
CENTRED = np.linspace(-3, 3, 50)
COUNTS = np.random.default_rng(6).poisson(decay(X, 90, 1.3, 6)).astype(float)

TASKS: Mapping[str, Task] = {
    "decay": Task(
        decay, X, decay(X, 2.5, 1.3, 0.5) + SPREAD, dict(a=1.0, k=1.0, c=1.0),
        dict(a=(0, 1), k=(-1, 0), c=(0, 1)),
    ),
    "decay from a floor of 0": Task(
        decay, X, decay(X, 2.5, 1.3, 0.5) + SPREAD, dict(a=2.0, k=0.7, c=0.0),
        dict(a=(0, 1), k=(-1, 0), c=(0, 1)),
    ),
    "bounded decay": Task(
        decay, X, decay(X, 2.5, 1.3, 0.5) + SPREAD, dict(a=1.0, k=1.0, c=0.2),
        dict(a=(0, 1), k=(-1, 0), c=(0, 1)),
        dict(a=(0.1, 9.0), k=(0.2, 5.0), c=(0.0, 0.4)),
    ),
    "peak from 0": Task(
        peak, CENTRED, peak(CENTRED, 3.0, 0.4, 0.8, 0.5) + SPREAD,
        dict(height=2.0, centre=0.0, width=1.0, floor=0.0),
        dict(height=(0, 1), centre=(1, 0), width=(1, 0), floor=(0, 1)),
    ),
    "parabola from 0": Task(
        parabola, X, parabola(X, [0.3, -2.0, 0.7]) + SPREAD, dict(c=np.zeros(3)),
        dict(c=([0, -1, -2], [1, 1, 1])),
    ),
    "parabola": Task(
        parabola, X, parabola(X, [0.3, -2.0, 0.7]) + SPREAD, dict(c=np.ones(3)),
        dict(c=([0, -1, -2], [1, 1, 1])),
    ),
    "line from 0": Task(
        line, X, line(X, 0.3, -2.0) + SPREAD, dict(a=0.0, b=0.0), dict(a=(0, 1), b=(-1, 1)),
    ),
    "saturation": Task(
        saturation, X, saturation(X, 3.0, 0.7) + SPREAD, dict(top=1.0, half=2.0),
        dict(top=(0, 1), half=(1, 0)), dict(top=(0.0, np.inf), half=(1e-3, np.inf)),
    ),
    "wave": Task(
        wave, X, wave(X, 2.0, 3.0, 0.4, 0.6) + SPREAD,
        dict(size=1.0, rate=3.2, phase=0.0, mean=0.0),
        dict(size=(0, 1), rate=(-1, 0), phase=(0, 0), mean=(0, 1)),
    ),
    "counts": Task(
        decay, X, COUNTS, dict(a=50.0, k=1.0, c=9.0),
        dict(a=(0, 0), k=(-1, 0), c=(0, 0)), dict(a=(0.0, np.inf), c=(1e-3, np.inf)), counts=True,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Loss:
    """A loss, given the unit of y.

    Attributes:
        kinked: whether its slope jumps, so that methods for smooth losses end near the minimum.
        curved: whether Gauss–Newton methods take it.
    """

    make: Callable[[float], Any]
    kinked: bool = False
    curved: bool = True
    sigma: float | None = None
    penalty: str | None = None
    counts: bool = False


LOSSES: Mapping[str, Loss] = {
    "mse": Loss(lambda v: "mse"),
    "mse with sigma": Loss(lambda v: "mse", sigma=0.05),
    "mae": Loss(lambda v: "mae", kinked=True, curved=False),
    "quantile": Loss(lambda v: "quantile(0.7)", kinked=True, curved=False),
    "huber": Loss(lambda v: descend.Huber(delta=0.06 * v)),
    "soft_l1": Loss(lambda v: descend.SoftL1(scale=0.1 * v)),
    "cauchy": Loss(lambda v: descend.Cauchy(scale=0.5 * v)),
    "arctan": Loss(lambda v: descend.Arctan(scale=2.0 * v)),
    "tukey": Loss(lambda v: descend.Tukey(scale=9.0 * v)),
    "log_cosh with sigma": Loss(lambda v: "log_cosh", sigma=0.05),
    "fourth power": Loss(lambda v: lambda p, t: ((p - t) / v) ** 4, curved=False),
    "poisson": Loss(lambda v: "poisson", counts=True),
}

METHODS = ("lm", "gauss_newton", "bfgs", "lbfgs", "cg", "newton", "nelder_mead")
SQUARES = ("lm", "gauss_newton")
"""Methods that want residuals."""
SURE_OF_KINKS = ("bfgs", "nelder_mead")


def suits(task: Task, method: str, loss: Loss) -> bool:
    """Whether a method is asked for such a fit."""
    if task.counts != loss.counts:
        return False
    return (method in SURE_OF_KINKS) if loss.kinked else (method not in SQUARES or loss.curved)


def fitted(
    task: Task, method: str, loss: Loss, u: float, v: float, dtype: Any = np.float64
) -> tuple[np.ndarray, bool, str]:
    """The parameters in their own units, whether that is called a success, and the verdict."""
    sizes = task.sizes(u, v)
    options: dict[str, Any] = dict(task.options)
    if loss.sigma is not None:
        options["sigma"] = np.full(len(task.y), loss.sigma * v, dtype)
    if task.bounds:
        options["bounds"] = {
            n: tuple(float(side * sizes[n]) for side in sides) for n, sides in task.bounds.items()
        }
    start = {n: np.asarray(value * sizes[n], dtype) for n, value in task.start.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = descend.fit(
            task.model, (task.x * u).astype(dtype), (task.y * v).astype(dtype), start=start,
            loss=loss.make(v), optimizer=method, epochs=20_000, starts=1, **options,
        )  # fmt: skip
    own = [np.ravel(np.asarray(fit.params[n], float) / sizes[n]) for n in task.start]
    return np.concatenate(own), fit.success, fit.message


def wrong(
    task: Task, method: str, loss: Loss, u: float, v: float, dtype: Any = np.float64
) -> str:
    """What differs from the fit in units of order one, or an empty string."""
    right, success, _ = fitted(task, method, loss, 1.0, 1.0)
    came, called, message = fitted(task, method, loss, u, v, dtype)
    least = 1e-6 if dtype == np.float64 else 1e-3
    if not np.all(np.abs(came - right) <= least * np.maximum(np.abs(right), 0.01)):
        return f"{came} for {right}: {message}"
    return "" if called == success or dtype != np.float64 else f"{called} for {success}: {message}"


def units(decades: tuple[int, ...], counts: bool) -> Iterator[tuple[float, float]]:
    """Units of x and of y, one of them other than 1 at a time, and both."""
    for d in decades:
        yield 10.0**d, 1.0
        if not counts:
            yield 1.0, 10.0**d
            yield 10.0**d, 10.0**-d
            yield 10.0**d, 10.0**d

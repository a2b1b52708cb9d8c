"""Models with a truth and a place for x: what the recorded fits are made of."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np
from scipy.special import erf, expit

from descend import models

__all__ = ["CURVES", "SCALARS", "Curve", "anew", "rng_of"]

Array = np.ndarray[Any, np.dtype[Any]]


def over(low: float, high: float) -> Callable[[int], Array]:
    """Evenly spaced points, as many as asked for."""
    return lambda n: np.linspace(low, high, n)


def decades(low: float, high: float) -> Callable[[int], Array]:
    """Points evenly spaced by their logarithms."""
    return lambda n: np.geomspace(low, high, n)


def table(columns: int) -> Callable[[int], Array]:
    """An (n, columns) array of normal numbers."""
    return lambda n: np.random.default_rng(columns).normal(size=(n, columns))


TO_TEN = over(0, 10)


@dataclass(frozen=True)
class Curve:
    """A model, the values that made its data, x by the number of points, noise as a share of y.

    `formula` is what the call gets where it is not the function itself: text or a ready model;
    `off` is how far a near start is from the truth, as a share of it.
    `truth` is in the order of the arguments; the trees in it are what the model takes.
    """

    model: Callable[..., Any]
    truth: Mapping[str, Any]
    x: Callable[[int], Any] = TO_TEN
    noise: float = 0.02
    n: int = 60
    formula: Any = None
    off: float = 0.1

    def y(self, x: Any, rng: np.random.Generator, noise: float | None = None) -> Array:
        """The truth at x with normal noise."""
        columns = x.values() if isinstance(x, dict) else x if isinstance(x, tuple) else (x,)
        with np.errstate(all="ignore"):
            clean = np.asarray(self.model(*columns, **self.truth), dtype=np.float64)
        share = self.noise if noise is None else noise
        return clean + share * (np.ptp(clean) or 1.0) * rng.normal(size=clean.shape)

    def data(self, seed: str, n: int | None = None) -> tuple[Any, Array]:
        """x and y; the noise follows from the name of the call alone."""
        x = self.x(n or self.n)
        return x, self.y(x, rng_of(seed))

    def near(self, off: float | None = None) -> dict[str, Any]:
        """A start that is off the truth by a share of it, down and up in turn."""
        share = self.off if off is None else off
        return {
            name: _scaled(value, 1 + share if i % 2 else 1 - share)
            for i, (name, value) in enumerate(self.truth.items())
        }

    def ones(self) -> dict[str, Any]:
        """A start of ones, which knows nothing."""
        return {name: _scaled(value, None) for name, value in self.truth.items()}

    def given(self) -> Any:
        """What the call gets as its model; a function is made anew, so that it was never met."""
        return anew(self.model) if self.formula is None else self.formula


def anew(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function as another object; what is no plain function stays itself."""
    if not isinstance(function, FunctionType):
        return function
    f = function
    made = FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, f.__closure__)
    made.__kwdefaults__ = f.__kwdefaults__
    return made


def rng_of(name: str) -> np.random.Generator:
    """Random numbers that belong to a name, on any machine."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def _scaled(value: Any, factor: float | None) -> Any:
    if isinstance(value, dict):
        return {key: _scaled(branch, factor) for key, branch in value.items()}
    if isinstance(value, list):
        return [_scaled(branch, factor) for branch in value]
    if factor is not None:
        return value * factor
    return np.ones(np.shape(value)) if np.ndim(value) else 1.0


def retention(h, r, s, alpha, n):
    return r + (s - r) / (1 + (alpha * h) ** n) ** (1 - 1 / n)


def horner(x, c):
    total = 0.0
    for k in range(4):
        total = total * x + c[k]
    return total


def harmonics(x, a, w):
    return sum(a[k] * np.sin((k + 1) * w * x) for k in range(3))


def branches(x, p):
    return p["a"] * np.exp(-p["k"] * x) + p["rest"][0] + p["rest"][1] * x


def system(x, a, b):
    matrix = np.array([[2.0, 0.5], [0.5, 1.0]]) + a * np.eye(2)
    weights = np.linalg.solve(matrix, np.stack([b, 1.0]))
    return weights[0] * x + weights[1]


def two_peaks(x, h, m, s, g, q, t):
    return h * np.exp(-(((x - m) / s) ** 2) / 2) + g * np.exp(-(((x - q) / t) ** 2) / 2)


SCALARS: dict[str, Curve] = {
    "constant": Curve(lambda x, c: c + 0 * x, dict(c=3.0)),
    "proportional": Curve(lambda x, a: a * x, dict(a=2.5)),
    "line": Curve(lambda x, a, b: a * x + b, dict(a=2.0, b=-1.0)),
    "line-over-years": Curve(
        lambda x, a, b: a * x + b, dict(a=0.02, b=-30.0), over(1950, 2020)
    ),
    "line-over-seconds": Curve(
        lambda x, a, b: a * x + b, dict(a=3e-6, b=-4800.0), over(1.6e9, 1.7e9)
    ),
    "parabola": Curve(lambda x, a, b, c: a * x**2 + b * x + c, dict(a=0.7, b=-2.0, c=5.0)),
    "quintic": Curve(
        lambda x, a, b, c, d, e, f: ((((a * x + b) * x + c) * x + d) * x + e) * x + f,
        dict(a=0.5, b=-1.0, c=2.0, d=0.3, e=-0.4, f=1.0), over(-2, 2),
    ),
    "decay": Curve(
        lambda x, a, k, c: a * np.exp(-k * x) + c, dict(a=2.0, k=1.3, c=0.5), over(0, 4)
    ),
    "slow-decay": Curve(
        lambda x, a, k, c: a * np.exp(-k * x) + c, dict(a=120.0, k=0.004, c=15.0), over(0, 1000)
    ),
    "decay-far-up": Curve(
        lambda x, a, k, c: a * np.exp(-k * x) + c, dict(a=2.0, k=0.3, c=1e4)
    ),
    "tiny-decay": Curve(
        lambda x, a, k, c: a * np.exp(-k * x) + c, dict(a=3e-6, k=2e5, c=1e-7), over(0, 2e-5)
    ),
    "bare-decay": Curve(lambda x, a, k: a * np.exp(-k * x), dict(a=5.0, k=0.4)),
    "lifetime": Curve(lambda x, a, t: a * np.exp(-x / t), dict(a=800.0, t=3.5)),
    "two-decays": Curve(
        lambda x, a, k, b, q: a * np.exp(-k * x) + b * np.exp(-q * x),
        dict(a=5.0, k=2.0, b=2.0, q=0.2), noise=0.002,
    ),
    "stretched": Curve(
        lambda x, a, t, b: a * np.exp(-((x / t) ** b)), dict(a=1.0, t=30.0, b=0.6), over(0.5, 200)
    ),
    "growth": Curve(lambda x, a, k: a * np.exp(k * x), dict(a=3.0, k=0.3)),
    "growth-over-years": Curve(
        lambda x, a, k: a * np.exp(k * x), dict(a=1e-26, k=0.03), over(1950, 2020)
    ),
    "arrhenius": Curve(
        lambda x, a, e: a * np.exp(-e / (8.314 * x)), dict(a=1e10, e=6e4), over(280, 340), 0.01
    ),
    "cooling": Curve(
        lambda t, room, begin, k: room + (begin - room) * np.exp(-k * t),
        dict(room=21.0, begin=88.0, k=0.05), over(0, 90),
    ),
    "peak": Curve(
        lambda x, h, m, s, c: h * np.exp(-((x - m) ** 2) / (2 * s**2)) + c,
        dict(h=10.0, m=4.0, s=0.7, c=1.0),
    ),
    "peak-far-away": Curve(
        lambda x, h, m, s, c: h * np.exp(-((x - m) ** 2) / (2 * s**2)) + c,
        dict(h=300.0, m=1520.0, s=8.0, c=100.0), over(1450, 1600), off=0.002,
    ),
    "dip": Curve(
        lambda x, h, m, s, c: h * np.exp(-((x - m) ** 2) / (2 * s**2)) + c,
        dict(h=-0.8, m=656.3, s=0.4, c=1.0), over(650, 662), n=120, off=0.0003,
    ),
    "resonance": Curve(
        lambda x, h, m, w, c: h * w**2 / ((x - m) ** 2 + w**2) + c,
        dict(h=5.0, m=100.0, w=3.0, c=0.2), over(50, 150), n=100, off=0.02,
    ),
    "two-peaks": Curve(
        two_peaks, dict(h=5.0, m=3.0, s=0.5, g=3.0, q=6.0, t=0.8), n=120
    ),
    "wave": Curve(
        lambda x, a, w, p, c: a * np.sin(w * x + p) + c, dict(a=3.0, w=2.0, p=0.5, c=1.0)
    ),
    "fast-wave": Curve(
        lambda x, a, w, p, c: a * np.sin(w * x + p) + c,
        dict(a=0.2, w=37.0, p=1.0, c=5.0), over(0, 3), n=200, off=0.01,
    ),
    "yearly-wave": Curve(
        lambda x, a, w, p, c: a * np.sin(w * x + p) + c,
        dict(a=12.0, w=0.0172, p=1.9, c=15.0), over(0, 1000), n=150, off=0.05,
    ),
    "ringing": Curve(
        lambda x, a, k, w, p: a * np.exp(-k * x) * np.sin(w * x + p),
        dict(a=2.0, k=0.3, w=4.0, p=0.7), n=100,
    ),
    "logistic": Curve(
        lambda x, top, k, middle: top / (1 + np.exp(-k * (x - middle))),
        dict(top=50.0, k=0.8, middle=6.0), over(0, 12),
    ),
    "logistic-over-years": Curve(
        lambda x, top, k, middle: top / (1 + np.exp(-k * (x - middle))),
        dict(top=1e4, k=0.2, middle=1985.0), over(1950, 2020), off=0.003,
    ),
    "gompertz": Curve(
        lambda x, a, b, c: a * np.exp(-b * np.exp(-c * x)), dict(a=80.0, b=6.0, c=0.4), over(0, 15)
    ),
    "step": Curve(
        lambda x, low, high, middle, width: low + (high - low) * expit((x - middle) / width),
        dict(low=2.0, high=9.0, middle=40.0, width=3.0), over(0, 100),
    ),
    "edge": Curve(
        lambda x, a, m, s: a * (1 + erf((x - m) / s)), dict(a=3.0, m=5.0, s=0.8)
    ),
    "sharp-step": Curve(
        lambda x, a, b, m, s: a + b * np.tanh((x - m) / s),
        dict(a=1.0, b=2.0, m=5.08, s=0.01), off=0.001,
    ),
    "power": Curve(lambda x, a, n: a * x**n, dict(a=0.3, n=2.5), over(1, 100)),
    "falling-power": Curve(lambda x, a, n: a * x**n, dict(a=1e4, n=-1.7), over(1, 50)),
    "power-and-offset": Curve(
        lambda x, a, n, c: a * x**n + c, dict(a=2.0, n=0.5, c=40.0), over(0.1, 100)
    ),
    "michaelis": Curve(
        lambda x, v, k: v * x / (k + x), dict(v=212.0, k=0.064), over(0.01, 1.2), n=20
    ),
    "michaelis-micro": Curve(
        lambda x, v, k: v * x / (k + x), dict(v=3e-3, k=2e-6), over(1e-7, 2e-5), n=25
    ),
    "hill": Curve(
        lambda x, v, k, n: v * x**n / (k**n + x**n), dict(v=100.0, k=12.0, n=2.5), over(0.5, 60)
    ),
    "langmuir": Curve(
        lambda x, q, k: q * k * x / (1 + k * x), dict(q=4.2, k=0.03), over(1, 300)
    ),
    "dose": Curve(
        lambda x, low, high, middle, slope: low + (high - low) / (1 + (x / middle) ** slope),
        dict(low=100.0, high=5.0, middle=0.3, slope=1.4), decades(1e-3, 100), n=40,
    ),
    "ratio": Curve(
        lambda x, a, b, c: (a + b * x) / (1 + c * x), dict(a=1.0, b=4.0, c=0.5), over(0, 20)
    ),
    "lens": Curve(lambda x, f: 1 / (1 / f - 1 / x), dict(f=12.0), over(20, 100)),
    "capacity": Curve(
        lambda x, a, b, c: a + b * x - c * x**-2.0,
        dict(a=24.8, b=0.012, c=6e5), over(300, 1500),
    ),
    "retention": Curve(
        retention, dict(r=0.05, s=0.43, alpha=0.02, n=1.8), decades(1, 1e4), n=40
    ),
    "planck": Curve(
        lambda x, a, t: a * x**3 / np.expm1(x / t), dict(a=15.0, t=0.9), over(0.2, 10)
    ),
    "morse": Curve(
        lambda x, d, a, r: d * (1 - np.exp(-a * (x - r))) ** 2,
        dict(d=4.5, a=1.9, r=0.74), over(0.4, 3),
    ),
    "hinge": Curve(
        lambda x, a, b, c, knot: np.where(x < knot, a * x + b, a * knot + b + c * (x - knot)),
        dict(a=1.0, b=2.0, c=-0.5, knot=6.0),
    ),
    "threshold": Curve(
        lambda x, low, high, p: np.where(x < p, low, high), dict(low=1.0, high=4.0, p=3.3), off=0.02
    ),
    "clipped": Curve(
        lambda x, a, top: np.minimum(a * x, top), dict(a=1.5, top=8.0)
    ),
    "bend": Curve(lambda x, a, m, c: a * np.abs(x - m) + c, dict(a=2.0, m=4.0, c=1.0)),
    "rounded": Curve(lambda x, a, p: a * np.floor(x / p), dict(a=2.0, p=1.7)),
    "product-only": Curve(lambda x, a, b: a * b * x, dict(a=2.0, b=3.0)),
    "unused": Curve(lambda x, a, b: a * x, dict(a=2.0, b=3.0)),
    "hidden-scale": Curve(
        lambda x, a, k: 4e-10 * a * np.exp(-k * x), dict(a=2.0, k=0.7)
    ),
    "coupled": Curve(lambda x, a, b: a * x / x.max() + b, dict(a=2.0, b=1.0)),
    "running-sum": Curve(lambda x, a, b: np.cumsum(a * x) / 60 + b, dict(a=2.0, b=1.0)),
    "solved": Curve(system, dict(a=1.0, b=2.0)),
    "polyval": Curve(lambda x, a, b, c: np.polyval([a, b, c], x), dict(a=1.0, b=-3.0, c=2.0)),
    "plane": Curve(
        lambda u, v, a, b, c: a * u + b * v + c, dict(a=1.0, b=-2.0, c=3.0),
        lambda n: (np.linspace(0, 5, n), np.cos(np.arange(n))),
    ),
    "saddle-columns": Curve(
        lambda u, v, a, b: a * u * np.exp(-b * v), dict(a=2.0, b=0.5),
        lambda n: {"u": np.linspace(1, 5, n), "v": 1 + np.sin(np.arange(n))},
    ),
    "text-parabola": Curve(
        lambda x, a, b, c: a * x**2 + b * x + c, dict(a=0.7, b=-2.0, c=5.0),
        lambda n: {"x": np.linspace(0, 10, n)}, formula="a*x**2 + b*x + c",
    ),
    "text-decay": Curve(
        lambda x, a, k: a * np.exp(-k * x), dict(a=3.0, k=0.5),
        lambda n: {"x": np.linspace(0, 10, n)}, formula="a*exp(-k*x)",
    ),
    "text-saturation": Curve(
        lambda x, v, k: v * x / (k + x), dict(v=9.0, k=1.5),
        lambda n: {"x": np.linspace(0.1, 10, n)}, formula="v*x/(k + x)",
    ),
}  # fmt: skip
"""Models of scalars, which can do without a start."""

ARRAYS: dict[str, Curve] = {
    "vector": Curve(lambda x, w: w[0] + w[1] * x + w[2] * x**2, dict(w=np.array([5.0, -2.0, 0.7]))),
    "matrix": Curve(lambda X, w: X @ w, dict(w=np.array([1.0, -2.0, 0.5, 3.0])), table(4)),
    "matrix-and-offset": Curve(
        lambda X, w, b: X @ w + b, dict(w=np.array([1.0, -2.0, 0.5]), b=4.0), table(3)
    ),
    "horner": Curve(horner, dict(c=np.array([0.2, -1.0, 0.5, 3.0])), over(-2, 2)),
    "harmonics": Curve(harmonics, dict(a=np.array([2.0, 1.0, -0.5]), w=1.1)),
    "tree": Curve(branches, dict(p={"a": 3.0, "k": 1.2, "rest": [0.5, 0.1]})),
    "knots": Curve(
        lambda x, v: np.interp(x, np.array([0.0, 3.0, 6.0, 10.0]), v),
        dict(v=np.array([1.0, 4.0, 2.0, 5.0])),
    ),
    "small-net": Curve(
        lambda x, W, b, v: np.tanh(x[:, None] * W + b) @ v,
        dict(
            W=np.array([1.0, -0.5, 0.3]), b=np.array([0.1, 2.0, -1.0]), v=np.array([2.0, 1.0, 3.0])
        ),
        over(-3, 3),
    ),
    "two-outputs": Curve(
        lambda x, a, w: np.stack([a * x, w[0] * x**2 + w[1]], axis=1),
        dict(a=2.0, w=np.array([0.5, 1.0])),
    ),
}
"""Models with arrays or trees of parameters, which need a start."""

READY: dict[str, Curve] = {
    "ready-linear": Curve(
        lambda x, slope, intercept: slope * x + intercept,
        dict(slope=2.0, intercept=1.0),
        formula=models.linear(),
    ),
    "ready-gaussian": Curve(
        lambda x, a, center, s: a * np.exp(-((x - center) ** 2) / (2 * s**2)),
        dict(a=5.0, center=4.0, s=0.6),
        formula=models.gaussian(),
    ),
    "ready-lorentzian": Curve(
        lambda x, a, center, s: a * s**2 / ((x - center) ** 2 + s**2),
        dict(a=5.0, center=4.0, s=0.6),
        formula=models.lorentzian(),
    ),
    "ready-exponential": Curve(
        lambda x, a, k: a * np.exp(-k * x), dict(a=5.0, k=0.6), formula=models.exponential()
    ),
    "ready-sine": Curve(
        lambda x, a, w, p: a * np.sin(w * x + p), dict(a=2.0, w=3.0, p=0.4), formula=models.sine()
    ),
    "ready-power": Curve(
        lambda x, a, n: a * x**n, dict(a=2.0, n=1.7), over(1, 20), formula=models.power_law()
    ),
    "ready-logistic": Curve(
        lambda x, top, k, m: top / (1 + np.exp(-k * (x - m))),
        dict(top=5.0, k=1.2, m=5.0),
        formula=models.logistic(),
    ),
    "ready-hill": Curve(
        lambda x, v, k, n: v * x**n / (k**n + x**n),
        dict(v=10.0, k=3.0, n=2.0),
        over(0.1, 20),
        formula=models.hill(),
    ),
    "ready-step": Curve(
        lambda x, a, m, s: a * (1 + erf((x - m) / s)) / 2,
        dict(a=4.0, m=5.0, s=0.8),
        formula=models.step(),
    ),
    "ready-peak-on-line": Curve(
        lambda x, h, m, s, a, b: h * np.exp(-((x - m) ** 2) / (2 * s**2)) + a * x + b,
        dict(h=8.0, m=5.0, s=0.5, a=0.5, b=1.0),
        formula=models.gaussian() + models.linear(),
    ),
    "ready-voigt": Curve(
        lambda x, a, m, s: a * s**2 / ((x - m) ** 2 + s**2),
        dict(a=5.0, m=4.0, s=0.6),
        formula=models.voigt(),
    ),
    "ready-ringing": Curve(
        lambda x, a, k, w, p: a * np.exp(-k * x) * np.sin(w * x + p),
        dict(a=2.0, k=0.2, w=3.0, p=0.5),
        formula=models.damped_oscillator(),
        n=120,
    ),
}
"""Ready models, which guess their start from the data."""

CURVES = {**SCALARS, **ARRAYS, **READY}

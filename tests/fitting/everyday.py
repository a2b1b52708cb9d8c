"""Models that people fit, with data made from a truth, and nothing said of where to start."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Task:
    """A model of scalars, its truth, where x lies, and the noise as a share of y's range."""

    model: Callable[..., Any]
    truth: tuple[float, ...]
    x: Array
    noise: float = 0.02

    def data(self, seed: int) -> Array:
        clean = self.model(self.x, *self.truth)
        rng = np.random.default_rng(seed)
        return np.asarray(clean + self.noise * np.ptp(clean) * rng.normal(size=self.x.size))


def over(low: float, high: float, count: int = 60) -> Array:
    return np.linspace(low, high, count)


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def growth(x, a, k):
    return a * np.exp(k * x)


def logistic(x, top, k, middle):
    return top / (1 + np.exp(-k * (x - middle)))


def two_decays(x, a, k, b, q):
    return a * np.exp(-k * x) + b * np.exp(-q * x)


def power(x, a, n):
    return a * x**n


def offset_power(x, a, n, c):
    return a * x**n + c


def peak(x, h, m, s, c):
    return h * np.exp(-((x - m) ** 2) / (2 * s**2)) + c


def resonance(x, h, m, w, c):
    return h * w**2 / ((x - m) ** 2 + w**2) + c


def wave(x, a, w, p, c):
    return a * np.sin(w * x + p) + c


def ringing(x, a, k, w, p):
    return a * np.exp(-k * x) * np.sin(w * x + p)


def arrhenius(x, a, e):
    return a * np.exp(-e / (8.314 * x))


def saturation(x, v, k):
    return v * x / (k + x)


def hill(x, v, k, n):
    return v * x**n / (k**n + x**n)


def stretched(x, a, t, b):
    return a * np.exp(-((x / t) ** b))


def langmuir(x, q, k):
    return q * k * x / (1 + k * x)


def morse(x, d, a, r):
    return d * (1 - np.exp(-a * (x - r))) ** 2


def planck(x, a, t):
    return a * x**3 / np.expm1(x / t)


def hinge(x, a, b, c, knot):
    return np.where(x < knot, a * x + b, a * knot + b + c * (x - knot))


def dose(x, low, high, middle, slope):
    return low + (high - low) / (1 + (x / middle) ** slope)


def step(x, low, high, middle, width):
    return low + (high - low) * expit((x - middle) / width)


def ratio(x, a, b, c):
    return (a + b * x) / (1 + c * x)


def gompertz(x, a, b, c):
    return a * np.exp(-b * np.exp(-c * x))


def cooling(t, room, begin, k):
    return room + (begin - room) * np.exp(-k * t)


def lens(x, f):
    return 1 / (1 / f - 1 / x)


def capacity(x, a, b, c):
    return a + b * x - c * x**-2.0


def retention(h, r, s, alpha, n):
    return r + (s - r) / (1 + (alpha * h) ** n) ** (1 - 1 / n)


TASKS = {
    "decay": Task(decay, (2.0, 1.3, 0.5), over(0, 4)),
    "slow decay": Task(decay, (120.0, 0.004, 15.0), over(0, 1000)),
    "decay far up": Task(decay, (2.0, 0.3, 1e4), over(0, 10)),
    "decay, tiny": Task(decay, (3e-6, 2e5, 1e-7), over(0, 2e-5)),
    "growth": Task(growth, (3.0, 0.3), over(0, 10)),
    "growth over years": Task(growth, (1e-26, 0.03), over(1950, 2020)),
    "logistic": Task(logistic, (50.0, 0.8, 6.0), over(0, 12)),
    "logistic over years": Task(logistic, (1e4, 0.2, 1985.0), over(1950, 2020)),
    "two decays": Task(two_decays, (5.0, 2.0, 2.0, 0.2), over(0, 10), 0.002),
    "power": Task(power, (0.3, 2.5), over(1, 100)),
    "falling power": Task(power, (1e4, -1.7), over(1, 50)),
    "power and offset": Task(offset_power, (2.0, 0.5, 40.0), over(0.1, 100)),
    "peak": Task(peak, (10.0, 4.0, 0.7, 1.0), over(0, 10)),
    "peak far away": Task(peak, (300.0, 1520.0, 8.0, 100.0), over(1450, 1600)),
    "dip": Task(peak, (-0.8, 656.3, 0.4, 1.0), over(650, 662, 120)),
    "resonance": Task(resonance, (5.0, 100.0, 3.0, 0.2), over(50, 150, 100)),
    "wave": Task(wave, (3.0, 2.0, 0.5, 1.0), over(0, 10)),
    "fast wave": Task(wave, (0.2, 37.0, 1.0, 5.0), over(0, 3, 200)),
    "yearly wave": Task(wave, (12.0, 0.0172, 1.9, 15.0), over(0, 1000, 150)),
    "ringing": Task(ringing, (2.0, 0.3, 4.0, 0.7), over(0, 10, 100)),
    "arrhenius": Task(arrhenius, (1e10, 6e4), over(280, 340), 0.01),
    "michaelis": Task(saturation, (212.0, 0.064), over(0.01, 1.2, 20)),
    "michaelis, micro": Task(saturation, (3e-3, 2e-6), over(1e-7, 2e-5, 25)),
    "hill": Task(hill, (100.0, 12.0, 2.5), over(0.5, 60)),
    "stretched": Task(stretched, (1.0, 30.0, 0.6), over(0.5, 200)),
    "langmuir": Task(langmuir, (4.2, 0.03), over(1, 300)),
    "morse": Task(morse, (4.5, 1.9, 0.74), over(0.4, 3)),
    "planck": Task(planck, (15.0, 0.9), over(0.2, 10)),
    "hinge": Task(hinge, (1.0, 2.0, -0.5, 6.0), over(0, 10)),
    "dose": Task(dose, (100.0, 5.0, 0.3, 1.4), np.logspace(-3, 2, 40)),
    "step": Task(step, (2.0, 9.0, 40.0, 3.0), over(0, 100)),
    "ratio": Task(ratio, (1.0, 4.0, 0.5), over(0, 20)),
    "gompertz": Task(gompertz, (80.0, 6.0, 0.4), over(0, 15)),
    "cooling": Task(cooling, (21.0, 88.0, 0.05), over(0, 90)),
    "lens": Task(lens, (12.0,), over(20, 100)),
    "capacity": Task(capacity, (24.8, 0.012, 6e5), over(300, 1500)),
    "retention": Task(retention, (0.05, 0.43, 0.02, 1.8), np.logspace(0, 4, 40)),
}

"""Polynomials, exponentials, powers, and the curves of chemistry and growth."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from descend.models.evidence import across, line, positive_grid, span, spread
from descend.models.kind import FREE, POSITIVE, Array, Kind, Values

__all__ = ["KINDS", "polynomial_kind"]

GAS_CONSTANT = 8.31446261815324  # J/(mol·K), exact since 2019
Rows = tuple[Array, ...]


def constant(x: Any, c: Any) -> Any:
    return c + 0 * x


def linear(x: Any, slope: Any, intercept: Any) -> Any:
    return slope * x + intercept


def quadratic(x: Any, a: Any, b: Any, c: Any) -> Any:
    return (a * x + b) * x + c


def _polynomial(x: Any, *c: Any) -> Any:
    """Horner's scheme, the constant first."""
    value = c[-1]
    for coefficient in c[-2::-1]:
        value = value * x + coefficient
    return value + 0 * x


def exponential(x: Any, amplitude: Any, decay: Any) -> Any:
    return amplitude * np.exp(-x / decay)


def double_exponential(x: Any, amplitude1: Any, decay1: Any, amplitude2: Any, decay2: Any) -> Any:
    return amplitude1 * np.exp(-x / decay1) + amplitude2 * np.exp(-x / decay2)


def power_law(x: Any, amplitude: Any, exponent: Any) -> Any:
    return amplitude * x**exponent


def arrhenius(x: Any, amplitude: Any, energy: Any) -> Any:
    return amplitude * np.exp(-energy / (GAS_CONSTANT * x))


def michaelis_menten(x: Any, vmax: Any, km: Any) -> Any:
    return vmax * x / (km + x)


def hill(x: Any, vmax: Any, half: Any, n: Any) -> Any:
    """Where x is 0, its limit: 0 for a rising curve, vmax for a falling one."""
    ratio = half / np.where(x > 0, x, 1.0)
    return np.where(x > 0, vmax / (1 + ratio**n), np.where(n > 0, 0.0, vmax))


def logistic3(x: Any, amplitude: Any, center: Any, width: Any) -> Any:
    return amplitude / (1 + np.exp(-(x - center) / width))


def logistic4(x: Any, bottom: Any, top: Any, center: Any, width: Any) -> Any:
    return bottom + (top - bottom) / (1 + np.exp(-(x - center) / width))


def logistic5(x: Any, bottom: Any, top: Any, center: Any, width: Any, asymmetry: Any) -> Any:
    return bottom + (top - bottom) / (1 + np.exp(-(x - center) / width)) ** asymmetry


# --- guesses


def _rate_grid(x: Array, count: int, both: bool = True) -> Array:
    return spread(0.05, 100, count, both=both) / span(x)


def _exponential(data: Rows, y: Array) -> list[Values]:
    """The slope of log|y|, that of y over its integral, and a grid of decays."""
    (x,) = data
    rates = list(_rate_grid(x, 24))
    for sign in (1, -1):
        kept = sign * y > 0
        rates.append(-line(x[kept], np.log(np.abs(y[kept])), y[kept] ** 2)[0])
    integral = np.concatenate([[0.0], np.cumsum(np.diff(x) * (y[1:] + y[:-1]) / 2)])
    rates.append(-_integral_slope(x, y, integral))
    return [{"decay": 1 / rate} for rate in rates if rate and np.isfinite(rate)]


def _integral_slope(x: Array, y: Array, integral: Array) -> float:
    """y − y₀ = s·∫y + c·(x − x₀) holds for every exponential with rate −s, on any level.

    J. Jacquelin, "Régressions et équations intégrales" (2009).
    """
    columns = np.stack([integral, x - x[0], np.ones_like(x)], axis=1)
    scale = np.linalg.norm(columns, axis=0)
    best, *_ = np.linalg.lstsq(columns / np.where(scale > 0, scale, 1), y, rcond=1e-12)
    return float(best[0] / scale[0]) if scale[0] > 0 else 0.0


def _double_exponential(data: Rows, y: Array) -> list[Values]:
    """Pairs of rates that both fall, then pairs that both rise."""
    rates = _rate_grid(data[0], 14, both=False)
    pairs = [(slow, fast) for slow, fast in itertools.combinations(rates, 2)]
    pairs += [(-slow, -fast) for slow, fast in itertools.combinations(rates[:7], 2)]
    return [{"decay1": 1 / fast, "decay2": 1 / slow} for slow, fast in pairs]


def _power_law(data: Rows, y: Array) -> list[Values]:
    (x,) = data
    exponents = list(np.arange(-16, 17) / 4)
    for sign in (1, -1):
        kept = (sign * y > 0) & (x > 0)
        if kept.sum() > 1:
            kept_y = np.abs(y[kept])
            exponents += [
                line(np.log(x[kept]), np.log(kept_y), weight)[0]
                for weight in (kept_y**2, np.ones_like(kept_y))
            ]
    return [{"exponent": float(value)} for value in exponents if np.isfinite(value)]


def _arrhenius(data: Rows, y: Array) -> list[Values]:
    (x,) = data
    if not np.any(x):
        return [{"energy": 0.0}]
    inverse = 1 / (GAS_CONSTANT * np.where(x == 0, np.inf, x))
    energies = list(spread(0.01, 100, 24, both=True) / max(float(np.ptp(inverse)), 1e-300))
    for sign in (1, -1):
        kept = sign * y > 0
        energies.append(-line(inverse[kept], np.log(np.abs(y[kept])), y[kept] ** 2)[0])
    return [{"energy": float(value)} for value in energies if np.isfinite(value)]


def _michaelis_menten(data: Rows, y: Array) -> list[Values]:
    return [{"km": float(km)} for km in positive_grid(data[0], 40)]


def _hill(data: Rows, y: Array) -> list[Values]:
    halves, powers = positive_grid(data[0], 24, beyond=3), spread(0.5, 8, 7, both=True)
    return [{"half": float(h), "n": float(n)} for h in halves for n in powers]


def _widths(x: Array) -> Array:
    return span(x) * np.array([0.004, 0.015, 0.04, 0.1, 0.25])


def logistic_places(x: Array, both: bool) -> list[Values]:
    """Centers and widths of steps; those beyond the data belong to wide steps."""
    widths = _widths(x)
    signs = (1, -1) if both else (1,)
    found = [
        {"center": float(c), "width": float(s * w)}
        for c in across(x, 15) for w in widths for s in signs
    ]  # fmt: skip
    return found + [
        {"center": float(c), "width": float(s * w)}
        for c in across(x, 9, beyond=0.6) for w in widths[2:] for s in signs
    ]  # fmt: skip


def _logistic3(data: Rows, y: Array) -> list[Values]:
    return logistic_places(data[0], both=True)


def _logistic4(data: Rows, y: Array) -> list[Values]:
    return logistic_places(data[0], both=False)


def _logistic5(data: Rows, y: Array) -> list[Values]:
    """The center of the symmetric step moves with the asymmetry: half height stays where it is."""
    found = []
    for asymmetry in (0.3, 1.0, 3.0):
        shift = np.log(2 ** (1 / asymmetry) - 1)
        for place in logistic_places(data[0], both=True):
            center = place["center"] + place["width"] * shift
            found.append({**place, "center": float(center), "asymmetry": asymmetry})
    return found


# --- the table

_PLATEAUS = {
    "bottom": "the value far to the left (where the width is positive)",
    "top": "the value far to the right",
    "center": "where the step is half done", "width": "how gradual the step is, in the unit of x",
}  # fmt: skip
_RICHARDS = "F. J. Richards, Journal of Experimental Botany 10 (1959) 290"
_VERHULST = "P.-F. Verhulst, Correspondance mathématique et physique 10 (1838) 113"


def polynomial_kind(degree: int) -> Kind:
    """The polynomial of a degree, with the coefficients c0, c1, …, of 1, x, ….

    >>> polynomial_kind(3).formula
    'c0 + c1*x + c2*x**2 + c3*x**3'
    """
    names = tuple(f"c{k}" for k in range(degree + 1))
    powers = ["", "*x", *(f"*x**{k}" for k in range(2, degree + 1))]
    return Kind(
        f"polynomial{degree}", _polynomial, {n: f"coefficient of x**{n[1:]}" for n in names},
        " + ".join(n + p for n, p in zip(names, powers, strict=False)),
        "Horner's scheme", linear=names, background=True,
    )  # fmt: skip


KINDS = (
    Kind(
        "constant", constant, {"c": "the value"}, "c", "", linear=("c",), background=True,
    ),
    Kind(
        "linear", linear, {"slope": "rise per x", "intercept": "value at x = 0"},
        "slope*x + intercept", "", linear=("slope", "intercept"), background=True,
    ),
    Kind(
        "quadratic", quadratic,
        {"a": "half the curvature", "b": "slope at x = 0", "c": "value at x = 0"},
        "a*x**2 + b*x + c", "", linear=("a", "b", "c"), background=True,
    ),
    Kind(
        "exponential", exponential,
        {"amplitude": "value at x = 0", "decay": "the x after which 1/e is left"},
        "amplitude*exp(-x/decay)", "", linear=("amplitude",), candidates=_exponential,
        background=True,
    ),
    Kind(
        "double_exponential", double_exponential,
        {
            "amplitude1": "the first one's value at x = 0",
            "decay1": "the x after which 1/e of it is left",
            "amplitude2": "the second one's value at x = 0",
            "decay2": "the x after which 1/e of it is left",
        },
        "amplitude1*exp(-x/decay1) + amplitude2*exp(-x/decay2)", "",
        linear=("amplitude1", "amplitude2"), candidates=_double_exponential, background=True,
    ),
    Kind(
        "power_law", power_law, {"amplitude": "value at x = 1", "exponent": "the power of x"},
        "amplitude*x**exponent", "", linear=("amplitude",), candidates=_power_law, background=True,
    ),
    Kind(
        "arrhenius", arrhenius,
        {"amplitude": "value at infinite temperature", "energy": "activation energy in J/mol"},
        "amplitude*exp(-energy/(8.31446*x))",
        "S. Arrhenius, Zeitschrift für physikalische Chemie 4 (1889) 226; x is a temperature in K",
        linear=("amplitude",), candidates=_arrhenius,
    ),
    Kind(
        "michaelis_menten", michaelis_menten,
        {"vmax": "the rate at saturation", "km": "the concentration at half of it"},
        "vmax*x/(km + x)",
        "L. Michaelis, M. L. Menten, Biochemische Zeitschrift 49 (1913) 333",
        linear=("vmax",), bounds={"km": POSITIVE}, candidates=_michaelis_menten,
    ),
    Kind(
        "hill", hill,
        {"vmax": "the value at saturation", "half": "the x at half of it",
         "n": "Hill's coefficient, the steepness"},
        "vmax/(1 + (half/x)**n)",
        "A. V. Hill, Journal of Physiology 40 (1910) iv; for x > 0",
        linear=("vmax",), bounds={"half": POSITIVE}, candidates=_hill,
    ),
    Kind(
        "logistic3", logistic3,
        {
            "amplitude": "the value at saturation", "center": "the x of half of it",
            "width": "how gradual the rise is, in the unit of x; negative for a fall",
        },
        "amplitude/(1 + exp(-(x - center)/width))", _VERHULST,
        linear=("amplitude",), candidates=_logistic3,
    ),
    Kind(
        "logistic4", logistic4, _PLATEAUS,
        "bottom + (top - bottom)/(1 + exp(-(x - center)/width))", _VERHULST,
        linear=("bottom", "top"), bounds={"width": POSITIVE}, candidates=_logistic4,
    ),
    Kind(
        "logistic5", logistic5,
        {**_PLATEAUS, "center": "a place on the step, half way where asymmetry is 1",
         "width": "how gradual the step is; its sign says which end bends more sharply",
         "asymmetry": "1 for equal bends"},
        "bottom + (top - bottom)/(1 + exp(-(x - center)/width))**asymmetry", _RICHARDS,
        linear=("bottom", "top"), bounds={"width": FREE, "asymmetry": POSITIVE},
        candidates=_logistic5,
    ),
)  # fmt: skip

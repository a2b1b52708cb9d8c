"""Peaks: amplitudes are areas, so that they stay the same when a peak is broadened."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from descend.models.evidence import across, peaks, positive_grid, span
from descend.models.kind import POSITIVE, Array, Kind, Values

__all__ = ["KINDS"]

ROOT_2PI = math.sqrt(2 * math.pi)
GAUSSIAN_FWHM = 2 * math.sqrt(2 * math.log(2))
VOIGT_FWHM = 3.6013  # of a Voigt profile with gamma = sigma, in sigmas
ROOT_2LN2 = math.sqrt(2 * math.log(2))
Rows = tuple[Array, ...]


def gaussian(x: Any, amplitude: Any, center: Any, sigma: Any) -> Any:
    return amplitude / (ROOT_2PI * sigma) * np.exp(-0.5 * ((x - center) / sigma) ** 2)


def lorentzian(x: Any, amplitude: Any, center: Any, sigma: Any) -> Any:
    return amplitude / (np.pi * sigma * (1 + ((x - center) / sigma) ** 2))


def voigt(x: Any, amplitude: Any, center: Any, sigma: Any, gamma: Any) -> Any:
    import scipy.special

    return amplitude * scipy.special.voigt_profile(x - center, sigma, gamma)


def pseudo_voigt(x: Any, amplitude: Any, center: Any, sigma: Any, fraction: Any) -> Any:
    """Both parts have the half width sigma at half height."""
    narrow = gaussian(x, amplitude, center, sigma / ROOT_2LN2)
    return (1 - fraction) * narrow + fraction * lorentzian(x, amplitude, center, sigma)


def lognormal(x: Any, amplitude: Any, center: Any, sigma: Any) -> Any:
    inside = np.where(x > 0, x, 1.0)
    density = np.exp(-0.5 * ((np.log(inside) - center) / sigma) ** 2) / (ROOT_2PI * sigma * inside)
    return amplitude * np.where(x > 0, density, 0.0)


def weibull(x: Any, amplitude: Any, scale: Any, shape: Any) -> Any:
    t = np.where(x > 0, x, 1.0) / scale
    density = shape / scale * t ** (shape - 1) * np.exp(-(t**shape))
    return amplitude * np.where(x > 0, density, 0.0)


def weibull_cumulative(x: Any, amplitude: Any, scale: Any, shape: Any) -> Any:
    t = np.where(x > 0, x, 1.0) / scale
    return amplitude * np.where(x > 0, -np.expm1(-(t**shape)), 0.0)


def gaussian2d(
    x: Any, y: Any, amplitude: Any, centerx: Any, sigmax: Any, centery: Any, sigmay: Any
) -> Any:
    across_x = np.exp(-0.5 * ((x - centerx) / sigmax) ** 2)
    across_y = np.exp(-0.5 * ((y - centery) / sigmay) ** 2)
    return amplitude / (2 * np.pi * sigmax * sigmay) * across_x * across_y


# --- guesses


def _places(data: Rows, y: Array) -> list[tuple[float, float]]:
    """Centers and full widths: what the data show, then a grid for peaks lost in noise."""
    x = data[0]
    widths = span(x) * np.array([0.01, 0.03, 0.1, 0.25, 0.6])
    return peaks(x, y) + [(float(c), float(w)) for c in across(x, 15) for w in widths]


def _gaussian(data: Rows, y: Array) -> list[Values]:
    return [{"center": c, "sigma": w / GAUSSIAN_FWHM} for c, w in _places(data, y)]


def _lorentzian(data: Rows, y: Array) -> list[Values]:
    return [{"center": c, "sigma": w / 2} for c, w in _places(data, y)]


def _voigt(data: Rows, y: Array) -> list[Values]:
    """Equal parts first, then one that is nearly Gaussian and one that is nearly Lorentzian."""
    parts = ((1 / VOIGT_FWHM, 1 / VOIGT_FWHM), (0.4, 0.05), (0.08, 0.45))
    return [
        {"center": c, "sigma": s * w, "gamma": g * w} for c, w in _places(data, y) for s, g in parts
    ]


def _pseudo_voigt(data: Rows, y: Array) -> list[Values]:
    return [
        {"center": c, "sigma": w / 2, "fraction": f}
        for c, w in _places(data, y) for f in (0.5, 0.1, 0.9)
    ]  # fmt: skip


def _lognormal(data: Rows, y: Array) -> list[Values]:
    """x·y over log x is a Gaussian."""
    x = data[0]
    kept = x > 0
    if kept.sum() < 2:
        return [{"center": 0.0, "sigma": 1.0}]
    logs = np.log(x[kept])
    found = [{"center": c, "sigma": w / GAUSSIAN_FWHM} for c, w in peaks(logs, x[kept] * y[kept])]
    return found + [
        {"center": float(c), "sigma": s} for c in across(logs, 15) for s in (0.1, 0.3, 0.7, 1.5)
    ]


def _weibull(data: Rows, y: Array) -> list[Values]:
    scales = positive_grid(data[0], 30, beyond=2)
    shapes = (0.6, 0.9, 1.2, 1.7, 2.5, 4.0, 7.0, 12.0)
    return [{"scale": float(a), "shape": k} for a in scales for k in shapes]


def _gaussian2d(data: Rows, z: Array) -> list[Values]:
    """The centroid and the spread of what rises above several levels, of either sign."""
    found = []
    for sign in (1.0, -1.0):
        for base in (0.0, float(np.median(z)), float(np.quantile(sign * z, 0.1) * sign)):
            for share in (0.2, 0.5, 0.8):
                found += _moments(data, sign * (z - base), share)
    return found


def _moments(data: Rows, height: Array, share: float) -> list[Values]:
    """Of the part above a share of the height; cutting a Gaussian there narrows it."""
    top = float(np.max(height))
    kept = height > share * top
    if not top > 0 or kept.sum() < 1:
        return []
    weight = height[kept]
    values: Values = {}
    for name, column in zip("xy", data, strict=True):
        center = float(weight @ column[kept] / weight.sum())
        width = math.sqrt(float(weight @ (column[kept] - center) ** 2 / weight.sum()))
        values["center" + name] = center
        values["sigma" + name] = max(width, span(np.sort(column)) / 200)
    narrowed = (1.0, 1.4, 2.0)
    return [
        {**values, "sigmax": values["sigmax"] * k, "sigmay": values["sigmay"] * k} for k in narrowed
    ]


# --- the table

_PEAK = {
    "amplitude": "the area (negative for a trough)", "center": "where it stands",
    "sigma": "the standard deviation",
}  # fmt: skip
_HALF = "half the width at half height"
_WEIBULL = "W. Weibull, Journal of Applied Mechanics 18 (1951) 293; for x > 0"

KINDS = (
    Kind(
        "gaussian", gaussian, _PEAK,
        "amplitude/(sqrt(2*pi)*sigma) * exp(-((x - center)/sigma)**2/2)", "the normal density",
        linear=("amplitude",), bounds={"sigma": POSITIVE}, candidates=_gaussian, place="center",
    ),
    Kind(
        "lorentzian", lorentzian, {**_PEAK, "sigma": _HALF},
        "amplitude/(pi*sigma*(1 + ((x - center)/sigma)**2))", "Cauchy's density",
        linear=("amplitude",), bounds={"sigma": POSITIVE}, candidates=_lorentzian, place="center",
    ),
    Kind(
        "voigt", voigt,
        {**_PEAK, "sigma": "standard deviation of the Gaussian part",
         "gamma": "half width at half height of the Lorentzian part"},
        "amplitude * voigt_profile(x - center, sigma, gamma)",
        "W. Voigt, Sitzungsberichte der Bayerischen Akademie der Wissenschaften (1912) 603",
        linear=("amplitude",), bounds={"sigma": POSITIVE, "gamma": POSITIVE}, candidates=_voigt,
        place="center",
    ),
    Kind(
        "pseudo_voigt", pseudo_voigt,
        {**_PEAK, "sigma": _HALF, "fraction": "the Lorentzian share of the area"},
        "(1 - fraction)*gaussian(x, amplitude, center, sigma/sqrt(2*log(2)))"
        " + fraction*lorentzian(x, amplitude, center, sigma)",
        "G. K. Wertheim et al., Review of Scientific Instruments 45 (1974) 1369",
        linear=("amplitude",), bounds={"sigma": POSITIVE, "fraction": (0.0, 1.0)},
        candidates=_pseudo_voigt, place="center",
    ),
    Kind(
        "lognormal", lognormal,
        {"amplitude": "the area", "center": "mean of log(x)",
         "sigma": "standard deviation of log(x)"},
        "amplitude/(sqrt(2*pi)*sigma*x) * exp(-((log(x) - center)/sigma)**2/2)",
        "the log-normal density; for x > 0",
        linear=("amplitude",), bounds={"sigma": POSITIVE}, candidates=_lognormal, place="center",
    ),
    Kind(
        "weibull", weibull,
        {"amplitude": "the area", "scale": "the x below which 63 % of it lies",
         "shape": "the power"},
        "amplitude*shape/scale * (x/scale)**(shape - 1) * exp(-(x/scale)**shape)", _WEIBULL,
        linear=("amplitude",), bounds={"scale": POSITIVE, "shape": POSITIVE}, candidates=_weibull,
        place="scale",
    ),
    Kind(
        "weibull_cumulative", weibull_cumulative,
        {"amplitude": "the final value", "scale": "the x at 63 % of it", "shape": "the power"},
        "amplitude*(1 - exp(-(x/scale)**shape))", _WEIBULL,
        linear=("amplitude",), bounds={"scale": POSITIVE, "shape": POSITIVE}, candidates=_weibull,
        place="scale",
    ),
    Kind(
        "gaussian2d", gaussian2d,
        {
            "amplitude": "the volume (negative for a trough)",
            "centerx": "where it stands, in x", "sigmax": "its standard deviation along x",
            "centery": "where it stands, in y", "sigmay": "its standard deviation along y",
        },
        "amplitude/(2*pi*sigmax*sigmay)"
        " * exp(-((x - centerx)/sigmax)**2/2 - ((y - centery)/sigmay)**2/2)",
        "the normal density in two dimensions, its axes along x and y",
        data=("x", "y"), linear=("amplitude",), bounds={"sigmax": POSITIVE, "sigmay": POSITIVE},
        candidates=_gaussian2d, place="centerx",
    ),
)  # fmt: skip

"""NIST's nonlinear problems (StRD) as records: the data, the starts, what is certified, a model.

`nist_strd.json` holds the numbers as NIST publishes them and each model as a formula; here every
model stands a second time, as plain NumPy. Rat43's degrees of freedom are 15 - 4 = 11, with which
its certified residual standard deviation agrees; its page prints 9.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PATH = Path(__file__).parents[1] / "data" / "nist_strd.json"


@dataclass(frozen=True)
class Problem:
    name: str
    formula: str
    function: Callable[..., Any]
    columns: dict[str, np.ndarray]
    starts: tuple[dict[str, float], dict[str, float]]
    certified: np.ndarray
    deviations: np.ndarray
    rss: float
    residual_sd: float
    dof: int

    @property
    def data(self) -> tuple[Any, np.ndarray]:
        """The arguments x and y of a fit of the function."""
        *x, y = (self.columns[name] for name in sorted(self.columns, key=lambda c: (c == "y", c)))
        return tuple(x), y


def exponential_decay(x, b1, b2, b3, b4, b5, b6):
    return b1 * np.exp(-b2 * x) + b3 * np.exp(-b4 * x) + b5 * np.exp(-b6 * x)


def two_peaks(x, b1, b2, b3, b4, b5, b6, b7, b8):
    peaks = b3 * np.exp(-((x - b4) ** 2) / b5**2) + b6 * np.exp(-((x - b7) ** 2) / b8**2)
    return b1 * np.exp(-b2 * x) + peaks


def ratio_of_cubics(x, b1, b2, b3, b4, b5, b6, b7):
    return (b1 + b2 * x + b3 * x**2 + b4 * x**3) / (1 + b5 * x + b6 * x**2 + b7 * x**3)


def saturation(x, b1, b2):
    return b1 * (1 - np.exp(-b2 * x))


def ultrasonic(x, b1, b2, b3):
    return np.exp(-b1 * x) / (b2 + b3 * x)


def bennett5(x, b1, b2, b3):
    return b1 * (b2 + x) ** (-1 / b3)


def dan_wood(x, b1, b2):
    return b1 * x**b2


def enso(x, b1, b2, b3, b4, b5, b6, b7, b8, b9):
    year, first, second = 2 * np.pi * x / 12, 2 * np.pi * x / b4, 2 * np.pi * x / b7
    annual = b2 * np.cos(year) + b3 * np.sin(year)
    return (
        b1 + annual + b5 * np.cos(first) + b6 * np.sin(first)
        + b8 * np.cos(second) + b9 * np.sin(second)
    )  # fmt: skip


def eckerle4(x, b1, b2, b3):
    return b1 / b2 * np.exp(-0.5 * ((x - b3) / b2) ** 2)


def kirby2(x, b1, b2, b3, b4, b5):
    return (b1 + b2 * x + b3 * x**2) / (1 + b4 * x + b5 * x**2)


def mgh09(x, b1, b2, b3, b4):
    return b1 * (x**2 + x * b2) / (x**2 + x * b3 + b4)


def mgh10(x, b1, b2, b3):
    return b1 * np.exp(b2 / (x + b3))


def mgh17(x, b1, b2, b3, b4, b5):
    return b1 + b2 * np.exp(-x * b4) + b3 * np.exp(-x * b5)


def misra1b(x, b1, b2):
    return b1 * (1 - (1 + b2 * x / 2) ** -2.0)


def misra1c(x, b1, b2):
    return b1 * (1 - (1 + 2 * b2 * x) ** -0.5)


def misra1d(x, b1, b2):
    return b1 * b2 * x * (1 + b2 * x) ** -1.0


def nelson(x1, x2, b1, b2, b3):
    return b1 - b2 * x1 * np.exp(-b3 * x2)


def rat42(x, b1, b2, b3):
    return b1 / (1 + np.exp(b2 - b3 * x))


def rat43(x, b1, b2, b3, b4):
    return b1 / (1 + np.exp(b2 - b3 * x)) ** (1 / b4)


def roszman1(x, b1, b2, b3, b4):
    return b1 - b2 * x - np.arctan(b3 / (x - b4)) / np.pi


MODELS: dict[str, Callable[..., Any]] = {
    "Bennett5": bennett5, "BoxBOD": saturation, "Chwirut1": ultrasonic, "Chwirut2": ultrasonic,
    "DanWood": dan_wood, "ENSO": enso, "Eckerle4": eckerle4, "Gauss1": two_peaks,
    "Gauss2": two_peaks, "Gauss3": two_peaks, "Hahn1": ratio_of_cubics, "Kirby2": kirby2,
    "Lanczos1": exponential_decay, "Lanczos2": exponential_decay, "Lanczos3": exponential_decay,
    "MGH09": mgh09, "MGH10": mgh10, "MGH17": mgh17, "Misra1a": saturation, "Misra1b": misra1b,
    "Misra1c": misra1c, "Misra1d": misra1d, "Nelson": nelson, "Rat42": rat42, "Rat43": rat43,
    "Roszman1": roszman1, "Thurber": ratio_of_cubics,
}  # fmt: skip


def problems() -> dict[str, Problem]:
    """Every problem by its name; Nelson's target is the logarithm of what is published."""
    stored = json.loads(PATH.read_text(encoding="utf-8"))["problems"]
    return {name: _problem(name, entry) for name, entry in stored.items()}


def _problem(name: str, entry: dict[str, Any]) -> Problem:
    columns = {c: np.array(values, np.float64) for c, values in entry["columns"].items()}
    if entry["target"] == "log(y)":
        columns["y"] = np.log(columns["y"])
    first, second = (
        {f"b{k}": float(value) for k, value in enumerate(entry[start], 1)}
        for start in ("start_1", "start_2")
    )
    return Problem(
        name, f"y = {entry['formula']}", MODELS[name], columns, (first, second),
        np.array(entry["certified"]), np.array(entry["standard_deviations"]), entry["rss"],
        entry["residual_sd"], entry["dof"],
    )  # fmt: skip

"""Steps, rectangles and oscillations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.models.curves import logistic_places
from descend.models.evidence import across, frequencies, peaks, phase, span
from descend.models.kind import POSITIVE, Array, Kind, Values

__all__ = ["FORMS", "KINDS"]

Rows = tuple[Array, ...]


def _erf(t: Any) -> Any:
    import scipy.special

    return scipy.special.erfc(-t) / 2


def _atan(t: Any) -> Any:
    return 0.5 + np.arctan(t) / np.pi


def _logistic(t: Any) -> Any:
    return 1 / (1 + np.exp(-t))


FORMS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "erf": (_erf, "erfc(-{0})/2"),
    "atan": (_atan, "1/2 + arctan({0})/pi"),
    "logistic": (_logistic, "1/(1 + exp(-{0}))"),
}


def _step(rise: Callable[[Any], Any]) -> Callable[..., Any]:
    def step(x: Any, amplitude: Any, center: Any, sigma: Any) -> Any:
        return amplitude * rise((x - center) / sigma)

    return step


def _rectangle(rise: Callable[[Any], Any]) -> Callable[..., Any]:
    def rectangle(
        x: Any, amplitude: Any, center1: Any, sigma1: Any, center2: Any, sigma2: Any
    ) -> Any:
        return amplitude * (rise((x - center1) / sigma1) + rise((center2 - x) / sigma2) - 1)

    return rectangle


def sine(x: Any, amplitude: Any, frequency: Any, shift: Any) -> Any:
    return amplitude * np.sin(frequency * x + shift)


def damped_oscillator(x: Any, amplitude: Any, decay: Any, frequency: Any, shift: Any) -> Any:
    return amplitude * np.exp(-x / decay) * np.sin(frequency * x + shift)


# --- guesses


def _step_places(data: Rows, y: Array) -> list[Values]:
    places = logistic_places(data[0], both=True)
    return [{"center": p["center"], "sigma": p["width"]} for p in places]


def _rectangle_places(data: Rows, y: Array) -> list[Values]:
    """Edges where a peak is at half height, and on a grid."""
    (x,) = data
    edges = [(c - w / 2, c + w / 2) for c, w in peaks(x, y)]
    grid = across(x, 8)
    edges += [(float(a), float(b)) for i, a in enumerate(grid) for b in grid[i + 1 :]]
    return [
        {"center1": a, "sigma1": s * (b - a), "center2": b, "sigma2": s * (b - a)}
        for a, b in edges for s in (0.02, 0.08, 0.25) if b > a
    ]  # fmt: skip


def _sine(data: Rows, y: Array) -> list[Values]:
    (x,) = data
    return [
        {"frequency": f, "shift": phase(x, y, f)[0]} for f in [*frequencies(x, y), 0.5 / span(x)]
    ]


def _damped(data: Rows, y: Array) -> list[Values]:
    """For each decay the frequencies of a wave under that envelope."""
    (x,) = data
    found = []
    for decay in span(x) * np.array([0.05, 0.1, 0.2, 0.4, 0.8, 2.0, 8.0, -1.0]):
        envelope = np.exp(-(x - x[0]) / decay)
        for f in frequencies(x, y, 2, envelope):
            shift = phase(x, y, f, envelope)[0]
            found.append({"decay": float(decay), "frequency": f, "shift": shift})
    return found


# --- the table

_EDGE = "how gradual it is, in the unit of x"


def _step_kind(form: str) -> Kind:
    rise, text = FORMS[form]
    return Kind(
        "step" if form == "erf" else f"step_{form}", _step(rise),
        {"amplitude": "its height", "center": "where it is half done",
         "sigma": f"{_EDGE}; negative for a fall to zero"},
        f"amplitude*({text.format('((x - center)/sigma)')})", "",
        linear=("amplitude",), candidates=_step_places, place="center",
    )  # fmt: skip


def _rectangle_kind(form: str) -> Kind:
    rise, text = FORMS[form]
    up, down = text.format("((x - center1)/sigma1)"), text.format("((center2 - x)/sigma2)")
    return Kind(
        "rectangle" if form == "erf" else f"rectangle_{form}", _rectangle(rise),
        {
            "amplitude": "its height", "center1": "where the rise is half done", "sigma1": _EDGE,
            "center2": "where the fall is half done", "sigma2": _EDGE,
        },
        f"amplitude*({up} + {down} - 1)", "", linear=("amplitude",),
        bounds={"sigma1": POSITIVE, "sigma2": POSITIVE}, candidates=_rectangle_places,
        place="center1",
    )  # fmt: skip


KINDS = (
    *(_step_kind(form) for form in FORMS),
    *(_rectangle_kind(form) for form in FORMS),
    Kind(
        "sine", sine,
        {"amplitude": "half of top to bottom", "frequency": "radians per x",
         "shift": "the phase at x = 0, in radians"},
        "amplitude*sin(frequency*x + shift)", "",
        linear=("amplitude",), bounds={"frequency": POSITIVE}, candidates=_sine, place="frequency",
    ),
    Kind(
        "damped_oscillator", damped_oscillator,
        {"amplitude": "that of the envelope at x = 0", "decay": "the x after which 1/e is left",
         "frequency": "radians per x", "shift": "the phase at x = 0, in radians"},
        "amplitude*exp(-x/decay)*sin(frequency*x + shift)", "",
        linear=("amplitude",), bounds={"frequency": POSITIVE}, candidates=_damped,
        place="frequency",
    ),
)  # fmt: skip

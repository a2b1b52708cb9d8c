"""Ready models for curve fitting: each with its formula, its bounds and a guess from the data.

>>> import numpy as np, descend.models
>>> x = np.linspace(0.0, 10.0, 200)
>>> y = 3 * np.exp(-((x - 4) ** 2) / 2) + 0.5 * x + 1
>>> model = descend.models.gaussian() + descend.models.linear()
>>> start = model.guess(x, y)
>>> round(start["center"], 2), round(start["slope"], 1)
(4.0, 0.5)
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

from descend.errors import suggest

if TYPE_CHECKING:
    from descend.models.model import Model
    from descend.models.ready import (
        arrhenius,
        constant,
        damped_oscillator,
        double_exponential,
        exponential,
        gaussian,
        gaussian2d,
        hill,
        linear,
        logistic,
        lognormal,
        lorentzian,
        michaelis_menten,
        polynomial,
        power_law,
        pseudo_voigt,
        quadratic,
        rectangle,
        sine,
        step,
        voigt,
        weibull,
    )

__all__ = [
    "Model", "arrhenius", "constant", "damped_oscillator", "double_exponential", "exponential",
    "gaussian", "gaussian2d", "hill", "linear", "logistic", "lognormal", "lorentzian",
    "michaelis_menten", "polynomial", "power_law", "pseudo_voigt", "quadratic", "rectangle",
    "sine", "step", "voigt", "weibull",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        meant = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.removesuffix("Model")).lower()
        near = f" (did you mean {meant}?)" if meant in __all__ else suggest(meant, __all__)
        raise AttributeError(f"there is no ready model '{name}'{near}", name=name)
    home = "model" if name == "Model" else "ready"
    value = getattr(import_module(f"descend.models.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

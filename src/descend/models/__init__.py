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
    from descend.models.model import Model as Model
    from descend.models.ready import *  # noqa: F403


def _named(name: str) -> Any:
    if name == "Model":
        return import_module("descend.models.model").Model
    made = import_module("descend.models.ready")
    known = ["Model", *made.__all__]
    if name == "__all__":
        return known
    if name not in known:
        meant = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.removesuffix("Model")).lower()
        near = f" (did you mean {meant}?)" if meant in known else suggest(meant, known)
        raise AttributeError(f"there is no ready model '{name}'{near}", name=name)
    value = globals()[name] = getattr(made, name)
    return value


if not TYPE_CHECKING:  # else any name would be one of ours
    __getattr__ = _named


def __dir__() -> list[str]:
    return sorted({*globals(), *_named("__all__")})

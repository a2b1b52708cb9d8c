"""From a plain NumPy function to a finished, natively compiled gradient descent.

>>> import numpy as np, descend
>>> x = np.array([0.0, 1.0, 2.0, 3.0])
>>> descend.fit("y = a*x + b", {"x": x, "y": 2*x + 1}, start=dict(a=1, b=0)).params["a"]
2.0
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from descend import methods

if TYPE_CHECKING:
    from descend import models as models
    from descend import random as random
    from descend.data.read import read
    from descend.errors import (
        DataError,
        DescendError,
        DescendWarning,
        DivergedWarning,
        FormulaError,
        NotCoveredError,
        TraceError,
        UsageError,
    )
    from descend.functions import (
        black_box,
        check_grad,
        custom_derivative,
        grad,
        hessian,
        hvp,
        jacobian,
        jvp,
        running,
        scan,
        stop_gradient,
        value_and_grad,
        vjp,
    )
    from descend.methods import *  # noqa: F403
    from descend.parameters.declare import Parameter
    from descend.result.datasets import GlobalFit, SetFit
    from descend.result.fit import Fit
    from descend.result.heat_map import HeatMap
    from descend.result.many import ManyFits
    from descend.train.explain import explain
    from descend.train.fit import fit
    from descend.train.fit_global import Dataset, fit_global
    from descend.train.fit_many import fit_many
    from descend.train.heat_map import heat_map
    from descend.train.load import load
    from descend.train.minimize import maximize, minimize
    from descend.train.pictures import plot_batch_sizes, plot_race, plot_rates
    from descend.train.start import SteppedRun, start
    from descend.train.trainings import Trainings, trainings

__version__ = "0.1.0"

_HOMES = {
    "data.read": "read",
    "errors": (
        "DataError DescendError DescendWarning DivergedWarning FormulaError NotCoveredError "
        "TraceError UsageError"
    ),
    "functions": (
        "black_box check_grad custom_derivative grad hessian hvp jacobian jvp running scan "
        "stop_gradient value_and_grad vjp"
    ),
    "methods": " ".join(methods.__all__),
    "parameters.declare": "Parameter",
    "train.explain": "explain",
    "train.fit": "fit",
    "train.load": "load",
    "train.pictures": "plot_batch_sizes plot_race plot_rates",
    "train.start": "SteppedRun start",
    "train.heat_map": "heat_map",
    "train.trainings": "Trainings trainings",
    "result.heat_map": "HeatMap",
    "train.fit_many": "fit_many",
    "result.many": "ManyFits",
    "train.minimize": "maximize minimize",
    "result.fit": "Fit",
    "train.fit_global": "Dataset fit_global",
    "result.datasets": "GlobalFit SetFit",
}
_NAMES = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "DataError", "Dataset", "DescendError", "DescendWarning", "DivergedWarning", "Fit",
    "FormulaError", "GlobalFit", "HeatMap", "ManyFits", "NotCoveredError", "Parameter", "SetFit",
    "SteppedRun", "TraceError", "Trainings", "UsageError", "black_box", "check_grad",
    "custom_derivative", "explain", "fit", "fit_global", "fit_many", "grad", "heat_map", "hessian",
    "hvp", "jacobian", "jvp", "load", "maximize", "minimize", "plot_batch_sizes", "plot_race",
    "plot_rates", "read", "running", "scan", "start",
    "stop_gradient", "trainings", "value_and_grad", "vjp",
]  # fmt: skip
__all__ += methods.__all__


if not TYPE_CHECKING:  # else any name would be one of ours

    def __getattr__(name: str) -> Any:
        if name in ("estimators", "models", "networks", "random"):
            return importlib.import_module(f"descend.{name}")
        home = _NAMES.get(name)
        if home is None:
            raise AttributeError(f"module 'descend' has no attribute '{name}'")
        value = getattr(importlib.import_module(f"descend.{home}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

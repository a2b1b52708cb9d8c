"""From a plain NumPy function to a finished, natively compiled gradient descent.

>>> import numpy as np, descend
>>> x = np.array([0.0, 1.0, 2.0, 3.0])
>>> descend.fit("y = a*x + b", {"x": x, "y": 2*x + 1}, start=dict(a=1, b=0)).params["a"]
2.0
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
        scan,
        stop_gradient,
        value_and_grad,
        vjp,
    )
    from descend.methods.base import Optimizer
    from descend.methods.clipping import clip_norm, clip_value
    from descend.methods.conjugate_gradient import ConjugateGradient
    from descend.methods.first_order import SGD, Adagrad, Adam, AdamW, RMSprop
    from descend.methods.least_squares import GaussNewton, LevenbergMarquardt
    from descend.methods.losses import (
        AbsoluteError,
        BinaryCrossEntropy,
        CrossEntropy,
        GaussianNLL,
        Hinge,
        Huber,
        KLDivergence,
        LogCosh,
        Loss,
        Poisson,
        Quantile,
        SquaredError,
    )
    from descend.methods.newton import NewtonCG
    from descend.methods.penalties import L1, L2, Penalty
    from descend.methods.quasi_newton import BFGS, LBFGS
    from descend.methods.robust import Arctan, Cauchy, RobustLoss, SoftL1, Tukey
    from descend.methods.schedules import Schedule, constant, cosine, exponential, step, warmup
    from descend.methods.simplex import NelderMead
    from descend.parameters.declare import Parameter
    from descend.result.datasets import GlobalFit, SetFit
    from descend.result.fit import Fit
    from descend.result.many import ManyFits
    from descend.train.explain import explain
    from descend.train.fit import fit
    from descend.train.fit_global import Dataset, fit_global
    from descend.train.fit_many import fit_many
    from descend.train.load import load
    from descend.train.minimize import maximize, minimize

__version__ = "0.1.0"

_HOMES = {
    "errors": (
        "DataError DescendError DescendWarning DivergedWarning FormulaError NotCoveredError "
        "TraceError UsageError"
    ),
    "functions": (
        "black_box check_grad custom_derivative grad hessian hvp jacobian jvp scan stop_gradient "
        "value_and_grad vjp"
    ),
    "methods.base": "Optimizer",
    "methods.clipping": "clip_norm clip_value",
    "methods.first_order": "SGD Adagrad Adam AdamW RMSprop",
    "methods.conjugate_gradient": "ConjugateGradient",
    "methods.least_squares": "GaussNewton LevenbergMarquardt",
    "methods.newton": "NewtonCG",
    "methods.simplex": "NelderMead",
    "methods.losses": (
        "AbsoluteError BinaryCrossEntropy CrossEntropy GaussianNLL Hinge Huber KLDivergence "
        "LogCosh Loss Poisson Quantile SquaredError"
    ),
    "methods.penalties": "L1 L2 Penalty",
    "methods.quasi_newton": "BFGS LBFGS",
    "methods.robust": "Arctan Cauchy RobustLoss SoftL1 Tukey",
    "methods.schedules": "Schedule constant cosine exponential step warmup",
    "parameters.declare": "Parameter",
    "train.explain": "explain",
    "train.fit": "fit",
    "train.load": "load",
    "train.fit_many": "fit_many",
    "result.many": "ManyFits",
    "train.minimize": "maximize minimize",
    "result.fit": "Fit",
    "train.fit_global": "Dataset fit_global",
    "result.datasets": "GlobalFit SetFit",
}
_NAMES = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "BFGS", "L1", "L2", "LBFGS", "SGD", "AbsoluteError", "Adagrad", "Adam", "AdamW", "Arctan",
    "BinaryCrossEntropy", "Cauchy", "ConjugateGradient", "CrossEntropy", "DataError", "Dataset",
    "DescendError", "DescendWarning", "DivergedWarning", "Fit", "FormulaError", "GaussNewton",
    "GaussianNLL", "GlobalFit", "Hinge", "Huber", "KLDivergence", "LevenbergMarquardt", "LogCosh",
    "Loss", "ManyFits", "NelderMead", "NewtonCG", "NotCoveredError", "Optimizer", "Parameter",
    "Penalty", "Poisson", "Quantile", "RMSprop", "RobustLoss", "Schedule", "SetFit", "SoftL1",
    "SquaredError", "TraceError", "Tukey", "UsageError", "black_box", "check_grad", "clip_norm",
    "clip_value", "constant", "cosine", "custom_derivative", "explain", "exponential", "fit",
    "fit_global", "fit_many", "grad", "hessian", "hvp", "jacobian", "jvp", "load", "maximize",
    "minimize", "scan", "step", "stop_gradient", "value_and_grad", "vjp", "warmup",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "models":
        return importlib.import_module("descend.models")
    home = _NAMES.get(name)
    if home is None:
        raise AttributeError(f"module 'descend' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"descend.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""How to step and what to lower: methods, losses, penalties and schedules in traced NumPy.

Here they are by name: what `descend` offers of them, and which may be written as a text, on the
command line too. Losses of the module
`losses` have their names there.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from descend.methods.schedules import (
        Schedule,
        constant,
        cosine,
        exponential,
        plateau,
        step,
        warmup,
    )
    from descend.methods.simplex import NelderMead

HOMES: Mapping[str, str] = {
    "base": "Optimizer",
    "clipping": "clip_norm clip_value",
    "first_order": "SGD Adagrad Adam AdamW RMSprop",
    "conjugate_gradient": "ConjugateGradient",
    "least_squares": "GaussNewton LevenbergMarquardt",
    "newton": "NewtonCG",
    "simplex": "NelderMead",
    "losses": (
        "AbsoluteError BinaryCrossEntropy CrossEntropy GaussianNLL Hinge Huber KLDivergence "
        "LogCosh Loss Poisson Quantile SquaredError"
    ),
    "penalties": "L1 L2 Penalty",
    "quasi_newton": "BFGS LBFGS",
    "robust": "Arctan Cauchy RobustLoss SoftL1 Tukey",
    "schedules": "Schedule constant cosine exponential plateau step warmup",
}
"""Module → the names that `descend` offers of it."""

__all__ = [
    "BFGS", "L1", "L2", "LBFGS", "SGD", "AbsoluteError", "Adagrad", "Adam", "AdamW", "Arctan",
    "BinaryCrossEntropy", "Cauchy", "ConjugateGradient", "CrossEntropy", "GaussNewton",
    "GaussianNLL", "Hinge", "Huber", "KLDivergence", "LevenbergMarquardt", "LogCosh", "Loss",
    "NelderMead", "NewtonCG", "Optimizer", "Penalty", "Poisson", "Quantile", "RMSprop",
    "RobustLoss", "Schedule", "SoftL1", "SquaredError", "Tukey", "clip_norm", "clip_value",
    "constant", "cosine", "exponential", "plateau", "step", "warmup",
]  # fmt: skip

# What may be written as a text, by the names above.
OPTIMIZERS: Mapping[str, str] = {
    "sgd": "SGD",
    "adagrad": "Adagrad",
    "rmsprop": "RMSprop",
    "adam": "Adam",
    "adamw": "AdamW",
    "lm": "LevenbergMarquardt",
    "levenberg_marquardt": "LevenbergMarquardt",
    "gauss_newton": "GaussNewton",
    "bfgs": "BFGS",
    "lbfgs": "LBFGS",
    "cg": "ConjugateGradient",
    "newton": "NewtonCG",
    "nelder_mead": "NelderMead",
}
LOSSES: Mapping[str, str] = {
    "soft_l1": "SoftL1",
    "cauchy": "Cauchy",
    "arctan": "Arctan",
    "tukey": "Tukey",
}
PENALTIES: Mapping[str, str] = {"l1": "L1", "l2": "L2"}
SCHEDULES: Mapping[str, str] = {
    name: name for name in ("constant", "step", "exponential", "cosine", "warmup", "plateau")
}


if not TYPE_CHECKING:  # else any name would be one of ours

    def __getattr__(name: str) -> Any:
        home = next((home for home, names in HOMES.items() if name in names.split()), None)
        if home is None:
            raise AttributeError(f"module 'descend.methods' has no attribute '{name}'", name=name)
        value = getattr(import_module(f"descend.methods.{home}"), name)
        globals()[name] = value
        return value

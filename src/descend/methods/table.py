"""Names to methods: what may be written as a string, on the command line too."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any, TypeVar

from descend.errors import UsageError, suggest
from descend.methods.base import Optimizer, Tunable
from descend.methods.conjugate_gradient import ConjugateGradient
from descend.methods.first_order import SGD, Adagrad, Adam, AdamW, RMSprop
from descend.methods.least_squares import GaussNewton, LevenbergMarquardt
from descend.methods.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    FunctionLoss,
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
from descend.methods.robust import Arctan, Cauchy, SoftL1, Tukey
from descend.methods.schedules import (
    Schedule,
    as_schedule,
    constant,
    cosine,
    exponential,
    step,
    warmup,
)
from descend.methods.simplex import NelderMead

__all__ = [
    "LOSSES",
    "OPTIMIZERS",
    "PENALTIES",
    "SCHEDULES",
    "as_loss",
    "as_optimizer",
    "as_penalty",
    "as_schedule",
]

T = TypeVar("T", bound=Tunable)

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
    "lm": LevenbergMarquardt,
    "levenberg_marquardt": LevenbergMarquardt,
    "gauss_newton": GaussNewton,
    "bfgs": BFGS,
    "lbfgs": LBFGS,
    "cg": ConjugateGradient,
    "newton": NewtonCG,
    "nelder_mead": NelderMead,
}

LOSSES: dict[str, Callable[..., Loss]] = {
    "mse": SquaredError,
    "mae": AbsoluteError,
    "huber": Huber,
    "log_cosh": LogCosh,
    "soft_l1": SoftL1,
    "cauchy": Cauchy,
    "arctan": Arctan,
    "tukey": Tukey,
    "quantile": Quantile,
    "poisson": Poisson,
    "poisson_log_rate": lambda: Poisson(log_rate=True),
    "gaussian_nll": GaussianNLL,
    "bce": BinaryCrossEntropy,
    "bce_with_logits": lambda: BinaryCrossEntropy(from_logits=True),
    "cross_entropy": CrossEntropy,
    "hinge": Hinge,
    "kl": KLDivergence,
    "kl_with_logits": lambda: KLDivergence(from_logits=True),
}

PENALTIES: dict[str, Callable[..., Penalty]] = {"l1": L1, "l2": L2}

SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "step": step,
    "exponential": exponential,
    "cosine": cosine,
    "warmup": warmup,
}

CALL = re.compile(r"\s*([A-Za-z_][\w-]*)\s*(?:\(\s*([^()]*?)\s*\))?\s*")


def as_optimizer(given: object, **options: Any) -> Optimizer:
    """Return an optimiser from its name and options, or the one given.

    Raises:
        UsageError: an unknown name or option, with the nearest known one.

    >>> as_optimizer("sgd", lr=0.1).lr
    0.1
    >>> as_optimizer("adm")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    descend.errors.UsageError: there is no optimizer "adm" (did you mean "adam"?)
      do: choose from sgd, adagrad, rmsprop, adam, adamw, lm, levenberg_marquardt, ...
    """
    if isinstance(given, type) and issubclass(given, Optimizer):
        return given(**options)
    if isinstance(given, Optimizer) and options:
        raise UsageError(
            f"the optimizer is given whole, so {', '.join(options)} cannot be given beside it",
            remedy=f"write {type(given).__name__}({', '.join(f'{k}=…' for k in options)})",
        )
    return _find("optimizer", given, OPTIMIZERS, Optimizer, options)


def as_loss(given: object) -> Loss:
    """Return a loss from its name, from a function `f(prediction, target)`, or the one given.

    A name may carry its number: `"quantile(0.9)"`.

    Raises:
        UsageError: an unknown name, with the nearest known one.

    >>> as_loss("quantile(0.9)")
    Quantile(q=0.9)
    """
    if isinstance(given, type) and issubclass(given, Loss):
        return given()
    if callable(given) and not isinstance(given, Loss):
        return FunctionLoss(given)
    return _find("loss", given, LOSSES, Loss, {})


def as_penalty(given: object) -> Penalty:
    """Return a penalty from its name, such as `"l2(1e-3)"`, or the one given.

    >>> as_penalty("l2(1e-3)")
    L2(weight=0.001)
    """
    return _find("penalty", given, PENALTIES, Penalty, {})


def _find(
    what: str, given: object, table: Mapping[str, Callable[..., T]], kind: type[T],
    options: Mapping[str, Any],
) -> T:  # fmt: skip
    if isinstance(given, kind):
        return given
    call = CALL.fullmatch(given) if isinstance(given, str) else None
    name = call[1].lower().replace("-", "_") if call else str(given)
    if call is None or name not in table:
        raise UsageError(
            f'there is no {what} "{name}"{suggest(name, table)}',
            remedy=f"choose from {', '.join(table)}",
        )
    values = _arguments(what, str(given), call[2])
    most = len(signature(table[name]).parameters)
    if len(values) > most:
        takes = f"takes {most} number{'s' * (most > 1)}, not {len(values)}"
        raise UsageError(f'{what} "{name}" {takes if most else "takes no number"}')
    return table[name](*values, **options)


def _arguments(what: str, given: str, text: str | None) -> list[float]:
    try:
        return [float(part) for part in text.split(",")] if text else []
    except ValueError:
        raise UsageError(
            f'{what} "{given}" has something other than numbers in its brackets',
            remedy=f"write for example {given.split('(')[0]}(0.9)",
        ) from None

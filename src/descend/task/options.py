"""The options of `fit` and `minimize`: what others call them, and checks of their values."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from descend.errors import UsageError, suggest

__all__ = [
    "EXPLAINED",
    "FIT_NAMES",
    "MINIMIZE_NAMES",
    "REMEDIES",
    "RESULT_NAMES",
    "check_choice",
    "check_count",
    "check_function",
    "check_number",
    "check_seed",
    "check_switch",
    "listed_names",
    "refuse_unknown",
]

FIT_NAMES: Mapping[str, str] = {
    "p0": "start",
    "x0": "start",
    "initial": "start",
    "init": "start",
    "params": "start",
    "maxfev": "epochs",
    "max_nfev": "epochs",
    "max_iter": "epochs",
    "n_epochs": "epochs",
    "iterations": "epochs",
    "vary": "fixed",
    "fix": "fixed",
    "learning_rate_init": "lr",
    "learning_rate": "lr",
    "eta0": "lr",
    "random_state": "seed",
    "rng": "seed",
    "n_iter_no_change": "patience",
    "early_stopping": "patience",
    "validation_fraction": "validation_split",
    "nan_policy": "missing",
    "check_finite": "missing",
    "method": "optimizer",
    "solver": "optimizer",
    "tol": "ftol",
    "loss_function": "loss",
    "f_scale": "loss",
    "criterion": "loss",
    "callbacks": "callback",
    "n_jobs": "threads",
    "warm_start": "resume",
    "timeout": "max_seconds",
    "maxiter": "epochs",
    "iter_cb": "callback",
    "workers": "threads",
    "yerr": "sigma",
    "err": "sigma",
    "error": "sigma",
    "errors": "sigma",
    "dy": "sigma",
}
"""Options of SciPy, lmfit, scikit-learn, Keras and PyTorch, and what they are called here."""

MINIMIZE_NAMES: Mapping[str, str] = {
    **FIT_NAMES,
    "maxfev": "max_iter",
    "max_nfev": "max_iter",
    "epochs": "max_iter",
    "n_epochs": "max_iter",
    "iterations": "max_iter",
    "maxiter": "max_iter",
    "jac": "start",
}

REMEDIES: Mapping[str, str] = {
    "vary": 'write fixed=["a"]',
    "f_scale": 'write loss="soft_l1(0.1)": the number in brackets is f_scale',
    "nan_policy": 'write missing="drop"',
}
"""What to write instead, where the name alone does not say it."""

_EXACT = "leave it out: derivatives are worked out from the function, and exact"
_BOUNDS = 'write bounds={"a": (0, 10)}, with None for no bound'
_WHOLE = "leave it out: the result holds all that is known of the run, such as fit.covariance"
_EACH = "give each option by its own name, such as ftol=1e-10"
_SCALED = "leave it out: the default method takes its steps regardless of units"
EXPLAINED: Mapping[str, str] = {
    "min": _BOUNDS,
    "max": _BOUNDS,
    "lower": _BOUNDS,
    "upper": _BOUNDS,
    "expr": 'write ties={"b": "2*a"}',
    "brute_step": "leave it out: there is no search over a grid; starts=20 begins at 20 places",
    "full_output": _WHOLE,
    "calc_covar": _WHOLE,
    "x_scale": _SCALED,
    "diag": _SCALED,
    "scale_covar": "write absolute_sigma=True where scale_covar was False; else leave it out",
    "fit_kws": _EACH,
    "options": _EACH,
    "diff_step": _EXACT,
    "epsfcn": _EXACT,
    "jac_sparsity": _EXACT,
    "tr_solver": "leave it out: the method chooses how it solves for a step",
    "level": "ask the result: fit.confidence(level=0.95)",
    "args": "write lambda or def around the function, with these values in it",
    "constraints": 'write bounds={"a": (0, 10)} or ties={"b": "2*a"}; others are not there',
    "independent_vars": "leave it out: data are the first arguments of the model",
}
"""Options of SciPy and lmfit that have no counterpart by name: what to do."""

RESULT_NAMES: Mapping[str, str] = {
    "popt": "params",
    "best_values": "params",
    "x": "params",
    "pcov": "covariance",
    "covar": "covariance",
    "errors": "stderr",
    "chisqr": "chi2",
    "redchi": "reduced_chi2",
    "rsquared": "r2",
    "residual": "residuals",
    "best_fit": "fitted",
    "cost": "loss",
    "fun": "loss",
    "nfev": "n_evaluations",
    "nit": "epochs",
    "nfree": "dof",
    "ndata": "n_rows",
    "fit_report": "report()",
    "eval": "predict(x)",
    "eval_components": "components(x)",
    "eval_uncertainty": "confidence_band(x)",
    "conf_interval": 'confidence(kind="profile")',
    "ci_out": 'confidence(kind="profile")',
    "plot_fit": 'plot("fit.png")',
    "score": "r2",
}
"""What the results of SciPy and lmfit call what stands here in a result."""

LARGEST = 2**63  # native programs count in 64 bits

WEIGHTS = (
    "weights= means two different things: a factor on each row's loss, or one over its uncertainty"
)
WEIGHTS_REMEDY = (
    "write sample_weight=w to multiply each row's loss by w, or sigma=1/w if w is one over the "
    "standard deviation of y"
)


def refuse_unknown(given: Iterable[str], known: Iterable[str], caller: str = "fit") -> None:
    """Refuse options that do not exist, with our name for a foreign one, or the nearest.

    Raises:
        UsageError: for the first of `given`; nothing happens if there is none.

    >>> refuse_unknown(["p0"], ["start"])
    Traceback (most recent call last):
    descend.errors.UsageError: fit has no option "p0" (here it is called "start")
      do: write start=…
    """
    foreign = FIT_NAMES if caller == "fit" else MINIMIZE_NAMES
    for name in given:
        if name == "weights" and caller != "minimize":
            raise UsageError(WEIGHTS, remedy=WEIGHTS_REMEDY)
        if name == "jac":
            raise UsageError(
                f'{caller} has no option "jac": derivatives are worked out from the function',
                remedy="leave it out",
            )
        ours = foreign.get(name)
        if ours is not None and ours in known:
            what = f' (here it is called "{ours}")'
            remedy = REMEDIES.get(name, f"write {ours}=…")
            raise UsageError(f'{caller} has no option "{name}"{what}', remedy=remedy)
        if name in EXPLAINED:
            raise UsageError(f'{caller} has no option "{name}"', remedy=EXPLAINED[name])
        raise UsageError(
            f'{caller} has no option "{name}"{suggest(name, known)}',
            remedy=f"the options are {', '.join(known)}",
        )


def check_count(name: str, value: object, least: int = 1) -> int:
    """Return a whole number of at least `least`.

    >>> check_count("epochs", 0)
    Traceback (most recent call last):
    descend.errors.UsageError: epochs must be a whole number of at least 1, not 0
    """
    number = _whole(value)
    if number is None or number < least:
        raise UsageError(f"{name} must be a whole number of at least {least}, not {value!r}")
    if number >= LARGEST:
        raise UsageError(f"{name} must be a whole number below 2**63, not {value!r}")
    return number


def _whole(value: object) -> int | None:
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return int(value)
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def check_number(name: str, value: object, low: float = 0.0, above: bool = False) -> float:
    """Return a real number of at least `low` (or above it).

    >>> check_number("stop_loss", "small")
    Traceback (most recent call last):
    descend.errors.UsageError: stop_loss must be a number of at least 0, not 'small'
    """
    number = math.nan
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        number = float(value)
    if math.isnan(number) or number < low or (above and number == low):
        bound = "above" if above else "of at least"
        raise UsageError(f"{name} must be a number {bound} {low:g}, not {value!r}")
    return number


def check_seed(value: object) -> int:
    """Return a seed: a whole number from 0 below 2⁶³."""
    number = _whole(value)
    if number is None or not 0 <= number < LARGEST:
        raise UsageError(
            f"seed must be a whole number from 0 to 2**63 - 1, not {value!r}",
            remedy="every run has a seed, so that it can be repeated; the default is 0",
        )
    return number


_FUNCTIONS = {
    "callback": "callback=lambda moment: …, called after each epoch or iteration",
    "clip": "clip=descend.clip_norm(1.0), a limit on the gradient's length",
}


def check_function(name: str, value: object) -> None:
    """Refuse what cannot be called.

    >>> check_function("callback", 5)
    Traceback (most recent call last):
    descend.errors.UsageError: callback must be a function, not 5
      do: write callback=lambda moment: …, called after each epoch or iteration
    """
    if value is not None and not callable(value):
        raise UsageError(
            f"{name} must be a function, not {value!r}", remedy=f"write {_FUNCTIONS[name]}"
        )


def check_switch(name: str, value: object) -> bool:
    """Return what is on or off; a text is neither, for `"no"` would count as true.

    >>> check_switch("shuffle", "no")
    Traceback (most recent call last):
    descend.errors.UsageError: shuffle must be True or False, not 'no'
    """
    if isinstance(value, bool | np.bool_) or (type(value) is int and value in (0, 1)):
        return bool(value)
    raise UsageError(f"{name} must be True or False, not {value!r}")


def listed_names(option: str, given: Any) -> list[str]:
    """Return names given as one text or a list of texts.

    >>> listed_names("constants", "n"), listed_names("constants", ["n", "m"])
    (['n'], ['n', 'm'])
    >>> listed_names("constants", 5)
    Traceback (most recent call last):
    descend.errors.UsageError: constants=5 names nothing
      do: write constants=["…"], with the names in quotes
    """
    if isinstance(given, str):
        return [given]
    found: list[Any] = list(given) if isinstance(given, Iterable) else [None]
    if not all(isinstance(name, str) for name in found):
        raise UsageError(
            f"{option}={given!r} names nothing",
            remedy=f'write {option}=["…"], with the names in quotes',
        )
    return found


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return `value` if it is one of the choices.

    >>> check_choice("engine", "nativ", ["native", "interpreted"])
    Traceback (most recent call last):
    descend.errors.UsageError: engine="nativ" is not known (did you mean "native"?)
      do: choose from native, interpreted
    """
    known = list(choices)
    if value not in known:
        raise UsageError(
            f'{name}="{value}" is not known{suggest(str(value), known)}',
            remedy=f"choose from {', '.join(known)}",
        )
    return str(value)

"""What SciPy, lmfit, scikit-learn, Keras and PyTorch call options and results, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from descend.errors import UsageError, suggest
from descend.task.option_table import ENTRIES, names_of

__all__ = ["EXPLAINED", "RESULT_NAMES", "WEIGHTS", "foreign_names", "refuse_unknown"]


def foreign_names(entry: str) -> dict[str, str]:
    """Options of SciPy, lmfit, scikit-learn, Keras and PyTorch → what they are called here.

    >>> foreign_names("fit")["maxfev"], foreign_names("minimize")["maxfev"]
    ('epochs', 'max_iter')
    """
    return {
        foreign: row.name for row in ENTRIES[entry].values() for foreign in row.foreign.split()
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
_OF_METHODS = "it belongs to the method: optimizer=descend.SGD(lr=0.1, momentum=0.9), for example"
EXPLAINED: Mapping[str, str] = {
    **dict.fromkeys(("min", "max", "lower", "upper"), _BOUNDS),
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
    **dict.fromkeys(("momentum", "nesterov", "weight_decay", "betas", "eps"), _OF_METHODS),
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

WEIGHTS = (
    "weights= means two different things: a factor on each row's loss, or one over its uncertainty"
)
WEIGHTS_REMEDY = (
    "write sample_weight=w to multiply each row's loss by w, or sigma=1/w if w is one over the "
    "standard deviation of y"
)


def refuse_unknown(given: Iterable[str], entry: str, caller: str = "") -> None:
    """Refuse options that do not exist, with our name for a foreign one, or the nearest.

    Args:
        caller: the function that was called, if it is another one with the options of `entry`.

    Raises:
        UsageError: for the first of `given`; nothing happens if there is none.

    >>> refuse_unknown(["p0"], "fit")
    Traceback (most recent call last):
    descend.errors.UsageError: fit has no option "p0" (here it is called "start")
      do: write start=…
    """
    for name in given:
        known, told = names_of(entry), f'{caller or entry} has no option "{name}"'
        ours = foreign_names(entry).get(name)
        if name == "weights" and "sample_weight" in known:
            raise UsageError(WEIGHTS, remedy=WEIGHTS_REMEDY)
        if name == "jac":
            why = "derivatives are worked out from the function"
            raise UsageError(f"{told}: {why}", remedy="leave it out")
        if ours is not None:
            remedy = REMEDIES.get(name, f"write {ours}=…")
            raise UsageError(f'{told} (here it is called "{ours}")', remedy=remedy)
        if name in EXPLAINED:
            raise UsageError(told, remedy=EXPLAINED[name])
        raise UsageError(
            told + suggest(name, known), remedy=f"the options are {', '.join(known)}"
        )

"""Names to methods: what may be written as a string, on the command line too."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

import descend.methods as catalogue
from descend.errors import InternalError, UsageError, suggest
from descend.late import Late
from descend.methods import losses
from descend.methods.base import Optimizer, Tunable
from descend.methods.losses import FunctionLoss, Loss
from descend.parameters.reading import leaves_by_name, leaves_named

if TYPE_CHECKING:
    from descend.methods.penalties import Penalty
    from descend.methods.schedules import Schedule

__all__ = [
    "LOSSES",
    "OPTIMIZERS",
    "PENALTIES",
    "SCHEDULES",
    "as_loss",
    "as_optimizer",
    "as_penalty",
]

T = TypeVar("T", bound=Tunable)

FOREIGN: Mapping[tuple[str, str], str] = {
    **{
        ("optimizer", name): "lm"
        for name in ("leastsq", "least_squares", "trf", "dogbox", "curve_fit", "marquardt")
    },
    **{("optimizer", name): "nelder_mead" for name in ("nelder", "simplex", "powell", "cobyla")},
    **{("optimizer", name): "lbfgs" for name in ("l_bfgs_b", "lbfgsb", "tnc", "slsqp")},
    **{("optimizer", name): "newton" for name in ("newton_cg", "trust_exact", "trust_ncg")},
    **{("loss", name): "mse" for name in ("linear", "least_squares", "l2", "squared_error", "sse")},
    **{("loss", name): "mae" for name in ("l1", "absolute_error", "mean_absolute_error")},
    **{
        ("loss", name): "bce"
        for name in ("binary_crossentropy", "binary_cross_entropy", "bceloss", "log_loss")
    },
    **{
        ("loss", name): "bce_with_logits"
        for name in ("bcewithlogitsloss", "binary_cross_entropy_with_logits", "logistic", "logit")
    },
    **{
        ("loss", name): "cross_entropy"
        for name in (
            "crossentropyloss", "categorical_crossentropy", "sparse_categorical_crossentropy",
            "softmax_cross_entropy",
        )
    },
    **{("loss", name): "huber" for name in ("smooth_l1", "huber_loss", "huberloss")},
    **{("loss", name): "kl" for name in ("kl_div", "kldivloss", "kl_divergence")},
    **{("loss", name): "gaussian_nll" for name in ("gaussiannllloss", "gaussian", "normal")},
}
"""What SciPy, lmfit and scikit-learn call what stands in the tables below."""



def _late(faces: Mapping[str, str]) -> dict[str, str]:
    return {name: f"methods:{face}" for name, face in faces.items()}


def _own_names() -> dict[str, str]:
    """The losses of the module `losses`, and the functions there that make one."""
    return {
        face.__name__ if isinstance(face, FunctionType) else face.name: f"methods.losses:{key}"
        for key, face in vars(losses).items()
        if key in losses.__all__ and face not in (Loss, FunctionLoss)
    }


OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = Late(_late(catalogue.OPTIMIZERS))
LOSSES: Mapping[str, Callable[..., Loss]] = Late(_own_names() | _late(catalogue.LOSSES))
PENALTIES: Mapping[str, Callable[..., Penalty]] = Late(_late(catalogue.PENALTIES))
SCHEDULES: Mapping[str, Callable[..., Schedule]] = Late(_late(catalogue.SCHEDULES))

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


def as_loss(given: object, likelihood: bool = False) -> Loss:
    """Return a loss from its name, from a function `f(prediction, target)`, or the one given.

    A name may carry its number: `"quantile(0.9)"`.

    Args:
        likelihood: whether a function is the negative logarithm of a probability.

    Raises:
        UsageError: an unknown name, with the nearest known one; one that is no likelihood.

    >>> as_loss("quantile(0.9)")
    Quantile(q=0.9)
    """
    if isinstance(given, type) and issubclass(given, Loss):
        return given()
    if callable(given) and not isinstance(given, Loss):
        return FunctionLoss(given, likelihood)
    found = _find("loss", given, LOSSES, Loss, {})
    if isinstance(given, str) and not found.domain:
        raise InternalError(f'the loss "{found.name}" does not say what its targets may be')
    if likelihood and not found.is_likelihood:
        raise UsageError(
            f'the loss "{found.name}" is no negative log-likelihood',
            remedy="leave likelihood out, or give a function of (prediction, target) that is one",
        )
    return found


def as_penalty(
    given: object, names: Mapping[str, Sequence[str]] | None = None, meant: Sequence[str] = ()
) -> Penalty:
    """Return a penalty from its name, such as `"l2(1e-3)"`, or the one given.

    Args:
        given: or a dict of such, by the parameters, or the layers, that they are of; of a layer
            it is the weights, and not the biases.
        names: parameter → its leaves, in order; for a dict.
        meant: the parameters that a penalty without names is of; all where there are none.

    Raises:
        UsageError: there is no such penalty, or no such parameter.

    >>> as_penalty("l2(1e-3)")
    L2(weight=0.001)
    >>> print(as_penalty({"w": "l1(2)"}, {"w": ["w"], "b": ["b"]}))
    L1(weight=2.0) of w
    """
    from descend.methods.penalties import Penalty, Selected, Term

    def one(written: object) -> Penalty:
        return _find("penalty", written, PENALTIES, Penalty, {})

    known = leaves_by_name(names or {})
    order = [leaf for own in (names or {}).values() for leaf in own]

    def places(*of: str) -> tuple[int, ...]:
        return tuple(
            order.index(leaf) for name in of for leaf in leaves_named(name, known, "penalty")
        )

    def of_one(name: str) -> tuple[tuple[int, ...], str]:
        if name in order or name in (names or {}):
            return places(name), name
        layer = places(name)
        return tuple(i for i in layer if order[i] in meant) or layer, f"layer {name}"

    if not isinstance(given, Mapping):
        whole = one(given)
        return Selected((Term(whole, places(*meant), "the weights"),)) if meant else whole
    if not given:
        raise UsageError(
            "penalty is an empty dict", remedy='write penalty={"w": "l2(0.001)"}, or leave it out'
        )
    return Selected(tuple(Term(one(p), *of_one(name)) for name, p in given.items()))


def _find(
    what: str, given: object, table: Mapping[str, Callable[..., T]], kind: type[T],
    options: Mapping[str, Any],
) -> T:  # fmt: skip
    if isinstance(given, kind):
        return given
    call = CALL.fullmatch(given) if isinstance(given, str) else None
    name = call[1].lower().replace("-", "_") if call else str(given)
    if call is None or name not in table:
        ours = FOREIGN.get((what, name.lower().replace("-", "_")))
        hint = f' (here "{ours}" does that)' if ours else suggest(name, table)
        written = given.partition("(")[0] if isinstance(given, str) and ours else name
        shown = f'"{written}"' if isinstance(given, str) else repr(given)
        raise UsageError(
            f"there is no {what} {shown}{hint}",
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

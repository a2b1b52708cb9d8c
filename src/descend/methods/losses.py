"""What is minimised: the loss of each row, from a prediction and a target.

A loss is a frozen dataclass with `per_row`; training averages it over the rows. Constants that do
not depend on the prediction are left out where the field does so, and said. A plain function
`f(prediction, target)` of one's own is as good as any loss here: see `as_loss`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from descend.errors import UsageError
from descend.lean import dataclass
from descend.methods.base import Array, Tunable
from descend.methods.linear_algebra import cholesky
from descend.methods.targets import ANY, check_outputs, check_values

__all__ = [
    "AbsoluteError",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "FunctionLoss",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "Poisson",
    "Quantile",
    "SquaredError",
    "bce_with_logits",
    "kl_with_logits",
    "poisson_log_rate",
]

FLAGS = {"from_logits": "_with_logits", "log_rate": "_log_rate"}
"""What a loss is called where one of its options is on."""
LOWEST_LOG = -100.0
LOG_2 = math.log(2.0)


@dataclass(frozen=True)
class Loss(Tunable):
    """The loss of each row. Derive from it, give `per_row`, and it compiles like the others.

    Class attributes:
        name: what reports call it.
        axis: what `per_row` does with the prediction's last axis: `"kept"` (the result has the
            prediction's shape), `"classes"` (one number a class, reduced) or `"pair"` (a mean and
            a log variance, reduced).
        domain: what targets may be: `"numbers"`, an interval such as `"(0, 1]"`, `"signs"`,
            `"classes"` (class numbers, or a probability a class) or `"distributions"`; an empty
            string for a loss of one's own that does not say.
        of_residual: whether it depends on prediction − target alone, so that sigma scales both.
        curved: whether it has two derivatives in the prediction and a lowest value (0, if not of
            a likelihood), so that Gauss–Newton methods take it.
        kinked: whether its slope jumps somewhere, so that only some methods suit it.
        is_likelihood: whether it is the negative logarithm of a probability, up to a constant;
            with `lowest` and `information` where the last axis is kept and it is `curved`.
    """

    name: ClassVar[str] = "loss"
    axis: ClassVar[str] = "kept"
    domain: ClassVar[str] = ""
    of_residual: ClassVar[bool] = False
    curved: ClassVar[bool] = False
    kinked: ClassVar[bool] = False
    is_likelihood: ClassVar[bool] = False

    def per_row(self, prediction: Array, target: Array) -> Array:
        """Return the loss of each row; where the last axis is kept, shaped like the prediction."""
        raise NotImplementedError(f"{type(self).__name__} has no per_row(prediction, target)")

    def residual(self, prediction: Array, target: Array) -> Array | None:
        """Return r with `per_row` = r², or None if the loss is not a square."""
        return None

    @property
    def link(self) -> str:
        """What the prediction says of the target's mean: a name of `methods.links.LINKS`."""
        return "identity"

    @property
    def tells_classes(self) -> bool:
        """Whether the prediction says how probable classes are."""
        return False

    @property
    def spelling(self) -> str:
        """Its name as one writes it, such as `bce_with_logits`."""
        return self.name + "".join(w for flag, w in FLAGS.items() if getattr(self, flag, False))

    @property
    def is_square(self) -> bool:
        """Whether `per_row` is the square of a residual."""
        return type(self).residual is not Loss.residual

    def lowest(self, target: Array) -> Array:
        """Return what `per_row` is at the best prediction of each target (of likelihoods)."""
        raise NotImplementedError(f"{type(self).__name__} has no lowest(target)")

    def information(self, prediction: Array) -> Array:
        """Return the mean of the second derivative over targets (of likelihoods)."""
        raise NotImplementedError(f"{type(self).__name__} has no information(prediction)")

    def second_order(self, gauss_newton: Array, exact: Array) -> Array:
        """Return the matrix of second derivatives to step with, of the two that are known.

        The exact one is right near the end, where large residuals (outliers) make Gauss–Newton's
        slow; it is taken where it is at least a tenth of the other in every direction, and else
        the other, which is never indefinite.

        Args:
            gauss_newton, exact: half of the second derivatives of the mean loss, (p, p).
        """
        margin = exact - 0.1 * gauss_newton
        _, reciprocals = cholesky(margin, 1e-10)
        sound = np.all(np.isfinite(exact)) & np.all(np.stack(reciprocals) > 0)
        return np.where(sound, exact, gauss_newton)

    def check(self, target: Any, outputs: Sequence[tuple[int, ...]] | None = None) -> None:
        """Refuse real targets that this loss cannot mean; rows are counted from 0.

        Args:
            outputs: the shapes of what the model returns, where they are known.

        Raises:
            DataError: a target outside `domain`. UsageError: one of another shape.

        >>> Poisson().check(np.array([0.0, 2.0, -1.0]))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        descend.errors.DataError: loss "poisson" needs targets in [0, inf): row 2 has ...
        >>> CrossEntropy().check(np.array([0, 1, 3]), [(3, 3)])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        descend.errors.DataError: loss "cross_entropy" needs class numbers 0 to 2: row 2 has ...
          do: number them from 0: np.unique(y, return_inverse=True)[1]
        """
        check_values(self, target)
        if outputs is not None:
            check_outputs(self, outputs, target)


@dataclass(frozen=True)
class SquaredError(Loss):
    """(prediction − target)².

    >>> SquaredError().per_row(np.array([1.0, 2.0]), np.array([3.0, 2.0]))
    array([4., 0.])
    """

    name: ClassVar[str] = "mse"
    domain: ClassVar[str] = ANY
    of_residual: ClassVar[bool] = True

    def per_row(self, prediction: Array, target: Array) -> Array:
        return (prediction - target) ** 2

    def residual(self, prediction: Array, target: Array) -> Array | None:
        return prediction - target


@dataclass(frozen=True)
class AbsoluteError(Loss):
    """|prediction − target|.

    >>> AbsoluteError().per_row(np.array([1.0, 2.0]), np.array([3.0, 2.0]))
    array([2., 0.])
    """

    name: ClassVar[str] = "mae"
    domain: ClassVar[str] = ANY
    kinked: ClassVar[bool] = True
    of_residual: ClassVar[bool] = True

    def per_row(self, prediction: Array, target: Array) -> Array:
        return np.abs(prediction - target)


@dataclass(frozen=True)
class Huber(Loss):
    """r²/2 where |r| ≤ δ, else δ·(|r| − δ/2), for r = prediction − target.

    Huber, "Robust Estimation of a Location Parameter" (1964). As in torch; SciPy's is twice that,
    with the same minimum.

    >>> Huber(delta=1.0).per_row(np.array([0.5, 3.0]), np.array([0.0, 0.0]))
    array([0.125, 2.5  ])
    """

    delta: float = 1.0
    name: ClassVar[str] = "huber"
    domain: ClassVar[str] = ANY
    of_residual: ClassVar[bool] = True
    curved: ClassVar[bool] = True
    ranges: ClassVar[Mapping[str, str]] = {"delta": "(0, inf)"}

    def per_row(self, prediction: Array, target: Array) -> Array:
        r = prediction - target
        size = np.abs(r)
        return np.where(size <= self.delta, 0.5 * r * r, self.delta * (size - 0.5 * self.delta))


@dataclass(frozen=True)
class LogCosh(Loss):
    """log cosh r, for r = prediction − target: r²/2 near zero, |r| − log 2 far away.

    >>> LogCosh().per_row(np.array([1e-6, 1000.0]), np.array([0.0, 0.0]))
    array([5.00000000e-13, 9.99306853e+02])
    """

    name: ClassVar[str] = "log_cosh"
    domain: ClassVar[str] = ANY
    of_residual: ClassVar[bool] = True
    curved: ClassVar[bool] = True

    def per_row(self, prediction: Array, target: Array) -> Array:
        size = np.abs(prediction - target)
        # Two forms: the first keeps its digits near zero, the second does not overflow.
        near = np.sinh(np.where(size < 1, prediction - target, 0))
        far = size + np.log1p(np.exp(-2 * size)) - LOG_2
        return np.where(size < 1, 0.5 * np.log1p(near * near), far)


@dataclass(frozen=True)
class Quantile(Loss):
    """q·d where d ≥ 0, else (q − 1)·d, for d = target − prediction: its minimum is the q-quantile.

    Koenker and Bassett, "Regression Quantiles" (1978).

    >>> Quantile(q=0.9).per_row(np.array([0.0, 0.0]), np.array([1.0, -1.0])).round(6)
    array([0.9, 0.1])
    """

    q: float = 0.5
    name: ClassVar[str] = "quantile"
    domain: ClassVar[str] = ANY
    kinked: ClassVar[bool] = True
    of_residual: ClassVar[bool] = True
    ranges: ClassVar[Mapping[str, str]] = {"q": "(0, 1)"}

    def per_row(self, prediction: Array, target: Array) -> Array:
        short = target - prediction
        return np.maximum(self.q * short, (self.q - 1) * short)


@dataclass(frozen=True)
class Poisson(Loss):
    """Negative log-likelihood of counts, without log(target!): rate − target·log rate.

    With `log_rate` the prediction is the rate's logarithm z: exp(z) − target·z.

    >>> Poisson().per_row(np.array([2.0, 3.0]), np.array([2.0, 0.0])).round(6)
    array([0.613706, 3.      ])
    """

    log_rate: bool = False
    name: ClassVar[str] = "poisson"
    domain: ClassVar[str] = "[0, inf)"
    curved: ClassVar[bool] = True
    is_likelihood: ClassVar[bool] = True

    @property
    def link(self) -> str:
        """The rate's logarithm, or the rate itself."""
        return "log" if self.log_rate else "identity"

    def per_row(self, prediction: Array, target: Array) -> Array:
        if self.log_rate:
            return np.exp(prediction) - target * prediction
        # A count of 0 asks for no logarithm, but for a rate that there can be: below 0 is NaN.
        rate = np.where((target == 0) & (prediction >= 0), 1, prediction)
        return prediction - target * np.log(rate)

    def lowest(self, target: Array) -> Array:
        return target - target * np.log(np.where(target == 0, 1, target))

    def information(self, prediction: Array) -> Array:
        """1/rate, or the rate itself where its logarithm is predicted."""
        return np.exp(prediction) if self.log_rate else 1 / prediction


@dataclass(frozen=True)
class GaussianNLL(Loss):
    """Negative log-likelihood of a normal target, without log(2π)/2.

    The prediction is a mean m and the logarithm v of a variance: a pair of arrays shaped like the
    target, or one array with a last axis of two. (v + (target − m)²·exp(−v))/2.

    Nix and Weigend, "Estimating the mean and variance of the target probability distribution"
    (1994).

    >>> GaussianNLL().per_row(np.array([[0.0, 0.0], [1.0, np.log(4.0)]]), np.array([2.0, 3.0]))
    array([2.        , 1.19314718])
    """

    name: ClassVar[str] = "gaussian_nll"
    domain: ClassVar[str] = ANY
    axis: ClassVar[str] = "pair"
    is_likelihood: ClassVar[bool] = True

    def per_row(self, prediction: Array, target: Array) -> Array:
        if isinstance(prediction, tuple):
            mean, log_variance = prediction[0], prediction[1]
        else:
            mean, log_variance = prediction[..., 0], prediction[..., 1]
        return 0.5 * (log_variance + (target - mean) ** 2 * np.exp(-log_variance))


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """−(t·log p + (1 − t)·log(1 − p)), with logarithms no lower than −100 (as torch has it).

    With `from_logits` the prediction is z with p = 1/(1 + exp(−z)), and the loss is
    log(1 + exp(z)) − t·z, exact at any z: use it where the model can give z.

    >>> BinaryCrossEntropy().per_row(np.array([0.5, 1e-50]), np.array([1.0, 1.0])).round(6)
    array([  0.693147, 100.      ])
    >>> BinaryCrossEntropy(from_logits=True).per_row(np.array([-1000.0]), np.array([1.0]))
    array([1000.])
    """

    from_logits: bool = False
    name: ClassVar[str] = "bce"
    domain: ClassVar[str] = "[0, 1]"
    is_likelihood: ClassVar[bool] = True

    @property
    def link(self) -> str:
        """Log-odds, or probabilities."""
        return "logistic" if self.from_logits else "identity"

    @property
    def tells_classes(self) -> bool:
        """Yes: two of them, or labels of which a row may have several."""
        return True

    def per_row(self, prediction: Array, target: Array) -> Array:
        if self.from_logits:
            # Turned so that the target is at most a half: nothing cancels at either end.
            turned = np.where(target > 0.5, -prediction, prediction)
            rest = np.where(target > 0.5, 1 - target, target)
            return np.logaddexp(0 * turned, turned) - rest * turned
        yes = np.maximum(np.log(prediction), LOWEST_LOG)
        no = np.maximum(np.log1p(-prediction), LOWEST_LOG)
        return -(target * yes + (1 - target) * no)


def log_softmax(logits: Array) -> Array:
    """Return logits − log Σ exp(logits) over the last axis, without overflow.

    >>> log_softmax(np.array([1000.0, 1000.0])).round(6)
    array([-0.693147, -0.693147])
    """
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """−Σ t·log softmax(prediction) over the classes, the last axis of the prediction (logits).

    The target is a class number 0, 1, … a row (one axis fewer than the prediction; integers or
    floats), or a probability a class (the prediction's shape). `label_smoothing` ε replaces t by
    t·(1 − ε) + ε/classes (Szegedy et al., "Rethinking the Inception Architecture", 2016).

    >>> CrossEntropy().per_row(np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([1, 0])).round(6)
    array([0.693147, 0.126928])
    """

    label_smoothing: float = 0.0
    name: ClassVar[str] = "cross_entropy"
    domain: ClassVar[str] = "classes"
    axis: ClassVar[str] = "classes"
    ranges: ClassVar[Mapping[str, str]] = {"label_smoothing": "[0, 1)"}
    zeros: ClassVar[tuple[str, ...]] = ("label_smoothing",)

    @property
    def link(self) -> str:
        """Logits."""
        return "softmax"

    @property
    def tells_classes(self) -> bool:
        """Yes, one a row."""
        return True

    @property
    def is_likelihood(self) -> bool:  # type: ignore[override]
        """Whether no label is smoothed: smoothed ones are no data."""
        return isinstance(self.label_smoothing, int | float) and not self.label_smoothing

    def per_row(self, prediction: Array, target: Array) -> Array:
        classes = prediction.shape[-1]
        if target.ndim < prediction.ndim:
            chosen = target[..., None] == np.arange(classes)
            target = np.where(chosen, np.ones_like(prediction), np.zeros_like(prediction))
        target = target * (1 - self.label_smoothing) + self.label_smoothing / classes
        return -np.sum(target * log_softmax(prediction), axis=-1)


@dataclass(frozen=True)
class Hinge(Loss):
    """max(0, 1 − target·prediction), for targets −1 and 1.

    Cortes and Vapnik, "Support-Vector Networks" (1995).

    >>> Hinge().per_row(np.array([2.0, 0.5, -1.0]), np.array([1.0, 1.0, 1.0]))
    array([0. , 0.5, 2. ])
    """

    name: ClassVar[str] = "hinge"
    domain: ClassVar[str] = "signs"
    kinked: ClassVar[bool] = True

    def per_row(self, prediction: Array, target: Array) -> Array:
        return np.maximum(1 - target * prediction, 0)


@dataclass(frozen=True)
class KLDivergence(Loss):
    """Σ t·(log t − log p) over the last axis: what the prediction p misses of the target t.

    The prediction is probabilities (logarithms no lower than −100), or logits with `from_logits`.

    Kullback and Leibler, "On Information and Sufficiency" (1951).

    >>> KLDivergence().per_row(np.array([[0.25, 0.75]]), np.array([[0.0, 1.0]])).round(6)
    array([0.287682])
    """

    from_logits: bool = False
    name: ClassVar[str] = "kl"
    axis: ClassVar[str] = "classes"
    domain: ClassVar[str] = "distributions"

    def per_row(self, prediction: Array, target: Array) -> Array:
        if self.from_logits:
            logs = log_softmax(prediction)
        else:
            logs = np.maximum(np.log(prediction), LOWEST_LOG)
        own = np.log(np.where(target > 0, target, 1))
        return np.sum(target * (own - logs), axis=-1)


@dataclass(frozen=True)
class FunctionLoss(Loss):
    """A loss of one's own: `function(prediction, target)` gives the loss of each row.

    >>> FunctionLoss(lambda p, t: (p - t) ** 4).per_row(np.array([2.0]), np.array([0.0]))
    array([16.])
    """

    function: Callable[[Array, Array], Array]
    likelihood: bool = False
    axis: ClassVar[str] = "own"

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise UsageError(f"a loss is a name or a function, not {self.function!r}")

    @property
    def is_likelihood(self) -> bool:  # type: ignore[override]
        """Whether the function is said to be a negative log-likelihood."""
        return self.likelihood

    @property
    def name(self) -> str:  # type: ignore[override]
        """The function's own name."""
        return getattr(self.function, "__name__", "loss")

    def per_row(self, prediction: Array, target: Array) -> Array:
        return self.function(prediction, target)


def poisson_log_rate() -> Poisson:
    """The Poisson loss of a model that gives the logarithm of the rate."""
    return Poisson(log_rate=True)


def bce_with_logits() -> BinaryCrossEntropy:
    """Binary cross-entropy of a model that gives log-odds."""
    return BinaryCrossEntropy(from_logits=True)


def kl_with_logits() -> KLDivergence:
    """Kullback-Leibler divergence of a model that gives logits."""
    return KLDivergence(from_logits=True)

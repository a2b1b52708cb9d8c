"""Layers: a function of rows and of its parameters, and where these parameters begin."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Never

import numpy as np

from descend.errors import UsageError, suggest
from descend.functions import running
from descend.lean import dataclass
from descend.networks.activations import ACTIVATIONS
from descend.networks.initialisers import Initialiser, as_initialiser
from descend.random import bernoulli
from descend.trace.stand_ins import as_seen

__all__ = [
    "LAYERS", "BatchNorm", "Dropout", "Embedding", "Flatten", "Layer", "LayerNorm", "Linear",
    "RMSNorm", "activation",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]


class Made(NamedTuple):
    """The call that made a layer: of a function of this package, with these arguments."""

    maker: Callable[..., Any]
    given: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Layer:
    """A layer. What has no parameters can be called with an array.

    It never changes. Pickles hold the call that made it, and no code.

    Attributes:
        name: what it is called in reports, as it is written.
        function: of x (rows, …), and of its parameters, a dict by name, if it has any; in NumPy.
        params: the names of its parameters.
        begin: of a random generator, the shape of a row before it, the number of outputs where the
            data decide it, and the gain of the layer behind it: its parameters at the start.
        gain: by what the weights of the layer before it are larger.
        weights: those of its parameters that penalties are meant for.
        placed: whether the function takes a third argument, the layer's place in the network, such
            as `"1."`, by which what it keeps is called.
        indices: how many different whole numbers it takes, from 0 on, that say which and not how
            much; 0 for a layer of numbers.
        made: the call that made it, where a function of this package did; no copy with something
            replaced has it.

    >>> activation("relu")(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    name: str
    function: Callable[..., Any]
    params: tuple[str, ...] = ()
    begin: Callable[[np.random.Generator, Shape, int, float], Mapping[str, Array]] | None = None
    gain: float = 1.0
    weights: tuple[str, ...] = ()
    indices: int = 0
    placed: bool = False
    made: Made | None = dataclasses.field(default=None, init=False, repr=False, compare=False)

    def by(self, maker: Callable[..., Any], *given: Any, **options: Any) -> Layer:
        """The same layer, with the call that made it."""
        found = dataclasses.replace(self)
        object.__setattr__(found, "made", Made(maker, given, tuple(options.items())))
        return found

    def __reduce__(self) -> Any:
        if self.made is None:
            return super().__reduce__()
        maker, given, options = self.made
        return functools.partial(maker, **dict(options)), given

    def __deepcopy__(self, memo: object) -> Layer:
        return self

    def __call__(
        self, x: Any, params: Mapping[str, Any] | None = None, place: str = ""
    ) -> Any:
        """What it makes of x, an array of NumPy."""
        function = as_seen(self.function)
        if self.placed:
            return function(x, params or {}, place)
        if not self.params:
            return function(x)
        if params is None:
            raise UsageError(
                f"{self.name} has parameters ({', '.join(self.params)}), which a fit finds",
                remedy="give them as well, a dict by name, or fit a network with this layer",
            )
        return function(x, params)


def Linear(
    size: int | None = None, *more: Never, bias: bool = True,
    init: str | float | Initialiser = "uniform",
) -> Layer:  # fmt: skip
    """Return x @ weight.T + bias, with weight (outputs, inputs) and bias (outputs,), as PyTorch's.

    Args:
        size: the number of outputs; None takes that of the target.
        init: where the weight begins, by name; the default is that of PyTorch's layers, up to
            1/√(inputs). "kaiming_uniform" keeps the size of signals through many layers (He et al.,
            "Delving deep into rectifiers", 2015). Biases begin at 0.

    Raises:
        UsageError: a size below 1, or no initialiser.

    >>> begun = Linear(3).begin(np.random.default_rng(0), (5,), 1, 1.0)
    >>> {name: array.shape for name, array in begun.items()}
    {'weight': (3, 5), 'bias': (3,)}
    """
    if more:
        raise UsageError(
            f"Linear takes the number of its outputs alone: that of its inputs, {size}, comes from "
            "what stands before it",
            remedy=f"write Linear({more[0]})",
        )
    _check_size("Linear", size)
    first = as_initialiser(init)

    def function(x: Any, params: Mapping[str, Any]) -> Any:
        product = x @ params["weight"].T
        return product + params["bias"] if bias else product

    def begin(
        rng: np.random.Generator, shape: Shape, outputs: int, gain: float
    ) -> dict[str, Array]:
        own = outputs if size is None else int(size)
        weight = np.asarray(first(rng, (own, shape[-1]), gain))
        if weight.shape != (own, shape[-1]):
            raise UsageError(
                f"the initialiser of {name} gives the shape {weight.shape}, and its weight has "
                f"(outputs, inputs) = {(own, shape[-1])}"
            )
        return {"weight": weight} | ({"bias": np.zeros(own)} if bias else {})

    name = f"Linear({'' if size is None else size})"
    params = ("weight", "bias") if bias else ("weight",)
    made = Layer(name, function, params, begin, weights=("weight",))
    return made.by(Linear, size, bias=bias, init=init)


def Embedding(count: int, size: int, *, init: float = 1.0) -> Layer:
    """Return a layer that gives each whole number its own row of `weight` (count, size).

    Rows of x hold numbers from 0 to count - 1, one (rows,) or several (rows, k); behind it, they
    have the shape (size,) or (k, size). As PyTorch's, it begins with normal numbers.

    Args:
        init: their standard deviation.

    Raises:
        UsageError: sizes below 1. A fit raises DataError for a number outside, with its row.

    >>> weight = np.arange(6.0).reshape(3, 2)
    >>> Embedding(3, 2)(np.array([2, 0]), {"weight": weight})
    array([[4., 5.],
           [0., 1.]])
    """
    _check_size("Embedding", count)
    _check_size("Embedding", size)

    def begin(
        rng: np.random.Generator, shape: Shape, outputs: int, gain: float
    ) -> dict[str, Array]:
        return {"weight": init * rng.standard_normal((count, size))}

    return Layer(
        f"Embedding({count}, {size})", lambda x, params: params["weight"][x.astype(int)],
        ("weight",), begin, indices=count,
    ).by(Embedding, count, size, init=init)  # fmt: skip


def LayerNorm(*size: Never, scale: bool = True, eps: float = 1e-5) -> Layer:
    """Return (x - mean)/√(variance + eps) over the last axis, times weight plus bias.

    Ba et al., "Layer normalization" (2016).

    Args:
        scale: whether there are weight (at first 1) and bias (at first 0).

    >>> LayerNorm(scale=False)(np.array([[1.0, 3.0]])).round(3)
    array([[-1.,  1.]])
    """

    _check_no_size("LayerNorm", size)

    def normal(x: Any) -> Any:
        centred = x - x.mean(axis=-1, keepdims=True)
        return centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + eps)

    name = f"LayerNorm({'' if scale else 'scale=False'})"
    return _scaled(name, normal, scale, True).by(LayerNorm, scale=scale, eps=eps)


def RMSNorm(*size: Never, scale: bool = True, eps: float = 1e-6) -> Layer:
    """Return x/√(mean of x² + eps) over the last axis, times weight.

    Zhang and Sennrich, "Root mean square layer normalization" (2019).

    >>> RMSNorm(scale=False)(np.array([[3.0, 4.0]])).round(3)
    array([[0.849, 1.131]])
    """

    _check_no_size("RMSNorm", size)

    def normal(x: Any) -> Any:
        return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)

    name = f"RMSNorm({'' if scale else 'scale=False'})"
    return _scaled(name, normal, scale, False).by(RMSNorm, scale=scale, eps=eps)


def _scaled(name: str, normal: Callable[..., Any], scale: bool, bias: bool) -> Layer:
    """A normalisation, times a weight at first 1, plus a bias at first 0."""
    if not scale:
        return Layer(name, normal)

    def function(x: Any, params: Mapping[str, Any]) -> Any:
        found = normal(x) * params["weight"]
        return found + params["bias"] if bias else found

    def begin(
        rng: np.random.Generator, shape: Shape, outputs: int, gain: float
    ) -> dict[str, Array]:
        found = {"weight": np.ones(shape[-1])}
        return found | {"bias": np.zeros(shape[-1])} if bias else found

    return Layer(name, function, ("weight", "bias") if bias else ("weight",), begin)


def Dropout(p: float = 0.5) -> Layer:
    """Return a layer that sets each number to 0 with probability p, and the others to x/(1 - p).

    Anew in every update; in predictions, validation and `fit.loss` it does nothing. Srivastava et
    al., "Dropout: a simple way to prevent neural networks from overfitting" (2014).

    Raises:
        UsageError: p is no number from 0 to below 1.

    >>> Dropout(0.2)(np.array([1.0, 2.0]))
    array([1., 2.])
    """
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p < 1:
        raise UsageError(
            f"Dropout takes a probability from 0 to below 1, not {p!r}", remedy="write Dropout(0.2)"
        )

    def function(x: Any) -> Any:
        return x * bernoulli(1 - p, x.shape) / (1 - p) if p else x

    return Layer(f"Dropout({p:g})", function).by(Dropout, p)


def BatchNorm(
    *size: Never, scale: bool = True, momentum: float = 0.1, eps: float = 1e-5
) -> Layer:  # fmt: skip
    """Return (x - mean)/√(variance + eps) by the batch, times weight plus bias.

    In training mean and variance are those of the batch; in predictions, validation and `fit.loss`
    they are running means, kept as PyTorch keeps them. Ioffe and Szegedy, "Batch normalization"
    (2015).

    Args:
        scale: whether there are weight (at first 1) and bias (at first 0).
        momentum: the weight of a new batch in the running means, above 0 and at most 1.

    >>> BatchNorm(scale=False)(np.array([[1.0], [3.0]])).round(3)
    array([[-1.],
           [ 1.]])
    """

    _check_no_size("BatchNorm", size)

    def normal(x: Any, place: str) -> Any:
        axes = tuple(range(x.ndim - 1))
        mean = running(f"{place}running_mean", x.mean(axis=axes), momentum)
        variance = running(
            f"{place}running_var", x.var(axis=axes), momentum, begin=1.0,
            kept=x.var(axis=axes, ddof=1),
        )  # fmt: skip
        return (x - mean) / np.sqrt(variance + eps)

    def function(x: Any, params: Mapping[str, Any], place: str) -> Any:
        found = normal(x, place)
        return found * params["weight"] + params["bias"] if scale else found

    scaled = _scaled(f"BatchNorm({'' if scale else 'scale=False'})", normal, scale, True)
    made = dataclasses.replace(scaled, function=function, placed=True)
    return made.by(BatchNorm, scale=scale, momentum=momentum, eps=eps)


def Flatten() -> Layer:
    """Return a layer that makes one axis of all axes of a row.

    >>> Flatten()(np.zeros((2, 3, 4))).shape
    (2, 12)
    """
    return Layer("Flatten()", lambda x: x.reshape(x.shape[0], -1)).by(Flatten)


def activation(name: str) -> Layer:
    """Return a layer that applies an activation to each number.

    Raises:
        UsageError: there is none of that name.
    """
    known = LAYER_NAMES.get(name, name)
    row = ACTIVATIONS.get(known)
    if row is None:
        ours = FOREIGN.get(name.lower())
        hint = f' (here it is "{ours}")' if ours else suggest(name, ACTIVATIONS)
        remedy = f"choose from {', '.join(ACTIVATIONS)}"
        if "softmax" in name.lower():
            hint = ""
            remedy = 'leave it out: loss="cross_entropy" takes logits, and applies it itself'
        raise UsageError(f'there is no activation "{name}"{hint}', remedy=remedy)
    shown = f"{row.layer}()" if row.layer else known
    return Layer(shown, row.function, gain=row.gain).by(activation, known)


LAYER_NAMES: Mapping[str, str] = {row.layer: name for name, row in ACTIVATIONS.items() if row.layer}
"""What a layer is called → its activation."""

FOREIGN: Mapping[str, str] = {
    "swish": "silu", "linear": "identity", "logistic": "sigmoid", "leakyrelu": "leaky_relu",
    "hardtanh": "hard_tanh", "hardswish": "hard_swish", "hardsigmoid": "hard_sigmoid",
    "logsigmoid": "log_sigmoid", "tanhshrink": "tanh_shrink", "expit": "sigmoid",
}  # fmt: skip
"""What Keras, scikit-learn, SciPy and PyTorch's functions call some of them."""

LAYERS: Mapping[str, Callable[..., Layer]] = {
    maker.__name__: maker
    for maker in (
        BatchNorm, Dropout, Embedding, Flatten, LayerNorm, Linear, RMSNorm, activation,
    )
}  # fmt: skip
"""What makes a layer of its own, by name."""


def _check_no_size(what: str, size: tuple[Any, ...]) -> None:
    if size:
        raise UsageError(
            f"{what} takes no size: that of its rows comes from what stands before it",
            remedy=f"write {what}()",
        )


def _check_size(what: str, size: Any) -> None:
    if size is not None and (
        isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1
    ):
        raise UsageError(f"{what} has 1 output or more, not {size!r}", remedy=f"write {what}(64)")

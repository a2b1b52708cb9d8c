"""Layers: a function of rows and of its parameters, and where these parameters begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.errors import UsageError, suggest
from descend.networks.activations import ACTIVATIONS
from descend.networks.initialisers import Initialiser, as_initialiser

__all__ = ["Flatten", "Layer", "Linear", "activation"]

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]


class Layer(NamedTuple):
    """A layer. What has no parameters can be called with an array.

    Attributes:
        name: what it is called in reports, as it is written.
        function: of x (rows, …), and of its parameters, a dict by name, if it has any; in NumPy.
        params: the names of its parameters.
        begin: of a random generator, the shape of a row before it, the number of outputs where the
            data decide it, and the gain of the layer behind it: its parameters at the start.
        gain: by what the weights of the layer before it are larger.
        weights: those of its parameters that penalties are meant for.

    >>> activation("relu")(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    name: str
    function: Callable[..., Any]
    params: tuple[str, ...] = ()
    begin: Callable[[np.random.Generator, Shape, int, float], Mapping[str, Array]] | None = None
    gain: float = 1.0
    weights: tuple[str, ...] = ()

    def __call__(self, x: Any, params: Mapping[str, Any] | None = None) -> Any:
        """What it makes of x, an array of NumPy."""
        if not self.params:
            return self.function(x)
        if params is None:
            raise UsageError(
                f"{self.name} has parameters ({', '.join(self.params)}), which a fit finds",
                remedy="give them as well, a dict by name, or fit a network with this layer",
            )
        return self.function(x, params)


def Linear(
    size: int | None = None, *, bias: bool = True,
    init: str | float | Initialiser = "kaiming_uniform",
) -> Layer:  # fmt: skip
    """Return x @ weight.T + bias, with weight (outputs, inputs) and bias (outputs,), as PyTorch's.

    Args:
        size: the number of outputs; None takes that of the target.
        init: where the weight begins, by name; the default is uniform and keeps the size of
            signals (He et al., "Delving deep into rectifiers", 2015). Biases begin at 0.

    Raises:
        UsageError: a size below 1, or no initialiser.

    >>> begun = Linear(3).begin(np.random.default_rng(0), (5,), 1, 1.0)
    >>> {name: array.shape for name, array in begun.items()}
    {'weight': (3, 5), 'bias': (3,)}
    """
    _check_size("Linear", size)
    first = as_initialiser(init)

    def function(x: Any, params: Mapping[str, Any]) -> Any:
        product = x @ params["weight"].T
        return product + params["bias"] if bias else product

    def begin(
        rng: np.random.Generator, shape: Shape, outputs: int, gain: float
    ) -> dict[str, Array]:
        own = outputs if size is None else int(size)
        found = {"weight": np.asarray(first(rng, (own, shape[-1]), gain))}
        return found | {"bias": np.zeros(own)} if bias else found

    name = f"Linear({'' if size is None else size})"
    params = ("weight", "bias") if bias else ("weight",)
    return Layer(name, function, params, begin, weights=("weight",))


def Flatten() -> Layer:
    """Return a layer that makes one axis of all axes of a row.

    >>> Flatten()(np.zeros((2, 3, 4))).shape
    (2, 12)
    """
    return Layer("Flatten()", lambda x: x.reshape(x.shape[0], -1))


def activation(name: str) -> Layer:
    """Return a layer that applies an activation to each number.

    Raises:
        UsageError: there is none of that name.
    """
    row = ACTIVATIONS.get(name)
    if row is None:
        raise UsageError(
            f'there is no activation "{name}"{suggest(name, ACTIVATIONS)}',
            remedy=f"choose from {', '.join(ACTIVATIONS)}",
        )
    return Layer(f"{row.layer}()" if row.layer else name, row.function, gain=row.gain)


def _check_size(what: str, size: Any) -> None:
    if size is not None and (
        isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1
    ):
        raise UsageError(f"{what} has 1 output or more, not {size!r}", remedy=f"write {what}(64)")

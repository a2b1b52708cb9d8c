"""A network: layers one after the other, as a model that knows where to begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.networks.layers import Layer, activation, linear

__all__ = ["Network", "Sequential", "mlp"]

Array = np.ndarray[Any, np.dtype[Any]]


class Network:
    """Layers one after the other: a function of x and of the parameters of all layers.

    `network(x, weights)` evaluates it, `descend.fit(network, x, y)` trains it. The numbers of
    inputs and outputs are those of the data.

    >>> network = Sequential(linear(8), "tanh", linear())
    >>> network
    Sequential(linear(8), tanh, linear())
    >>> weights = network.begin(np.random.default_rng(0), inputs=2, outputs=1)
    >>> {name: sorted(own) for name, own in weights.items()}
    {'layer1': ['bias', 'weight'], 'layer2': ['bias', 'weight']}
    >>> network(np.zeros((5, 2)), weights).shape
    (5, 1)
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)

    @property
    def __signature__(self) -> Signature:
        kind = Parameter.POSITIONAL_OR_KEYWORD
        return Signature([Parameter("x", kind), Parameter("weights", kind)])

    @property
    def __name__(self) -> str:
        return repr(self)

    @property
    def names(self) -> tuple[str, ...]:
        """What the layers with parameters are called: `layer1`, `layer2`, …"""
        count = sum(layer.begin is not None for layer in self.layers)
        return tuple(f"layer{i + 1}" for i in range(count))

    def __repr__(self) -> str:
        return f"Sequential({', '.join(layer.name for layer in self.layers)})"

    def __call__(self, x: Any, weights: Mapping[str, Mapping[str, Any]]) -> Any:
        """Return what the last layer gives for the rows x (rows, inputs)."""
        own = iter(self.names)
        for layer in self.layers:
            x = layer.function(x) if layer.begin is None else layer.function(x, weights[next(own)])
        return x

    def begin(
        self, rng: np.random.Generator, inputs: int, outputs: int
    ) -> dict[str, dict[str, Array]]:
        """Return where the parameters begin, layer by layer.

        Args:
            inputs, outputs: the numbers of a row of x, and of the target.
        """
        found: dict[str, dict[str, Array]] = {}
        size, own = inputs, iter(self.names)
        behind = [layer.gain for layer in self.layers[1:]]
        for layer, gain in zip(self.layers, [*behind, 1.0], strict=True):
            if layer.begin is not None:
                params, size = layer.begin(rng, size, outputs, gain)
                found[next(own)] = dict(params)
        if size != outputs:
            raise UsageError(
                f"{self!r} ends with {size} numbers a row, and the target has {outputs}",
                remedy="end with linear(), which takes the number from the target",
            )
        return found


def Sequential(*layers: Layer | str | Callable[[Any], Any]) -> Network:  # noqa: N802
    """Return a network of layers, names of activations, and plain functions of x.

    >>> Sequential(linear(4), np.sin, linear())
    Sequential(linear(4), sin, linear())
    """
    return Network([_as_layer(each) for each in layers])


def _as_layer(given: Any) -> Layer:
    if isinstance(given, Layer):
        return given
    if isinstance(given, str):
        return activation(given)
    if not callable(given):
        raise UsageError(
            f"a layer is a descend.networks layer, the name of an activation or a function, not "
            f"{type(given).__name__}",
            remedy='write Sequential(linear(64), "relu", linear())',
        )
    return Layer(getattr(given, "__name__", type(given).__name__), given)


def mlp(*hidden: int, activation: str = "relu") -> Network:
    """Return a network of linear layers with an activation between them.

    Args:
        hidden: the size of each hidden layer.

    >>> mlp(100, 50)
    Sequential(linear(100), relu, linear(50), relu, linear())
    """
    layers: list[Layer | str] = []
    for size in hidden:
        layers += [linear(size), activation]
    return Sequential(*layers, linear())

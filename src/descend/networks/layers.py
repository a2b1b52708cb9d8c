"""Layers: a function of its parameters and of rows, and where these parameters begin."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.errors import UsageError, suggest
from descend.networks.activations import ACTIVATIONS

__all__ = ["Begun", "Layer", "activation", "linear"]

Array = np.ndarray[Any, np.dtype[Any]]


class Begun(NamedTuple):
    """Where a layer begins: its parameters, and how many numbers a row has behind it."""

    params: Mapping[str, Array]
    size: int


class Layer(NamedTuple):
    """A layer.

    Attributes:
        name: what it is called in reports.
        function: of x (rows, inputs), and of its parameters, a dict, if it has any: (rows,
            outputs), in NumPy.
        begin: of a random generator, the number of inputs, the number of outputs where the data
            decide it, and the gain of the layer behind it: where it begins. None: it has no
            parameters.
        gain: by what the weights of the layer before it are larger.
    """

    name: str
    function: Callable[..., Any]
    begin: Callable[[np.random.Generator, int, int, float], Begun] | None = None
    gain: float = 1.0


def linear(size: int | None = None, *, bias: bool = True) -> Layer:
    """Return x @ weight + bias.

    Weights begin with uniform draws between ±gain·√(3/inputs), biases at 0, so that signals keep
    their size (He et al., "Delving deep into rectifiers", 2015).

    Args:
        size: the number of outputs; None takes that of the target.

    >>> layer = linear(3)
    >>> begun = layer.begin(np.random.default_rng(0), 5, 1, 1.0)
    >>> {name: array.shape for name, array in begun.params.items()}
    {'weight': (5, 3), 'bias': (3,)}
    """
    if size is not None and (not isinstance(size, int | np.integer) or size < 1):
        raise UsageError(f"a layer has 1 output or more, not {size!r}", remedy="write linear(64)")

    def function(x: Any, params: Mapping[str, Any]) -> Any:
        return x @ params["weight"] + params["bias"] if bias else x @ params["weight"]

    def begin(rng: np.random.Generator, inputs: int, outputs: int, gain: float) -> Begun:
        own = outputs if size is None else int(size)
        limit = gain * math.sqrt(3.0 / inputs)
        params: dict[str, Array] = {"weight": rng.uniform(-limit, limit, (inputs, own))}
        if bias:
            params["bias"] = np.zeros(own)
        return Begun(params, own)

    return Layer(f"linear({'' if size is None else size})", function, begin)


def activation(name: str) -> Layer:
    """Return a layer that applies an activation to each number.

    Raises:
        UsageError: there is none of that name.

    >>> activation("relu").function(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    row = ACTIVATIONS.get(name)
    if row is None:
        raise UsageError(
            f'there is no activation "{name}"{suggest(name, ACTIVATIONS)}',
            remedy=f"choose from {', '.join(ACTIVATIONS)}",
        )
    return Layer(name, row.function, None, row.gain)

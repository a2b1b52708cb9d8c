"""Activations: functions of each number, by name, with how far a layer before them is to begin."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import special

__all__ = ["ACTIVATIONS", "Activation", "relu"]


class Activation(NamedTuple):
    """One row of the table.

    Attributes:
        function: of an array, in NumPy.
        layer: what the layer that applies it is called, as in PyTorch; empty where there is none.
        gain: by what the weights before it are larger than 1/√(inputs), so that signals keep
            their size: √2 where half of them is lost (He et al., 2015).
    """

    function: Callable[[Any], Any]
    layer: str = ""
    gain: float = 1.0


def relu(x: Any) -> Any:
    """Return x where it is above 0, else 0; its derivative at 0 is 0, and what is NaN stays so.

    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.where(x <= 0, 0, x)


def _leaky_relu(x: Any) -> Any:
    return np.where(x > 0, x, 0.01 * x)


def _relu6(x: Any) -> Any:
    return np.where(x >= 6, 6, relu(x))


def _elu(x: Any) -> Any:
    return np.where(x > 0, x, np.expm1(x))


def _selu(x: Any) -> Any:
    return np.where(x > 0, 1.0507009873554805 * x, 1.7580993408473766 * np.expm1(x))


def _gelu(x: Any) -> Any:
    return x * special.ndtr(x)


def _silu(x: Any) -> Any:
    return x * special.expit(x)


def _softplus(x: Any) -> Any:
    return np.logaddexp(x, 0 * x)


def _mish(x: Any) -> Any:
    return x * np.tanh(_softplus(x))


def _softsign(x: Any) -> Any:
    return x / (1 + np.abs(x))


def _hard_sigmoid(x: Any) -> Any:
    return np.clip(x / 6 + 0.5, 0, 1)


def _hard_swish(x: Any) -> Any:
    return x * _hard_sigmoid(x)


def _hard_tanh(x: Any) -> Any:
    return np.clip(x, -1, 1)


def _tanh_shrink(x: Any) -> Any:
    return x - np.tanh(x)


HALF = math.sqrt(2.0)

ACTIVATIONS: Mapping[str, Activation] = {
    "identity": Activation(lambda x: x, "Identity"),
    "relu": Activation(relu, "ReLU", HALF),
    "leaky_relu": Activation(_leaky_relu, "LeakyReLU", HALF),
    "relu6": Activation(_relu6, "ReLU6", HALF),
    "elu": Activation(_elu, "ELU", HALF),
    "selu": Activation(_selu, "SELU"),
    "celu": Activation(_elu, "CELU", HALF),
    "gelu": Activation(_gelu, "GELU", HALF),
    "silu": Activation(_silu, "SiLU", HALF),
    "mish": Activation(_mish, "Mish", HALF),
    "softplus": Activation(_softplus, "Softplus", HALF),
    "softsign": Activation(_softsign, "Softsign"),
    "tanh": Activation(np.tanh, "Tanh", 5 / 3),
    "sigmoid": Activation(special.expit, "Sigmoid"),
    "log_sigmoid": Activation(lambda x: -_softplus(-x), "LogSigmoid"),
    "hard_sigmoid": Activation(_hard_sigmoid, "Hardsigmoid"),
    "hard_swish": Activation(_hard_swish, "Hardswish", HALF),
    "hard_tanh": Activation(_hard_tanh, "Hardtanh"),
    "tanh_shrink": Activation(_tanh_shrink, "Tanhshrink"),
    "exp": Activation(np.exp),
}
"""Name → activation. The derivative of `relu` and its kin at 0 is 0."""

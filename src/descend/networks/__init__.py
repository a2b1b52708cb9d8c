"""Networks: layers are functions with a start, and a network is a model like any other.

>>> import numpy as np
>>> import descend
>>> from descend import networks as nn
>>> x = np.linspace(-1, 1, 64).reshape(-1, 1)
>>> fit = descend.fit(nn.mlp([16], activation="tanh"), x, np.abs(x[:, 0]), lr=0.01, batch_size=16)
>>> fit.loss < 0.01
True
"""

from __future__ import annotations

import functools

from descend.networks.activations import ACTIVATIONS, relu
from descend.networks.initialisers import INITIALISERS
from descend.networks.layers import (
    Embedding,
    Flatten,
    Layer,
    LayerNorm,
    Linear,
    RMSNorm,
    activation,
)
from descend.networks.network import Network, Residual, Sequential, mlp

__all__ = [
    "ACTIVATIONS", "CELU", "ELU", "GELU", "INITIALISERS", "SELU", "Embedding", "Flatten",
    "Hardsigmoid", "Hardswish", "Hardtanh", "Identity", "Layer", "LayerNorm", "LeakyReLU",
    "Linear", "LogSigmoid", "Mish", "Network", "RMSNorm", "ReLU", "ReLU6", "Residual",
    "Sequential", "SiLU", "Sigmoid", "Softplus", "Softsign", "Tanh", "Tanhshrink", "activation",
    "mlp", "relu",
]  # fmt: skip

ReLU = functools.partial(activation, "relu")
LeakyReLU = functools.partial(activation, "leaky_relu")
ReLU6 = functools.partial(activation, "relu6")
ELU = functools.partial(activation, "elu")
SELU = functools.partial(activation, "selu")
CELU = functools.partial(activation, "celu")
GELU = functools.partial(activation, "gelu")
SiLU = functools.partial(activation, "silu")
Mish = functools.partial(activation, "mish")
Softplus = functools.partial(activation, "softplus")
Softsign = functools.partial(activation, "softsign")
Tanh = functools.partial(activation, "tanh")
Sigmoid = functools.partial(activation, "sigmoid")
LogSigmoid = functools.partial(activation, "log_sigmoid")
Hardsigmoid = functools.partial(activation, "hard_sigmoid")
Hardswish = functools.partial(activation, "hard_swish")
Hardtanh = functools.partial(activation, "hard_tanh")
Tanhshrink = functools.partial(activation, "tanh_shrink")
Identity = functools.partial(activation, "identity")

"""Networks: layers are functions with a start, and a network is a model like any other.

>>> import numpy as np
>>> import descend
>>> x = np.linspace(-1, 1, 64).reshape(-1, 1)
>>> fit = descend.fit(
...     descend.networks.mlp(16, activation="tanh"), x, np.abs(x), optimizer="adam", lr=0.01,
...     batch_size=16, epochs=200,
... )
>>> fit.loss < 0.01
True
"""

from descend.networks.activations import ACTIVATIONS
from descend.networks.layers import Layer, activation, linear
from descend.networks.network import Network, Sequential, mlp

__all__ = ["ACTIVATIONS", "Layer", "Network", "Sequential", "activation", "linear", "mlp"]

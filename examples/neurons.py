"""What the units of a network make of two columns; and the boundary that comes of them."""

import numpy as np

import descend
from descend import networks as nn


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    kind = np.where((x**2).sum(axis=1) > 1.2, "outside", "inside")
    fit = descend.fit(nn.mlp([6, 4], activation="tanh"), x, kind, lr=0.02, epochs=300)
    print(f"right: {fit.metrics['accuracy']:.0%}")
    fit.plot_neurons("neurons.png")
    fit.plot_boundary("boundary.png")
    assert fit.metrics["accuracy"] > 0.97


if __name__ == "__main__":
    main()

"""Gradients by layer: behind eight sigmoids the first layer hardly learns."""

import numpy as np

import descend
from descend import networks as nn


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    y = x[:, 0] * x[:, 1]
    norms = {}
    for activation in ("sigmoid", "tanh"):
        hidden = [part for _ in range(8) for part in (nn.Linear(12), activation)]
        net = nn.Sequential(*hidden, nn.Linear())
        fit = descend.fit(net, x, y, lr=0.003, epochs=200, record=["params"])
        norms[activation] = fit.loss
        fit.plot_gradients("gradients.png" if activation == "sigmoid" else "tanh.png")
    print(f"after 200 epochs: sigmoid {norms['sigmoid']:.2f}, tanh {norms['tanh']:.2f}")
    assert norms["tanh"] < 0.5 * norms["sigmoid"]


if __name__ == "__main__":
    main()

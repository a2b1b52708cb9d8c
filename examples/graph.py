"""The graph of a function with the numbers of both passes, and the layers of a deep network."""

from pathlib import Path

import numpy as np

import descend
from descend import networks as nn


def f(x, y):
    return np.sin(x * y) + x**2 * np.exp(-y)


def main() -> None:
    told = descend.explain(f, 1.0, 2.0)
    dx, dy = (float(told.gradient[name]) for name in "xy")
    print(f"df/dx = {dx:.6f}, df/dy = {dy:.6f}")
    Path("graph.svg").write_text(told.to_svg(), encoding="utf-8")
    assert abs(dx - (2 * np.cos(2) + 2 * np.exp(-2))) < 1e-12

    x = np.random.default_rng(0).normal(size=(20, 2))
    deep = nn.Sequential(*[p for _ in range(6) for p in (nn.Linear(6), "sigmoid")], nn.Linear())
    layers = descend.explain(deep, x, x[:, 0], row=0)
    gone = [layer.name for layer in layers.layers if layers.unlike(layer)]
    print(f"what comes back vanishes in {', '.join(gone)}")
    Path("layers.svg").write_text(layers.to_svg(), encoding="utf-8")
    assert gone[0] == "0 Linear(6)"


if __name__ == "__main__":
    main()

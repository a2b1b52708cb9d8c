"""The loss over two parameters, with the way that the descent took on it."""

import numpy as np

import descend


def parabola(x, w1, w2):
    return w1 * x**2 + w2 * x + 6.0


def main() -> None:
    x = np.linspace(-1.0, 1.0, 100)
    fit = descend.fit(
        parabola, x, 4 * x**2 + 5 * x + 6, start=dict(w1=-6.0, w2=-4.0), record=["params"],
        optimizer=descend.SGD(lr=0.02, momentum=0.9), epochs=80, batch_size=20, seed=1,
    )  # fmt: skip
    w1, w2 = fit.params["w1"], fit.params["w2"]
    print(f"from (-6, -4) to ({w1:.3f}, {w2:.3f}) in {fit.epochs} epochs")
    fit.plot_surface("surface.png", over=("w1", "w2"))
    assert abs(w1 - 4) < 0.05 and abs(w2 - 5) < 0.05


if __name__ == "__main__":
    main()

"""Every parameter over the epochs: momentum carries them past their values, and back."""

import numpy as np

import descend


def parabola(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def main() -> None:
    x = np.linspace(-1.0, 1.0, 100)
    fit = descend.fit(
        parabola, x, 4 * x**2 + 5 * x + 6, start=dict(w1=0.0, w2=0.0, w3=0.0), record=["params"],
        optimizer=descend.SGD(lr=0.02, momentum=0.9), epochs=150,
    )  # fmt: skip
    highest = fit.history.params["w3"].max()
    print(f"w3 rises to {highest:.2f} on its way to {fit.params['w3']:.2f}")
    fit.plot_paths("paths.png")
    assert highest > 8 and abs(fit.params["w3"] - 6) < 0.1


if __name__ == "__main__":
    main()

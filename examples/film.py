"""A descent as a film: the curve goes to the points while the loss falls, and a ball rolls."""

import numpy as np

import descend


def parabola(x, w1, w2):
    return w1 * x**2 + w2 * x + 6.0


def main() -> None:
    rng = np.random.default_rng(0)
    x = np.linspace(-1.0, 1.0, 60)
    y = 4 * x**2 + 5 * x + 6 + 0.6 * rng.normal(size=60)
    fit = descend.fit(
        parabola, x, y, start=dict(w1=-6.0, w2=-4.0), record=["params"],
        optimizer=descend.SGD(lr=0.02, momentum=0.9), epochs=120,
    )  # fmt: skip
    film = fit.animate("descent.gif")
    print(f"{film.frames} pictures, {len(film.data) // 1000} kB")
    assert abs(fit.params["w1"] - 4) < 0.5 and len(film.data) < 600_000


if __name__ == "__main__":
    main()

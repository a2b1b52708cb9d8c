"""Thousands of whole trainings over learning rate and batch size, in one picture."""

import numpy as np

import descend


def parabola(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def main() -> None:
    x = np.linspace(-1.0, 1.0, 100)
    y = 4 * x**2 + 5 * x + 6 + 0.1 * np.random.default_rng(0).normal(size=100)
    found = descend.heat_map(
        parabola, x, y, start=dict(w1=0.0, w2=0.0, w3=0.0), optimizer="sgd", epochs=30,
        over=dict(lr=np.geomspace(1e-3, 2.0, 64), batch_size=[1, 2, 3, 5, 8, 13, 21, 34, 55, 100]),
    )  # fmt: skip
    best = found.at(*found.best)
    print(f"{found.loss.size} trainings, {found.diverged.sum()} diverged; best {best}")
    found.plot("map.png")
    assert found.diverged[-1, 0] and not found.diverged[0].any()
    assert np.nanmin(found.loss) < 0.02


if __name__ == "__main__":
    main()

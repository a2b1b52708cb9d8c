"""Backpropagation, the complete process, for one row: forward, loss, backward, update."""

from pathlib import Path

import numpy as np

import descend

DATA = Path(__file__).with_name("parabola.csv")
START = dict(w1=1, w2=0, w3=1)


def model(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def several(x):
    return 3 * x[0] ** 2 + 4 * x[1] ** 2 + 5 * x[2] ** 2


def main() -> None:
    print("A function of three variables at [1, 1, 1]:\n")
    print(descend.explain(several, np.ones(3)))

    x, y = np.loadtxt(DATA, delimiter=",", skiprows=1).T
    print("\nThe lesson's model at its start, on row 25 of its data:\n")
    told = descend.explain(model, x, y, row=25, start=START, optimizer=descend.SGD(lr=0.001))
    print(told)

    # The same chain rule by hand: what came in, times each local derivative.
    w1, w2, w3 = START.values()
    error = model(x[25], w1, w2, w3) - y[25]
    by_hand = 2 * error * np.array([x[25] ** 2, x[25], 1])
    gradient = descend.grad(
        lambda w: (model(x[25], w[0], w[1], w[2]) - y[25]) ** 2,
    )(np.array([w1, w2, w3], float))
    print(f"\nby hand:              dL/dw = {by_hand}\nby backpropagation:   dL/dw = {gradient}")
    assert np.allclose(by_hand, gradient, rtol=1e-12)
    assert np.allclose(by_hand, list(told.gradient.values()), rtol=1e-12)


if __name__ == "__main__":
    main()

"""Several methods, and one rate that is too large, in one picture."""

import warnings

import numpy as np

import descend


def parabola(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def main() -> None:
    x = np.linspace(-1.0, 1.0, 100)
    y = 4 * x**2 + 5 * x + 6
    methods = {
        "gradient descent": descend.SGD(lr=0.1), "the same, lr=1.2": descend.SGD(lr=1.2),
        "with momentum": descend.SGD(lr=0.1, momentum=0.8), "Adam": descend.Adam(lr=0.3),
        "L-BFGS": descend.LBFGS(),
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", descend.DivergedWarning)  # one is meant to
        runs = {
            name: descend.fit(parabola, x, y, start=dict(w1=0.0, w2=0.0, w3=0.0), epochs=120,
                              optimizer=method)
            for name, method in methods.items()
        }  # fmt: skip
    for name, run in runs.items():
        print(f"{name:17} {run.loss:9.3g}  {run.status}")
    descend.plot_race(runs, "race.png")
    assert runs["L-BFGS"].loss < 1e-20 < runs["with momentum"].loss < runs["gradient descent"].loss
    assert not runs["the same, lr=1.2"].success


if __name__ == "__main__":
    main()

"""The demonstration: the lesson's job and a certified dataset, two reports and two pictures."""

from pathlib import Path

import numpy as np

import descend

HERE = Path(__file__).parent
OUT = Path("demo-output")
CERTIFIED = 5642.7082397
SECOND_START = dict(b1=1300, b2=1500, b3=500, b4=75, b5=1, b6=0.4, b7=0.05)


def parabola(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def thurber(x, b1, b2, b3, b4, b5, b6, b7):
    return (b1 + b2 * x + b3 * x**2 + b4 * x**3) / (1 + b5 * x + b6 * x**2 + b7 * x**3)


def columns(name: str):
    return np.loadtxt(HERE / name, delimiter=",", skiprows=1).T


def lesson() -> bool:
    """The training job: squared error, batch size 1, in order, 1000 epochs."""
    x, y = columns("parabola.csv")
    fit = descend.fit(
        parabola,
        x,
        y,
        start=dict(w1=1, w2=0, w3=1),
        loss="mse",
        optimizer=descend.SGD(lr=0.001),
        batch_size=1,
        shuffle=False,
        epochs=1000,
        stop_loss=1e-5,
    )
    print(fit)
    fit.plot(str(OUT / "parabola.png"))
    got = "{w1:.9f} {w2:.9f} {w3:.9f}".format(**fit.params)
    return got == "4.334302857 4.653193452 6.061894967"


def mobility() -> bool:
    """NIST's Thurber data from the second start, by Levenberg–Marquardt."""
    x, y = columns("thurber.csv")
    fit = descend.fit(thurber, x, y, start=SECOND_START)
    print(fit)
    fit.plot(str(OUT / "thurber.png"))
    squares = float(np.sum(fit.residuals**2))
    print(f"residual sum of squares {squares:.7f}, certified {CERTIFIED}")
    return abs(squares / CERTIFIED - 1) < 5e-7


def main() -> None:
    OUT.mkdir(exist_ok=True)
    print("The lesson: y = 4x² + 5x + 6 learnt from 100 points by gradient descent\n")
    right = lesson()
    print("\nElectron mobility in a semiconductor (NIST, Thurber), from its second start\n")
    right = mobility() and right
    print(f"pictures: {OUT / 'parabola.png'}, {OUT / 'thurber.png'}")
    if not right:
        raise SystemExit("The numbers above are not the known ones.")
    print("The numbers are the known ones.")


if __name__ == "__main__":
    main()

"""The training job: y = 4x² + 5x + 6 learnt from 100 points, one row at a time.

usage: python examples/lesson_5_training.py [EVERY]     (show every so many epochs; 1 shows each)
"""

import sys
from pathlib import Path

import numpy as np

import descend

DATA = Path(__file__).with_name("parabola.csv")
PICTURE = Path("demo-output") / "lesson-5.png"


def model(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def train(epochs: int):
    x, y = np.loadtxt(DATA, delimiter=",", skiprows=1).T
    return descend.fit(
        model,
        x,
        y,
        start=dict(w1=1, w2=0, w3=1),
        loss="mse",
        optimizer=descend.SGD(lr=0.001),
        batch_size=1,
        shuffle=False,
        epochs=epochs,
        stop_loss=1e-5,
    )


def show(fit) -> list[float]:
    weights = [float(fit.params[name]) for name in ("w1", "w2", "w3")]
    loss = fit.history["loss"][-1]
    print(f"{fit.epochs} epochs, running loss {loss:.8g}")
    print("w = ({:.9f}, {:.9f}, {:.9f})".format(*weights))
    return weights


def main() -> None:
    every = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    fit = train(epochs=1000)
    for epoch, loss in zip(fit.history["epoch"], fit.history["loss"], strict=True):
        if epoch % every == 0 or epoch == 1:
            print(f"epoch {epoch:4d}   loss {loss:.8f}")
    weights = show(fit)
    assert np.allclose(weights, [4.334302857, 4.653193452, 6.061894967], rtol=0, atol=5e-10)
    assert f"{fit.history['loss'][-1]:.8g}" == "0.00064228662"

    PICTURE.parent.mkdir(exist_ok=True)
    fit.plot(str(PICTURE))
    print(f"truth and prediction: {PICTURE}\n")

    print("With 100 000 epochs allowed:")
    longer = train(epochs=100_000)
    weights = show(longer)
    assert np.allclose(weights, [4.041695580, 4.956744910, 6.007719786], rtol=0, atol=5e-10)
    assert longer.epochs == 4830 and f"{longer.history['loss'][-1]:.6g}" == "9.99145e-06"


if __name__ == "__main__":
    main()

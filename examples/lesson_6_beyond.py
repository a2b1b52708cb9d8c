"""What follows from the lesson: batch sizes, optimisers, losses, and a good start."""

import tempfile
from pathlib import Path

import numpy as np

import descend

DATA = Path(__file__).with_name("parabola.csv")
START = dict(w1=1, w2=0, w3=1)
TRUTH = (4, 5, 6)


def model(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def line(title: str, fit) -> None:
    weights = "  ".join(f"{name} {float(value):8.5f}" for name, value in fit.params.items())
    print(f"  {title:26s} loss {fit.loss:10.3e}   {weights}   {fit.seconds:.3f} s")


def distance(fit) -> float:
    return float(np.abs(np.subtract([float(v) for v in fit.params.values()], TRUTH)).max())


def batch_sizes(x, y) -> None:
    print("The same number of epochs, different batch sizes:")
    losses = []
    for size in (1, 5, 20, 100):
        rule = descend.SGD(lr=0.001)
        fit = descend.fit(
            model, x, y, start=START, optimizer=rule, batch_size=size, shuffle=False, epochs=1000
        )
        line(f"batch size {size}", fit)
        losses.append(fit.loss)
    assert losses == sorted(losses)


def optimizers(x, y) -> None:
    print("\nDifferent optimisers, 1000 epochs of shuffled batches of 20:")
    for rule in (
        descend.SGD(lr=0.05),
        descend.SGD(lr=0.05, momentum=0.9, nesterov=True),
        descend.Adagrad(lr=0.5),
        descend.RMSprop(lr=0.01),
        descend.Adam(lr=0.01),
        descend.AdamW(lr=0.01, weight_decay=0.001),
    ):
        title = type(rule).__name__ + (" with momentum" if getattr(rule, "momentum", 0) else "")
        fit = descend.fit(model, x, y, start=START, optimizer=rule, batch_size=20, epochs=1000)
        line(title, fit)
    print("and on all rows at once, with curvature:")
    for name in ("bfgs", "lm"):
        fit = descend.fit(model, x, y, start=START, optimizer=name)
        line(name, fit)
        assert distance(fit) < 1e-4


def losses(x, y) -> None:
    print("\nTwo of the 100 points are wrong by 50; different losses:")
    spoilt = y.copy()
    spoilt[[20, 70]] += 50
    found = {}
    for loss in ("mse", "mae", "huber", "log_cosh"):
        fit = descend.fit(
            model,
            x,
            spoilt,
            start=START,
            loss=loss,
            optimizer=descend.Adam(lr=descend.cosine(0.05, epochs=3000)),
            epochs=3000,
        )
        line(loss, fit)
        found[loss] = distance(fit)
    assert found["mae"] < 0.1 * found["mse"] and found["huber"] < 0.5 * found["mse"]


def good_start(x, y) -> None:
    print("\nA good start, taken from earlier training:")
    rule = descend.SGD(lr=0.001)
    course = dict(optimizer=rule, batch_size=1, shuffle=False, stop_loss=1e-5)
    first = descend.fit(model, x, y, start=START, epochs=4000, **course)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "parabola.descend")
        first.save(path)
        second = descend.fit(model, x, y, start=descend.load(path), epochs=4000, **course)
    line(f"from w = (1, 0, 1): {first.epochs}", first)
    line(f"from the saved fit: {second.epochs}", second)
    assert first.epochs + second.epochs == 4830


def main() -> None:
    x, y = np.loadtxt(DATA, delimiter=",", skiprows=1).T
    batch_sizes(x, y)
    optimizers(x, y)
    losses(x, y)
    good_start(x, y)


if __name__ == "__main__":
    main()

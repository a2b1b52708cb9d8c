"""More than 200 runs whose state is known otherwise: certified values, spectra, what was done.

The labels follow from NIST's certified sums of squares, from the spectral radius of the map that an
epoch of a linear model is, and from learning rates that are next to nothing or far too large.
"""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import descend
from descend import networks as nn
from descend.studio.narration import Course, narrate

sys.path.append(str(Path(__file__).parents[1] / "fitting"))

from nist import problems

X = np.arange(100) / 100
ROWS = np.stack([X**2, X, np.ones(100)], 1)
START = np.array([1.0, 0.0, 1.0])
WEIGHTS = ("w1", "w2", "w3")
LEAST_RIGHT = 0.95
FEWEST = 200


class Case(NamedTuple):
    """What is told of a run, and what is right."""

    name: str
    told: str
    right: set[str]


def told_after(run: Any, epochs: int) -> str:
    """The state after so many epochs, by the facts that the studio has."""
    first = run.loss
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        run.step(epochs=epochs)
        fit = run.fit if run.ended else None
        loss, history = run.loss, run.history
    goal = fit.stop_loss if fit is not None and fit.status == "stop_loss" else None
    return narrate(Course(
        np.asarray(history["epoch"]), np.asarray(history["loss"]), first, loss, run.epoch,
        verdict="" if fit is None else fit.verdict, goal=goal,
    )).state  # fmt: skip


def parabola(x: Any, w1: Any, w2: Any, w3: Any) -> Any:
    return w1 * x**2 + w2 * x + w3


def of_parabola(y: Any, **options: Any) -> Any:
    start = dict(zip(WEIGHTS, START.tolist(), strict=True))
    return descend.start(parabola, X, y, start=start, loss="mse", optimizer="sgd", **options)


def nist() -> Iterator[Case]:
    """To the end: at the certified sum of squares or elsewhere; and on the way there."""
    for problem in problems().values():
        x, y = problem.data
        for number, begin in enumerate(problem.starts, 1):
            name = f"{problem.name} from start {number}"
            run = descend.start(problem.function, x, y, start=begin, optimizer="lm")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                told = told_after(run, 3000)
                rss = run.loss * len(y)
            arrived = rss <= problem.rss * (1 + 1e-6) + 1e-15
            yield Case(name, told, {"arrived"} if arrived else {"stuck", "diverging"})
            half = descend.start(problem.function, x, y, start=begin, optimizer="lm")
            before = half.loss
            told = told_after(half, 2)
            if not half.ended and problem.rss < 0.9 * half.loss * len(y) < 0.8 * before * len(y):
                yield Case(f"{name}, on the way", told, {"converging"})


def radius(lr: float) -> float:
    """The spectral radius of an epoch, one row at a time in order."""
    whole = np.eye(3)
    for row in ROWS:
        whole = (np.eye(3) - 2 * lr * np.outer(row, row)) @ whole
    return float(np.abs(np.linalg.eigvals(whole)).max())


def losses_of(lr: float, epochs: int) -> np.ndarray:
    """The running loss of each epoch, by a plain loop."""
    w, y, found = START.copy(), ROWS @ [4.0, 5.0, 6.0], []
    for _ in range(epochs):
        total = 0.0
        for row, target in zip(ROWS, y, strict=True):
            error = row @ w - target
            total += error**2
            w = w - 2 * lr * error * row
        found.append(total / 100)
    return np.array(found)


def lesson() -> Iterator[Case]:
    """The lesson's run at 40 rates: whether an epoch contracts, and if the loss still falls."""
    y = ROWS @ [4.0, 5.0, 6.0]
    for lr in np.geomspace(1e-9, 2, 40).tolist():
        run = of_parabola(y, lr=lr, batch_size=1, shuffle=False, stop_loss=1e-5)
        told = told_after(run, 60)
        if radius(lr) > 1:
            right = {"diverging"}
        else:
            losses = losses_of(lr, 60)
            below = losses < 1e-5
            a_step = 1 - (losses[-1] / losses[0]) ** (1 / 59)
            right = {"goal"} if below.any() else {"stuck"} if a_step < 1e-6 else {"converging"}
            if 1e-6 <= a_step < 1e-4 and not below.any():
                right = {"converging", "stuck"}  # neither is wrong
        yield Case(f"the lesson at lr={lr:.3g}", told, right)


def noisy() -> Iterator[Case]:
    """Shuffled batches of noisy rows: their losses swing for ever about what the noise leaves."""
    rng = np.random.default_rng(1)
    for seed in range(10):
        y = ROWS @ [4.0, 5.0, 6.0] + rng.normal(0, 1, 100)
        for lr in (0.1, 0.2, 0.3):
            run = of_parabola(y, lr=lr, batch_size=1, seed=seed)
            yield Case(f"noise {seed} at lr={lr}", told_after(run, 600), {"oscillating"})
        run = of_parabola(y, lr=0.5)
        yield Case(f"noise {seed}, all rows", told_after(run, 20_000), {"stuck", "arrived"})


def quadratics() -> Iterator[Case]:
    """All rows at once: a rate beyond 2/λ leaves, one below it comes down."""
    rng = np.random.default_rng(2)
    for number in range(10):
        rows = rng.normal(size=(50, 4))
        y = rows @ rng.normal(size=4)
        largest = float(np.linalg.eigvalsh(2 * rows.T @ rows / 50).max())
        for share in (0.2, 1.0, 1.8, 2.2, 3.0):
            run = descend.start(
                lambda x, w: x @ w, rows, y, start={"w": np.zeros(4)}, optimizer="sgd",
                lr=share / largest,
            )  # fmt: skip
            right = "diverging" if share > 2 else "converging"
            yield Case(f"regression {number} at {share}/λ", told_after(run, 40), {right})


def networks() -> Iterator[Case]:
    """A rate of next to nothing, one at which it learns, and one that is far too large."""
    rng = np.random.default_rng(3)
    for seed in range(8):
        x = rng.normal(size=(80, 2))
        y = np.sin(x[:, 0]) + x[:, 1]
        for lr, right in ((1e-9, "stuck"), (0.03, "converging"), (1e3, "diverging")):
            net = nn.mlp([12], activation="tanh")
            run = descend.start(net, x, y, optimizer="sgd", lr=lr, seed=seed, batch_size=80)
            yield Case(f"network {seed} at lr={lr}", told_after(run, 100), {right})


def test_states_are_named_right() -> None:
    cases = [*nist(), *lesson(), *noisy(), *quadratics(), *networks()]
    wrong = [f"{c.name}: {c.told}, not {c.right}" for c in cases if c.told not in c.right]
    assert len(cases) >= FEWEST
    assert len(wrong) <= (1 - LEAST_RIGHT) * len(cases), "\n".join(wrong)
    lost = [c.name for c in cases if c.right == {"diverging"} and c.told == "converging"]
    assert not lost

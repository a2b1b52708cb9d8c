"""The state is named by facts: made courses, and runs whose ending is known."""

import warnings

import numpy as np
import pytest

from descend.studio.frames import STATES
from descend.studio.narration import ENDS, Course, narrate
from descend.studio.setup import PARABOLA
from descend.train.start import start

EPOCHS = np.arange(1, 101)
NONE = np.zeros(0)
RNG = np.random.default_rng(0)


def course(losses: np.ndarray, **more: object) -> Course:
    epochs = np.arange(1, len(losses) + 1)
    known = dict(start=10.0, loss=float(losses[-1]), epoch=len(losses), rows=100)
    return Course(epochs, losses, **{**known, **more})


SWINGING = 1 + 0.3 * np.cos(2.4 * EPOCHS)
COURSES = {
    "falling fast": (course(0.5**EPOCHS), "converging"),
    "falling slowly": (course(0.999**EPOCHS), "converging"),
    "falling with noise": (course(0.9**EPOCHS * RNG.uniform(0.8, 1.2, 100)), "converging"),
    "few epochs": (course(np.array([5.0, 4.0])), "converging"),
    "swinging": (course(SWINGING), "oscillating"),
    "two by turns": (course(np.where(EPOCHS % 2, 1.0, 2.0)), "oscillating"),
    "swinging and falling": (course(SWINGING * 0.9**EPOCHS), "converging"),
    "flat": (course(np.full(100, 3.0)), "stuck"),
    "hardly falling": (course(3 - 1e-9 * EPOCHS), "stuck"),
    "growing": (course(2.0**EPOCHS, loss=2.0**100), "diverging"),
    "fallen, then growing": (course(np.append(0.5**EPOCHS[:50], 4.0**EPOCHS[:20])), "diverging"),
    "thrown far at first": (course(np.array([10.0, 1e5]), loss=1e5), "diverging"),
    "swinging by rounding": (course(3 + 1e-12 * (-1.0) ** EPOCHS), "stuck"),
    "no number": (course(np.array([1.0, 2.0, 3.0]), loss=np.nan), "diverging"),
    "infinite in the first epoch": (Course(NONE, NONE, 1.0, np.inf, 0, 5, 100), "diverging"),
    "grown in the first epoch": (Course(NONE, NONE, 1.0, 3.0, 0, 5, 100), "diverging"),
    "in the first epoch": (Course(NONE, NONE, 1.0, 0.9, 0, 5, 100), "first"),
    "at the start": (Course(NONE, NONE, 1.0, 1.0, 0, 0, 100), "ready"),
    "diverged": (course(0.5**EPOCHS, verdict="diverged"), "diverging"),
    "at a minimum": (course(0.5**EPOCHS, verdict="minimum"), "arrived"),
    "ended by a rule while it fell": (course(0.9**EPOCHS, verdict="rule"), "converging"),
    "below its goal": (course(0.5**EPOCHS, verdict="rule", goal=1e-9), "goal"),
}  # fmt: skip


@pytest.mark.parametrize("name", COURSES)
def test_a_course_is_named(name: str) -> None:
    made, state = COURSES[name]
    told = narrate(made)
    assert told.state == state
    assert {*STATES[state]} <= {*told.numbers}


def test_a_unit_of_the_loss_changes_no_state() -> None:
    for made, state in COURSES.values():
        for unit in (1e-12, 1e12):
            other = Course(
                made.epochs, made.losses * unit, made.start * unit, made.loss * unit, made.epoch,
                made.examples, made.rows, made.verdict, made.goal,
            )  # fmt: skip
            assert narrate(other).state == state


def test_every_verdict_of_an_end_has_its_word() -> None:
    assert {*ENDS.values()} <= {*STATES}
    assert "rule" not in ENDS and "interrupted" not in ENDS


@pytest.mark.parametrize("lr", [1e-4, 1e-3, 1e-2, 0.1, 0.3, 0.5, 0.7])
def test_a_parabola_that_comes_down_is_called_converging_on_its_way(lr: float) -> None:
    assert {told_by(lr, n) for n in (1, 5, 10)} <= {"converging", "goal"}


@pytest.mark.parametrize("lr", [0.8, 0.9, 1.0, 1.5])
def test_a_parabola_that_leaves_is_called_diverging_and_never_converging(lr: float) -> None:
    assert {told_by(lr, n) for n in (1, 2, 3, 50)} == {"diverging"}


def told_by(lr: float, epochs: int) -> str:
    """The state of the lesson's run at another rate, after so many epochs."""
    model, x, y, options = PARABOLA.call(PARABOLA.source.table())
    run = start(model, x, y, **{**options, "lr": lr})
    first = run.loss
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run.step(epochs=epochs)
        fit = run.fit if run.ended else None
    return narrate(Course(
        np.asarray(run.history["epoch"]), np.asarray(run.history["loss"]), first, run.loss,
        run.epoch, run.updates % 100, 100, "" if fit is None else fit.verdict,
        1e-5 if fit is not None and fit.status == "stop_loss" else None,
    )).state  # fmt: skip

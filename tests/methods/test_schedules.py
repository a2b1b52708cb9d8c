"""Schedules against their formulas, written out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from descend.errors import UsageError
from descend.methods.first_order import SGD
from descend.methods.schedules import (
    ByFunction,
    Constant,
    as_schedule,
    constant,
    cosine,
    exponential,
    plateau,
    step,
    warmup,
)

EPOCHS = [0.0, 1.0, 2.0, 3.0, 7.0, 20.0, 21.0, 1000.0]

FORMULAS = {
    "constant": (constant(0.3), lambda k: 0.3),
    "step": (step(0.3, every=3, gamma=0.5), lambda k: 0.3 * 0.5 ** (k // 3)),
    "exponential": (exponential(0.3, gamma=0.9), lambda k: 0.3 * 0.9**k),
    "cosine": (
        cosine(0.3, epochs=20, end=0.1),
        lambda k: 0.2 + 0.1 * math.cos(math.pi * min(k, 20) / 20),
    ),
    "warmup": (
        warmup(3, then=exponential(0.3, gamma=0.9), start=0.25),
        lambda k: 0.3 * (0.25 + 0.25 * k) if k < 3 else 0.3 * 0.9 ** (k - 3),
    ),
    "warmup of a number": (warmup(2, then=0.3, start=0.0), lambda k: 0.3 * min(k / 2, 1)),
    "warmup of warmup": (
        warmup(2, then=warmup(1, then=0.4, start=0.5), start=0.5),
        lambda k: [0.1, 0.15, 0.2][int(k)] if k < 3 else 0.4,
    ),
    "plateau, while the loss falls": (plateau(0.3, min_lr=0.1), lambda k: 0.3),
    "function": (as_schedule(lambda k: 1 / (1 + k)), lambda k: 1 / (1 + k)),
    "number": (as_schedule(0.5), lambda k: 0.5),
}


@pytest.mark.parametrize(("schedule", "formula"), FORMULAS.values(), ids=FORMULAS.keys())
def test_values(schedule, formula):
    for epoch in EPOCHS:
        assert float(schedule.value(epoch)) == pytest.approx(formula(epoch), rel=1e-14)
        assert float(schedule.value(np.array(epoch))) == float(schedule.value(epoch))


@pytest.mark.parametrize("schedule", [s for s, _ in FORMULAS.values()], ids=FORMULAS.keys())
def test_numbers_are_inputs_and_not_structure(schedule):
    numbers = {name: 0.5 * value for name, value in schedule.numbers().items()}
    bound = schedule.bind(numbers)
    assert bound.numbers() == numbers
    assert bound.structure() == schedule.structure()
    assert schedule.bind(schedule.numbers()) == schedule


def test_warmup_meets_the_schedule_that_follows():
    schedule = warmup(5, then=cosine(0.1, epochs=50))
    before, at = float(schedule.value(5 - 1e-9)), float(schedule.value(5.0))
    assert before == pytest.approx(at, rel=1e-8)
    assert at == pytest.approx(0.1, rel=1e-14)


def test_a_function_may_stand_for_the_rate():
    method = SGD(lr=lambda epoch: 0.1 / (1 + epoch))
    assert isinstance(method.lr, ByFunction)
    assert method.hyper(method.numbers(), t=1.0, epoch=3.0).lr == pytest.approx(0.025)


def test_a_schedule_is_itself():
    assert as_schedule(Constant(0.1)) == Constant(0.1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: as_schedule("fast"), "a learning rate is a number or a schedule, not 'fast'"),
        (lambda: as_schedule(True), "not True"),
        (lambda: cosine(0.1, epochs=0), r"Cosine: epochs must lie in \(0, inf\)"),
        (lambda: step(0.1, every=0), r"Step: every must lie in \[1, inf\)"),
        (lambda: warmup(0, then=0.1), r"Warmup: epochs must lie in \(0, inf\)"),
        (lambda: exponential(-0.1), r"Exponential: lr must lie in \[0, inf\)"),
    ],
)
def test_wrong_schedules_are_refused_in_words(make, words):
    with pytest.raises(UsageError, match=words):
        make()

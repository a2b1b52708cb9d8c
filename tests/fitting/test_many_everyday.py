"""Many fits with nothing said of where to start: each is where `fit` puts it, or lower."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest

import descend
from fitting.everyday import TASKS, decay, peak, wave
from fitting.test_everyday import least
from whole import sampled, whole_alone

ALIKE = 1 + 1e-6
X = np.linspace(0, 10, 80)


def losses_of_one(model: Callable, x: np.ndarray, targets: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", descend.DescendWarning)
        return np.array([descend.fit(model, x, y).loss for y in targets])


def everyday(name: str, seeds: range) -> None:
    task = TASKS[name]
    y = np.stack([task.data(seed) for seed in seeds])
    many = descend.fit_many(task.model, task.x, y)
    one = losses_of_one(task.model, task.x, y)
    assert many.success.all()
    assert np.all(many.loss <= one * ALIKE)
    oracle = np.array([least(task, own) for own in y]) / task.x.size
    assert np.all(many.loss <= oracle * ALIKE)


@sampled("name", [*TASKS][1:] + [*TASKS][:1], 2)
def test_an_everyday_model_needs_no_start_among_many(name: str) -> None:
    everyday(name, range(2))


@whole_alone
@pytest.mark.parametrize("name", TASKS)
def test_an_everyday_model_needs_no_start_in_six_sets_of_data(name: str) -> None:
    everyday(name, range(6))


def simulated(kind: str, fits: int) -> tuple[Callable, dict[str, np.ndarray], np.ndarray]:
    """A model, its truths, and data of it with noise of 2 % of their range."""
    rng = np.random.default_rng(11)

    def some(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, (fits, 1))

    model, truth = {
        "peak": (peak, {"h": some(1, 9), "m": some(0.5, 9.5), "s": np.exp(some(-1.6, 0.9))}),
        "wave": (wave, {"a": some(1, 5), "w": some(0.3, 22), "p": some(-3, 3)}),
        "decay": (decay, {"a": some(1, 5), "k": np.exp(some(-2.5, 2))}),
    }[kind]
    truth["c"] = some(-5, 5)
    clean = model(X, **truth)
    noise = 0.02 * np.ptp(clean, axis=1)[:, None] * rng.normal(size=clean.shape)
    return model, {name: value[:, 0] for name, value in truth.items()}, clean + noise


def every_one_is_found(kind: str, fits: int) -> None:
    model, truth, y = simulated(kind, fits)
    many = descend.fit_many(model, X, y)
    assert many.success.all()
    assert np.all(many.loss <= losses_of_one(model, X, y) * ALIKE)
    near = descend.fit_many(model, X, y, start=truth)
    assert np.all(many.loss <= near.loss * ALIKE)


@pytest.mark.parametrize("kind", ["peak", "wave", "decay"])
def test_every_simulated_one_is_found(kind: str) -> None:
    every_one_is_found(kind, 200)


@whole_alone
@pytest.mark.parametrize("kind", ["peak", "wave", "decay"])
def test_every_one_of_ten_thousand_is_found(kind: str) -> None:
    every_one_is_found(kind, 10_000)


def in_other_units(name: str, unit_x: float, unit_y: float) -> None:
    """The same data in other units have the same minimum, in one fit and in many."""
    task, y = TASKS[name], TASKS[name].data(0)
    if name == "lens":  # whose x and y are both lengths
        unit_y = unit_x
    base = least(task, y)
    fit = descend.fit(task.model, task.x * unit_x, y * unit_y)
    many = descend.fit_many(task.model, task.x * unit_x, (y * unit_y)[None])
    for chi2, success in ((fit.chi2, fit.success), (many.chi2[0], many.success[0])):
        assert success and chi2 / unit_y**2 <= base * ALIKE


@pytest.mark.parametrize("name", [*TASKS][::4])
def test_other_units_need_no_start_either(name: str) -> None:
    in_other_units(name, 1e-9, 1e6)


@whole_alone
@pytest.mark.parametrize("units", [(1e-9, 1.0), (1e6, 1e-6), (1e9, 1e9), (1e-6, 1e-12)], ids=str)
@pytest.mark.parametrize("name", TASKS)
def test_no_unit_needs_a_start(name: str, units: tuple[float, float]) -> None:
    in_other_units(name, *units)


def test_what_is_found_depends_on_no_neighbour() -> None:
    """The same bits alone and among others, of equal or unequal lengths, on any threads."""
    model, _, y = simulated("wave", 64)
    fits = [descend.fit_many(model, X, y, threads=n) for n in (1, 2, 3)]
    sets = [(X[: 40 + i % 40], own[: 40 + i % 40]) for i, own in enumerate(y)]
    unequal = descend.fit_many(model, sets)
    for i in (0, 7, 63):
        alone = descend.fit_many(model, X, y[i : i + 1])
        alone_unequal = descend.fit_many(model, sets[i : i + 1])
        for name, values in fits[0].params.items():
            assert {alone.params[name][0]} == {f.params[name][i] for f in fits} == {values[i]}
            assert alone_unequal.params[name][0] == unequal.params[name][i]

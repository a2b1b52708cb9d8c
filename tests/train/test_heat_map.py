"""Trainings over two numbers: each is that of `fit`, however many lie beside it."""

import copy
import pickle
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import descend
from descend import networks as nn
from descend.compile.packets import PacketFlow
from descend.errors import DivergedWarning
from descend.train import heat_map as module

X = np.arange(100) / 100
Y = 4 * X**2 + 5 * X + 6
START = {"w1": 1.0, "w2": 0.0, "w3": 1.0}
LESSON: dict[str, Any] = dict(start=START, loss="mse", optimizer="sgd", epochs=20)


def parabola(x: Any, w1: Any, w2: Any, w3: Any) -> Any:
    return w1 * x**2 + w2 * x + w3


def fitted(at: dict[str, float], **options: Any) -> descend.Fit:
    own = {**options, **{n: v for n, v in at.items() if n in ("lr", "batch_size", "seed")}}
    if "momentum" in at:
        own["optimizer"] = descend.SGD(lr=own.pop("lr"), momentum=at["momentum"])
    if "weight" in at:
        own["penalty"] = f"l2({at['weight']})"
    if "stop_loss" in at:
        own["stop_loss"] = at["stop_loss"]
    own["start"] = {**own["start"], **{n: v for n, v in at.items() if n in START}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return descend.fit(parabola, X, Y, **own)


def places(found: descend.HeatMap, count: int = 12) -> Iterator[tuple[int, int]]:
    rng = np.random.default_rng(0)
    for _ in range(count):
        i, j = (int(rng.integers(n)) for n in found.loss.shape)
        yield i, j


CALLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "start": (dict(lr=np.geomspace(1e-3, 2, 21), w1=np.linspace(-3, 8, 10)),
              dict(batch_size=1, shuffle=False)),
    "both starts": (dict(w1=np.linspace(-3, 8, 9), w3=np.linspace(-3, 8, 10)),
                    dict(lr=0.1, batch_size=1)),
    "batches": (dict(lr=np.geomspace(1e-3, 1, 17), batch_size=[1, 3, 7, 64, 100, 200]), {}),
    "seeds": (dict(seed=range(3), lr=np.geomspace(1e-3, 0.2, 20)), dict(batch_size=8)),
    "few": (dict(seed=range(3), batch_size=[1, 5]), dict(lr=0.1)),
    "momentum": (dict(momentum=np.linspace(0.1, 0.9, 9), lr=np.geomspace(1e-3, 0.1, 11)),
                 dict(batch_size=10, optimizer=descend.SGD(lr=0.1, momentum=0.1))),
    "adam": (dict(lr=np.geomspace(1e-3, 1, 16), weight=[0.001, 0.1]),
             dict(batch_size=16, optimizer="adam", penalty="l2(0.1)")),
    "stops": (dict(lr=np.geomspace(1e-2, 1, 16), stop_loss=[0.01, 0.1, 1.0]), dict(batch_size=1)),
    "all rows": (dict(lr=np.geomspace(1e-2, 1.2, 30), w2=[-1.0, 0.5, 1.0]), {}),
    "bounds": (dict(lr=np.geomspace(1e-3, 0.1, 8), w2=[1.0, 2.0]),
               dict(batch_size=1, bounds={"w1": (0, 2), "w2": (-0.5, None)})),
    "average": (dict(lr=np.geomspace(1e-3, 0.1, 8), w2=[1.0, 2.0]), dict(batch_size=20, ema=0.9)),
    "patience": (dict(lr=np.geomspace(1e-2, 1, 12), w2=[-1.0, 2.0]),
                 dict(batch_size=10, patience=3, validation_split=0.2)),
    "schedule": (dict(w1=[0.0, 1.0, 2.0], w2=np.linspace(-1, 1, 8)),
                 dict(batch_size=10, lr=descend.cosine(0.1, epochs=20))),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_every_training_is_that_of_fit(name: str) -> None:
    over, given = CALLS[name]
    options = LESSON | given
    found = descend.heat_map(parabola, X, Y, over=over, **options)
    assert found.loss.shape == tuple(len(v) for v in over.values())
    for i, j in places(found):
        alone = fitted(found.at(i, j), **options)
        assert found.diverged[i, j] == (alone.status == "diverged")
        if found.diverged[i, j]:
            assert np.isnan(found.loss[i, j])
            continue
        assert found.epochs[i, j] == alone.epochs
        for name in START:
            assert found.params[name][i, j] == pytest.approx(alone.params[name], rel=1e-9)
        losses = alone.history["loss"]
        kept = int(np.argmin(alone.history["validation_loss"])) if "patience" in given else -1
        if kept == -1:
            assert found.loss[i, j] == pytest.approx(losses[-1], rel=1e-9)
        else:
            least = alone.history["validation_loss"][kept]
            assert found.validation_loss[i, j] == pytest.approx(least, rel=1e-9)
        assert found.grew[i, j] == (losses[-1] > losses[0])


def test_lanes_are_what_makes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lesson's trainings are lanes, whose steps keep all that they carry in registers."""
    seen: list[PacketFlow] = []
    write = PacketFlow.write

    def noted(flow: PacketFlow) -> None:
        seen.append(flow)
        write(flow)

    monkeypatch.setattr(PacketFlow, "write", noted)
    monkeypatch.setenv("DESCEND_CACHE", "off")

    def own(x: Any, w1: Any, w2: Any, w3: Any) -> Any:
        return w1 * x**2 + w2 * x + w3

    over = dict(lr=np.geomspace(1e-3, 0.1, 16), w2=[0.0, 1.0])
    descend.heat_map(own, X, Y, over=over, **LESSON, batch_size=1)
    (flow,) = seen
    assert len(flow.held) == 5  # three weights, the sum of losses, the rate
    assert flow.width > 1


def test_bits_of_any_number_of_threads_and_neighbours() -> None:
    lrs, starts = np.geomspace(1e-3, 0.1, 40), np.linspace(-1, 1, 50)
    options = LESSON | dict(batch_size=3, seed=5)
    whole = descend.heat_map(parabola, X, Y, over=dict(lr=lrs, w1=starts), **options)
    for threads in (1, 3):
        again = descend.heat_map(
            parabola, X, Y, over=dict(lr=lrs, w1=starts), threads=threads, **options
        )
        np.testing.assert_array_equal(whole.loss, again.loss)
    part = descend.heat_map(parabola, X, Y, over=dict(lr=lrs[7:18], w1=starts[3:]), **options)
    np.testing.assert_array_equal(whole.params["w2"][7:18, 3:], part.params["w2"])


@pytest.mark.parametrize("hidden", [[4], [16], [8, 8]])
def test_networks_are_lanes_too(hidden: list[int]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    y = np.where(np.hypot(*x.T) > 1, "out", "in")
    over = dict(lr=np.geomspace(1e-3, 0.03, 9), batch_size=[1, 4, 50])
    found = descend.heat_map(nn.mlp(hidden), x, y, over=over, epochs=2)
    apart = descend.trainings(nn.mlp(hidden), x, y, over=over, epochs=2)
    np.testing.assert_allclose(found.loss.reshape(-1), apart.loss, rtol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those that have learnt nothing yet
        ends = apart.params
    for name, values in ends.items():
        np.testing.assert_allclose(
            found.params[name].reshape(values.shape), values, rtol=1e-3, atol=1e-5
        )


def test_what_has_no_start_is_looked_for_once() -> None:
    x = np.linspace(0.0, 3.0, 50)
    table = {"x": x, "y": 2 * np.exp(-1.3 * x)}
    over = dict(lr=np.geomspace(1e-3, 1e-2, 8), batch_size=[5, 50])
    options: dict[str, Any] = dict(optimizer="sgd", epochs=3)
    found = descend.heat_map("y = a*exp(-b*x)", table, over=over, **options)
    alone = descend.fit("y = a*exp(-b*x)", table, lr=over["lr"][3], batch_size=5, **options)
    assert found.params["a"][3, 0] == pytest.approx(alone.params["a"], rel=1e-9)
    (one,) = descend.trainings("y = a*exp(-b*x)", table, over=dict(lr=[1e-3]), **options)
    assert one.start == pytest.approx(alone.start)


def test_a_training_is_had_as_a_fit() -> None:
    over = dict(lr=np.geomspace(1e-3, 0.1, 8), w1=[0.0, 2.0])
    found = descend.heat_map(parabola, X, Y, over=over, **LESSON, batch_size=1)
    one = found.fit(*found.best)
    assert one.params["w1"] == pytest.approx(found.params["w1"][found.best])
    assert one.start["w1"] == found.at(*found.best)["w1"]


def test_zoom_is_the_same_over_a_part() -> None:
    over = dict(lr=np.geomspace(1e-3, 1.0, 31), batch_size=[1, 2, 4, 8, 16])
    found = descend.heat_map(parabola, X, Y, over=over, **LESSON)
    near = found.zoom(lr=(0.01, 0.1))
    assert near.loss.shape == found.loss.shape
    np.testing.assert_allclose(near.values[0], np.geomspace(0.01, 0.1, 31))
    np.testing.assert_allclose(near.loss[0], found.loss[10], rtol=1e-9)
    assert found.zoom(batch_size=(2, 4)).values[1].tolist() == [2, 3, 4]
    with pytest.raises(descend.UsageError, match="zoom goes from one lr to a larger one"):
        found.zoom(lr=(0.1, 0.01))
    with pytest.raises(descend.UsageError, match='the map is not over "beta"'):
        found.zoom(beta=(0.1, 0.2))


def test_one_by_one_where_lanes_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    over = dict(lr=np.geomspace(1e-3, 3.0, 9), batch_size=[1, 10])
    lanes = descend.heat_map(parabola, X, Y, over=over, **LESSON)
    monkeypatch.setattr(module, "MOST_NUMBERS", 0)
    module_built = descend.heat_map(lambda x, w1, w2, w3: w1 * x**2 + w2 * x + w3, X, Y,
                                    over=over, **LESSON)  # fmt: skip
    np.testing.assert_array_equal(lanes.diverged, module_built.diverged)
    np.testing.assert_array_equal(lanes.grew, module_built.grew)
    np.testing.assert_allclose(lanes.loss, module_built.loss, rtol=1e-6)
    assert lanes.updates == module_built.updates == 20 * 9 * (100 + 10)


def test_all_of_them_may_diverge() -> None:
    over = dict(lr=[5.0, 6.0, 7.0, 8.0], w1=[0.0, 1.0])
    found = descend.heat_map(parabola, X, Y, over=over, **LESSON | dict(epochs=100), batch_size=1)
    assert found.diverged.all()
    assert np.isfinite(found.params["w1"]).all()
    assert "8 diverged" in repr(found)
    with pytest.raises(descend.UsageError, match="every training diverged"):
        _ = found.best
    with pytest.warns(DivergedWarning):
        assert found.fit(0, 0).status == "diverged"


def test_it_travels_and_is_copied() -> None:
    over = dict(lr=np.geomspace(1e-3, 0.1, 8), w1=[0.0, 2.0])
    found = descend.heat_map(parabola, X, Y, over=over, **LESSON, batch_size=1)
    twin = copy.deepcopy(found)
    twin.loss[:] = 0
    assert found.loss.all()
    assert twin.zoom(lr=(0.01, 0.02)).loss.shape == found.loss.shape
    sent = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(sent.params["w1"], found.params["w1"])
    assert repr(sent) == repr(found)
    with pytest.raises(descend.UsageError, match="the model has stayed behind"):
        sent.fit(0, 0)


REFUSED = {
    "a map is over two numbers, not 1": dict(over=dict(lr=[0.1])),
    "the values of lr do not rise": dict(over=dict(lr=[0.1, 0.01], w1=[0.0, 1.0])),
    "over gives batch_size the value None": dict(over=dict(lr=[0.1], batch_size=[None])),
    'over names "learning_rate", which is no number of this program (did you mean "lr"?)': dict(
        over=dict(learning_rate=[0.1], w1=[0.0])
    ),
    "over gives lr no list of values": dict(over=dict(lr=0.1, w1=[0.0])),
    "LevenbergMarquardt has no learning rate": dict(
        over=dict(w1=[0.0], w2=[1.0]), optimizer=None, batch_size=None
    ),
    "w1 starts at 3, outside its bounds 0 to 2": dict(
        over=dict(lr=[0.1, 0.2], w1=[1.0, 3.0]), bounds={"w1": (0, 2)}
    ),
    "over begins w3 at 1, and it is tied to others": dict(
        over=dict(lr=[0.1, 0.2], w3=[1.0, 3.0]), ties={"w3": "2*w1"}, start=dict(w1=1.0, w2=0.0)
    ),
    "callback belongs to one run": dict(over=dict(lr=[0.1], w1=[0.0]), callback=print),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_refused(words: str) -> None:
    options = LESSON | dict(batch_size=1) | REFUSED[words]
    with pytest.raises(descend.UsageError, match=re.escape(words)):
        descend.heat_map(parabola, X, Y, **options)

"""Weights of hidden units, looked at and set while a run goes on: against NumPy by hand."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from descend.errors import UsageError
from descend.studio.frames import unpack
from descend.studio.opened import sample_setup
from descend.studio.session import Session
from descend.studio.setup import Layer, Setup
from descend.studio.way import Edit, Leg

SMALL = dataclasses.replace(
    sample_setup("xor"), layers=(Layer(3, "tanh"), Layer(2, "relu")), held=0.0, optimizer="sgd",
    numbers={"momentum": 0.5}, lr=0.1, batch_size=None, shuffle=False, seed=4,
)  # fmt: skip
NAMES = ("0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias")
UNIT = 3  # the first of the second layer
Params = dict[str, np.ndarray]


class Tab:
    def __init__(self, setup: Setup) -> None:
        self.session = Session(setup)
        self.have = -1

    def frame(self) -> dict[str, Any]:
        there, got = threading.Event(), []
        self.session.ask(self.have, lambda n, frame: (got.append((n, frame)), there.set()))
        assert there.wait(20), "no frame came"
        self.have = got[0][0]
        head, blocks = unpack(got[0][1])
        return {**head, **blocks}

    def after(self, name: str, value: Any = 1.0) -> dict[str, Any]:
        self.frame() if self.have < 0 else None
        self.session.order(name, value)
        return self.frame()

    @property
    def params(self) -> Params:
        return {name: np.array(leaf) for name, leaf in self.session.run.params.items()}

    @property
    def state(self) -> dict[str, np.ndarray]:
        """The parameters, and what the method keeps of its steps."""
        under_way = self.session.run.under_way
        names = under_way.built.descent.state
        return {n: np.array(a) for n, a in zip(names, under_way.bound.state, strict=True)}


@pytest.fixture
def opened() -> Iterator[Callable[[Setup], Tab]]:
    made: list[Tab] = []

    def opening(setup: Setup) -> Tab:
        made.append(Tab(setup))
        return made[-1]

    yield opening
    for tab in made:
        tab.session.close()


@pytest.fixture
def tab(opened: Callable[[Setup], Tab]) -> Tab:
    return opened(SMALL)


def data() -> tuple[np.ndarray, np.ndarray]:
    """The rows as the network takes them, and which of the two classes each is of."""
    table = SMALL.source.table()
    x = np.stack([table["x1"], table["x2"]], axis=1)
    _, y = np.unique(table["label"], return_inverse=True)
    return (x - x.mean(axis=0)) / x.std(axis=0), y.astype(float)


def forward(p: Params) -> tuple[np.ndarray, ...]:
    """(x, what each hidden layer gives, how probable the second class is)."""
    x, _ = data()
    first = np.tanh(x @ p["0.weight"].T + p["0.bias"])
    second = np.maximum(first @ p["2.weight"].T + p["2.bias"], 0)
    z = second @ p["4.weight"].T + p["4.bias"]
    return x, first, second, 1 / (1 + np.exp(-z[:, 0]))


def loss_of(p: Params) -> float:
    *_, likely = forward(p)
    _, y = data()
    return float(-np.mean(y * np.log(likely) + (1 - y) * np.log(1 - likely)))


def slopes(p: Params) -> Params:
    """The derivatives of the mean loss, by the chain rule."""
    x, first, second, likely = forward(p)
    _, y = data()
    out = ((likely - y) / len(y))[:, None]
    back = out @ p["4.weight"] * (second > 0)
    front = back @ p["2.weight"] * (1 - first**2)
    return {
        "0.weight": front.T @ x, "0.bias": front.sum(axis=0),
        "2.weight": back.T @ first, "2.bias": back.sum(axis=0),
        "4.weight": out.T @ second, "4.bias": out.sum(axis=0),
    }  # fmt: skip


def test_of_the_chosen_unit_the_weights_are_told_and_the_bias(tab: Tab) -> None:
    frame = tab.after("epoch")
    assert frame["unit"] == -1 and len(frame["weights"]) == 0
    scene = tab.session.scene()
    assert scene["units"] == [3, 2] and scene["incoming"] == [2, 3] and scene["scaled"]
    for unit, (layer, row) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]):
        frame, params = tab.after("unit", unit), tab.params
        weights, bias = params[f"{2 * layer}.weight"][row], params[f"{2 * layer}.bias"][row]
        assert frame["unit"] == unit and frame["weights"].tolist() == [*weights, bias, 0.0]
    assert tab.after("unit", 5)["unit"] == -1  # there is no such unit


def test_of_many_weights_the_others_are_told_by_their_norm(
    opened: Callable[[Setup], Tab],
) -> None:
    wide = opened(dataclasses.replace(SMALL, layers=(Layer(100, "tanh"), Layer(2, "tanh"))))
    frame = wide.after("unit", 10)  # ten units of the first layer have a map
    row = wide.params["2.weight"][0].astype(np.float64)
    assert len(frame["weights"]) == 66
    np.testing.assert_array_equal(frame["weights"][:64], row[:64])
    assert frame["weights"][64] == wide.params["2.bias"][0]
    assert frame["weights"][65] == pytest.approx(np.sqrt(np.sum(row[64:] ** 2)), rel=1e-12)


@pytest.mark.parametrize(
    ("place", "name", "at"), [(1, "2.weight", (0, 1)), (3, "2.bias", (0,))]
)
def test_one_number_is_set_and_nothing_else(
    tab: Tab, place: int, name: str, at: tuple[int, ...]
) -> None:
    tab.after("epoch", 3)
    before, params = tab.state, tab.params
    frame = tab.after("edit", [UNIT, place, 0.75])
    params[name][at] = 0.75
    for leaf, wanted in params.items():
        np.testing.assert_array_equal(tab.params[leaf], wanted)
    for kept, wanted in before.items():  # momentum stays as it is
        if kept not in NAMES:
            np.testing.assert_array_equal(tab.state[kept], wanted)
    assert (frame["updates"], frame["edits"], frame["undo"], frame["playing"]) == (3, 1, 1, 0)
    assert frame["loss"] == pytest.approx(loss_of(params), rel=1e-5)


def test_maps_and_plane_follow(tab: Tab) -> None:
    before = tab.after("epoch")
    frame, scene = tab.after("edit", [0, 1, 5.0]), tab.session.scene()
    side = scene["map"]
    table = SMALL.source.table()
    points = np.stack([table["x1"], table["x2"]], axis=1)
    across, up = (a + (np.arange(side) + 0.5) / side * (b - a) for a, b in scene["axes"])
    place = np.array([across[3], up[10]])
    w, b = tab.params["0.weight"][0], tab.params["0.bias"][0]
    wanted = np.tanh(w @ ((place - points.mean(axis=0)) / points.std(axis=0)) + b)
    maps = frame["maps"].reshape(5, side, side)
    assert maps[0, 10, 3] == pytest.approx(wanted, rel=1e-5)
    unchanged = before["maps"].reshape(5, side, side)[1:3]
    np.testing.assert_array_equal(maps[1:3], unchanged)
    assert not np.array_equal(frame["surface"], before["surface"])


def test_the_run_goes_on_from_what_was_set_with_its_momentum(tab: Tab) -> None:
    tab.after("batch")
    one = slopes({n: a.astype(float) for n, a in tab.session.descent.first.params.items()})
    tab.after("edit", [UNIT, 0, 0.5])
    before = {name: leaf.astype(float) for name, leaf in tab.params.items()}
    assert before["2.weight"][0, 0] == 0.5
    two = slopes(before)
    tab.after("batch")
    for name, leaf in tab.params.items():
        wanted = before[name] - 0.1 * (0.5 * one[name] + two[name])
        np.testing.assert_allclose(leaf, wanted, rtol=1e-4, atol=1e-6)


def test_one_step_back_is_what_stood_before_the_changes_of_a_number(tab: Tab) -> None:
    tab.after("epoch", 2)
    begin = tab.params
    for value in (1.0, 1.1, 1.2):
        tab.after("edit", [UNIT, 0, value])
    tab.after("edit", [0, 2, -1.0])
    frame = tab.after("undo")
    assert frame["undo"] == 1 and tab.params["0.bias"][0] == begin["0.bias"][0]
    assert tab.params["2.weight"][0, 0] == np.float32(1.2)
    frame = tab.after("undo")
    assert frame["undo"] == 0 and frame["edits"] == 6
    for name, leaf in tab.params.items():
        np.testing.assert_array_equal(leaf, begin[name])
    assert frame["loss"] == pytest.approx(loss_of(begin), rel=1e-5)
    assert tab.after("undo")["edits"] == 7  # there is nothing to go back to
    assert tab.session.way == [Leg(2, 0.1)]


def test_a_reset_begins_without_what_was_set(tab: Tab) -> None:
    begin = tab.params
    tab.after("edit", [0, 0, 9.0])
    assert tab.session.way == [Leg(0, 0.1, (Edit("0.weight", (0, 0), 9.0),))]
    frame = tab.after("reset")
    assert frame["undo"] == 0 and tab.session.way == [Leg(0, 0.1)]
    for name, leaf in tab.params.items():
        np.testing.assert_array_equal(leaf, begin[name])


def test_a_run_that_plays_goes_on_playing(tab: Tab) -> None:
    tab.after("play")
    frame = tab.after("edit", [0, 0, 50.0])
    while frame["edits"] < 1:
        frame = tab.frame()
    at = frame["updates"]
    while frame["updates"] <= at:
        frame = tab.frame()
    assert frame["playing"] == 1 and tab.params["0.weight"][0, 0] > 40


@pytest.mark.parametrize(
    "value",
    [
        1.0, [0, 0], [0, 0, np.nan], [0, 0, 1e7], [-1, 0, 1.0], [0.5, 0, 1.0], [0, -1, 1.0],
        [0, 0, "1"], ["0", 0, 1.0], None, [[0], 0, 1.0],
    ],
)  # fmt: skip
def test_what_is_no_weight_of_a_unit_is_refused(tab: Tab, value: Any) -> None:
    with pytest.raises(UsageError, match="edit takes no"):
        tab.session.order("edit", value)


def test_there_is_nothing_to_set_where_there_is_no_such_place(tab: Tab) -> None:
    begin = tab.params
    for unit, place in ((5, 0), (0, 3), (UNIT, 4)):
        assert tab.after("edit", [unit, place, 1.0])["undo"] == 0
    for name, leaf in tab.params.items():
        np.testing.assert_array_equal(leaf, begin[name])

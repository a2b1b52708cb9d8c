"""A tab's run: what orders do, against plain Python; frames; its thread."""

import math
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from descend.errors import UsageError
from descend.studio.frames import STATES, unpack
from descend.studio.orders import SPEEDS
from descend.studio.session import NO_FRAME, Session
from descend.studio.setup import PARABOLA
from descend.studio.way import Leg

X, Y = PARABOLA.source.table().values()
NAMES = ("w1", "w2", "w3")
FASTEST = len(SPEEDS) - 1
PATIENCE = 20.0


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Tab:
    """Somebody before a session: asks for a frame, and waits until it is there."""

    def __init__(self, **options: Any) -> None:
        self.heard: list[bool] = []
        self.session = Session(PARABOLA, changed=self.heard.append, **options)
        self.have = -1

    def frame(self) -> dict[str, Any]:
        there, got = threading.Event(), []
        self.session.ask(self.have, lambda n, frame: (got.append((n, frame)), there.set()))
        assert there.wait(PATIENCE), "no frame came"
        self.have, frame = got[0]
        head, blocks = unpack(frame)
        assert head["sequence"] == self.have
        return {**head, **blocks, "state": [*STATES][int(head["state"])]}

    def after(self, name: str, value: float = 1.0) -> dict[str, Any]:
        self.session.order(name, value)
        return self.frame()


pytestmark = pytest.mark.filterwarnings("ignore:diverged in epoch:descend.DivergedWarning")


@pytest.fixture
def tab() -> Iterator[Tab]:
    made = Tab()
    yield made
    made.session.close()


def by_hand(count: int, lr: float = 0.001, rows: int = 100) -> np.ndarray:
    """The parameters after so many steps of one row each, derivatives by hand."""
    w1, w2, w3 = 1.0, 0.0, 1.0
    for i in range(count):
        x, y = float(X[i % rows]), float(Y[i % rows])
        slope = 2 * (w1 * x * x + w2 * x + w3 - y)
        w1, w2, w3 = w1 - lr * slope * x * x, w2 - lr * slope * x, w3 - lr * slope
    return np.array([w1, w2, w3])


def loss_of(w: np.ndarray) -> float:
    return float(np.mean((w[0] * X**2 + w[1] * X + w[2] - Y) ** 2))


def test_it_begins_at_the_lessons_start(tab: Tab) -> None:
    frame, scene = tab.frame(), tab.session.scene()
    assert frame["state"] == "ready" and frame["playing"] == frame["ended"] == 0
    assert frame["epoch"] == frame["updates"] == 0
    assert frame["lr"] == 0.001 and frame["rows"] == 100 and frame["row"] == -1
    np.testing.assert_array_equal(frame["params"], [1, 0, 1])
    assert frame["loss"] == pytest.approx(loss_of(frame["params"]), rel=1e-14)
    assert scene["params"] == [*NAMES] and scene["batch_size"] == 1
    np.testing.assert_allclose(scene["y"], 4 * X**2 + 5 * X + 6)
    grid = np.array(scene["grid"])
    np.testing.assert_allclose(scene["first"], grid**2 + 1)
    np.testing.assert_allclose(frame["surface"], grid**2 + 1)


def test_one_example_is_one_step_of_plain_python(tab: Tab) -> None:
    for count in range(1, 103):  # into the second epoch
        frame = tab.after("example")
        before, after, row = by_hand(count - 1), by_hand(count), (count - 1) % 100
        assert (frame["updates"], frame["row"]) == (count, row)
        assert (frame["epoch"], frame["examples"]) == divmod(count, 100)
        np.testing.assert_allclose(frame["params"], after, rtol=1e-13)
        np.testing.assert_allclose(frame["before"], before, rtol=1e-13)
        x = np.array([X[row] ** 2, X[row], 1.0])
        assert frame["said"] == pytest.approx(x @ before, rel=1e-13)
        assert frame["says"] == pytest.approx(x @ after, rel=1e-13)
        assert frame["loss"] == pytest.approx(loss_of(after), rel=1e-12)
    assert frame["playing"] == 0


def test_a_batch_and_an_epoch(tab: Tab) -> None:
    frame = tab.after("batch")
    assert (frame["updates"], frame["row"]) == (1, -1)
    frame = tab.after("epoch")
    np.testing.assert_allclose(frame["params"], by_hand(101), rtol=1e-12)
    assert len(frame["losses"]) == 1 and frame["state"] == "converging"
    grid = np.array(tab.session.scene()["grid"])
    w = frame["params"]
    np.testing.assert_allclose(frame["surface"], w[0] * grid**2 + w[1] * grid + w[2], rtol=1e-13)


def test_the_losses_within_an_epoch_are_those_of_its_steps(tab: Tab) -> None:
    for _ in range(3):
        frame = tab.after("example")
    np.testing.assert_allclose(frame["within_epochs"], [0, 0.01, 0.02, 0.03])
    np.testing.assert_allclose(
        frame["within_losses"], [loss_of(by_hand(i)) for i in range(4)], rtol=1e-12
    )


def test_a_rate_counts_from_the_next_step_on_and_outlives_a_reset(tab: Tab) -> None:
    tab.after("example")
    frame = tab.after("lr", 0.25)
    assert (frame["lr"], frame["updates"]) == (0.25, 1)
    frame = tab.after("reset")
    assert (frame["updates"], frame["state"], frame["lr"]) == (0, "ready", 0.25)
    np.testing.assert_array_equal(frame["params"], [1, 0, 1])
    frame = tab.after("epoch")
    np.testing.assert_allclose(frame["params"], by_hand(100, 0.25), rtol=1e-11)


def played(tab: Tab) -> dict[str, Any]:
    """Play to the end."""
    frame = tab.after("play")
    while frame["playing"]:
        frame = tab.frame()
    return frame


def test_at_full_speed_it_ends_where_the_lesson_ends(tab: Tab) -> None:
    tab.after("speed", FASTEST)
    frame = played(tab)
    assert (frame["ended"], frame["epoch"], frame["updates"]) == (1, 4830, 483_000)
    assert [f"{w:.9f}" for w in frame["params"]] == ["4.041695580", "4.956744910", "6.007719786"]
    assert frame["state"] == "goal"
    assert frame["told"].tolist() == [4830, frame["epoch_loss"], 1e-5]
    assert f"{frame['epoch_loss']:.6g}" == "9.99145e-06"
    assert len(frame["losses"]) <= 1025 and frame["epochs"][-1] == 4830
    assert tab.heard == [True, False]


def test_the_pace_divides_the_descent_and_changes_nothing() -> None:
    clock = Clock()
    tab = Tab(clock=clock)
    tab.after("speed", SPEEDS.index(1000.0))
    frame = tab.after("play")
    for i in range(1, 8):
        clock.now += 0.125  # exact in binary
        while frame["updates"] < 125 * i:
            frame = tab.frame()
        assert frame["updates"] == 125 * i
        np.testing.assert_allclose(frame["params"], by_hand(125 * i), rtol=1e-12)
    tab.session.close()


def test_it_sleeps_until_the_next_step_is_due() -> None:
    """Somebody asks all the time for a frame that is a second away."""
    calls = []

    def clock() -> float:
        calls.append(None)
        return time.perf_counter()

    tab = Tab(clock=clock)
    tab.after("speed", 0)
    tab.after("play")
    before = len(calls)
    there = threading.Event()
    tab.session.ask(tab.have, lambda *_: there.set())
    assert there.wait(PATIENCE)
    assert len(calls) - before < 100
    tab.session.close()


def test_play_pause_and_toggle(tab: Tab) -> None:
    assert tab.after("toggle")["playing"] == 1
    assert tab.after("toggle")["playing"] == 0
    assert tab.after("play")["playing"] == 1
    at = tab.after("pause")["updates"]
    assert tab.after("example")["updates"] == at + 1
    assert tab.heard == [True, False, True, False]


def test_a_step_pauses(tab: Tab) -> None:
    tab.after("play")
    assert tab.after("example")["playing"] == 0


def test_a_divergence_ends_the_run_with_its_real_numbers(tab: Tab) -> None:
    tab.after("lr", 1.0)
    tab.after("speed", FASTEST)
    frame = played(tab)
    assert (frame["state"], frame["ended"]) == ("diverging", 1)
    assert frame["told"][1] == frame["loss"] and not frame["loss"] < 1e290


@pytest.mark.parametrize("order", ["play", "example", "epoch"])
def test_what_has_ended_begins_again(tab: Tab, order: str) -> None:
    tab.after("speed", FASTEST)
    played(tab)
    assert tab.after("speed", 0)["ended"] == 1
    frame = tab.after(order)
    assert frame["ended"] == 0 and frame["updates"] <= 100


WRONG = [
    ("fly", 1, 'there is no order "fly"'), ("lr", 0, "lr takes no 0"),
    ("lr", math.nan, "lr takes no nan"), ("lr", 1e9, "takes no"), ("speed", 99, "takes no 99"),
    ("speed", 0.5, "takes no 0.5"), ("speed", -1, "takes no -1"), ("example", 5, "takes no 5"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "words"), WRONG)
def test_wrong_orders_are_refused(tab: Tab, name: str, value: float, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        tab.session.order(name, value)
    assert tab.frame()["state"] == "ready"


def test_nobody_gets_a_frame_before_something_has_changed(tab: Tab) -> None:
    tab.frame()
    got: list[int] = []
    tab.session.ask(tab.have, lambda n, _: got.append(n))
    again = tab.after("example")
    assert got == [again["sequence"]]


def test_two_tabs_have_runs_of_their_own(tab: Tab) -> None:
    other = Tab()
    tab.after("epoch")
    assert other.frame()["updates"] == 0
    assert other.after("example")["updates"] == 1
    other.session.close()


def test_a_session_that_is_closed_ends_its_thread(tab: Tab) -> None:
    tab.after("play")
    tab.session.close()
    tab.session._thread.join(PATIENCE)
    assert not tab.session._thread.is_alive()
    got: list[bytes] = []
    tab.session.ask(-1, lambda _, frame: got.append(frame))
    assert got == [NO_FRAME]


def test_whoever_waits_is_told_that_the_session_is_closed(tab: Tab) -> None:
    tab.frame()
    told = threading.Event()
    tab.session.ask(tab.have, lambda _, frame: told.set() if frame == NO_FRAME else None)
    tab.session.close()
    assert told.wait(PATIENCE)


# --- the way


def test_the_way_tells_the_rates_and_how_far_each_went(tab: Tab) -> None:
    assert tab.session.way == [Leg(0, 0.001)]
    tab.after("lr", 0.01)  # before the first update: only the last rate counts
    tab.after("lr", 0.02)
    tab.after("batch", 150)
    tab.after("lr", 0.5)
    tab.after("example")
    assert tab.session.way == [Leg(150, 0.02), Leg(1, 0.5)]
    tab.after("lr", 0.03)
    assert tab.session.way == [Leg(150, 0.02), Leg(1, 0.5), Leg(0, 0.03)]
    tab.after("reset")
    assert tab.session.way == [Leg(0, 0.03)]


def test_an_order_steps_by_many(tab: Tab) -> None:
    seen = tab.after("epoch", 3)
    assert seen["updates"] == 300
    assert seen["path_epochs"].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(seen["paths"][3:6], by_hand(100), rtol=1e-12)
    seen = tab.after("batch", 7)
    assert seen["updates"] == 307
    np.testing.assert_allclose(seen["params"], by_hand(307), rtol=1e-12)


@pytest.mark.parametrize("value", [0, -1, 1.5, 10**7, math.nan])
def test_no_order_steps_by_less_than_one_or_by_parts(tab: Tab, value: float) -> None:
    for name in ("batch", "epoch"):
        with pytest.raises(UsageError, match=f"{name} takes no"):
            tab.session.order(name, value)

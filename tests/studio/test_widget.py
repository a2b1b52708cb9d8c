"""A notebook's cell without a notebook: what it is sent, and what it may say."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("anywidget", reason="the extra descend[notebook] is not installed")

from descend.errors import UsageError
from descend.studio.frames import unpack
from descend.studio.setup import PARABOLA
from descend.studio.widget import Studio
from descend.words import words_of

PATIENCE = 20.0
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Cell:
    """The other side of a widget: takes what is sent, and says what a cell says."""

    def __init__(self, **given: Any) -> None:
        self.scenes: list[dict[str, Any]] = []
        self.frames: list[bytes] = []
        self.studio = Studio(**given)
        self.studio.send = self.take  # type: ignore[method-assign]

    def take(self, message: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        if "scene" in message:
            self.scenes.append(message["scene"])
        self.frames += buffers or []

    def say(self, name: Any, value: Any = 1) -> None:
        self.studio._handle_custom_msg({"do": name, "value": value}, [])

    def wait(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.005)

    def head(self) -> dict[str, float]:
        return unpack(self.frames[-1])[0]


@pytest.fixture
def cell() -> Iterator[Cell]:
    made = Cell()
    yield made
    made.studio.close()


def test_a_cell_is_sent_the_scene_and_a_frame_after_each_that_was_drawn(cell: Cell) -> None:
    assert cell.frames == []
    cell.say("hello")
    cell.wait(lambda: len(cell.frames) == 1)
    assert cell.scenes[0]["params"] == ["w1", "w2", "w3"] and cell.head()["updates"] == 0
    cell.say("example")
    time.sleep(0.1)
    assert len(cell.frames) == 1  # the one before was not drawn yet
    cell.say("ack")
    cell.wait(lambda: len(cell.frames) == 2)
    assert cell.head()["updates"] == 1 and unpack(cell.frames[-1])[1]["params"][2] == 1.01


def test_orders_and_sliders_reach_the_run(cell: Cell) -> None:
    cell.say("hello")
    cell.say("lr", 0.25)
    cell.say("epoch")
    cell.wait(lambda: bool(cell.frames))
    while cell.head()["updates"] < 100:
        seen = len(cell.frames)
        cell.say("ack")
        cell.wait(lambda seen=seen: len(cell.frames) > seen)
    assert cell.head()["lr"] == 0.25


@pytest.mark.parametrize("name", ["fly", None, 3, "_end", {"a": 1}])
def test_what_a_cell_may_not_say_changes_nothing(cell: Cell, name: Any) -> None:
    cell.say("hello")
    cell.say(name)
    cell.say("lr", "high")
    cell.say("lr", -1)
    cell.studio._handle_custom_msg("epoch", [])
    cell.wait(lambda: len(cell.frames) == 1)
    assert cell.head()["updates"] == 0 and cell.head()["lr"] == 0.001


def test_the_run_lives_as_long_as_a_cell_shows_it(cell: Cell) -> None:
    first = cell.studio.session
    cell.say("hello")
    cell.say("hello")  # the same widget in two cells
    cell.say("bye")
    assert cell.studio.session is first
    cell.say("bye")
    assert cell.studio.session is None
    cell.say("epoch")  # of nobody's run
    cell.say("hello")
    assert cell.studio.session is not None and cell.studio.session is not first
    cell.wait(lambda: bool(cell.frames) and cell.head()["updates"] == 0)


def test_words_are_those_of_the_language(cell: Cell) -> None:
    assert cell.studio.words == words_of("studio", "en")
    cell.studio.lang = "zh"
    assert cell.studio.words["play"] == "播放"
    assert Cell(lang="zh").studio.words == words_of("studio", "zh")
    with pytest.raises(UsageError, match='no words in the language "de"'):
        Studio(lang="de")


def test_a_closed_widget_leaves_no_run(cell: Cell) -> None:
    assert cell.studio.controls["lr"] == -3.0 and PARABOLA.lr == 0.001
    cell.studio.close()
    assert cell.studio.session is None

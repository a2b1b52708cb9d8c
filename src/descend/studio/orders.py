"""What a session may be told to do: each order with the values that it takes.

An order is carried out in the run's thread, between two slices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from descend.errors import UsageError
from descend.studio.descent import Descent
from descend.studio.frames import PLANES
from descend.studio.slope import Slope
from descend.studio.way import Way
from descend.studio.weights import LARGEST, NO_UNIT, Weights
from descend.train.start import SteppedRun

__all__ = ["MOST_STEPS", "ORDERS", "SPEED", "SPEEDS", "check_order"]

SPEEDS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6, math.inf)
"""Examples a second; the last is as fast as it goes."""
SPEED = SPEEDS.index(3e3)
"""The one to begin with."""
RATES = (1e-6, 10.0)  # the learning rates that are taken
MOST_STEPS = 1_000_000  # batches or epochs of one order
MOST_UNITS = 1000  # numbers of units, and places of one
MOST_PLACES = 100  # of a curve that an order of many epochs leaves


class _Ordered(Protocol):
    """What orders need of a session."""

    descent: Descent
    slope: Slope
    weights: Weights
    _run: SteppedRun
    _way: Way
    _playing: bool

    def _play(self, playing: bool) -> None: ...
    def _restart(self) -> None: ...
    def _step(self, **by: int) -> None: ...
    def _one_example(self) -> None: ...
    def _moved(self) -> None: ...
    def _set_rate(self, lr: float) -> None: ...
    def _set_speed(self, number: int) -> None: ...


class _Order(NamedTuple):
    """What an order does, and the values that it takes."""

    carry_out: Callable[[_Ordered, Any], None]
    takes: Callable[[Any], bool] = lambda value: value == 1


def _reset(session: _Ordered) -> None:
    session._play(False)
    session._restart()


def _stepping(session: _Ordered, **by: int) -> None:
    """A single step, which pauses the run; one that has ended begins again."""
    if "examples" in by and not session.descent.takes_examples:
        return
    session._play(False)
    if session._run.ended:
        session._restart()
    if "examples" in by:
        session._one_example()
    else:
        session._step(**by)


def _epochs(session: _Ordered, count: int) -> None:
    """So many epochs, one after the other up to some, so that curves have their places."""
    each = -(-count // MOST_PLACES)
    for begin in range(0, count, each):
        if not begin or not session._run.ended:
            _stepping(session, epochs=min(each, count - begin))


def _choose_plane(session: _Ordered, plane: float) -> None:
    if session.slope.takes(plane):
        session.slope.choose(int(plane))


def _begin(session: _Ordered, values: dict[str, float]) -> None:
    """Begin at other values of some parameters."""
    session.descent.begin_at(values)
    _reset(session)


def _edit(session: _Ordered, edit: tuple[float, float, float]) -> None:
    """Set a weight of a unit, from which the run goes on, playing or not."""
    unit, place, value = edit
    if session.weights.set(session._run, session._way, int(unit), int(place), float(value)):
        session._moved()


def _undo(session: _Ordered) -> None:
    if session.weights.undo(session._run, session._way):
        session._moved()


def _counts(value: Any) -> bool:
    return value in range(1, MOST_STEPS)


def _are_starts(values: Any) -> bool:
    return isinstance(values, dict) and all(math.isfinite(v) for v in values.values())


def _is_edit(value: Any) -> bool:
    """Whether it is a unit, a place and a weight."""
    if not isinstance(value, list | tuple) or len(value) != 3:
        return False
    unit, place, weight = value
    known = unit in range(MOST_UNITS) and place in range(MOST_UNITS + 1)
    return known and isinstance(weight, int | float) and abs(weight) <= LARGEST


ORDERS = {
    "play": _Order(lambda s, _: s._play(True)),
    "pause": _Order(lambda s, _: s._play(False)),
    "toggle": _Order(lambda s, _: s._play(not s._playing)),
    "example": _Order(lambda s, _: _stepping(s, examples=1)),
    "batch": _Order(lambda s, v: _stepping(s, batches=int(v)), _counts),
    "epoch": _Order(lambda s, v: _epochs(s, int(v)), _counts),
    "reset": _Order(lambda s, _: _reset(s)),
    "begin": _Order(_begin, _are_starts),
    "plane": _Order(_choose_plane, lambda v: v in range(PLANES * PLANES)),
    "unit": _Order(
        lambda s, v: s.weights.choose(int(v)), lambda v: v in range(NO_UNIT, MOST_UNITS)
    ),
    "edit": _Order(_edit, _is_edit),
    "undo": _Order(lambda s, _: _undo(s)),
    "lr": _Order(lambda s, v: s._set_rate(v), lambda v: RATES[0] <= v <= RATES[1]),
    "speed": _Order(lambda s, v: s._set_speed(int(v)), lambda v: v in range(len(SPEEDS))),
}
"""What a session may be told to do."""


def check_order(name: str, value: Any) -> None:
    """Refuse what no session takes.

    Raises:
        UsageError: there is no such order, or it takes no such value.
    """
    if name not in ORDERS:
        raise UsageError(f'there is no order "{name}"', remedy=f"say {', '.join(ORDERS)}")
    if not ORDERS[name].takes(value):
        raise UsageError(f"{name} takes no {value!r}")

"""What one tab works on: a setup, its table, the run of both, and the runs that were kept."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.errors import DataError, UsageError
from descend.studio.opened import Opened
from descend.studio.orders import check_order
from descend.studio.report import Tape
from descend.studio.samples import Table
from descend.studio.session import Session
from descend.studio.setup import Setup, Source, hash_of

__all__ = ["Bench", "Kept"]

Array = np.ndarray[Any, np.dtype[Any]]
MOST_KEPT = 12
MOST_DRAWN = 2000  # rows of a table that points are added to
GOES = {"play": "play", "toggle": "play", "example": "example", "batch": "batch", "epoch": "epoch"}
"""Orders that have a run go on → what waits for a setup that is being compiled."""


class Kept(NamedTuple):
    """A run that was kept for comparison.

    Attributes:
        setup: of it, with the learning rate as it was set at last.
        epochs, losses: of its course.
        epoch, loss, state: where it stood.
        edited: whether weights were set by hand on its way.
    """

    setup: Setup
    epochs: Array
    losses: Array
    epoch: int
    loss: float
    state: str
    edited: bool


class Bench:
    """The setup of a tab and its session, which another setup makes anew.

    Everything but the making of sessions happens in the event loop.

    Attributes:
        setup: what is descended, learning rate and start as they are set now.
        table: of the setup's source.
        session: its run.
        runs: those that were kept.
        tape: the frames of the run that were shown.
        notes: what is to be said of how the table was read.
        waits: the order that is carried out as soon as a setup is compiled; empty for none.
    """

    setup: Setup
    table: Table
    session: Session

    def __init__(self) -> None:
        self._playing: Callable[[bool], None] = lambda _: None
        self.runs: list[Kept] = []
        self.notes: tuple[str, ...] = ()
        self._turn, self._making = 0, 0
        self.waits, self._value = "", 1.0
        self._waiting: Callable[[], None] = lambda: None
        self.closed = False
        self.tape = Tape()
        self.speed: int | None = None

    def tell_playing(self, told: Callable[[bool], None]) -> None:
        """Have somebody told, in the run's thread, whenever the run begins or ends to go on."""
        self._playing = told

    def tell_waiting(self, told: Callable[[], None]) -> None:
        """Have somebody told whenever another order waits, or none any more."""
        self._waiting = told

    def order(self, name: str, value: Any = 1.0) -> None:
        """Have something done with the run: with the next one, while its setup is compiled.

        An order that has a run go on is meant for the setup that was just asked for, and waits for
        it. The last one pressed counts: each of them ends what the others began, and whoever
        presses twice while nothing is seen to happen wants it once. Play, while it waits, is taken
        back by Play, as a run that plays is paused; so is any of them by Pause or Reset.

        Raises:
            UsageError: as of `Session.order`.
        """
        goes = GOES.get(name)
        if not self._making or (name == "toggle" and self.session.playing):
            self.session.order(name, value)
        elif goes is not None:
            check_order(name, value)
            taken_back = name == "toggle" and self.waits == "play"
            self._wait_for("" if taken_back else goes, value)
        else:
            self.session.order(name, value)
            if self.waits and name in ("pause", "reset"):
                self._wait_for("")

    def _wait_for(self, name: str, value: Any = 1.0) -> None:
        self.waits, self._value = name, value
        self._waiting()

    async def put(self, setup: Setup, opened: Opened | None = None) -> bool:
        """Make a session of a setup, off the loop, and close the one before.

        Args:
            opened: the table, where it is another one of the user's own.

        Returns:
            whether it is there; not where a later setup has overtaken it.

        Raises:
            DescendError: the setup or its table are refused; all stays as it was.
        """
        self._turn += 1
        turn = self._turn
        before = getattr(self, "session", None)
        rate = None if before is None else self.setup.lr
        table = opened.table if opened is not None else self._table_of(setup.source)
        self._making += 1
        try:
            session = await asyncio.to_thread(Session, setup, table, self._playing)
        except BaseException:
            self._making -= 1
            if not self._making and self.waits:
                self._wait_for("")  # it was not meant for the run that stays
            raise
        self._making -= 1
        if turn != self._turn or self.closed:
            session.close()
            return False
        if before is not None and self.setup.lr != rate:  # set while it was compiled
            setup = dataclasses.replace(setup, lr=self.setup.lr)
            session.order("lr", setup.lr)
        before = getattr(self, "session", None)
        if before is not None and setup.source != self.setup.source:
            self.notes = ()
        if opened is not None:
            self.notes = opened.notes
        self.setup, self.table, self.session = setup, table, session
        self.tape.clear()
        if self.speed is not None:
            session.order("speed", self.speed)
        if before is not None:
            before.close()
        if self.waits:
            session.order(self.waits, self._value)
            self._wait_for("")
        return True

    def _table_of(self, source: Source) -> Table:
        if source.sample:
            return source.table()
        if hasattr(self, "setup") and source == self.setup.source:
            return self.table
        raise DataError(
            f'the table "{source.own}" is not here', remedy="open its file, or paste it"
        )

    def set_rate(self, lr: float) -> None:
        """Set the learning rate of the next step."""
        self.setup = dataclasses.replace(self.setup, lr=lr)
        self.session.order("lr", lr)

    def set_speed(self, number: int) -> None:
        """Set the pace."""
        self.speed = number
        self.session.order("speed", number)

    def set_start(self, name: str, value: float) -> None:
        """Set where a parameter begins, and begin there."""
        start = {**self.session.descent.params, name: value}
        self.setup = dataclasses.replace(self.setup, start=start)
        self.session.order("begin", {name: value})

    def with_points(self, points: Sequence[tuple[float, float]]) -> tuple[Setup, Opened]:
        """The setup with more points on its curve, and its table, which is one's own then.

        Raises:
            UsageError: there is no plane of one input and a target of numbers, or it is full.
        """
        if not self.takes_points:
            raise UsageError("points are drawn where there is one input and a target of numbers")
        (name,) = self.session.descent.inputs
        x, y = np.array(points).T
        more = {name: x, self.setup.target: y}
        table = {n: np.append(self.table[n], values) for n, values in more.items()}
        source = Source(own="points", digest=hash_of(table))
        setup = dataclasses.replace(self.setup, source=source, inputs=(name,))
        return setup, Opened(table, source)

    @property
    def takes_points(self) -> bool:
        """Whether points may be drawn."""
        descent = self.session.descent
        return (
            self.session.view.kind == "curve" and not descent.classes
            and descent.n_rows < MOST_DRAWN
        )  # fmt: skip

    def keep(self) -> None:
        """Keep the run as it stands; the oldest one goes where there are many."""
        epochs, losses = self.session.course()
        now = self.session.standing
        edited = any(leg.edits for leg in self.session.way)
        self.runs.append(Kept(self.setup, epochs, losses, *now, edited))
        del self.runs[:-MOST_KEPT]

    def close(self) -> None:
        """End the run."""
        self.closed = True
        self.session.close()

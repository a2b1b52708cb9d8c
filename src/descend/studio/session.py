"""One tab's run: a thread of its own advances it in short slices, and makes frames of it.

The event loop never waits for the run, nor the run for the browser. An order is carried out
between two slices; a frame is made only when somebody has asked for one, of the run as it then is.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from descend.records.record import History
from descend.studio.descent import Descent
from descend.studio.frames import NO_ROW, STATES, Seen, pack
from descend.studio.narration import Course, Told, narrate
from descend.studio.orders import ORDERS, SPEED, SPEEDS, check_order
from descend.studio.samples import Table
from descend.studio.setup import Setup
from descend.studio.slope import Slope
from descend.studio.trail import Trail, last, thinned
from descend.studio.views import View
from descend.studio.way import Leg, Way
from descend.studio.weights import Weights
from descend.train.start import SteppedRun

__all__ = ["NO_FRAME", "SLICE_SECONDS", "Session"]

Array = np.ndarray[Any, np.dtype[Any]]
Taker = Callable[[int, bytes], None]
NO_FRAME = b""

SLICE_SECONDS = 0.008
FRAME = 0.016  # seconds: a step that is due sooner waits until somebody asks
UNWATCHED = 0.1  # seconds between slices where nobody asks for a frame, as in a hidden tab
NARRATED = 0.2  # seconds between two looks at the state while it runs
LONGEST = 0.25  # seconds that a run makes up for, after it could not go on
GROWTH = 4  # times the steps of the slice before, at most
FILL = 0.75  # of a slice's time is planned for, so that a slower moment stays within it
CALM = 0.25  # seconds without an order, after which there is time for more than frames
MOST_POINTS = 1024
MOST_PATHS, MOST_ON_PATHS = 8, 256  # parameters whose way is kept, and places on it
LOOKED = 0.05  # seconds between two pictures that take long, while it plays
CHEAP = 0.0004  # seconds of a picture that may be made for every frame


class Standing(NamedTuple):
    """Where a run stands: what a table of runs says of it."""

    epoch: int
    loss: float
    state: str


class _Ask(NamedTuple):
    """Somebody who waits for a frame later than the one that he has."""

    have: int
    take: Taker


class Session:
    """A run that may be played, stepped and changed from any thread.

    Args:
        sample: what is descended.
        changed: told, in the run's thread, whenever `playing` changes.
        clock: seconds.
    """

    _run: SteppedRun
    _updates: int
    _epoch: int  # that `_within` is of
    _loss: float
    _within: Trail  # epochs and losses
    _params: Array
    _before: Array  # the parameters before the last slice or step
    _path: Trail  # epochs and parameters
    _surface: Array
    _maps: Array  # of the units
    _history: History
    _since: float  # when the last slice began
    _earned: float  # steps that the speed allows and that were not made
    _seen: Seen
    _way: Way
    _told: Told
    _told_at: float

    def __init__(
        self, setup: Setup, table: Table | None = None,
        changed: Callable[[bool], None] = lambda _: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:  # fmt: skip
        self.setup = setup
        self.descent = Descent(setup, setup.source.table() if table is None else table)
        self.view = View(self.descent)
        self.slope = Slope(self.descent)
        self.weights = Weights(self.descent, self.view.units)
        self._changed, self._clock = changed, clock
        self._lr, self._speed = setup.lr, SPEED
        self._per_epoch = -(-self.descent.n_rows // self.descent.batch_size)
        self._columns = frozenset(self.descent.first.history)
        self._surface_seconds, self._surface_at = 0.0, -math.inf
        self._looks, self._busy_at = True, clock()
        self._sequence = 0
        self._steps = 1  # of the next slice, at most
        self._playing, self._closed = False, False
        self._orders: list[tuple[str, Any]] = []
        self._asks: list[_Ask] = []
        self._wake = threading.Condition()
        with np.errstate(all="ignore"):
            self._restart()
        self._thread = threading.Thread(target=self._work, name="descend studio", daemon=True)
        self._thread.start()

    # --- from outside

    @property
    def playing(self) -> bool:
        """Whether it goes on by itself."""
        return self._playing

    def order(self, name: str, value: Any = 1.0) -> None:
        """Have something done between two slices.

        Args:
            name: one of `ORDERS`.
            value: how many examples, batches or epochs; the rate; the number of a speed, of a
                plane or of a unit; a unit, a place and a weight; where parameters begin, by name.

        Raises:
            UsageError: there is no such order, or it takes no such value.
        """
        check_order(name, value)
        with self._wake:
            self._orders.append((name, value))
            self._wake.notify()

    def ask(self, have: int, take: Taker) -> None:
        """Have a frame made as soon as there is a later one than `have`.

        `take` gets its number and it, in the run's thread; no frame once the session is closed.
        """
        with self._wake:
            if not self._closed:
                self._asks.append(_Ask(have, take))
                self._wake.notify()
                return
        take(have, NO_FRAME)

    def close(self) -> None:
        """End the thread, after the slice that it is in."""
        with self._wake:
            self._closed = True
            self._wake.notify()

    def scene(self) -> dict[str, Any]:
        """What does not change while the run goes on, in plain values."""
        d = self.descent
        return {
            "params": [one.label for one in d.shown], "norms": any(o.is_norm for o in d.shown),
            "paths": min(len(d.shown), MOST_PATHS), "sloped": self.slope.is_there,
            "accuracy": d.has_accuracy, "batch_size": d.batch_size, "examples": d.takes_examples,
            **self.view.scene(d.first), **self.weights.scene(),
        }  # fmt: skip

    def course(self) -> tuple[Array, Array]:
        """The epochs that are kept of the run, and the mean loss of each."""
        history = self._run.history
        epochs, losses = np.asarray(history["epoch"]), np.asarray(history["loss"])
        return thinned(epochs, MOST_POINTS), thinned(losses, MOST_POINTS)

    @property
    def way(self) -> list[Leg]:
        """The way of the run so far; its first leg says the rate that it began with."""
        return self._way.legs(self._updates)

    @property
    def run(self) -> SteppedRun:
        """The run as it stands, which goes on unless it was paused."""
        return self._run

    @property
    def standing(self) -> Standing:
        """Where the run stands."""
        return Standing(self._run.epoch, self._loss, self._told.state)

    # --- in the run's thread

    def _work(self) -> None:
        try:
            with np.errstate(all="ignore"):  # a run that diverges is told as its state
                self._go_on()
        finally:
            with self._wake:
                self._closed, asks = True, self._asks
            for ask in asks:
                ask.take(ask.have, NO_FRAME)

    def _go_on(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(self._due, self._rest())
                if self._closed:
                    return
                orders, self._orders = self._orders, []
            for name, value in orders:
                ORDERS[name].carry_out(self, value)
                self._sequence += 1
            if orders or self._playing:
                self._looks, self._busy_at = True, self._clock()
            if self._playing:
                self._slice()
            elif self._calm() <= 0:
                self._look_around()
            self._answer()

    def _calm(self) -> float:
        """Seconds until there is time for the surface of the loss; for ever where it is whole."""
        return CALM - (self._clock() - self._busy_at) if self._looks else math.inf

    def _look_around(self) -> None:
        """While it rests, work on the surface of the loss, which is told when it is whole."""
        if self.slope.is_there:
            self.slope.aim(self._run, self._path.rows[:, 1:])
        if not self.slope.is_done:
            self.slope.advance(SLICE_SECONDS)
        self._looks = not self.slope.is_done

    def _due(self) -> bool:
        """Whether there is anything to do before somebody calls."""
        if self._closed or self._orders:
            return True
        if self._playing:
            fastest = SPEEDS[self._speed] == math.inf
            return fastest or (bool(self._asks) and self._missing() <= 0)
        return self._calm() <= 0 or any(ask.have < self._sequence for ask in self._asks)

    def _rest(self) -> float | None:
        """For how long to wait for somebody to call; for ever where there is nothing to do."""
        if not self._playing:
            calm = self._calm()
            return None if calm == math.inf else max(calm, 0.0)
        missing = self._missing()
        return missing if FRAME < missing < UNWATCHED else UNWATCHED

    def _missing(self) -> float:
        """Seconds until the next step is due."""
        passed = self._clock() - self._since
        return (1 - self._earned) * self.descent.batch_size / SPEEDS[self._speed] - passed

    def _answer(self) -> None:
        with self._wake:
            asks = [ask for ask in self._asks if ask.have < self._sequence]
            self._asks = [ask for ask in self._asks if ask.have >= self._sequence]
        if asks:
            frame = self._frame()
            for ask in asks:
                ask.take(self._sequence, frame)

    def _slice(self) -> None:
        """Go on by what the speed has earned since the slice before, within the time of a slice."""
        now = self._clock()
        speed = SPEEDS[self._speed]
        if speed == math.inf:
            count = self._steps
        else:
            each = self.descent.batch_size / speed
            most = max(1.0, LONGEST / each)
            self._earned = min(self._earned + (now - self._since) / each, most)
            count = min(int(self._earned), self._steps)
            self._earned -= count
        self._since = now
        if count:
            self._step(batches=count)

    def _step(self, **by: int) -> None:
        before = self._clock()
        made, run = -self._updates, self._run
        run.step(**by)
        self._updates = run.updates
        made += self._updates
        self._plan(made, self._clock() - before)
        leaves = self.descent.leaves(run)
        self._before, self._params = self._params, self.descent.numbers(leaves)
        self._loss = self.descent.loss(leaves, not self._playing or run.ended)
        self._note()
        self._sequence += 1
        if run.ended:
            self._play(False)

    def _plan(self, made: int, seconds: float) -> None:
        """How many steps the next slice may have, by this one."""
        fitting = made * FILL * SLICE_SECONDS / seconds if seconds > 0 else math.inf
        self._steps = int(max(1, min(fitting, self._steps * GROWTH)))

    def _note(self) -> None:
        """Keep the loss within an epoch, and the way."""
        if self._run.epoch != self._epoch:
            self._epoch = self._run.epoch
            self._within.clear()
        position = self._position()
        self._within.add((position, self._loss))
        self._path.add((position, *self._params[:MOST_PATHS]))

    def _position(self) -> float:
        """How many epochs were gone through, parts of one included."""
        return self._updates / self._per_epoch

    def _play(self, playing: bool) -> None:
        if playing and self._run.ended:
            self._restart()
        self._since, self._earned, self._seen = self._clock(), 0.0, NO_ROW
        if playing != self._playing:
            self._playing = playing
            if not playing:
                self._loss = self.descent.loss(self.descent.leaves(self._run), True)
            self._changed(playing)

    def _restart(self) -> None:
        self._run = self.descent.first.copy()
        self._way = Way(self._lr)
        self.weights.forget()
        if self.descent.has_rate:
            self._run.set(lr=self._lr)
        self._updates = self._epoch = 0
        leaves = self.descent.leaves(self._run)
        self._loss = self.descent.loss(leaves, True)
        self._start_loss = self._loss
        self._within = Trail(MOST_POINTS, 2)
        self._within.add((0.0, self._loss))
        self._before = self._params = self.descent.numbers(leaves)
        self._path = Trail(MOST_ON_PATHS, 1 + min(len(self._params), MOST_PATHS))
        self._path.add((0.0, *self._params[:MOST_PATHS]))
        self._since, self._earned = self._clock(), 0.0
        self._told, self._told_at = Told("ready", {"loss": self._loss}), -math.inf
        self._seen = NO_ROW
        self._surface_of = -1

    def _set_rate(self, lr: float) -> None:
        self._lr = lr
        self._way.set_rate(self._updates, lr)
        if self.descent.has_rate:
            self._run.set(lr=lr)

    def _set_speed(self, number: int) -> None:
        self._speed = number
        self._since, self._earned = self._clock(), 0.0

    def _moved(self) -> None:
        """Look anew where parameters were set by hand."""
        leaves = self.descent.leaves(self._run)
        self._before = self._params = self.descent.numbers(leaves)
        self._loss = self.descent.loss(leaves, True)
        if not self._updates:
            self._start_loss = self._loss
        self._within.add((self._position(), self._loss))
        self._path.add((self._position(), *self._params[:MOST_PATHS]))
        self._seen = NO_ROW

    def _one_example(self) -> None:
        """A step of one row."""
        row = self.descent.row_of_next_step(self._run)
        said = self._said_of(row)
        self._step(examples=1)
        self._seen = Seen(row, said, self._said_of(row))

    def _said_of(self, row: int) -> float:
        """What the model says of a row that is drawn; of classes how probable it takes its own."""
        rows = self.view.rows
        if row < 0 or not self.view.whole:
            return math.nan
        found = self.descent.output(self._run, rows.x[row : row + 1])
        return float(found[0, int(rows.y[row])] if self.descent.classes else found[0])

    # --- what is told

    def _frame(self) -> bytes:
        run, self._history = self._run, self._run.history
        epochs, losses, held = map(self._column, ("epoch", "loss", "validation_loss"))
        told = self._narrated(epochs, losses)
        head = {
            "sequence": self._sequence, "state": [*STATES].index(told.state),
            "playing": self._playing, "ended": run.ended, "epoch": run.epoch,
            "updates": self._updates, "examples": self._examples(), "rows": self.descent.n_rows,
            "loss": self._loss, "epoch_loss": last(losses), "lr": self._lr,
            "held_loss": last(held), "accuracy": last(self._column("accuracy")),
            "held_accuracy": last(self._column("validation_accuracy")),
            "speed": SPEEDS[self._speed], **self._seen._asdict(), **self.weights.head(),
        }  # fmt: skip
        within, path = self._within.rows, self._path.rows
        return pack(head, {
            "params": self._params, "before": self._before, "surface": self._seen_surface(),
            "maps": self._maps, "weights": self.weights.numbers(run),
            "epochs": thinned(epochs, MOST_POINTS), "losses": thinned(losses, MOST_POINTS),
            "held": thinned(held, MOST_POINTS),
            "within_epochs": within[:, 0], "within_losses": within[:, 1],
            "path_epochs": path[:, 0], "paths": path[:, 1:].reshape(-1),
            "told": [told.numbers[name] for name in STATES[told.state]],
        })  # fmt: skip

    def _column(self, name: str) -> Array:
        """What the epochs have left of a number; nothing where it is not kept."""
        return np.asarray(self._history[name] if name in self._columns else ())

    def _seen_surface(self) -> Array:
        """The picture's numbers; one that takes long is made anew now and then while it plays."""
        now = self._clock()
        costly = self._playing and self._surface_seconds > CHEAP
        late = now - self._surface_at >= LOOKED
        if self._surface_of != self._sequence and (late or not costly or self._surface_of < 0):
            begin = time.thread_time()
            self._surface = self.view.numbers(self._run)
            self._maps = self.view.maps(self._run)
            self._surface_seconds = time.thread_time() - begin
            self._surface_of, self._surface_at = self._sequence, now
        return self._surface

    def _end(self) -> tuple[str, float | None]:
        """The verdict, and the loss that it was to fall below, if that has ended it."""
        fit = self._run.fit
        goal = self.descent.goal if fit.status == "stop_loss" else None
        return str(fit.verdict), goal

    def _examples(self) -> int:
        """How many rows of the epoch that is under way were seen."""
        return self._updates % self._per_epoch * self.descent.batch_size

    def _narrated(self, epochs: Array, losses: Array) -> Told:
        """The state, looked at now and then while the run goes on, and at every stop."""
        now, run = self._clock(), self._run
        idle = not self._playing or self._told.state == "ready"
        if idle or now - self._told_at >= NARRATED:
            self._told_at = now
            self._told = narrate(Course(
                epochs, losses, self._start_loss, self._loss, run.epoch, self._examples(),
                self.descent.n_rows, *(self._end() if run.ended else ()),
            ))  # fmt: skip
        return self._told

"""Whole trainings over two numbers, as a map: where it learns, and where it leaves."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from nicegui import ui

from descend.errors import DescendError
from descend.result.heat_map import HeatMap, axis
from descend.show.numbers import duration
from descend.show.scale import by_factors
from descend.studio.panels import fields
from descend.studio.panels.room import Panel
from descend.studio.speech import text_of
from descend.train.heat_map import heat_map

__all__ = ["MapPanel", "axis_of"]

RATE, BATCH = "lr", "batch_size"
VALUES, SIZES = 64, 24  # of an axis
MOST_EPOCHS, MOST_ROWS = 100, 4e9  # that all trainings go through, and visit
BELOW, ABOVE, RATES = 30.0, 3000.0, (1e-6, 10.0)  # times the rate, and the rates that are taken
NEARER = 4.0  # times as close, by one zoom
Axis = tuple[float, float]


class MapPanel(Panel):
    """The panel of the map."""

    name = "map"
    _first, _second = RATE, BATCH
    _map: HeatMap | None = None
    _turn = 0
    _keeps = False

    def build(self) -> None:
        names = self._names()
        if len(names) < 2:
            self.speech.text("map_none", "p").classes("told wide")
            return
        for side in ("_first", "_second"):
            if getattr(self, side) not in names:
                setattr(self, side, names[0] if side == "_first" else names[1])
        options = {n: {RATE: "lr", BATCH: "batch_size"}.get(n) for n in names}
        with ui.element("div").classes("row wide"):
            for side, word in (("_first", "map_first"), ("_second", "map_second")):
                name = getattr(self, side)
                fields.choice(self.speech, side[1:], word, options, name, self._choosing(side))
            fields.button(self.speech, "map_draw", "map_draw", self._whole)
        self._body = ui.element("div").classes("wide map")
        self._map = None

    def _names(self) -> list[str]:
        """What a map can be over: where there are batches and a rate, and numbers that begin."""
        session, setup = self.bench.session, self.bench.setup
        if not setup.has_rate:
            return []
        rate = [] if setup.schedule is not None else [RATE]
        return [*rate, BATCH, *session.descent.params]

    def _choosing(self, side: str) -> fields.Change:
        def choose(name: str) -> None:
            setattr(self, side, name)

        return choose

    async def _whole(self) -> None:
        if self._first == self._second:
            self.room.complain(self.speech.say("map_same"))
            return
        setup, descent = self.bench.setup, self.bench.session.descent
        begins = {RATE: setup.lr, BATCH: descent.n_rows, **descent.params}
        await self._draw({n: axis_of(n, begins[n]) for n in (self._first, self._second)})

    async def _draw(self, over: Mapping[str, Any]) -> None:
        """Train them all off the loop, and show what comes of it."""
        self._turn += 1
        turn = self._turn
        self.room.complain("")
        self._body.clear()
        with self._body:
            self.speech.text("map_trains", "p").classes("status").props("aria-live=polite")
        try:
            made = await asyncio.to_thread(self._train, over)
        except DescendError as error:
            self._body.clear()
            self.room.complain(str(error))
            return
        if turn == self._turn and self.place is not None and not self.place.is_deleted:
            self._map = made
            self._show(made)

    def _train(self, over: Mapping[str, Any]) -> HeatMap:
        model, x, y, options = self.bench.setup.call(self.bench.table)
        rows = self.bench.session.descent.n_rows
        trainings = math.prod(len(values) for values in over.values())
        most = int(MOST_ROWS / (rows * trainings)) or 1
        options = {**options, "epochs": min(options.get("epochs", MOST_EPOCHS), MOST_EPOCHS, most)}
        self._epochs = options["epochs"]
        if BATCH not in over and options.get("batch_size") is None:
            options.pop("batch_size", None)
        return heat_map(model, x, y, over=over, **options)

    def _show(self, made: HeatMap) -> None:
        lost = made.diverged | made.grew
        judged = np.where(lost, np.nan, made.judged)
        self._body.clear()
        with self._body:
            said = text_of("p").classes("told").props("aria-live=polite")
            self.speech.name(said.set_text, lambda: self._sentence(made, lost), said)
            canvas = ui.element("div").classes("canvas").props("role=img tabindex=0")
            self.speech.label(canvas, lambda: self._sentence(made, lost))
            canvas.on("pick", lambda e: self._pick(*e.args), js_handler="(e) => emit(e.detail)")
            canvas.on("zoom", lambda e: self._zoom(e.args), js_handler="(e) => emit(e.detail)")
            with ui.element("div").classes("row"):
                if not np.isnan(judged).all():
                    take = partial(self._pick, *made.best)
                    fields.button(self.speech, "map_best", "map_best", take)
                    fields.button(self.speech, "map_nearer", "map_nearer", self._nearer)
                fields.button(self.speech, "map_whole", "map_whole", self._whole)
        data = {
            "names": [self._word(n) for n in made.names],
            "values": [v.tolist() for v in made.values],
            "rising": [by_factors(v) for v in made.values],
            "loss": [[None if math.isnan(v) else v for v in row] for row in judged.tolist()],
            "best": None if np.isnan(judged).all() else list(made.best),
        }  # fmt: skip
        place = f'document.getElementById("{canvas.html_id}")'
        self.room.draw(f"map({place}, {json.dumps(data)})")

    def _sentence(self, made: HeatMap, lost: Any) -> str:
        told = {
            "count": made.loss.size, "epochs": self._epochs, "seconds": duration(made.seconds),
            "lost": int(lost.sum()),
        }  # fmt: skip
        text = self.speech.say("map_told", **told)
        if lost.all():
            return text
        i, j = made.best
        at = ", ".join(f"{self._word(n)} {v:.4g}" for n, v in made.at(i, j).items())
        least = self.speech.say("map_least", at=at, loss=f"{made.judged[i, j]:.4g}")
        return f"{text} {least}"

    def _word(self, name: str) -> str:
        return self.speech.say(name) if name in (RATE, BATCH) else name

    async def _pick(self, i: int, j: int) -> None:
        """Take the numbers of a training for the run beside it."""
        assert self._map is not None
        chosen = self._map.at(i, j)
        setup = self.bench.setup
        start = {n: v for n, v in chosen.items() if n not in (RATE, BATCH)}
        changed: dict[str, Any] = {n: v for n, v in chosen.items() if n == RATE}
        if BATCH in chosen:
            changed[BATCH] = int(chosen[BATCH])
        if start:
            changed["start"] = {**self.bench.session.descent.params, **start}
        if any(getattr(setup, n) != v for n, v in changed.items()):
            self._keeps = True
            await self.room.change(**changed)
            self._keeps = False

    def again(self) -> None:
        """Build it anew; a map stays where it led to the other setup."""
        if not self._keeps:
            super().again()

    async def _nearer(self) -> None:
        assert self._map is not None
        i, j = self._map.best
        ends = []
        for values, at in zip(self._map.values, (i, j), strict=True):
            half = max(1, int(len(values) / NEARER / 2))
            low, high = max(0, at - half), min(len(values) - 1, at + half)
            ends.append([values[low].item(), values[high].item()])
        await self._zoom(ends)

    async def _zoom(self, ends: list[list[float]]) -> None:
        """The same, as finely, over a part."""
        assert self._map is not None
        pairs = zip(self._map.names, ends, strict=True)
        over = {name: axis_of(name, 0, (low, high)) for name, (low, high) in pairs}
        if all(len(values) > 1 for values in over.values()):
            await self._draw(over)


def axis_of(name: str, about: float, ends: Axis | None = None) -> Any:
    """The values of an axis: of a rate by factors, of batches by about as many sizes, of a
    parameter in even steps.

    Args:
        about: the number as it is set now; of batches, how many rows there are.

    >>> axis_of("batch_size", 10).tolist(), axis_of("w", 2.0)[[0, -1]].tolist()
    ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [-4.0, 8.0])
    >>> [f"{v:.3g}" for v in axis_of("lr", 0.1)[[0, -1]]]
    ['0.00333', '10']
    """
    if name == BATCH:
        low, high = ends or (1, about)
        return axis(low, max(high, low), SIZES, True, whole=True)
    if name == RATE:
        low, high = ends or (about / BELOW, about * ABOVE)
        return axis(max(low, RATES[0]), min(high, RATES[1]), VALUES, True)
    reach = 3 * max(abs(about), 1.0)
    low, high = ends or (about - reach, about + reach)
    return axis(low, high, VALUES, False)

"""The loss over two parameters around a run, worked out in pieces while the run rests."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from descend.studio.descent import Descent
from descend.studio.frames import PLANES
from descend.train.start import SteppedRun

__all__ = ["Slope"]

Array = np.ndarray[Any, np.dtype[Any]]
CELLS = 33  # places along each axis
REACH = 10.0  # of a parameter that begins near 0, to either side of it
MARGIN = 0.15  # of the way, around it


class Slope:
    """The loss over a plane of two parameters, the others as they are.

    Attributes:
        told: the last surface that was complete, in plain values; of the loss it holds the
            logarithm to base 10.
    """

    def __init__(self, descent: Descent) -> None:
        self._descent = descent
        self._names = [*descent.params]
        self._chosen = (0, 1)
        self._spans = np.zeros((2, 2))
        self._others: tuple[float, ...] | None = None
        self._values = np.zeros(0)
        self._count = 0
        self._loss: Any = None
        self.told: dict[str, Any] | None = None

    @property
    def is_there(self) -> bool:
        """Whether the model has two parameters that are numbers."""
        return len(self._names) > 1

    def choose(self, plane: int) -> None:
        """Take another pair of parameters."""
        self._chosen = divmod(plane, PLANES)
        self._others = None

    def takes(self, plane: Any) -> bool:
        """Whether there is such a pair."""
        first, second = divmod(int(plane), PLANES)
        return first != second and max(first, second) < len(self._names)

    def aim(self, run: SteppedRun, way: Array) -> None:
        """Begin anew where the run has left what the surface is of.

        Args:
            way: (places, parameters) where the run has been.
        """
        leaves = run.under_way.leaves(False)
        at = [float(leaves[name]) for name in self._names]
        others = tuple(v for i, v in enumerate(at) if i not in self._chosen)
        way = way[:, list(self._chosen)]
        way = way[np.isfinite(way).all(axis=1)]
        inside = len(way) == 0 or (
            (way >= self._spans[:, 0]).all() and (way <= self._spans[:, 1]).all()
        )
        if (others == self._others and inside) or not np.isfinite(at).all():
            return
        self._others = others
        if len(way):
            self._spans = np.array([_span(column) for column in way.T])
        self._loss = self._descent.job.loss_at(run.under_way.built, leaves)
        self._values, self._count = np.empty(CELLS * CELLS), 0

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to do."""
        return self._count == self._values.size

    def advance(self, seconds: float) -> None:
        """Go on for so long."""
        end = time.perf_counter() + seconds
        names = [self._names[i] for i in self._chosen]
        steps = self._spans[:, :1] + (np.arange(CELLS) + 0.5) / CELLS * np.diff(self._spans)
        while not self.is_done and time.perf_counter() < end:
            up, across = divmod(self._count, CELLS)
            place = {names[0]: np.array(steps[0, across]), names[1]: np.array(steps[1, up])}
            self._values[self._count] = self._loss(place)
            self._count += 1
        if self.is_done:
            self.told = self._plain()

    def _plain(self) -> dict[str, Any]:
        with np.errstate(all="ignore"):
            values = np.log10(self._values * self._descent.job.loss_factor)
        return {
            "chosen": list(self._chosen), "names": self._names, "cells": CELLS,
            "spans": self._spans.tolist(),
            "values": [round(v, 4) if math.isfinite(v) else None for v in values.tolist()],
        }  # fmt: skip


def _span(way: Array) -> tuple[float, float]:
    """From where to where a parameter is looked at: around zero, and around its way."""
    low, high = float(way.min()), float(way.max())
    first = float(way[0])
    most = REACH if abs(first) <= REACH / 2 else 2 * abs(first)
    room = MARGIN * (high - low)
    return min(-most, low - room), max(most, high + room)

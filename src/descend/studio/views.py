"""What is seen of a model while it is descended: which picture its data want, and its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.studio.descent import Descent, Watched
from descend.train.start import SteppedRun

__all__ = ["View"]

Array = np.ndarray[Any, np.dtype[Any]]
FINE, COARSE, MAP = 129, 44, 14  # places of a curve, along each axis of a plane, of a unit's map
MOST_UNITS, MOST_LAYERS = 10, 4  # of a network that have a map
POINTS, JUDGED = 2000, 1000  # rows that are drawn; that are judged in pictures of many inputs
MARGIN = 0.06  # of the data's range, around a plane
SURE = 0.999  # a probability below 1, so that it never counts as the next class


class View:
    """The picture of a descent.

    Its kind follows from the data: a `curve` over one input (a probability of each class where
    there are classes), a `plane` over two, and of more the `pairs` of what is true and what is
    predicted, or the `table` of classes.

    Attributes:
        kind: which picture it is.
        rows: those that are drawn. whole: whether they are all.
        units: of a network over a plane, how many units of each hidden layer have a map.
        axes: (2, 2) of a plane, from where to where both inputs go.
    """

    def __init__(self, descent: Descent) -> None:
        self._descent = descent
        self.rows = descent.rows(POINTS)
        held = descent.job.held
        self.whole = len(self.rows.x) == descent.n_rows + (held.n_rows if held else 0)
        count = len(descent.inputs)
        self.kind = {1: "curve", 2: "plane"}.get(count, "table" if descent.classes else "pairs")
        if not count or not np.isfinite(self.rows.x).all():
            self.kind = "table" if descent.classes else "pairs"
        self.axes = self._axes()
        self._places = self._place()
        self._watched = Watched(descent, self._places)
        network = descent.job.problem.network
        self._network = network if self.kind == "plane" else None
        self.units = self._units()
        self._mapped = self._map_places() if self.units else np.zeros((0, 2))

    def _axes(self) -> Array:
        if self.kind not in ("curve", "plane"):
            return np.zeros((0, 2))
        low, high = self.rows.x.min(axis=0), self.rows.x.max(axis=0)
        room = np.where(high > low, high - low, 1.0) * (MARGIN if self.kind == "plane" else 0.0)
        wide = np.where(high > low, 0.0, 0.5)
        return np.stack([low - room - wide, high + room + wide], axis=1)

    def _place(self) -> Array:
        """(places, inputs) where the model is asked."""
        if self.kind == "curve":
            low, high = self.axes[0].tolist()
            return np.linspace(low, high, FINE)[:, None]
        if self.kind == "plane":
            return self._cells(COARSE)
        return self.rows.x[: min(len(self.rows.x), JUDGED)]

    def _cells(self, count: int) -> Array:
        """(count², 2) the middles of the cells of a plane, row by row from below."""
        steps = (np.arange(count) + 0.5) / count
        across, up = (a + steps * (b - a) for a, b in self.axes)
        return np.stack([g.reshape(-1) for g in np.meshgrid(across, up)], axis=1)

    def _units(self) -> list[int]:
        if self._network is None:
            return []
        layers = self._descent.setup.layers[:MOST_LAYERS]
        return [min(layer.units, MOST_UNITS) for layer in layers]

    def _map_places(self) -> Array:
        """Where the units are asked, as the network takes it."""
        places, scaling = self._cells(MAP), self._descent.job.scaling
        if scaling is not None:
            (own,) = scaling.columns.values()
            places = own.into(places)
        return places.astype(np.float32)

    def maps(self, run: SteppedRun) -> Array:
        """(units · places,) what each unit that is shown gives at the places of its map."""
        if self._network is None or not self.units:
            return np.zeros(0)
        outputs = [*self._network.outputs(self._mapped, run.under_way.leaves(False))]
        # A hidden layer is a linear one and the activation behind it.
        found = [outputs[2 * i + 1][:, :count].T for i, count in enumerate(self.units)]
        return np.concatenate([each.reshape(-1) for each in found]).astype(np.float64)

    def numbers(self, run: SteppedRun) -> Array:
        """What the picture shows of the model as it is.

        Returns:
            of a curve (places,), or (classes · places,); of a plane (places,) values, or the number
            of the likeliest class plus how probable it is; of pairs (rows,) predictions; of a table
            (classes · classes,) how many rows of each class, down, are taken for which, across.
        """
        found = self._watched(run)
        classes = len(self._descent.classes)
        if not classes:
            return found
        if self.kind == "curve":
            return np.ascontiguousarray(found.T).reshape(-1)
        likely = found.argmax(axis=1)
        if self.kind == "plane":
            return np.asarray(likely + np.clip(found.max(axis=1), 0.0, SURE))
        true = self.rows.y[: len(likely)].astype(int)
        return np.bincount(true * classes + likely, minlength=classes**2).astype(float)

    def scene(self, first: SteppedRun) -> dict[str, Any]:
        """What does not change while the run goes on, in plain values."""
        rows, descent = self.rows, self._descent
        return {
            "kind": self.kind, "classes": descent.classes, "inputs": list(descent.inputs),
            "target": descent.target, "axes": self.axes.tolist(), "cells": COARSE,
            "units": self.units, "map": MAP,
            "x": _plain(rows.x.T), "y": _plain(rows.y), "held": rows.held.astype(int).tolist(),
            "grid": self._places[:, 0].tolist() if self.kind == "curve" else [],
            "first": _plain(self.numbers(first)) if self.kind == "curve" else [],
        }  # fmt: skip


def _plain(values: Array) -> Any:
    """Numbers as JSON has them: none that is infinite."""
    return np.where(np.isfinite(values), values, 0.0).tolist()

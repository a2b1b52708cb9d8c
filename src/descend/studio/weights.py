"""The weights that go into one hidden unit, which are looked at and set while the run goes on."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.studio.descent import Descent
from descend.studio.way import Edit, Way
from descend.train.start import SteppedRun

__all__ = ["LARGEST", "MOST_WEIGHTS", "NO_UNIT", "Weights"]

Array = np.ndarray[Any, np.dtype[Any]]
MOST_WEIGHTS = 64  # of a unit that are shown, beside its bias
LARGEST = 1e6  # size of a weight that is set
NO_UNIT = -1


class Weights:
    """The incoming weights and the bias of the hidden unit that is chosen, of those with a map.

    A unit is a number: those of the first layer come first, as their maps do. A place is the
    number of an input, or for the bias how many inputs there are.

    Args:
        shown: how many units of each hidden layer have a map.

    Attributes:
        chosen: the unit; -1 for none.
        edits: how often something was to be set, or set back: what tells a page that it is done.
    """

    def __init__(self, descent: Descent, shown: list[int]) -> None:
        self._shown = shown
        units = [layer.units for layer in descent.setup.layers]
        self._incoming = [len(descent.inputs), *units][: len(shown)]
        self._scaled = descent.job.scaling is not None
        self.chosen, self.edits = NO_UNIT, 0
        self._before: list[Edit] = []  # what numbers were before they were set

    def scene(self) -> dict[str, Any]:
        """What does not change while the run goes on: inputs of each layer, and whether they are
        scaled before the first one.
        """
        return {"incoming": self._incoming, "scaled": self._scaled}

    def head(self) -> dict[str, float]:
        """What a frame says of it beside the numbers."""
        return {"unit": self.chosen, "edits": self.edits, "undo": bool(self._before)}

    def choose(self, unit: int) -> None:
        """Look at a unit; at none where there is no such unit."""
        self.chosen = unit if 0 <= unit < sum(self._shown) else NO_UNIT

    def numbers(self, run: SteppedRun) -> Array:
        """(shown weights + 2,) of the chosen unit the first weights, the bias, and the norm of the
        weights that are not shown; nothing where none is chosen.
        """
        if self.chosen == NO_UNIT:
            return np.zeros(0)
        layer, row = self._at(self.chosen)
        leaves = run.under_way.leaves(False)
        weights = leaves[f"{2 * layer}.weight"][row].astype(np.float64)
        others = np.linalg.norm(weights[MOST_WEIGHTS:])
        return np.array([*weights[:MOST_WEIGHTS], leaves[f"{2 * layer}.bias"][row], others])

    def set(self, run: SteppedRun, way: Way, unit: int, place: int, value: float) -> bool:
        """Set a weight or the bias of a unit.

        Returns:
            whether there is one.
        """
        self.edits += 1
        if not 0 <= unit < sum(self._shown):
            return False
        layer, row = self._at(unit)
        if not 0 <= place <= self._incoming[layer]:
            return False
        bias = place == self._incoming[layer]
        name, at = (f"{2 * layer}.bias", (row,)) if bias else (f"{2 * layer}.weight", (row, place))
        before = _put(run, way, Edit(name, at, value))
        # As it was before the first of several changes of the same number, one after the other.
        again = bool(self._before) and self._before[-1][:2] == (name, at)
        if not again and np.isfinite(before):
            self._before.append(Edit(name, at, before))
        return True

    def undo(self, run: SteppedRun, way: Way) -> bool:
        """Set the number that was set last as it was before.

        Returns:
            whether there is one.
        """
        self.edits += 1
        if not self._before:
            return False
        _put(run, way, self._before.pop())
        return True

    def forget(self) -> None:
        """The run begins anew: there is nothing to go back to."""
        self._before.clear()

    def _at(self, unit: int) -> tuple[int, int]:
        """The layer and the row in it."""
        for layer, count in enumerate(self._shown):
            if unit < count:
                return layer, unit
            unit -= count
        raise AssertionError("there is no such unit")


def _put(run: SteppedRun, way: Way, edit: Edit) -> float:
    """Set a number of a parameter, and return what it was; the method's state stays as it is."""
    leaf = np.array(run.params[edit.name])
    before = float(leaf[edit.place])
    leaf[edit.place] = edit.value
    run.params = {edit.name: leaf}
    way.edit(run.updates, edit, before)
    return before

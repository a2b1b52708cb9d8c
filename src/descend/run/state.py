"""The state of a run, as it is kept to go on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.lean import dataclass

if TYPE_CHECKING:
    from descend.graph.program import Control

__all__ = ["SavedState"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class SavedState:
    """The state of a run: enough to go on to the same bits.

    Attributes:
        arrays: every state of the program by name.
        structure: what the state belongs to, as text.
        course: the history's columns so far, in the program's units.
        every: one epoch in so many is in the course; the last one is always.
        settings: what a run that goes on is compared by.
    """

    arrays: Mapping[str, Array]
    structure: str
    epoch: int
    batch: int
    loss_sum: float
    steps: int
    seed: int
    course: Mapping[str, Array]
    every: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, control: Control, arrays: Mapping[str, Array], structure: str,
        course: Mapping[str, Array], every: int, settings: Mapping[str, Any],
    ) -> SavedState:  # fmt: skip
        """The state as it stands now; arrays are copied."""
        kept = {name: np.array(a) for name, a in arrays.items()}
        return cls(
            kept, structure, control.epoch, control.batch, control.loss_sum, control.steps,
            control.seed, dict(course), every, settings,
        )  # fmt: skip

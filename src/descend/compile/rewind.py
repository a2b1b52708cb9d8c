"""The way back from a step that must not be taken, once states are written in place.

A step whose loss or states are not finite leaves the states as they were before it. Where it has
written over them, the steps of this epoch are taken again from a copy that was made when the
program last came to its beginning, or was entered, up to that step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from descend.compile.flow import INT, GraphFlow
from descend.compile.loops import Copy, Let, Place
from descend.compile.schedule import SMALL
from descend.graph.node import sizes

__all__ = ["Rewind"]

WORDS = ("batch", "budget", "steps", "loss_sum")


class Rewind:
    """What is kept of the states, and the number of the batch that ends the run; -1 for none."""

    def __init__(self, flow: GraphFlow, states: Sequence[Place]) -> None:
        self.flow = flow
        self.kept = [(place, flow.spare(place.shape, place.dtype)) for place in states]
        words = [flow.words[name] for name in WORDS]
        self.kept += [(word, flow.spare((), word.dtype)) for word in words]
        self.last = flow.spare((), INT)

    def begin(self) -> None:
        self.flow.store(self.last, -1)

    def keep(self) -> None:
        self._move([(kept, place) for place, kept in self.kept])

    def go_back(self) -> None:
        """Begin again; this batch will not be reached a second time."""
        self.flow.store(self.last, self.flow.get("batch"))
        self._move(self.kept)

    def is_last(self) -> Let:
        return self.flow.let("eq", self.flow.get("batch"), self.flow.load(self.last))

    def _move(self, pairs: Sequence[tuple[Place, Place]]) -> None:
        """Copy to the first of each pair from the second."""
        small = [p for p in pairs if np.prod(sizes(p[0].shape), dtype=int) <= SMALL]
        self.flow.once(*(Copy(*pair) for pair in pairs if pair not in small))
        for target, source in small:
            for at in np.ndindex(*sizes(target.shape)):
                self.flow.store(target, self.flow.load(source, *at), *at)

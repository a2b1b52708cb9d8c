"""The loss and the prediction where a run ended, evaluated once for all who look at them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.graph.evaluate import Prepared, bind_extents
from descend.graph.node import Node
from descend.run.finished import Finished

__all__ = ["MOST", "Seen", "seen_at_end"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST = 10_000  # rows that are looked at


class Seen(NamedTuple):
    """Where a run ended.

    Attributes:
        leaves: the parameters to return.
        inputs: the values of all inputs, of at most `MOST` evenly spread rows.
        prediction: at these.
        loss: at these; None where the model that is trained is not the one that serves.
    """

    leaves: Mapping[str, Array]
    inputs: Mapping[Node, Array]
    prediction: list[Array]
    loss: float | None


def seen_at_end(run: Finished) -> Seen:
    """The end of a run as it was first looked at."""
    if run.seen is None:
        built, leaves = run.built, run.leaves()
        bound, extents = run.job.inputs_at(built, leaves, MOST)
        losses = [built.descent.objective] if built.model.training is None else []
        if "seen" not in built.extras:
            built.extras["seen"] = Prepared([*losses, *built.model.nodes], bound)
        prepared: Prepared = built.extras["seen"]
        found = prepared([bound[n] for n in prepared.inputs], extents | bind_extents(bound))
        loss = float(found[0]) if losses else None
        run.seen = Seen(leaves, bound, found[len(losses):], loss)
    seen: Seen = run.seen
    return seen

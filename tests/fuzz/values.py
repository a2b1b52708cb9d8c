"""Numbers for the inputs of random graphs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from descend.graph.node import Array, Dim, Node

TIES = (0.0, 1.0, -1.0, 2.0, 0.5, 3.0, -7.5)
EXTREMES = (*TIES, -0.0, 1e300, -1e30, 1e-310, np.inf, -np.inf, np.nan)


def values_for(
    inputs: Sequence[Node], n_rows: int, seed: int, special: Sequence[float]
) -> list[Array]:
    """Numbers for the inputs, some of them special."""
    rng = np.random.default_rng(seed)
    made = []
    for node in inputs:
        shape = tuple(n_rows if isinstance(n, Dim) else n for n in node.shape)
        if node.dtype.kind == "f":
            value = rng.normal(size=shape) * 1.5
            if special:
                value = np.where(rng.random(shape) < 0.4, rng.choice(special, shape), value)
        elif node.dtype.kind == "b":
            value = rng.random(shape) < 0.5
        else:
            value = rng.integers(0 if node.dtype.kind == "u" else -9, 10, shape)
        with np.errstate(over="ignore"):
            made.append(np.asarray(value).astype(node.dtype))
    return made

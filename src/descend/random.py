"""Random numbers in a model that is fitted: drawn anew in every step, the same whoever draws them.

A draw is a pure function of the fit's seed, the number of the update, the absolute number of the
row, the place within the row, the iteration of a `scan`, and the number of the call in the model.
So neither batches nor their order, blocks, threads, checkpoints or the engine change a bit of it;
two calls draw two independent arrays, and a derivative sees the numbers that the loss has seen.

Where the leading axis of the shape is that of the rows (`h.shape`), every row has its own draws;
else all rows of a step share them. In `predict`, in validation, in `fit.loss` and all that follows
from it, and outside of a fit, a draw is its mean.

The numbers are those of Threefry-2x32 with 20 rounds: Salmon, Moraes, Dror and Shaw, "Parallel
random numbers: as easy as 1, 2, 3" (SC11, 2011).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.errors import TraceError
from descend.graph import draws
from descend.trace.context import where
from descend.trace.effects import draw
from descend.trace.tensor import without_stand_ins

__all__ = ["bernoulli", "normal", "uniform"]


def normal(shape: Any = (), dtype: Any = None) -> Any:
    """Draws of the normal distribution with mean 0 and standard deviation 1.

    Box and Muller, "A note on the generation of random normal deviates" (1958).

    Args:
        shape: a number or a tuple, such as `h.shape`; rows, if any, on the first axis.
        dtype: float32 or float64; by default that of data and parameters together.

    Raises:
        TraceError: the shape is none, or its rows stand on another axis.

    >>> normal(3)
    array([0., 0., 0.])
    """
    return draw("descend.random.normal", draws.normal, 0.0, shape, dtype)


def uniform(shape: Any = (), dtype: Any = None) -> Any:
    """Draws that are even between 0 and 1, 1 excluded.

    Args: as those of `normal`.

    Raises:
        TraceError: as of `normal`.

    >>> uniform(2)
    array([0.5, 0.5])
    """
    return draw("descend.random.uniform", draws.uniform, 0.5, shape, dtype)


def bernoulli(p: float, shape: Any = (), dtype: Any = None) -> Any:
    """Draws that are 1 with the probability p, else 0, as floats.

    Dropout with the rate 0.2 is `h * descend.random.bernoulli(0.8, h.shape) / 0.8`.

    Args:
        p: a known number from 0 to 1, which is kept up to 2⁻³².
        shape, dtype: as those of `normal`.

    Raises:
        TraceError: p is no such number; else as of `normal`.

    >>> bernoulli(0.8, (2,))
    array([0.8, 0.8])
    """
    p = without_stand_ins(p)
    known = isinstance(p, int | float | np.floating | np.ndarray) and np.ndim(p) == 0
    if not known or not 0 <= float(p) <= 1:
        raise TraceError(
            f"descend.random.bernoulli: p is a known number from 0 to 1, not {p!r}", where=where(),
            remedy="for a probability that the model works out, compare it with uniform(shape); "
            "no derivative passes that",
        )  # fmt: skip
    return draw("descend.random.bernoulli", draws.bernoulli(float(p)), float(p), shape, dtype)

"""Where weights begin: initialisers by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from descend.errors import UsageError, suggest

__all__ = ["INITIALISERS", "Initialiser", "as_initialiser"]

Array = np.ndarray[Any, np.dtype[Any]]
Generator = np.random.Generator
Initialiser = Callable[[Generator, tuple[int, int], float], Array]
"""Of a generator, the shape (outputs, inputs), and the gain: the weight."""

KEPT = 0.1  # the share of the numbers of a row that are not zero in a sparse weight
CUT = 2.0  # standard deviations beyond which a truncated normal number is drawn anew


def _uniform(rng: Generator, shape: tuple[int, int], spread: float) -> Array:
    """Uniform numbers of this standard deviation."""
    limit = math.sqrt(3.0) * spread
    return rng.uniform(-limit, limit, shape)


def _normal(rng: Generator, shape: tuple[int, int], spread: float) -> Array:
    return spread * rng.standard_normal(shape)


def _truncated(rng: Generator, shape: tuple[int, int], spread: float) -> Array:
    """Normal numbers, of which none is farther than two standard deviations from 0."""
    found = rng.standard_normal(shape)
    far = np.abs(found) > CUT
    while far.any():
        found[far] = rng.standard_normal(int(far.sum()))
        far = np.abs(found) > CUT
    return spread * found


def _orthogonal(rng: Generator, shape: tuple[int, int], gain: float) -> Array:
    """Rows or columns, whichever are fewer, at right angles, each of length gain."""
    tall = rng.standard_normal((max(shape), min(shape)))
    q, r = np.linalg.qr(tall)
    q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)  # else the draw would not be uniform
    return gain * (q if shape[0] >= shape[1] else q.T)


def _sparse(rng: Generator, shape: tuple[int, int], gain: float) -> Array:
    """Rows with a tenth of their numbers, at random places; the others are 0."""
    inputs = shape[1]
    count = max(1, round(KEPT * inputs))
    found = np.zeros(shape)
    for row in found:
        row[rng.permutation(inputs)[:count]] = rng.standard_normal(count) / math.sqrt(count)
    return gain * found


def _spread_in(shape: tuple[int, int]) -> float:
    return 1.0 / math.sqrt(shape[1])


def _spread_both(shape: tuple[int, int]) -> float:
    return math.sqrt(2.0 / (shape[0] + shape[1]))


INITIALISERS: Mapping[str, Initialiser] = {
    "zeros": lambda rng, shape, gain: np.zeros(shape),
    "ones": lambda rng, shape, gain: np.ones(shape),
    "identity": lambda rng, shape, gain: np.eye(*shape),
    "uniform": lambda rng, shape, gain: rng.uniform(-1.0, 1.0, shape) * _spread_in(shape),
    "normal": lambda rng, shape, gain: _normal(rng, shape, 0.01),
    "truncated_normal": lambda rng, shape, gain: _truncated(rng, shape, 0.01),
    "xavier_uniform": lambda rng, shape, gain: _uniform(rng, shape, gain * _spread_both(shape)),
    "xavier_normal": lambda rng, shape, gain: _normal(rng, shape, gain * _spread_both(shape)),
    "kaiming_uniform": lambda rng, shape, gain: _uniform(rng, shape, gain * _spread_in(shape)),
    "kaiming_normal": lambda rng, shape, gain: _normal(rng, shape, gain * _spread_in(shape)),
    "lecun_uniform": lambda rng, shape, gain: _uniform(rng, shape, _spread_in(shape)),
    "lecun_normal": lambda rng, shape, gain: _truncated(rng, shape, _spread_in(shape) / 0.8796),
    "orthogonal": _orthogonal,
    "sparse": _sparse,
}
"""Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks"
(2010), for Xavier's; He et al., "Delving deep into rectifiers" (2015), for Kaiming's; LeCun et al.,
"Efficient BackProp" (1998); Saxe et al., "Exact solutions to the nonlinear dynamics of learning"
(2013), for orthogonal ones; Martens, "Deep learning via Hessian-free optimization" (2010), for
sparse ones. `uniform` is what PyTorch's linear layers begin with."""


def as_initialiser(given: str | float | Initialiser) -> Initialiser:
    """Return the initialiser of a name, of a number for all weights, or as it is given.

    Raises:
        UsageError: there is none of that name.

    >>> as_initialiser("identity")(np.random.default_rng(0), (2, 3), 1.0)
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """
    if isinstance(given, int | float) and not isinstance(given, bool):
        return lambda rng, shape, gain: np.full(shape, float(given))
    if callable(given):
        return given
    found = INITIALISERS.get(given) if isinstance(given, str) else None
    if found is None:
        raise UsageError(
            f"there is no initialiser {given!r}{suggest(str(given), INITIALISERS)}",
            remedy=f"choose from {', '.join(INITIALISERS)}, or give a number",
        )
    return found

"""What a fit knows of one layer of its network."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MOST_LOOKED_AT", "LayerRecord"]

MOST_LOOKED_AT = 1000  # rows on which activations and gradients are worked out


class LayerRecord(NamedTuple):
    """A layer at the end of a fit.

    Attributes:
        name: as the layer is written.
        shape: of a row behind it.
        parameters: how many numbers it has.
        weights: the norm of its weights, biases aside; NaN where it has none.
        activations: the root mean square of what it makes of at most `MOST_LOOKED_AT` rows.
        gradient: the norm of the loss's gradient by its parameters; NaN where none is varied.
    """

    name: str
    shape: tuple[int, ...]
    parameters: int
    weights: float
    activations: float
    gradient: float

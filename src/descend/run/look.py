"""What the first look at the end of a run can go by."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

__all__ = ["Facts", "Look"]


class Look(Enum):
    """What the first look at an end can go by."""

    NOTHING = "nothing: it is looked at closer each time"
    SQUARES = "the normal equations of the residuals"
    CURVED = "JᵀJ of another loss"
    EPOCHS = "the losses of the epochs"


class Facts(NamedTuple):
    """What the end of a least squares fit is judged by at first.

    Attributes:
        begin, end: (p,) the method's numbers where it began and where it ended.
        jtj, jtr, loss: the normal equations at the end, as `Normal`.
        n: how many residuals there are.
        spread, level: the mean squares of the target about its mean and about zero, weighted as
            the residuals are.
    """

    begin: Sequence[float]
    end: Sequence[float]
    jtj: Sequence[float]
    jtr: Sequence[float]
    loss: float
    n: int
    spread: float
    level: float

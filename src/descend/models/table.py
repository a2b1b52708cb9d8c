"""All ready models by name, as formulas know them."""

from __future__ import annotations

from descend.models import curves, peaks, waves
from descend.models.curves import polynomial_kind
from descend.models.kind import Kind

__all__ = ["KINDS"]

MOST = 9
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        *curves.KINDS, *(polynomial_kind(degree) for degree in range(1, MOST + 1)),
        *peaks.KINDS, *waves.KINDS,
    )
}  # fmt: skip

"""All ready models by name, as formulas know them."""

from __future__ import annotations

from descend.models import curves, peaks, waves
from descend.models.curves import polynomial_kind
from descend.models.kind import Kind

__all__ = ["KINDS", "kind_of"]

MOST = 9
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        *curves.KINDS, *(polynomial_kind(degree) for degree in range(1, MOST + 1)),
        *peaks.KINDS, *waves.KINDS,
    )
}  # fmt: skip


def kind_of(name: str) -> Kind:
    """The ready model of a name; a polynomial of any degree.

    >>> kind_of("polynomial12").linear[-1]
    'c12'
    """
    degree = name.removeprefix("polynomial")
    return KINDS[name] if name in KINDS else polynomial_kind(int(degree))

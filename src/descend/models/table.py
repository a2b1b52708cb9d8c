"""All ready models by name, as formulas know them."""

from __future__ import annotations

from descend.models.curves import KINDS as CURVES
from descend.models.curves import polynomial_kind
from descend.models.kind import Kind
from descend.models.peaks import KINDS as PEAKS
from descend.models.waves import KINDS as WAVES

__all__ = ["KINDS", "kind_of"]

MOST = 9
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        *CURVES, *(polynomial_kind(degree) for degree in range(1, MOST + 1)),
        *PEAKS, *WAVES,
    )
}  # fmt: skip


def kind_of(name: str) -> Kind:
    """The ready model of a name; a polynomial of any degree.

    >>> kind_of("polynomial12").linear[-1]
    'c12'
    """
    degree = name.removeprefix("polynomial")
    return KINDS[name] if name in KINDS else polynomial_kind(int(degree))

"""A network in a report: a table of its layers in place of every weight and bias."""

from __future__ import annotations

import math
from collections.abc import Iterable

from descend.records.layers import MOST_LOOKED_AT
from descend.records.record import FitRecord
from descend.show.layout import Section
from descend.show.numbers import count, plural, short, shortened

__all__ = ["layers_section", "standardised"]

HEADER = ("layer", "row", "parameters", "weights", "activations", "gradient")
NAMED = 26  # characters of a layer as it is written
DIGITS = 4


def layers_section(record: FitRecord) -> Section:
    """The layers with the shape of a row behind each, and what size its numbers have.

    >>> from descend.records.layers import LayerRecord
    >>> layer = LayerRecord("Linear(2)", (2,), 6, 2.0, 0.5, 0.125)
    >>> layers_section(FitRecord(model="…", n_rows=9, params={}, layers=(layer,))).rows
    [('0 Linear(2)', '2', '6', '2', '0.5', '0.125'), ('total', '', '6', '2', '   ', '0.125')]
    """
    layers = record.layers
    section = Section("Layers", HEADER)
    rows = [
        (
            shortened(f"{number} {layer.name}", NAMED), "×".join(map(str, layer.shape)) or "1",
            count(layer.parameters) if layer.parameters else "",
            _size(layer.weights), _size(layer.activations), _size(layer.gradient),
        )
        for number, layer in enumerate(layers)
    ]  # fmt: skip
    rows.append(
        (
            "total", "", count(sum(layer.parameters for layer in layers)),
            _size(_whole(layer.weights for layer in layers)), "",
            _size(_whole(layer.gradient for layer in layers)),
        )
    )  # fmt: skip
    section.fill(rows, (3, 4, 5))
    seen = plural(min(record.n_rows, MOST_LOOKED_AT), "row")
    section.remarks.append(
        "Of the weights and of the gradient of the loss the norms, of activations the root mean "
        f"square; on {seen}."
    )
    section.remarks += record.findings
    return section


def _whole(norms: Iterable[float]) -> float:
    squares = [norm * norm for norm in norms if not math.isnan(norm)]
    return math.sqrt(sum(squares)) if squares else math.nan


def _size(value: float) -> str:
    return "" if math.isnan(value) else short(value, DIGITS)


def standardised(record: FitRecord) -> str:
    """That a network sees rescaled columns, in words."""
    what = "columns and target" if record.target in record.scales else "columns"
    return f"{what} are standardised inside; predictions are in the original units"

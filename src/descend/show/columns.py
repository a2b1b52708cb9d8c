"""The single columns of a fit's data, and the plane over two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.errors import UsageError, suggest

__all__ = ["Single", "column_name", "columns_at", "pair_of", "rgb", "room", "single_columns"]

Array = NDArray[Any]
Single = tuple[str, int | None, Array]
"""A column: the argument that it belongs to, its number in it (None where it is all), its values.
"""


def single_columns(x: Mapping[str, Array], n_rows: int) -> list[Single]:
    """The single columns of the data; none where some are no columns of numbers."""
    found: list[Single] = []
    for name, array in x.items():
        if array.dtype.kind not in "fiub" or len(array) != n_rows or array.ndim > 2:
            return []
        parts: list[Single] = [(name, None, array)]
        if array.ndim == 2:
            parts = [(name, k, array[:, k]) for k in range(array.shape[1])]
        found += parts
    return found


def column_name(name: str, number: int | None, columns: Sequence[Any], names: Sequence[str]) -> str:
    if number is not None and number < len(names):
        return names[number]
    return name if number is None or len(columns) == 1 else f"{name}[{number}]"


def columns_at(
    columns: Sequence[Single], values: Sequence[Array]
) -> dict[str, Array]:
    """Columns by argument, of values for each single column."""
    own = {name: number is not None for name, number, _ in columns}
    found = {}
    for name, is_matrix in own.items():
        mine = [v for (n, _, _), v in zip(columns, values, strict=True) if n == name]
        found[name] = np.stack(mine, axis=1) if is_matrix else mine[0]
    return found


def pair_of(
    columns: Sequence[Single], names: Sequence[str], over: Sequence[str] | None, what: str
) -> tuple[int, int]:
    """The numbers of the two columns that a plane is over.

    Args:
        names: of the columns of the only argument. over: two names; None for the only two.

    Raises:
        UsageError: there are no two columns, or none of such a name.
    """
    known = [column_name(name, number, columns, names) for name, number, _ in columns]
    if len(known) < 2:
        raise UsageError(f"{what} is over two columns of numbers, and there are {len(known)}")
    listed = f"{', '.join(known[:8])}{', …' * (len(known) > 8)}"
    if over is None:
        if len(known) > 2:
            raise UsageError(
                f"{what} is over two columns, and there are {len(known)}",
                remedy=f'choose two by over=("…", "…") of {listed}',
            )
        return 0, 1
    chosen = [over] if isinstance(over, str) else list(over)
    for name in chosen:
        if name not in known:
            raise UsageError(
                f'{what} is over "{name}", and there is no such column{suggest(str(name), known)}',
                remedy=f"choose two of {listed}",
            )
    if len({*chosen}) != 2:
        raise UsageError(
            f"{what} is over two columns, not {len({*chosen})}", remedy=f"choose two of {listed}"
        )
    return known.index(chosen[0]), known.index(chosen[1])


def room(values: Array) -> tuple[float, float]:
    """The ends of an axis, a little beyond the values."""
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    margin = 0.05 * (high - low) or 0.5 * abs(low) or 1.0
    return low - margin, high + margin


def rgb(colour: str) -> tuple[float, float, float]:
    """The parts of a colour, from 0 to 1."""
    from matplotlib.colors import to_rgb

    return to_rgb(colour)

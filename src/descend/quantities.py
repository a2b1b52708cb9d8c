"""Numbers that carry a unit or an index: what would be lost where they are taken as plain ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from descend.errors import DataError, UsageError

__all__ = ["refuse_other_rows", "refuse_units", "unit_of"]

PLAIN = frozenset(("numpy", "builtins"))


def unit_of(value: Any) -> tuple[str, str] | None:
    """The unit of a quantity of pint, astropy or unyt, and how its numbers are had; None of others.

    >>> unit_of(3.0), unit_of([1.0, 2.0])
    (None, None)
    """
    kind = type(value)
    if kind in (list, tuple) and value:
        return unit_of(value[0])
    if kind.__module__.partition(".")[0] in PLAIN:
        return None
    has_number = hasattr(kind, "magnitude") or hasattr(kind, "to_value")
    unit = getattr(value, "units", getattr(value, "unit", None)) if has_number else None
    if unit is None or str(unit) in ("", "dimensionless"):
        return None
    numbers = "to({}).magnitude" if hasattr(kind, "magnitude") else "to_value({})"
    return str(unit), numbers.format(f'"{unit}"')


def refuse_units(value: Any, name: str, kind: type[UsageError | DataError] = DataError) -> None:
    """Refuse a quantity: its unit would be dropped.

    Raises:
        DataError: or another kind of error, with how its numbers are had.
    """
    found = unit_of(value)
    if found is not None:
        raise kind(
            f"{name} is in {found[0]}, and descend reckons with plain numbers",
            remedy=f"give its numbers in the unit you mean: .{found[1]}",
        )


def refuse_other_rows(given: Iterable[tuple[str, Any]]) -> None:
    """Refuse pandas' series and frames whose indices differ: pandas would align them by these.

    Args:
        given: what is taken row by row, with its name; mappings and tuples of such too.

    Raises:
        DataError: with the first row that differs.
    """
    first: tuple[str, Any] | None = None
    for name, value in _parts(given):
        index = getattr(value, "index", None)
        if not type(value).__module__.startswith("pandas") or index is None:
            continue
        if first is None:
            first = name, index
        elif len(index) == len(first[1]) and not index.equals(first[1]):
            one, own = [*first[1]], [*index]
            at = next((i for i, label in enumerate(own) if label != one[i]), 0)
            alike = index.is_unique and {*own} == {*one}
            align = f"align them, {name}.reindex({first[0]}.index), or " if alike else ""
            raise DataError(
                f"{first[0]} and {name} have different indices: row {at} is {_shown(one[at])} in "
                f"{first[0]}, and {_shown(own[at])} in {name}",
                remedy=f"{align}take them by their places, {name}.to_numpy()",
            )


def _shown(label: Any) -> str:
    return f'"{label}"' if isinstance(label, str) else str(label)


def _parts(given: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    for name, value in given:
        if isinstance(value, Mapping):
            yield from ((f'{name}["{key}"]', part) for key, part in value.items())
        elif type(value) in (list, tuple):
            yield from ((f"{name}[{i}]", part) for i, part in enumerate(value))
        else:
            yield name, value

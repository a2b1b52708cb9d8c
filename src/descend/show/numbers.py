"""How numbers are written in reports and pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = [
    "DIGITS",
    "NAME_WIDTH",
    "WIDTH",
    "aligned",
    "count",
    "duration",
    "end_of",
    "full",
    "plural",
    "rate",
    "short",
    "shortened",
    "time_left",
]

WIDTH = 80  # characters in a line of a report
NAME_WIDTH = 24  # and in a name in one of its tables
DIGITS = 6  # of an end of an interval
MINUTE = 60.0
HOUR = 3600.0


def full(value: float, digits: int = 10) -> str:
    """Write a result with all its significant digits, trailing zeros included.

    >>> full(4.04169558), full(9.99145e-06, 6), full(float("nan"))
    ('4.041695580', '9.99145e-06', 'nan')
    """
    return f"{value:#.{digits}g}".removesuffix(".") if math.isfinite(value) else f"{value:g}"


def short(value: float, digits: int = 6) -> str:
    """Write a number of secondary interest: no trailing zeros, "—" where there is none.

    >>> short(1.0), short(0.000642286), short(float("nan"))
    ('1', '0.000642286', '—')
    """
    return "—" if math.isnan(value) else f"{value:.{digits}g}"


def end_of(value: float, digits: int = DIGITS) -> str:
    """Write an end of an interval.

    >>> end_of(1.5, 3), end_of(float("inf")), end_of(float("nan"))
    ('1.50', '∞', '—')
    """
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return "—" if math.isnan(value) else full(value, digits)


def aligned(cells: Sequence[str]) -> list[str]:
    """Pad numbers so that their decimal points stand below one another.

    >>> aligned(["1288.1", "0.25", "—"])
    ['1288.1 ', '   0.25', '   —   ']
    """
    before = [len(cell.split("e")[0].split(".")[0]) for cell in cells]
    left = max(before, default=0)
    padded = [" " * (left - size) + cell for size, cell in zip(before, cells, strict=True)]
    width = max(map(len, padded), default=0)
    return [cell.ljust(width) for cell in padded]


def count(number: int) -> str:
    """Write a whole number, with thousands set apart from five digits on.

    >>> count(4830), count(1000000)
    ('4830', '1,000,000')
    """
    return f"{number:,}" if abs(number) >= 10_000 else str(number)


def plural(number: int, noun: str) -> str:
    """Write a number and its noun.

    >>> plural(1, "row"), plural(4830, "epoch")
    ('1 row', '4830 epochs')
    """
    return f"{count(number)} {noun}" + ("" if number == 1 else "s")


def duration(seconds: float) -> str:
    """Write a time span in the unit that suits it.

    >>> [duration(s) for s in (2e-5, 0.0124, 3.456, 75.0, 7260.0)]
    ['20 µs', '12.4 ms', '3.46 s', '1 min 15 s', '2 h 1 min']
    """
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 0.9995:
        scale, unit = (1e6, "µs") if seconds < 0.9995e-3 else (1e3, "ms")
        return f"{seconds * scale:.3g} {unit}"
    if seconds < MINUTE:
        return f"{seconds:.3g} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min {int(seconds % MINUTE)} s"
    return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"


def time_left(seconds: float) -> str:
    """Write a time to come, to the second, in a form whose width changes little.

    >>> time_left(0.2), time_left(75.0), time_left(7260.0)
    ('0:01', '1:15', '2:01:00')
    """
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rate(per_second: float, noun: str = "rows") -> str:
    """Write a speed.

    >>> rate(12_300_000.0), rate(950.0), rate(float("inf"))
    ('12.3 M rows/s', '950 rows/s', '— rows/s')
    """
    if not math.isfinite(per_second):
        return f"— {noun}/s"
    for scale, letter in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if per_second >= scale:
            divisor = 1e3 if letter == " k" else scale
            return f"{per_second / divisor:.3g}{letter} {noun}/s"
    return f"{per_second:.0f} {noun}/s"


def shortened(text: str, width: int) -> str:
    """Cut a text to a width, in the middle, so that both ends can be recognised.

    >>> shortened("layers[12].attention.weight", 16)
    'layers[1….weight'
    """
    if len(text) <= width:
        return text
    left = width // 2
    return text[:left] + "…" + text[len(text) - (width - 1 - left) :]

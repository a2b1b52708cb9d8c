"""What is said of intervals, profiles, bootstraps and diagnostics."""

from __future__ import annotations

import math

from descend.show.layout import Section
from descend.show.numbers import aligned, count, full, plural, shortened
from descend.trust.bootstrap import BootstrapRecord
from descend.trust.contour import ContourRecord
from descend.trust.diagnostics import DiagnosticsRecord
from descend.trust.intervals import IntervalsRecord
from descend.trust.profile import BOUND, LOWER, OPEN, STUCK, ProfileRecord, Side

__all__ = [
    "bootstrap_notes",
    "bootstrap_sections",
    "contour_sections",
    "diagnostics_sections",
    "intervals_sections",
    "profile_notes",
    "profile_sections",
]

NAME_WIDTH = 24
DIGITS = 6


def intervals_sections(record: IntervalsRecord) -> list[Section]:
    """A table of the intervals, with how far they reach below and above."""
    table = Section("", ("name", "value", "low", "high", "below", "above"))
    cells = []
    for name, (low, high) in record.entries.items():
        best = record.best[name]
        cells.append(
            (shortened(name, NAME_WIDTH), full(best, DIGITS + 2), _end(low), _end(high),
             _end(low - best), _end(high - best))
        )  # fmt: skip
    if cells:
        columns = list(zip(*cells, strict=True))
        table.rows = list(zip(columns[0], *(aligned(c) for c in columns[1:]), strict=True))
    table.remarks = list(record.notes)
    return [table]


def _end(value: float, digits: int = DIGITS) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return "—" if math.isnan(value) else full(value, digits)


def profile_notes(record: ProfileRecord) -> list[str]:
    """What is to be said of the ends of a profile interval."""
    if record.better is not None:
        place = ", ".join(f"{name}={value:.6g}" for name, value in record.better.items())
        return [
            f"A lower minimum was found on the way along {record.name}: the fit is not at the best "
            f"place. Fit again from there: start=dict({place})."
        ]
    sides = zip(("below", "above"), record.sides, strict=True)
    return [note for word, side in sides if (note := _side_note(record, word, side))]


def _side_note(record: ProfileRecord, word: str, side: Side) -> str:
    goal = math.sqrt(record.threshold)
    if side.reason == BOUND:
        return f"{record.name} is one-sided: {word}, its bound {side.limit:.6g} ends the interval."
    if side.reason == OPEN:
        return (
            f"{record.name} is open {word}: the fit gets worse by no more than {side.rise:.2g} "
            f"standard errors there, and {goal:.3g} would end the interval."
        )
    if side.reason in (STUCK, LOWER):
        return f"The end of {record.name} {word} was not found: refits failed on the way."
    return ""


def profile_sections(record: ProfileRecord) -> list[Section]:
    """The interval of one parameter, and how far it is from symmetric."""
    reach = math.sqrt(record.threshold) * record.stderr
    rows: list[tuple[str, ...]] = [
        ("value", full(record.best, DIGITS + 2)),
        ("interval", f"{_end(record.low)} to {_end(record.high)}"),
        ("symmetric", f"{_end(record.best - reach)} to {_end(record.best + reach)}"),
        ("refits", plural(max(len(record.values) - 1, 0), "point")),
    ]
    return [Section("", rows=rows, remarks=profile_notes(record))]


def contour_sections(record: ContourRecord) -> list[Section]:
    """How large the grid is, and what cuts the regions off."""
    levels = ", ".join(f"{level:.4g}" for level in record.levels)
    rows: list[tuple[str, ...]] = [
        ("grid", f"{len(record.x)} × {len(record.y)} places"),
        ("levels", levels),
    ]
    for name, axis in zip(record.names, (record.x, record.y), strict=True):
        rows.append((shortened(name, 12), f"{_end(float(axis[0]))} to {_end(float(axis[-1]))}"))
    remarks = [f"{note[0].upper()}{note[1:]}." for note in record.cut]
    return [Section("", rows=rows, remarks=remarks)]


def bootstrap_sections(record: BootstrapRecord, level: float = 0.95) -> list[Section]:
    """Errors, biases and BCa intervals."""
    table = Section("", ("name", "value", "± error", "bias", "low", "high"))
    ends = record.limits(level, "bca")
    cells = [
        (shortened(name, NAME_WIDTH), full(float(best), DIGITS + 2),
         _end(record.stderr[name]), _end(record.bias[name], 3), _end(float(low)),
         _end(float(high)))
        for name, best, (low, high) in zip(record.names, record.best, ends, strict=True)
    ]  # fmt: skip
    columns = list(zip(*cells, strict=True))
    table.rows = list(zip(columns[0], *(aligned(c) for c in columns[1:]), strict=True))
    table.remarks = [
        f"low and high: the BCa interval of {level:.4g}. Seed {record.seed}.",
        *bootstrap_notes(record, level),
    ]
    if record.failed:
        table.remarks.append(
            f"Left out: {plural(record.failed, 'fit')} of {count(record.n + record.failed)} that "
            "found no minimum. The others look better than all would."
        )
    return [table]


def bootstrap_notes(record: BootstrapRecord, level: float, kind: str = "bca") -> list[str]:
    """What is to be said of the ends."""
    notes = [*record.findings]
    if math.isfinite(record.dof):
        notes.append(
            f"Quantiles expanded to Student's t of {record.dof:.6g} "
            f"{'degree' if record.dof == 1 else 'degrees'} of freedom."
        )
    if kind == "bca" and record.on_bound:
        notes.append(
            "A parameter lies on its bound, where BCa has no bias to correct: these are the "
            "percentile intervals."
        )
    if beyond := record.beyond(level, kind):
        names = ", ".join(beyond[:6]) + (", …" if len(beyond) > 6 else "")
        notes.append(
            f"{plural(record.n, 'fit')} are too few for {level:.4g}: an end of {names} lies "
            "beyond all draws, and is the outermost of them. Draw more."
        )
    return notes


def diagnostics_sections(record: DiagnosticsRecord) -> list[Section]:
    """The tests, and what is remarkable."""
    tests = Section("", ("test", "statistic", "p", "of"))
    tests.rows = [
        (test.name, f"{test.statistic:.4g}", f"{test.p_value:.3g}", test.meaning)
        for test in record.tests
    ]
    along = f" along {record.ordered_by}" if record.ordered_by else ""
    tests.remarks = [
        f"Durbin–Watson {record.durbin_watson:.3f} (about 2 where neighbours{along} have nothing "
        "in common).",
        f"Leverage from {record.leverage.min():.3g} to {record.leverage.max():.3g}, "
        f"Cook's distance up to {_largest(record):.3g}.",
    ]
    findings = list(record.findings) or ["Nothing remarkable."]
    return [tests, Section("Findings", remarks=findings)]


def _largest(record: DiagnosticsRecord) -> float:
    finite = record.cooks[~(record.cooks != record.cooks)]
    return float(finite.max()) if finite.size else math.nan

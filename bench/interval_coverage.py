"""How often intervals hold the truth: simulated data, fitted as a user fits them.

Every kind of interval and band of each fit is asked whether it holds the true value; the table
says in how many fits it does. `make coverage` writes docs/coverage.md.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import descend

FITS = {100: 10_000, 50: 10_000, 20: 5000}  # simulated fits of so many points
DRAWS, LEVEL = 1000, 0.95
ROWS_EVERY = 10  # whole rows are drawn for one fit in so many: it doubles the work
CHUNK = 50
KINDS = (
    "Student's t", "profile", "bootstrap, BCa", "bootstrap, percentile", "bootstrap, basic",
    "rows drawn, BCa", "rows drawn, percentile",
)  # fmt: skip
BANDS = (
    "confidence band, at one x", "confidence band, all x at once", "prediction band, one new row",
    "prediction band, all new rows at once",
)  # fmt: skip
PAGE = Path(__file__).parents[1] / "docs/coverage.md"


def line(x: Any, a: Any, b: Any) -> Any:
    return a * x + b


def decay(x: Any, a: Any, k: Any, c: Any) -> Any:
    return a * np.exp(-k * x) + c


class Case(NamedTuple):
    """A model with its truth, where it is measured, and the noise."""

    title: str
    model: Callable[..., Any]
    truth: dict[str, float]
    last: float
    sigma: float
    options: dict[str, Any]
    above: str = ""

    def of(self, points: int) -> Case:
        """The case of so many points; what lies near its bound stays as many errors above it."""
        if not self.above:
            return self
        value = self.truth[self.above] * math.sqrt(100 / points)
        return self._replace(truth={**self.truth, self.above: value})


CASES = {
    "linear": Case("`a*x + b`", line, {"a": 2.0, "b": 1.0}, 1.0, 0.5, {}),
    "exponential": Case(
        "`a*exp(-k*x) + c`", decay, {"a": 2.0, "k": 1.3, "c": 0.5}, 4.0, 0.1, {},
    ),
    "bounded": Case(
        "`a*exp(-k*x) + c` with `bounds={\"c\": (0, None)}`; the true c lies about three "
        "standard errors above its bound", decay, {"a": 2.0, "k": 1.3, "c": 0.06}, 4.0, 0.1,
        {"bounds": {"c": (0, None)}}, "c",
    ),
}  # fmt: skip


def judge(case: Case, points: int, number: int, draws: int) -> Counter[tuple[str, str]]:
    """One simulated fit: which intervals hold the truth, by kind and parameter."""
    rng = np.random.default_rng([2026, points, number])
    x = np.linspace(0, case.last, points)
    truth = case.model(x, **case.truth)
    y = truth + case.sigma * rng.standard_normal(points)
    fit = descend.fit(case.model, x, y, start=case.truth, **case.options)
    made = {"Student's t": fit.confidence(LEVEL), "profile": fit.confidence(LEVEL, "profile")}
    residual = fit.bootstrap(draws, "residual", seed=number)
    for kind, word in (("bca", "BCa"), ("percentile", "percentile"), ("basic", "basic")):
        made[f"bootstrap, {word}"] = residual.intervals(LEVEL, kind)
    if number % ROWS_EVERY == 0:
        rows = fit.bootstrap(draws, "case", seed=number)
        made["rows drawn, BCa"] = rows.intervals(LEVEL)
        made["rows drawn, percentile"] = rows.intervals(LEVEL, "percentile")
    found = Counter({("fits", kind): 1 for kind in made})
    for kind, intervals in made.items():
        for name, value in case.truth.items():
            low, high = intervals[name]
            found[kind, name] += bool(low <= value <= high)
            found[f"{kind}: lost", name] += math.isnan(low)
    return found + bands(case, fit, x, truth, rng)


def bands(case: Case, fit: Any, x: Any, truth: Any, rng: Any) -> Counter[tuple[str, str]]:
    """Which bands hold the true curve, or new observations."""
    found: Counter[tuple[str, str]] = Counter()
    new = truth + case.sigma * rng.standard_normal(x.size)
    for kind, target in (("confidence", truth), ("prediction", new)):
        make = fit.confidence_band if kind == "confidence" else fit.prediction_band
        one, every = make(x, LEVEL), make(x, LEVEL, simultaneous=True)
        inside = (one.low <= target) & (target <= one.high)
        found[BANDS[0 if kind == "confidence" else 2], "first"] += bool(inside[0])
        found[BANDS[0 if kind == "confidence" else 2], "middle"] += bool(inside[inside.size // 2])
        found[BANDS[0 if kind == "confidence" else 2], "last"] += bool(inside[-1])
        together = bool(np.all((every.low <= target) & (target <= every.high)))
        found[BANDS[1 if kind == "confidence" else 3], "all"] += together
    return found


def _share(task: tuple[str, int, int, int, int]) -> Counter[tuple[str, str]]:
    name, points, begin, end, draws = task
    total: Counter[tuple[str, str]] = Counter()
    for number in range(begin, end):
        total.update(judge(CASES[name].of(points), points, number, draws))
    return total


def simulate(
    name: str, points: int, fits: int, draws: int, pool: Any, folder: Path | None = None
) -> Counter[tuple[str, str]]:
    """All fits of one model, divided among processes; what is done is kept in `folder`."""
    kept = None if folder is None else folder / f"{name}-{points}-{draws}.json"
    total, first = _resumed(kept)
    tasks = [(name, points, i, min(i + CHUNK, fits), draws) for i in range(first, fits, CHUNK)]
    begin = time.monotonic()
    for task, part in zip(tasks, pool.imap(_share, tasks), strict=True):
        total.update(part)
        if kept is not None:
            entries = [[*key, count] for key, count in total.items()]
            kept.write_text(json.dumps({"fits": task[3], "total": entries}))
        if task[3] % 500 == 0 or task[3] == fits:
            passed = time.monotonic() - begin
            left = passed * (fits - task[3]) / (task[3] - first)
            print(f"{name}, {points} points: {task[3]} of {fits} fits, {passed:.0f} s, "
                  f"{left:.0f} s to go", file=sys.stderr, flush=True)  # fmt: skip
    return total


def _resumed(kept: Path | None) -> tuple[Counter[tuple[str, str]], int]:
    if kept is None or not kept.exists():
        return Counter(), 0
    found = json.loads(kept.read_text())
    return Counter({(kind, name): count for kind, name, count in found["total"]}), found["fits"]


def intervals_table(case: Case, totals: Mapping[int, Counter[tuple[str, str]]]) -> str:
    """The shares of the intervals in percent, for one or several numbers of points."""
    names, several = list(case.truth), len(totals) > 1
    heads = [f"{name}, {points} points" if several else name for points in totals for name in names]
    lines = [f"| interval | {' | '.join(heads)} |", "|---|" + "--:|" * len(heads)]
    for kind in KINDS:
        cells = [_percent(total[kind, name], total["fits", kind])
                 for total in totals.values() for name in names]  # fmt: skip
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    for points, total in totals.items():
        for kind in KINDS:
            lost = max(total[f"{kind}: lost", name] for name in names)
            if lost:
                lines.append(f"\n{kind}, {points} points: {lost:,} of {total['fits', kind]:,} fits "
                             "have no interval, and count as missing the truth.")  # fmt: skip
    return "\n".join(lines)


def _percent(count: int, fits: int) -> str:
    return f"{100 * count / fits:.2f}" if fits else ""


def bands_table(total: Counter[tuple[str, str]]) -> str:
    """The shares of the bands in percent."""
    places, fits = ("first", "middle", "last"), total["fits", KINDS[0]]
    lines = [f"| band | {' | '.join(f'at the {p} x' for p in places)} | together |",
             "|---|--:|--:|--:|--:|"]  # fmt: skip
    for band in BANDS:
        cells = [_percent(total[band, p], fits) if (band, p) in total else ""
                 for p in (*places, "all")]  # fmt: skip
        lines.append(f"| {band} | {' | '.join(cells)} |")
    return "\n".join(lines)


def chance(total: Counter[tuple[str, str]]) -> str:
    """How many fits there are, and by how much chance moves a share."""
    counts = [total["fits", kind] for kind in (KINDS[0], KINDS[-1])]
    one, rows = (100 * math.sqrt(LEVEL * (1 - LEVEL) / max(1, count)) for count in counts)
    return (
        f"{counts[0]:,} fits, {counts[1]:,} of them with rows drawn: chance alone moves a share "
        f"by {one:.2f}, of drawn rows by {rows:.2f} (one deviation)."
    )


def extremes(results: Mapping[str, Mapping[int, Counter[tuple[str, str]]]]) -> str:
    """The lowest and the highest share of each kind, over all models and parameters."""
    sizes = sorted({points for totals in results.values() for points in totals}, reverse=True)
    lines = [f"| interval | {' | '.join(f'{points} points' for points in sizes)} |",
             "|---|" + "--:|" * len(sizes)]  # fmt: skip
    for kind in KINDS:
        cells = []
        for points in sizes:
            found = [
                100 * totals[points][kind, name] / totals[points]["fits", kind]
                for case, totals in results.items() for name in CASES[case].truth
                if points in totals and totals[points]["fits", kind]
            ]  # fmt: skip
            cells.append(f"{min(found):.2f} to {max(found):.2f}" if found else "")
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


INTRODUCTION = f"""\
# Coverage

How often intervals of {LEVEL:.0%} hold the true value, in per cent of simulated fits with normal
noise and {{draws:,}} bootstrap draws each. Made by `make coverage`.

"Bootstrap" draws residuals; "rows drawn" draws whole rows, for one fit in {ROWS_EVERY}. Student's t
and the bands take the model as linear at its minimum; the profile does not. Bootstrap intervals
take their quantiles where Student's t has the level, since the draws know the noise only from the
data (Hesterberg 2015); where the fit lies on its bound, BCa is the percentile interval, and
Student's t has none for the parameter that the bound holds.

The lowest and the highest share over all models and parameters:
"""


def page(results: Mapping[str, Mapping[int, Counter[tuple[str, str]]]], draws: int) -> str:
    """The page as it is published."""
    parts = [INTRODUCTION.format(draws=draws), extremes(results) + "\n"]
    for name, totals in results.items():
        most = max(totals)
        parts.append(f"## {name.capitalize()}\n\n{_described(name, most)}\n")
        parts.append(f"{most} points. {chance(totals[most])}\n")
        parts.append(intervals_table(CASES[name], {most: totals[most]}) + "\n")
        parts.append(bands_table(totals[most]) + "\n")
    parts.append("## Fewer points\n")
    for name, totals in results.items():
        fewer = {points: total for points, total in totals.items() if points < max(totals)}
        parts.append(f"### {name.capitalize()}, fewer points\n")
        for points, total in fewer.items():
            parts.append(f"{points} points: {_described(name, points)} {chance(total)}\n")
        if fewer:
            parts.append(intervals_table(CASES[name], fewer) + "\n")
    return "\n".join(parts)


def _described(name: str, points: int) -> str:
    case = CASES[name].of(points)
    truth = ", ".join(f"{n} = {v:.3g}" for n, v in case.truth.items())
    return f"{case.title}; {truth}; noise {case.sigma:g}."


def main() -> None:
    """Simulate, print, and write the page unless told otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, help="of every model; the published number if left out")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--points", type=int, choices=list(FITS), action="append")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count(),
                        help="the numbers do not depend on it")  # fmt: skip
    parser.add_argument("--only", choices=list(CASES), action="append")
    parser.add_argument("--keep", type=Path, help="a folder to go on from after a break")
    parser.add_argument("--no-page", action="store_true", help="print the tables only")
    options = parser.parse_args()
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    # Every process has one core: the threads of a linear algebra library would only wait.
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        results = {
            name: {
                points: simulate(name, points, options.fits or FITS[points], options.draws, pool,
                                 options.keep)
                for points in options.points or FITS
            }
            for name in options.only or CASES
        }  # fmt: skip
    text = page(results, options.draws)
    print(text)
    if not (options.no_page or options.only or options.points or options.fits):
        PAGE.write_text(text)


if __name__ == "__main__":
    main()

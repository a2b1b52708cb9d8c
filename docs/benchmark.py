"""The table of the README from what `make bench` wrote."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results" / "latest.json"
SHOWN = ("descend_fit", "jax_scan", "numba_loop", "torch_eager", "sklearn_sgd", "numpy_loop")
FITS = {
    "many_fits.json": "100 000 fits of 50 points, one core",
    "large_fit.json": "1 000 000 rows, 7 parameters",
}
CONTESTANTS = {
    "descend": "descend", "descend, one core": "descend", "curve_fit": "SciPy", "lmfit": "lmfit",
    "curve_fit, Horner's form, analytic Jacobian": "SciPy, by an expert",
    "lmfit, Horner's form": "lmfit, by an expert",
}  # fmt: skip
UNMEASURED = "*Not measured yet: `make bench` writes the figures, `make docs` this table.*\n"


def benchmark_table(path: Path = RESULTS) -> str:
    """Warm times per row in order, then whole processes, in Markdown; a marker without figures."""
    if not path.exists():
        return UNMEASURED
    outcome = json.loads(path.read_text(encoding="utf-8"))
    fits = _fits(outcome["least_squares"], path.parent)
    lines = [*_warm(outcome), "", *_cold(outcome["cold"]), *fits, *_machine(outcome)]
    return "\n".join(lines) + "\n"


def _report() -> Any:
    """The benchmark's own names and number format."""
    folder = str(ROOT / "bench")
    if folder not in sys.path:
        sys.path.append(folder)
    import report

    return report


def _warm(outcome: dict[str, Any]) -> list[str]:
    report = _report()
    peers = [p for p in SHOWN if p in outcome["peers"] and p not in outcome["missing"]]
    head = ["model", "rows", "batch", *(report.TITLES[p] for p in peers), "limit"]
    lines = [report.table_row(head), "|---|" + "---:|" * (len(head) - 1)]
    for row in outcome["cases"]:
        model, rows, batch, order = row["case"].split("/")
        if order == "in order":
            cells = [report.cell(row["results"].get(p)) for p in peers]
            count = f"{int(rows):,}".replace(",", " ")
            lines.append(
                report.table_row([model, count, batch, *cells, report.number(row["limit"])])
            )
    return [*lines, "", *report.summary(outcome["cases"])]


def _cold(results: list[dict[str, Any]]) -> list[str]:
    """The lesson's job as a whole process, from its start to the fitted weights."""
    report = _report()
    if not results:
        return []
    lines = [report.table_row(["the lesson's job as a whole process", "seconds"]), "|---|---:|"]
    for result in results:
        took = f"{result['seconds']:.2f}" if "seconds" in result else "failed"
        lines.append(report.table_row([result["name"], took]))
    return [*lines, ""]


def _fits(least_squares: list[dict[str, Any]], folder: Path) -> list[str]:
    """Least squares with standard errors: one fit, many small ones, one of many rows."""
    report = _report()
    table: dict[str, dict[str, float]] = {}
    for row in least_squares:
        own = table.setdefault(f"one fit: {row['data']}", {})
        own[row["name"]] = row["us"]
    for file, title in FITS.items():
        place = folder / file
        if place.exists():
            found = json.loads(place.read_text(encoding="utf-8"))
            table[title] = dict(_columns(found))
    if not table:
        return []
    peers = list(dict.fromkeys(peer for own in table.values() for peer in own))
    lines = [report.table_row(["µs a fit, with standard errors", *peers])]
    lines.append("|---|" + "---:|" * len(peers))
    for title, own in table.items():
        cells = [report.number(own[peer]) if peer in own else "–" for peer in peers]
        lines.append(report.table_row([title, *cells]))
    return [*lines, ""]


def _columns(found: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Microseconds by the names that the table has for the contestants."""
    times = found.get("microseconds") or {n: 1e6 * s for n, s in found["seconds"].items()}
    for name, us in times.items():
        if name in CONTESTANTS:
            yield CONTESTANTS[name], us


def _machine(outcome: dict[str, Any]) -> list[str]:
    about = outcome["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in about["versions"].items())
    return [
        f"Measured on {about['processor']} with {about['cores']} cores; Python {about['python']}; "
        f"{versions}. – means that the contestant refuses the case."
    ]

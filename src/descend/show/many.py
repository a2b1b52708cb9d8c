"""The summary of many fits as text: how they ended, and how their parameters are spread."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.show.numbers import count, rate, short
from descend.visible import visible

__all__ = ["group_lines", "many_report"]

MOST_ROWS = 20  # of parameters
MOST_GROUPS = 1000  # that are printed


def many_report(fits: Any) -> str:
    """How many fits ended in which way, quantiles of the parameters, and the speed."""
    lines = [f"{len(fits)} fits of {fits.model}"]
    by_name = {outcome.name: outcome for outcome in fits.outcomes.values()}
    for name, number in fits.counts().items():
        lines.append(f"  {number:>9}  {by_name[name].message}")
    lines += ["", *_table(fits)]
    if fits.n_further:
        needed = "1 fit" if fits.n_further == 1 else f"{fits.n_further} fits"
        cut = f"; the search of {fits.n_cut} was cut, at its most evaluations" if fits.n_cut else ""
        lines += ["", f"{needed} needed further starts, which mended {fits.n_mended}{cut}"]
    elif fits.starts is not None and fits.agreed is not None and np.any(fits.starts > 1):
        alone = int(np.count_nonzero((fits.agreed < 2) & fits.success))
        lines += ["", f"best of {fits.starts.max()} starts each; in {alone} only one arrived there"]
    speed = rate(fits.fits_per_second, "fits")
    threads = f"{fits.threads} thread" + ("" if fits.threads == 1 else "s")
    lines += ["", f"{speed} on {threads}, {fits.lanes} fits at a time in each"]
    lines += [f"note: {warning}" for warning in fits.warnings]
    return visible("\n".join(lines))


def _table(fits: Any) -> list[str]:
    """Median and quartiles of each parameter over the fits that converged."""
    good = fits.success
    if not good.any():
        return ["no fit converged"]
    rows: list[tuple[str, ...]] = [("parameter", "25 %", "median", "75 %", "median error")]
    for name, array in fits.params.items():
        flat = array.reshape(len(fits), -1)
        errors = fits.stderr.get(name)
        for i in range(flat.shape[1]):
            label = name if array.ndim == 1 else f"{name}[{i}]"
            spread = np.quantile(flat[good, i], [0.25, 0.5, 0.75])
            error = _median(None if errors is None else errors.reshape(len(fits), -1)[good, i])
            rows.append((label, *(f"{q:.6g}" for q in spread), error))
    return _shown(rows, len(rows) - 1, MOST_ROWS)


def group_lines(fits: Any) -> str:
    """A line for each group: its parameters, their standard errors, and how its fit ended."""
    named = {
        name: column for name, column in fits.columns().items()
        if name.partition("[")[0] in fits.params
    }  # fmt: skip
    errors, names, verdict = fits.columns(), fits.names(), fits.verdict
    rows: list[tuple[str, ...]] = [
        (*names, *(word for name in named for word in (name, "± error")), "verdict")
    ]
    for i in range(min(len(fits), MOST_GROUPS)):
        cells: list[str] = []
        for name, column in named.items():
            error = errors.get(f"stderr_{name}")
            cells += [f"{column[i]:.6g}", short(float("nan") if error is None else error[i], 3)]
        rows.append((*(str(keys[i]) for keys in names.values()), *cells, verdict[i]))
    lines = _shown(rows, len(fits), MOST_GROUPS, "; --save writes all of them")
    return visible("\n".join(lines))


def _shown(rows: list[tuple[str, ...]], n_rows: int, most: int, more: str = "") -> list[str]:
    """A heading and rows in columns, as many as may be shown of all there are."""
    hidden = n_rows - most
    rows = rows[: most + 1]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    text = []
    for first, *rest in rows:
        cells = [c.rjust(w) for c, w in zip(rest, widths[1:], strict=True)]
        text.append("  ".join([first.ljust(widths[0]), *cells]))
    return [*text, f"… and {count(hidden)} more{more}"] if hidden > 0 else text


def _median(values: Any) -> str:
    known = np.zeros(0) if values is None else values[np.isfinite(values)]
    return f"{np.median(known):.3g}" if known.size else "—"

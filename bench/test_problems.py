"""Published test problems: descend beside SciPy and lmfit, written into docs/test-problems.md.

usage: .bench-venv/bin/python bench/test_problems.py

The problems, their starts and their certified values are those of the tests (tests/fitting). Every
program has its defaults; for the problems of Moré, Garbow and Hillstrom SciPy is given the exact
derivatives, so that its evaluations are those of the method alone.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import descend  # noqa: E402
from fitting.mgh import PROBLEMS, Problem  # noqa: E402
from fitting.nist import problems  # noqa: E402
from fitting.test_mgh import ALONE, solve  # noqa: E402

PAGE = ROOT / "docs" / "test-problems.md"
FACTORS = (1, 10, 100)
OTHERS = (0.1, 3, 7, 30, 50, 300, -1, -5)
DIGITS = 6


def digits(found: Any, certified: np.ndarray) -> float:
    """The least log relative error of the parameters, between 0 and 11."""
    found = np.asarray(found, float)
    if not np.isfinite(found).all():
        return 0.0
    error = np.max(np.abs(found - certified) / np.abs(certified))
    return float(np.clip(-np.log10(max(error, 1e-11)), 0.0, 11.0))


# --- NIST


def with_descend(function: Any, x: Any, y: Any, start: dict[str, float]) -> Any:
    return list(descend.fit(function, x, y, start=start).params.values())


def with_scipy(method: str) -> Callable[..., Any]:
    from scipy.optimize import curve_fit

    def call(function: Any, x: Any, y: Any, start: dict[str, float]) -> Any:
        def model(data: Any, *values: float) -> Any:
            return function(*data, *values)

        return curve_fit(model, np.array(x), y, p0=list(start.values()), method=method)[0]

    return call


def with_lmfit(function: Any, x: Any, y: Any, start: dict[str, float]) -> Any:
    import lmfit

    data = dict(zip(("x",) if len(x) == 1 else ("x1", "x2"), x, strict=True))
    model = lmfit.Model(function, independent_vars=list(data))
    best = model.fit(y, model.make_params(**start), **data).best_values
    return [best[name] for name in start]


def nist_table() -> str:
    fitters = {
        "descend": with_descend, "curve_fit (lm)": with_scipy("lm"),
        "curve_fit (trf)": with_scipy("trf"), "lmfit": with_lmfit,
    }  # fmt: skip
    solved = dict.fromkeys(fitters, 0)
    lines = []
    for name, p in problems().items():
        cells = []
        for fitter, call in fitters.items():
            reached = [_reached(call, p, start) for start in p.starts]
            solved[fitter] += sum(value >= DIGITS for value in reached)
            cells.append(" / ".join(_cell(value) for value in reached))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    head = f"| problem | {' | '.join(fitters)} |\n|---|{'---|' * len(fitters)}\n"
    total = f"\n| **of 54** | {' | '.join(f'**{count}**' for count in solved.values())} |\n"
    return head + "\n".join(lines) + total


def _reached(call: Callable[..., Any], problem: Any, start: dict[str, float]) -> float:
    x, y = problem.data
    try:
        return digits(call(problem.function, x, y, start), problem.certified)
    except Exception:
        return 0.0


def _cell(value: float) -> str:
    return f"{value:.1f}" if value >= DIGITS else "–"


# --- Moré, Garbow and Hillstrom


def evaluations(problem: Problem, factor: float) -> tuple[str, str]:
    """What descend and SciPy needed, and where they went instead, if they did."""
    from scipy.optimize import least_squares

    residual, start = problem.residual, problem.start(factor)
    ours = ours_at(problem, factor)
    slopes = descend.jacobian(residual)
    try:
        found = least_squares(residual, start, lambda x: np.asarray(slopes(x)), method="lm")
        theirs = _told(problem, int(found.nfev), 2 * float(found.cost))
    except Exception:
        theirs = "error"
    return ours, theirs


def ours_at(problem: Problem, factor: float, **options: Any) -> str:
    """What descend needed; a star where it tried further starts."""
    fit = solve(problem, factor, **options)
    return _told(problem, fit.n_evaluations, fit.chi2) + "*" * (fit.n_starts > 1)


def _told(problem: Problem, count: int, squares: float) -> str:
    known = problem.reached(squares)
    if known is None:
        return f"({count}: {squares:.3g})" if np.isfinite(squares) else f"({count}: ∞)"
    return str(count) if known == problem.minima[0] else f"{count}: {known:.3g}"


def mgh_table() -> str:
    lines = []
    for name, problem in PROBLEMS.items():
        cells = [cell for factor in FACTORS for cell in evaluations(problem, factor)]
        lines.append(f"| {problem.number} | {name} | {' | '.join(cells)} |")
    columns = " | SciPy | ".join(f"×{factor}" for factor in FACTORS)
    head = f"| | problem | {columns} | SciPy |\n|{'---|' * (2 + 2 * len(FACTORS))}\n"
    return head + "\n".join(lines) + "\n"


def far_table() -> str:
    """The far starts that lead to no minimum by themselves, beside a patient SciPy."""
    lines = []
    for (name, factor), words in ALONE.items():
        problem = PROBLEMS[name]
        alone, ours = ours_at(problem, factor, starts=1), ours_at(problem, factor)
        cells = [patient(problem, factor, scale) for scale in ("jac", 1.0)]
        lines.append(f"| {name} ×{factor} | {words} | {alone} | {ours} | {' | '.join(cells)} |")
    head = "| problem | what happens | start alone | descend | SciPy, scaled | SciPy, x_scale=1 |\n"
    return head + f"|{'---|' * 6}\n" + "\n".join(lines) + "\n"


def other_table() -> str:
    """How many of the problems are solved from other multiples of their starts."""
    from scipy.optimize import least_squares

    lines = []
    for factor in OTHERS:
        counts = [0, 0, 0]
        for problem in PROBLEMS.values():
            slopes = descend.jacobian(problem.residual)
            ends = [solve(problem, factor, starts=n).chi2 for n in (None, 1)]
            try:
                ends.append(2 * float(least_squares(
                    problem.residual, problem.start(factor),
                    lambda x, slopes=slopes: np.asarray(slopes(x)), method="lm",
                ).cost))  # fmt: skip
            except Exception:
                ends.append(np.inf)
            for i, end in enumerate(ends):
                counts[i] += problem.reached(end) is not None
        lines.append(f"| ×{factor:g} | {' | '.join(map(str, counts))} |")
    head = f"| of {len(PROBLEMS)} | descend | from the start alone | SciPy |\n|---|---|---|---|\n"
    return head + "\n".join(lines) + "\n"


def patient(problem: Problem, factor: float, scale: Any) -> str:
    """Where MINPACK arrives with tolerances of 1e-15 and 10 000 evaluations."""
    from scipy.optimize import least_squares

    slopes = descend.jacobian(problem.residual)
    try:
        found = least_squares(
            problem.residual, problem.start(factor), lambda x: np.asarray(slopes(x)), method="lm",
            x_scale=scale, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=10_000,
        )  # fmt: skip
    except ValueError:
        return "error"
    return _told(problem, int(found.nfev), 2 * float(found.cost))


def with_tables(text: str, tables: dict[str, str]) -> str:
    for mark, table in tables.items():
        pattern = rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)"
        text = re.sub(pattern, lambda m, table=table: f"{m[1]}\n{table}\n{m[2]}", text, flags=re.S)
    return text


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    tables = {
        "nist": nist_table(), "more-garbow-hillstrom": mgh_table(), "far-starts": far_table(),
        "other-starts": other_table(),
    }  # fmt: skip
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")

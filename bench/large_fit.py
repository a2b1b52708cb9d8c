"""One large fit: a rational of 7 parameters to a million rows, beside SciPy's curve_fit and lmfit.

usage: python bench/large_fit.py [--rows 1000000] [--rounds 5]

Each fits y = (b1 + b2·x + b3·x² + b4·x³)/(1 + b5·x + b6·x² + b7·x³) from the same start
and leaves parameters, standard errors and the sum of squares. They take turns, round after round;
the best round of each counts, in seconds of one core's processor time. All must reach the same sum
of squares. The first call of `descend`, with an empty cache, is measured before them.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine

for _name, _value in machine.environment().items():  # before NumPy loads its libraries
    os.environ[_name] = _value
os.environ |= {"DESCEND_CACHE": "off", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

import numpy as np  # noqa: E402

HERE = Path(__file__).parent
TRUE = (1288.14, 1491.08, 583.238, 75.4166, 0.966295, 0.397973, 0.0497273)
START = {"b1": 1000, "b2": 1000, "b3": 400, "b4": 40, "b5": 0.7, "b6": 0.3, "b7": 0.03}
AIM, SAME = 10, 1e-9
Found = tuple[float, Any]


def rational(x, b1, b2, b3, b4, b5, b6, b7):
    return (b1 + b2 * x + b3 * x**2 + b4 * x**3) / (1 + b5 * x + b6 * x**2 + b7 * x**3)


def by_hand(x, b1, b2, b3, b4, b5, b6, b7):
    """The model in Horner's form, as one writes it for speed."""
    return (b1 + x * (b2 + x * (b3 + x * b4))) / (1 + x * (b5 + x * (b6 + x * b7)))


def slopes(x, b1, b2, b3, b4, b5, b6, b7):
    """Its derivatives, (rows, 7), with shared powers and one division."""
    found = np.empty((7, len(x)))
    np.divide(1, 1 + x * (b5 + x * (b6 + x * b7)), out=found[0])
    for i in (1, 2, 3):
        np.multiply(found[i - 1], x, out=found[i])
    down = -(b1 + x * (b2 + x * (b3 + x * b4))) * found[0]
    for i in (1, 2, 3):
        np.multiply(found[i], down, out=found[i + 3])
    return found.T


def data(rows: int) -> tuple[Any, Any]:
    """The range of NIST's Thurber problem, with noise."""
    x = np.linspace(-3.0, 2.3, rows)
    return x, rational(x, *TRUE) + 10 * np.random.default_rng(0).normal(size=rows)


def with_descend(x, y) -> Found:
    import descend

    fit = descend.fit(rational, x, y, start=START)
    return fit.chi2, np.array([fit.stderr[n] for n in START])


def with_scipy(model: Callable[..., Any] = by_hand, **options: Any) -> Callable[[Any, Any], Found]:
    from scipy.optimize import curve_fit

    def fit(x, y) -> Found:
        _, covariance, info, *_ = curve_fit(
            model, x, y, p0=list(START.values()), full_output=True, **options
        )
        return float(info["fvec"] @ info["fvec"]), np.sqrt(np.diag(covariance))

    return fit


def with_lmfit(model: Callable[..., Any] = by_hand, **options: Any) -> Callable[[Any, Any], Found]:
    import lmfit

    face = lmfit.Model(model)

    def fit(x, y) -> Found:
        given = options
        if options:

            def derivatives(p, *_, **__):
                return -slopes(x, *p.valuesdict().values())

            given = {"fit_kws": {"Dfun": derivatives}}
        found = face.fit(y, x=x, **START, **given)
        return found.chisqr, np.array([found.params[n].stderr for n in START])

    return fit


def contestants() -> dict[str, Callable[[Any, Any], Found]]:
    """All that can be had here."""
    jobs: dict[str, Callable[[Any, Any], Found]] = {"descend": with_descend}
    makers: dict[str, Callable[[], Callable[[Any, Any], Found]]] = {
        "curve_fit": lambda: with_scipy(rational),
        "curve_fit, Horner's form": with_scipy,
        "curve_fit, Horner's form, analytic Jacobian": lambda: with_scipy(jac=slopes),
        "lmfit": lambda: with_lmfit(rational),
        "lmfit, Horner's form": with_lmfit,
        "lmfit, Horner's form, analytic Jacobian": lambda: with_lmfit(analytic=True),
    }
    for name, make in makers.items():
        try:
            jobs[name] = make()
        except ImportError:
            print(f"left out, not installed: {name}")
    return jobs


def measure(rows: int, rounds: int) -> dict[str, Any]:
    """The best processor time of each contestant, in seconds, and what they found."""
    x, y = data(rows)
    begin = time.process_time()
    with_descend(x, y)
    first = time.process_time() - begin
    best: dict[str, float] = {}
    found: dict[str, Found] = {}
    jobs = contestants()
    for _ in range(rounds):
        for name, call in jobs.items():
            begin = time.process_time()
            found[name] = call(x, y)
            best[name] = min(best.get(name, np.inf), time.process_time() - begin)
    chi2, errors = found["descend"]
    return {
        "rows": rows,
        "seconds": best,
        "first": first,
        "chi2": {name: float(value) for name, (value, _) in found.items()},
        "same": {n: bool(abs(value - chi2) <= SAME * chi2) for n, (value, _) in found.items()},
        "errors_apart": {
            name: float(np.max(np.abs(own / errors - 1))) for name, (_, own) in found.items()
        },
        "machine": machine.describe(),
    }


def report(result: dict[str, Any]) -> str:
    """The table, with how many times as long each took."""
    ours = result["seconds"]["descend"]
    lines = ["", f"a rational of 7 parameters, {result['rows']:,} rows, with standard errors", ""]
    lines += ["| | s | ratio | sum of squares | errors differ by |", "|---|---:|---:|---:|---:|"]
    for name, seconds in result["seconds"].items():
        chi2, same = result["chi2"][name], result["same"][name]
        lines.append(
            f"| {name} | {seconds:.3f} | {seconds / ours:.1f} | "
            f"{chi2:.10g}{'' if same else ' (another)'} | {result['errors_apart'][name]:.0e} |"
        )
    first = f"{result['first']:.2f} s"
    lines += ["", f"aim: {AIM} times; the first call, its compilation in it: {first}"]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    result = measure(asked.rows, asked.rounds)
    print(report(result))
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    (folder / "large_fit.json").write_text(json.dumps(result, indent=1) + "\n")
    return 0 if all(result["same"].values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())

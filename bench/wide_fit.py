"""A fit of many parameters to many rows: sixteen peaks on a level, beside SciPy's curve_fit.

usage: python bench/wide_fit.py [--rows 300000] [--peaks 16] [--rounds 3]

Each fits heights and widths of the peaks and the level, from the same start, and leaves parameters
with standard errors. curve_fit is given the derivatives, by NumPy, as one writes them for speed.
They take turns; the best round of each counts, in seconds of one core's processor time.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any

import machine

for _name, _value in machine.environment().items():  # before NumPy loads its libraries
    os.environ[_name] = _value
os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

import numpy as np  # noqa: E402

SAME = 1e-9


def curve(x: Any, *p: float) -> Any:
    """The level, then the height and width of each peak; they stand a unit apart."""
    found = np.full(len(x), p[0])
    for i, (height, width) in enumerate(zip(p[1::2], p[2::2], strict=True)):
        found += height * np.exp(-(((x - i) / width) ** 2))
    return found


def slopes(x: Any, *p: float) -> Any:
    """Its derivatives, (rows, parameters)."""
    found = np.empty((len(p), len(x)))
    found[0] = 1
    for i, (height, width) in enumerate(zip(p[1::2], p[2::2], strict=True)):
        away = (x - i) / width
        np.exp(-(away**2), out=found[2 * i + 1])
        np.multiply(found[2 * i + 1], 2 * height / width * away**2, out=found[2 * i + 2])
    return found.T


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--peaks", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    from scipy.optimize import curve_fit

    import descend

    rng = np.random.default_rng(0)
    truth = [0.5, *np.stack([rng.uniform(1, 3, given.peaks), rng.uniform(0.2, 0.4, given.peaks)], 1)
             .ravel()]  # fmt: skip
    x = rng.uniform(-0.5, given.peaks - 0.5, given.rows)
    y = curve(x, *truth) + 0.05 * rng.normal(size=given.rows)
    start = {"c": 0.0}
    for i in range(given.peaks):
        start |= {f"h{i}": 1.5, f"w{i}": 0.3}
    terms = "".join(f" + h{i}*exp(-((x - {i})/w{i})**2)" for i in range(given.peaks))

    def own() -> tuple[float, Any]:
        fit = descend.fit(f"y = c{terms}", {"x": x, "y": y}, start=start, threads=1)
        return fit.chi2, np.array([fit.stderr[name] for name in start])

    def peer() -> tuple[float, Any]:
        best, covariance = curve_fit(curve, x, y, p0=[*start.values()], jac=slopes)
        return float(np.sum((curve(x, *best) - y) ** 2)), np.sqrt(np.diag(covariance))

    begin = time.process_time()
    own()
    first = time.process_time() - begin
    best: dict[str, float] = {}
    found: dict[str, tuple[float, Any]] = {}
    for _ in range(given.rounds):
        for name, call in {"descend": own, "curve_fit": peer}.items():
            begin = time.process_time()
            found[name] = call()
            best[name] = min(best.get(name, np.inf), time.process_time() - begin)
    (one, errors), (other, theirs) = found.values()
    print(
        f"{len(start)} parameters, {given.rows} rows: descend {best['descend']:.2f} s (the first "
        f"fit {first:.1f} s), curve_fit with derivatives {best['curve_fit']:.2f} s, "
        f"{best['curve_fit'] / best['descend']:.1f} times as long; errors apart by "
        f"{np.max(np.abs(errors / theirs - 1)):.0e}"
    )
    return int(abs(one - other) > SAME * other)


if __name__ == "__main__":
    sys.exit(main())

"""Many small fits: `fit_many` beside SciPy's curve_fit and lmfit in a loop, in the same run.

usage: python bench/many_fits.py [--fits 100000] [--rounds 5]

Each contestant fits a·exp(−k·x) + c to 50 points from the same start, and leaves parameters,
standard errors and a status for every fit. They take turns, round after round; the best round of
each counts. The loops are timed on a part of the fits, since each of theirs takes as long as any
other. On one core the time is the processor's, on two it is the wall's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
START = {"a": 1.0, "k": 1.0, "c": 0.0}
SCIPY_PART, LMFIT_PART = 300, 40
TARGETS = {"curve_fit": 150, "lmfit": 1000, "two threads": 1.8}


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def data(fits: int) -> tuple[Any, Any]:
    """Decays of different height, rate and offset, with noise."""
    rng = np.random.default_rng(0)
    x = np.linspace(0, 4, 50)
    a, k, c = (rng.uniform(*ends, (fits, 1)) for ends in ((1, 3), (0.5, 2), (-1, 1)))
    return x, decay(x, a, k, c) + 0.05 * rng.normal(size=(fits, 50))


def with_scipy(x, y) -> Any:
    from scipy.optimize import curve_fit

    found = [curve_fit(decay, x, one, p0=list(START.values())) for one in y[:SCIPY_PART]]
    return [(best, np.sqrt(np.diag(covariance))) for best, covariance in found]


def with_lmfit(x, y) -> Any:
    import lmfit

    face = lmfit.Model(decay)
    found = [face.fit(one, x=x, **START) for one in y[:LMFIT_PART]]
    return [(f.best_values, f.params["a"].stderr, f.success) for f in found]


def with_descend(threads: int) -> Callable[..., Any]:
    import descend

    return lambda x, y: descend.fit_many(decay, x, y, start=START, threads=threads)


def timed(call: Callable[[], Any], clock: Callable[[], float]) -> tuple[float, Any]:
    begin = clock()
    result = call()
    return clock() - begin, result


def measure(fits: int, rounds: int) -> dict[str, Any]:
    """The best microseconds a fit of each contestant, and what they found."""
    x, y = data(fits)
    one, two = with_descend(1), with_descend(2)
    for call in (one, two):
        call(x, y[:64])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    one(x, y)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    jobs = {
        "descend, one core": (one, fits, time.process_time),
        "descend, one thread": (one, fits, time.perf_counter),
        "descend, two threads": (two, fits, time.perf_counter),
        "curve_fit": (with_scipy, SCIPY_PART, time.process_time),
        "lmfit": (with_lmfit, LMFIT_PART, time.process_time),
    }
    best: dict[str, float] = {}
    found: dict[str, Any] = {}
    for _ in range(rounds):
        for name, (call, count, clock) in jobs.items():
            try:
                seconds, found[name] = timed(lambda call=call: call(x, y), clock)
            except ImportError:
                continue
            best[name] = min(best.get(name, np.inf), seconds / count * 1e6)
    many = found["descend, one core"]
    return {
        "microseconds": best,
        "apart": _apart(many, found["curve_fit"]),
        "converged": int(np.count_nonzero(many.success)),
        "memory": {
            "data": y.nbytes / 2**20,
            "results": sum(a.nbytes for a in _arrays(many)) / 2**20,
            "grown": (after - before) / 2**10,
        },
        "lanes": many.lanes,
    }


def _arrays(many: Any) -> list[Any]:
    own = [many.status, many.iterations, many.loss, many.chi2, many.dof]
    return [*many.params.values(), *many.stderr.values(), *own]


def _apart(many: Any, found: Any) -> float:
    """The largest difference to curve_fit, in standard errors."""
    worst = 0.0
    for i, (best, errors) in enumerate(found):
        ours = np.array([many.params[n][i] for n in START])
        worst = max(worst, float(np.max(np.abs(ours - best) / errors)))
    return worst


def report(result: dict[str, Any], fits: int) -> str:
    """The table, the ratios that are aimed at, and what was found."""
    us, memory = result["microseconds"], result["memory"]
    lines = ["", f"{fits} fits of a·exp(−k·x) + c, 50 points, with errors and status", ""]
    lines += ["| | µs a fit | fits a second |", "|---|---:|---:|"]
    lines += [f"| {name} | {t:.3g} | {1e6 / t:,.0f} |" for name, t in us.items()]
    lines.append("")
    for peer in ("curve_fit", "lmfit"):
        if peer in us:
            ratio = us[peer] / us["descend, one core"]
            lines.append(f"{peer}: {ratio:.0f} times as fast on one core (aim {TARGETS[peer]})")
    threads = us["descend, one thread"] / us["descend, two threads"]
    lines.append(f"two threads: {threads:.2f} times one (aim {TARGETS['two threads']})")
    lines.append(
        f"{result['converged']} converged; at most {result['apart']:.1e} standard errors from "
        f"curve_fit; {result['lanes']} fits at a time in a thread"
    )
    lines.append(
        f"memory: data {memory['data']:.0f} MiB, results {memory['results']:.0f} MiB, "
        f"the process grew by {memory['grown']:.0f} MiB"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    result = measure(asked.fits, asked.rounds)
    print(report(result, asked.fits))
    folder = HERE / "results"
    if os.access(folder, os.W_OK):
        (folder / "many_fits.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

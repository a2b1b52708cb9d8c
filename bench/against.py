"""descend before a change and after it: every call of the benchmark, two checkouts taking turns.

usage: make against OTHER=../before/src   or   python bench/against.py OTHER [--only warm]

Each checkout lives in a process of its own and is asked for the same call in turn; the best of all
rounds of each counts, and the ratio is this checkout's time to the other's. Last come whole
processes, in pairs; of those the medians are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import machine

HERE = Path(__file__).parent
OWN = HERE.parent / "src"
ENOUGH = 0.05  # seconds: short calls are repeated for about so long, and the best one counts
MOST = 200
PAIRS = 20
SCRIPT = """
import numpy as np
import {package}
x = np.linspace(0, 4, 50)
y = 2.5 * np.exp(-1.3 * x) + 0.5 + 0.02 * np.random.default_rng(0).normal(size=50)
{package}.{call}
"""
DESCEND = SCRIPT.format(
    package="descend",
    call="fit(lambda x, a, k, c: a * np.exp(-k * x) + c, x, y, start=dict(a=2.0, k=1.0, c=0.3))",
)
SCIPY = SCRIPT.format(
    package="scipy.optimize",
    call="curve_fit(lambda x, a, k, c: a * np.exp(-k * x) + c, x, y, p0=[2.0, 1.0, 0.3])",
)

Call = Callable[[], Any]


def of_cases() -> Iterator[tuple[str, Call]]:
    from cases import all_cases
    from peers import descend_fit

    for case in all_cases():
        yield case.key, descend_fit.prepare(case)


def of_warm() -> Iterator[tuple[str, Call]]:
    import warm

    import descend

    for name, task in warm.TASKS.items():
        y = warm.data(task)
        options: list[dict[str, Any]] = [{"optimizer": m} for m in warm.METHODS]
        for option in [*options, {"loss": "mae"}, {"loss": "huber"}]:
            (word,) = option.values()
            call = lambda t=task, y=y, o=option: descend.fit(t.model, t.x, y, start=t.start, **o)  # noqa: E731
            yield f"warm {name} {word}", call
        yield f"warm {name} no start", lambda t=task, y=y: descend.fit(t.model, t.x, y)


def of_many() -> Iterator[tuple[str, Call]]:
    import many_fits

    import descend

    x, y = many_fits.data(20_000)
    for threads in (1, 2):
        for start in (many_fits.START, None):
            words = f"20 000 decays, {threads} threads{'' if start else ', no start'}"
            yield (
                words,
                lambda t=threads, s=start: descend.fit_many(
                    many_fits.decay, x, y, start=s, threads=t
                ),
            )


def of_rows() -> Iterator[tuple[str, Call]]:
    import many_fits
    import numpy as np

    import descend

    x = np.linspace(0, 4, 1_000_000)
    y = 2.5 * np.exp(-1.3 * x) + 0.5 + 0.05 * np.random.default_rng(0).normal(size=len(x))
    start = {"a": 2.0, "k": 1.0, "c": 0.3}
    for method in ("lm", "bfgs", "adam"):
        yield (
            f"1 000 000 rows {method}",
            lambda m=method: descend.fit(
                many_fits.decay, x, y, start=start, optimizer=m, epochs=50
            ),
        )


GROUPS = {"cases": of_cases, "warm": of_warm, "many": of_many, "rows": of_rows}


def serve(group: str) -> None:
    """Answer each line with the time of the next call, or of the same one again."""
    answers, sys.stdout = sys.stdout, sys.stderr
    warnings.simplefilter("ignore")
    for name, call in GROUPS[group]():
        print(json.dumps(name), file=answers, flush=True)
        for _ in range(20 if name.startswith("warm") else 2):
            call()
        for line in sys.stdin:
            if line.strip() == "next":
                break
            print(json.dumps(timed(call)), file=answers, flush=True)
    print("null", file=answers, flush=True)


def timed(call: Call) -> float:
    best, begun = float("inf"), time.perf_counter()
    for _ in range(MOST):
        start = time.perf_counter()
        call()
        now = time.perf_counter()
        best = min(best, now - start)
        if now - begun > ENOUGH:
            break
    return best


class Side:
    """The process that measures one checkout."""

    def __init__(self, source: Path, group: str) -> None:
        command = [sys.executable, __file__, "--serve", group, str(source)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE,
            env=machine.environment(PYTHONPATH=str(source)),
        )  # fmt: skip

    def heard(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a measuring process ended early")
        return json.loads(line)

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def ask(self) -> float:
        self.say("again")
        return float(self.heard())


def compared(other: Path, group: str, rounds: int) -> Iterator[tuple[str, float, float]]:
    """Each call: its name, the other checkout's best seconds, and our own."""
    sides = [Side(other, group), Side(OWN, group)]
    while (names := [side.heard() for side in sides])[0] is not None:
        best = [float("inf")] * 2
        for _ in range(rounds):
            best = [min(b, side.ask()) for b, side in zip(best, sides, strict=True)]
        yield names[0], best[0], best[1]
        for side in sides:
            side.say("next")


def process_seconds(script: str, source: Path, cache: str) -> float:
    env = machine.environment(PYTHONPATH=str(source), DESCEND_CACHE_DIR=cache)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], env=env, check=True)
    return time.perf_counter() - start


def whole_processes() -> Iterator[tuple[str, float, float]]:
    """A decay as a process of its own, with an empty cache and a filled one, beside curve_fit's."""
    for state in ("empty", "filled"):
        pairs = []
        with tempfile.TemporaryDirectory() as kept:
            process_seconds(DESCEND, OWN, kept)
            for _ in range(PAIRS):
                with tempfile.TemporaryDirectory() as fresh:
                    cache = kept if state == "filled" else fresh
                    own = process_seconds(DESCEND, OWN, cache)
                pairs.append((process_seconds(SCIPY, OWN, kept), own))
        scipy, own = map(statistics.median, zip(*pairs, strict=True))
        yield f"process, {state} cache, beside curve_fit", scipy, own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path, help="the src of another checkout")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=[*GROUPS, "processes"])
    parser.add_argument("--serve", choices=GROUPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    other = options.other.resolve()
    for group in [options.only] if options.only else [*GROUPS, "processes"]:
        rows = whole_processes() if group == "processes" else compared(other, group, options.rounds)
        for name, before, after in rows:
            print(
                f"{name:42} {before * 1e6:12.1f} {after * 1e6:12.1f} µs {after / before:6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    main()

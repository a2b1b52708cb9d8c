"""The benchmark: descend against its peers and against what the machine allows.

usage: python bench/run.py [--only parabola] [--rows 100] [--batch 1|all] [--order shuffled]
                           [--peers descend_fit,jax_scan] [--repeats 7] [--no-cold] [--processes]

Contestants live in processes of their own and take turns on each case, so that a noisy moment hits
all of them alike; the best of the repetitions counts. The table goes to standard output and, with
every figure, to bench/results/latest.md and latest.json (only a run without filters writes there).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cold
import least_squares
import limits
import machine
import report
from cases import Case, all_cases

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PEERS = (
    "descend_fit",
    "jax_scan",
    "numba_loop",
    "torch_eager",
    "torch_compile",
    "sklearn_sgd",
    "autograd_loop",
    "numpy_loop",
)
REFERENCE = "numpy_loop"
RELATIVE = 1e-9


class Contestant:
    """A worker process and the conversation with it."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), peer],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=machine.environment(),
            stderr=subprocess.DEVNULL,
        )
        self.alive = self.answer().get("ready", False)

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": "the process ended"}

    def ask(self, request: object) -> dict[str, Any]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return {"error": "the process ended"}
        return self.answer()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)


def close_enough(a: list[float], b: list[float], relative: float) -> bool:
    pairs = zip(a, b, strict=True)
    return all(math.isclose(p, q, rel_tol=relative, abs_tol=relative) for p, q in pairs)


def run_case(case: Case, contestants: list[Contestant], repeats: int) -> dict[str, Any]:
    """Every contestant's best time on one case, and whether its answer is right."""
    results: dict[str, Any] = {}
    for contestant in contestants:
        results[contestant.peer] = contestant.ask(dataclasses.asdict(case))
    ready = [c for c in contestants if "check" in results[c.peer]]
    for _ in range(repeats):
        for contestant in ready:
            timing = contestant.ask("time")
            results[contestant.peer].setdefault("times", []).append(timing)
    reference = results.get(REFERENCE, {}).get("check")
    for contestant in ready:
        result = results[contestant.peer]
        times = result.pop("times")
        failed = next((t["error"] for t in times if "error" in t), None)
        if failed:
            result["error"] = failed
            continue
        result["ns"] = min(t["ns"] for t in times)
        result["seconds"] = min(t["seconds"] for t in times)
        result["parameters"] = times[-1]["parameters"]
        result["right"] = reference is None or close_enough(result["check"], reference, RELATIVE)
    return results


def bound(row: dict[str, Any], figures: dict[str, float], case: Case) -> None:
    row["limit"], row["limit_by"] = limits.limit(figures, case)


def chosen(options: argparse.Namespace) -> list[Case]:
    def wanted(case: Case) -> bool:
        batch = case.rows if options.batch == "all" else options.batch and int(options.batch)
        return (
            options.only in (None, case.model)
            and options.rows in (None, case.rows)
            and batch in (None, case.batch)
            and options.order in (None, "shuffled" if case.shuffle else "in-order")
        )

    return [case for case in all_cases() if wanted(case)]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("parabola", "exponential"))
    parser.add_argument("--rows", type=int, choices=(100, 1_000_000))
    parser.add_argument("--batch", choices=("1", "10", "64", "all"))
    parser.add_argument("--order", choices=("in-order", "shuffled"))
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--no-cold", action="store_true", help="leave out the whole processes")
    parser.add_argument(
        "--processes", action="store_true",
        help="measure whole processes, imports and least squares anew, keep the cases",
    )
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if options.processes:
        again()
        return
    cases = chosen(options)
    peers = options.peers.split(",")
    contestants = [Contestant(peer) for peer in peers]
    missing = [c.peer for c in contestants if not c.alive]
    contestants = [c for c in contestants if c.alive]
    print(f"left out, could not start: {', '.join(missing)}" if missing else "", file=sys.stderr)
    figures = limits.measure()  # again at the end: the better of the two counts
    rows = []
    for case in cases:
        results = run_case(case, contestants, options.repeats)
        rows.append({"case": case.key, "results": results})
        bound(rows[-1], figures, case)
        print(report.line(rows[-1], peers), file=sys.stderr, flush=True)
    for contestant in contestants:
        contestant.close()
    figures = {name: min(figures[name], ns) for name, ns in limits.measure().items()}
    for row, case in zip(rows, cases, strict=True):
        bound(row, figures, case)
    whole = not options.no_cold
    outcome = {
        "machine": machine.describe(),
        "figures": figures,
        "peers": peers,
        "missing": missing,
        "cases": rows,
        **(processes() if whole else {"cold": [], "least_squares": [], "imports": {}}),
    }
    whole = whole and len(cases) == len(all_cases()) and options.peers == ",".join(PEERS)
    tell(outcome, keep=whole)


def processes() -> dict[str, Any]:
    """What is measured by processes of its own, apart from the cases."""
    return {
        "cold": cold.measure(repeats=5),
        "least_squares": least_squares.measure(),
        "imports": cold.imports(repeats=15),
    }


def tell(outcome: dict[str, Any], keep: bool) -> None:
    """Print the tables, and write them to the results."""
    text = report.markdown(outcome)
    print(text)
    if keep:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "latest.md").write_text(text, encoding="utf-8")
        (RESULTS / "latest.json").write_text(json.dumps(outcome, indent=1) + "\n")


def again() -> None:
    """Measure the processes anew; the cases stay as they were measured."""
    outcome = json.loads((RESULTS / "latest.json").read_text(encoding="utf-8"))
    tell({**outcome, **processes()}, keep=True)


if __name__ == "__main__":
    os.chdir(HERE.parent)
    main()

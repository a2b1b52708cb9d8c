"""How compiling grows: with the length of a chain, with unrolled steps, with many programs.

usage: python bench/scaling.py [--functions 10000]

Each measurement runs in a process of its own with an empty cache on disk. Nothing is cut: a chain
of 100 000 operations is written as a Python loop and unrolled by tracing.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import numpy as np

HERE = Path(__file__).parent
CHAINS = (1_000, 3_000, 10_000, 30_000, 100_000)
SINES = (100, 300, 1_000)
STEPS = (250, 500, 1_000, 2_000)
FIRST = 1_000
LONGEST = 900


def chain(operations: int):
    """A model of so many elementwise operations on each row, none of which folds into another."""

    def model(x, w):
        value = w * x
        for k in range(operations // 2):
            value = np.maximum(value * (0.999 - k * 1e-9), -1e3)
        return value

    return model


def sines(operations: int):
    """The same of an elementary function, which is dozens of instructions each time."""

    def model(x, w):
        value = w * x
        for _ in range(operations // 2):
            value = np.sin(value) + 0.5
        return value

    return model


def recurrent(steps: int):
    """A small recurrent network unrolled over so many steps: h ← tanh(A h + b x)."""

    def model(x, a, b):
        state = np.zeros((x.shape[0], 4))
        for _ in range(steps):
            state = np.tanh(state @ a + x[:, None] * b)
        return state.sum(axis=1)

    return model


def fit_once(model, start: dict[str, object], rows: int) -> float:
    """Seconds of one call of `fit`, from tracing to the result; two epochs."""
    import descend

    x = np.linspace(0.1, 1, rows)
    began = time.perf_counter()
    fit = descend.fit(
        model, x, np.ones(rows), start=start, optimizer=descend.SGD(lr=1e-6), epochs=2
    )
    seconds = time.perf_counter() - began
    if not math.isfinite(fit.loss):
        raise SystemExit(f"the loss is {fit.loss}")
    return seconds


def resident() -> float:
    """MB of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def many(functions: int) -> dict[str, float]:
    """Compile different small functions one after another; MB of growth after the first 1000."""
    import descend

    def different(scale: float, shift: int):
        """Constants are part of a program, so each of these is compiled anew."""

        def model(x, a, b):
            return a * np.exp(-b * x * scale) + shift * x

        return model

    x = np.linspace(0, 1, 20)
    y = 2 * x
    after_first = 0.0
    began = time.perf_counter()
    for k in range(functions):
        descend.fit(
            different(1 + k / 7, k % 13),
            x,
            y,
            start=dict(a=1.0, b=0.1),
            optimizer=descend.SGD(lr=1e-6),
            epochs=1,
            batch_size=20,
        )
        if k + 1 == FIRST:
            after_first = resident()
    return {
        "functions": functions,
        "MB after the first 1000": after_first,
        "MB of growth since": resident() - after_first,
        "ms a function": (time.perf_counter() - began) / functions * 1e3,
    }


def measured(task: str, size: int) -> dict[str, float]:
    """One measurement in its own process, with a cache of its own."""
    with tempfile.TemporaryDirectory() as cache:
        try:
            done = subprocess.run(
                [sys.executable, __file__, "--task", task, "--size", str(size)],
                capture_output=True,
                text=True,
                env=machine.environment(XDG_CACHE_HOME=cache, DESCEND_CACHE_DIR=cache),
                timeout=LONGEST,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"stopped after {LONGEST} s"}
    if done.returncode:
        words = done.stderr.strip().splitlines()
        return {"error": words[-1] if words else f"exit code {done.returncode}"}
    return json.loads(done.stdout)


def perform(task: str, size: int) -> dict[str, float]:
    if task == "many":
        return many(size)
    if task in ("chain", "sines"):
        model = chain(size) if task == "chain" else sines(size)
        seconds = fit_once(model, {"w": 1.0}, rows=50)
    else:
        random = np.random.default_rng(0)
        start = {"a": random.normal(scale=0.4, size=(4, 4)), "b": random.normal(size=4)}
        seconds = fit_once(recurrent(size), start, rows=20)
    return {"seconds": seconds, "MB": resident()}


def table(title: str, task: str, sizes: tuple[int, ...]) -> list[str]:
    lines = [f"## {title}", "", "| size | seconds | ms each | MB |", "|---:|---:|---:|---:|"]
    for size in sizes:
        got = measured(task, size)
        if "error" in got:
            lines.append(f"| {size} | {got['error']} | | |")
            continue
        each = got["seconds"] / size * 1e3
        lines.append(f"| {size} | {got['seconds']:.2f} | {each:.3f} | {got['MB']:.0f} |")
        print(lines[-1], file=sys.stderr, flush=True)
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--functions", type=int, default=10_000)
    tasks = ("chain", "sines", "recurrent", "many")
    parser.add_argument("--task", choices=tasks, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(perform(options.task, options.size)))
        return
    lines = [
        "# Scaling of one call of `fit`, nothing cached",
        "",
        *table("A chain of elementwise operations", "chain", CHAINS),
        *table("A chain of sines and additions", "sines", SINES),
        *table("An unrolled recurrent update of four states", "recurrent", STEPS),
        "## Many programs in one process",
        "",
        *(f"- {name}: {value}" for name, value in measured("many", options.functions).items()),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "scaling.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

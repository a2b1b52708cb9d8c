"""Whole trainings over two numbers: `heat_map` beside single fits and a loop in C, in the same run.

usage: python bench/heat_map.py [--edge 256] [--large 1024] [--rounds 5]

The lesson's parabola, 100 rows, batches of one row in order, 100 epochs, over learning rates and
starts of w1. The loop in C has eight trainings side by side in arrays, which gcc turns into
vectors, on one thread; it is left out where there is no gcc. They take turns; the best round of
each counts.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import numpy as np

HERE = Path(__file__).parent
ROWS, EPOCHS, FITS = 100, 100, 40
X = np.arange(ROWS) / 100
Y = 4 * X**2 + 5 * X + 6
START = {"w1": 1.0, "w2": 0.0, "w3": 1.0}
OPTIONS: dict[str, Any] = dict(start=START, loss="mse", optimizer="sgd", batch_size=1,
                               shuffle=False, epochs=EPOCHS)  # fmt: skip
LOOP = """
#define L 8
void run(const double *x, const double *y, long rows, long epochs, const double *lr, double *w1,
         double *w2, double *w3, double *loss, long trainings) {
  for (long first = 0; first < trainings; first += L) {
    double a[L], b[L], c[L], r[L], sum[L];
    for (int i = 0; i < L; i++) {
      a[i] = w1[first + i]; b[i] = w2[first + i]; c[i] = w3[first + i]; r[i] = 2 * lr[first + i];
    }
    for (long epoch = 0; epoch < epochs; epoch++) {
      for (int i = 0; i < L; i++) sum[i] = 0;
      for (long k = 0; k < rows; k++) {
        double u = x[k], v = u * u, t = y[k];
        for (int i = 0; i < L; i++) {
          double e = a[i] * v + b[i] * u + c[i] - t, g = r[i] * e;
          sum[i] += e * e; a[i] -= g * v; b[i] -= g * u; c[i] -= g;
        }
      }
    }
    for (int i = 0; i < L; i++) {
      w1[first + i] = a[i]; w2[first + i] = b[i]; w3[first + i] = c[i];
      loss[first + i] = sum[i] / rows;
    }
  }
}
"""
FIRST = """
import time, numpy as np, descend
descend.heat_map
x = np.arange(100) / 100
def parabola(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3
began = time.perf_counter()
descend.heat_map(parabola, x, 4 * x**2 + 5 * x + 6, start=dict(w1=1.0, w2=0.0, w3=1.0),
                 optimizer="sgd", epochs=100,
                 over=dict(lr=np.geomspace(1e-4, 1, 64), batch_size=[1, 2, 4, 8, 16, 32, 64, 100]))
print(time.perf_counter() - began)
"""


def parabola(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def axes(edge: int) -> dict[str, Any]:
    return {"lr": np.geomspace(1e-4, 0.5, edge), "w1": np.linspace(-3, 8, edge)}


def in_c(directory: str) -> Callable[[int], Any] | None:
    if shutil.which("gcc") is None:
        return None
    source, library = Path(directory, "loop.c"), Path(directory, "loop.so")
    source.write_text(LOOP)
    flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
    subprocess.run(["gcc", *flags, "-o", str(library), str(source)], check=True)
    loop = ctypes.CDLL(str(library)).run

    def run(edge: int) -> Any:
        lr, w1 = (np.ascontiguousarray(a.reshape(-1)) for a in np.meshgrid(
            *axes(edge).values(), indexing="ij"))  # fmt: skip
        w2, w3, loss = np.zeros_like(w1), np.ones_like(w1), np.empty_like(w1)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (lr, w1, w2, w3, loss)]
        data = [ctypes.c_void_p(a.ctypes.data) for a in (X, Y)]
        loop(*data, ctypes.c_long(ROWS), ctypes.c_long(EPOCHS), *pointers, ctypes.c_long(w1.size))
        return loss.reshape(edge, edge)

    return run


def mapped(threads: int | None) -> Callable[[int], Any]:
    import descend

    return lambda edge: descend.heat_map(
        parabola, X, Y, over=axes(edge), threads=threads, **OPTIONS
    )


def one_by_one(_edge: int) -> Any:
    import descend

    return [descend.fit(parabola, X, Y, lr=r, **OPTIONS) for r in np.geomspace(1e-4, 0.5, FITS)]


def in_turns(edge: int, rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """The best time of each contestant, and of ours the part that the trainings took."""
    contestants = {"fits": one_by_one, "one thread": mapped(1), "all cores": mapped(None)}
    seconds: dict[str, float] = {}
    inside: dict[str, float] = {}
    losses: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as directory:
        loop = in_c(directory)
        contestants |= {} if loop is None else {"C, one thread": loop}
        for _ in range(rounds):
            for name, work in contestants.items():
                began = time.perf_counter()
                found = work(edge)
                took = time.perf_counter() - began
                seconds[name] = min(took, seconds.get(name, took))
                losses[name] = getattr(found, "loss", found)
                if name in ("one thread", "all cores"):
                    inside[name] = min(found.seconds, inside.get(name, found.seconds))
    seconds["fits"] *= edge**2 / FITS
    if loop is not None:
        near = np.isclose(losses["all cores"], losses["C, one thread"], rtol=1e-6, atol=1e-24)
        print(f"losses as in C: {100 * near.mean():.2f} %")
    return seconds, inside


def first_map() -> float:
    """Seconds of the first map over learning rates and batches, with an empty cache."""
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(
            [sys.executable, "-c", FIRST], capture_output=True, text=True, check=True,
            env=machine.environment(XDG_CACHE_HOME=empty, DESCEND_CACHE_DIR=empty),
        )  # fmt: skip
    return float(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--edge", type=int, default=256)
    parser.add_argument("--large", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    seconds, inside = in_turns(asked.edge, asked.rounds)
    updates = asked.edge**2 * ROWS * EPOCHS
    print(f"{asked.edge} x {asked.edge} trainings, {updates:.3g} updates")
    for name, took in seconds.items():
        run = f", trainings alone {inside[name]:.3f} s" if name in inside else ""
        print(f"  {name:14} {took:8.3f} s  {1e9 * took / updates:6.3f} ns an update{run}")
    print(f"  single fits / all cores: {seconds['fits'] / seconds['all cores']:.1f}")
    large = mapped(None)(asked.large)
    before = large.compile_seconds
    print(f"{asked.large} x {asked.large}: {large.seconds:.2f} s, before it {before:.2f} s")
    first = min(first_map() for _ in range(asked.rounds))
    print(f"learning rate x batch size, first map, empty cache: {first:.2f} s")
    result = {
        "machine": machine.describe(), "edge": asked.edge, "seconds": seconds, "alone": inside,
        "large": large.seconds, "first": first,
    }  # fmt: skip
    HERE.joinpath("results", "heat_map.json").write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    raise SystemExit(main())

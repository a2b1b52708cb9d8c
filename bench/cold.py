"""Whole processes: from starting Python to the fitted weights, on the lesson's job; and imports.

usage: python bench/cold.py
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import machine

HERE = Path(__file__).parent
DATA = HERE.parent / "examples" / "parabola.csv"
EXPECTED = (4.334302857, 4.653193452, 6.061894967)
DESCEND = [
    str(Path(sys.executable).with_name("descend")), "fit", str(DATA), "y = w1*x**2 + w2*x + w3",
    "--start", "w1=1,w2=0,w3=1", "--optimizer", "sgd", "--lr", "0.001", "--batch-size", "1",
    "--no-shuffle", "--epochs", "1000", "--stop-loss", "1e-5", "--json",
]
IMPORTS = {
    "numpy + llvmlite": "import numpy, llvmlite.binding",
    "descend": "import descend",
}


def script(name: str) -> list[str]:
    return [sys.executable, str(HERE / "cold" / name), str(DATA)]


def contestants(folder: Path) -> dict[str, tuple[list[str], dict[str, str], bool]]:
    """Command, environment, and whether its cache is emptied before each run."""
    ours = {"XDG_CACHE_HOME": str(folder / "descend"), "DESCEND_CACHE_DIR": str(folder / "descend")}
    theirs = {"JAX_COMPILATION_CACHE_DIR": str(folder / "jax")}
    theirs |= {
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    return {
        "descend, compiled before": (DESCEND, ours, False),
        "descend, empty cache": (DESCEND, ours, True),
        "JAX": (script("jax_script.py"), {}, False),
        "JAX, its compilation cache filled": (script("jax_script.py"), theirs, False),
        "PyTorch": (script("torch_script.py"), {}, False),
        "scikit-learn": (script("sklearn_script.py"), {}, False),
        "NumPy by hand": (script("numpy_script.py"), {}, False),
    }


def weights(output: str) -> list[float]:
    """A script prints a list; the command line prints its JSON object."""
    answer = json.loads(output)
    return list(answer["params"].values()) if isinstance(answer, dict) else answer


def once(command: list[str], variables: dict[str, str]) -> dict[str, Any]:
    start = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, env=machine.environment(**variables)
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        return {"error": (done.stderr or done.stdout).strip()[-500:]}
    got = weights(done.stdout)
    right = all(abs(a - b) < 5e-9 for a, b in zip(got, EXPECTED, strict=True))
    return {"seconds": seconds, "right": right}


def measure(repeats: int) -> list[dict[str, Any]]:
    """Best of several whole processes for each contestant, taking turns."""
    with tempfile.TemporaryDirectory() as temporary:
        folders = {}
        best: dict[str, dict[str, Any]] = {}
        for turn in range(repeats + 1):
            for name in contestants(Path()):
                folder = folders.setdefault(name, Path(temporary) / str(len(folders)))
                command, variables, emptied = contestants(folder)[name]
                if "error" in best.get(name, {}) or (name == "PyTorch" and turn > 2):
                    continue
                if emptied:
                    shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(exist_ok=True)
                result = once(command, variables)
                least = best.get(name, {}).get("seconds", float("inf"))
                if "error" in result or (turn and result["seconds"] < least):
                    best[name] = result
    return [{"name": name, **result} for name, result in best.items()]


def imports(repeats: int) -> dict[str, float]:
    """Seconds of a whole process that imports, less an empty one; each pair measured in turn."""
    times: dict[str, list[float]] = {name: [] for name in ("empty", *IMPORTS)}
    for _ in range(repeats):
        for name in times:
            code = IMPORTS.get(name, "pass")
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=False, env=machine.environment())
            times[name].append(time.perf_counter() - start)
    best = {name: min(values) for name, values in times.items()}
    median = {name: statistics.median(values) for name, values in times.items()}
    ratio = (best["descend"] - best["empty"]) / (best["numpy + llvmlite"] - best["empty"])
    return {f"{n}, best": v for n, v in best.items()} | {
        **{f"{n}, median": v for n, v in median.items()},
        "ratio": ratio,
    }


if __name__ == "__main__":
    os.chdir(HERE.parent)
    print(json.dumps({"cold": measure(5), "imports": imports(15)}, indent=2))

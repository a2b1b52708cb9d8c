"""A table larger than memory is to hold: passes over a Parquet file, beside reading and computing.

usage: python bench/streams.py [--rows 100000000] [--folder DIR] [--keep]

The file has x, y and a sigma: y = a·exp(−b·x) + c with noise. Each measurement is a process of its
own, whose largest memory is told; a part of the rows, a tenth, shows whether a row costs as much
in a longer file. A pass is measured beside what it is made of: reading alone, and computing alone
on blocks that are there. scikit-learn's `SGDRegressor.partial_fit` reads the same blocks in the
same way.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import machine

for _name, _value in machine.environment().items():  # before NumPy loads its libraries
    os.environ[_name] = _value

import numpy as np  # noqa: E402

HERE = Path(__file__).parent
START = {"a": 1.0, "b": 1.0, "c": 0.0}
FORMULA, LINE = "y = a*exp(-b*x) + c", "y = a + b*x + c*s"
HELD = 32  # blocks that computing alone goes through again and again
PASSES = 5  # of reading and of computing, of which the median counts, as of those of the fit
PART = 10  # of the rows, the share of the shorter file
MOST_OF_PEER = 3_000_000  # rows on which the peer is measured
MEMORY, PASS, FLAT, SGD, FULL = 400.0, 1.25, 1.2, 3.0, 10.0
"""The aims: megabytes, a pass by the larger of its parts, ten times the rows, times the peer."""


def make(path: str, rows: int) -> None:
    """Write the file, in groups of 122 880 rows, as DuckDB does by itself."""
    import duckdb

    noise = "s * sqrt(-2 * ln((1 + hash(i * 31 + 1) % 999983) / 999983.0)) "
    noise += "* cos(2 * pi() * (hash(i * 17 + 3) % 999979) / 999979.0)"
    with duckdb.connect() as link:
        link.execute(
            f"COPY (SELECT x, 3 * exp(-0.7 * x) + 0.5 + {noise} AS y, s FROM (SELECT i, "
            "4 * (hash(i) % 1000003) / 1000003.0 AS x, 0.05 + (hash(i + 7919) % 1000) / 10000.0 "
            f"AS s FROM range({rows}) t(i))) TO '{path}' (FORMAT parquet)"
        )


# --- what is measured, each in a process of its own


def reading(path: str, scratch: str | None = None) -> dict[str, Any]:
    """A pass that does nothing but read."""
    from descend.data.streams.opened import open_stream

    with open_stream(path, ["x", "y", "s"], scratch=scratch, keeps=True) as stream:
        survey = _timed(stream.survey)
        passes = [_timed(lambda: sum(p.rows for p in stream.blocks())) for _ in range(PASSES)]
        return {"survey": survey, "seconds": statistics.median(passes), "rows": stream.n_rows}


class Held:
    """Blocks that are there, given again and again as if they came."""

    def __init__(self, stream: Any, blocks: int) -> None:
        self.kept: list[list[Any]] = []
        for _, columns in stream.blocks():
            if self.kept and len(columns[0]) < len(self.kept[0][0]):
                break
            self.kept.append([np.array(c) for c in columns])
            if len(self.kept) == HELD:
                break
        self.blocks_wanted = blocks

    def parts(self, most: int) -> None:
        """One thread alone."""

    def blocks(self) -> Iterator[tuple[int, Any]]:
        rows = len(self.kept[0][0])
        for number in range(self.blocks_wanted):
            yield number * rows, self.kept[number % len(self.kept)]


def computing(path: str) -> dict[str, Any]:
    """Passes over blocks that are there."""
    from descend.train.fit import read_call

    options = {"start": START, "sigma": "s", "stream": True, "epochs": PASSES}
    descents, _ = read_call(FORMULA, path, None, options)
    run = descents.begun(descents.job.find_start(descents.built, False, 0))
    held = Held(run.bound.stream, blocks=10 * HELD)
    run.bound.n_rows = sum(len(columns[0]) for _, columns in held.blocks())
    run.bound.stream = held
    passes = [
        _timed(lambda: descents.built.runner.run(run.bound, run.control, 1)) for _ in range(PASSES)
    ]
    return {"seconds": statistics.median(passes), "rows": run.bound.n_rows}


def fitting(path: str, scratch: str | None = None) -> dict[str, Any]:
    """The fit with its errors."""
    import descend

    found: list[Any] = []
    ends: list[float] = []

    def go() -> None:
        fit = descend.fit(
            FORMULA, path, sigma="s", start=START, stream=True, scratch=scratch,
            callback=lambda _: ends.append(time.perf_counter()),
        )  # fmt: skip
        found.extend([fit, dict(fit.stderr)])

    whole = _timed(go)
    fit, errors = found
    return {
        "whole": whole, "seconds": statistics.median(np.diff(ends)), "passes": fit.n_evaluations,
        "rows": fit.n_rows, "params": fit.params, "stderr": errors, "status": fit.status,
    }  # fmt: skip


def descending(path: str, scratch: str | None = None) -> dict[str, Any]:
    """A line by batches of one row, in their order, and by passes."""
    import descend

    start = dict.fromkeys("abc", 0.0)
    own = {"start": start, "stream": True, "optimizer": descend.SGD(lr=0.01), "starts": 1}
    own["scratch"] = scratch
    took = {}
    for name, more in (("one row", {"batch_size": 1, "shuffle": False, "epochs": 2}),
                       ("all rows", {"epochs": 4})):  # fmt: skip
        fit = descend.fit(LINE, path, **own, **more)
        took[name] = fit.seconds / fit.epochs / fit.n_rows
    return took


def partial_fit(path: str) -> dict[str, Any]:
    """The same by scikit-learn, on blocks that are read in the same way."""
    from sklearn.linear_model import SGDRegressor

    from descend.data.streams.opened import open_stream

    with open_stream(path, ["x", "y", "s"]) as stream:
        stream.survey()
        model = SGDRegressor(penalty=None, learning_rate="constant", eta0=0.005)

        def go() -> int:
            done = 0
            for piece in stream.blocks():
                x, y, s = piece.columns
                model.partial_fit(np.stack([x, s], axis=1), y)
                done += piece.rows
                if done >= MOST_OF_PEER:
                    break
            return done

        rows = go()
        return {"one row": _timed(go) / rows}


MEASURED: dict[str, Callable[..., dict[str, Any]]] = {
    f.__name__: f for f in (reading, computing, fitting, descending, partial_fit)
}
KEPT = " of a scratch file"  # what is measured with the numbers kept there


def measured(name: str, path: str) -> dict[str, Any]:
    """One of them."""
    if name.endswith(KEPT):
        return MEASURED[name.removesuffix(KEPT)](path, str(Path(path).parent))
    return MEASURED[name](path)


def _timed(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def child(name: str, path: str) -> dict[str, Any]:
    """Measure in a process of its own, which has done everything once before."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", name, path], capture_output=True, text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    how = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=how)
    parser.add_argument("--rows", type=float, default=1e8)
    parser.add_argument("--folder")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--child", nargs=2)
    args = parser.parse_args()
    if args.child:
        found = measured(*args.child)
        found["peak"] = machine.peak()
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        result = compare(Path(args.folder or folder), int(args.rows), args.keep)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "streams.json").write_text(json.dumps(result, indent=1))


def compare(folder: Path, rows: int, keep: bool) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for count in (rows // PART, rows):
        path = folder / f"rows{count}.parquet"
        if not path.exists():
            took = _timed(functools.partial(make, str(path), count))
            size = path.stat().st_size / 1e6
            print(f"{count:,} rows written in {took:.1f} s, {size:,.0f} MB")
        result[str(count)] = own = {"computing": child("computing", str(path))}
        for kept in ("", KEPT):
            own |= {n: child(n, str(path)) for n in ("reading" + kept, "fitting" + kept)}
            tell(count, own, kept)
    short, long = (result[str(n)]["fitting"] for n in (rows // PART, rows))
    flat = (long["seconds"] / long["rows"]) / (short["seconds"] / short["rows"])
    print(f"a row's pass in {rows:,} rows by that in {rows // PART:,}: {flat:.2f} (aim {FLAT})")
    path = str(folder / f"rows{rows // PART}.parquet")
    peer = child("partial_fit", path)
    result |= {"partial_fit": peer, "flat": flat}
    for kept, (name, aim) in itertools.product(
        ("", KEPT), (("one row", SGD), ("all rows", FULL))
    ):
        own = result.setdefault("descending" + kept, None) or child("descending" + kept, path)
        ours = result["descending" + kept] = own
        times = peer["one row"] / ours[name]
        print(
            f"a line by steps of {name}{kept}: {1e9 * ours[name]:.1f} ns a row, scikit-learn's "
            f"partial_fit {1e9 * peer['one row']:.1f}: {times:.1f} times (aim {aim:.0f})"
        )
    if not keep:
        for count in (rows // PART, rows):
            (folder / f"rows{count}.parquet").unlink()
    return result


def tell(rows: int, own: dict[str, Any], kept: str) -> None:
    """Say what a pass came to."""
    names = {"reading": "reading" + kept, "computing": "computing", "fitting": "fitting" + kept}
    each = {n: 1e9 * own[name]["seconds"] / own[name]["rows"] for n, name in names.items()}
    share = each["fitting"] / max(each["reading"], each["computing"])
    fit = own[names["fitting"]]
    print(
        f"{rows:,} rows{kept}: reading alone {each['reading']:.1f} ns a row, computing alone "
        f"{each['computing']:.1f}, a pass of the fit {each['fitting']:.1f}: {share:.2f} of the "
        f"larger (aim {PASS}); {fit['passes']} passes and all else {fit['whole']:.1f} s; memory "
        f"{fit['peak']:.0f} MB (aim {MEMORY:.0f})"
    )
    numbers = (f"{n} = {v:.7f} ± {fit['stderr'][n]:.2g}" for n, v in fit["params"].items())
    print(f"  {', '.join(numbers)}")


if __name__ == "__main__":
    main()

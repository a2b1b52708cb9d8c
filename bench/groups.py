"""A million groups, Parquet to Parquet: rows that stand together, and rows that stand anywhere.

usage: python bench/groups.py [--groups 1e5] [--folder DIR] [--keep] [--kills 2]

Each group has 50 rows (a key, x, y), to which a·exp(−b·x) + c is fitted from a given start, with
standard errors. Measured is the whole call in a process of its own which has compiled before:
groups a second, and the most memory. A run that is killed and called again must leave the same
bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import machine

HERE = Path(__file__).parent
FORMULA = "y = a*exp(-b*x) + c"
START = {"a": 1.0, "b": 1.0, "c": 0.0}
POINTS = 50
AIMS = {"together": 100_000, "mixed": 35_000}  # groups a second on two cores
MEMORY = 600.0  # MB
FEW = 2000  # groups by which a process warms up


def make(folder: Path, groups: int) -> dict[str, str]:
    """Write the rows in both orders; those of a group follow one another alike in both."""
    import duckdb

    paths = {order: str(folder / f"{order}{groups}.parquet") for order in AIMS}
    if all(map(os.path.exists, paths.values())):
        return paths
    with duckdb.connect(config={"temp_directory": str(folder)}) as link:
        noise = " + ".join(f"(hash(n * 4 + {i}) % 1000003) / 1000003.0" for i in range(4))
        link.execute(
            f"COPY (SELECT n // {POINTS} AS key, (n % {POINTS}) * 4.0::DOUBLE / {POINTS - 1} AS x, "
            f"(1 + 2 * (hash(key) % 1009) / 1009.0) "
            f"* exp(-(0.5 + 1.5 * (hash(key + 1) % 1013) / 1013.0) * x) "
            f"+ (hash(key + 2) % 997) / 997.0 + 0.08 * ({noise} - 2.0) AS y "
            f"FROM (SELECT range AS n FROM range({groups * POINTS}))) "
            f"TO '{paths['together']}' (FORMAT parquet)"
        )
        # The k-th row of each group lies before its next: in a stretch of its own, anywhere.
        link.execute(
            f"COPY (SELECT * FROM '{paths['together']}' "
            f"ORDER BY round(x * {POINTS - 1} / 4) // 10, hash(key), x) "
            f"TO '{paths['mixed']}' (FORMAT parquet)"
        )
        for path in paths.values():  # here, so that its memory is not measured
            link.execute(
                f"COPY (SELECT * FROM '{path}' WHERE key < {FEW}) "
                f"TO '{path}.few.parquet' (FORMAT parquet)"
            )
    return paths


def fitting(path: str, to: str) -> dict[str, Any]:
    """The whole call; before it a small one, by which all is compiled."""
    import descend

    few = f"{to}.few.parquet"
    descend.fit_many(FORMULA, f"{path}.few.parquet", by="key", start=START, to=few, restart=True)
    begin = time.perf_counter()
    fits = descend.fit_many(FORMULA, path, by="key", start=START, to=to)
    seconds = time.perf_counter() - begin
    return {
        "groups": len(fits), "seconds": seconds, "counts": dict(fits.counts),
        "before": fits.n_before, "peak": machine.peak(),
    }  # fmt: skip


def begun(path: str, to: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, "--child", path, to], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip


def child(path: str, to: str) -> dict[str, Any]:
    process = begun(path, to)
    told, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{path}: {process.returncode}")
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    return found


def killed(path: str, to: str, times: int) -> dict[str, Any]:
    """The same with so many ends by force, each after a part or two."""
    rng, parts = random.Random(0), Path(f"{to}.parts")
    for _ in range(times):
        process = begun(path, to)
        before = len([*parts.glob("part*")])
        wanted = before + rng.randint(1, 2)
        while process.poll() is None and len([*parts.glob("part*")]) < wanted:
            time.sleep(0.01)
        process.kill()
        process.communicate()
    return child(path, to)


def main() -> None:
    how = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=how)
    parser.add_argument("--groups", type=float, default=1e5)
    parser.add_argument("--folder")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--child", nargs=2)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(fitting(*args.child)))
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        place = Path(args.folder or folder)
        paths = make(place, int(args.groups))
        result: dict[str, Any] = {}
        written = {}
        for order, path in paths.items():
            to = str(Path(folder) / f"fits-{order}.parquet")
            own = result[order] = child(path, to)
            speed = own["groups"] / own["seconds"]
            print(
                f"{own['groups']:,} groups of {POINTS} rows, {order}: {own['seconds']:.1f} s, "
                f"{speed:,.0f} groups/s (aim {AIMS[order]:,}), {own['peak']:.0f} MB at most "
                f"(aim {MEMORY:.0f}); {own['counts']}"
            )
            written[order] = Path(to).read_bytes()
        to = str(Path(folder) / "killed.parquet")
        own = killed(paths["mixed"], to, args.kills)
        written["killed"] = Path(to).read_bytes()
        same = len({*written.values()}) == 1
        print(
            f"killed {args.kills} times, of which {own['before']:,} groups remained: the bytes of "
            f"all three files are {'the same' if same else 'NOT THE SAME'}"
        )
        result["same bytes"] = same
        if not args.keep and args.folder:
            for path in paths.values():
                os.unlink(path)
                os.unlink(f"{path}.few.parquet")
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "groups.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

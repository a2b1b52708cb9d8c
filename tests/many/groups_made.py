"""Rows of groups for tests, in memory and in files."""

from pathlib import Path

import duckdb
import numpy as np

FORMULA = "y = a*exp(-b*x) + c"
START = {"a": 1.0, "b": 1.0, "c": 0.0}
GROUPS = 120


def table(groups: int = GROUPS, seed: int = 0) -> dict[str, np.ndarray]:
    """Decays of 1 to 12 points, among them some that no decay fits, in the order of their keys."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(4, 13, groups)
    counts[3], counts[7] = 1, 2
    key = np.repeat(np.arange(groups) * 3 - 50, counts)
    x = rng.uniform(0, 4, len(key))
    a, b, c = (np.repeat(rng.uniform(*ends, groups), counts) for ends in ((1, 3), (0.3, 2), (0, 1)))
    y = a * np.exp(-b * x) + c + 0.05 * rng.normal(size=len(key))
    y[key == key[0] + 3 * 5] = rng.normal(size=counts[5])  # noise alone
    return {"k": key, "x": x, "y": y, "s": 0.05 + 0.01 * x}


def shuffled(columns: dict[str, np.ndarray], seed: int = 1) -> dict[str, np.ndarray]:
    """The same rows in another order, in which those of each group keep theirs."""
    key, rng = columns["k"], np.random.default_rng(seed)
    order = np.argsort(key, kind="stable")
    where = np.empty(len(key), np.int64)
    place = rng.permutation(len(key))
    mixed = key[place]
    where[np.argsort(mixed, kind="stable")] = order
    return {name: column[where] for name, column in columns.items()}


def written(columns: dict[str, np.ndarray], path: Path, more: str = "*") -> str:
    with duckdb.connect() as link:
        link.register("t", columns)
        link.execute(f"COPY (SELECT {more} FROM t) TO '{path}' (FORMAT parquet)")
    return str(path)


def read(path: str | Path) -> dict[str, np.ndarray]:
    with duckdb.connect() as link:
        found = link.execute(f"SELECT * FROM '{path}'").fetchnumpy()
    return {name: np.ma.filled(column, np.nan) if column.dtype.kind == "f" else np.asarray(column)
            for name, column in found.items()}  # fmt: skip
